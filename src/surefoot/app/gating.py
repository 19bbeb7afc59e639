"""A project's gates held against results: those in files, and those of a run that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..adapters.reports.documents import ScoresDocument, document_in
from ..config.agents import list_agents, load_version
from ..config.baselines import baseline_path, checked_table, load_baseline, load_table
from ..config.gates import GATES_FILE, load_gates
from ..config.quarantine import load_quarantine
from ..core.proof.baseline import COUNTS_SUITE, Baseline, suite_name
from ..core.proof.gate import Decision, GateReport, decision_of
from ..core.proof.gate_kinds import Gate, Gates, RegressionGate, RuleGate, is_attack_metric
from ..core.proof.gating import Conduct, FreshTrials, of_conduct, rule, tried_again
from ..core.proof.judged import draft
from ..core.proof.redteam.objective import ATTACK_SUCCESS
from ..core.proof.regression import CaseChange, Quarantined, Retrial, case_changes, retrials
from ..core.proof.score import Result
from ..core.proof.suite import Suite, lost_runs
from ..core.proof.table import ScoreTable, table_of
from ..core.units import Digest
from ..errors import GateError, NothingToJudge, UsageError
from ..ports.results import ProofRun

if TYPE_CHECKING:
    from ..core.artifact.version import AgentVersion
    from .proving import Proving

__all__ = ["Arms", "Gating", "arms_of", "read_scores", "version_named"]


_COMPARING = (RegressionGate, RuleGate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """What is judged, and what it is compared with."""

    candidate: ScoreTable
    baseline: ScoreTable | Baseline | None = None
    fresh: FreshTrials | None = None
    conduct: Conduct | None = None
    label: str = ""
    """What people call the candidate."""

    aside: str = ""
    """Why a report on it opens no rollout: it is only a part of the suite."""

    beside: tuple[Digest, ...] = ()
    """Other versions of the same run, which were not asked for."""

    note: str = ""
    """What people should know of how it came about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """The gates of a project and what they need; see `open`."""

    root: Path
    gates: Gates
    quarantine: tuple[Quarantined, ...]
    today: date
    baseline: Baseline | None = None
    """The one that was named; None: each suite's own, where there is one."""

    aside: str = ""
    """Why its reports open no rollout; empty for the project's own gates."""

    @classmethod
    def open(cls, root: Path, *, today: date, gates: Path | None = None, baseline: Path | None = None) -> Gating:
        """Read the files. Raises GateError for what cannot be."""
        return cls(
            root=root,
            gates=load_gates(root, gates),
            quarantine=load_quarantine(root),
            today=today,
            baseline=None if baseline is None else load_baseline(baseline),
            aside="" if gates is None or _is_own(root, gates) else f"judged by {gates.name}, not by {GATES_FILE}",
        )

    def reports(self, judged: Sequence[Arms]) -> tuple[GateReport, ...]:
        """
        One report for each, in order. A gate that nothing was brought for stands undecided in the first.

        A gate on attacks that names no suite looks at attacks and at nothing else, and the others leave attacks alone
        that did not measure what they ask for.
        """
        found = [self._report(arms) for arms in judged]
        unasked = tuple(
            draft(gate, Decision.UNDECIDED, _missing(gate, judged))
            for gate in self.gates.gates
            if not any(self._looks(gate, arms) for arms in judged)
        )
        if found and unasked:
            rulings = (*found[0].rulings, *unasked)
            found[0] = replace(found[0], rulings=rulings, decision=decision_of(rulings))
        return tuple(
            replace(report, aside=self.aside or arms.aside) for report, arms in zip(found, judged, strict=True)
        )

    def _report(self, arms: Arms) -> GateReport:
        kept = tuple(gate for gate in self.gates.gates if self._looks(gate, arms))
        table = arms.candidate
        if not kept:
            said = tuple(of_conduct(arms.conduct or Conduct(), self.gates))
            return GateReport(decision=Decision.UNDECIDED, version=table.version, suite=table.suite, rulings=said)
        return rule(
            replace(self.gates, gates=kept),
            table,
            self.before(arms),
            conduct=arms.conduct,
            fresh=arms.fresh,
            quarantine=self.quarantine,
            today=self.today,
        )

    def _looks(self, gate: Gate, arms: Arms) -> bool:
        """
        A gate that names no suite looks at whatever measures its metric, or did when the baseline was made: with two
        suites, each has metrics that the other never had.
        """
        table, before = arms.candidate, self.before(arms)
        if gate.suite:
            return gate.suite == suite_name(table.suite)
        old = before.table if isinstance(before, Baseline) else before
        return gate.metric in table.columns or (old is not None and gate.metric in old.columns)

    def before(self, arms: Arms) -> ScoreTable | Baseline | None:
        """What the candidate is compared with: the named baseline, the arm beside it, or the suite's committed one."""
        if self.baseline is not None:
            return self.baseline
        if arms.baseline is not None:
            return arms.baseline
        path = baseline_path(self.root, arms.candidate.suite)
        return load_baseline(path) if path.is_file() else None

    def decides(self, arms: Arms) -> bool:
        """Whether a gate that blocks looks at these results."""
        return any(gate.is_blocking and self._looks(gate, arms) for gate in self.gates.gates)

    def tables(self, arms: Arms) -> tuple[ScoreTable, ScoreTable | None]:
        """Both sides as they are to be told: a case that flipped by its fresh trials, where there are any."""
        before = self.before(arms)
        table = before.table if isinstance(before, Baseline) else before
        kept = tuple(gate for gate in self.gates.gates if self._looks(gate, arms))
        if table is None or arms.fresh is None or not kept:
            return arms.candidate, table
        return tried_again(replace(self.gates, gates=kept), arms.candidate, table, arms.fresh)

    def changes(self, arms: Arms) -> tuple[CaseChange, ...]:
        """What became of every case, by its fresh trials if it flipped, under every metric that a gate compares."""
        candidate, table = self.tables(arms)
        if table is None or table.suite != candidate.suite or table.suite == COUNTS_SUITE:
            return ()
        found: list[CaseChange] = []
        for metric in dict.fromkeys(gate.metric for gate in self.gates.gates if isinstance(gate, _COMPARING)):
            held = [one.case for one in self.quarantine if one.until >= self.today and one.metric in {None, metric}]
            if (column := candidate.columns.get(metric)) is not None:
                found.extend(case_changes(metric, column, table.columns.get(metric), quarantined=held))
        return tuple(found)

    def again(self, arms: Arms) -> tuple[Retrial, ...]:
        """The cases to try again in both arms before anything is concluded from them; none that was."""
        before = self.before(arms)
        table = before.table if isinstance(before, Baseline) else before
        if table is None or table.suite != arms.candidate.suite:
            return ()
        metrics = [gate.metric for gate in self.gates.gates if isinstance(gate, _COMPARING)]
        found = retrials(arms.candidate, table, metrics=metrics)
        return tuple(one for one in found if arms.fresh is None or not arms.fresh.has(one.case))


def read_scores(path: Path) -> Arms:
    """
    The results in a file: a document of a proof, a table, a baseline, or plain counts by metric.

    Raises GateError and UsageError naming the file and what is wrong with it.
    """
    if _is_document(path):
        document = document_in(path)
        if not isinstance(document, ScoresDocument):
            raise GateError(f"{path}: a document without scores", hint="name one that begins with scores/1")
        baseline = None if document.baseline is None else checked_table(document.baseline, source=path.name)
        candidate = checked_table(document.candidate, source=path.name)
        return Arms(candidate=candidate, baseline=baseline, label=document.label)
    return Arms(candidate=load_table(path))


def arms_of(
    proving: Proving,
    suite: Suite,
    *,
    run: str | None = None,
    version: Digest | None = None,
    against: Digest | None = None,
) -> Arms:
    """
    A run of a suite as two arms: `version`, or the only one that ran, and `against`, if given.

    It is the run of that id, else the newest that holds all of the versions that are named. Trials that every case has
    are the first ones; those that only some have are the fresh ones of cases that flipped. Raises GateError for no such
    run, and for several versions of which none was named. What ran under other cases, evaluators, judges, code or tapes
    than there are now is not shown: nothing is known of what is there, and the conduct says why.
    """
    known = _kept(proving, suite, run, [digest for digest in (version, against) if digest is not None])
    kept = known.results
    candidate = _chosen(version, _ran(kept), but=against)
    versions = (candidate,) if against is None else (candidate, against)
    if changed := known.changed or proving.changed(suite, known.run, versions):
        nothing = ScoreTable(suite=suite.identity, version=candidate)
        return Arms(candidate=nothing, conduct=Conduct(changed=changed))
    depth = _depth(suite, kept, versions)
    tables = [
        [
            table_of(
                suite.identity,
                digest,
                [result for result in kept if (result.attempt.trial >= depth) is fresh],
                metrics=suite.metrics,
            )
            for digest in versions
        ]
        for fresh in (False, True)
    ]
    first, second = tables
    has_fresh = against is not None and any(result.attempt.trial >= depth for result in kept)
    return Arms(
        candidate=first[0],
        baseline=first[1] if against is not None else None,
        fresh=FreshTrials(candidate=second[0], baseline=second[1]) if has_fresh else None,
        conduct=replace(_conduct(suite, kept, versions), lost=_lost(suite, first[0])),
        beside=tuple(digest for digest in _ran(kept) if digest not in versions),
    )


def version_named(root: Path, name: str) -> AgentVersion:
    """The version of `AGENT@LABEL`, or of `LABEL` where there is one agent. Raises UnknownName and UsageError."""
    agent, _, label = name.rpartition("@")
    agents = list_agents(root)
    if not agent and len(agents) != 1:
        raise UsageError(f"which agent's {name}? there are {len(agents)}", hint=f"write --version AGENT@{label}")
    return load_version(root, agent or agents[0], label)


def _missing(gate: Gate, judged: Sequence[Arms]) -> str:
    """Why a gate has nothing to look at."""
    if gate.suite:
        return f"no results of the suite {gate.suite!r} were given"
    measured = [arms.candidate.columns for arms in judged]
    has_attacks = [ATTACK_SUCCESS in columns for columns in measured]
    if is_attack_metric(gate.metric) and not any(has_attacks):
        return "no attacks were made: `surefoot ci run` makes them, and `redteam run --scores` for `gate check`"
    if not is_attack_metric(gate.metric) and all(has_attacks):
        return f"no results of a suite were given, and attacks do not measure {gate.metric}"
    known = ", ".join(dict.fromkeys(metric for columns in measured for metric in columns)) or "none"
    return f"{gate.metric} was not measured (measured: {known})"


def _is_own(root: Path, gates: Path) -> bool:
    return gates.resolve() == (root / GATES_FILE).resolve()


class _Kept(NamedTuple):
    run: ProofRun
    results: tuple[Result, ...]
    changed: str = ""
    """Why the run is of another suite than there is now."""


def _kept(proving: Proving, suite: Suite, run: str | None, versions: Sequence[Digest]) -> _Kept:
    """What is kept of the run of that id, else of the newest one of the suite as it is now with all these versions."""
    known = proving.results.runs() if proving.has_results else ()
    of_suite = [one for one in known if one.suite == suite.identity and run in {None, one.id}]
    hint = f"run it first: surefoot eval run {suite.name} --version LABEL"
    for one in reversed(of_suite):
        kept = tuple(proving.results.results(one.id))
        if set(versions) <= set(_ran(kept)):
            return _Kept(one, kept)
    if of_suite:
        where = f"run {run} does not hold" if run else f"no run of {suite.name} as it is now holds"
        also = "" if len(versions) == 1 else ", which --baseline runs together"
        raise _not_run(f"{where} {' and '.join(versions)}", run, hint + also)
    for one in reversed(known):
        # Of the same name and digest but for a purpose of its own, it is no run that a gate judges.
        if one.suite.partition("@")[0] == suite.name and " " not in one.suite and run in {None, one.id}:
            why = f"cases or evaluators of {suite.name} have changed since run {one.id}"
            return _Kept(one, tuple(proving.results.results(one.id)), why)
    what = "there is no run" if run is None else f"there is no run {run!r}"
    raise _not_run(f"{what} of {suite.name} as it is now", run, hint)


def _not_run(what: str, run: str | None, hint: str) -> UsageError:
    """Nothing was executed, so nothing is decided; a run that was named and is not there is a wrong name."""
    return NothingToJudge(what, hint=hint) if run is None else GateError(what, hint=hint)


def _ran(kept: Sequence[Result]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(result.attempt.version for result in kept))


def _chosen(version: Digest | None, ran: Sequence[Digest], *, but: Digest | None) -> Digest:
    if version is not None:
        return version
    left = [digest for digest in ran if digest != but]
    if len(left) == 1:
        return left[0]
    if not left and but is not None and ran:
        return but
    what = "no version has a result in this run" if not left else f"{len(left)} versions ran: {', '.join(left)}"
    raise GateError(what, hint="say which one is judged: --version LABEL, or AGENT@LABEL")


def _depth(suite: Suite, kept: Sequence[Result], versions: Sequence[Digest]) -> int:
    """How many trials every case has on every side; at least as many as the suite asks for."""
    tried = {(result.attempt.case, result.attempt.version, result.attempt.trial) for result in kept}
    depth = suite.trials
    while all((case.id, version, depth) in tried for case in suite.cases for version in versions):
        depth += 1
    return depth


def _conduct(suite: Suite, kept: Sequence[Result], versions: Sequence[Digest]) -> Conduct:
    asked = set(versions)
    wanted = len(suite.cases) * suite.trials * len(asked)
    made = sum(result.attempt.version in asked and result.attempt.trial < suite.trials for result in kept)
    return Conduct(stopped="" if made >= wanted else f"{made} of {wanted} attempts were made")


def _lost(suite: Suite, table: ScoreTable) -> dict[str, int]:
    found = {spec.metric: lost_runs(suite, spec, table.columns[spec.metric]) for spec in suite.evaluators}
    return {metric: lost for metric, lost in found.items() if lost}


def _is_document(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise GateError(f"{path}: {error.strerror or error}", hint="name a file with results") from None
    return b'"surefoot"' in head
