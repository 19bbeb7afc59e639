"""One recorded run of an agent, as it stands in a JSONL file: one object a line, null where nothing was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..evidence.observation import Observation
from ..units import MicroUsd, Millis

__all__ = ["Trace", "TracedCall", "TracedResult", "observation_of"]

_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """A tool the agent called."""

    name: str
    args: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedResult:
    """What the call at the same position got back."""

    success: bool | None = None
    result: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A recorded run. Fields beyond these may stand in the file; they are not read."""

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

    agent: str | None = None
    model: str | None = None
    version: str | None = None
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


def observation_of(trace: Trace) -> Observation:
    """What the run showed. Null stays unrecorded: a missing cost is not a free run, a missing outcome no failure."""
    return Observation(
        success=None if trace.outcome is None else trace.outcome == (trace.expected_outcome or "success"),
        safety_violation=_unsafe(trace.safety),
        quality=trace.quality,
        cost=None if trace.cost_usd is None else MicroUsd(round(trace.cost_usd * _MICRO)),
        tokens=_tokens(trace),
        model_calls=trace.model_calls,
        checkpoint=trace.checkpoint,
        latency_ms=_millis(trace.latency_ms),
        ttft_ms=_millis(trace.ttft_ms),
        feedback=trace.feedback,
    )


def _unsafe(safety: Mapping[str, object] | None) -> bool | None:
    for key in ("violated", "attack_succeeded"):
        value = safety.get(key) if safety else None
        if isinstance(value, bool):
            return value
    return None


def _tokens(trace: Trace) -> int | None:
    if trace.cost_tokens is not None:
        return trace.cost_tokens
    if trace.input_tokens is None or trace.output_tokens is None:
        return None
    return trace.input_tokens + trace.output_tokens


def _millis(value: float | None) -> Millis | None:
    return None if value is None else Millis(round(value))
