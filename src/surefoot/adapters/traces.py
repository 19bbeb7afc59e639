"""Trace files: JSON Lines in, traces out, a block at a time, so that no file is too large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec
import xxhash

from ..core.proof.trace import Trace
from ..errors import TraceError
from .trace_lines import LONGEST_LINE, Block, blocks_of, problem_in, too_long
from .trace_records import TRACES

__all__ = ["Broken", "TraceLine", "read_lines", "read_traces", "trace_of"]

Broken = Callable[[TraceError], None]
"""Called with the error of each line that is skipped."""

_ANY: Final = msgspec.json.Decoder()
_LISTED: Final = msgspec.json.Decoder(list[TRACES.type])  # type: ignore[name-defined]  # made by a function
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NEWLINE: Final = 10
_ABSENT: Final = ("tool_calls", "tool_results")
"""Lists that may be null: not recorded, which the value says by being empty."""


class TraceLine(NamedTuple):
    """A line of a trace file as it stands there."""

    number: int
    """From 1."""

    text: bytes
    """Without the end of the line."""

    trace: Trace
    end: int
    """Bytes of the file up to the end of the line's block: how far the reading is."""


def read_traces(
    path: Path, *, broken: Broken | None = None, distinct: bool = False, longest: int = LONGEST_LINE
) -> Iterator[Trace]:
    """
    The traces of a file, in order. Empty lines are skipped.

    An invalid line (not JSON, not UTF-8, cut off, a field of the wrong type, longer than `longest` bytes) raises
    TraceError naming file, line and field; with `broken` given, it is reported there and skipped. With `distinct`, so
    is a line whose trace_id is repeated; that costs about a hundred bytes per trace. An unreadable file always raises
    TraceError.
    """
    seen: set[int] | None = set() if distinct else None
    for block in blocks_of(path, longest=longest):
        traces = None if distinct else _at_once(block)
        if traces is not None:
            yield from traces
            del traces  # or it would be there until the next block is made: twice the memory, and a tenth slower
        else:
            for line in _one_by_one(path, block, broken, seen, longest, strict=False):
                yield line.trace


def read_lines(
    path: Path, *, broken: Broken | None = None, distinct: bool = True, longest: int = LONGEST_LINE
) -> Iterator[TraceLine]:
    """
    The same, line by line and with the bytes of each line: for rewriting a file, or pointing at a place in it.

    Invalid UTF-8 is found in every field; `read_traces` finds it only in fields that it reads.
    """
    seen: set[int] | None = set() if distinct else None
    for block in blocks_of(path, longest=longest):
        yield from _one_by_one(path, block, broken, seen, longest, strict=True)


def trace_of(text: bytes) -> Trace:
    """The trace of one line. Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError."""
    try:
        return TRACES.decode(text)
    except msgspec.ValidationError as wrong:
        try:
            value = _ANY.decode(text)
        except msgspec.DecodeError:  # a number beyond all bounds: the first error knows where it stands
            raise wrong from None
        if not isinstance(value, dict):
            raise
        return msgspec.convert(_without_nulls(cast("dict[str, object]", value)), TRACES.type)


def _at_once(block: Block) -> Sequence[Trace] | None:
    """All traces of a block, or None if a line of it needs a closer look."""
    if block.is_cut:
        return None
    try:
        traces = _LISTED.decode(_listed(block)) if block.joints is None else TRACES.decode_lines(block.lines)
    except _UNREADABLE:
        return None
    # The parser minds neither two values in a line nor one on two lines, and one may make up for the other in number:
    # a value a line is as many values as lines, and every line end between the end of an object and the next one.
    is_one_a_line = len(traces) == block.ends and block.joints in (None, block.ends - 1)
    return traces if is_one_a_line else None


def _listed(block: Block) -> bytes:
    """
    The lines as one list, each line end a comma: in a list neither two values without one can be read, nor a value with
    one too many. In a text it can, but then there are fewer values than lines.
    """
    lines = block.lines[:-1] if block.lines[-1] == _NEWLINE else block.lines
    return b"".join((b"[", lines, b"]")).replace(b"\n", b",")


def _one_by_one(
    path: Path, block: Block, broken: Broken | None, seen: set[int] | None, longest: int, *, strict: bool
) -> Iterator[TraceLine]:
    if block.is_cut:
        _tell(too_long(path, block.first, longest), broken, None)
        return
    for number, text in enumerate(bytes(block.lines).split(b"\n"), block.first):
        if not text or text.isspace():
            continue
        try:
            if strict:
                text.decode()
            trace = trace_of(text)
        except _UNREADABLE as error:
            _tell(problem_in(path, number, text, error), broken, error)
            continue
        if seen is not None:
            name = xxhash.xxh3_64_intdigest(trace.trace_id.encode())
            if name in seen:
                _tell(_duplicate(path, number, trace.trace_id), broken, None)
                continue
            seen.add(name)
        yield TraceLine(number, text, trace, block.end)


def _tell(problem: TraceError, broken: Broken | None, cause: Exception | None) -> None:
    if broken is None:
        raise problem from cause
    broken(problem)


def _duplicate(path: Path, number: int, trace_id: str) -> TraceError:
    return TraceError(
        f"{path}:{number}:trace_id: {trace_id!r} stands in an earlier line too",
        hint="give every run an id of its own, or remove the line",
    )


def _without_nulls(value: dict[str, object]) -> dict[str, object]:
    """The object with lists and arguments that were not recorded left out instead of null."""
    kept = {name: member for name, member in value.items() if member is not None or name not in _ABSENT}
    calls = kept.get("tool_calls")
    if isinstance(calls, list):
        kept["tool_calls"] = [_without_args(call) for call in cast("list[object]", calls)]
    return kept


def _without_args(call: object) -> object:
    if not isinstance(call, dict):
        return call
    members = cast("dict[str, object]", call)
    return {name: member for name, member in members.items() if member is not None or name != "args"}
