"""Two versions replayed on the same recorded runs: from a file of traces and two names to a verdict."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import xxhash

from ..adapters.clock import SystemIds
from ..adapters.distributed.isolation import Isolation
from ..adapters.distributed.process_workers import InProcess, ProcessWorkers
from ..adapters.distributed.processes import usable_processors
from ..adapters.executors.tape import tape_path
from ..adapters.traces import TraceLine, read_lines
from ..config.agents import list_agents, load_version
from ..config.project import find_project
from ..config.tool_rules import load_tool_rules
from ..core.artifact.canonical import canonical
from ..core.artifact.version import AgentVersion, ExecutorKind, ExecutorRef, ModelRef, Prompt
from ..core.proof.gate_kinds import Gates
from ..core.proof.replay import Level, Limits
from ..core.proof.replay_case import Task, tasks
from ..core.proof.replay_verdict import Replayed
from ..core.proof.score import Attempt
from ..core.proof.trace import Trace
from ..core.proof.trace_outcomes import OutcomeWords
from ..core.units import AgentName
from ..errors import NothingToJudge, UnknownName, UsageError, nearest
from ..ports.results import ProofRun, Results
from ..ports.workers import Workers
from ..service.replay import ReplayOrder, ReplayProgress, Side
from ..service.replay import replay as made
from .proving import RESULTS_FILE
from .replay_isolation import isolation_of
from .replay_jobs import ReplayBatch, ReplayJob, play_batch
from .replay_parts import ReplaySpec
from .sources import runs_code, source_digests

if TYPE_CHECKING:
    from ..store.results import SqliteResults

__all__ = [
    "RECORDED",
    "RUN_SECONDS",
    "Begun",
    "PlannedReplay",
    "kept_results",
    "level_named",
    "planned_replay",
    "replay",
    "replay_version",
    "workers_for",
]

RECORDED: Final = "recorded:"
"""`recorded:NAME` is no version of the project but the runs in the trace file whose agent, or version, is NAME."""

RUN_SECONDS: Final = 120.0
"""How long one run may take: on average over those that a process is given at once, then alone."""

_UNNAMED: Final = re.compile(r"[^A-Za-z0-9_.+-]")
_LONG_BATCH: Final = 200
_SHORT_BATCH: Final = 4
_TRIES: Final = 2
"""How often a run's own process may die before the run has died."""

_WORTH_PROCESSES: Final = 4_000
"""Replays of recordings below which starting processes takes longer than the replays."""


class Begun(Protocol):
    """Where runs that were begun are found."""

    def runs(self, suite: str | None = None, /) -> tuple[ProofRun, ...]:
        """Those of a suite, oldest first."""
        ...

    def finished(self, run: str, /) -> frozenset[Attempt]:
        """What has a result in one of them."""
        ...


class _Runs(NamedTuple):
    """The recorded runs of one version, by task; None where the version runs anew."""

    by_task: dict[Task, bytes] | None
    doubt: str = ""
    """Why their outcomes cannot be taken as they are; empty where they can."""

    def of(self, task: Task) -> bytes | None:
        return None if self.by_task is None else self.by_task.get(task)


class _Recorded(NamedTuple):
    task: Task
    case: str
    line: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReplay:
    """A replay that is ready to begin."""

    order: ReplayOrder
    spec: ReplaySpec
    versions: tuple[AgentVersion, AgentVersion]
    recorded: tuple[_Recorded, ...]
    runs: tuple[_Runs, _Runs]
    isolation: Isolation
    """What workers see and reach."""

    @property
    def total(self) -> int:
        """Replays in all."""
        return 2 * len(self.recorded)

    @property
    def is_quick(self) -> bool:
        """Whether nothing of the user's, and no model, runs."""
        level = self.spec.level
        is_recorded = all(version.executor.kind is ExecutorKind.TAPE for version in self.versions)
        return level is Level.POLICY or (is_recorded and level is not Level.WORLD)

    def run(
        self, *, workers: Workers, results: Results, told: Callable[[ReplayProgress], None] | None = None
    ) -> Replayed:
        """Make it. See `service.replay.replay` for what is raised."""
        return made(self.order, self._batches, play_batch, workers=workers, results=results, told=told)

    def _batches(self, finished: frozenset[Attempt]) -> Iterator[ReplayBatch]:
        size = _LONG_BATCH if self.is_quick else _SHORT_BATCH
        jobs = self._jobs(finished)
        while batch := tuple(job for _, job in zip(range(size), jobs, strict=False)):
            yield ReplayBatch(self.spec, batch)

    def _jobs(self, finished: frozenset[Attempt]) -> Iterator[ReplayJob]:
        """Trace by trace, both versions side by side, so that time treats them alike; neither is always first."""
        arms = tuple(zip((self.order.baseline, self.order.candidate), self.versions, self.runs, strict=True))
        for place, (task, case, line) in enumerate(self.recorded):
            for side, version, runs in reversed(arms) if _is_candidate_first(place) else arms:
                attempt = Attempt(case, side.version, side.trial)
                if attempt not in finished:
                    yield ReplayJob(attempt, version, line, runs.of(task))


def replay(  # noqa: PLR0913  # what the command line has as options
    traces: str | os.PathLike[str],
    *,
    baseline: str,
    candidate: str,
    project: str | os.PathLike[str] | None = None,
    agent: str | None = None,
    level: str = "run",
    max_latency_ms: float | None = None,
    max_cost_tokens: int | None = None,
    rules: str | os.PathLike[str] | None = None,
    world: str | None = None,
    gates: Gates | None = None,
    on: str = "process",
    workers: int | None = None,
    timeout: float = RUN_SECONDS,
    resume: bool = False,
    allow_hosts: Iterable[str] = (),
    allow_env: Iterable[str] = (),
    allow_programs: Iterable[str] = (),
) -> Replayed:
    """
    Replay recorded runs on two versions, and say what is different.

    Versions are labels of the project's agent, or `recorded:NAME` for runs in the file itself. Results are kept in the
    project's `.surefoot/results.db`, so that `resume` goes on where the last replay of just this was stopped. No tool
    is called, whatever the level. Workers see no credentials, reach no host and start no program but what the versions'
    executors, `surefoot.yaml` and `allow_*` name. Raises UsageError and NothingToJudge for what cannot be replayed, and
    StoreUnavailable where results cannot be kept.
    """
    root = find_project(None if project is None else Path(project), Path.cwd())
    spec = ReplaySpec(
        root=root,
        level=level_named(level),
        limits=Limits(max_latency_ms=max_latency_ms, max_cost_tokens=max_cost_tokens),
        rules=None if rules is None else Path(rules),
        world=world,
        allowed=Isolation(tuple(allow_hosts), tuple(allow_env), tuple(allow_programs)),
    )
    with closing(kept_results(root)) as results:
        plan = planned_replay(
            Path(traces),
            spec,
            baseline=baseline,
            candidate=candidate,
            agent=agent,
            gates=gates,
            resume=results if resume else None,
        )
        return plan.run(workers=workers_for(plan, workers, on=on, timeout=timeout), results=results)


def level_named(name: str) -> Level:
    """Raises UnknownName."""
    if name not in tuple(Level):
        raise UnknownName("level", name, tuple(Level))
    return Level(name)


def kept_results(root: Path) -> SqliteResults:
    """The project's file of results, made if it is not there. Raises StoreUnavailable."""
    from ..store.results import SqliteResults

    return SqliteResults(root / RESULTS_FILE)


def planned_replay(
    traces: Path,
    spec: ReplaySpec,
    *,
    baseline: str,
    candidate: str,
    agent: str | None = None,
    gates: Gates | None = None,
    resume: Begun | None = None,
) -> PlannedReplay:
    """
    What is to be replayed. `resume`: where to look for a run of just this that was begun.

    Raises NothingToJudge for a file without a run, and UsageError for what cannot be replayed at this level.
    """
    if spec.level is Level.WORLD and spec.world is None:
        raise UsageError("the world level without a world", hint="name one: --world package.module:factory")
    if spec.rules is not None:
        load_tool_rules(spec.rules)  # read where it is used, in every worker; here only to say now what is wrong
    tape = _Tape(traces)
    before, after = (replay_version(spec.root, name, agent) for name in (baseline, candidate))
    recorded = tape.lines(baseline)
    is_same = before.digest == after.digest
    runs = (tape.runs(baseline, before, spec.root), tape.runs(candidate, after, spec.root))
    doubts = [tape.doubt(one, spec.level) for one in runs]
    sides = (Side(baseline, before.digest, 0, doubts[0]), Side(candidate, after.digest, int(is_same), doubts[1]))
    suite = f"replay of {traces.stem}@sha256:{tape.digest}"
    isolation = isolation_of((before, after), spec.root, spec.allowed)
    run = _run(suite, _settings(spec, sides, (before, after), isolation), resume)
    if resume is not None and (spec.world is not None or runs_code((before, after))):
        run = _open(run, resume, {Attempt(one.case, side.version, side.trial) for one in recorded for side in sides})
    return PlannedReplay(
        order=ReplayOrder(
            run=run,
            baseline=sides[0],
            candidate=sides[1],
            level=spec.level,
            limits=spec.limits,
            gates=gates,
            tasks=_shared(recorded),
            uncompared=len((runs[1].by_task or {}).keys() - {one.task for one in recorded}),
        ),
        spec=spec,
        versions=(before, after),
        recorded=recorded,
        runs=runs,
        isolation=isolation,
    )


def replay_version(root: Path, name: str, agent: str | None) -> AgentVersion:
    """A version of the project by its label (`AGENT@LABEL` where there are several agents), or `recorded:NAME`."""
    if name.startswith(RECORDED):
        whose = name.removeprefix(RECORDED)
        label = _UNNAMED.sub("_", whose)[:100].lstrip(".+-") or "recorded"
        return AgentVersion(
            agent=AgentName("recorded"),
            label=label,
            model=ModelRef(provider="recorded", name=whose or "recorded"),
            prompt=Prompt(),
            executor=ExecutorRef(kind=ExecutorKind.TAPE, settings=canonical({"recorded": whose})),
        )
    before, at, label = name.rpartition("@")
    agents = list_agents(root)
    chosen = before if at else agent or (agents[0] if len(agents) == 1 else "")
    if not chosen:
        raise UsageError(
            f"which agent's {name}? there are {len(agents)} in agents/",
            hint=f"give --agent NAME, write AGENT@{name}, or {RECORDED}NAME for runs that are in the trace file",
        )
    return load_version(root, chosen, label)


def workers_for(
    plan: PlannedReplay, count: int | None = None, *, on: str = "process", timeout: float = RUN_SECONDS
) -> Workers:
    """
    Processes, one a processor; this process for recordings that are replayed before another one has started; or Ray.

    They are isolated wherever anything of the user's, or a model, runs; never in this process, which it would harm. A
    process that is not done after `timeout` seconds a run is ended; then its runs have a process each, to tell which of
    them is to blame.

    Raises UnknownName for anything but `process` and `ray`.
    """
    isolation = None if plan.is_quick else plan.isolation
    if on == "ray":
        from ..adapters.distributed.ray_workers import RayWorkers

        return RayWorkers(processors=count, isolation=isolation)
    if on != "process":
        raise UnknownName("place to run", on, ("process", "ray"))
    if count is None and plan.is_quick and plan.total < _WORTH_PROCESSES:
        return InProcess()

    def patience(batch: ReplayBatch) -> float:
        return timeout * len(batch.jobs)

    def tries(batch: ReplayBatch) -> int:
        return 1 if len(batch.jobs) > 1 else _TRIES  # several are tried one by one next

    processes = usable_processors() if count is None else count
    return ProcessWorkers(processes, patience=patience, tries=tries, isolation=isolation)


def _is_candidate_first(place: int) -> bool:
    """
    Whether the candidate goes first on the trace at this place. Whoever does pays for what is cold.

    Of two neighbours it is one, and which one is drawn by a hash: balanced, and in step with no pattern of the tape or
    of the batches (permuted blocks of two, as in a clinical trial). What was done before a resume changes nothing.
    """
    drawn = xxhash.xxh3_64_intdigest((place // 2).to_bytes(8, "big"))
    return (place + drawn) % 2 == 1


class _Tape:
    """A file of traces, read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = tuple(read_lines(path))
        if not self._read:
            raise NothingToJudge(f"{path}: the file holds no run", hint="record runs into it, one JSON object a line")
        digest = hashlib.sha256()
        for line in self._read:
            digest.update(line.text + b"\n")
        self.digest = digest.hexdigest()

    def lines(self, baseline: str) -> tuple[_Recorded, ...]:
        """The traces to replay: all of them, or the baseline's where that is a recording of this file."""
        chosen = self._named(baseline) if baseline.startswith(RECORDED) else self._read
        return tuple(_Recorded(task, line.trace.trace_id, line.text) for task, line in _tasks(chosen))

    def runs(self, name: str, version: AgentVersion, root: Path) -> _Runs:
        """A version's own recorded runs, in this file or in that of its executor."""
        if version.executor.kind is not ExecutorKind.TAPE:
            return _Runs(None)
        own = self._named(name) if name.startswith(RECORDED) else tuple(read_lines(tape_path(version, root)))
        return _Runs({task: line.text for task, line in _tasks(own)}, _doubt(own))

    def doubt(self, runs: _Runs, level: Level) -> str:
        """Why the outcomes that a version is judged by cannot be taken as they are; empty where they can."""
        if runs.by_task is None and level is Level.POLICY:
            return _doubt(self._read)
        return runs.doubt

    def _named(self, name: str) -> tuple[TraceLine, ...]:
        whose = name.removeprefix(RECORDED)
        found = tuple(line for line in self._read if whose in _names(line.trace))
        if not found:
            known = {name for line in self._read for name in _names(line.trace)}
            raise UsageError(f"{self._path} holds no run of {whose!r}", hint=nearest(whose, known))
        return found


def _doubt(lines: Iterable[TraceLine]) -> str:
    words = OutcomeWords()
    for number, line in enumerate(lines, 1):
        words.add(number, line.trace)
    return words.doubt


def _names(trace: Trace) -> set[str]:
    return {name for name in (trace.agent, trace.version, trace.version_digest) if name is not None}


def _tasks(lines: tuple[TraceLine, ...]) -> Iterator[tuple[Task, TraceLine]]:
    by_id = {line.trace.trace_id: line for line in lines}
    for task, trace in tasks(line.trace for line in lines):
        yield task, by_id[trace.trace_id]


def _shared(recorded: tuple[_Recorded, ...]) -> dict[str, str]:
    """The task of each trace that is not the only one of it."""
    counts = Counter(one.task.name for one in recorded)
    return {one.case: one.task.name for one in recorded if counts[one.task.name] > 1}


def _settings(
    spec: ReplaySpec, sides: tuple[Side, Side], versions: tuple[AgentVersion, AgentVersion], isolation: Isolation
) -> str:
    """A digest of all that changes results, so that a resume goes on with just this replay."""
    rules = "" if spec.rules is None else spec.rules.read_text(encoding="utf-8")
    parts = [
        spec.level,
        spec.limits.max_latency_ms,
        spec.limits.max_cost_tokens,
        rules,
        spec.world,
        None if spec.pool is None else str(spec.pool),
        spec.missed_write,
        None if spec.redaction_key is None else hashlib.sha256(spec.redaction_key).hexdigest(),
        *(side.version for side in sides),
        *source_digests(versions, spec.root, spec.world),
        isolation,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _run(suite: str, settings: str, resume: Begun | None) -> ProofRun:
    """The newest run of just this, if one is to be resumed; else a new one."""
    begun = () if resume is None else resume.runs(suite)
    same = [run for run in begun if run.settings == settings]
    return same[-1] if same else ProofRun(id=SystemIds().new(), suite=suite, settings=settings)


def _open(run: ProofRun, begun: Begun, wanted: set[Attempt]) -> ProofRun:
    """The run, or a new one where it is over: what code reads may have changed, and a verdict rests on what was run."""
    is_over = run in begun.runs(run.suite) and wanted <= begun.finished(run.id)
    return replace(run, id=SystemIds().new()) if is_over else run
