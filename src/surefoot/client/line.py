"""
One line of a spool: a record, a cut, or what a fold remembered of a unit; JSON arrays, one a line.

    {"surefoot": "spool/1", ...}                             the head of every file
    ["r", run id, at, idle, late, [observation fields]]      a record; fields in the order that the head names
    ["c", sequence, at]                                      here the delta of that number was cut
    ["u", run id, idle, open, failed, recorded, ...]         one remembered unit (files ending in .units)

A run id holds assignment and unit, so every line means the same in any process and at any later time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec

from ..core.evidence.amount import AMOUNT_FIELDS
from ..core.evidence.fold import Remembered
from ..core.evidence.observation import Observation, Record
from ..core.evidence.outcome import BINARY_METRICS
from ..core.evidence.run_id import parse_run_id, run_id
from ..core.units import Nanos
from ..errors import UsageError

__all__ = [
    "Cut",
    "Head",
    "Line",
    "Turn",
    "UnitState",
    "encode",
    "encode_all",
    "head",
    "read_lines",
    "record_in",
    "remembered_in",
    "turn",
    "unit_state",
]

_FIELDS: Final = tuple(Observation.__dataclass_fields__)
_values: Final = attrgetter(*_FIELDS)
_encoder: Final = msgspec.json.Encoder()


class Head(msgspec.Struct, frozen=True, kw_only=True, tag_field="surefoot", tag="spool/1"):
    """What the file is, and in which order its lines name things."""

    source: str
    sequence: int
    """Number of the last delta cut before this file."""

    fields: tuple[str, ...] = _FIELDS
    metrics: tuple[str, ...] = BINARY_METRICS
    amounts: tuple[str, ...] = AMOUNT_FIELDS

    @property
    def speaks_of_units_as_we_do(self) -> bool:
        """Whether remembered units can be taken over; another release may count other metrics."""
        return self.metrics == BINARY_METRICS and self.amounts == AMOUNT_FIELDS


class Turn(msgspec.Struct, frozen=True, array_like=True, tag="r", gc=False):
    """A record."""

    run_id: str
    at: int
    idle: int
    late: bool
    seen: tuple[bool | int | float | None, ...]


class Cut(msgspec.Struct, frozen=True, array_like=True, tag="c", gc=False):
    """Here the delta of that number was cut."""

    sequence: int
    at: int


class UnitState(msgspec.Struct, frozen=True, array_like=True, tag="u", gc=False):
    """What a fold remembered of a unit."""

    run_id: str
    """Of no run: assignment and unit are written like this everywhere."""

    idle: int
    is_open: bool
    failed: int
    recorded: int
    slot: int
    in_slot: int
    last: int
    amounts: tuple[int | None, ...]


Line: TypeAlias = Turn | Cut | UnitState
_decode_head: Final = msgspec.json.Decoder(Head).decode
_decode_line: Final = msgspec.json.Decoder(Line).decode


def encode(line: Head | Line) -> bytes:
    """The line, with its end."""
    return _encoder.encode(line) + b"\n"


def encode_all(lines: Iterable[Line]) -> bytes:
    """The lines, each with its end."""
    return _encoder.encode_lines(list(lines))


def turn(record: Record) -> Turn:
    """The line of a record."""
    return Turn(record.run_id, record.at, record.idle, record.late, _values(record.seen))


def record_in(line: Turn, fields: tuple[str, ...] = _FIELDS) -> Record:
    """
    The record of a line. Fields that this release does not know are dropped.

    Raises UsageError for a broken run id, msgspec.ValidationError for a value of the wrong type.
    """
    run = parse_run_id(line.run_id)
    return Record(
        run_id=line.run_id,
        assignment=run.assignment,
        unit=run.unit,
        at=Nanos(line.at),
        seen=msgspec.convert(dict(zip(fields, line.seen, strict=False)), Observation),
        late=line.late,
        idle=Nanos(line.idle),
        assumed=line.late and run.success_assumed,
    )


def unit_state(known: Remembered) -> UnitState:
    """The line of a remembered unit."""
    return UnitState(
        run_id(known.assignment, known.unit, "unit"),
        known.idle,
        known.is_open,
        known.failed,
        known.recorded,
        known.slot,
        known.in_slot,
        known.last,
        known.amounts,
    )


def remembered_in(line: UnitState) -> Remembered:
    """The unit of a line. Raises UsageError for a broken run id."""
    run = parse_run_id(line.run_id)
    return Remembered(
        assignment=run.assignment,
        idle=Nanos(line.idle),
        unit=run.unit,
        is_open=line.is_open,
        failed=line.failed,
        recorded=line.recorded,
        slot=line.slot,
        in_slot=line.in_slot,
        last=Nanos(line.last),
        amounts=line.amounts,
    )


def head(raw: bytes) -> Head | None:
    """The head in a file's first line, or None if the file is not a spool of ours."""
    try:
        return _decode_head(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_lines(lines: Iterator[bytes], fields: tuple[str, ...]) -> Iterator[Record | Cut | Remembered | None]:
    """What the lines say; None for a line that says nothing (a crash may tear the last one)."""
    for raw in lines:
        try:
            line = _decode_line(raw) if raw.endswith(b"\n") else None
            match line:
                case Turn():
                    yield record_in(line, fields)
                case UnitState():
                    yield remembered_in(line)
                case _:
                    yield line
        except (msgspec.DecodeError, UnicodeDecodeError, UsageError):
            yield None
