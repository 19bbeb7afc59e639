"""A change proved as a whole: every version it touches, under every suite of its agent, against the project's gates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..adapters.clock import SystemClock
from ..adapters.reports.documents import JUNIT, REPORT, AttacksDocument, Document, GateDocument, ScoresDocument, written
from ..config.agents import list_agents
from ..config.behaviours import list_behaviours, load_behaviour
from ..config.files import NewFile, write_all
from ..config.gates import GATES_FILE
from ..config.suites import list_suites, load_suite
from ..core.proof.gate import Decision, Ruling, decision_of
from ..core.proof.gate_kinds import default_gates, is_attack_metric
from ..core.proof.suite import Suite, rule_suite
from ..errors import NothingToJudge, UsageError
from .behaving import Found, observe, report_of, scores_of
from .changes import touched_versions
from .ci_attacks import Attack, Attacked, attack_version, left_out
from .gating import Arms, Gating, arms_of
from .proving import Asked, Proving, Told
from .trying_again import try_again

if TYPE_CHECKING:
    from ..core.artifact.version import AgentVersion
    from ..core.proof.table import ScoreTable

__all__ = ["Attack", "Proved", "prove_changes"]

_KINDS: Final = {ScoresDocument: "scores", GateDocument: "gate", AttacksDocument: "attacks"}


class Proved(NamedTuple):
    """What was proved, and what came of it."""

    versions: tuple[AgentVersion, ...]
    is_changed: bool
    documents: tuple[Document, ...]

    @property
    def decision(self) -> Decision:
        """Of all gates of all versions; without any, nothing is decided."""
        return decision_of(self.rulings)

    def decided(self, version: AgentVersion) -> Decision:
        """Of all gates of this one."""
        gates = [one.gate for one in self.documents if isinstance(one, GateDocument)]
        return decision_of(tuple(r for gate in gates if gate.version == version.digest for r in gate.rulings))

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What the gates said."""
        return tuple(
            r for document in self.documents if isinstance(document, GateDocument) for r in document.gate.rulings
        )


def prove_changes(root: Path, base: str, out: Path, told: Told, *, attack: Attack | None) -> Proved:
    """
    Prove what changed since the commit `base`, and leave a document of each result in the folder `out`.

    Documents of an earlier run in that folder and the report on them are removed first, so that none of them passes for
    a result of this one.
    Raises UsageError where there is nothing to prove with, and what loading versions, suites and gates raises.
    """
    _empty(out)
    touched = touched_versions(root, base)
    if not touched.versions:
        raise UsageError("there is no version to prove", hint="versions are files: agents/AGENT/LABEL.yaml")
    if not touched.is_changed:
        told(f"no version changed since {base}: the newest are proved, under the suites and gates as they are now")
    documents: list[Document] = []
    with closing(Proving(root)) as proving:
        for version in touched.versions:
            ran = _suites(root, proving, version, told)
            gating = _gating(root, [one.arms for one in ran])
            ran = [one._replace(arms=try_again(proving, gating, one.suite, one.arms, told)) for one in ran]
            found: list[Document] = [_own(root, gating, one, _name(version)) for one in ran]
            found += _behaviours(root, proving, version, told)
            before = touched.before.get(version.agent)
            if attack is None:
                attacks = left_out(version, "attacks were left out (--no-attacks)")
            else:
                attacks = attack_version(proving, version, before, attack, told)
            found += [*_gated(gating, [one.arms for one in ran], attacks, _name(version)), attacks.document]
            _write(out, version, found)
            documents += found
    return Proved(touched.versions, touched.is_changed, tuple(documents))


class _Ran(NamedTuple):
    """What a suite showed of a version."""

    suite: Suite
    table: ScoreTable
    stopped: str
    """Why the run ended early."""

    arms: Arms


def _suites(root: Path, proving: Proving, version: AgentVersion, told: Told) -> list[_Ran]:
    suites = _suites_of(root, version)
    if not suites:
        raise NothingToJudge(f"no suite asks {version.agent} anything", hint="write one: evals/smoke.yaml")
    ran: list[_Ran] = []
    for suite in suites:
        told(f"{_name(version)}: suite {suite.name}, {len(suite.cases)} cases")
        proof = asyncio.run(proving.run(Asked(suite=suite, versions=(version,))))
        arms = arms_of(proving, suite, run=proof.run.id, version=version.digest)
        ran.append(_Ran(suite, proof.tables[version.digest], proof.stopped, arms))
    return ran


def _own(root: Path, gating: Gating, ran: _Ran, name: str) -> GateDocument:
    """What the suite asks for itself. A `pass_rate` that nobody wrote blocks only where nothing else decides."""
    is_gated = gating.decides(ran.arms) and (_has_gates(root) or gating.before(ran.arms) is not None)
    report = rule_suite(ran.suite, ran.table, stopped=ran.stopped, is_gated=is_gated)
    return GateDocument(gate=report, label=name)


def _behaviours(root: Path, proving: Proving, version: AgentVersion, told: Told) -> list[Document]:
    known = [load_behaviour(root, name) for name in list_behaviours(root)]
    wanted = [one for one in known if _is_of(one.suite, version, root)]
    found: list[Found] = []
    for behaviour in wanted:
        told(f"{_name(version)}: behaviour {behaviour.name}, at most {behaviour.how.at_most} runs")
        found.append(asyncio.run(observe(proving, behaviour, version)))
    if not found:
        return []
    scores = ScoresDocument(candidate=scores_of(found, version.digest), label=_name(version))
    return [scores, GateDocument(gate=report_of(found, version.digest), label=_name(version))]


def _has_gates(root: Path) -> bool:
    return (root / GATES_FILE).is_file()


def _gating(root: Path, suites: Sequence[Arms]) -> Gating:
    """The project's gates. Without a file of them, nothing may get worse than its baseline."""
    today = SystemClock().now().date()
    if _has_gates(root):
        return Gating.open(root, today=today)
    metrics = dict.fromkeys(metric for arms in suites for metric in arms.candidate.columns)
    return Gating(root=root, gates=default_gates(metrics), quarantine=(), today=today)


def _gated(gating: Gating, suites: Sequence[Arms], attacks: Attacked, name: str) -> list[Document]:
    """
    The gates over all suites of a version and over the attacks on it.

    Where none that blocks is on attacks, the usual ones are.
    """
    wanted = [gate for gate in gating.gates.gates if is_attack_metric(gate.metric)]
    attacked = () if attacks.arms is None or not wanted else (attacks.arms,)
    found: list[Document] = []
    for arms, report in zip((*suites, *attacked), gating.reports([*suites, *attacked]), strict=True):
        if arms is not attacks.arms:
            new, old = gating.tables(arms)
            notes = (arms.note,) if arms.note else ()
            found.append(ScoresDocument(candidate=new, baseline=old, label=name, notes=notes))
        found.append(GateDocument(gate=report, label=name))
    if attacks.usual is not None and not any(gate.is_blocking for gate in wanted):
        found.append(GateDocument(gate=attacks.usual, label=name))
    return found


def _suites_of(root: Path, version: AgentVersion) -> list[Suite]:
    return [suite for name in list_suites(root) if _is_of(suite := load_suite(root, name), version, root)]


def _is_of(suite: Suite, version: AgentVersion, root: Path) -> bool:
    """Whether it asks this agent: by name, or because it names none and there is no other agent."""
    return suite.agent == version.agent or (not suite.agent and len(list_agents(root)) == 1)


def _name(version: AgentVersion) -> str:
    return f"{version.agent} {version.label}"


def _empty(out: Path) -> None:
    for kind in _KINDS.values():
        for path in out.glob(f"*.{kind}.json"):
            path.unlink()
    for name in (REPORT, JUNIT):
        (out / name).unlink(missing_ok=True)


def _write(out: Path, version: AgentVersion, documents: Sequence[Document]) -> None:
    files: list[NewFile] = []
    for number, document in enumerate(documents, 1):
        kind = _KINDS[type(document)]
        path = out / f"{version.agent}.{version.label}.{number:02d}.{kind}.json"
        files.append(NewFile(path=path, text=written(document).decode(), replaces=path.exists()))
    write_all(files)
