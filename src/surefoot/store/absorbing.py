"""
The one description of how a delta is applied, for the store (async), the sinks (threads) and both engines.

`absorbing` yields statements and is sent their rows; whoever drives it decides what waiting means.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Final

from ..core.evidence.tally import ArmCounts, Delta, DeltaKey, History
from ..core.units import RolloutId
from .accumulate import Gathering, NewFailures, gathered, remembered
from .codec import decode, encode
from .rules import gap
from .statements import LAST_SEQUENCE, Ask, Row, micros

__all__ = ["absorbing"]

_ENROL: Final = "INSERT INTO sources (source, sequence, at) VALUES (:source, 0, 0) ON CONFLICT (source) DO NOTHING"
_ADVANCE: Final = (
    "UPDATE sources SET sequence = :sequence, at = :at WHERE source = :source AND sequence = :before RETURNING sequence"
)
# The update that changes nothing locks the row and answers with it, whoever made it and whatever goes on beside.
_HOLD_HISTORY: Final = (
    "INSERT INTO history (version, body) VALUES (:version, '')"
    " ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING body"
)
_KEEP_HISTORY: Final = "UPDATE history SET body = :body WHERE version = :version"
_HOLD_TICK: Final = (
    "INSERT INTO open_ticks (rollout, epoch, body) VALUES (:rollout, :epoch, '')"
    " ON CONFLICT (rollout, epoch) DO UPDATE SET epoch = excluded.epoch RETURNING body"
)
_KEEP_TICK: Final = "UPDATE open_ticks SET body = :body WHERE rollout = :rollout AND epoch = :epoch"

_AT_ONCE: Final = 200
"""Failed units in one statement."""


def absorbing(delta: Delta) -> Generator[Ask, Sequence[Row], bool]:
    """
    Apply a delta once; False if it was already there. To be run inside one transaction.

    Raises Conflict on a gap. Rows are held in one order everywhere, so two deltas never wait for each other in a ring.
    """
    source = {"source": delta.source}
    yield Ask(_ENROL, source)
    step = {**source, "sequence": delta.sequence, "before": delta.sequence - 1, "at": micros(delta.at)}
    if not (yield Ask(_ADVANCE, step)):
        last: int = (yield Ask(LAST_SEQUENCE, source))[0][0]
        if delta.sequence <= last:
            return False
        raise gap(delta, last)
    items = sorted(delta.counts.items(), key=_place)
    for (rollout, epoch), group in groupby(items, key=lambda item: (item[0].rollout, item[0].epoch)):
        if rollout is None:
            yield from _remembering(group)
        else:
            yield from _gathering(rollout, epoch, group, delta.at)
    return True


def _place(item: tuple[DeltaKey, ArmCounts]) -> tuple[bool, str, int, str, str]:
    key = item[0]
    return key.rollout is not None, key.rollout or "", 0 if key.rollout is None else key.epoch, key.version, key.arm


def _remembering(items: Iterable[tuple[DeltaKey, ArmCounts]]) -> Generator[Ask, Sequence[Row], None]:
    for key, counts in items:
        version = {"version": key.version}
        body: str = (yield Ask(_HOLD_HISTORY, version))[0][0]
        history = remembered(decode(History, body) if body else History(), counts)
        yield Ask(_KEEP_HISTORY, {**version, "body": encode(history)})


def _gathering(
    rollout: RolloutId, epoch: int, items: Iterable[tuple[DeltaKey, ArmCounts]], at: datetime
) -> Generator[Ask, Sequence[Row], None]:
    place = {"rollout": rollout, "epoch": epoch}
    body: str = (yield Ask(_HOLD_TICK, place))[0][0]
    tick = decode(Gathering, body) if body else None
    for key, counts in items:
        new = NewFailures({}, {})
        for found, named in ((new.failed, counts.failed), (new.late, counts.late)):
            for metric, units in named.items():
                found[metric] = yield from _new_failures({**place, "metric": metric}, sorted(set(units)))
        tick = gathered(tick, key, counts, new, at)
    yield Ask(_KEEP_TICK, {**place, "body": encode(tick)})


def _new_failures(place: Mapping[str, object], units: Sequence[str]) -> Generator[Ask, Sequence[Row], int]:
    """How many of the units nobody had reported before."""
    fresh = 0
    for start in range(0, len(units), _AT_ONCE):
        some = units[start : start + _AT_ONCE]
        named = {f"u{index}": unit for index, unit in enumerate(some)}
        fresh += len((yield Ask(_failures_of(len(some)), {**place, **named})))
    return fresh


@lru_cache(maxsize=_AT_ONCE)
def _failures_of(count: int) -> str:
    values = ", ".join(f"(:rollout, :epoch, :metric, :u{index})" for index in range(count))
    return (
        f"INSERT INTO failed_units (rollout, epoch, metric, unit) VALUES {values}"  # noqa: S608 - names of parameters
        " ON CONFLICT (rollout, epoch, metric, unit) DO NOTHING RETURNING unit"
    )
