"""
Evidence as an e-process: a running ln E that a true null hypothesis lifts above ln(1/alpha) with probability at most
alpha.

An e-process is a non-negative process whose expectation under the null never exceeds 1 at any stopping time. Ville's
inequality then bounds the chance that it *ever* reaches 1/alpha, so one may look after every tick and stop for any
reason. This module holds what all tests share: the input of one tick, the baseline, the grids of alternatives, the
mixture over starts, and the average over metrics. Everything is in natural logarithms and finite; nothing here knows a
clock, a metric's name or a verdict.

Papers: Turner, Ly and Gruenwald (2024), Generic e-variables for exact sequential k-sample tests that allow for optional
stopping, JSPI 230, arXiv 2106.02693; Ramdas, Gruenwald, Vovk and Shafer (2023), Game-theoretic statistics and safe
anytime-valid inference, arXiv 2210.01948.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "LN_20",
    "LN_1000",
    "ODDS_RATIOS",
    "SAFETY_BASELINE",
    "SAFETY_WEIGHTS",
    "USUAL_BASELINE",
    "USUAL_WEIGHTS",
    "Baseline",
    "Binary",
    "StableRate",
    "StartMixture",
    "WeightedEvidence",
    "average",
    "clip_rate",
    "log_sum_exp",
    "log_weights",
    "odds",
    "threshold",
]

LN_20: Final = math.log(20)
"""The bar at alpha = 0.05: ln(1/0.05)."""

LN_1000: Final = math.log(1000)
"""The bar of the sample-ratio test: one false alarm in a thousand rollouts."""

ODDS_RATIOS: Final = (1.04, 1.1, 1.2, 1.4, 1.75, 2.4, 4.0, 8.0, 25.0, 120.0)
"""
How many times the stable odds of failing an alternative assumes. Roughly geometric in ln(ratio): neighbours are close
enough that the best grid point loses little growth on any ratio between them. Harm below 1.04 is practically never
found.
"""

USUAL_WEIGHTS: Final = (0.05, 0.08, 0.12, 0.16, 0.17, 0.15, 0.11, 0.08, 0.05, 0.03)
"""
Prior weight of each odds ratio for failure rates of percents: regressions of 1 to 10 points on a base of 95 % success.
"""

SAFETY_WEIGHTS: Final = (0.01, 0.02, 0.04, 0.07, 0.10, 0.14, 0.18, 0.19, 0.15, 0.10)
"""
Prior weight of each odds ratio for rare events: on a base of one in a thousand a harm worth noticing is a large ratio.
"""

_RATE_FLOOR: Final = 1e-6
_RATE_CEILING: Final = 1.0 - 1e-6


class Binary(NamedTuple):
    """
    One closed tick of one yes-or-no metric inside one epoch; 1 is always the bad outcome.

    `n` are the units that could still fail when the tick began, `k` those of them whose first failure fell into the
    tick.
    """

    n_c: int
    """Candidate units."""
    k_c: int
    """Bad candidate units, 0..n_c."""
    n_s: int
    """Stable units."""
    k_s: int
    """Bad stable units, 0..n_s."""

    def checked(self) -> Binary:
        """Itself; raises ValueError if a count is negative or there are more bad units than units."""
        if 0 <= self.k_c <= self.n_c and 0 <= self.k_s <= self.n_s:
            return self
        raise ValueError(f"counts must satisfy 0 <= bad <= units in each arm, got {self}")


class Baseline(NamedTuple):
    """
    What is believed of the stable failure rate before the rollout: a rate and how many units that belief is worth.

    Validity never depends on it, only speed: a wrong baseline is washed out after `weight` stable units.
    """

    rate: float
    weight: float

    @classmethod
    def from_history(cls, units: int, bad: int, *, otherwise: Baseline) -> Baseline:
        """
        The stable version's own past rate, worth its size but at most 2000 units; `otherwise` if there is no past.
        """
        if not 0 <= bad <= units:
            raise ValueError(f"history must satisfy 0 <= bad <= units, got bad={bad}, units={units}")
        return cls(bad / units, float(min(units, 2000))) if units else otherwise


USUAL_BASELINE: Final = Baseline(rate=0.05, weight=20.0)
"""5 % failures, worth 20 units: gone after the first tick or two."""

SAFETY_BASELINE: Final = Baseline(rate=0.002, weight=200.0)
"""2 in a thousand, worth 200 units: with fewer, one early event would read as a rate of percents."""


class StableRate:
    """The predictable estimate of the stable failure rate: earlier ticks only, never the candidate. State of a fold."""

    __slots__ = ("_bad", "_units")

    def __init__(self, baseline: Baseline) -> None:
        if not (0.0 <= baseline.rate <= 1.0 and 0.0 < baseline.weight < math.inf):
            raise ValueError(f"a baseline needs 0 <= rate <= 1 and a positive finite weight, got {baseline}")
        self._bad = baseline.rate * baseline.weight
        self._units = baseline.weight

    @property
    def value(self) -> float:
        """Kept away from 0 and 1 by a millionth, so that every logarithm is finite."""
        return clip_rate(self._bad / self._units)

    def learn(self, units: int, bad: int) -> None:
        """Take in a tick's stable arm, after the tick has been bet on."""
        self._bad += bad
        self._units += units


def clip_rate(rate: float) -> float:
    """The rate, at least a millionth away from 0 and 1."""
    return min(max(rate, _RATE_FLOOR), _RATE_CEILING)


def odds(rate: float, ratio: float) -> float:
    """The rate whose odds are `ratio` times those of `rate`."""
    return ratio * rate / (1.0 - rate + ratio * rate)


def threshold(alpha: float) -> float:
    """The bar ln(1/alpha) that ln E must reach; alpha strictly between 0 and 1."""
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha}")
    return -math.log(alpha)


def log_sum_exp(terms: Sequence[float]) -> float:
    """ln of the sum of exp(terms) without overflow; -inf for no terms."""
    top = max(terms, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(sum([math.exp(term - top) for term in terms]))


def log_weights(weights: Sequence[float], size: int) -> list[float]:
    """ln of mixture weights; raises ValueError unless there are `size` positive ones that sum to 1."""
    if len(weights) != size or min(weights) <= 0.0 or abs(math.fsum(weights) - 1.0) > 1e-9:
        raise ValueError(f"need {size} positive weights that sum to 1, got {tuple(weights)}")
    return [math.log(weight) for weight in weights]


class WeightedEvidence(NamedTuple):
    """One metric's say in the average."""

    weight: float
    """Relative, positive; only proportions matter."""
    ln_e: float


def average(evidence: Iterable[WeightedEvidence | tuple[float, float]]) -> float:
    """
    ln of the weighted average of several metrics' e-values: evidence against "the candidate is worse on none of them".

    Null: every metric's own null. The average of e-processes is an e-process whatever their dependence, and its
    crossing of 1/alpha happens no later than Bonferroni's with alpha split by the same weights. No metrics: 0.0, the
    e-value 1, evidence of nothing. Default weights (STATISTICS section 4): success and safety 2, others 1. Vovk and
    Wang (2021), E-values, arXiv 1912.06116.
    """
    pairs = [(weight, ln_e) for weight, ln_e in evidence]
    if not pairs:
        return 0.0
    if not all(0.0 < weight < math.inf and ln_e < math.inf for weight, ln_e in pairs):
        raise ValueError(
            f"every weight must be positive and finite, and every ln E a number below infinity, got {pairs}"
        )
    total = math.fsum(weight for weight, _ in pairs)
    return log_sum_exp([math.log(weight / total) + ln_e for weight, ln_e in pairs])


class StartMixture:
    """
    A mixture of bettors over a grid of alternatives and over starting times, so that a harm that begins late is still
    found soon.

    ln E of bettor (start i, alternative j) is its level minus the level at start i. With start weights 1/((i+1)(i+2)),
    of which the not yet started ones still hold their stake 1/(S+1), the stakes sum to 1; hence
        E = sum_i 1/((i+1)(i+2)) sum_j w_j exp(L_j - L_j at start i) + 1/(S+1)
    is an e-process whenever each exp(L_j) is a product of conditional e-values and starts are chosen without looking at
    outcomes. A start costs ln((i+1)(i+2)); after `max_starts` no more are added. Starts accumulate into one weight per
    alternative, so `ln_e` costs the same after thirty starts as after one. Mutable: it is the state of a fold over
    ticks.
    """

    __slots__ = ("_every", "_first", "_max", "_since", "_stakes", "_starts", "levels")

    def __init__(self, ln_weights: Sequence[float], *, restart_every: int, max_starts: int) -> None:
        if restart_every < 1 or max_starts < 1:
            raise ValueError(f"restart_every and max_starts must be at least 1, got {restart_every} and {max_starts}")
        self.levels = [0.0] * len(ln_weights)
        self._first = list(ln_weights)
        self._stakes = [ln_weight - math.log(2.0) for ln_weight in ln_weights]
        self._starts = 1
        self._since = 0
        self._every = restart_every
        self._max = max_starts

    @property
    def starts(self) -> int:
        """How many bettors have started, the first included."""
        return self._starts

    def advance(self, levels: list[float], units: int) -> None:
        """Take the levels after a tick of so many units; a new start follows by itself every `restart_every` units."""
        self.levels = levels
        self._since += units
        if self._since >= self._every:
            self.restart()

    def restart(self) -> None:
        """
        Let a new bettor start now. Nothing happens if none of the data came after the last start, or all starts are
        used up.
        """
        if self._since == 0 or self._starts >= self._max:
            return
        i = self._starts
        gamma = -math.log((i + 1) * (i + 2))
        self._stakes = [
            _log_add(stake, gamma + first - level)
            for stake, first, level in zip(self._stakes, self._first, self.levels, strict=True)
        ]
        self._starts += 1
        self._since = 0

    @property
    def ln_e(self) -> float:
        """The mixture over all starts: what a decision uses."""
        terms = [stake + level for stake, level in zip(self._stakes, self.levels, strict=True)]
        terms.append(-math.log(self._starts + 1))
        return log_sum_exp(terms)

    @property
    def ln_e_from_start(self) -> float:
        """
        The bettor that began with the rollout, alone: an e-process too, a little stronger if the harm was there from
        the start.
        """
        return log_sum_exp([first + level for first, level in zip(self._first, self.levels, strict=True)])


def _log_add(a: float, b: float) -> float:
    top = max(a, b)
    return top + math.log1p(math.exp(min(a, b) - top))
