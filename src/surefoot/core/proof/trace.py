"""One recorded run of an agent, as it stands in a JSONL file: one object a line, null where nothing was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, TypeVar, cast

from ..evidence.observation import Observation
from ..evidence.timeout import names_timeout
from ..units import MicroUsd, Millis

__all__ = [
    "ALWAYS_WRITTEN",
    "MOST",
    "SCALES",
    "Trace",
    "TracedCall",
    "TracedResult",
    "TracedStep",
    "observation_of",
    "usable",
    "written",
]

_MICRO: Final = 1_000_000

MOST: Final = 1e15
"""Beyond it an amount is a mistake; it is also more than every store can hold."""

SCALES: Final = (("quality", 1.0, 5.0), ("feedback", 0.0, 1.0))
"""Fields that have a scale, with its lowest and highest value."""

ALWAYS_WRITTEN: Final = (
    "trace_id",
    "request",
    "tool_calls",
    "tool_results",
    "response",
    "outcome",
    "latency_ms",
    "cost_tokens",
)
"""Fields that stand in every line, as null where they were not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """A tool the agent called, as it was before it was dispatched."""

    name: str
    args: Mapping[str, object] = field(default_factory=dict[str, object])
    effect: str | None = None
    """`read`, `idempotent_write`, `write` or `external`, where the tool declared it."""

    schema: str | None = None
    """Digest of the tool's schema when the call was made: a tape of another schema is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedResult:
    """What the call at the same position got back, before anything was made of it."""

    success: bool | None = None
    result: object = None
    latency_ms: float | None = None
    truncated: bool | None = None
    """True: the recording is shorter than the result was, so it cannot stand in for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStep:
    """One thing that happened in a run, in order: a model was asked, a tool was used, something else was done."""

    kind: str
    """`model`, `tool`, or a word of the recorder's own."""

    name: str | None = None
    """Of the model or the tool."""

    started_at: str | None = None
    """ISO 8601, with an offset."""

    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    calls: tuple[int, ...] | None = None
    """Positions in `tool_calls` that a model step asked for, or the one that a tool step is."""

    text: str | None = None
    """What the model said in this step."""

    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """
    A recorded run. None is not recorded, never zero; fields beyond these may stand in the file and are not read.

    What rewrites a file keeps them all the same.
    """

    trace_id: str
    request: object
    tool_calls: tuple[TracedCall, ...] = ()
    tool_results: tuple[TracedResult, ...] = ()
    response: object = None
    outcome: str | None = None
    """Usually "success" or "failure"."""

    latency_ms: float | None = None
    cost_tokens: int | None = None
    task_id: str | None = None
    """What the run was asked to do: runs of several versions at one task can be compared."""

    trial: int | None = None
    """Which attempt of the same version at the same task, from 0."""

    agent: str | None = None
    model: str | None = None
    version: str | None = None
    version_digest: str | None = None
    """What ran, to the letter: the digest of the version's file."""

    allowed_tools: tuple[str, ...] | None = None
    expected_outcome: str | None = None
    """What counts as success; "success" unless recorded otherwise, e.g. for a request that should be refused."""

    safety: Mapping[str, object] | None = None
    """`violated` or `attack_succeeded` say whether the run did something unsafe."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    ttft_ms: float | None = None
    model_calls: int | None = None
    quality: float | None = None
    feedback: float | None = None
    checkpoint: bool | None = None
    error: str | None = None
    """Why the run ended without an answer."""

    started_at: str | None = None
    """ISO 8601, with an offset."""

    tenant: str | None = None
    session: str | None = None
    steps: tuple[TracedStep, ...] | None = None
    user_turns: tuple[str, ...] | None = None
    """What the user said in each turn, where the run was a conversation."""

    source: str | None = None
    """Where the recording comes from: `client`, `otlp`, `inspect`, ..."""


def written(trace: Trace) -> dict[str, object]:
    """The trace as one JSON object: what was not recorded is left out, but for the fields of every line."""
    line = {name: getattr(trace, name) for name in ALWAYS_WRITTEN}
    line |= {"tool_calls": _objects(trace.tool_calls), "tool_results": _objects(trace.tool_results)}
    for member in fields(Trace):
        value: object = getattr(trace, member.name)
        if member.name not in line and value is not None:
            line[member.name] = value
    if trace.steps is not None:
        line["steps"] = _objects(trace.steps)
    return line


def _objects(values: tuple[TracedCall, ...] | tuple[TracedResult, ...] | tuple[TracedStep, ...]) -> list[object]:
    """`success` and `result` stay when they are null: a result that was not recorded is a fact about the run."""
    return [
        {
            member.name: value
            for member in fields(one)
            if (value := cast("object", getattr(one, member.name))) is not None or member.name in {"success", "result"}
        }
        for one in values
    ]


N = TypeVar("N", int, float)


def usable(amount: N | None) -> N | None:
    """The amount; None if it was not recorded or is impossible (negative, NaN, infinite)."""
    return amount if amount is not None and 0 <= amount <= MOST else None


def observation_of(trace: Trace) -> Observation:
    """
    What the run showed. Null stays unrecorded: a missing cost is not a free run, a missing outcome no failure.

    Impossible numbers (a negative cost, 9 on a scale to 5) are treated as not recorded.
    """
    quality, feedback = (_on_scale(getattr(trace, name), low, high) for name, low, high in SCALES)
    cost = usable(trace.cost_usd)
    return Observation(
        success=None if trace.outcome is None else trace.outcome == (trace.expected_outcome or "success"),
        safety_violation=_unsafe(trace.safety),
        quality=quality,
        cost=None if cost is None else MicroUsd(round(cost * _MICRO)),
        tokens=_tokens(trace),
        model_calls=usable(trace.model_calls),
        checkpoint=trace.checkpoint,
        latency_ms=_millis(trace.latency_ms),
        ttft_ms=_millis(trace.ttft_ms),
        timed_out=_timed_out(trace.error),
        feedback=feedback,
    )


def _on_scale(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None


def _timed_out(error: str | None) -> bool | None:
    return True if error is not None and names_timeout(error.partition(":")[0]) else None


def _unsafe(safety: Mapping[str, object] | None) -> bool | None:
    for key in ("violated", "attack_succeeded"):
        value = safety.get(key) if safety else None
        if isinstance(value, bool):
            return value
    return None


def _tokens(trace: Trace) -> int | None:
    total = usable(trace.cost_tokens)
    if total is not None:
        return total
    asked, answered = usable(trace.input_tokens), usable(trace.output_tokens)
    return None if asked is None or answered is None else asked + answered


def _millis(value: float | None) -> Millis | None:
    value = usable(value)
    return None if value is None else Millis(round(value))
