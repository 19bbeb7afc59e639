"""
Evidence about means of costs, tokens, calls, latencies and scores: bets on capped values, exact for any distribution.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from .eprocess import StartMixture, log_sum_exp, log_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MEAN_INCREASES", "MEAN_WEIGHTS", "MeanHarm", "MeanNonInferiority", "score_loss"]

MEAN_INCREASES: Final = (0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.5, 8.0)
"""By what part of the stable mean an alternative exceeds it."""

MEAN_WEIGHTS: Final = (0.07, 0.10, 0.16, 0.20, 0.19, 0.14, 0.09, 0.05)
"""Prior weight of each increase: most on 12 to 100 %, what a prompt or model change does to cost when it goes wrong."""

_CAP_IN_MEANS: Final = 20.0
_LEAST_STABLE_UNITS: Final = 50
_CLOSENESS: Final = 0.9
"""How much of its stake a bet may lose at worst: a factor never falls below 1 - 0.9."""

_FRACTIONS: Final = (0.35, 0.6, 1.0)
_LN_THIRD: Final = -math.log(3.0)


def score_loss(scores: Mapping[int, int], best: int = 5, worst: int = 1) -> dict[float, int]:
    """
    Scores (value to count) as losses in [0, 1], 0 for the best score; use with cap=1. Raises ValueError on a score out
    of range.
    """
    if any(not worst <= score <= best for score in scores):
        raise ValueError(f"scores lie in {worst}..{best}, got {sorted(scores)}")
    return {(best - score) / (best - worst): count for score, count in scores.items()}


class _Moments(NamedTuple):
    mean: float
    variance: float
    cap: float


class _StableMoments:
    """
    Mean, variance and cap from earlier ticks' stable arm. State of a fold; None until there are 50 values and a cap.
    """

    __slots__ = ("_cap", "_early", "_n", "_sum", "_sum_squares")

    def __init__(self, cap: float | None, history: Mapping[float, int] | None) -> None:
        if cap is not None and not 0.0 < cap < math.inf:
            raise ValueError(f"a cap must be positive and finite, got {cap}")
        self._cap = cap
        self._early: Counter[float] = Counter()
        self._n = 0
        self._sum = 0.0
        self._sum_squares = 0.0
        if history:
            _size(history)
            self.learn(history)

    def learn(self, stable: Mapping[float, int]) -> None:
        """Take in a tick's stable values, after the tick has been bet on."""
        if self._cap is not None:
            self._absorb(stable, self._cap)
            return
        self._early.update(stable)
        n = self._early.total()
        total = math.fsum(value * count for value, count in self._early.items())
        if n >= _LEAST_STABLE_UNITS and total > 0.0:
            # Frozen once: a cap that moved with the data would be valid, but no auditor could say what was compared.
            self._cap = _CAP_IN_MEANS * total / n
            self._absorb(self._early, self._cap)
            self._early = Counter()

    @property
    def current(self) -> _Moments | None:
        """What the next tick may be bet with; None means: do not bet yet."""
        if self._cap is None or self._n < _LEAST_STABLE_UNITS:
            return None
        if self._sum == 0.0:
            # Stable has shown nothing but zeros: half a value at the cap among n + 1 keeps bets possible and small.
            mean = self._cap / (2.0 * (self._n + 1))
            return _Moments(mean, mean * (self._cap - mean), self._cap)
        mean = self._sum / self._n
        return _Moments(mean, max(self._sum_squares / self._n - mean * mean, 1e-4 * mean * mean), self._cap)

    @property
    def positive(self) -> bool:
        """Whether stable has shown a value above 0."""
        return self._sum > 0.0

    def _absorb(self, values: Mapping[float, int], cap: float) -> None:
        for value, count in values.items():
            capped = min(value, cap)
            self._n += count
            self._sum += capped * count
            self._sum_squares += capped * capped * count


class MeanHarm:
    """
    Grows when the candidate's values are too large. Null: in every tick E min(y, (1+g) M) of the candidate <= (1+g) E
    min(y, M) of stable.

    Validity: with stakes lambda (1-s) on each candidate value and -lambda s on each stable value around a predictable
    centre c, factors stay above 0.1 and a tick's expectation is at most exp(lambda n s (1-s) (difference of capped
    means)) <= 1. No distribution, no variance and no sample size is assumed; asymptotic intervals on such data fire
    late or falsely (STATISTICS 5.6).

    Defaults: cap M = 20 stable means (a value above counts as M; on lognormal cost with sigma 1.5 that is 1 value in
    300), frozen when the first 50 stable values (or the history) are in; tolerance g = 0.10, because caches and load
    move cost and latency by percents; increases and weights above; stake D / (v + D^2 (1-s)), the growth-optimal one
    for a shift D at variance v to second order.
    Edge cases: no bet before 50 stable values; a stable arm of zeros only can be bet on if a cap is configured, else
    never.
    Mutable: the state of a fold over closed ticks in order.

    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS-B 86(1),
    arXiv 2010.09686.
    """

    __slots__ = ("_mixture", "_moments", "_tolerance")

    def __init__(
        self,
        *,
        tolerance: float = 0.10,
        cap: float | None = None,
        history: Mapping[float, int] | None = None,
        restart_every: int = 2000,
        max_starts: int = 30,
    ) -> None:
        """
        `tolerance` is relative and at least 0; `history` are the stable version's earlier values (value to count), 200
        or more to help.
        """
        if not 0.0 <= tolerance < math.inf:
            raise ValueError(f"tolerance is a relative increase of 0 or more, got {tolerance}")
        self._moments = _StableMoments(cap, history)
        self._tolerance = tolerance
        weights = log_weights(MEAN_WEIGHTS, len(MEAN_INCREASES))
        self._mixture = StartMixture(weights, restart_every=restart_every, max_starts=max_starts)

    def update(self, candidate: Mapping[float, int], stable: Mapping[float, int]) -> None:
        """
        Bet on one closed tick (value to count, per arm), then learn the stable moments. Raises ValueError on negative
        input.
        """
        n_c, n_s = _size(candidate), _size(stable)
        moments = self._moments.current
        if moments and n_c and n_s:
            self._mixture.advance(self._bet(moments, candidate, stable, n_c / (n_c + n_s)), n_c + n_s)
        self._moments.learn(stable)

    def restart(self) -> None:
        """Let a new bettor start: call it at each stage entry, never because of an outcome."""
        self._mixture.restart()

    @property
    def ln_e(self) -> float:
        """ln E, mixed over starts; the number the rollback average uses."""
        return self._mixture.ln_e

    @property
    def ln_e_from_start(self) -> float:
        """ln E of the bettor that began with the rollout, without restarts."""
        return self._mixture.ln_e_from_start

    @property
    def levels(self) -> tuple[float, ...]:
        """ln E of each increase since the rollout began, in the order of MEAN_INCREASES."""
        return tuple(self._mixture.levels)

    def _bet(
        self, moments: _Moments, candidate: Mapping[float, int], stable: Mapping[float, int], share: float
    ) -> list[float]:
        mean, variance, cap = moments
        grown = 1.0 + self._tolerance
        cap_c = grown * cap
        values_c = [(min(value, cap_c) / grown, count) for value, count in candidate.items() if count]
        values_s = [(min(value, cap), count) for value, count in stable.items() if count]
        rest = 1.0 - share
        levels: list[float] = []
        for level, increase in zip(self._mixture.levels, MEAN_INCREASES, strict=True):
            shift = increase * mean
            centre = mean + share * shift
            stake = min(shift / (variance + shift * shift * rest), _CLOSENESS / (rest * centre))
            if cap > centre:
                stake = min(stake, _CLOSENESS / (share * (cap - centre)))
            levels.append(
                level + _ln_product(values_c, stake * rest, centre) + _ln_product(values_s, -stake * share, centre)
            )
        return levels


class MeanNonInferiority:
    """
    Grows when the mean is proven to rise by less than the margin. Null: E min(y, (1+g) M) of the candidate >= (1+g) E
    min(y, M) of stable.

    Validity: as for `MeanHarm` with the signs turned. The candidate is capped at (1+g) M, not M: capping it at M would
    make a candidate with heavier tails look cheaper than it is (7.7 % instead of 4.4 % false acceptance at 5 %,
    STATISTICS 3.5).

    Defaults: margin g = 0.20 of the stable mean; three bets on 35, 60 and 100 % of the growth-optimal stake, equal
    weights, since the variance is estimated; cap and first 50 values as for `MeanHarm`. No restarts, nothing sticky.
    Edge cases: a stable mean of 0 has no relative margin: no bet, so nothing is ever proven; give such a metric an
    absolute margin.
    Mutable: the state of a fold over closed ticks in order.

    Waudby-Smith and Ramdas (2024), arXiv 2010.09686.
    """

    __slots__ = ("_levels", "_margin", "_moments")

    def __init__(
        self, margin: float = 0.20, *, cap: float | None = None, history: Mapping[float, int] | None = None
    ) -> None:
        """`margin` is relative to the stable mean and positive."""
        if not 0.0 < margin < math.inf:
            raise ValueError(f"margin is a relative increase above 0, got {margin}")
        self._margin = margin
        self._moments = _StableMoments(cap, history)
        self._levels = [0.0] * len(_FRACTIONS)

    def update(self, candidate: Mapping[float, int], stable: Mapping[float, int]) -> None:
        """
        Bet on one closed tick (value to count, per arm), then learn the stable moments. Raises ValueError on negative
        input.
        """
        n_c, n_s = _size(candidate), _size(stable)
        moments = self._moments.current
        if moments and n_c and n_s and self._moments.positive:
            self._bet(moments, candidate, stable, n_c / (n_c + n_s))
        self._moments.learn(stable)

    @property
    def ln_e(self) -> float:
        """The current ln E; promotion needs it at the bar now, not once."""
        return log_sum_exp([_LN_THIRD + level for level in self._levels])

    @property
    def levels(self) -> tuple[float, ...]:
        """ln E of the three stakes: 35, 60 and 100 %."""
        return tuple(self._levels)

    @property
    def margin(self) -> float:
        """The relative increase that is ruled out once ln_e reaches the bar."""
        return self._margin

    def _bet(
        self, moments: _Moments, candidate: Mapping[float, int], stable: Mapping[float, int], share: float
    ) -> None:
        mean, variance, cap = moments
        grown = 1.0 + self._margin
        cap_c = grown * cap
        rest = 1.0 - share
        shift = self._margin * mean
        centre = mean * (1.0 + self._margin * rest)
        values_c = [(min(value, cap_c), count) for value, count in candidate.items() if count]
        values_s = [(grown * min(value, cap), count) for value, count in stable.items() if count]
        most = min(
            _CLOSENESS / (rest * (cap_c - centre)) if cap_c > centre else math.inf, _CLOSENESS / (share * centre)
        )
        for i, fraction in enumerate(_FRACTIONS):
            stake = min(fraction * shift / (variance + shift * shift), most)
            self._levels[i] += _ln_product(values_c, -stake * rest, centre) + _ln_product(
                values_s, stake * share, centre
            )


def _ln_product(values: Iterable[tuple[float, int]], stake: float, centre: float) -> float:
    log1p = math.log1p
    return sum([count * log1p(stake * (value - centre)) for value, count in values])


def _size(values: Mapping[float, int]) -> int:
    # Each by itself: min() and max() step over a NaN that is not the first.
    if not all(0.0 <= value < math.inf and count >= 0 for value, count in values.items()):
        raise ValueError("values must be finite and at least 0, and their counts at least 0")
    return sum(values.values())
