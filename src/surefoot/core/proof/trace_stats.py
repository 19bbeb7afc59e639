"""What a file of runs amounts to, by agent and version: how many, how they ended, what they took, what is not known."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from .rates import Bounds, wilson
from .trace import Trace, observation_of, usable
from .trace_lint import impossible_numbers

__all__ = ["Group", "Spread", "TraceCounter", "TraceStats"]

_AMOUNTS: Final = ("latency_ms", "tokens", "input_tokens", "output_tokens", "cost_usd", "model_calls", "calls")
_COUNTED_AS_MISSING: Final = (
    "response",
    "outcome",
    "latency_ms",
    "cost_tokens",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "model_calls",
    "version",
    "version_digest",
    "allowed_tools",
    "safety",
    "feedback",
    "checkpoint",
    "started_at",
    "steps",
)


class Group(NamedTuple):
    """Whose runs they are. None where the file does not say."""

    agent: str | None
    version: str | None
    model: str | None


class Spread(NamedTuple):
    """An amount over the runs that recorded it."""

    n: int
    mean: float
    p50: float
    p90: float
    p99: float
    largest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStats:
    """The runs of one group."""

    group: Group
    n: int
    judged: int
    """Runs whose outcome is known: the others are in no rate."""

    succeeded: int
    success: Bounds | None
    """95 % interval of the success rate (Wilson); None without a judged run."""

    unsafe: int
    unsafe_known: int
    amounts: Mapping[str, Spread]
    """By name; only those that at least one run recorded."""

    tools: Mapping[str, int]
    """Calls by tool, most called first."""

    failed_calls: int
    missing: Mapping[str, int]
    """Runs by field that they did not record; only fields that some run did not."""

    unusable: Mapping[str, int]
    """Runs with an impossible number (negative, NaN, off its scale), by field; it is left out of every figure."""


class _Sums:
    """What is kept of a group while reading: eight bytes a run and amount."""

    def __init__(self) -> None:
        self.n = self.judged = self.succeeded = self.unsafe = self.unsafe_known = self.failed_calls = 0
        self.amounts: dict[str, array[float]] = {name: array("d") for name in _AMOUNTS}
        self.tools: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.unusable: Counter[str] = Counter()


class TraceCounter:
    """Counts traces one by one, however many: memory grows by some bytes a run."""

    def __init__(self) -> None:
        self._sums: dict[Group, _Sums] = {}

    def add(self, trace: Trace) -> None:
        """Count a run."""
        group = Group(trace.agent, trace.version or trace.version_digest, trace.model)
        sums = self._sums.setdefault(group, _Sums())
        seen = observation_of(trace)
        sums.n += 1
        sums.judged += seen.success is not None
        sums.succeeded += seen.success is True
        sums.unsafe += seen.safety_violation is True
        sums.unsafe_known += seen.safety_violation is not None
        recorded = {"tokens": seen.tokens, "calls": len(trace.tool_calls)}
        for name, values in sums.amounts.items():
            value: float | None = usable(recorded[name] if name in recorded else getattr(trace, name))
            if value is not None:
                values.append(value)
        sums.tools.update(call.name for call in trace.tool_calls)
        sums.failed_calls += sum(result.success is False for result in trace.tool_results)
        sums.unusable.update(impossible_numbers(trace))
        sums.missing.update(name for name in _COUNTED_AS_MISSING if getattr(trace, name) is None)

    def stats(self) -> tuple[TraceStats, ...]:
        """All groups, by name."""
        ordered = sorted(self._sums.items(), key=lambda item: tuple(part or "" for part in item[0]))
        return tuple(_stats(group, sums) for group, sums in ordered)


def _stats(group: Group, sums: _Sums) -> TraceStats:
    return TraceStats(
        group=group,
        n=sums.n,
        judged=sums.judged,
        succeeded=sums.succeeded,
        success=wilson(sums.succeeded, sums.judged) if sums.judged else None,
        unsafe=sums.unsafe,
        unsafe_known=sums.unsafe_known,
        amounts={name: _spread(values) for name, values in sums.amounts.items() if values},
        tools=dict(sums.tools.most_common()),
        failed_calls=sums.failed_calls,
        missing=dict(sums.missing.most_common()),
        unusable=dict(sums.unusable.most_common()),
    )


def _spread(values: array[float]) -> Spread:
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]  # nearest rank: a value that was measured

    return Spread(len(ordered), math.fsum(ordered) / len(ordered), at(0.5), at(0.9), at(0.99), ordered[-1])
