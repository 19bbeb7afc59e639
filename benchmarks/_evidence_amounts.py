"""
Worlds of amounts, for benchmarks/evidence.py and tests/sim: heavy-tailed cost and latency, our tests, and the rules
others use.

Values are drawn with replacement from a fixed population of integers, so the truth of each world is known exactly. One
look every 50 requests; each function plays one rollout from one seed.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import lru_cache

from _evidence_worlds import LEAST_BAD, LOOK, Chance, harm_test, ramp_share

from surefoot.core.evidence.eprocess import LN_20
from surefoot.core.evidence.exceedance import LEAST_VALUES, freeze_edges
from surefoot.core.evidence.histogram import Histogram, bucket_of, representative
from surefoot.core.evidence.interval import asymptotic_one_sided_width
from surefoot.core.evidence.means import MeanHarm, MeanNonInferiority

__all__ = ["costs", "latencies", "population"]


@lru_cache
def population(sigma: float, factor: float = 1.0) -> tuple[int, ...]:
    """20,000 lognormal amounts around 2,000 (micro-dollars or milliseconds), times a factor."""
    draw = random.Random(f"population/{sigma}")
    return tuple(round(2000 * factor * math.exp(sigma * draw.gauss(0.0, 1.0))) for _ in range(20_000))


@lru_cache
def _represented(sigma: float, factor: float) -> tuple[float, ...]:
    return tuple(representative(bucket_of(value)) for value in population(sigma, factor))


class _Mean:
    """Running mean and its variance, for the rules that use them."""

    __slots__ = ("n", "squares", "total")

    def __init__(self) -> None:
        self.n, self.total, self.squares = 0, 0.0, 0.0

    def add(self, values: Counter[float]) -> None:
        for value, count in values.items():
            self.n += count
            self.total += value * count
            self.squares += value * value * count

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def variance_of_mean(self) -> float:
        return max(self.squares / self.n - self.mean**2, 0.0) / self.n


def costs(
    seed: object, factor: float, *, share: float | None = None, sigma: float = 1.5, requests: int = 20_000
) -> dict[str, int]:
    """
    Rule name to the requests after which it spoke, 0 if never: a candidate whose every cost is `factor` times stable's.

    `harm`: our test without tolerance. `proof`: our non-inferiority test with a margin of 20 %. `mean 20 % up`: the
    fixed rule, from 100 units. `interval proof`: the one-sided asymptotic interval stays below the same margin, from 30
    candidate units.
    """
    chance = Chance(seed)
    stable_values, candidate_values = _represented(sigma, 1.0), _represented(sigma, factor)
    harm, proof = MeanHarm(tolerance=0.0), MeanNonInferiority(0.2)
    arms = _Mean(), _Mean()
    found = dict.fromkeys(("harm", "proof", "mean 20 % up", "interval proof"), 0)
    before = share or 0.01
    for asked in range(LOOK, requests + 1, LOOK):
        now = share or ramp_share(asked)
        if now != before:
            harm.restart()
            before = now
        n_c = chance.binomial(LOOK, now)
        candidate = Counter(chance.random.choices(candidate_values, k=n_c))
        stable = Counter(chance.random.choices(stable_values, k=LOOK - n_c))
        harm.update(candidate, stable)
        proof.update(candidate, stable)
        arms[0].add(candidate)
        arms[1].add(stable)
        said = {
            "harm": arms[0].n >= 10 and harm.ln_e >= LN_20,
            "proof": arms[0].n >= 20 and proof.ln_e >= LN_20,
            "mean 20 % up": arms[0].n >= 100 and arms[0].mean > 1.2 * arms[1].mean,
            "interval proof": arms[0].n >= 30 and _interval_proves(*arms),
        }
        for rule, spoke in said.items():
            if spoke and not found[rule]:
                found[rule] = asked
    return found


def _interval_proves(candidate: _Mean, stable: _Mean) -> bool:
    grown = 1.2
    error = math.sqrt(candidate.variance_of_mean + grown * grown * stable.variance_of_mean)
    units = candidate.n * stable.n / (candidate.n + stable.n)
    return (
        candidate.mean - grown * stable.mean + asymptotic_one_sided_width(error, units, alpha=0.05, tightest_at=500) < 0
    )


def latencies(
    seed: object, factor: float, *, share: float | None = None, sigma: float = 0.6, requests: int = 20_000
) -> dict[str, int]:
    """
    Rule name to the requests after which it rolled back, 0 if never: a candidate `factor` times as slow.

    `exceedance`: our test without tolerance, its edge frozen from the first 200 stable units. `p95 20 % up`: the fixed
    rule on the quantiles of all values so far, from 100 candidate units.
    """
    chance = Chance(seed)
    stable_values, candidate_values = population(sigma), population(sigma, factor)
    harm, edges, seen, bad = harm_test(0.05), None, [Histogram(), Histogram()], 0
    found = dict.fromkeys(("exceedance", "p95 20 % up"), 0)
    before = share or 0.01
    for asked in range(LOOK, requests + 1, LOOK):
        now = share or ramp_share(asked)
        if now != before:
            harm.restart()
            before = now
        n_c = chance.binomial(LOOK, now)
        candidate = Histogram.of(chance.random.choices(candidate_values, k=n_c))
        stable = Histogram.of(chance.random.choices(stable_values, k=LOOK - n_c))
        seen = [seen[0] + candidate, seen[1] + stable]
        if edges is None:
            if seen[1].n >= LEAST_VALUES:
                edges = freeze_edges(seen[1], tolerance=0.0)
            continue
        tick = edges.tick(candidate, stable)
        harm.update(tick)
        bad += tick.k_c
        if not found["exceedance"] and bad >= LEAST_BAD and harm.ln_e >= LN_20:
            found["exceedance"] = asked
        if not found["p95 20 % up"] and seen[0].n >= 100:
            high, usual = seen[0].quantile(0.95), seen[1].quantile(0.95)
            if high and usual and high > 1.2 * usual:
                found["p95 20 % up"] = asked
    return found
