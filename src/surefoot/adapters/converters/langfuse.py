"""Langfuse exports: a trace with its observations, one or a list of them, or one a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, TypeGuard

from ...core.proof.trace import Trace
from .assembling import Asked, Recorded, Used, assembled
from .messages import arguments_of, last_user_text, messages_of
from .untyped import (
    as_count,
    as_list,
    as_mapping,
    as_number,
    as_text,
    at,
    first_of,
    is_array,
    is_object,
    millis_of,
    parsed,
)

__all__ = ["is_langfuse", "langfuse_traces"]

_FEEDBACK: Final = frozenset({"user-feedback", "user_feedback", "feedback"})
_TOOL_PREFIXES: Final = ("running tool: ", "execute_tool ")


def is_langfuse(value: object) -> bool:
    """Whether it is an exported trace with observations, or one observation of a table of them."""
    return is_object(value) and (is_array(_observations(value)) or _is_row(value))


def langfuse_traces(values: Iterable[object]) -> Iterator[Trace]:
    """The runs of an export. Rows of observations are put together by their trace."""
    rows: dict[str, list[object]] = defaultdict(list)
    for value in map(as_mapping, values):
        if _is_row(value):
            rows[str(value["traceId"])].append(value)
        else:
            yield _trace(value)
    for trace_id, observations in rows.items():
        yield _trace({"trace": {"id": trace_id}, "observations": observations})


def _is_row(value: dict[str, object]) -> bool:
    return {"traceId", "type", "startTime"} <= value.keys() and "observations" not in value


def _trace(value: dict[str, object]) -> Trace:
    trace = as_mapping(value.get("trace")) or as_mapping(value)
    observations = [as_mapping(item) for item in as_list(_observations(value))]
    ids = {item.get("id") for item in observations}
    roots = [item for item in observations if item.get("parentObservationId") not in ids]
    ends = [end for item in roots if (end := millis_of(item.get("endTime"))) is not None]
    models = [item for item in observations if str(item.get("type")).upper() == "GENERATION"]
    parents = _ancestors(observations, models)
    root = roots[0] if len(roots) == 1 else {}
    started = millis_of(root.get("startTime")) or millis_of(trace.get("timestamp"))
    given = first_of(trace, "input") if trace.get("input") is not None else root.get("input")
    said = first_of(trace, "output") if trace.get("output") is not None else root.get("output")
    return assembled(
        Recorded(
            trace_id=str(trace.get("id") or first_of(root, "traceId") or ""),
            source="langfuse",
            asked=tuple(_asked(item) for item in models if item.get("id") not in parents),
            used=tuple(_used(item) for item in observations if str(item.get("type")).upper() == "TOOL"),
            agent=as_text(trace.get("name")),
            version=as_text(first_of(trace, "version", "release")),
            request=_request(given),
            response=_response(said),
            started_ms=started,
            ended_ms=max(ends, default=None),
            error=next((_error(item) for item in roots if _error(item)), None),
            session=as_text(trace.get("sessionId")),
            feedback=_feedback(trace),
        )
    )


def _observations(value: dict[str, object]) -> object:
    return value.get("observations") if value.get("observations") is not None else at(value, "trace", "observations")


def _ancestors(observations: list[dict[str, object]], models: list[dict[str, object]]) -> set[object]:
    """A generation around another one is the wrapper of a library: counting both would count the tokens twice."""
    above = {item.get("id"): item.get("parentObservationId") for item in observations}
    found: set[object] = set()
    for item in models:
        parent = item.get("parentObservationId")
        while parent is not None and parent not in found:
            found.add(parent)
            parent = above.get(parent)
    return found


def _asked(item: dict[str, object]) -> Asked:
    usage = as_mapping(item.get("usageDetails")) or as_mapping(item.get("usage"))
    started, first = millis_of(item.get("startTime")), millis_of(item.get("completionStartTime"))
    cost = as_number(item.get("totalCost"))
    return Asked(
        model=as_text(item.get("model")),
        started_ms=started,
        ended_ms=millis_of(item.get("endTime")),
        before=tuple(messages_of(item.get("input"))),
        after=tuple(messages_of(item.get("output"), role="assistant")),
        input_tokens=_tokens(usage, "input"),
        output_tokens=_tokens(usage, "output"),
        cost_usd=cost or None,  # 0 where no price was known
        ttft_ms=None if started is None or first is None else first - started,
        error=_error(item),
    )


def _tokens(usage: dict[str, object], side: str) -> int | None:
    """Langfuse counts cached, audio and reasoning tokens apart from the others: `output` and `output_reasoning`."""
    counts = {name: count for name, value in usage.items() if (count := as_count(value)) is not None}
    if side not in counts:
        return None
    return counts[side] + sum(count for name, count in counts.items() if name.startswith(f"{side}_"))


def _used(item: dict[str, object]) -> Used:
    name = str(item.get("name") or "unknown")
    for prefix in _TOOL_PREFIXES:
        name = name.removeprefix(prefix)
    given, result, error = parsed(item.get("input")), _plain(parsed(item.get("output"))), _error(item)
    return Used(
        name=name,
        args=None if given is None else arguments_of(given["input"] if _is_wrapped(given) else given),
        result=result,
        success=False if error else (True if result is not None else None),
        started_ms=millis_of(item.get("startTime")),
        ended_ms=millis_of(item.get("endTime")),
        error=error,
    )


def _is_wrapped(given: object) -> TypeGuard[dict[str, object]]:
    return is_object(given) and set(given) == {"input"}


def _plain(value: object) -> object:
    """A result of content blocks as their text."""
    blocks = messages_of(value) if is_object(value) and is_array(value.get("content")) else []
    return blocks[0].text if len(blocks) == 1 and blocks[0].text else value


def _request(value: object) -> object:
    value = parsed(value)
    return last_user_text(messages_of(value)) or (value if value not in ("", {}, []) else None)


def _response(value: object) -> object:
    value = parsed(value)
    messages = messages_of(value, role="assistant")
    if any(message.calls and not message.text for message in messages[-1:]):
        return None  # the run ended by asking for a tool: there is no answer
    texts = [message.text for message in messages if message.role == "assistant" and message.text]
    return texts[-1] if texts else (value if value not in ("", {}, []) else None)


def _error(item: dict[str, object]) -> str | None:
    return (as_text(item.get("statusMessage")) or "error") if item.get("level") == "ERROR" else None


def _feedback(trace: dict[str, object]) -> float | None:
    """A score that a user gave, where it is on our scale already."""
    for score in map(as_mapping, as_list(trace.get("scores"))):
        value = as_number(score.get("value"))
        if str(score.get("name")).casefold() in _FEEDBACK and value is not None and 0 <= value <= 1:
            return value
    return None
