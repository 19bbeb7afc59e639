"""What the user's code says about a run: checked where it is said, added up over the run."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple, SupportsFloat, SupportsIndex, TypeAlias, TypedDict

from ..core.evidence.observation import Observation
from ..errors import UsageError
from ..ports.executor import Answer, ToolCall

__all__ = ["Outcome", "Shown", "Span", "Values", "add", "said_by"]

Values: TypeAlias = dict[str, bool | int | float]
"""By the names of `Observation`'s fields."""

_MICRO: Final = 1_000_000


class Shown(TypedDict, total=False):
    """What a run can show of itself. What is left out, or None, is not recorded."""

    success: bool | None
    policy_violation: bool | None
    safety_violation: bool | None
    quality: float | None
    """1 (worst) to 5."""

    cost_usd: float | None
    """US dollars; kept to the micro-dollar."""

    tokens: int | None
    model_calls: int | None
    checkpoint: bool | None
    """A human was asked."""

    tool_rollback: bool | None
    """A tool's effect had to be undone."""

    timed_out: bool | None
    """It was given up: its time is what it took until then. A TimeoutError that ends the run says so, too."""


class Span(NamedTuple):
    """When a tool was at work, or the model that gave an answer, in nanoseconds of one clock."""

    what: ToolCall | Answer
    began: int
    ended: int


class Outcome(TypedDict, total=False):
    """What can become known of a run later."""

    success: bool | None
    score: float | None
    """The user's own, 0 (bad) to 1."""

    complaint: bool | None
    quality: float | None
    """1 (worst) to 5."""

    policy_violation: bool | None
    safety_violation: bool | None
    tool_rollback: bool | None
    unresolved: bool | None
    """The outcome was awaited and never came."""


class _Kind(NamedTuple):
    """How one thing is checked, called in an observation, and put together with what was said before."""

    field: str
    check: Callable[[str, object], bool | int | float]
    join: Callable[[float, float], float]


def add(so_far: Values, said: Mapping[str, object]) -> None:
    """
    Put together what was said before and now: amounts add up, a violation stays, of anything else the last word counts.

    Raises UsageError for a value that means nothing (NaN, a negative cost, a quality of 7); then nothing is added.
    """
    checked = [(kind := _kind(name), kind.check(name, value)) for name, value in said.items() if value is not None]
    for kind, value in checked:
        before = so_far.get(kind.field)
        so_far[kind.field] = value if before is None else kind.join(before, value)


def said_by(seen: Observation) -> dict[str, object]:
    """The fields of an observation, as `add` takes them; None where nothing was recorded."""
    words: dict[str, object] = {name: getattr(seen, kind.field) for name, kind in _KINDS.items() if name != "cost_usd"}
    words["cost_usd"] = None if seen.cost is None else seen.cost / _MICRO
    return words


def _kind(name: str) -> _Kind:
    try:
        return _KINDS[name]
    except KeyError:
        raise UsageError(
            f"nothing called {name!r} can be observed", hint=f"known: {', '.join(sorted(_KINDS))}"
        ) from None


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    # 0 and 1, and somebody else's truth, as numpy's: what an evaluator counts must not break the answer it looks at.
    with suppress(TypeError, ValueError):
        if value in (0, 1):
            return bool(value)
    raise UsageError(f"{name} is {value!r}", hint=f"{name} is True, False or None (not recorded)")


def _count(name: str, value: object) -> int:
    if type(value) is int and value >= 0:
        return value
    # Somebody else's integer, as numpy's. (To ask a protocol takes microseconds, so it is asked last.)
    if isinstance(value, SupportsIndex) and not isinstance(value, bool) and (count := operator.index(value)) >= 0:
        return count
    number = _number(value)
    if number >= 0 and number.is_integer():
        return int(number)
    raise UsageError(f"{name} is {value!r}", hint=f"{name} is a whole number of 0 or more, or None (not recorded)")


def _within(low: float, high: float) -> Callable[[str, object], float]:
    def check(name: str, value: object) -> float:
        number = _number(value)
        if low <= number <= high:
            return number
        raise UsageError(f"{name} is {value!r}", hint=f"{name} is a number from {low:g} to {high:g}, or None")

    return check


def _milliseconds(name: str, value: object) -> int:
    number = _number(value)
    if 0 <= number < math.inf:
        return round(number)
    raise UsageError(f"{name} is {value!r}", hint=f"{name} is milliseconds, 0 or more, or None (not recorded)")


def _dollars(name: str, value: object) -> int:
    number = _number(value)
    if 0 <= number < math.inf:
        return round(number * _MICRO)
    raise UsageError(f"{name} is {value!r}", hint=f"{name} is dollars, 0 or more, or None (not recorded)")


def _number(value: object) -> float:
    """NaN for whatever is no number, and fails every comparison."""
    if type(value) is float or type(value) is int:
        return value
    return math.nan if isinstance(value, bool | str) or not isinstance(value, SupportsFloat) else float(value)


def _either(before: float, now: float) -> bool:
    return bool(before or now)


def _last(before: float, now: float) -> float:
    return now


_KINDS: Final = MappingProxyType(
    {
        "success": _Kind("success", _flag, _last),
        "policy_violation": _Kind("policy_violation", _flag, _either),
        "safety_violation": _Kind("safety_violation", _flag, _either),
        "quality": _Kind("quality", _within(1, 5), _last),
        "cost_usd": _Kind("cost", _dollars, operator.add),
        "tokens": _Kind("tokens", _count, operator.add),
        "model_calls": _Kind("model_calls", _count, operator.add),
        "checkpoint": _Kind("checkpoint", _flag, _either),
        "tool_rollback": _Kind("tool_rollback", _flag, _either),
        "timed_out": _Kind("timed_out", _flag, _either),
        "latency_ms": _Kind("latency_ms", _milliseconds, _last),
        "ttft_ms": _Kind("ttft_ms", _milliseconds, _last),
        "score": _Kind("feedback", _within(0, 1), _last),
        "complaint": _Kind("complaint", _flag, _either),
        "unresolved": _Kind("unresolved", _flag, _last),
    }
)
