"""Attacks on a changed version in CI: live ones, those that its recording holds, or why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..adapters.executors.tape import tape_path
from ..adapters.reports.documents import AttacksDocument
from ..adapters.traces import read_traces
from ..config.objectives import choose, own_objectives
from ..core.artifact.version import ExecutorKind
from ..core.proof.gating import Conduct
from ..core.proof.redteam.converters import strategy
from ..core.proof.redteam.outcome import Arm, suite_of
from ..core.proof.redteam.plan import USUAL_STRATEGIES, plan_attacks
from ..core.proof.redteam.recorded import recorded_attack
from ..core.proof.redteam.report import AttackReport
from ..core.proof.suite import NO_LIMITS, Limits
from ..service.redteam import RedTeamed, concluded
from .gating import Arms
from .redteaming import Assault, attacked

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.artifact.version import AgentVersion
    from ..core.proof.gate import GateReport
    from .proving import Proving, Told

__all__ = ["Attack", "Attacked", "attack_version", "left_out"]

_NAME: Final = "redteam"
_SEED: Final = 1
"""Of the attacks: the same ones every time, so that two versions meet the same."""

_NO_PAIRS: Final = "there is no paired comparison, and each category is held to an absolute rate"


class Attack(NamedTuple):
    """What is attacked with in CI, and how much that may cost for each version."""

    categories: tuple[str, ...] = ("goal_hijack", "tool_abuse", "data_exfiltration", "prompt_leakage")
    """Those whose success shows by itself, in acts and canaries. Others need judges: `surefoot redteam run`."""

    limits: Limits = NO_LIMITS


class Attacked(NamedTuple):
    """What came of it."""

    document: AttacksDocument
    arms: Arms | None
    """The counts for the project's gates, with the baseline's where it was attacked too; None: nothing was attacked."""

    usual: GateReport | None
    """What is held against them where the project says nothing of attacks."""


def left_out(version: AgentVersion, why: str) -> Attacked:
    """A version that was not attacked. Nobody may read that as "nothing got through"."""
    report = AttackReport(suite=_NAME, version=version.digest, cells=())
    document = AttacksDocument(
        attacks=report, label=_called(version), notes=(f"{version.label} was not attacked: {why}",)
    )
    return Attacked(document, None, None)


def attack_version(
    proving: Proving,
    version: AgentVersion,
    before: AgentVersion | None,
    attack: Attack,
    told: Told,
) -> Attacked:
    """
    What attacks achieve on it and, with the same, on the version before; alone it is held to an absolute rate.

    A recording answers nothing that it was not asked: of such versions the attacks are judged that it holds with their
    results (`safety.attack`), and without any it is left out. Raises what running versions and reading tapes raises.
    """
    if version.executor.kind is ExecutorKind.TAPE:
        return _on_tape(proving.root, version, before, told)
    plan = plan_attacks(
        choose(own_objectives(), attack.categories), [strategy(name) for name in USUAL_STRATEGIES], seed=_SEED
    )
    notes: tuple[str, ...] = ()
    beside = before
    if before is not None and before.executor.kind is ExecutorKind.TAPE:
        why = "it answers from a recording, which answers nothing that it was not asked"
        notes, beside = (f"the baseline {before.label} was not attacked: {why}; {_NO_PAIRS}",), None
    told(f"{_called(version)}: {len(plan.cases)} attacks" + (f", and on {beside.label}" if beside else ""))
    assault = Assault(plan=plan, version=version, baseline=beside, name=_NAME, seed=_SEED, limits=attack.limits)
    return _told(attacked(proving, assault), version, notes, told)


def _on_tape(root: Path, version: AgentVersion, before: AgentVersion | None, told: Told) -> Attacked:
    mine = _recorded(root, version)
    if not mine.outcomes:
        told(f"{_called(version)}: a recording answers nothing that it was not asked, so it is not attacked")
        return left_out(version, "it answers from a recording, and no attack with its result is recorded there")
    told(f"{_called(version)}: {len(mine.outcomes)} recorded attacks")
    notes: tuple[str, ...] = ()
    theirs = None
    if before is not None:
        is_taped = before.executor.kind is ExecutorKind.TAPE
        theirs = _recorded(root, before) if is_taped else None
        if theirs is None or not {one.case for one in theirs.outcomes} & {one.case for one in mine.outcomes}:
            why = (
                "its recording holds none of these attacks" if is_taped else "it would meet other attacks than recorded"
            )
            theirs, notes = None, (f"the baseline {before.label} was not attacked: {why}; {_NO_PAIRS}",)
    suite = suite_of(_NAME, [mine] if theirs is None else [mine, theirs])
    beside = before.label if before is not None and theirs is not None else ""
    found = concluded(suite, mine, theirs, label=version.label, baseline_label=beside)
    return _told(found, version, notes, told)


def _told(found: RedTeamed, version: AgentVersion, notes: tuple[str, ...], told: Told) -> Attacked:
    for note in notes:
        told(f"{_called(version)}: {note}")
    document = AttacksDocument(attacks=found.report, label=_called(version), notes=notes)
    arms = Arms(
        candidate=found.candidate,
        baseline=found.baseline,
        conduct=Conduct(stopped=found.stopped),
        label=_called(version),
    )
    return Attacked(document, arms, found.gate)


def _recorded(root: Path, version: AgentVersion) -> Arm:
    """The attacks that a tape holds with their results. What else is on it belongs to suites."""
    found = (recorded_attack(trace) for trace in read_traces(tape_path(version, root)))
    outcomes = tuple(one.attack for one in found if one.attack is not None)
    return Arm(version=version.digest, outcomes=outcomes, benign={})


def _called(version: AgentVersion) -> str:
    return f"{version.agent} {version.label}"
