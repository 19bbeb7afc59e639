"""What is wrong with a recorded run that parses: impossible numbers, results without a call, invalid times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from .trace import SCALES, Trace, usable

__all__ = ["Problem", "impossible_numbers", "problems_of"]

_AMOUNTS: Final = (
    "latency_ms",
    "ttft_ms",
    "cost_tokens",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "model_calls",
    "trial",
)
_OF_A_STEP: Final = ("latency_ms", "input_tokens", "output_tokens")


class Problem(NamedTuple):
    """Something to mend."""

    field: str
    what: str
    hint: str


def problems_of(trace: Trace) -> tuple[Problem, ...]:
    """Every impossible value in a trace. What was not recorded is not a problem."""
    return (*_of_numbers(trace), *_of_calls(trace), *_of_times(trace))


def impossible_numbers(trace: Trace) -> tuple[str, ...]:
    """Fields of the run itself with an impossible number: negative, NaN, infinite, off its scale."""
    amounts = [name for name in _AMOUNTS if _is_impossible(getattr(trace, name))]
    return (*amounts, *(name for name, low, high in SCALES if _is_outside(getattr(trace, name), low, high)))


def _is_impossible(amount: float | None) -> bool:
    return amount is not None and usable(amount) is None


def _is_outside(value: float | None, low: float, high: float) -> bool:
    return value is not None and not low <= value <= high


def _of_numbers(trace: Trace) -> Iterator[Problem]:
    places: list[tuple[str, float | None]] = [(name, getattr(trace, name)) for name in _AMOUNTS]
    places += [(f"tool_results[{nth}].latency_ms", one.latency_ms) for nth, one in enumerate(trace.tool_results)]
    for nth, step in enumerate(trace.steps or ()):
        places += [(f"steps[{nth}].{name}", getattr(step, name)) for name in _OF_A_STEP]
    for place, value in places:
        if _is_impossible(value):
            yield Problem(place, f"{value} is no amount", "write null where it was not recorded")
    for name, low, high in SCALES:
        value = getattr(trace, name)
        if _is_outside(value, low, high):
            yield Problem(name, f"{value} is outside {low:g} to {high:g}", "bring it to this scale, or write null")
    parts, total = (trace.input_tokens, trace.output_tokens), trace.cost_tokens
    if total is not None and any(part is not None and part > total for part in parts):
        yield Problem("cost_tokens", f"{total} in all, but more in one direction", "write the sum of both, or null")
    if not trace.trace_id.strip():
        yield Problem("trace_id", "is empty", "give every run an id of its own")


def _of_calls(trace: Trace) -> Iterator[Problem]:
    calls, results = len(trace.tool_calls), len(trace.tool_results)
    if results > calls:
        yield Problem(
            "tool_results", f"{results} results of {calls} calls", "a result stands at the position of its call"
        )
    for place, call in enumerate(trace.tool_calls):
        if not call.name.strip():
            yield Problem(f"tool_calls[{place}].name", "is empty", "a call that names no tool cannot be replayed")
    for place, step in enumerate(trace.steps or ()):
        wrong = [number for number in step.calls or () if not 0 <= number < calls]
        if wrong:
            yield Problem(f"steps[{place}].calls", f"{wrong} of {calls} calls", "positions in `tool_calls` begin at 0")


def _of_times(trace: Trace) -> Iterator[Problem]:
    times: list[tuple[str, str | None]] = [("started_at", trace.started_at)]
    times += [(f"steps[{place}].started_at", step.started_at) for place, step in enumerate(trace.steps or ())]
    for name, text in times:
        if text is not None and not _is_time(text):
            yield Problem(name, f"{text[:40]!r} is no time", "write ISO 8601: 2026-01-31T12:00:00Z")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
