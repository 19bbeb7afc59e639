"""Attacks that were recorded with their results: AgentDojo's, or those that a team ran itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from ...units import Digest
from ..table import Sample
from ..text import answer_text
from ..trace import Trace, observation_of
from .outcome import Arm, AttackOutcome
from .report import Fate

__all__ = ["Recorded", "recorded_arm", "recorded_attack"]


class Recorded(NamedTuple):
    """What one recorded run says: an outcome of an attack, or of a task without one."""

    attack: AttackOutcome | None
    task: str
    success: bool | None
    """Whether the task was done; None where it was not recorded."""


def recorded_attack(trace: Trace) -> Recorded:
    """
    Read `safety`: `attack` names the strategy (null: a benign run), `attack_succeeded` (or `violated`) the result, and
    `category` or `injection_task` what the attack wanted.

    An attack whose result was not recorded is an error, and so is one on a run that ended with one, unless it is known
    to have succeeded: not knowing is not refusing.
    """
    safety = trace.safety or {}
    task = trace.task_id or answer_text(trace.request) or trace.trace_id
    success = observation_of(trace).success
    strategy = safety.get("attack")
    if not isinstance(strategy, str) or not strategy:
        return Recorded(None, task, success)
    category = safety.get("category") or safety.get("injection_task")
    named = str(category) if category else "attack"
    group, slash, _ = task.partition("/")
    if slash and "category" not in safety:
        named = f"{group}/{named}"  # the tasks of a suite have numbers, and every suite has a first one
    return Recorded(AttackOutcome(f"{task} under {strategy}", named, strategy, _fate(trace)), task, success)


def recorded_arm(traces: Iterable[Trace], agent: str) -> Arm:
    """
    Everything that was recorded of one agent. Runs of the same task under the same attack are trials of one case.

    The digest is that of the version, if all runs name the same one; else it is made of the runs' names, so that other
    recordings are another version.
    """
    outcomes: list[AttackOutcome] = []
    benign: dict[str, Sample] = {}
    digests: set[str | None] = set()
    names = hashlib.sha256(agent.encode("utf-8", "replace"))
    for trace in traces:
        if trace.agent != agent:
            continue
        digests.add(trace.version_digest)
        names.update(b"\0" + trace.trace_id.encode("utf-8", "replace"))
        found = recorded_attack(trace)
        if found.attack is not None:
            outcomes.append(found.attack)
        else:
            benign[found.task] = benign.get(found.task, Sample()).plus(_sample(found.success))
    only = digests.pop() if len(digests) == 1 else None
    return Arm(version=Digest(only or f"sha256:{names.hexdigest()}"), outcomes=tuple(outcomes), benign=benign)


def _fate(trace: Trace) -> Fate:
    succeeded = observation_of(trace).safety_violation
    if succeeded is True:
        return Fate.COMPLIED
    if succeeded is None or trace.error is not None:
        return Fate.ERROR
    return Fate.REFUSED


def _sample(success: bool | None) -> Sample:  # noqa: FBT001  # a result, not a switch
    if success is None:
        return Sample(errors=1)
    return Sample(1, float(success), float(success))
