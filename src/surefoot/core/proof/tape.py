"""
A recorded run as the world of another one: every tool call is answered from the recording, or is not answered.

A tape has no way to call a tool: it is given no function, and what it was not recorded with it cannot do. So a write
never happens, whatever is asked of it. Each call says where its answer comes from, from the surest to none (`Source`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias, cast

from ..artifact.canonical import Json, parse_object
from ..artifact.version import AgentVersion, Effect, ToolSpec
from .call_keys import alike, arguments_key, normalised_key
from .text_evaluators import Problem
from .trace import Trace, TracedCall, TracedResult

__all__ = [
    "Answering",
    "MissedWrite",
    "PlayedCall",
    "Pool",
    "Served",
    "Source",
    "Tape",
    "TapeReport",
    "TapeRules",
    "schema_digest",
    "tape_rules",
]

_WINDOW: Final = timedelta(hours=1)
_NOTHING: Final[Mapping[str, object]] = {}


class Source(StrEnum):
    """Where a call's answer comes from: the match ladder, top to bottom."""

    EXACT = "exact"
    """The first recording of the same call that was not used yet."""

    NORMALISED = "normalised"
    """The same but for case, white space, the way a date is written, and defaults of the tool's schema."""

    REPEATED = "repeated"
    """A read, or an idempotent write, that was answered before: the same answer again."""

    APPROXIMATE = "approximate"
    """A read: the most similar unused recording of the same tool; or a repeated read with a write since."""

    POOLED = "pooled"
    """A read: the same call in another trace of the same tenant and time."""

    DUPLICATE = "duplicate"
    """A write that was made before. Its first answer again; it is misuse."""

    INTENT = "intent"
    """A write without a recording, noted down and acknowledged. It was not made."""

    MISSED = "missed"
    """No answer: an error for a read, the end of the run for a write."""

    @property
    def is_faithful(self) -> bool:
        """Whether the world would have answered the same."""
        return self in (Source.EXACT, Source.NORMALISED, Source.REPEATED)

    @property
    def leaves(self) -> bool:
        """Whether the run is off its tape from here: what comes after is a story, not a replay."""
        return self in (Source.INTENT, Source.MISSED)


class MissedWrite(StrEnum):
    """What a write without a recording does. It is never made."""

    STOP = "stop"
    INTENT = "intent"
    """Held against the tool's schema, noted down, and acknowledged, so that the run goes on and shows what it wants."""


class Served(NamedTuple):
    """What a call got."""

    source: Source
    success: bool | None
    result: object
    latency_ms: float | None = None
    """As recorded; None where it was not."""

    recording: int | None = None
    """Position of the recorded call that answered."""

    stops: bool = False
    """The run ends here."""


Answering: TypeAlias = Callable[[str, Mapping[str, object]], Served]
"""What answers a run's calls: a tape, or a fake world. Never the tools themselves."""


class PlayedCall(NamedTuple):
    """A call and what it got."""

    call: TracedCall
    served: Served


class TapeReport(NamedTuple):
    """How a run stood to its tape."""

    calls: tuple[PlayedCall, ...]
    fidelity: float | None
    """Share of the calls that were answered as the world would have. None without a call."""

    first_divergence: int | None
    """Position of the first call without a recording; None for a run that stayed on its tape."""

    unconsumed: tuple[int, ...]
    """Positions of recorded calls that nobody asked for."""

    extra: tuple[int, ...]
    """Positions of calls that the recording does not have."""

    @property
    def is_diverged(self) -> bool:
        """Whether the run left its tape."""
        return self.first_divergence is not None


class Pool:
    """Reads of many traces, to be asked where a trace's own recording has none."""

    def __init__(self, traces: Iterable[Trace] = (), *, window: timedelta = _WINDOW) -> None:
        self._window = window
        self._known: dict[Hashable, list[tuple[datetime, TracedResult]]] = {}
        for trace in traces:
            at = _moment(trace.started_at)
            if at is None:
                continue
            for call, result in zip(trace.tool_calls, trace.tool_results, strict=False):
                if _is_whole(result):
                    key = (trace.tenant, call.name, arguments_key(call.args))
                    self._known.setdefault(key, []).append((at, result))

    def find(self, trace: Trace, name: str, key: Hashable) -> TracedResult | None:
        """The answer nearest in time, of the same tenant; none without a time: another day is another world."""
        at, known = _moment(trace.started_at), self._known.get((trace.tenant, name, key), ())
        near = [
            (abs(other - at), place)
            for place, (other, _) in enumerate(known)
            if at is not None and (other.tzinfo is None) == (at.tzinfo is None) and abs(other - at) <= self._window
        ]
        return known[min(near)[1]][1] if near else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeRules:
    """What is known of the tools, and how strict the tape is."""

    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    """By tool. One that is not here, nor in the recording, is a write."""

    schemas: Mapping[str, str] = field(default_factory=dict[str, str])
    """By tool: `schema_digest`. A recording made with another is stale."""

    defaults: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    """By tool: what its schema says of arguments that are left out."""

    problems: Mapping[str, Problem] = field(default_factory=dict[str, Problem])
    """By tool: what is wrong with the arguments of a call that is only noted down."""

    ignored: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By tool: arguments that make no difference (a request id, a moment)."""

    missed_write: MissedWrite = MissedWrite.STOP
    least_alike: float = 0.8
    redact: Callable[[object], object] | None = None
    """Applied to both sides before they are compared, so that a redacted recording is still found."""

    def effect(self, call: TracedCall) -> Effect:
        """What calling does: as the version declares, else as the recorder noted, else a write."""
        declared = self.effects.get(call.name)
        if declared is not None:
            return declared
        return Effect(call.effect) if call.effect in _EFFECTS else Effect.WRITE

    def stale(self, trace: Trace) -> tuple[str, ...]:
        """Tools of the recording whose schema was another one then."""
        wanted = self.schemas
        found = [
            call.name
            for call in trace.tool_calls
            if call.schema is not None and call.name in wanted and wanted[call.name] != call.schema
        ]
        return tuple(dict.fromkeys(found))


_EFFECTS: Final = frozenset(effect.value for effect in Effect)
_NO_RULES: Final = TapeRules()


def schema_digest(tool: ToolSpec) -> str:
    """`sha256:` and the SHA-256 of the canonical JSON Schema of a tool's arguments."""
    return "sha256:" + hashlib.sha256(tool.arguments.encode()).hexdigest()


def tape_rules(version: AgentVersion, *, problems: Mapping[str, Problem] | None = None) -> TapeRules:
    """The rules that follow from a version's tools."""
    tools = [*version.tools, *(tool for agent in version.sub_agents for tool in agent.tools)]
    return TapeRules(
        effects={tool.name: tool.effect for tool in tools},
        schemas={tool.name: schema_digest(tool) for tool in tools},
        defaults={tool.name: found for tool in tools if (found := _defaults(parse_object(tool.arguments)))},
        problems=problems or {},
    )


class Tape:
    """One replay of one trace. Keeps what was asked; made anew for every run."""

    __slots__ = ("_asked", "_extra", "_first", "_index", "_latest_write", "_normal", "_pool", "_rules", "_stopped",
                 "_trace", "_used", "_used_at")  # fmt: skip

    def __init__(self, trace: Trace, rules: TapeRules = _NO_RULES, *, pool: Pool | None = None) -> None:
        self._trace = trace
        self._rules = rules
        self._pool = pool
        self._asked: list[PlayedCall] = []
        self._extra: list[int] = []
        self._first: int | None = None
        self._latest_write = -1
        self._stopped = False
        self._used = bytearray(len(trace.tool_calls))
        self._used_at: dict[int, int] = {}
        self._index: dict[Hashable, list[int]] = {}
        self._normal: dict[Hashable, list[int]] | None = None
        results = len(trace.tool_results)
        for place, call in enumerate(trace.tool_calls):
            if place < results and _is_whole(trace.tool_results[place]):
                self._index.setdefault((call.name, arguments_key(self._told(call))), []).append(place)

    def call(self, name: str, arguments: Mapping[str, object]) -> Served:
        """Answer one call from the recording. Never does anything, and raises nothing."""
        call = TracedCall(name=name, args=arguments)
        number = len(self._asked)
        served = self._missed(call, "the run has ended") if self._stopped else self._served(call, number)
        self._asked.append(PlayedCall(call, served))
        if served.source not in (Source.EXACT, Source.NORMALISED):
            self._extra.append(number)
            if self._first is None and served.source.leaves:
                self._first = number
        self._stopped = self._stopped or served.stops
        return served

    def report(self) -> TapeReport:
        """How the run stood to its tape, so far."""
        calls = tuple(self._asked)
        faithful = sum(played.served.source.is_faithful for played in calls)
        return TapeReport(
            calls=calls,
            fidelity=faithful / len(calls) if calls else None,
            first_divergence=self._first,
            unconsumed=tuple(place for place, used in enumerate(self._used) if not used),
            extra=tuple(self._extra),
        )

    def _served(self, call: TracedCall, number: int) -> Served:
        exact = (call.name, arguments_key(self._told(call)))
        places = self._index.get(exact, ())
        for place in places:
            if not self._used[place]:
                return self._use(place, number, Source.EXACT)
        normal = self._normalised(call)
        for place in normal:
            if not self._used[place]:
                return self._use(place, number, Source.NORMALISED)
        if again := (places or normal):
            return self._again(again[-1], number)
        effect = self._rules.effect(call)
        if effect.is_safe:
            return self._read(call, exact[1], number)
        if self._rules.missed_write is MissedWrite.INTENT:
            return self._noted(call)
        return self._missed(call, f"{call.name} ({effect}) was not recorded and is not made", stops=True)

    def _use(self, place: int, number: int, source: Source) -> Served:
        self._used[place] = 1
        self._used_at[place] = number
        recorded = self._trace.tool_calls[place]
        if not self._rules.effect(recorded).is_safe:
            self._latest_write = number
        result = self._trace.tool_results[place]
        return Served(source, result.success, result.result, result.latency_ms, place)

    def _again(self, place: int, number: int) -> Served:
        """The answer of a call that was made before."""
        effect = self._rules.effect(self._trace.tool_calls[place])
        result = self._trace.tool_results[place]
        source = Source.REPEATED
        if effect.is_safe:
            if self._latest_write > self._used_at[place]:
                source = Source.APPROXIMATE
        elif effect is not Effect.IDEMPOTENT_WRITE and result.success is not False:
            source = Source.DUPLICATE
        return Served(source, result.success, result.result, result.latency_ms, place)

    def _read(self, call: TracedCall, key: Hashable, number: int) -> Served:
        best, most = -1, self._rules.least_alike
        for places in self._index.values():
            for place in places:
                recorded = self._trace.tool_calls[place]
                if recorded.name == call.name and not self._used[place]:
                    value = alike(self._told(call), self._told(recorded))
                    if value > most or (value == most and best < 0):
                        best, most = place, value
        if best >= 0:
            return self._use(best, number, Source.APPROXIMATE)
        pooled = None if self._pool is None else self._pool.find(self._trace, call.name, key)
        if pooled is not None:
            return Served(Source.POOLED, pooled.success, pooled.result, pooled.latency_ms)
        return self._missed(call, f"{call.name} is not available for these arguments")

    def _noted(self, call: TracedCall) -> Served:
        problem_of = self._rules.problems.get(call.name)
        problem = None if problem_of is None else problem_of(dict(call.args))
        if problem is not None:
            return Served(Source.INTENT, success=False, result=f"error: {problem}")
        return Served(Source.INTENT, success=True, result={"status": "accepted"})

    def _missed(self, call: TracedCall, reason: str, *, stops: bool = False) -> Served:
        return Served(Source.MISSED, success=False, result=f"error: {reason}", stops=stops)

    def _normalised(self, call: TracedCall) -> list[int]:
        if self._normal is None:
            self._normal = {}
            for places in self._index.values():
                for place in places:
                    recorded = self._trace.tool_calls[place]
                    self._normal.setdefault(self._normal_key(recorded), []).append(place)
            for places in self._normal.values():
                places.sort()
        return self._normal.get(self._normal_key(call), [])

    def _normal_key(self, call: TracedCall) -> Hashable:
        told = self._told(call)
        defaults = self._rules.defaults.get(call.name, _NOTHING)
        return call.name, normalised_key({**defaults, **{k: v for k, v in told.items() if v is not None}})

    def _told(self, call: TracedCall) -> Mapping[str, object]:
        """The arguments that count, without personal data where the recording has none."""
        arguments: Mapping[str, object] = call.args
        ignored = self._rules.ignored.get(call.name)
        if ignored:
            arguments = {name: value for name, value in arguments.items() if name not in ignored}
        if self._rules.redact is not None:
            # As a whole, as recordings are redacted: a name may say what its value is, or be an address itself.
            arguments = cast("Mapping[str, object]", self._rules.redact(dict(arguments)))
        return arguments


def _is_whole(result: TracedResult) -> bool:
    """Whether a recording can stand in for the result: it is there, and it is not cut."""
    return not result.truncated and not (result.success is None and result.result is None)


def _defaults(schema: Mapping[str, Json]) -> dict[str, object]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {
        name: about["default"]
        for name, about in properties.items()
        if isinstance(about, Mapping) and "default" in about
    }


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
