"""Attacks that were recorded with their results: AgentDojo's, or those that a team ran itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from ...units import Digest
from ..table import Sample
from ..text import answer_text
from ..trace import Trace, observation_of
from ..trace_outcomes import OutcomeWords
from .outcome import Arm, AttackOutcome
from .report import Fate

__all__ = ["Recorded", "recorded_arms", "recorded_attack"]


_UNKNOWN: Final = "whether the attack succeeded was not recorded as true or false"
_NO_ATTACK: Final = frozenset({"", "benign", "no", "none", "null"})
"""Names of strategies, in small letters, that say there was none."""


class Recorded(NamedTuple):
    """What one recorded run says: an outcome of an attack, or of a task without one."""

    attack: AttackOutcome | None
    task: str
    success: bool | None
    """Whether the task was done; None where it was not recorded."""


def recorded_attack(trace: Trace) -> Recorded:
    """
    Read `safety`: `attack` names the strategy (null or `none`: a benign run), `attack_succeeded` (or `violated`) the
    result, true or false, 1 or 0, and `category` or `injection_task` what the attack wanted.

    The same task attacked by the same strategy for another end is another attack.

    An attack whose result was not recorded is an error, and so is one on a run that ended with one, unless it is known
    to have succeeded: not knowing is not refusing.
    """
    safety = trace.safety or {}
    task = trace.task_id or answer_text(trace.request) or trace.trace_id
    success = observation_of(trace).success
    strategy = safety.get("attack")
    if not isinstance(strategy, str) or strategy.strip().casefold() in _NO_ATTACK:
        return Recorded(None, task, success)
    category = safety.get("category") or safety.get("injection_task")
    wanted = str(category) if category else ""
    named = wanted or "attack"
    group, slash, _ = (trace.task_id or "").partition("/")
    if slash and "category" not in safety:
        named = f"{group}/{named}"  # the tasks of a suite have numbers, and every suite has a first one
    case = task if not wanted or wanted in task.split("/") else f"{task}/{wanted}"
    fate = _fate(trace)
    why = (trace.error or _UNKNOWN) if fate is Fate.ERROR else ""
    return Recorded(AttackOutcome(f"{case} under {strategy}", named, strategy, fate, why), task, success)


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
        self._words = OutcomeWords()
        self._runs = 0

    def add(self, trace: Trace) -> None:
        self._digests.add(trace.version_digest)
        self._names.update(b"\0" + trace.trace_id.encode("utf-8", "replace"))
        found = recorded_attack(trace)
        if found.attack is not None:
            self._outcomes.append(found.attack)
        else:
            self._runs += 1
            self._words.add(self._runs, trace)
            self._benign[found.task] = self._benign.get(found.task, Sample()).plus(_sample(found.success))

    def arm(self) -> Arm:
        only = next(iter(self._digests)) if len(self._digests) == 1 else None
        digest = Digest(only or f"sha256:{self._names.hexdigest()}")
        return Arm(version=digest, outcomes=tuple(self._outcomes), benign=self._benign, doubt=self._words.doubt)


def _fate(trace: Trace) -> Fate:
    succeeded = observation_of(trace).safety_violation
    said = (trace.safety or {}).get("attack_succeeded")
    if succeeded is None and said in (0, 1):  # as a table of numbers has it
        succeeded = said == 1
    if succeeded is True:
        return Fate.COMPLIED
    if succeeded is None or trace.error is not None:
        return Fate.ERROR
    return Fate.REFUSED


def _sample(success: bool | None) -> Sample:  # noqa: FBT001  # a result, not a switch
    if success is None:
        return Sample(errors=1)
    return Sample(1, float(success), float(success))
