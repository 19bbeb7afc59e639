"""Reading values whose shape somebody else decides: what is not of the expected type is None."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeGuard

import msgspec

__all__ = [
    "as_count",
    "as_list",
    "as_mapping",
    "as_number",
    "as_text",
    "at",
    "decoded",
    "first_of",
    "is_array",
    "is_object",
    "iso_of",
    "millis_of",
    "parsed",
]


_NO_NUMBER: Final = re.compile(rb"\b(?:NaN|Infinity)\b")


def decoded(data: bytes) -> object:
    """
    The value of a JSON text; NaN and Infinity, which Python's writers put into it, are null.

    Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        if _NO_NUMBER.search(data) is None:
            raise
        try:
            return json.loads(data, parse_constant=lambda _: None)
        except ValueError:
            raise error from None


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether it is a JSON object, whose names are texts."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Whether it is a JSON array."""
    return isinstance(value, list)


def as_text(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def as_mapping(value: object) -> dict[str, object]:
    """An object; an empty one for anything else."""
    return value if is_object(value) else {}


def as_list(value: object) -> list[object]:
    """A list; an empty one for anything else."""
    return value if is_array(value) else []


def as_number(value: object) -> float | None:
    """A finite number; also one written as a text, as OTLP does."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_count(value: object) -> int | None:
    """A whole number from 0."""
    number = as_number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def at(value: object, *path: str) -> object:
    """The member at a path of names, or None."""
    for name in path:
        value = value.get(name) if is_object(value) else None
    return value


def parsed(value: object, *, times: int = 2) -> object:
    """The value of a JSON text, also of a JSON text inside a JSON text; anything else as it is."""
    for _ in range(times):
        if not isinstance(value, str) or value[:1] not in {"{", "[", '"'}:
            return value
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return value


def millis_of(value: object) -> float | None:
    """Milliseconds since 1970 of an ISO 8601 text; without an offset it is taken as UTC, as these tools write it."""
    text = as_text(value)
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e3


def iso_of(millis: float | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    if millis is None:
        return None
    try:
        moment = datetime.fromtimestamp(millis / 1e3, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def first_of(value: Mapping[str, object], *names: str) -> object:
    """The first of these members that is there and not null."""
    return next((value[name] for name in names if value.get(name) is not None), None)
