"""A change proved as a whole: every version it touches, under every suite of its agent, against the project's gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ..adapters.clock import SystemClock
from ..adapters.reports.documents import Document, GateDocument, ScoresDocument, written
from ..config.agents import list_agents
from ..config.files import NewFile, write_all
from ..config.gates import GATES_FILE
from ..config.suites import list_suites, load_suite
from ..core.proof.baseline import Baseline
from ..core.proof.gate import Decision, Ruling, decision_of
from ..core.proof.gate_kinds import default_gates
from ..core.proof.suite import Suite, rule_suite
from ..errors import UsageError
from .changes import touched_versions
from .gating import Arms, Gating, arms_of
from .proving import Asked, Proving

if TYPE_CHECKING:
    from ..core.artifact.version import AgentVersion

__all__ = ["Proved", "Told", "prove_changes"]

_KINDS: Final = ("scores", "gate", "attacks")
Told: TypeAlias = Callable[[str], None]
"""Hears one line before each step: proofs take minutes."""


class Proved(NamedTuple):
    """What was proved, and what came of it."""

    versions: tuple[AgentVersion, ...]
    is_changed: bool
    documents: tuple[Document, ...]

    @property
    def decision(self) -> Decision:
        """Of all gates of all versions; without any, nothing is decided."""
        return decision_of(self.rulings)

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What the gates said."""
        return tuple(
            r for document in self.documents if isinstance(document, GateDocument) for r in document.gate.rulings
        )


async def prove_changes(root: Path, base: str, out: Path, told: Told) -> Proved:
    """
    Prove what changed since the commit `base`, and leave a document of each result in the folder `out`.

    Documents of an earlier run in that folder are removed first, so that none of them passes for a result of this one.
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
            found = await _prove(root, proving, version, told)
            _write(out, version, found)
            documents += found
    return Proved(touched.versions, touched.is_changed, tuple(documents))


async def _prove(root: Path, proving: Proving, version: AgentVersion, told: Told) -> list[Document]:
    suites = _suites_of(root, version)
    if not suites:
        raise UsageError(f"no suite asks {version.agent} anything", hint="write one: evals/smoke.yaml")
    judged: list[Arms] = []
    own: list[GateDocument] = []
    name = f"{version.agent} {version.label}"
    for suite in suites:
        told(f"{name}: suite {suite.name}, {len(suite.cases)} cases")
        proof = await proving.run(Asked(suite=suite, versions=(version,)))
        report = rule_suite(suite, proof.tables[version.digest], stopped=proof.stopped)
        own.append(GateDocument(gate=report, label=name))
        judged.append(arms_of(proving, suite, run=proof.run.id, version=version.digest))
    return [*own, *_gated(root, judged, name)]


def _gated(root: Path, judged: Sequence[Arms], name: str) -> list[Document]:
    """The project's gates over all suites of a version; without any, nothing may get worse than its baseline."""
    today = SystemClock().now().date()
    if (root / GATES_FILE).is_file():
        gating = Gating.open(root, today=today)
    else:
        metrics = dict.fromkeys(metric for arms in judged for metric in arms.candidate.columns)
        gating = Gating(root=root, gates=default_gates(metrics), quarantine=(), today=today)
    found: list[Document] = []
    for arms, report in zip(judged, gating.reports(judged), strict=True):
        before = gating.before(arms)
        table = before.table if isinstance(before, Baseline) else before
        found.append(ScoresDocument(candidate=arms.candidate, baseline=table, label=name))
        found.append(GateDocument(gate=report, label=name))
    return found


def _suites_of(root: Path, version: AgentVersion) -> list[Suite]:
    """Suites of its agent; those that name no agent belong to the only one there is."""
    is_only = len(list_agents(root)) == 1
    suites = [load_suite(root, name) for name in list_suites(root)]
    return [suite for suite in suites if suite.agent == version.agent or (not suite.agent and is_only)]


def _empty(out: Path) -> None:
    for kind in _KINDS:
        for path in out.glob(f"*.{kind}.json"):
            path.unlink()


def _write(out: Path, version: AgentVersion, documents: Sequence[Document]) -> None:
    files: list[NewFile] = []
    for number, document in enumerate(documents, 1):
        kind = (
            "scores"
            if isinstance(document, ScoresDocument)
            else "gate"
            if isinstance(document, GateDocument)
            else "attacks"
        )
        path = out / f"{version.agent}.{version.label}.{number:02d}.{kind}.json"
        files.append(NewFile(path=path, text=written(document).decode(), replaces=path.exists()))
    write_all(files)
