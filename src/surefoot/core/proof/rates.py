"""What a count of passes says about the rate behind it: intervals, repeated trials, judges that are sometimes wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from .chance import uniform
from .distributions import beta_quantile, normal_quantile

__all__ = [
    "Bounds",
    "Cluster",
    "Corrected",
    "JudgeErrors",
    "Tried",
    "bootstrap_means",
    "clopper_pearson",
    "cluster_bootstrap",
    "hit_at_k",
    "pass_all_k",
    "pass_at_k",
    "rogan_gladen",
    "wilson",
]


class Bounds(NamedTuple):
    """A confidence interval, ends included."""

    low: float
    high: float


class Cluster(NamedTuple):
    """Trials that resemble one another: their sum and their number."""

    total: float
    n: int


class Tried(NamedTuple):
    """An objective of an attack: how often it was reached in so many tries."""

    hits: int
    n: int


class Corrected(NamedTuple):
    """A rate after the judge's errors were taken out of it."""

    rate: float
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeErrors:
    """What a judge said about cases whose truth is known."""

    true_passes: int
    passed: int
    """Of the true passes, those that the judge passed too."""

    true_fails: int
    failed: int
    """Of the true failures, those that the judge failed too."""

    @property
    def sensitivity(self) -> float:
        """Share of true passes that it passes; 0 where there were none."""
        return self.passed / self.true_passes if self.true_passes else 0.0

    @property
    def specificity(self) -> float:
        """Share of true failures that it fails; 0 where there were none."""
        return self.failed / self.true_fails if self.true_fails else 0.0


def wilson(passed: float, n: float, *, confidence: float = 0.95) -> Bounds:
    """
    Two-sided score interval of a rate: the rates that the score test does not reject.

    Counts may be fractions (an effective sample size). For a one-sided bound at 95 % ask for confidence 0.90.
    No trials: all of [0, 1]. Raises ValueError for impossible counts. Wilson (1927), JASA 22.
    """
    _refuse_impossible(passed, n, confidence)
    if n == 0:
        return Bounds(0.0, 1.0)
    z = -normal_quantile(0.5 * (1.0 - confidence))
    rate, square = passed / n, z * z / n
    centre = (rate + 0.5 * square) / (1.0 + square)
    half = z / (1.0 + square) * math.sqrt(rate * (1.0 - rate) / n + 0.25 * square / n)
    return Bounds(0.0 if passed == 0 else centre - half, 1.0 if passed == n else centre + half)


def clopper_pearson(passed: float, n: float, *, confidence: float = 0.95) -> Bounds:
    """
    Two-sided exact interval of a rate: never covers less than it promises.

    0 of n still allows 1 - (alpha / 2) ** (1 / n). Counts may be fractions, see `wilson`; raises as it does.
    Clopper and Pearson (1934), Biometrika 26, as quantiles of the beta distribution.
    """
    _refuse_impossible(passed, n, confidence)
    tail = 0.5 * (1.0 - confidence)
    low = 0.0 if passed == 0 else beta_quantile(tail, passed, n - passed + 1.0)
    high = 1.0 if passed == n else beta_quantile(1.0 - tail, passed + 1.0, n - passed)
    return Bounds(low, high)


def rogan_gladen(passed: float, n: float, judge: JudgeErrors, *, confidence: float = 0.95) -> Corrected | None:
    """
    The rate of true passes behind a judge that is sometimes wrong; None if it is no better than chance, or n is 0.

    Rogan and Gladen (1978), American Journal of Epidemiology 107, cut to [0, 1]. The interval counts the judge's own
    calibration cases as the sample they are: Lang and Reiczigel (2014), Preventive Veterinary Medicine 113.
    """
    _refuse_impossible(passed, n, confidence)
    plain = judge.sensitivity + judge.specificity - 1.0
    if n == 0 or not judge.true_passes or not judge.true_fails or plain <= 0.0:
        return None
    z = -normal_quantile(0.5 * (1.0 - confidence))
    size, se_size, sp_size = n + z * z, judge.true_passes + 2.0, judge.true_fails + 2.0
    observed, se, sp = (passed + 0.5 * z * z) / size, (judge.passed + 1.0) / se_size, (judge.failed + 1.0) / sp_size
    better = se + sp - 1.0
    rate = (passed / n + judge.specificity - 1.0) / plain
    if better <= 0.0:
        return Corrected(_share(rate), Bounds(0.0, 1.0))
    centre = (observed + sp - 1.0) / better
    se_part, sp_part = centre * se * (1.0 - se) / se_size, (1.0 - centre) * sp * (1.0 - sp) / sp_size
    shift = 2.0 * z * z * (se_part - sp_part)
    spread = observed * (1.0 - observed) / size + centre * se_part + (1.0 - centre) * sp_part
    half = z * math.sqrt(spread) / better
    return Corrected(_share(rate), Bounds(_share(centre + shift - half), _share(centre + shift + half)))


def pass_at_k(passed: int, n: int, k: int) -> float:
    """
    The chance that at least one of k tries passes, from n tries of which `passed` did; unbiased.

    Raises ValueError for k above n: nothing is known about so many tries. Chen et al. (2021), arXiv 2107.03374.
    """
    _refuse_too_many(passed, n, k)
    return 1.0 - math.comb(n - passed, k) / math.comb(n, k)


def pass_all_k(passed: int, n: int, k: int) -> float:
    """
    The chance that all of k tries pass (pass^k), from n tries of which `passed` did; unbiased. Raises as `pass_at_k`.

    Yao et al. (2024), tau-bench, arXiv 2406.12045.
    """
    _refuse_too_many(passed, n, k)
    return math.comb(passed, k) / math.comb(n, k)


def hit_at_k(attacked: Iterable[Tried], k: int) -> float | None:
    """
    The share of objectives that k tries break, on average; None where none was tried k times.

    `pass_at_k` with a hit in the place of a pass, averaged over the objectives that were tried at least k times.
    """
    chances = [pass_at_k(tried.hits, tried.n, k) for tried in attacked if tried.n >= k]
    return math.fsum(chances) / len(chances) if chances else None


def cluster_bootstrap(
    clusters: Sequence[Cluster], *, seed: int, confidence: float = 0.95, resamples: int = 2000
) -> Bounds | None:
    """
    Percentile interval of a mean whose trials come in clusters (the trials of a case, the turns of a conversation).

    Whole clusters are drawn with replacement, because trials of a case resemble one another: Field and Welsh (2007),
    JRSS-B 69. Equal seeds give equal intervals. None without clusters, or when none of them has a trial.
    """
    means = bootstrap_means(clusters, seed=seed, resamples=resamples)
    if not means:
        return None
    means.sort()
    tail = 0.5 * (1.0 - confidence)
    return Bounds(_percentile(means, tail), _percentile(means, 1.0 - tail))


def bootstrap_means(clusters: Sequence[Cluster], *, seed: int, resamples: int = 2000) -> list[float]:
    """The means of samples of whole clusters, drawn with replacement. Empty where no cluster has a trial."""
    filled = [cluster for cluster in clusters if cluster.n]
    totals, sizes, count = [c.total for c in filled], [c.n for c in filled], len(filled)
    if not count:
        return []
    draw = uniform(seed, count)
    means: list[float] = []
    for _ in range(resamples):
        chosen = list(islice(draw, count))
        means.append(sum([totals[place] for place in chosen]) / sum([sizes[place] for place in chosen]))
    return means


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours (Hyndman and Fan's type 7)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _refuse_too_many(passed: int, n: int, k: int) -> None:
    if not 0 <= passed <= n or not 1 <= k <= n:
        raise ValueError(f"need 0 <= passed <= n and 1 <= k <= n, got {passed} of {n} and k = {k}")


def _refuse_impossible(passed: float, n: float, confidence: float) -> None:
    if not 0 <= passed <= n < math.inf or not 0.0 < confidence < 1.0:
        raise ValueError(f"need 0 <= passed <= n and 0 < confidence < 1, got {passed} of {n} at {confidence}")
