"""
The one gate: results of a suite, a replay, a red team or somebody else's tool in; passed, failed or not decided out.

Order: what makes the whole run worthless, invariants, thresholds and suites, regressions, budgets, simple rules. All of
them are always looked at, so that one run tells everything; the worst decides (`decision_of`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, NamedTuple

from ...errors import GateError
from .absolute import budget, invariant, suite, threshold
from .baseline import Baseline, suite_name
from .chance import seed_of
from .comparing import compared, decided, simple
from .gate import Decision, GateReport, Ruling, decision_of
from .gate_kinds import (
    BudgetGate,
    Gate,
    Gates,
    InvariantGate,
    RegressionGate,
    RuleGate,
    SuiteGate,
    ThresholdGate,
    refuse_no_rate,
)
from .judged import Judged, sure
from .regression import Quarantined, flipped, with_fresh
from .table import Sample, ScoreTable

__all__ = ["Conduct", "FreshTrials", "Tables", "gates_for", "of_conduct", "rule", "tried_again"]

_ORDER: Final = (InvariantGate, ThresholdGate, SuiteGate, RegressionGate, BudgetGate, RuleGate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How the run itself went: what a table of scores does not say."""

    stopped: str = ""
    """Why it ended before its end (a budget spent, a limit reached); empty if it did not."""

    changed: str = ""
    """Why what ran is not known to be what is there now; empty if it is."""

    replays: int = 0
    diverged: int = 0
    """Replays of the candidate that left their tape."""

    baseline_diverged: int = 0
    """The baseline's, on the same tape."""

    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    """By metric: runs of the candidate that were skipped where others like them were scored (`suite.lost_runs`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshTrials:
    """Further trials of the cases that flipped (`regression.retrials`), in both arms."""

    candidate: ScoreTable
    baseline: ScoreTable

    def has(self, case: str) -> bool:
        """Whether it was tried again on both sides."""
        return all(
            any(column.samples.get(case, Sample()) != Sample() for column in side.columns.values())
            for side in (self.candidate, self.baseline)
        )


def gates_for(gates: Gates, suite: str) -> tuple[Gate, ...]:
    """The gates that look at this suite: its own, and those for any."""
    return tuple(gate for gate in gates.gates if gate.suite in ("", suite_name(suite)))


class Tables(NamedTuple):
    """Both sides of a comparison."""

    candidate: ScoreTable
    baseline: ScoreTable


def tried_again(gates: Gates, candidate: ScoreTable, baseline: ScoreTable, fresh: FreshTrials) -> Tables:
    """
    Both tables as they are to be told case by case: a case that flipped has its fresh trials, as in `rule`.

    One that was not tried again on both sides keeps its first ones: that it has to be is what `rule` says, and it is
    neither new nor missing.
    """
    if _is_of_others(candidate, baseline, fresh):
        return Tables(candidate, baseline)
    cases = [case for case in _flipped(gates, candidate, baseline) if fresh.has(case)]
    return Tables(with_fresh(candidate, fresh.candidate, cases), with_fresh(baseline, fresh.baseline, cases))


def rule(  # noqa: PLR0913 - what is beyond the two tables is by keyword, and each has a default
    gates: Gates,
    candidate: ScoreTable,
    baseline: ScoreTable | Baseline | None = None,
    *,
    conduct: Conduct | None = None,
    fresh: FreshTrials | None = None,
    quarantine: Iterable[Quarantined] = (),
    today: date | None = None,
    seed: int | None = None,
    shuffles: int = 1_000,
) -> GateReport:
    """
    Hold a version's results against the gates.

    `today` decides which quarantine has expired and has to be given with one. `seed` is of the shuffles behind
    false-alarm rates: from the data's own names if not given, so equal data give equal reports; no `shuffles`, no such
    rates. Gates of another suite are not looked at; if none is left, the report is undecided. Raises GateError for a
    quarantine without a day, and for a rate held against a number that is no rate.
    """
    listed = tuple(quarantine)
    if listed and today is None:
        raise GateError("a quarantine has an end, and no day was given", hint="pass today=")
    current = tuple(one for one in listed if today is not None and one.until >= today)
    before = baseline.table if isinstance(baseline, Baseline) else baseline
    why = _no_baseline(candidate, before)
    renewed = _Renewed(candidate, before)
    if fresh is not None and before is not None and not why:
        renewed = _renewed(gates, candidate, before, fresh)
    candidate, before, how = renewed.candidate, renewed.baseline, conduct or Conduct()
    judged = Judged(
        gates=gates,
        candidate=candidate,
        baseline=None if why else before,
        no_baseline=why,
        quarantined=lambda metric: frozenset(one.case for one in current if one.metric in (None, metric)),
        seed=_seed(candidate, before) if seed is None else seed,
        shuffles=shuffles,
        diverged=how.diverged,
        lost=how.lost,
        renewed=renewed.cases,
    )
    rulings = (*of_conduct(how, gates), *renewed.rulings, *_all(judged))
    return GateReport(
        decision=decision_of(rulings),
        version=candidate.version,
        suite=candidate.suite,
        rulings=rulings,
        baseline=None if before is None else before.version,
    )


def _seed(candidate: ScoreTable, before: ScoreTable | None) -> int:
    return seed_of(candidate.suite, candidate.version, "" if before is None else before.version)


def _all(judged: Judged) -> tuple[Ruling, ...]:
    wanted = sorted(gates_for(judged.gates, judged.candidate.suite), key=lambda gate: _ORDER.index(type(gate)))
    for gate in wanted:
        column = judged.candidate.columns.get(gate.metric)
        if column is not None and column.is_rate:
            refuse_no_rate(gate)
    regression = [gate for gate in wanted if isinstance(gate, RegressionGate)]
    among = sum(gate.is_blocking for gate in regression)
    regressions = iter(decided([compared(gate, judged, among=among) for gate in regression], judged))
    rulings: list[Ruling] = []
    for gate in wanted:
        match gate:
            case InvariantGate():
                rulings.append(invariant(gate, judged))
            case ThresholdGate():
                rulings.append(threshold(gate, judged))
            case SuiteGate():
                rulings.append(suite(gate, judged))
            case RegressionGate():
                rulings.append(next(regressions))
            case BudgetGate():
                rulings.append(budget(gate, judged))
            case RuleGate():
                rulings.append(simple(gate, judged))
    return tuple(sure(gate, ruling, judged) for gate, ruling in zip(wanted, rulings, strict=True))


def _no_baseline(candidate: ScoreTable, before: ScoreTable | None) -> str:
    """Why there is nothing to compare with; empty where there is."""
    if before is None:
        return "there is no baseline: bless one with `surefoot eval bless`"
    if before.suite != candidate.suite:
        return (
            f"the baseline is of {before.suite!r} and not of {candidate.suite!r}: other cases cannot be compared; "
            "run the baseline's version on these"
        )
    return ""


def of_conduct(conduct: Conduct, gates: Gates) -> Iterable[Ruling]:
    """Why nothing can be decided by a run that went like this, whatever the gates say; nothing if it went well."""
    if conduct.stopped:
        yield _of_run(f"the run ended before its end: {conduct.stopped}")
    if conduct.changed:
        yield _of_run(f"what ran is not known to be what is there now: {conduct.changed}")
    if conduct.replays and conduct.diverged > gates.max_diverged * conduct.replays:
        yield _of_run(
            f"{conduct.diverged} of {conduct.replays} replays left their tape "
            f"(the baseline: {conduct.baseline_diverged}); what came after is not known"
        )


def _of_run(reason: str) -> Ruling:
    return Ruling(gate="the run", kind="run", metric="", decision=Decision.UNDECIDED, reason=reason)


class _Renewed(NamedTuple):
    candidate: ScoreTable
    baseline: ScoreTable | None
    cases: frozenset[str] = frozenset()
    """Those whose fresh trials stand in both tables."""

    rulings: tuple[Ruling, ...] = ()
    """Why the fresh trials are not enough, if they are not."""


def _renewed(gates: Gates, candidate: ScoreTable, before: ScoreTable, fresh: FreshTrials) -> _Renewed:
    """Both tables with fresh trials only where a case flipped."""
    if _is_of_others(candidate, before, fresh):
        of_others = _of_run("the fresh trials are of other versions or of another suite")
        return _Renewed(candidate, before, rulings=(of_others,))
    both, cases = _shared(gates, candidate, before), tuple(_flipped(gates, candidate, before))
    new, old = with_fresh(candidate, fresh.candidate, cases), with_fresh(before, fresh.baseline, cases)
    samples = [table.columns[metric].samples for table in (new, old) for metric in both]
    untried = tuple(case for case in cases if any(case in one and not one[case].n for one in samples))
    if not untried:
        return _Renewed(new, old, frozenset(cases))
    reason = f"{len(untried)} cases flipped and were not tried again on both sides"
    return _Renewed(new, old, frozenset(cases), (replace(_of_run(reason), cases=untried),))


def _shared(gates: Gates, candidate: ScoreTable, before: ScoreTable) -> list[str]:
    """The metrics that are compared and that both sides have."""
    metrics = [gate.metric for gate in gates.gates if isinstance(gate, RegressionGate | RuleGate)]
    return [metric for metric in metrics if metric in candidate.columns and metric in before.columns]


def _flipped(gates: Gates, candidate: ScoreTable, before: ScoreTable) -> Iterable[str]:
    return dict.fromkeys(
        case
        for metric in _shared(gates, candidate, before)
        for case in flipped(candidate.columns[metric], before.columns[metric])
    )


def _is_of_others(candidate: ScoreTable, before: ScoreTable, fresh: FreshTrials) -> bool:
    return _named(fresh.candidate) != _named(candidate) or _named(fresh.baseline) != _named(before)


def _named(table: ScoreTable) -> tuple[str, str]:
    return table.suite, table.version
