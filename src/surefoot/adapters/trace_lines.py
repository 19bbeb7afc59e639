"""
Lines of a file of any size in a fixed amount of memory, and errors that say where an invalid line is.

A block is read into a buffer that is used again and again, and ends where its last line ends; what is left over moves
to the front. A line longer than the limit is an error, not memory.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from ..errors import TraceError

__all__ = ["LONGEST_LINE", "Block", "blocks_of", "open_traces", "problem_in", "too_long"]

LONGEST_LINE: Final = 4 << 20
"""Bytes. A trace is a few kilobytes; a line this long means a file in another format, or a broken recording."""

_BLOCK: Final = 1 << 17
"""With all that is made of it, it stays in the processor's own memory."""

_GZIP: Final = b"\x1f\x8b"
_SHORT: Final = 512
_SAMPLE: Final = 4096
_SHOWN: Final = 80
_PLACE: Final = re.compile(r"^(?P<what>.*?) - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
_MISSING: Final = re.compile("missing required field `([^`]*)`")


class Block(NamedTuple):
    """Whole lines of a file."""

    first: int
    """Number of its first line, from 1."""

    lines: memoryview
    """Valid until the next block is asked for."""

    ends: int
    """Of line ends in it; a last line without one counts."""

    end: int
    """Bytes of the file up to its end."""

    joints: int | None = None
    """Of the line ends those right between `}` and `{`; None where lines are too short to look at each of them."""

    is_cut: bool = False
    """The block is the beginning of a line that is longer than the limit; the rest of it is skipped."""


def open_traces(path: Path) -> BinaryIO:
    """The file, unbuffered, because blocks are buffer enough. Raises TraceError if it cannot be opened."""
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}", hint="name a JSONL file of traces") from error


def blocks_of(path: Path, *, longest: int = LONGEST_LINE) -> Iterator[Block]:
    """The file in blocks of whole lines, in order. Raises TraceError for an unreadable file."""
    with open_traces(path) as file:
        most = longest + 1  # with its end the longest line fits, and no longer one does
        buffer = bytearray(min(_BLOCK, most))
        have, first, end, skipping = 0, 1, 0, False
        while True:
            read = _read_into(file, buffer, have, path)
            searched, have, end = have, have + read, end + read
            if end == read and buffer.startswith(BOM_UTF8, 0, have):  # right at the beginning of the file
                buffer[: have - len(BOM_UTF8)], have = buffer[len(BOM_UTF8) : have], have - len(BOM_UTF8)
            if skipping:  # the rest of a line that was too long
                cut = buffer.find(b"\n", 0, have) + 1
                if not cut and read:
                    have = 0
                    continue
                buffer[: have - cut], have, skipping = buffer[cut:have], have - cut, False
                first += 1
                searched = 0
            stop = buffer.rfind(b"\n", searched, have) + 1 if read else have
            if stop:
                with memoryview(buffer) as view, view[:stop] as lines:
                    counted = _ends(buffer, stop)
                    yield Block(first, lines, counted.ends, end - (have - stop), counted.joints)
                first += counted.ends
                buffer[: have - stop], have = buffer[stop:have], have - stop
            if not read:
                return
            if have > longest:
                with memoryview(buffer) as view, view[:_SHOWN] as lines:
                    yield Block(first, lines, 1, end, is_cut=True)
                buffer, have, skipping = bytearray(min(_BLOCK, most)), 0, True
            elif len(buffer) - have <= _BLOCK // 2 and len(buffer) < most:
                buffer = bytearray(buffer[:have]) + bytes(min(max(_BLOCK, have), most - have))


_OPENS, _CLOSES, _RETURN = b"{}\r"


def _read_into(file: BinaryIO, buffer: bytearray, start: int, path: Path) -> int:
    try:
        with memoryview(buffer) as view, view[start:] as free:
            return file.readinto(free) or 0  # type: ignore[attr-defined]  # typeshed has it on the raw file
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}", hint="name a JSONL file of traces") from error


class _Ends(NamedTuple):
    """Line ends of a block, as `Block` has them."""

    ends: int
    joints: int | None


def _ends(buffer: bytearray, stop: int) -> _Ends:
    """Lines up to there. `count` looks at every byte, `find` begins anew at every line: each is quicker somewhere."""
    sample, last = min(stop, _SAMPLE), stop - 1
    if buffer.count(b"\n", 0, sample) * _SHORT > sample:
        return _Ends(buffer.count(b"\n", 0, last) + 1, None)
    ends, joints, place = buffer.count(b"\n", 0, min(2, last)) + 1, 0, 1
    while (place := buffer.find(b"\n", place + 1, last)) >= 0:
        ends += 1
        if buffer[place + 1] == _OPENS and (
            buffer[place - 1] == _CLOSES or (buffer[place - 1] == _RETURN and buffer[place - 2] == _CLOSES)
        ):
            joints += 1
    return _Ends(ends, joints)


def problem_in(path: Path, number: int, line: bytes, error: Exception) -> TraceError:
    """What is wrong with a line, as `file:line:field: ...`, and what to do about it."""
    if isinstance(error, msgspec.ValidationError):
        what, field = _placed(str(error))
        return TraceError(
            f"{path}:{number}:{field}: {what}" if field else f"{path}:{number}: {what}",
            hint="null means not recorded; see docs/traces.md for every field and its type",
        )
    if line.startswith(_GZIP):
        return TraceError(f"{path}:{number}: the file is compressed", hint="unpack it first: gunzip -k FILE")
    start = line.strip()[:_SHOWN].decode("utf-8", "replace")
    if isinstance(error, UnicodeDecodeError):
        return TraceError(
            f"{path}:{number}: this line is no JSON, because it is not UTF-8 text: {start!r}",
            hint="save the file as UTF-8, or remove the line",
        )
    return TraceError(
        f"{path}:{number}: this line is no JSON ({error}): {start!r}",
        hint="one JSON object a line (NaN is no JSON: write null); mend or remove the line",
    )


def too_long(path: Path, number: int, longest: int) -> TraceError:
    """The error for a line beyond the limit."""
    return TraceError(
        f"{path}:{number}: this line is longer than {longest:,} bytes",
        hint="one JSON object a line; cut long texts where they are recorded, or remove the line",
    )


def _placed(message: str) -> tuple[str, str]:
    """The parser's message and the field it is about, as a path without the sign for the root."""
    found = _PLACE.match(message)
    what, path = (found["what"], found["path"].lstrip(".")) if found else (message, "")
    missing = _MISSING.search(what)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
    return what, path
