"""
How often a rule blocks a version that did not change, on the data at hand: an A/A test that costs no run.

If nothing changed, it is chance which of a case's trials were the candidate's and which the baseline's. So they are
shuffled within each case, again and again, and the rule is asked each time: the permutation distribution of Fisher
(1935), per case. Cases that always pass or always fail stay as they are; only the flaky ones move. After a real
regression the shuffled cases are flakier than the agent is, so the rate that is printed then is rather too high.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from .chance import coins, points
from .distributions import hypergeometric_pmf, student_quantile
from .table import Sample

__all__ = ["Pair", "Rule", "degraded_rule", "false_alarm_rate", "mean_drop_rule", "paired_t_rule"]

_POINTS: Final = float(1 << 32)
_MOST_DRAWS: Final = 100_000
_FEWEST_REPETITIONS: Final = 250


class Pair(NamedTuple):
    """One case on both sides, both with a trial."""

    case: str
    before: Sample
    after: Sample

    @property
    def difference(self) -> float:
        """Candidate's mean minus the baseline's."""
        return (self.after.mean or 0.0) - (self.before.mean or 0.0)


Rule = Callable[[Sequence[float], int], bool]
"""Whether it blocks: differences that are not zero (negative is worse), and the number of all cases."""


def mean_drop_rule(limit: float) -> Rule:
    """Blocks if the mean fell by more than this."""
    return lambda moved, n: -sum(moved) / n > limit + 1e-12


def degraded_rule(most: float, by: float) -> Rule:
    """Blocks if more cases than this fell by more than `by`."""
    return lambda moved, _n: sum([value < -by - 1e-12 for value in moved]) > most


def paired_t_rule(alpha: float, n: int) -> Rule:
    """Blocks if the paired t test does, at this one-sided level."""
    critical = student_quantile(1.0 - alpha, n - 1) if n > 1 else math.inf

    def blocks(moved: Sequence[float], cases: int) -> bool:
        total = sum(moved)
        if total >= 0.0 or cases < 2:
            return False
        mean = total / cases
        spread = sum([value * value for value in moved]) - cases * mean * mean
        return spread <= 0.0 or -mean >= critical * math.sqrt(spread / (cases - 1) / cases)

    return blocks


def false_alarm_rate(
    pairs: Sequence[Pair], rule: Rule, *, seed: int, is_rate: bool, sign: float = 1.0, repetitions: int = 1_000
) -> float | None:
    """
    The share of shuffles that the rule blocks; None without a case, or where no shuffle is wanted.

    `sign` is -1 where less is better.
    """
    n = len(pairs)
    if not n or not repetitions:
        return None
    draw = _shuffled_rates(pairs, seed, sign) if is_rate else _shuffled_signs(pairs, seed)
    moving = draw.moving
    if not moving:
        return float(rule((), n))
    rounds = max(_FEWEST_REPETITIONS, min(repetitions, _MOST_DRAWS // moving))
    return sum(rule(draw.once(), n) for _ in range(rounds)) / rounds


class _Shuffle(NamedTuple):
    moving: int
    once: Callable[[], list[float]]


def _shuffled_signs(pairs: Sequence[Pair], seed: int) -> _Shuffle:
    """For amounts: which side was the candidate's is a coin."""
    sizes = [value for pair in pairs if (value := abs(pair.difference))]
    toss = coins(seed)
    return _Shuffle(len(sizes), lambda: [size if next(toss) else -size for size in sizes])


def _shuffled_rates(pairs: Sequence[Pair], seed: int, sign: float) -> _Shuffle:
    """For rates: how many of a case's passes fall to the candidate is hypergeometric."""
    known: dict[tuple[int, int, int], _Ladder] = {}
    ladders: list[_Ladder] = []
    for pair in pairs:
        passed = round(pair.before.total + pair.after.total)
        shape = (passed, pair.after.n, pair.before.n)
        if 0 < passed < shape[1] + shape[2]:
            if shape not in known:
                known[shape] = _ladder(*shape, sign)
            ladders.append(known[shape])
    draw = points(seed)
    return _Shuffle(len(ladders), lambda: [ladder.values[bisect_right(ladder.ends, next(draw))] for ladder in ladders])


class _Ladder(NamedTuple):
    ends: list[float]
    """Where each value's share of [0, 2**32) ends, the last one left open."""

    values: list[float]


def _ladder(passed: int, after: int, before: int, sign: float) -> _Ladder:
    total = after + before
    possible = range(max(0, passed - before), min(after, passed) + 1)
    chances = [hypergeometric_pmf(k, drawn=after, good=passed, total=total) for k in possible]
    values = [sign * (k / after - (passed - k) / before) for k in possible]
    return _Ladder([end * _POINTS for end in accumulate(chances)][:-1], values)
