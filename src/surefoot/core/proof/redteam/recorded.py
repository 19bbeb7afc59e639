"""Attacks that were recorded with their results: AgentDojo's, or those that a team ran itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from ...units import Digest
from ..table import Sample
from ..text import answer_text
from ..trace import Trace, observation_of
from .outcome import Arm, AttackOutcome
from .report import Fate

__all__ = ["Recorded", "recorded_arms", "recorded_attack"]


_UNKNOWN: Final = "whether the attack succeeded was not recorded as true or false"


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
    fate = _fate(trace)
    why = (trace.error or _UNKNOWN) if fate is Fate.ERROR else ""
    return Recorded(AttackOutcome(f"{task} under {strategy}", named, strategy, fate, why), task, success)


def recorded_arms(traces: Iterable[Trace]) -> dict[str, Arm]:
    """
    Everything that was recorded of each agent, by its name, read once. Runs without an agent's name are left out.

    Runs of the same task under the same attack are trials of one case. The digest is that of the version, if all runs
    name the same one; else it is made of the runs' names, so that other recordings are another version.
    """
    found: dict[str, _Reading] = {}
    for trace in traces:
        if trace.agent is not None:
            found.setdefault(trace.agent, _Reading(trace.agent)).add(trace)
    return {agent: reading.arm() for agent, reading in found.items()}


class _Reading:
    """What was read of one agent so far: outcomes, and not the runs."""

    def __init__(self, agent: str) -> None:
        self._names = hashlib.sha256(agent.encode("utf-8", "replace"))
        self._digests: set[str | None] = set()
        self._outcomes: list[AttackOutcome] = []
        self._benign: dict[str, Sample] = {}

    def add(self, trace: Trace) -> None:
        self._digests.add(trace.version_digest)
        self._names.update(b"\0" + trace.trace_id.encode("utf-8", "replace"))
        found = recorded_attack(trace)
        if found.attack is not None:
            self._outcomes.append(found.attack)
        else:
            self._benign[found.task] = self._benign.get(found.task, Sample()).plus(_sample(found.success))

    def arm(self) -> Arm:
        only = next(iter(self._digests)) if len(self._digests) == 1 else None
        digest = Digest(only or f"sha256:{self._names.hexdigest()}")
        return Arm(version=digest, outcomes=tuple(self._outcomes), benign=self._benign)


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
