"""
Case by case, what became of a candidate beside its baseline: improved, degraded, no evidence, flaky, new or missing.

Two tiers of a change, by Fisher's exact test of the trials of one case and the size of the change: HARD is for
blocking, SOFT for looking at. One trial against one shows nothing (p is 0.5 at best); such a case has *flipped*, and
`retrials` names it: it is tried again in both arms, and only the fresh trials count.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from .significance import fisher
from .table import Column, Sample, ScoreTable

__all__ = [
    "CaseChange",
    "Change",
    "Quarantined",
    "Retrial",
    "Tier",
    "case_changes",
    "flipped",
    "retrials",
    "summary",
    "with_fresh",
]


class Change(StrEnum):
    """What became of a case."""

    IMPROVED = "improved"
    DEGRADED = "degraded"
    NO_EVIDENCE = "no evidence"
    FLAKY = "flaky"
    """Passes and fails in the baseline itself, and nothing shows that this changed."""

    NEW = "new"
    MISSING = "missing"
    """In the baseline, and without a scored trial now. Not a pass."""


class Tier(StrEnum):
    """How sure a change is."""

    HARD = "hard"
    SOFT = "soft"


class _Bar(NamedTuple):
    """What a change of one case has to show for a tier."""

    p_value: float
    """Below it."""

    change: float
    """Of the rate, at least."""

    reliable: float
    """The better side's rate, at least: what never worked cannot break."""


_BARS: Final = {Tier.HARD: _Bar(0.05, 0.30, 0.70), Tier.SOFT: _Bar(0.20, 0.15, 0.50)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A case that is known to be flaky and does not count until a day: never for an invariant, never for good."""

    case: str
    until: date
    """The last day on which it does not count."""

    reason: str
    metric: str | None = None
    """None: under every metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """One case under one metric."""

    case: str
    metric: str
    change: Change
    tier: Tier | None = None
    """Of an improvement or a degradation."""

    baseline: Sample = field(default_factory=Sample)
    candidate: Sample = field(default_factory=Sample)
    p_value: float | None = None
    """One-sided, in the direction of the change; None where there is nothing to compare."""

    has_flipped: bool = False
    """Mostly passed on one side and mostly failed on the other."""

    is_quarantined: bool = False


_LEAST_RETRIALS: Final = 5
_MOST_RETRIALS: Final = 20


class Retrial(NamedTuple):
    """A case to run again, that many times, with the candidate and with the baseline's version."""

    case: str
    trials: int


def case_changes(
    metric: str, candidate: Column, baseline: Column | None, *, quarantined: Collection[str] = ()
) -> tuple[CaseChange, ...]:
    """Every case of either side, in the baseline's order, new ones last. Without a baseline every case is new."""
    before: Mapping[str, Sample] = {} if baseline is None else baseline.samples
    names = dict.fromkeys((*before, *candidate.samples))
    return tuple(
        replace(
            _changed(case, metric, before.get(case), candidate.samples.get(case), is_rate=candidate.is_rate),
            is_quarantined=case in quarantined,
        )
        for case in names
    )


def summary(changes: Iterable[CaseChange]) -> Mapping[Change, int]:
    """How many cases became what, every word of `Change` named; those in quarantine are left out."""
    counted = dict.fromkeys(Change, 0)
    for one in changes:
        counted[one.change] += not one.is_quarantined
    return counted


def flipped(candidate: Column, baseline: Column) -> tuple[str, ...]:
    """Cases that mostly passed on one side and mostly failed on the other, either way. Of rates only."""
    if not (candidate.is_rate and baseline.is_rate):
        return ()
    return tuple(case for case, one in baseline.samples.items() if _flips(one, candidate.samples.get(case)))


def retrials(
    candidate: ScoreTable, baseline: ScoreTable, *, metrics: Iterable[str], trials: int | None = None
) -> tuple[Retrial, ...]:
    """
    The cases to try again in both arms: those that flipped, either way, under any of the metrics.

    Which way they flipped must not matter, and the first trials must not count again (`with_fresh`): otherwise chance
    that looked like harm, or like none, would be looked at twice.

    `trials` is from 5 to 20 by default, so many that there are twice as many fresh trials as there are cases. With five
    the second look would be smaller than the first where a loss is spread thinly over all cases, and would miss what
    the first one saw; the cases that did not flip stay in with no difference (`benchmarks/gates.py`).
    """
    both = [metric for metric in metrics if metric in candidate.columns and metric in baseline.columns]
    found = [flipped(candidate.columns[metric], baseline.columns[metric]) for metric in both]
    again = tuple(dict.fromkeys(case for cases in found for case in cases))
    if not again:
        return ()
    most = max(len(baseline.columns[metric].samples) for metric in both)
    enough = min(_MOST_RETRIALS, max(_LEAST_RETRIALS, math.ceil(2 * most / len(again))))
    return tuple(Retrial(case, enough if trials is None else trials) for case in again)


def with_fresh(table: ScoreTable, fresh: ScoreTable, cases: Iterable[str]) -> ScoreTable:
    """The table in which these cases have their fresh trials only; one that has none is there without a trial."""
    again = tuple(cases)

    def renewed(metric: str, column: Column) -> Column:
        new = fresh.columns.get(metric)
        samples = dict(column.samples)
        for case in again:
            if case in samples:
                samples[case] = Sample() if new is None else new.samples.get(case, Sample())
        judges = column.judges if new is None else tuple(sorted({*column.judges, *new.judges}))
        return replace(column, samples=samples, judges=judges)

    return replace(table, columns={metric: renewed(metric, column) for metric, column in table.columns.items()})


def _flips(one: Sample, other: Sample | None) -> bool:
    if other is None or one.mean is None or other.mean is None:
        return False
    return (one.mean >= 0.5) != (other.mean >= 0.5)


def _was_skipped(sample: Sample) -> bool:
    """The metric is not about this case: nothing was scored, and nothing went wrong."""
    return sample.skipped > 0 and not sample.n and not sample.errors


def _changed(case: str, metric: str, before: Sample | None, after: Sample | None, *, is_rate: bool) -> CaseChange:
    change = CaseChange(
        case=case,
        metric=metric,
        change=Change.NO_EVIDENCE,
        baseline=before or Sample(),
        candidate=after or Sample(),
    )
    if before is not None and after is not None and _was_skipped(before) and _was_skipped(after):
        return change
    if before is None or before.mean is None:
        return replace(change, change=Change.NEW)
    if after is None or after.mean is None:
        return replace(change, change=Change.MISSING)
    if not is_rate:
        return change
    fell = after.mean < before.mean
    low, high = (after, before) if fell else (before, after)
    p_value = fisher(round(low.total), low.n, round(high.total), high.n)
    tier = _tier(p_value, (high.mean or 0.0) - (low.mean or 0.0), high.mean or 0.0)
    if tier is not None:
        direction = Change.DEGRADED if fell else Change.IMPROVED
    else:
        direction = Change.FLAKY if 0.0 < before.mean < 1.0 else Change.NO_EVIDENCE
    return replace(change, change=direction, tier=tier, p_value=p_value, has_flipped=_flips(before, after))


def _tier(p_value: float, change: float, better: float) -> Tier | None:
    for tier, bar in _BARS.items():
        if p_value < bar.p_value and change >= bar.change and better >= bar.reliable:
            return tier
    return None
