"""
Messages of a conversation in the forms they are recorded in, as one form.

Chat completions (`tool_calls`, role `tool`; before them `function_call`, role `function`), the Responses API
(`function_call`, `function_call_output`), blocks (`tool_use`, `tool_result`), GenAI parts (`tool_call`,
`tool_call_response`), LangChain (`kwargs`, type `human`) and the Vercel AI SDK (`toolCallId`, `toolName`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .untyped import as_list, as_mapping, as_text, first_of, is_array, is_object, parsed

__all__ = [
    "AskedCall",
    "GivenResult",
    "Message",
    "arguments_of",
    "last_user_text",
    "messages_of",
    "shown",
    "user_turns",
]

_ROLES: Final = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}
_KNOWN: Final = frozenset({"user", "assistant", "system", "developer", "tool"})
_LANGCHAIN: Final = {"HumanMessage": "user", "AIMessage": "assistant", "ToolMessage": "tool", "SystemMessage": "system"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """A tool call that a model asked for."""

    id: str | None
    name: str
    args: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenResult:
    """What a model was told that a call returned."""

    id: str | None
    result: object
    success: bool | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Who said what, asked for what, and was told what."""

    role: str
    text: str | None = None
    calls: tuple[AskedCall, ...] = ()
    results: tuple[GivenResult, ...] = ()


def arguments_of(value: object) -> dict[str, object]:
    """Arguments as an object. Invalid JSON, which models do write, is kept as it is under `unparsed`."""
    value = parsed(value)
    if value is None or value == "":
        return {}
    return value if is_object(value) else {"unparsed": value}


def messages_of(value: object, *, role: str = "user") -> list[Message]:
    """The messages in a recorded input or output, whatever holds them. A bare text is one message of that role."""
    return list(_messages(parsed(value), role, 0))


def last_user_text(messages: list[Message]) -> str | None:
    """What the user said last."""
    return next((message.text for message in reversed(messages) if message.role == "user" and message.text), None)


def user_turns(messages: Iterable[Message]) -> tuple[str, ...]:
    """What the user said, turn by turn; of several messages that nobody answered in between the last is the turn."""
    turns: list[str] = []
    is_answered = True
    for message in messages:
        if message.role == "user" and message.text:
            turns[len(turns) if is_answered else -1 :] = [message.text]
            is_answered = False
        elif message.role == "assistant":
            is_answered = True
    return tuple(turns)


_DEEPEST: Final = 6


def _messages(value: object, role: str, depth: int) -> Iterator[Message]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        if value:
            yield Message(role=role, text=value)
    elif is_array(value):
        if value and all(is_object(item) and "toolName" in item for item in value):
            yield Message(role="assistant", calls=tuple(_calls(value)))
            return
        for item in value:
            yield from _messages(item, role, depth + 1)
    elif is_object(value):
        inner = first_of(value, "messages", "message", "choices", "prompt") if "role" not in value else None
        if inner is None and "role" not in value and value.get("object") == "response":
            inner = value.get("output")
        if inner is not None:
            yield from _messages(parsed(inner), role, depth + 1)
        else:
            yield from _one(value, role)


def _one(value: dict[str, object], role: str) -> Iterator[Message]:
    kind = as_text(value.get("type"))
    if kind == "function_call":
        yield Message(role="assistant", calls=tuple(_calls([value])))
        return
    if kind == "function_call_output":
        yield Message(role="tool", results=(GivenResult(id=as_text(value.get("call_id")), result=value.get("output")),))
        return
    langchain = as_list(value.get("id"))[-1:] if kind == "constructor" else []
    if langchain:
        role = _LANGCHAIN.get(str(langchain[0]), role)
        value = as_mapping(value.get("kwargs"))
    elif kind in _ROLES and "role" not in value:
        value = {**value, "role": kind}
    found = str(value.get("role") or role)
    message = _read(value, _ROLES.get(found, found))
    if message.text or message.calls or message.results:
        yield message


def _read(value: dict[str, object], role: str) -> Message:
    content = first_of(value, "parts", "content")
    blocks = [block for block in as_list(content) if is_object(block)]
    texts = [content] if isinstance(content, str) else [text for text in map(_text_of, as_list(content)) if text]
    calls = [*_calls(_asked(value)), *_calls([block for block in blocks if _is_call(block)])]
    results = [result for block in blocks if (result := _result(block)) is not None]
    if role not in _KNOWN and not calls:  # some recorders write the tool's name as the role
        role, value = "tool", {"name": role, **value}
    if role == "tool" and not results:
        return Message(role=role, calls=tuple(calls), results=(_told(value, content, texts),))
    if not texts and (refusal := as_text(value.get("refusal"))):
        texts = [refusal]
    return Message(role=role, text="\n".join(texts) or None, calls=tuple(calls), results=tuple(results))


def _asked(value: dict[str, object]) -> list[object]:
    """The calls beside a message's content; `function_call` is what they were before they were a list."""
    more = as_mapping(value.get("additional_kwargs"))
    listed = as_list(value.get("tool_calls")) or as_list(more.get("tool_calls"))
    older = first_of(value, "function_call") or more.get("function_call")
    return listed or ([older] if is_object(older) else [])


def _told(value: dict[str, object], content: object, texts: list[str]) -> GivenResult:
    return GivenResult(
        id=as_text(first_of(value, "tool_call_id", "id")),
        result=content if isinstance(content, str) else "".join(texts) or content,
        success=False if value.get("error") or value.get("status") == "error" else None,
        name=as_text(first_of(value, "name", "function")),
    )


def _text_of(block: object) -> str | None:
    if isinstance(block, str):
        return block
    if as_mapping(block).get("type") in {None, "text", "input_text", "output_text", "refusal"}:
        return as_text(first_of(as_mapping(block), "text", "content", "refusal"))
    return None


def _is_call(block: dict[str, object]) -> bool:
    return block.get("type") in {"tool_use", "tool_call", "tool-call", "function_call"}


def _calls(items: list[object]) -> Iterator[AskedCall]:
    for item in map(as_mapping, items):
        function = item.get("function")
        inner = function if is_object(function) else item
        name = as_text(first_of(inner, "name", "toolName")) or as_text(function)
        if name is not None:
            yield AskedCall(
                id=as_text(first_of(item, "call_id", "id", "toolCallId")),
                name=name,
                args=arguments_of(first_of(inner, "arguments", "args", "input")),
            )


def _result(block: dict[str, object]) -> GivenResult | None:
    if block.get("type") not in {"tool_result", "tool_call_response", "tool-result"}:
        return None
    failed = block.get("is_error")
    return GivenResult(
        id=as_text(first_of(block, "tool_use_id", "id", "toolCallId")),
        result=_plain(first_of(block, "response", "result", "content", "output")),
        success=None if not isinstance(failed, bool) else not failed,
    )


def _plain(value: object) -> object:
    """Text blocks as their text."""
    texts = [_text_of(block) for block in as_list(value)]
    return "\n".join(text for text in texts if text) if texts and all(texts) else value


def shown(value: object) -> str:
    """One text for equal arguments."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
