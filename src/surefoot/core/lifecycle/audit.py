"""
The audit trail: every step of a rollout as one canonical text, chained by hash, so that nobody can change it unseen.

Record n carries SHA-256(hash of record n-1, then the canonical JSON of the transition), both as UTF-8; the first record
follows 64 zeros. Changing, dropping, inserting or reordering records breaks the chain at the first place touched. A
chain cannot show that its end was cut off: compare the last record with the rollout's row, which `verify` does if told.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Final, NamedTuple, cast, get_args

from ..artifact.canonical import LARGEST_INTEGER, CanonicalJson, Json, canonical
from ..evidence.tally import ArmTick, Tick
from .judge import EpochInfo
from .rollout import Effect, Event, Phase, Rollout, Transition, traffic_of

__all__ = ["GENESIS", "AuditRecord", "Broken", "chained", "epochs_of", "hash_of", "text_of", "tick_hash", "verify"]

GENESIS: Final = "0" * 64
"""What the first record follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One transition as written, chained to the one before it by hash (per rollout)."""

    sequence: int
    """1, 2, 3 ... without a gap."""

    transition: Transition
    previous: str
    """Hash of the record before; 64 zeros for the first."""

    hash: str
    """SHA-256 over `previous` and the canonical JSON of the transition."""


class Broken(NamedTuple):
    """The first record that is not what was written, and how one can tell."""

    sequence: int
    why: str


def chained(transition: Transition, last: AuditRecord | None) -> AuditRecord:
    """The record of a transition, after the last one of its rollout (None: the first)."""
    previous = last.hash if last else GENESIS
    sequence = last.sequence + 1 if last else 1
    return AuditRecord(
        sequence=sequence, transition=transition, previous=previous, hash=hash_of(transition, previous=previous)
    )


def hash_of(transition: Transition, *, previous: str) -> str:
    """64 hexadecimal digits that stand for the transition and all before it."""
    return hashlib.sha256((previous + text_of(transition)).encode()).hexdigest()


def text_of(transition: Transition) -> CanonicalJson:
    """
    The canonical JSON (RFC 8785) of a transition: what is hashed.

    Instants are UTC with microseconds, durations are integers of microseconds, sets are sorted lists, events and
    effects say their `type`; what JSON cannot hold (integers from 2**53, infinities, NaN) is written as text. Fields
    that have their default are left out, so a default, once released, never changes: a new one is a new field.
    """
    return canonical(_plain(transition))


def tick_hash(tick: Tick, *, previous: str = GENESIS) -> str:
    """
    64 hexadecimal digits that stand for a closed tick and all before it, chained as records are.

    Each look carries the hash of the ticks it saw, so that nobody can change one unseen, whether a check reads it or
    not. Ticks closed since the newest record are bound by the next one.
    """
    return hashlib.sha256((previous + _text_of_tick(tick)).encode()).hexdigest()


def verify(records: Sequence[AuditRecord], *, row: Rollout | None = None) -> Broken | None:
    """
    The first broken record, or None if the trail is whole.

    With `row`, the rollout as stored, a trail whose end was cut off is found too.
    """
    last: AuditRecord | None = None
    for expected, record in enumerate(records, start=1):
        if why := _fault(record, last, expected):
            return Broken(record.sequence, why)
        last = record
    if row is None:
        return None
    if last is None:
        return None if row.phase is Phase.QUEUED else Broken(1, f"missing: the rollout is {row.phase}")
    if canonical(_plain(last.transition.after)) != canonical(_plain(row)):
        return Broken(last.sequence, "the rollout's row is not what this, the last record, says")
    return None


def _fault(record: AuditRecord, last: AuditRecord | None, expected: int) -> str:
    previous = last.hash if last else GENESIS
    if record.sequence != expected:
        return f"numbered {record.sequence} where {expected} should follow"
    if record.previous != previous:
        return "does not follow the record before it"
    if record.hash != hash_of(record.transition, previous=previous):
        return "its content is not what was hashed"
    if last and canonical(_plain(last.transition.after)) != canonical(_plain(record.transition.before)):
        return "does not begin where the record before it ended"
    return ""


def epochs_of(transitions: Iterable[Transition]) -> Mapping[int, EpochInfo]:
    """What was constant in each epoch that had traffic. Ticks of an epoch that is not in here belong to nobody."""
    return {
        after.epoch: EpochInfo(stage=after.opened - 1, share=after.share, is_warm=after.phase is Phase.WARM)
        for after in (transition.after for transition in transitions)
        if traffic_of(after) is not None
    }


# --- values as JSON


def _text_of_tick(tick: Tick) -> str:
    """The canonical JSON of a tick, ten times as fast as by way of `canonical`: a rollout has thousands of them."""
    said = {
        "rollout": tick.rollout,
        "sequence": tick.sequence,
        "epoch": tick.epoch,
        "opened_at": _when(tick.opened_at),
        "closed_at": _when(tick.closed_at),
        "stable": _arm(tick.stable),
        "candidate": _arm(tick.candidate),
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _arm(arm: ArmTick) -> dict[str, object]:
    said: dict[str, object] = {
        "requests": arm.requests,
        "assigned": arm.assigned,
        "first": dict(arm.first),
        "resolved": dict(arm.resolved),
        "amounts": {field: {str(at): n for at, n in buckets.items()} for field, buckets in arm.amounts.items()},
    }
    return {name: value for name, value in said.items() if value}


_NAMED: Final = frozenset({*get_args(Event), *get_args(Effect)})
"""Members of a union: without its name an `Abort` and a `Reject` would be one text."""


def _plain(value: object) -> Json:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date | time | timedelta):
        return _when(value)
    if is_dataclass(value) and not isinstance(value, type):
        named: dict[str, Json] = {"type": type(value).__name__} if type(value) in _NAMED else {}
        said = ((field, getattr(value, field.name)) for field in fields(value))
        return {**named, **{field.name: _plain(found) for field, found in said if not _is_default(field, found)}}
    return _many(value)


def _is_default(field: Field[object], found: object) -> bool:
    """What is as it always was is not written: a field that a later release adds leaves every old text as it was."""
    if field.default is not MISSING:
        return bool(found == field.default)
    return field.default_factory is not MISSING and bool(found == field.default_factory())


def _many(value: object) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, AbstractSet):
        return sorted((_plain(item) for item in cast("AbstractSet[object]", value)), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    raise TypeError(f"the audit trail cannot hold a {type(value).__name__}")


def _when(value: datetime | date | time | timedelta) -> Json:
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value.isoformat()
