"""
Records become numbered deltas of additive counts (STATISTICS.md section 2): a deterministic function of the records and
of where they were cut, so that folding a log again gives the same deltas, number by number.

Two streams per binary metric. *First failure* (harm): a unit counts once per slot of ten seconds until it has failed,
and its failure counts once. *Resolved* (non-inferiority, amounts): a unit counts once, when its outcome is final: at
once if it is a request of its own, else when it was silent for `Record.idle`, or at `close`.

A unit counts once, and so does its failure, but they need not come together. A failure that comes after its unit was
counted (a later turn in the same slot, a success that was assumed and is corrected days later) adds no unit: n + 0,
k + 1. So a single delta or tick may hold more bad units than units, and only the sums over all of them are exact; who
tests tick by tick carries the surplus on within the epoch (`lifecycle.probe`). Until it is corrected an assumed success
is taken for one: where failures are only known much later, success should not be assumed (docs/evidence.md).

A unit that comes back after it was resolved may still fail for the first time, but is not resolved again. What is
learned late (`Record.late`) about a unit that is not open counts in the resolved stream if it is new: as a unit on a
metric that was never recorded, as a failure alone on one that was, or that the run id says was assumed. Whether anybody
has counted that failure before is more than one process can know, so its unit is named (`ArmCounts.late`), and the
store counts it where no failure of that unit is known.
A clock that jumps ahead and comes back is noticed at the next cut: whoever was seen in the future was seen then.

What is remembered is bounded: beyond `capacity` open units the longest silent sixteenth is resolved early (counted in
`hurried`), and beyond as many closed ones the oldest of the largest cohort are forgotten. One of those that comes back
counts as a new unit; the store still keeps each failure once. At 65,536 of each kind this is about 70 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Final, NamedTuple

from ..units import Nanos, UnitKey
from .amount import Amounts, amounts_of, joined
from .cohort import Cohort, Unit
from .observation import Arm, Assignment, Record
from .outcome import SUCCESS, Outcomes
from .tally import Delta, DeltaKey

__all__ = ["CAPACITY", "Fold", "Remembered"]

CAPACITY: Final = 65_536
"""Units kept open, and as many closed ones remembered."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_COPIED_AT_ONCE: Final = 512
"""Units; some fifty microseconds."""


class Remembered(NamedTuple):
    """What a fold knows of one unit between two cuts. A fold that is told all of it goes on as if it had been there."""

    assignment: Assignment
    idle: Nanos
    unit: UnitKey
    is_open: bool
    failed: int
    recorded: int
    slot: int
    in_slot: int
    last: Nanos
    amounts: Amounts


class Fold:
    """The counting of one source. Mutable, for one thread: `add` any number of records, `cut` when it is time."""

    def __init__(self, source: str, *, sequence: int = 0, capacity: int = CAPACITY) -> None:
        self.source = source
        self.sequence = sequence
        """Number of the last delta that was cut."""

        self.hurried = 0
        """Units resolved before their time because too many were open."""

        self._capacity = capacity
        self._batch = capacity // 16 + 1
        self._cohorts: dict[DeltaKey, Cohort] = {}
        self._by_assignment: dict[Assignment, Cohort | None] = {}
        self._opened = 0
        self._closed = 0

    @property
    def open_units(self) -> int:
        """Units whose outcome is not final yet."""
        return self._opened

    @property
    def units(self) -> int:
        """All units it knows of, open and closed."""
        return self._opened + self._closed

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted since the last cut."""
        return all(cohort.is_empty for cohort in self._cohorts.values())

    def add(self, record: Record) -> None:
        """Count one record. What it did not record adds nothing; who was not randomised is not counted."""
        try:
            cohort = self._by_assignment[record.assignment]
        except KeyError:
            cohort = self._enrol(record.assignment)
        if cohort is None:
            return
        cohort.is_empty = False
        if record.late:
            self._learn(cohort, record)
        elif record.idle > 0:
            self._follow(cohort, record)
        elif (shown := cohort.counts.single(record.unit, record.seen)).bad:
            self._keep_failed(cohort, record, shown)

    def due(self, at: Nanos) -> bool:
        """Whether a cut at this time would hold anything."""
        return any(not cohort.is_empty or cohort.silent(at) or cohort.is_ahead(at) for cohort in self._cohorts.values())

    def cut(self, at: Nanos) -> Delta:
        """Everything since the last cut, as the next delta. Units that were silent for long enough are resolved."""
        for cohort in self._cohorts.values():
            cohort.catch_up(at)
            while (name := cohort.silent(at)) is not None:
                self._resolve(cohort, name)
                cohort.catch_up(at)
        return self._ship(at)

    def close(self, at: Nanos) -> Delta:
        """The last delta: the outcome of every open unit is final now."""
        for cohort in self._cohorts.values():
            for name in list(cohort.open):
                self._resolve(cohort, name)
        return self._ship(at)

    def remembered(self, pause: Callable[[], object] = bool) -> Iterator[Remembered]:
        """
        All it knows besides what the next cut would hold, so ask right after a cut.

        As of now: it may go on counting while the answer is read. `pause` is called now and then while it is prepared.
        """
        return (
            Remembered(
                cohort.assignment,
                idle,
                name,
                is_open,
                unit.failed,
                unit.recorded,
                unit.slot,
                unit.in_slot,
                unit.last,
                unit.amounts,
            )
            for cohort, idle, is_open, units in [
                (cohort, cohort.idle, is_open, _copied(units, pause))
                for cohort in self._cohorts.values()
                for is_open, units in ((False, cohort.closed), (True, cohort.open))
            ]
            for name, unit in units
        )

    def remember(self, known: Remembered) -> None:
        """Take over one unit; all of them in the order in which `remembered` named them."""
        cohort = self._by_assignment.get(known.assignment) or self._enrol(known.assignment)
        if cohort is None:
            return
        cohort.idle = known.idle
        unit = Unit(known.failed, known.recorded, known.slot, known.in_slot, known.last, known.amounts)
        (cohort.open if known.is_open else cohort.closed)[known.unit] = unit
        self._opened += known.is_open
        self._closed += not known.is_open

    def _enrol(self, assignment: Assignment) -> Cohort | None:
        cohort = None
        if assignment.rollout is None or assignment.randomised:
            kept = assignment
            if assignment.rollout is None:
                kept = assignment._replace(epoch=0, arm=Arm.STABLE, randomised=False)
            key = DeltaKey(kept.agent, kept.version, kept.rollout, kept.epoch, kept.arm)
            cohort = self._cohorts.setdefault(key, Cohort(kept))
        self._by_assignment[assignment] = cohort
        return cohort

    def _follow(self, cohort: Cohort, record: Record) -> None:
        """A turn of a unit that may have more of them."""
        counts = cohort.counts
        counts.requests += 1
        cohort.idle = record.idle
        unit = self._still_open(cohort, record)
        if unit is not None:
            cohort.open.move_to_end(record.unit)
        elif record.unit in cohort.closed:
            counts.expose(record, cohort.closed[record.unit])
            return
        else:
            unit = cohort.open[record.unit] = cohort.assign(record.unit)
            self._opened += 1
        unit.last = record.at
        unit.recorded |= counts.expose(record, unit)
        unit.amounts = joined(unit.amounts, amounts_of(record.seen))
        if self._opened > self._capacity:
            self._hurry()

    def _learn(self, cohort: Cohort, record: Record) -> None:
        """A late outcome."""
        counts = cohort.counts
        corrected = SUCCESS if record.assumed else 0
        unit = self._still_open(cohort, record)
        if unit is not None:
            unit.recorded |= counts.expose(record, unit, corrected)
            unit.amounts = joined(unit.amounts, amounts_of(record.seen))
            return
        unit = cohort.closed.get(record.unit)
        if unit is None:
            unit = Unit()
            self._keep(cohort, record.unit, unit)
        settled = unit.recorded | corrected
        recorded = counts.expose(record, unit, corrected, settled)
        new = recorded & ~settled
        counts.resolve(new, new & unit.failed)
        unit.recorded |= recorded
        learned = amounts_of(record.seen)
        counts.settle(tuple([None if old is not None else new for old, new in zip(unit.amounts, learned, strict=True)]))
        unit.amounts = joined(unit.amounts, learned)

    def _still_open(self, cohort: Cohort, record: Record) -> Unit | None:
        unit = cohort.open.get(record.unit)
        if unit is not None and record.at - unit.last >= cohort.idle:
            # Over before this came, whether or not a cut has noticed: where the cuts are must not change the counts.
            self._resolve(cohort, record.unit)
            return None
        return unit

    def _resolve(self, cohort: Cohort, name: UnitKey) -> None:
        unit = cohort.open.pop(name)
        self._opened -= 1
        cohort.is_empty = False
        cohort.counts.resolve(unit.recorded, unit.recorded & unit.failed)
        cohort.counts.settle(unit.amounts)
        self._keep(cohort, name, unit)

    def _keep_failed(self, cohort: Cohort, record: Record, shown: Outcomes) -> None:
        """Remember a request that failed: a later report of the same failure is nothing new."""
        if self._still_open(cohort, record) is not None:
            return  # a session of the same name: it is remembered as that
        known = cohort.closed.get(record.unit)
        if known is None:
            unit = Unit(failed=shown.bad, recorded=shown.recorded, amounts=amounts_of(record.seen))
            self._keep(cohort, record.unit, unit)
        else:
            known.failed |= shown.bad
            known.recorded |= shown.recorded
            known.amounts = joined(known.amounts, amounts_of(record.seen))

    def _keep(self, cohort: Cohort, name: UnitKey, unit: Unit) -> None:
        cohort.closed[name] = unit
        self._closed += 1
        if self._closed > self._capacity:
            largest = max(self._cohorts.values(), key=lambda other: len(other.closed))
            for oldest in list(islice(largest.closed, self._batch)):
                del largest.closed[oldest]
                self._closed -= 1

    def _hurry(self) -> None:
        """Resolve those of all cohorts that have been silent for longest."""
        cohorts = list(self._cohorts.values())
        queues = [
            [(unit.last, number, name) for name, unit in islice(cohort.open.items(), self._batch)]
            for number, cohort in enumerate(cohorts)
        ]
        for _, number, name in list(islice(merge(*queues), self._batch)):
            self._resolve(cohorts[number], name)
            self.hurried += 1

    def _ship(self, at: Nanos) -> Delta:
        counts = {key: cohort.taken() for key, cohort in self._cohorts.items() if not cohort.is_empty}
        if any(not cohort.open and not cohort.closed for cohort in self._cohorts.values()):
            self._dismiss()
        self.sequence += 1
        return Delta(
            source=self.source,
            sequence=self.sequence,
            at=_EPOCH + timedelta(microseconds=at // 1000),
            counts=counts,
        )

    def _dismiss(self) -> None:
        """Forget cohorts nobody belongs to: epochs come and go as long as the process lives."""
        self._cohorts = {key: cohort for key, cohort in self._cohorts.items() if cohort.open or cohort.closed}
        self._by_assignment = {cohort.assignment: cohort for cohort in self._cohorts.values()}


def _copied(units: Mapping[UnitKey, Unit], pause: Callable[[], object]) -> Iterator[tuple[UnitKey, Unit]]:
    copies: list[Unit] = []
    values = iter(units.values())
    while batch := [copy(unit) for unit in islice(values, _COPIED_AT_ONCE)]:
        copies += batch
        pause()
    return zip(list(units), copies, strict=True)
