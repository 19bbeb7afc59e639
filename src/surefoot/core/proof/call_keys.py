"""When two tool calls are the same call: equal arguments, those that mean the same, and those that are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Final, cast

__all__ = ["alike", "arguments_key", "normalised_key"]

_TRUE, _FALSE = ("?", True), ("?", False)
"""Python takes True for 1; JSON does not."""

_NAN: Final = ("?", "nan")
_LEAST_DATE: Final = 10
_LONGEST_COMPARED: Final = 500


def arguments_key(value: object) -> Hashable:
    """
    One hashable value for equal JSON: the order of names, members that are null, and 1 beside 1.0 make no difference.

    Values that are not JSON are compared by type and `repr`.
    """
    return _key(value, _text)


def normalised_key(value: object) -> Hashable:
    """The same without case, white space, and the many ways to write one moment (ISO 8601)."""
    return _key(value, _normal_text)


def _key(value: object, text: Callable[[str], str]) -> Hashable:
    if isinstance(value, str):
        return text(value)
    if value is None:
        return value
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int | float):
        return _NAN if math.isnan(value) else value
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return (
            "{",
            *sorted([(str(name), _key(one, text)) for name, one in members.items() if one is not None], key=_first),
        )
    if isinstance(value, list | tuple):
        return ("[", *[_key(one, text) for one in cast("list[object]", value)])
    return ("?", type(value).__name__, repr(value))


def alike(one: Mapping[str, object], other: Mapping[str, object]) -> float:
    """
    How alike two sets of arguments are, 0 to 1: the mean over all names that either has.

    Only free text can be alike. Numbers and texts without a space name things, and the name of another order is another
    order, however little the names differ.
    """
    names = {name for value in (one, other) for name, member in value.items() if member is not None}
    if not names:
        return 1.0
    return math.fsum(_values_alike(one.get(name), other.get(name)) for name in names) / len(names)


def _values_alike(one: object, other: object) -> float:
    if normalised_key(one) == normalised_key(other):
        return 1.0
    if not isinstance(one, str) or not isinstance(other, str):
        return 0.0
    mine, theirs = one.strip()[:_LONGEST_COMPARED], other.strip()[:_LONGEST_COMPARED]
    if " " not in mine or " " not in theirs:
        return 0.0
    return SequenceMatcher(None, mine.casefold(), theirs.casefold(), autojunk=False).ratio()


def _text(text: str) -> str:
    return text


def _first(member: tuple[str, Hashable]) -> str:
    return member[0]


def _normal_text(text: str) -> str:
    folded = " ".join(text.split()).casefold()
    if len(folded) < _LEAST_DATE or folded[4] != "-" or not folded[0].isdigit():
        return folded
    try:
        moment = datetime.fromisoformat(folded.upper())
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()
    except (ValueError, OverflowError):  # not a date, or in UTC before year 1 or after year 9999
        return folded
