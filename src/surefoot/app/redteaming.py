"""A project's versions under attack: with objectives by strategies, or on tapes whose tool results are poisoned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from ..adapters.executors.tool_loop import loop
from ..client.replayed import rerun
from ..core.artifact.version import AgentVersion, ExecutorKind
from ..core.proof.redteam.outcome import Arm
from ..core.proof.redteam.plan import AttackPlan
from ..core.proof.redteam.poison import Poisoned
from ..core.proof.replay import Level
from ..core.proof.suite import NO_LIMITS, EvaluatorSpec, Limits
from ..core.proof.tape import MissedWrite, Tape
from ..core.proof.trace import Trace
from ..core.units import Digest
from ..errors import ExecutorFailed, UsageError
from ..ports.executor import Answer, ToolCall, Unfinished
from ..service.prove import Contender, Progress
from ..service.redteam import RedTeamed, attack_suite, concluded, fitted
from .proving import Asked, Proving
from .replay_parts import Parts, ReplaySpec, parts_of

__all__ = ["Assault", "attacked"]

_NOTHING: Final = Arm(version=Digest(""), outcomes=(), benign={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Assault:
    """What is attacked, with what, and how far it may go."""

    plan: AttackPlan
    version: AgentVersion
    baseline: AgentVersion | None = None
    name: str = "redteam"
    seed: int = 1
    trials: int = 1
    limits: Limits = NO_LIMITS
    most: float | None = None
    """The highest success rate that a category may have; None: no more than the baseline's."""

    resume: bool = False
    judges: tuple[EvaluatorSpec, ...] = ()
    """Judges of harm by category (their metric), asked only where evidence tells nothing."""


def attacked(proving: Proving, assault: Assault, *, told: Callable[[Progress], None] | None = None) -> RedTeamed:
    """
    Attack the version, and the baseline with the same. Results are kept in the project's file and can be resumed.

    A plan without attacks runs nothing and is not decided. Raises what `service.prove.prove` raises.
    """
    version, baseline, plan = assault.version, assault.baseline, assault.plan
    if not plan.cases:
        nothing = replace(_NOTHING, version=version.digest)
        found = concluded(assault.name, nothing, most=assault.most, label=version.label)
        why = f"no attack was made: {plan.why_empty or 'there is none in the plan'}"
        rulings = tuple(replace(ruling, reason=why) for ruling in found.gate.rulings)
        return replace(found, gate=replace(found.gate, rulings=rulings))
    suite = attack_suite(
        plan,
        name=assault.name,
        seed=assault.seed,
        trials=assault.trials,
        limits=assault.limits,
        judges=assault.judges,
    )
    versions = (version,) if baseline is None or baseline.digest == version.digest else (baseline, version)
    asked = Asked(suite=suite, versions=versions, resume=assault.resume)

    def fit(contender: Contender) -> Contender:
        return _on_tape(fitted(contender, plan), proving.root, plan)

    proof = asyncio.run(proving.run(asked, told=told, fit=fit))
    return concluded(
        suite.identity,
        plan.arm(version.digest, proof.results),
        None if baseline is None else plan.arm(baseline.digest, proof.results),
        most=assault.most,
        stopped=proof.stopped,
        label=version.label,
        baseline_label="" if baseline is None else baseline.label,
    )


def _on_tape(contender: Contender, root: Path, plan: AttackPlan) -> Contender:
    """With tools that answer from the poisoned tape, where the plan has one: nothing is called, and nothing written."""
    poisons = {case: target.attack for case, target in plan.targets.items() if isinstance(target.attack, Poisoned)}
    if not poisons:
        return contender
    version = contender.version
    if version.executor.kind is ExecutorKind.TAPE:
        raise UsageError(
            f"{version.agent} {version.label} is a recording, and a recording reads nothing new",
            hint="name a version that runs as a model or as a function; recorded attacks are `surefoot redteam tape`",
        )
    spec = ReplaySpec(root=root, level=Level.RUN, missed_write=MissedWrite.INTENT)
    return replace(contender, executor=_OnPoisonedTape(poisons, parts_of(spec, version)), remembers=False)


class _Ended(NamedTuple):
    answer: Answer
    """Without the calls: they are the tape's to tell."""

    why: str
    """Why there is no answer; empty where there is one."""


class _OnPoisonedTape:
    """Runs a version on the poisoned recording of the case that its key names. Not for streams."""

    def __init__(self, poisons: dict[str, Poisoned], parts: Parts) -> None:
        self._poisons = poisons
        self._parts = parts

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Run it with the tape's answers. Raises ExecutorFailed for a run that ended without an answer or an act."""
        case = key.removeprefix(f"{version.digest}:").rpartition(":")[0]
        recorded = self._poisons[case].trace
        tape = Tape(recorded, self._parts.tape)
        ended = await self._ended(version, recorded, tape, key)
        calls = tuple(
            ToolCall(
                name=played.call.name,
                arguments=played.call.args,
                result=played.served.result,
                success=played.served.success,
            )
            for played in tape.report().calls
        )
        # What it had done before it broke is evidence: without any, the attack told nothing.
        if ended.why and not calls:
            raise Unfinished(ExecutorFailed(ended.why, hint="look at what the version needs to run"), ended.answer)
        return replace(ended.answer, tool_calls=calls)

    async def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """The whole answer at once."""
        yield await self.run(version, request, key=key)

    async def _ended(self, version: AgentVersion, recorded: Trace, tape: Tape, key: str) -> _Ended:
        if self._parts.function is not None:
            ended = await rerun(self._parts.function, version, recorded.request, tape.call, key=key)
            why = "" if ended.error is None else f"{type(ended.error).__name__}: {ended.error}"
            answer = Answer(
                output=None if why else ended.output,
                seen=ended.seen,
                input_tokens=ended.input_tokens,
                output_tokens=ended.output_tokens,
            )
            return _Ended(answer, why)
        if self._parts.executor is None:
            raise ExecutorFailed("nothing runs this version", hint="give it an executor")
        looped = await loop(self._parts.executor, version, recorded, tape.call, key=key)
        return _Ended(looped.answer, looped.why)
