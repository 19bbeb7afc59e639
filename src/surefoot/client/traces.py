"""
Live traffic recorded as traces: which requests came, what the agent did, what it answered, without personal data.

Only where it was asked for. The caller appends one object to a bounded queue when its run is over; a thread redacts,
writes and rotates. What does not fit, cannot be written or is no JSON is lost and counted: a recording is worth less
than anybody's answer.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, cast

import msgspec
import xxhash

from ..core.artifact.version import AgentVersion, ExecutorKind
from ..core.evidence.run_id import unit_hash
from ..core.proof.trace import Trace, TracedCall, TracedResult, TracedStep, written
from ..core.protection.redaction import Redactor
from ..core.units import AgentName
from ..errors import UsageError
from ..ports.clock import Clock
from ..ports.executor import Answer, ToolCall
from .run import Run
from .seen import Span

__all__ = ["TraceHealth", "TraceRecorder", "Traces"]

_log: Final = logging.getLogger("surefoot.traces")
_MICRO: Final = 1_000_000
_POINTS: Final = 1 << 64
_SUFFIX: Final = ".jsonl"
_CUT: Final = "...[cut]"
_BATCH: Final = 64


class _Put(NamedTuple):
    """A finished run on its way."""

    run: Run
    request: object
    response: object
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What of an agent's traffic is recorded, and how much may be kept. Per process, but for the folder."""

    folder: Path
    """`AGENT.PID.TIME.NUMBER.jsonl` files are written there, readable by their owner only."""

    share: float = 1.0
    """Of runs, 0 to 1. Which ones is fixed by their ids."""

    redacts: bool = True
    """Whether personal data that has a form is replaced before it reaches the disk. Names have none."""

    key: bytes = b""
    """For the tokens that stand in for it; see `Redactor`."""

    file_bytes: int = 64 << 20
    """After which a new file is begun."""

    files: int = 8
    """Recorded for this agent in the folder, by any process; the oldest are removed. Other files are left alone."""

    queue: int = 1024
    """Runs that may wait for the thread; further ones are lost, and counted."""

    characters: int = 100_000
    """Of one text; longer ones are cut, and say so."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"a share of {self.share}", hint="of runs: 0 to 1")
        if min(self.file_bytes, self.files, self.queue, self.characters) < 1 or len(self.key) > 64:
            raise UsageError(
                "every limit on traces must be at least 1, and a key at most 64 bytes", hint="correct these settings"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHealth:
    """What became of runs that were to be recorded."""

    written: int = 0
    lost: int = 0
    """The queue was full, the disk did not take it, or it was no JSON."""

    error: str = ""
    """What is wrong now; empty when all is well."""


class TraceRecorder:
    """The traces of one agent. Thread-safe; a forked child goes on with a queue, a thread and files of its own."""

    def __init__(self, agent: AgentName, settings: Traces, *, clock: Clock) -> None:
        self._agent = agent
        self._settings = settings
        self._clock = clock
        self._cut = int(settings.share * _POINTS)
        self._redactor = Redactor(key=settings.key)
        self._own = re.compile(rf"{re.escape(agent)}\.\d+\.\d{{8}}T\d{{12}}\.\d+{re.escape(_SUFFIX)}")
        self._is_closed = False
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._waiting: deque[_Put | threading.Event | None] = deque()
        self._wake, self._lock = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._file: Path | None = None
        self._size = self._written = self._lost = 0
        self._error = ""

    # --- on the request's path

    def put(self, run: Run, request: object, response: object) -> None:
        """Take a finished run. Never waits for the disk, never raises."""
        try:
            if self._process != os.getpid():
                self._begin()
            if self._is_closed or not self._is_drawn(run):
                return
            if len(self._waiting) >= self._settings.queue:
                self.lose()
                return
            self._tell(_Put(run, request, response, self._clock.now()))
        except Exception:  # noqa: BLE001 - the user has the answer already
            self.lose()

    def lose(self, count: int = 1) -> None:
        """Runs that are not recorded: the answer was too long to be kept, or whatever else."""
        with self._lock:
            self._lost += count

    def _is_drawn(self, run: Run) -> bool:
        if self._cut >= _POINTS:
            return True
        return xxhash.xxh3_64_intdigest(run.run_id.encode()) < self._cut

    def _tell(self, item: _Put | threading.Event | None) -> None:
        self._waiting.append(item)
        self._wake.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    name = f"surefoot-traces-{self._agent}"
                    self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                    self._thread.start()

    # --- off it

    @property
    def health(self) -> TraceHealth:
        """How it is doing, now."""
        return TraceHealth(written=self._written, lost=self._lost, error=self._error)

    def flush(self, timeout: float) -> bool:
        """Wait until what was put is on the disk, or lost. False: not within that many seconds."""
        if self._thread is None or self._process != os.getpid():
            return True
        done = threading.Event()
        self._tell(done)
        return done.wait(timeout)

    def close(self, timeout: float) -> None:
        """Write what waits, within that many seconds, and take no more. Idempotent."""
        self._is_closed = True
        if self._thread is not None and self._process == os.getpid():
            self._tell(None)
            self._thread.join(timeout)

    def _work(self) -> None:
        lines: list[bytes] = []
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                item = self._waiting.popleft()
                if isinstance(item, _Put):
                    lines += self._line(item)
                if lines and (not isinstance(item, _Put) or len(lines) >= _BATCH or not self._waiting):
                    self._write(lines)
                    lines = []
                if isinstance(item, threading.Event):
                    item.set()
                elif item is None:
                    return

    def _line(self, put: _Put) -> list[bytes]:
        try:
            line = written(_trace(put, self._plain))
            if self._settings.redacts:
                for name in line.keys() - _OURS:
                    line[name] = self._redactor.value(line[name]).value
            return [msgspec.json.encode(line)]
        except Exception as error:  # noqa: BLE001 - one strange answer is one lost trace
            self._fail(f"a run that is no JSON: {type(error).__name__}", 1)
            return []

    def _plain(self, value: object) -> object:
        """The value as JSON has it: objects as their fields or their text, long texts cut."""
        return self._short(msgspec.to_builtins(value, str_keys=True, enc_hook=str))

    def _short(self, value: object) -> object:
        most = self._settings.characters
        match value:
            case str() if len(value) > most:
                return value[:most] + _CUT
            case dict():
                return {name: self._short(member) for name, member in cast("dict[str, object]", value).items()}
            case list():
                return [self._short(item) for item in cast("list[object]", value)]
            case _:
                return value

    def _write(self, lines: list[bytes]) -> None:
        text = b"\n".join(lines) + b"\n"
        try:
            if self._file is None or self._size + len(text) > self._settings.file_bytes:
                self._file, self._size = self._next_file(), 0
            with open(self._file, "ab", opener=_owner_only) as file:
                file.write(text)
        except OSError as error:
            self._fail(f"{self._settings.folder}: {error.strerror or error}", len(lines))
            return
        self._size += len(text)
        self._written += len(lines)
        self._error = ""

    def _next_file(self) -> Path:
        folder = self._settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        known = self._recorded(folder)
        for path in known[: max(0, len(known) - self._settings.files + 1)]:
            with suppress(OSError):
                path.unlink()
        stamp = self._clock.now().astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")
        name = f"{self._agent}.{self._process}.{stamp}"
        taken = {path.name for path in known}
        number = next(number for number in range(len(taken) + 1) if f"{name}.{number}{_SUFFIX}" not in taken)
        return folder / f"{name}.{number}{_SUFFIX}"

    def _recorded(self, folder: Path) -> list[Path]:
        """Files that a recorder of this agent named, oldest first. All others are somebody's own."""
        found: list[tuple[int, Path]] = []
        for path in folder.iterdir():
            if self._own.fullmatch(path.name):
                with suppress(OSError):  # another process has just removed it
                    found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found)]

    def _fail(self, error: str, count: int) -> None:
        if not self._error:
            _log.warning("traces of %s are not recorded: %s", self._agent, error)
        self._error = error
        self.lose(count)


_OURS: Final = frozenset(
    {"trace_id", "version", "version_digest", "agent", "model", "started_at", "source", "outcome", "steps"}
)
"""What we wrote ourselves: it holds nobody's data, and tokens in it would break joins."""


_Plain: TypeAlias = Callable[[object], object]


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _trace(put: _Put, plain: _Plain) -> Trace:
    run = put.run
    seen, version, calls = run.observation, run.version, run.tool_calls
    outcome = None if seen.success is None else ("success" if seen.success else "failure")
    spans = _known(run.spans, version)
    took = {id(span.what): _millis(span.began - span.ended) for span in spans}
    return Trace(
        trace_id=run.run_id,
        source="client",
        agent=version.agent,
        model=version.model.id,
        version=version.label,
        version_digest=version.digest,
        request=plain(put.request),
        tool_calls=tuple(_call(call, version, plain) for call in calls),
        tool_results=tuple(
            TracedResult(success=call.success, result=plain(call.result), latency_ms=took.get(id(call)))
            for call in calls
        ),
        response=plain(put.response),
        outcome=outcome,
        latency_ms=None if seen.latency_ms is None else float(seen.latency_ms),
        ttft_ms=None if seen.ttft_ms is None else float(seen.ttft_ms),
        cost_tokens=seen.tokens,
        cost_usd=None if seen.cost is None else seen.cost / _MICRO,
        model_calls=seen.model_calls,
        quality=seen.quality,
        feedback=seen.feedback,
        checkpoint=seen.checkpoint,
        safety=None if seen.safety_violation is None else {"violated": seen.safety_violation},
        allowed_tools=tuple(tool.name for tool in version.tools) or None,
        error=run.failed_by,
        # a latency in whole milliseconds may be shorter than what happened in it
        started_at=_text(
            min([put.at - timedelta(milliseconds=seen.latency_ms or 0), *(_at(put, span) for span in spans)])
        ),
        steps=tuple(_step(span, put, calls) for span in spans) or None,
        session=unit_hash(run.session) if run.session else None,
        tenant=run.tenant or None,
    )


def _call(call: ToolCall, version: AgentVersion, plain: _Plain) -> TracedCall:
    declared = version.tool(call.name)
    args = cast("dict[str, object]", plain(call.arguments))
    return TracedCall(name=call.name, args=args, effect=declared.effect.value if declared else None)


def _known(spans: tuple[Span, ...], version: AgentVersion) -> tuple[Span, ...]:
    """Without the model's where a tape answered: its latency is of another day."""
    is_taped = version.executor.kind is ExecutorKind.TAPE
    return tuple(span for span in spans if isinstance(span.what, ToolCall) or not is_taped)


def _step(span: Span, put: _Put, calls: tuple[ToolCall, ...]) -> TracedStep:
    """What is certain: who was at work, from when, for how long. Texts are in the answer and in the results."""
    what = span.what
    began = _text(_at(put, span))
    took = _millis(span.began - span.ended)
    if isinstance(what, Answer):
        return TracedStep(
            kind="model",
            name=put.run.version.model.id,
            started_at=began,
            latency_ms=took,
            input_tokens=what.input_tokens,
            output_tokens=what.output_tokens,
            calls=_places(what.tool_calls, calls) or None,
        )
    why = "failed" if what.success is False else None
    return TracedStep(
        kind="tool", name=what.name, started_at=began, latency_ms=took, calls=_places((what,), calls), error=why
    )


def _at(put: _Put, span: Span) -> datetime:
    return put.at - timedelta(microseconds=span.began / 1_000)


def _places(wanted: tuple[ToolCall, ...], calls: tuple[ToolCall, ...]) -> tuple[int, ...]:
    """Where in `calls` these very ones stand."""
    ids = {id(call) for call in wanted}
    return tuple(place for place, call in enumerate(calls) if id(call) in ids)


def _millis(nanos: int) -> float:
    return round(nanos / _MICRO, 3)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
