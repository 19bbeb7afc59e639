"""
What was said in a GenAI span, wherever its recorder put it.

In one attribute for all messages (semantic conventions 1.37 and later), in span events, one a message (1.28 to 1.36),
in one attribute that lists such events (Pydantic AI), or in an attribute a field (`gen_ai.prompt.0.content`,
OpenLLMetry).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from .untyped import as_list, as_mapping, as_text, first_of, is_array, is_object, parsed

__all__ = ["Content", "Event", "content_of"]

_GIVEN: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"


class Event(NamedTuple):
    """Something that happened in a span."""

    name: str
    members: dict[str, object]


class Content(NamedTuple):
    """Messages in some form; None where they were not captured."""

    given: object
    said: object


def content_of(attributes: Mapping[str, object], events: Iterable[Event]) -> Content:
    """The messages of a span, from the first place that has any."""
    told = _of_events([*events, *_listed_events(attributes.get("events"))])
    return Content(
        first_of(attributes, "gen_ai.input.messages", "gen_ai.prompt", "gen_ai.input")
        or told.given
        or _indexed(attributes, "gen_ai.prompt."),
        first_of(attributes, "gen_ai.output.messages", "gen_ai.completion", "gen_ai.output")
        or told.said
        or _indexed(attributes, "gen_ai.completion."),
    )


def _listed_events(value: object) -> Iterator[Event]:
    for members in map(as_mapping, as_list(parsed(value))):
        name = as_text(members.get("event.name"))
        if name is not None:
            yield Event(name, members)


def _of_events(events: list[Event]) -> Content:
    given: list[object] = []
    said: list[object] = []
    for name, members in events:
        body = members | as_mapping(parsed(first_of(members, "gen_ai.event.content", "body")))
        body = {key: parsed(value) if key in {"message", "tool_calls"} else value for key, value in body.items()}
        if name in _GIVEN:
            given.append({**body, "role": as_text(body.get("role")) or _GIVEN[name]})
        elif name == _CHOICE and body.get("index") in (None, 0):  # the other choices were not the answer
            message = body.get("message")
            said.append({"role": "assistant", **(message if is_object(message) else {**body, "content": message})})
    return Content(given, said)


def _indexed(attributes: Mapping[str, object], prefix: str) -> object:
    """Attributes such as `PREFIX0.tool_calls.1.name` as the lists and objects that they spell."""
    root: dict[str, object] = {}
    for name, value in attributes.items():
        if name.startswith(prefix):
            *way, last = name.removeprefix(prefix).split(".")
            place = root
            for part in way:
                inner = place.setdefault(part, {})
                place = inner if is_object(inner) else {}
            place[last] = value
    found = _lists_in(root)
    return found if is_array(found) else None


def _lists_in(value: object) -> object:
    if not is_object(value):
        return value
    members = {key: _lists_in(member) for key, member in value.items()}
    is_list = members and all(key.isdecimal() for key in members)
    return [members[key] for key in sorted(members, key=int)] if is_list else members
