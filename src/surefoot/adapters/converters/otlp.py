"""
OpenTelemetry GenAI spans in OTLP/JSON (semantic conventions 1.28 to 1.41): one trace of spans is one run.

Ids are hexadecimal and 64-bit numbers are texts (opentelemetry-proto, "JSON Protobuf Encoding"). Content is wherever
the recorder put it in a span (`otlp_content`); where capturing it was off, it is null.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ...core.proof.trace import Trace
from .assembling import Asked, Recorded, Used, assembled
from .messages import arguments_of, last_user_text, messages_of
from .otlp_content import Content, Event, content_of
from .untyped import as_count, as_list, as_mapping, as_number, as_text, first_of, is_array, is_object, parsed

__all__ = ["is_otlp", "otlp_traces"]

_MODEL_OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "completion"})
_AGENT_OPERATIONS: Final = frozenset({"invoke_agent", "create_agent", "invoke_workflow"})
_FAILED: Final = frozenset({2, "2", "STATUS_CODE_ERROR"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    id: str
    parent: str
    name: str
    start: float | None
    end: float | None
    attributes: dict[str, object]
    content: Content
    resource: dict[str, object]
    error: str | None


def is_otlp(value: object) -> bool:
    """Whether it is an export of spans."""
    return is_object(value) and is_array(first_of(value, "resourceSpans", "resource_spans"))


def otlp_traces(values: Iterable[object]) -> Iterator[Trace]:
    """
    The runs in the exports of a collector, in the order they began there.

    An exporter sends spans as they end, so a trace may be spread over exports, and sends them again after a failure.
    Spans that tell nothing of models, tools or agents make no run.
    """
    by_trace: dict[str, dict[str, _Span]] = defaultdict(dict)
    for value in values:
        for resource in as_list(first_of(as_mapping(value), "resourceSpans", "resource_spans")):
            belongs = _attributes(as_mapping(as_mapping(resource).get("resource")).get("attributes"))
            for scope in as_list(first_of(as_mapping(resource), "scopeSpans", "scope_spans")):
                for item in map(as_mapping, as_list(as_mapping(scope).get("spans"))):
                    trace_id = as_text(first_of(item, "traceId", "trace_id"))
                    if trace_id:
                        spans, span = by_trace[trace_id.lower()], _span(item, belongs)
                        spans.setdefault(span.id or f"nameless {len(spans)}", span)
    for trace_id, spans in by_trace.items():
        if any(map(_is_telling, spans.values())):
            yield assembled(_recorded(trace_id, list(spans.values())))


def _recorded(trace_id: str, spans: list[_Span]) -> Recorded:
    ids = {span.id for span in spans}
    roots = [span for span in spans if span.parent not in ids] or spans
    root = min(roots, key=lambda span: span.start or 0.0)
    agents = [span for span in spans if span.attributes.get("gen_ai.operation.name") in _AGENT_OPERATIONS]
    agent = min(agents, key=lambda span: span.start or 0.0) if agents else root
    models = [span for span in spans if _is_model(span)]
    parents = {span.parent for span in models}
    definitions = next((tools for span in spans if (tools := _tool_names(span))), None)
    given = messages_of(agent.content.given) if agents else []
    said = messages_of(agent.content.said, role="assistant") if agents else []
    return Recorded(
        trace_id=trace_id,
        source="otlp",
        asked=tuple(_asked(span) for span in models if span.id not in parents),
        used=tuple(_used(span) for span in spans if _is_tool(span)),
        agent=as_text(first_of(agent.attributes, "gen_ai.agent.name", "gen_ai.workflow.name"))
        or as_text(root.resource.get("service.name")),
        version=as_text(agent.attributes.get("gen_ai.agent.version")) or as_text(root.resource.get("service.version")),
        request=last_user_text(given),
        response=next((message.text for message in reversed(said) if message.text), None),
        started_ms=root.start,
        ended_ms=root.end,
        error=root.error or agent.error,
        session=as_text(first_of(agent.attributes, "gen_ai.conversation.id", "session.id")),
        allowed_tools=definitions,
    )


def _span(span: dict[str, object], resource: dict[str, object]) -> _Span:
    attributes = _attributes(span.get("attributes"))
    events = [
        Event(str(event.get("name")), _attributes(event.get("attributes")))
        for event in map(as_mapping, as_list(span.get("events")))
    ]
    for event in events:
        for name, value in event.members.items():
            if name.startswith("gen_ai."):
                attributes.setdefault(name, value)
    status = as_mapping(span.get("status"))
    failed = status.get("code") in _FAILED or "error.type" in attributes
    said = as_text(status.get("message")) or as_text(attributes.get("error.type")) or "error"
    return _Span(
        id=str(first_of(span, "spanId", "span_id") or "").lower(),
        parent=str(first_of(span, "parentSpanId", "parent_span_id") or "").lower(),
        name=str(span.get("name") or ""),
        start=_millis(first_of(span, "startTimeUnixNano", "start_time_unix_nano")),
        end=_millis(first_of(span, "endTimeUnixNano", "end_time_unix_nano")),
        attributes=attributes,
        content=content_of(attributes, events),
        resource=resource,
        error=said if failed else None,
    )


def _is_model(span: _Span) -> bool:
    operation = span.attributes.get("gen_ai.operation.name")
    return operation in _MODEL_OPERATIONS or (operation is None and "gen_ai.request.model" in span.attributes)


def _is_tool(span: _Span) -> bool:
    operation = span.attributes.get("gen_ai.operation.name")
    return operation == "execute_tool" or (operation is None and "gen_ai.tool.name" in span.attributes)


def _is_telling(span: _Span) -> bool:
    return any(name.startswith("gen_ai.") for name in span.attributes)


def _asked(span: _Span) -> Asked:
    has = span.attributes
    first_token = as_number(has.get("gen_ai.response.time_to_first_chunk"))
    return Asked(
        model=as_text(first_of(has, "gen_ai.response.model", "gen_ai.request.model")),
        started_ms=span.start,
        ended_ms=span.end,
        before=tuple(messages_of(span.content.given)),
        after=tuple(messages_of(span.content.said, role="assistant")),
        input_tokens=as_count(first_of(has, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
        output_tokens=as_count(first_of(has, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
        ttft_ms=None if first_token is None else first_token * 1e3,
        error=span.error,
    )


def _used(span: _Span) -> Used:
    has = span.attributes
    given = first_of(has, "gen_ai.tool.call.arguments", "tool_arguments")
    result = parsed(first_of(has, "gen_ai.tool.call.result", "gen_ai.tool.message", "tool_response"))
    return Used(
        name=as_text(has.get("gen_ai.tool.name")) or span.name.removeprefix("execute_tool ") or "unknown",
        args=None if given is None else arguments_of(given),
        result=result,
        success=False if span.error else (True if result is not None else None),
        id=as_text(has.get("gen_ai.tool.call.id")),
        started_ms=span.start,
        ended_ms=span.end,
        error=span.error,
    )


def _tool_names(span: _Span) -> tuple[str, ...] | None:
    defined = as_list(parsed(span.attributes.get("gen_ai.tool.definitions")))
    names = [
        as_text(as_mapping(tool).get("name") or as_mapping(as_mapping(tool).get("function")).get("name"))
        for tool in defined
    ]
    return tuple(name for name in names if name) or None


def _attributes(value: object) -> dict[str, object]:
    pairs = [as_mapping(pair) for pair in as_list(value)]
    return {str(pair["key"]): _value(pair.get("value")) for pair in pairs if "key" in pair}


def _value(value: object) -> object:
    """An AnyValue of the protocol."""
    if not is_object(value) or not value:
        return None
    kind, held = next(iter(value.items()))
    if kind in {"arrayValue", "array_value"}:
        return [_value(item) for item in as_list(as_mapping(held).get("values"))]
    if kind in {"kvlistValue", "kvlist_value"}:
        return _attributes(as_mapping(held).get("values"))
    return as_count(held) if kind in {"intValue", "int_value"} and as_count(held) is not None else held


def _millis(value: object) -> float | None:
    nanos = as_number(value)
    return None if not nanos else nanos / 1e6  # 0 is "not recorded" in the protocol
