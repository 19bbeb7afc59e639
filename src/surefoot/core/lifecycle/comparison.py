"""What both arms showed, side by side, for every metric anybody recorded: checked or not, decided or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..evidence.amount import scale_of
from ..evidence.eprocess import Binary
from ..evidence.histogram import Histogram, is_censored, representative, upper_edge
from ..evidence.interval import stratified_difference
from ..evidence.metrics import METRICS, Metric, MetricKind
from ..evidence.tally import ArmTick, Count, Tick
from .quantity import quantity, unit_of

__all__ = ["Comparison", "compare"]

_NONE: Final = Count()
_LEAST_UNITS: Final = 100
"""Of both arms: below that the interval, which is for many, says less than decisions on few know, and is not shown."""


class _Value(NamedTuple):
    value: float | None
    is_least: bool = False
    """It is greater than that."""


_NO_VALUE: Final = _Value(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    One metric on both arms. For people: nothing is decided on it.

    Rates count what decisions count: first failures among units served, as soon as they are known, where that is more
    than the units whose outcome is final.
    """

    metric: str
    unit: str
    """What the values are: "rate", "mean" or "p95"."""

    n_stable: int
    stable: float | None
    """None where the arm has no data."""

    n_candidate: int
    candidate: float | None
    low: float | None = None
    high: float | None = None
    """A 95 % interval of candidate minus stable for rates, stratified by epoch; approximate."""

    stable_is_least: bool = False
    candidate_is_least: bool = False
    """The quantile lies among runs that timed out: it is greater than the value, which is when they were given up."""

    value_unit: str = ""
    """What one unit of an amount is, such as "ms" or "micro-dollars"; empty for rates."""

    is_ahead: bool = False
    """Of a rate: counted before outcomes are final, so `n` is how often units were served (every 10 s a session)."""

    bad_stable: int | None = None
    bad_candidate: int | None = None
    """Of a rate: how many were bad."""

    final_stable: int | None = None
    final_candidate: int | None = None
    """Of a rate: units whose outcome is final."""

    @property
    def change(self) -> float | None:
        """Candidate minus stable for rates; as a fraction of stable for amounts. None where it cannot be said."""
        if self.stable is None or self.candidate is None or self.stable_is_least or self.candidate_is_least:
            return None
        if self.unit == "rate":
            return self.candidate - self.stable
        return self.candidate / self.stable - 1 if self.stable else None

    @property
    def words(self) -> str:
        """
        In a sentence: "success: 12.0% bad instead of 5.0% (+7.0 points, about +4.1 to +9.9)".

        Numbers and no verdict: rollouts are decided on other evidence, which may be sure where this interval is not.
        """
        if self.stable is None or self.candidate is None:
            return f"{self.metric}: {self._one_side()}"
        if self.unit == "rate":
            return self._rates(self.candidate, self.stable)
        moved = f" ({self.change:+.0%})" if self.change is not None else ""
        new = _said(self.metric, self.candidate, is_least=self.candidate_is_least)
        old = _said(self.metric, self.stable, is_least=self.stable_is_least)
        return f"{self.metric}: {_MEASURES[self.unit]} {new} instead of {old}{moved}"

    def _one_side(self) -> str:
        is_stable = self.candidate is None
        value, arm, other = (
            (self.stable, "stable", "candidate") if is_stable else (self.candidate, "candidate", "stable")
        )
        if value is None:
            return "not recorded"
        bad, units = (self.bad_stable, self.n_stable) if is_stable else (self.bad_candidate, self.n_candidate)
        is_least = self.stable_is_least if is_stable else self.candidate_is_least
        said = (
            f"{value:.1%} bad ({bad:,} of {units:,})"
            if self.unit == "rate"
            else f"{_MEASURES[self.unit]} {_said(self.metric, value, is_least=is_least)}"
        )
        return f"{arm} {said}, not recorded of the {other} version"

    def _rates(self, candidate: float, stable: float) -> str:
        about = ""
        is_enough = min(self.n_stable, self.n_candidate) >= _LEAST_UNITS
        if is_enough and self.low is not None and self.high is not None:
            about = f", about {100 * self.low:+.1f} to {100 * self.high:+.1f}"
        so_far = "so far " if self.is_ahead else ""
        by = f"{100 * (candidate - stable):+.1f} points{about}"
        counted = (
            f"{self.bad_candidate:,} of {self.n_candidate:,} served against {self.bad_stable:,} of {self.n_stable:,}; "
            f"final: {self.final_candidate:,} and {self.final_stable:,}"
            if self.is_ahead
            else f"{self.bad_candidate:,} of {self.n_candidate:,} against {self.bad_stable:,} of {self.n_stable:,}"
        )
        return f"{self.metric}: {so_far}{candidate:.1%} bad instead of {stable:.1%} ({by}; {counted})"


_MEASURES: Final = {"mean": "on average", "p95": "95 % within"}


def compare(ticks: Iterable[Tick]) -> tuple[Comparison, ...]:
    """Every metric that either arm recorded in these ticks, in the order of the metric table."""
    seen = list(ticks)
    rows: list[Comparison] = []
    for metric in METRICS.values():
        row = _rate(metric, seen) if metric.kind is MetricKind.BINARY else _amount(metric, seen)
        if row.n_stable or row.n_candidate:
            rows.append(row)
    return tuple(rows)


def _rate(metric: Metric, ticks: list[Tick]) -> Comparison:
    first = _epochs(ticks, lambda arm: arm.first.get(metric.name, _NONE))
    final = _epochs(ticks, lambda arm: arm.resolved.get(metric.name, _NONE))
    known, resolved = _total(first), _total(final)
    # As decisions do (`Finding.is_ahead`). Ticks older than first-failure counting have no first failures.
    is_ahead = any(known) and known != resolved
    n_c, k_c, n_s, k_s = known if is_ahead else resolved
    difference = stratified_difference((first if is_ahead else final).values())
    return Comparison(
        metric=metric.name,
        unit="rate",
        n_stable=n_s,
        stable=k_s / n_s if n_s else None,
        n_candidate=n_c,
        candidate=k_c / n_c if n_c else None,
        low=max(-1.0, difference.low) if difference else None,
        high=min(1.0, difference.high) if difference else None,
        is_ahead=is_ahead,
        bad_stable=k_s,
        bad_candidate=k_c,
        final_stable=resolved.n_s,
        final_candidate=resolved.n_c,
    )


def _epochs(ticks: list[Tick], counted: Callable[[ArmTick], Count]) -> dict[int, Binary]:
    epochs: dict[int, Binary] = {}
    for tick in ticks:
        n_c, k_c = counted(tick.candidate)
        n_s, k_s = counted(tick.stable)
        sofar = epochs.get(tick.epoch, Binary(0, 0, 0, 0))
        epochs[tick.epoch] = Binary(sofar.n_c + n_c, sofar.k_c + k_c, sofar.n_s + n_s, sofar.k_s + k_s)
    # Failures that came after their units' epoch are beyond its units: shown as all of them.
    return {epoch: Binary(n_c, min(k_c, n_c), n_s, min(k_s, n_s)) for epoch, (n_c, k_c, n_s, k_s) in epochs.items()}


def _total(epochs: dict[int, Binary]) -> Binary:
    return Binary(*(sum(column) for column in zip(*epochs.values(), strict=True))) if epochs else Binary(0, 0, 0, 0)


def _amount(metric: Metric, ticks: list[Tick]) -> Comparison:
    stable = _gathered(metric, (tick.stable for tick in ticks))
    candidate = _gathered(metric, (tick.candidate for tick in ticks))
    if all(is_censored(bucket, of.scale) for of in (stable, candidate) for bucket in of.buckets):
        # First tokens of an agent that never says when they came: it cannot be seen by when it times out, either.
        stable = candidate = Histogram(scale=stable.scale)
    before, after = _value(metric, stable), _value(metric, candidate)
    return Comparison(
        metric=metric.name,
        unit="p95" if metric.kind is MetricKind.QUANTILE else "mean",
        n_stable=stable.n,
        stable=before.value,
        n_candidate=candidate.n,
        candidate=after.value,
        stable_is_least=before.is_least,
        candidate_is_least=after.is_least,
        value_unit=unit_of(metric.name),
    )


def _gathered(metric: Metric, arms: Iterable[ArmTick]) -> Histogram:
    buckets: Counter[int] = Counter()
    for arm in arms:
        buckets.update(arm.amounts.get(metric.field, {}))
    return Histogram(scale=scale_of(metric.field), buckets=dict(buckets))


def _value(metric: Metric, of: Histogram) -> _Value:
    if metric.kind is not MetricKind.QUANTILE:
        return _Value(of.mean())
    bucket = of.quantile_bucket(metric.quantile)
    if bucket is None:
        return _NO_VALUE
    if is_censored(bucket, of.scale):
        return _Value(representative(bucket, of.scale), is_least=True)
    return _Value(float(upper_edge(bucket, of.scale)))


def _said(metric: str, value: float, *, is_least: bool) -> str:
    number = quantity(metric, value)
    return f"more than {number}" if is_least else number
