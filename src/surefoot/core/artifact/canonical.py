"""One text for one JSON value: the JSON Canonicalization Scheme, so that anyone can recompute a digest.

RFC 8785: keys sorted by UTF-16 code units, no white space, shortest escapes, numbers written as ECMAScript writes them
(so `1`, `1.0` and `1e0` are one text). Numbers are limited to what RFC 7493 (I-JSON) calls interoperable: finite, and
integers inside ±(2**53 - 1). Text is taken as it is: no Unicode normalisation, because a model sees code points, and
two prompts that differ in them are two prompts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, NewType, TypeAlias

from ...errors import ArtifactError

__all__ = ["EMPTY", "LARGEST_INTEGER", "CanonicalJson", "Json", "canonical", "parse_canonical", "parse_object"]

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

CanonicalJson = NewType("CanonicalJson", str)
"""Text made by `canonical`: equal values have equal texts."""

LARGEST_INTEGER: Final = 9_007_199_254_740_991
"""2**53 - 1 (RFC 7493 section 2.2)."""

_MOST_DIGITS: Final = 17
"""Characters of the longest of these integers, sign included."""

_DEEPEST: Final = 128
"""Bounds recursion."""

EMPTY: Final = CanonicalJson("{}")
"""The mapping with nothing in it."""


def canonical(value: Json) -> CanonicalJson:
    """The canonical text of a JSON value. Raises `ArtifactError` for what JSON programs would not agree about."""
    return CanonicalJson(_text(value, _DEEPEST))


def parse_canonical(text: CanonicalJson) -> Json:
    """The value of a canonical text. Any other text is refused: it would compare unequal to its equals."""
    try:
        value: Json = json.loads(text, parse_int=_read_integer)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"no JSON: {error}", hint="make the text with canonical()") from None
    if canonical(value) != text:
        raise ArtifactError(f"not canonical: {text[:60]!r}", hint="make the text with canonical()")
    return value


def _read_integer(digits: str) -> int | float:
    """Digits beyond the integers were written for a float."""
    return int(digits) if len(digits) <= _MOST_DIGITS and abs(int(digits)) <= LARGEST_INTEGER else float(digits)


def parse_object(text: CanonicalJson) -> Mapping[str, Json]:
    """The entries of a canonical text that is an object."""
    value = parse_canonical(text)
    if not isinstance(value, Mapping):
        raise ArtifactError(f"expected a JSON object, found {text[:60]}", hint="write a mapping of names to values")
    return value


def _text(value: Json, depth: int) -> str:
    if depth == 0:
        raise ArtifactError(f"JSON nested deeper than {_DEEPEST} levels", hint="flatten the structure")
    if isinstance(value, str):
        return _string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        entries = sorted(value.items(), key=_utf16)
        return "{" + ",".join(f"{_string(key)}:{_text(item, depth - 1)}" for key, item in entries) + "}"
    return "[" + ",".join(_text(item, depth - 1) for item in value) + "]"


def _string(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArtifactError("text with half a character (a lone surrogate)", hint="save the text as UTF-8") from None
    return json.dumps(value, ensure_ascii=False)


def _utf16(entry: tuple[str, Json]) -> bytes:
    return entry[0].encode("utf-16-be", "surrogatepass")


def _integer(value: int) -> str:
    if abs(value) > LARGEST_INTEGER:
        raise ArtifactError(
            f"the integer {value} is beyond 2**53 - 1, which JSON programs round differently", hint="write it as text"
        )
    return str(value)


def _float(value: float) -> str:
    """ECMAScript's Number::toString (ECMA-262 6.1.6.1.20): the shortest digits, as Python's repr, in another layout."""
    if not math.isfinite(value):
        raise ArtifactError(f"{value} is no JSON number", hint="leave the key out, or write a finite number")
    if value == int(value) and abs(value) <= LARGEST_INTEGER:
        return str(int(value))
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _layout(digits, point)


def _layout(digits: str, point: int) -> str:
    """`digits` (no zero at either end) with the decimal point after the first `point` of them."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return digits[0] + (f".{digits[1:]}" if count > 1 else "") + exponent
