"""One worker's part of a replay: recorded lines in, results out. Runs in processes of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ..adapters.clock import SystemClock
from ..adapters.distributed.guard import watched
from ..adapters.executors.tool_loop import loop, next_action, prefixes
from ..adapters.traces import trace_of
from ..client.replayed import rerun
from ..core.artifact.version import AgentVersion, Effect, ExecutorKind
from ..core.proof.call_keys import arguments_key, normalised_key
from ..core.proof.replay import Level, Played, blocked, died, result_of, virtual_latency
from ..core.proof.replay_refused import left_by_refusal, told_of_refusals
from ..core.proof.score import Attempt, Result
from ..core.proof.tape import Answering, PlayedCall, Served, Source, Tape, TapeReport
from ..core.proof.text import answer_text
from ..core.proof.trace import Trace, TracedCall, TracedResult, observation_of
from ..errors import ExecutorFailed, SurefootError
from ..ports.clock import Clock
from ..ports.executor import Answer, Executor
from ..ports.world import World, WorldFactory
from ..service.calls import pause
from .replay_parts import Parts, ReplaySpec, parts_of

__all__ = ["Patient", "ReplayBatch", "ReplayJob", "play_batch"]

_AT_ONCE: Final = 8
"""Runs of one worker that wait for a model at the same time."""

_TRIES: Final = 4

_AT_IMPORT: Final[Counter[str]] = Counter()
"""What modules were refused when this process imported them: what every run in it rests on."""


class ReplayJob(NamedTuple):
    """One version, one trace."""

    attempt: Attempt
    version: AgentVersion
    tape: bytes
    """The recorded line."""

    own: bytes | None
    """The version's own recorded run of the same task, where the version is a recording."""


class ReplayBatch(NamedTuple):
    """What a worker is given at once."""

    spec: ReplaySpec
    jobs: tuple[ReplayJob, ...]

    @property
    def attempts(self) -> Sequence[Attempt]:
        """What it will have results for."""
        return [job.attempt for job in self.jobs]

    def apart(self) -> Sequence[ReplayBatch]:
        """A batch for each job."""
        return [self._replace(jobs=(job,)) for job in self.jobs]

    def lost(self, why: str) -> Sequence[Result]:
        """A function that its process dies of, or that never ends, has failed; of a model's run nothing is known."""
        return [
            died(job.attempt, trace_of(job.tape), why, limits=self.spec.limits)
            if job.version.executor.kind is ExecutorKind.PYTHON
            else Result(attempt=job.attempt, error=why)
            for job in self.jobs
        ]


def play_batch(batch: ReplayBatch) -> list[Result]:
    """Every job's result. Raises UsageError for what no job of this kind can do."""
    with watched() as refused:
        for version in {job.version for job in batch.jobs}:
            parts_of(batch.spec, version)
    _AT_IMPORT.update(refused)
    return asyncio.run(_all(batch))


async def _all(batch: ReplayBatch) -> list[Result]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(job: ReplayJob) -> Result:
        # a function is timed by the clock on the wall, so nothing runs beside it
        if job.version.executor.kind is not ExecutorKind.OPENAI:
            return await _result(batch.spec, job)
        async with places:
            return await _result(batch.spec, job)

    if all(job.version.executor.kind is ExecutorKind.OPENAI for job in batch.jobs):
        return list(await asyncio.gather(*map(one, batch.jobs)))
    return [await one(job) for job in batch.jobs]


async def _result(spec: ReplaySpec, job: ReplayJob) -> Result:
    parts = parts_of(spec, job.version)
    with watched() as refused:
        refused.update(_AT_IMPORT)
        played = await _attempted(spec, job, parts)
    if isinstance(played, str):
        found = Result(attempt=job.attempt, error=played)
    else:
        held = left_by_refusal(played, refused)
        found = result_of(held, job.attempt, rules=parts.tools, limits=spec.limits, level=spec.level)
    return told_of_refusals(found, refused)


async def _attempted(spec: ReplaySpec, job: ReplayJob, parts: Parts) -> Played | str:
    """The run, or why there is none."""
    try:
        return await _played(spec, job, parts)
    except SurefootError as error:
        return error.message
    except Exception as error:  # noqa: BLE001  # a world of the user's may raise anything: that is no result
        return f"{type(error).__name__}: {error}"


async def _played(spec: ReplaySpec, job: ReplayJob, parts: Parts) -> Played:
    recorded = trace_of(job.tape)
    is_recording = job.version.executor.kind is ExecutorKind.TAPE
    own = recorded
    if is_recording:
        if job.own is None:
            raise ExecutorFailed(f"{job.version.label} has no recorded run of this task", hint="record one")
        own = trace_of(job.own)
    if spec.level is Level.POLICY:
        return _by_policy(own, recorded, job.version)
    if not is_recording and (stale := parts.tape.stale(recorded)):
        return Played(run=_bare(recorded), recorded=recorded, stale=stale)
    key = f"{job.attempt.version}:{job.attempt.case}:{job.attempt.trial}"
    if spec.level is Level.STEP:
        return await _by_step(job.version, recorded, parts, key)
    if spec.level is Level.WORLD and parts.world is not None:
        return await _in_world(parts.world, job, recorded, own, parts, key)
    tape = Tape(own if is_recording else recorded, parts.tape, pool=parts.pool)
    if is_recording:
        return _its_own(tape, own, recorded)
    run = await _run(job, recorded, parts, tape.call, key, tape.report)
    return _on_tape(run, recorded, tape.report(), parts)


def _by_policy(own: Trace, recorded: Trace, version: AgentVersion) -> Played:
    place, why = blocked(own, version.policies)
    if place is not None and place >= len(own.tool_calls):
        return Played(run=replace(own, outcome="failure", expected_outcome=None, error=why), recorded=recorded)
    return Played(run=own, recorded=recorded, first_divergence=place, why=why)


def _its_own(tape: Tape, own: Trace, recorded: Trace) -> Played:
    """A recording replays itself: its tools answered then, and its outcome is recorded."""
    for call in own.tool_calls:
        tape.call(call.name, call.args)
    return Played(run=own, recorded=recorded, is_crash=own.error is not None and own.outcome is None)


def _on_tape(run: Trace, recorded: Trace, report: TapeReport, parts: Parts) -> Played:
    place = report.first_divergence
    why = "" if place is None else _said(report.calls[place])
    return Played(
        run=run,
        recorded=recorded,
        report=report,
        first_divergence=place,
        why=why,
        owed=_owed(recorded, report, parts),
        is_read_only=not any(_is_write(recorded, place, parts) for place in range(len(recorded.tool_calls))),
        is_crash=parts.function is not None and run.error is not None,
    )


async def _run(
    job: ReplayJob,
    recorded: Trace,
    parts: Parts,
    answering: Answering,
    key: str,
    report: Callable[[], TapeReport],
) -> Trace:
    """The run as a trace, made by the user's function or by the tool loop."""
    if parts.function is not None:
        ended = await rerun(parts.function, job.version, recorded.request, answering, key=key)
        seen, error = ended.seen, ended.error
        return replace(
            _bare(recorded, report()),
            response=ended.output,
            outcome=None if seen.success is None or error is not None else "success" if seen.success else "failure",
            latency_ms=virtual_latency(ended.took_ms, report()),
            cost_tokens=seen.tokens,
            cost_usd=None if seen.cost is None else seen.cost / 1_000_000,
            model_calls=seen.model_calls,
            error=None if error is None else f"{type(error).__name__}: {error}",
        )
    if parts.executor is None:
        raise ExecutorFailed("nothing runs this version", hint="give it an executor")
    looped = await loop(Patient(parts.executor), job.version, recorded, answering, key=key)
    return replace(
        _bare(recorded, report()),
        response=looped.output,
        latency_ms=virtual_latency(looped.model_ms, report()),
        cost_tokens=looped.tokens,
        cost_usd=None if looped.cost is None else looped.cost / 1_000_000,
        model_calls=looped.model_calls,
        error=looped.why or None,
    )


async def _by_step(version: AgentVersion, recorded: Trace, parts: Parts, key: str) -> Played:
    if parts.executor is None:
        raise ExecutorFailed("nothing runs this version", hint="give it an executor of kind openai")
    points = prefixes(recorded)
    if not points:
        raise ExecutorFailed("the trace records no decision", hint="record tool calls with their results")
    executor, calls = Patient(parts.executor), list[TracedCall]()
    agreed, again = list[bool](), list[bool]()
    first, why = None, ""
    for place, point in enumerate(points):
        answer = await next_action(executor, version, point.messages, key=f"{key}:{place}")
        wanted = [TracedCall(name=call.name, args=call.arguments) for call in answer.tool_calls]
        calls += wanted
        agreed.append(_same_action(wanted, point.recorded, parts))
        if point.recorded is not None:
            again.append(agreed[-1])
        if not agreed[-1] and first is None:
            names = ", ".join(call.name for call in wanted) or "the answer"
            first, why = place, f"{names} instead of {point.recorded.name if point.recorded else 'the answer'}"
    run = replace(_bare(recorded), tool_calls=tuple(calls))
    return Played(
        run=run,
        recorded=recorded,
        first_divergence=first,
        why=why,
        agreement=sum(agreed) / len(agreed),
        calls_again=sum(again) / len(again) if again else None,
    )


def _same_action(wanted: Sequence[TracedCall], recorded: TracedCall | None, parts: Parts) -> bool:
    """The first rungs of the ladder: the tape of this one call would answer it."""
    if recorded is None or not wanted:
        return recorded is None and not wanted
    tape = Tape(_one(recorded), parts.tape)
    return tape.call(wanted[0].name, wanted[0].args).source in (Source.EXACT, Source.NORMALISED)


async def _in_world(
    factory: WorldFactory, job: ReplayJob, recorded: Trace, own: Trace, parts: Parts, key: str
) -> Played:
    world, wanted = factory(recorded), factory(recorded)
    answering = _Counting(world)
    if parts.function is None and parts.executor is None:
        for call in own.tool_calls:
            answering(call.name, call.args)
        run = replace(own, outcome=None, expected_outcome=None)
    else:
        run = await _run(job, recorded, parts, answering, key, answering.report)
    expected = _Counting(wanted)
    for call in recorded.tool_calls:
        expected(call.name, call.args)
    good = None
    if observation_of(recorded).success and run.error is None:
        good = arguments_key(world.state()) == arguments_key(wanted.state())
    outcome = None if good is None else "success" if good else "failure"
    return Played(
        run=replace(run, outcome=outcome, expected_outcome=None),
        recorded=recorded,
        is_crash=parts.function is not None and run.error is not None,
    )


class _Counting:
    """A world that answers calls, and what it was asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls: list[PlayedCall] = []

    def __call__(self, name: str, arguments: Mapping[str, object], /) -> Served:
        try:
            served = Served(Source.EXACT, success=True, result=self._world.call(name, arguments))
        except Exception as error:  # noqa: BLE001  # a tool that fails is part of the world
            served = Served(Source.EXACT, success=False, result=f"error: {str(error) or type(error).__name__}")
        self._calls.append(PlayedCall(TracedCall(name=name, args=arguments), served))
        return served

    def report(self) -> TapeReport:
        """As a tape's: nothing here can leave it."""
        return TapeReport(tuple(self._calls), None, None, (), ())


class Patient:
    """An executor that is asked again where its transport failed."""

    def __init__(self, executor: Executor, clock: Clock | None = None) -> None:
        self._executor = executor
        self._clock = clock or SystemClock()
        self.stream = executor.stream

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Answer once. Raises ExecutorFailed after some tries."""
        for nth in range(1, _TRIES + 1):
            try:
                return await self._executor.run(version, request, key=key)
            except ExecutorFailed as error:
                if not error.transient or nth == _TRIES:
                    raise
                await self._clock.sleep(pause(nth, error, jitter=1.0))
        raise AssertionError("the last try returns or raises")


def _bare(recorded: Trace, report: TapeReport | None = None) -> Trace:
    """A run that has shown nothing yet but its calls."""
    calls = () if report is None else report.calls
    return Trace(
        trace_id=recorded.trace_id,
        request=recorded.request,
        tool_calls=tuple([played.call for played in calls]),
        tool_results=tuple(
            [TracedResult(success=played.served.success, result=played.served.result) for played in calls]
        ),
        task_id=recorded.task_id,
        allowed_tools=recorded.allowed_tools,
    )


def _one(call: TracedCall) -> Trace:
    return Trace(trace_id="", request=None, tool_calls=(call,), tool_results=(TracedResult(success=True, result=""),))


def _owed(recorded: Trace, report: TapeReport, parts: Parts) -> tuple[str, ...]:
    """Writes of a recorded success that the run did not make. A tool of which nobody said what it does owes nothing."""
    if not observation_of(recorded).success:
        return ()
    made = {(played.call.name, normalised_key(played.call.args)) for played in report.calls}
    found: list[str] = []
    for place in report.unconsumed:
        call = recorded.tool_calls[place]
        if _is_write(recorded, place, parts) and (call.name, normalised_key(call.args)) not in made:
            found.append(call.name)
    return tuple(found)


def _is_write(recorded: Trace, place: int, parts: Parts) -> bool:
    """Whether this recorded call is known to be a write, and went well."""
    call = recorded.tool_calls[place]
    result = recorded.tool_results[place] if place < len(recorded.tool_results) else None
    is_known = call.name in parts.tape.effects or call.effect is not None
    went_well = result is not None and result.success is not False
    return is_known and parts.tape.effect(call) is not Effect.READ and went_well


def _said(played: PlayedCall) -> str:
    if played.served.source is Source.INTENT:
        return f"{played.call.name} was not recorded, and is only noted down"
    return (answer_text(played.served.result) or played.call.name).removeprefix("error: ")
