"""Whether a candidate did worse than its baseline on the same cases, and how small a drop would have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from typing import Final, NamedTuple

from .chance import coins
from .distributions import beta_cdf, binomial_pmf, hypergeometric_pmf, normal_cdf, student_quantile, student_tail

__all__ = [
    "PairedT",
    "fisher",
    "holm",
    "mcnemar",
    "mcnemar_mid_p",
    "paired_permutation",
    "paired_t",
    "power_at",
    "smallest_drop",
]

_FINEST_STEP: Final = 720
"""Largest denominator of a per-case mean that is taken for a fraction of few trials."""

_MOST_SUMS: Final = 4_000_000
"""Work of the exact permutation distribution, in additions; beyond it signs are drawn."""


class PairedT(NamedTuple):
    """A paired comparison of per-case means: candidate minus baseline."""

    mean: float
    error: float
    """Standard error of the mean."""

    statistic: float
    p_value: float
    """One-sided: the chance of a mean this low or lower if nothing changed."""

    n: int


def mcnemar(worse: int, better: int, *, two_sided: bool = False) -> float:
    """
    Exact p-value that `worse` cases turned from pass to fail while `better` turned the other way, if nothing changed.

    One-sided unless asked. McNemar (1947), Psychometrika 12, as a binomial test of the cases that turned.
    """
    n = worse + better
    if two_sided:
        return min(1.0, 2.0 * _at_least(max(worse, better), n))
    return _at_least(worse, n)


def mcnemar_mid_p(worse: int, better: int) -> float:
    """
    One-sided McNemar that counts what was seen by half: less cautious than the exact test, and closer to its level.

    Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91.
    """
    n = worse + better
    return _at_least(worse, n) - 0.5 * binomial_pmf(worse, n, 0.5) if n else 1.0


def fisher(passed: int, n: int, passed_before: int, n_before: int) -> float:
    """
    Exact one-sided p-value that the rate fell, for counts of different cases. Raises ValueError for impossible counts.

    Fisher (1935), The logic of inductive inference, JRSS 98.
    """
    if not (0 <= passed <= n and 0 <= passed_before <= n_before):
        raise ValueError(f"no such counts: {passed} of {n}, {passed_before} of {n_before}")
    good, total = passed + passed_before, n + n_before
    lowest = max(0, n + good - total)
    below = (hypergeometric_pmf(k, drawn=n, good=good, total=total) for k in range(lowest, passed + 1))
    return min(1.0, math.fsum(below))


def paired_t(differences: Sequence[float]) -> PairedT | None:
    """
    Student's paired test that the mean difference is below zero; None for fewer than two.

    Differences that are all alike leave no spread to measure with: then every sign is a coin (`paired_permutation`).
    Student (1908), Biometrika 6. On per-case means of several trials it has twice the power of McNemar on votes, at the
    same level (docs/gates.md).
    """
    n = len(differences)
    if n < 2:
        return None
    mean = math.fsum(differences) / n
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (n - 1) / n)
    if error <= 1e-12 * abs(mean) or error == 0.0:
        p_value = 0.5**n if mean < 0.0 else 1.0
        return PairedT(mean, 0.0, math.copysign(math.inf, mean) if mean else 0.0, p_value, n)
    statistic = mean / error
    return PairedT(mean, error, statistic, student_tail(-statistic, n - 1), n)


def paired_permutation(differences: Sequence[float], *, seed: int, resamples: int = 10_000) -> float:
    """
    One-sided p-value of the mean difference when every sign is a coin: no distribution is assumed.

    Exact where differences are fractions of few trials; otherwise signs are drawn, and what was seen counts as one of
    the draws (Phipson and Smyth 2010), so the p-value is never 0. Fisher (1935), The design of experiments, section 21.
    """
    moved = [value for value in differences if value]
    if not moved:
        return 1.0
    steps = _as_integers(moved)
    if steps is not None:
        return _exact_signs(steps)
    total = math.fsum(moved)
    nearly = 1e-9 * math.fsum(abs(value) for value in moved)
    sizes, toss, count = [abs(value) for value in moved], coins(seed), len(moved)
    low = 1
    for _ in range(resamples):
        heads = list(islice(toss, count))
        low += sum([size if head else -size for size, head in zip(sizes, heads, strict=True)]) <= total + nearly
    return low / (resamples + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """
    p-values that may be compared with one level together: whatever is true, the chance of any false alarm keeps it.

    In the order given. Holm (1979), Scandinavian Journal of Statistics 6.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return tuple(adjusted)


def smallest_drop(
    deviation: float, n: int, *, alpha: float = 0.05, power: float = 0.80, is_rate: bool = True
) -> float | None:
    """
    The minimum detectable effect: the drop of the mean that a one-sided paired test finds with that power.

    `deviation` is the standard deviation of per-case differences without a drop. For a rate the drop itself adds
    spread, d (1 - d), because it happens to some cases and not to others. None for fewer than two cases. May be above
    1: then no drop of a rate is found. Bland (2009), BMJ 339:b3985, with Student's quantiles.
    """
    if n < 2:
        return None
    factor = (student_quantile(1.0 - alpha, n - 1) + student_quantile(power, n - 1)) / math.sqrt(n)
    if not is_rate:
        return factor * deviation
    # d = factor * sqrt(deviation^2 + d (1 - d)) solved for d
    square = factor * factor
    return (square + math.sqrt(square * square + 4.0 * (1.0 + square) * square * deviation**2)) / (2.0 * (1.0 + square))


def power_at(drop: float, deviation: float, n: int, *, alpha: float = 0.05, is_rate: bool = True) -> float:
    """How often a drop of this size is found; the other direction of `smallest_drop`. 0 for fewer than two cases."""
    if n < 2:
        return 0.0
    spread = math.sqrt(deviation**2 + (drop * (1.0 - drop) if is_rate and 0.0 < drop < 1.0 else 0.0))
    if spread == 0.0:
        return float(drop > 0.0)
    return normal_cdf(drop * math.sqrt(n) / spread - student_quantile(1.0 - alpha, n - 1))


def _at_least(k: int, n: int) -> float:
    """P(X >= k) of n fair coins."""
    return 1.0 if k <= 0 else beta_cdf(0.5, k, n - k + 1)


def _as_integers(values: Sequence[float]) -> list[int] | None:
    """The values as whole multiples of their common step, where it is coarse enough to add up all outcomes."""
    fractions = [Fraction(value).limit_denominator(_FINEST_STEP) for value in values]
    if any(abs(float(near) - value) > 1e-12 * abs(value) for near, value in zip(fractions, values, strict=True)):
        return None
    common = math.lcm(*(near.denominator for near in fractions))
    steps = [int(near * common) for near in fractions]
    return steps if sum(map(abs, steps)) * len(steps) <= _MOST_SUMS else None


def _exact_signs(steps: Sequence[int]) -> float:
    """P(sum with fair signs <= the sum seen), by adding one value after the other to the distribution of sums."""
    sizes = [abs(step) for step in steps]
    reached = sum(size for size, step in zip(sizes, steps, strict=True) if step > 0)
    # of the values that come up positive: their sum has to be at most what it was
    ways = [0] * (sum(sizes) + 1)
    ways[0], top = 1, 0
    for size in sizes:
        top += size
        for total in range(top, size - 1, -1):
            ways[total] += ways[total - size]
    return sum(ways[: reached + 1]) / (1 << len(sizes))
