"""The `freeze:` of a plan file: when a rollout may not advance."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ..core.traffic.calendar import FreezeWindow
from ..errors import nearest
from .node import Fields, Node

__all__ = ["FREEZE_KEYS", "read_freeze"]

FREEZE_KEYS: Final = ("name", "zone", "weekdays", "from", "to", "first", "last")

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_freeze(node: Node) -> tuple[FreezeWindow, ...]:
    """A list of windows."""
    return tuple(_window(item) for item in node.sequence())


def _window(node: Node) -> FreezeWindow:
    fields = node.mapping(known=FREEZE_KEYS)
    if not any(key in fields for key in FREEZE_KEYS[2:]):
        raise node.error("freezes for ever", hint=f"give at least one of {', '.join(FREEZE_KEYS[2:])}")
    _refuse_one_end(fields)
    said = {_FIELDS[key].name: _FIELDS[key].read(value) for key, value in fields.items() if key in _FIELDS}
    window = FreezeWindow(name=fields.require("name").text(), **said)
    _refuse_nothing_between(fields, window)
    return window


def _refuse_one_end(fields: Fields) -> None:
    hours = [node for key in ("from", "to") if (node := fields.get(key)) is not None]
    if len(hours) == 1:
        raise hours[0].error("hours need both ends", hint='write from: "18:00" and to: "08:00", or neither')


def _refuse_nothing_between(fields: Fields, window: FreezeWindow) -> None:
    if window.end is not None and window.start == window.end:
        raise fields.require("to").error(
            "hours that end as they begin", hint="leave `from` and `to` out for whole days"
        )
    if window.first is not None and window.last is not None and window.last < window.first:
        raise fields.require("last").error(
            f"ends before it begins on {window.first}", hint="both days are included; swap them"
        )


def _zone(node: Node) -> str:
    name = node.text()
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(name, available_timezones()).partition(" known:")[0]
        hint = near if near.startswith("did") else "a name such as UTC, Europe/Berlin or America/New_York"
        raise node.error(f"unknown time zone {name!r}", hint=hint) from None
    return name


def _weekdays(node: Node) -> frozenset[int]:
    """Names, or ranges of them such as `fri-sun`, which may run over the end of the week."""
    days: set[int] = set()
    for item in node.sequence(minimum=1):
        begin, _, end = item.text().partition("-")
        if begin not in _WEEKDAYS or (end or begin) not in _WEEKDAYS:
            raise item.error(
                f"{item.text()!r} is no weekday", hint=f"one of {', '.join(_WEEKDAYS)}, or a range such as fri-sun"
            )
        start, stop = _WEEKDAYS.index(begin), _WEEKDAYS.index(end or begin)
        days.update((start + step) % 7 for step in range((stop - start) % 7 + 1))
    return frozenset(days)


def _clock(node: Node) -> time:
    found = None if node.is_number else _CLOCK.fullmatch(node.text())
    if found is None:
        raise node.error("expected a time of day", hint='write hours and minutes in quotes, such as "08:30"')
    return time(int(found[1]), int(found[2]))


def _date(node: Node) -> date:
    text = "" if node.is_number else node.text()
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise node.error("expected a day", hint="write year, month and day, such as 2026-12-24")


class _Field(NamedTuple):
    """What a key is called in `FreezeWindow`, and how it is read."""

    name: str
    read: Callable[[Node], Any]


_FIELDS: Final = MappingProxyType(
    {
        "zone": _Field("zone", _zone),
        "weekdays": _Field("weekdays", _weekdays),
        "from": _Field("start", _clock),
        "to": _Field("end", _clock),
        "first": _Field("first", _date),
        "last": _Field("last", _date),
    }
)
