"""Trace files: JSON Lines in, traces out, a line at a time, so that no file is too large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ..core.proof.trace import Trace
from ..errors import TraceError

__all__ = ["read_traces"]

_DECODER: Final = msgspec.json.Decoder(Trace)
_SHOWN: Final = 80


def read_traces(path: Path, *, broken: Callable[[TraceError], None] | None = None) -> Iterator[Trace]:
    """
    The traces of a file, in order. Empty lines are skipped.

    A line that is no trace raises TraceError naming file, line and field; with `broken` given it is told instead, and
    the other lines are used. A file that cannot be read raises TraceError too.
    """
    try:
        lines = path.open("rb")
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}", hint="name a JSONL file of traces") from error
    with lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                problem = _problem(path, number, line, error)
                if broken is None:
                    raise problem from error
                broken(problem)


def _problem(path: Path, number: int, line: bytes, error: Exception) -> TraceError:
    start = line.strip()[:_SHOWN].decode("utf-8", "replace")
    if isinstance(error, msgspec.ValidationError):
        return TraceError(
            f"{path}:{number}: {error}", hint="null means not recorded; see docs/traces.md for every field and its type"
        )
    return TraceError(
        f"{path}:{number}: this line is no JSON ({error}): {start!r}",
        hint="one JSON object a line; mend the line, or remove it",
    )
