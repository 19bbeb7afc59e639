"""What is held against the gates, and the reasons why no gate can decide on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .baseline import COUNTS_SUITE
from .gate import Decision, Ruling
from .gate_kinds import BudgetGate, Gate, Gates, InvariantGate, RegressionGate, RuleGate, SuiteGate, ThresholdGate
from .table import Column, Sample, ScoreTable, said_lacks

__all__ = ["Judged", "Scored", "draft", "is_finite", "percent", "readable", "scored", "settled", "sure", "worst_case"]

_KINDS = {
    ThresholdGate: "threshold",
    SuiteGate: "suite",
    RegressionGate: "regression",
    InvariantGate: "invariant",
    BudgetGate: "budget",
    RuleGate: "rule",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The two tables, already without doubt about what they are; and what all gates share."""

    gates: Gates
    candidate: ScoreTable
    baseline: ScoreTable | None
    no_baseline: str
    """Why there is nothing to compare with; empty where there is."""

    quarantined: Callable[[str], frozenset[str]]
    """Cases that do not count, by metric."""

    seed: int
    shuffles: int
    """How often data are shuffled for a false-alarm rate, at most; 0: it is not wanted."""

    diverged: int = 0
    """Replays that left their tape: so many cases may lack a score, because `max_diverged` looks at them already."""

    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    """By metric: runs that were skipped where others like them were scored, if they are too many."""

    renewed: frozenset[str] = frozenset()
    """Cases that flipped, and that both tables hold the fresh trials of."""

    @property
    def has_cases(self) -> bool:
        """Whether single cases are known, and not only totals."""
        return self.candidate.suite != COUNTS_SUITE


class Scored(NamedTuple):
    """A column that a gate may look at."""

    column: Column
    """Without the cases in quarantine."""

    quarantined: tuple[str, ...]
    """Cases that were left out."""

    note: str
    """To be added to a reason; empty where there is nothing to add."""


def draft(gate: Gate, decision: Decision, reason: str) -> Ruling:
    """A ruling without its numbers."""
    return Ruling(
        gate=gate.name,
        kind=_KINDS[type(gate)],
        metric=gate.metric,
        decision=decision,
        reason=reason,
        is_blocking=gate.is_blocking,
    )


def settled(ruling: Ruling, decision: Decision, reason: str) -> Ruling:
    """The ruling, decided."""
    return replace(ruling, decision=decision, reason=reason)


def scored(gate: Gate, judged: Judged, *, counts_all: bool = False) -> Ruling | Scored:
    """
    The column of a gate's metric, or the ruling that nothing can be said of it.

    `counts_all`: quarantine and errors are the gate's own business.
    """
    column = judged.candidate.columns.get(gate.metric)
    if column is None:
        known = ", ".join(judged.candidate.columns) or "none"
        return draft(gate, Decision.UNDECIDED, f"{gate.metric} was not measured (measured: {known})")
    held = frozenset[str]() if counts_all else judged.quarantined(gate.metric) & column.samples.keys()
    kept = {case: sample for case, sample in column.samples.items() if case not in held}
    if held and len(held) > judged.gates.max_quarantined * len(column.samples):
        return draft(gate, Decision.UNDECIDED, f"{len(held)} of {len(column.samples)} cases are in quarantine")
    column = replace(column, samples=kept)
    why = _unscored(column, judged.gates.max_errors if not counts_all else 1.0)
    if why:
        return draft(gate, Decision.UNDECIDED, why)
    return Scored(column, tuple(sorted(held)), f"; {len(held)} in quarantine" if held else "")


def sure(gate: Gate, ruling: Ruling, judged: Judged) -> Ruling:
    """The ruling, but no pass that rests on too few cases or on the cases that the run left over."""
    if ruling.decision is not Decision.PASSED:
        return ruling
    if ruling.n < judged.gates.min_cases:
        what = "cases" if judged.has_cases else "trials"
        reason = f"{ruling.reason}; but {ruling.n} {what} are too few ({judged.gates.min_cases} are asked)"
        return settled(ruling, Decision.UNDECIDED, reason)
    why = _skipped(gate, judged)
    return settled(ruling, Decision.UNDECIDED, f"{ruling.reason}; but {why}") if why else ruling


def is_finite(column: Column) -> bool:
    """Whether every sum is a number that compares with others: NaN is below no limit and above none."""
    return all(math.isfinite(sample.total) for sample in column.samples.values())


def worst_case(column: Column) -> Mapping[str, Sample]:
    """The samples of a rate, every trial without a score counted as one that did not pass."""
    return {
        case: sample._replace(n=sample.n + sample.errors, errors=0) if sample.errors else sample
        for case, sample in column.samples.items()
    }


def readable(ruling: Ruling, metric: str, doubts: Iterable[str]) -> Ruling:
    """
    A ruling on the rate of success, where it can be read: `doubts` say of which side it cannot, and then nothing is
    decided. A baseline without a success has nothing to lose, so no drop is claimed that would have been found.
    """
    if ruling.metric != metric:
        return ruling
    if said := "; ".join(doubts):
        return replace(ruling, decision=Decision.UNDECIDED, reason=said, smallest_drop=None)
    if ruling.kind not in ("regression", "rule") or ruling.decision is not Decision.PASSED or ruling.baseline != 0.0:
        return ruling
    if ruling.candidate:
        reason = f"the baseline has no success to lose: 0 -> {ruling.candidate:.4g}"
        return replace(ruling, reason=reason, smallest_drop=None)
    reason = "neither side has one success, so nothing can be worse: look how outcomes are spelled (`traces lint`)"
    return replace(ruling, decision=Decision.UNDECIDED, reason=reason, smallest_drop=None)


def percent(value: float) -> str:
    """A share as people read it."""
    return f"{100 * value:.1f} %"


def _skipped(gate: Gate, judged: Judged) -> str:
    """Why what was skipped could hide failures; empty if it is only what the metric is not about."""
    column = judged.candidate.columns.get(gate.metric)
    if column is None:
        return ""
    before = None if judged.baseline is None else judged.baseline.columns.get(gate.metric)
    held = frozenset[str]() if isinstance(gate, InvariantGate | BudgetGate) else judged.quarantined(gate.metric)
    kept = {case: sample for case, sample in column.samples.items() if case not in held}
    scored_before = frozenset[str]() if before is None else {case for case, one in before.samples.items() if one.n}
    lost = sum(bool(one.skipped) and not one.n + one.errors and case in scored_before for case, one in kept.items())
    if lost > judged.diverged:
        return f"{lost} cases that the baseline scored were skipped, and a missing case is not a pass"
    if runs := judged.lost.get(gate.metric, 0):
        return f"{runs} runs were skipped where others like them were scored"
    # skipped in one trial and scored in another: it is the run that lacked something, and not the case
    partly = sum(one.skipped for one in kept.values() if one.n) - judged.diverged
    tried = sum(one.n + one.errors + (one.skipped if one.n else 0) for one in kept.values())
    if partly > judged.gates.max_skipped * tried:
        return f"{partly} trials were skipped of cases that were scored in others"
    return ""


def _unscored(column: Column, most_errors: float) -> str:
    """Why nothing can be said; empty if something can."""
    skipped = sum(sample.skipped for sample in column.samples.values())
    tried = column.n + column.errors
    if not tried:
        return "nothing ran" if not skipped else f"every one of {skipped} trials was skipped"
    if not column.n:
        return f"all {tried} trials ended without a score{said_lacks(column.lacks)}"
    if not is_finite(column):
        return "its values do not add up to a finite number"
    if column.errors > most_errors * tried:
        return f"{column.errors} of {tried} trials ended without a score{said_lacks(column.lacks)}"
    return ""
