"""What an unquoted word in a YAML file means, and whether two programs would agree about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Scalar", "plain_scalar", "quoted_scalar"]

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OLD_BOOLEANS: Final = frozenset({"yes", "no", "on", "off"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_BASED: Final = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OLD_NUMBER: Final = re.compile(r"[-+]?[0-9][0-9.]*_[0-9_.]*|[-+]?0b[01_]+|[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_MOST_DIGITS: Final = 19
"""Digits of the largest 64-bit integer; a longer number is surely an identifier that wants quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One written word and the value YAML 1.2 gives it."""

    text: str
    """As written, quotes and escapes resolved."""

    value: str | int | float | bool | None
    doubt: str = ""
    """What to write instead where YAML 1.1 and 1.2 disagree about the value; empty where they agree."""


def quoted_scalar(text: str) -> Scalar:
    """Text in quotes or in a block is text, whatever it looks like."""
    return Scalar(text=text, value=text)


def plain_scalar(text: str) -> Scalar:
    """The value of an unquoted word by the core schema of YAML 1.2, with the doubt that YAML 1.1 casts on it."""
    if text in _NULLS:
        return Scalar(text=text, value=None)
    if text in _BOOLEANS:
        return Scalar(text=text, value=_BOOLEANS[text])
    if text.lower() in _OLD_BOOLEANS:
        return Scalar(text=text, value=text, doubt=f'write true or false, or quote it: "{text}"')
    if text[0] not in "+-.0123456789":
        return Scalar(text=text, value=text)
    return _numeric(text)


def _numeric(text: str) -> Scalar:
    if _INTEGER.fullmatch(text):
        digits = text.lstrip("+-")
        if len(digits) > _MOST_DIGITS:
            return Scalar(text=text, value=float(text), doubt=f'too long for a number; quote it: "{text}"')
        if len(digits) > 1 and digits[0] == "0":
            return Scalar(
                text=text, value=int(text), doubt=f'drop the leading zero (YAML 1.1: octal) or quote it: "{text}"'
            )
        return Scalar(text=text, value=int(text))
    if _BASED.fullmatch(text) and len(text) <= _MOST_DIGITS:
        return Scalar(text=text, value=int(text, 0))
    if _FLOAT.fullmatch(text):
        return Scalar(text=text, value=float(text))
    if _NOT_FINITE.fullmatch(text):
        return Scalar(text=text, value=float(text.replace(".", "", 1)))
    if _OLD_NUMBER.fullmatch(text):
        return Scalar(text=text, value=text, doubt=f'write a plain decimal number, or quote it: "{text}"')
    return Scalar(text=text, value=text)
