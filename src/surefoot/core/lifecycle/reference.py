"""
What the candidate alone is held against once it has all traffic: stable as it was known when the warmth began.

Few stable units say little, so the highest rate, or mean, that they leave plausible is taken, not the one they showed:
otherwise a healthy candidate would be rolled back because stable happened to do well in a small sample.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from ..evidence.tally import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ENOUGH", "Known", "MeanReference", "RateReference", "highest_mean", "highest_rate", "highest_share"]

ENOUGH: Final = 200
"""Stable units of the rollout that speak for themselves; with fewer, the version's history is counted with them."""

_LEAST_UNITS: Final = 20
_LEAST_VALUES: Final = 50
"""Below these nothing is known: a rate of 0 in 10 units may be one in three."""

_ONE_IN_100: Final = 0.01
_LN_100: Final = math.log(100.0)
_Z: Final = 2.3263
"""All three: one in a hundred that stable is really worse than the bound."""

_HALVINGS: Final = 40


class Known(NamedTuple):
    """What is known of stable."""

    n: int
    k: float
    """Bad units, or the sum of amounts."""

    highest: float | None
    """The highest plausible rate, or mean; None while too little is known."""


class RateReference:
    """
    Stable's rate. State of a fold: it learns until the warmth begins, and after that only until 200 units are known.

    What comes later (late outcomes of earlier stages, a holdback) does not move what the candidate is held against.
    """

    __slots__ = ("_bad", "_found", "_is_warm", "_units", "past")

    def __init__(self, past: Count) -> None:
        self.past = past
        """Stable units from before the rollout, or from before they could be counted."""

        self._units = 0
        self._bad = 0
        self._is_warm = False
        self._found: tuple[Count, float] | None = None

    def learn(self, units: int, bad: int, *, is_warm: bool) -> None:
        """Take in a tick's stable arm."""
        self._is_warm = self._is_warm or is_warm
        if not (self._is_warm and self._units >= ENOUGH):
            self._units += units
            self._bad += bad

    @property
    def highest(self) -> float | None:
        """The highest plausible rate; None while too little is known."""
        seen = self._seen()
        if seen.n < _LEAST_UNITS:
            return None
        if self._found is None or self._found[0] != seen:
            self._found = seen, highest_rate(min(seen.k, seen.n), seen.n)
        return self._found[1]

    @property
    def known(self) -> Known:
        """What that follows from."""
        return Known(*self._seen(), self.highest)

    def _seen(self) -> Count:
        with_past = self._units < ENOUGH
        return Count(self._units + (self.past.n if with_past else 0), self._bad + (self.past.k if with_past else 0))


class MeanReference:
    """Stable's mean; otherwise as `RateReference`."""

    __slots__ = ("_is_share", "_is_warm", "_past", "_units", "_values")

    def __init__(self, past: Mapping[float, int], *, is_share: bool) -> None:
        """`is_share`: no value is above 1, as with scores."""
        self._past = past
        self._is_share = is_share
        self._values: Counter[float] = Counter()
        self._units = 0
        self._is_warm = False

    def learn(self, values: Mapping[float, int], *, is_warm: bool) -> None:
        """Take in a tick's stable arm, value to count."""
        self._is_warm = self._is_warm or is_warm
        if not (self._is_warm and self._units >= ENOUGH):
            self._values.update(values)
            self._units += sum(values.values())

    @property
    def highest(self) -> float | None:
        """The highest plausible mean; None while too little is known, and where stable has shown nothing but zeros."""
        values = self._seen()
        units = sum(values.values())
        if units < _LEAST_VALUES:
            return None
        if self._is_share:
            return highest_share(sum([value * count for value, count in values.items()]) / units, units)
        return highest_mean(values) or None

    @property
    def known(self) -> Known:
        """What that follows from."""
        values = self._seen()
        return Known(
            sum(values.values()), sum([value * count for value, count in sorted(values.items())]), self.highest
        )

    def _seen(self) -> Counter[float]:
        return self._values + Counter(self._past) if self._units < ENOUGH else self._values


def highest_rate(bad: int, units: int) -> float:
    """
    The rate at which `bad` or fewer of `units` have a chance of one in a hundred: the true one is rarely above it.

    Exact at every size. Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26(4).
    """
    return _least(lambda rate: _at_most(bad, units, rate) < _ONE_IN_100, above=min(1.0, bad / units))


def highest_share(mean: float, units: int) -> float:
    """
    The same for the mean of values between 0 and 1: the least m with units * KL(mean, m) > ln 100.

    Holds at every size, and is a little wider. Hoeffding (1963), Probability inequalities for sums of bounded random
    variables, JASA 58(301), theorem 1.
    """
    return _least(lambda true: units * _divergence(mean, true) > _LN_100, above=mean)


def highest_mean(values: Mapping[float, int]) -> float:
    """
    An upper 0.99 bound of the mean of values (value to count), corrected for skewness; 0 if all are 0.

    Approximate: amounts have no largest value, so no bound is exact. Without the correction a mean of few heavy-tailed
    values is too low most of the time. Johnson (1978), Modified t tests and confidence intervals for asymmetrical
    populations, JASA 73(363).
    """
    n = sum(values.values())
    mean = sum([value * count for value, count in values.items()]) / n
    deviations = [(value - mean, count) for value, count in values.items()]
    variance = sum([by * by * count for by, count in deviations]) / n
    if not variance:
        return mean
    skewness = sum([by * by * by * count for by, count in deviations]) / n / (variance * math.sqrt(variance))
    error = math.sqrt(variance / n)
    return mean + error * (_Z + max(0.0, skewness) * (1.0 + 2.0 * _Z * _Z) / (6.0 * math.sqrt(n)))


def _least(is_beyond: Callable[[float], bool], *, above: float) -> float:
    """The least rate that is beyond, rounded up to a millionth, so that every machine holds against the same one."""
    low, high = above, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if is_beyond(middle):
            high = middle
        else:
            low = middle
    return min(1.0, math.ceil(high * 1e6) / 1e6)


def _at_most(bad: int, units: int, rate: float) -> float:
    """The binomial chance of `bad` or fewer, for a rate above bad/units: terms shrink from the last one down."""
    if bad >= units:
        return 1.0
    if rate >= 1.0:
        return 0.0
    ways = math.lgamma(units + 1) - math.lgamma(bad + 1) - math.lgamma(units - bad + 1)
    term = math.exp(ways + bad * math.log(rate) + (units - bad) * math.log1p(-rate))
    total = 0.0
    for count in range(bad, -1, -1):
        total += term
        term *= count * (1.0 - rate) / ((units - count + 1) * rate)
        if term <= total * 1e-15:
            break
    return total


def _divergence(seen: float, true: float) -> float:
    """Relative entropy of two rates."""
    if seen >= 1.0:
        return -math.log(true)
    if true >= 1.0:
        return math.inf
    rest = (1.0 - seen) * (math.log1p(-seen) - math.log1p(-true))
    return rest + (seen * math.log(seen / true) if seen else 0.0)
