"""
Chat-completions logs: requests and responses of an OpenAI-compatible endpoint, streamed or not; also VCR cassettes.

An entry is `{"request": {...}, "response": {...}}`, with `latency_ms` and `started_at` beside them where they were
logged. Entries that go on with the messages and the answer of an earlier one are one run: the model was asked again
after a tool ran or the user answered. Entries of several runs may be mixed, as a busy server logs them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypedDict

import xxhash

from ...core.proof.trace import Trace
from .assembling import Asked, Recorded, assembled
from .messages import Message, messages_of, shown, user_turns
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

__all__ = ["chat_traces", "is_chat"]


def is_chat(value: object) -> bool:
    """Whether it is an entry of a log, a cassette, or a bare list of messages."""
    value = as_mapping(value)
    if is_array(value.get("interactions")) or is_array(value.get("messages")):
        return True
    asked = as_mapping(parsed(value.get("request")))
    return bool({"messages", "input", "body", "prompt"} & asked.keys()) and "response" in value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    given: list[object]
    said: dict[str, object]
    about: dict[str, object] = field(default_factory=dict[str, object])
    model: str | None = None
    tools: tuple[str, ...] | None = None
    error: str | None = None


def chat_traces(values: Iterable[object]) -> Iterator[Trace]:
    """The runs of a log, in the order they began."""
    runs: list[list[_Entry]] = []
    open_runs: dict[int, list[list[_Entry]]] = defaultdict(list)  # by the messages that the model was last given
    for value in values:
        for entry in _entries(as_mapping(value)):
            beginnings = _beginnings(entry.given)
            run = _gone_on_with(entry, beginnings[:-1], open_runs, runs[-1] if runs else None)
            if run is None:
                runs.append(run := [])
            run.append(entry)
            open_runs[beginnings[-1]].append(run)
    yield from map(_trace, runs)


def _beginnings(given: list[object]) -> list[int]:
    """A digest of the first message, of the first two, ... of all."""
    digest = xxhash.xxh3_64()
    found = [digest.intdigest()]
    for message in given:
        digest.update(f"{shown(message)}\n".encode("utf-8", "surrogatepass"))
        found.append(digest.intdigest())
    return found


def _gone_on_with(
    entry: _Entry, beginnings: list[int], open_runs: dict[int, list[list[_Entry]]], latest: list[_Entry] | None
) -> list[_Entry] | None:
    """The run whose messages the entry begins with and whose answer follows; for the latest, whatever follows."""
    for length in reversed(range(1, len(beginnings))):
        waiting = open_runs.get(beginnings[length], [])
        answered = (run for run in waiting if _is_answer(run[-1], entry.given[length:]))
        run = next(answered, latest if latest is not None and any(run is latest for run in waiting) else None)
        if run is not None:
            waiting[:] = [one for one in waiting if one is not run]
            return run
    return None


def _is_answer(before: _Entry, more: list[object]) -> bool:
    """Whether what an entry says stands at the head of the messages that follow: its text, or one of its calls."""
    said = _signs(messages_of(_output(before.said), role="assistant"))
    return not said.isdisjoint(_signs(messages_of(more[: max(1, len(as_list(_output(before.said))))])))


def _signs(messages: list[Message]) -> set[tuple[str, str]]:
    return {
        *(("text", message.text) for message in messages if message.role == "assistant" and message.text),
        *(("call", call.id or shown([call.name, call.args])) for message in messages for call in message.calls),
    }


def _entries(value: dict[str, object]) -> Iterator[_Entry]:
    if is_array(interactions := value.get("interactions")):
        for item in interactions:
            yield _entry(_of_cassette(as_mapping(item)))
    else:
        yield _entry(value)


def _of_cassette(item: dict[str, object]) -> dict[str, object]:
    body = at(item, "response", "body")
    code = as_count(at(item, "response", "status", "code"))
    said = at(body, "string") if is_object(body) else body
    return {"request": at(item, "request", "body"), "response": _text(said), "status": code}


def _entry(value: dict[str, object]) -> _Entry:
    asked = as_mapping(parsed(_text(value.get("request")))) or value
    asked = as_mapping(parsed(_text(asked["body"]))) if "body" in asked else asked
    said = _said(value.get("response"))
    given = first_of(asked, "messages", "input", "prompt")
    error = at(said, "error", "message") or (said.get("error") if isinstance(said.get("error"), str) else None)
    status = as_count(value.get("status"))
    return _Entry(
        given=given if is_array(given) else [given],
        said=said,
        about=value,
        model=as_text(said.get("model")) or as_text(asked.get("model")),
        tools=_tool_names(asked),
        error=as_text(error) or (f"HTTP {status}" if status is not None and status >= 400 else None),
    )


def _tool_names(asked: dict[str, object]) -> tuple[str, ...] | None:
    tools = [as_mapping(tool) for tool in as_list(asked.get("tools"))]
    names = [as_text(first_of(as_mapping(tool.get("function")) or tool, "name")) for tool in tools]
    return tuple(name for name in names if name) or None


def _trace(run: list[_Entry]) -> Trace:
    first, last = run[0], run[-1]
    named = first_of(first.about, "trace_id", "id") or first.said.get("id")
    if not (last.said or last.error):
        return _bare(last, named)
    said = messages_of(_output(last.said), role="assistant")
    started = millis_of(first_of(first.about, "started_at", "timestamp", "start_time"))
    ended = millis_of(first_of(last.about, "ended_at", "end_time"))
    took = [as_number(entry.about.get("latency_ms")) for entry in run]
    turns = _turns(first, last)
    return assembled(
        Recorded(
            trace_id=str(named or f"chat-{xxhash.xxh3_64_hexdigest(shown([first.given, first.said]).encode())}"),
            source="chat",
            asked=tuple(_asked(entry) for entry in run if entry.said or entry.error),
            request=turns[0] if turns else None,
            user_turns=turns if len(turns) > 1 else None,
            response=_answer(said) if last.said else _answer(messages_of(last.given)),
            started_ms=started,
            ended_ms=ended,
            latency_ms=None if None in took else sum(one for one in took if one is not None),
            error=last.error,
            agent=as_text(first.about.get("agent")),
            version=as_text(first.about.get("version")),
            session=as_text(first_of(first.about, "session", "session_id")),
            allowed_tools=first.tools,
        )
    )


def _turns(first: _Entry, last: _Entry) -> tuple[str, ...]:
    """What the user said from the request on. Older turns in the first messages belong to an earlier run."""
    earlier = len(user_turns(messages_of(first.given)))
    return user_turns(messages_of(last.given))[max(0, earlier - 1) :]


def _bare(entry: _Entry, named: object) -> Trace:
    """A list of messages: the conversation is the run."""
    messages = messages_of(entry.given)
    turns = user_turns(messages)
    return assembled(
        Recorded(
            trace_id=str(named or f"chat-{xxhash.xxh3_64_hexdigest(shown(entry.given).encode())}"),
            source="chat",
            asked=(Asked(model=entry.model, after=tuple(messages)),),
            request=turns[0] if turns else None,
            user_turns=turns if len(turns) > 1 else None,
        )
    )


def _asked(entry: _Entry) -> Asked:
    usage = as_mapping(entry.said.get("usage"))
    return Asked(
        model=entry.model,
        started_ms=millis_of(first_of(entry.about, "started_at", "timestamp", "start_time")),
        ended_ms=millis_of(first_of(entry.about, "ended_at", "end_time")),
        before=tuple(messages_of(entry.given)),
        after=tuple(messages_of(_output(entry.said), role="assistant")),
        input_tokens=as_count(first_of(usage, "prompt_tokens", "input_tokens")),
        output_tokens=as_count(first_of(usage, "completion_tokens", "output_tokens")),
        ttft_ms=as_number(entry.about.get("ttft_ms")),
        error=entry.error,
    )


def _answer(messages: list[Message]) -> str | None:
    return next((message.text for message in reversed(messages) if message.role == "assistant" and message.text), None)


def _output(said: dict[str, object]) -> object:
    """The first choice: the others were not the run's answer."""
    choices = as_list(said.get("choices"))
    return as_mapping(choices[0]).get("message") if choices else said.get("output")


def _said(value: object) -> dict[str, object]:
    text = _text(value)
    if isinstance(text, str) and text.lstrip().startswith(("data:", "event:")):
        return _streamed(text)
    said = as_mapping(parsed(text))
    return _said(said["body"]) if "body" in said else said


def _text(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _streamed(text: str) -> dict[str, object]:
    """A stream of server-sent events, put together as the response it stands for."""
    said: dict[str, object] = {}
    content: list[str] = []
    calls: dict[int, _Call] = {}
    for line in text.splitlines():
        if not line.startswith("data:"):
            continue
        try:
            chunk = as_mapping(json.loads(line.removeprefix("data:")))
        except ValueError:
            continue  # `[DONE]`, and what was cut off
        if is_object(whole := chunk.get("response")):
            said = whole  # the Responses API sends the whole again and again; the last is complete
            continue
        said |= {name: chunk[name] for name in ("id", "model", "usage", "error") if chunk.get(name)}
        for choice in map(as_mapping, as_list(chunk.get("choices"))[:1]):
            if choice.get("index", 0) == 0:
                _add(as_mapping(choice.get("delta")), content, calls)
    if content or calls:
        message = {"role": "assistant", "content": "".join(content), "tool_calls": list(calls.values())}
        said["choices"] = [{"message": message}]
    return said


class _Function(TypedDict):
    name: str
    arguments: str


class _Call(TypedDict):
    id: object
    function: _Function


def _add(delta: dict[str, object], content: list[str], calls: dict[int, _Call]) -> None:
    if isinstance(text := first_of(delta, "content", "refusal"), str):
        content.append(text)
    older = delta.get("function_call")
    for part in map(as_mapping, as_list(delta.get("tool_calls")) or ([{"function": older}] if older else [])):
        function = as_mapping(part.get("function"))
        call = calls.setdefault(
            as_count(part.get("index")) or 0, {"id": None, "function": {"name": "", "arguments": ""}}
        )
        call["id"] = call["id"] or part.get("id")
        call["function"]["name"] += as_text(function.get("name")) or ""
        call["function"]["arguments"] += as_text(function.get("arguments")) or ""
