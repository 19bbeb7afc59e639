"""The state of a fold: units, the cohorts they were assigned to, and the counts since the last cut. All mutable."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from ..units import Nanos, UnitKey
from .amount import AMOUNT_FIELDS, NO_AMOUNTS, Amounts, amounts_of, bucket_for
from .observation import Assignment, Observation, Record
from .outcome import BINARY_METRICS, Outcomes, outcomes, positions
from .tally import PRESENCE, ArmCounts, Count

__all__ = ["SLOT", "Cohort", "Counts", "Unit"]

SLOT: Final = Nanos(10_000_000_000)
"""A unit counts once in each such span of wall-clock time."""

_SAMPLED: Final = "0"
"""Last hexadecimal digit of the units in the sample: one in sixteen, the same ones in every process."""


class Unit(Struct, gc=False):
    """
    What is known of one unit: bit masks over the binary metrics (`outcome`), and its amounts.

    The garbage collector does not look at it: there are tens of thousands, and none can be part of a cycle.
    """

    failed: int = 0
    """Metrics it has failed on."""

    recorded: int = 0
    """Metrics its outcome is known on; once it is closed, those it was resolved on."""

    slot: int = -1
    in_slot: int = 0
    """Metrics it was counted on in that slot."""

    last: Nanos = Nanos(0)
    amounts: Amounts = NO_AMOUNTS
    """A tuple of numbers: of those, too, the garbage collector lets go."""


class Counts:
    """What one arm of one epoch adds to the next delta."""

    __slots__ = ("_amounts", "_exposed", "_failed", "_late", "_resolved", "assigned", "present", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.assigned = 0
        self.present: list[UnitKey] = []
        """Of the units that were assigned, those in the sample that every process draws alike (`tally.PRESENCE`)."""

        self._exposed = [0] * len(BINARY_METRICS)
        self._failed: list[list[UnitKey]] = [[] for _ in BINARY_METRICS]
        self._late: list[list[UnitKey]] = [[] for _ in BINARY_METRICS]
        self._resolved = [[0, 0] for _ in BINARY_METRICS]
        self._amounts: list[dict[int, int]] = [{} for _ in AMOUNT_FIELDS]

    def single(self, unit: UnitKey, seen: Observation) -> Outcomes:
        """A unit of one run: assigned, exposed and resolved at once. Returns what it showed."""
        self.requests += 1
        self.assigned += 1
        shown = outcomes(seen)
        for bit in positions(shown.recorded):
            self._exposed[bit] += 1
        for bit in positions(shown.bad):
            self._failed[bit].append(unit)
        self.resolve(*shown)
        self.settle(amounts_of(seen))
        return shown

    def expose(self, record: Record, unit: Unit, corrected: int = 0, settled: int = 0) -> int:
        """
        First-failure stream: count the unit once a slot until it has failed. Returns the metrics recorded.

        `corrected`: metrics the unit was counted on when its run ended; a failure then adds no unit. `settled`: metrics
        on which it is final already, so that its first failure is missing in the resolved stream, too.
        """
        recorded, bad = outcomes(record.seen)
        slot = record.at // SLOT
        if slot != unit.slot:
            unit.slot = slot
            unit.in_slot = 0
        counted = recorded & ~corrected
        for bit in positions(counted & ~unit.in_slot & ~unit.failed):
            self._exposed[bit] += 1
        unit.in_slot |= counted
        if first := bad & ~unit.failed:
            for bit in positions(first & ~settled):
                self._failed[bit].append(record.unit)
            for bit in positions(first & settled):
                self._late[bit].append(record.unit)
            unit.failed |= first
        return recorded

    def resolve(self, recorded: int, failed: int) -> None:
        """Resolved stream: these metrics of one unit are final, and those of them that failed."""
        for bit in positions(recorded):
            self._resolved[bit][0] += 1
        for bit in positions(failed):
            self._resolved[bit][1] += 1

    def settle(self, amounts: Amounts) -> None:
        """These amounts of one unit are final."""
        for position, amount in enumerate(amounts):
            if amount is not None:
                buckets = self._amounts[position]
                bucket = bucket_for(position, amount)
                buckets[bucket] = buckets.get(bucket, 0) + 1

    def value(self) -> ArmCounts:
        """The same as a value; what was never counted has no entry."""
        exposed = {name: n for name, n in zip(BINARY_METRICS, self._exposed, strict=True) if n}
        failed = _named(self._failed)
        if self.present:
            exposed[PRESENCE], failed[PRESENCE] = len(self.present), tuple(self.present)
        return ArmCounts(
            requests=self.requests,
            assigned=self.assigned,
            exposed=exposed,
            failed=failed,
            late=_named(self._late),
            resolved={name: Count(n, k) for name, (n, k) in zip(BINARY_METRICS, self._resolved, strict=True) if n or k},
            amounts={field: buckets for field, buckets in zip(AMOUNT_FIELDS, self._amounts, strict=True) if buckets},
        )


def _named(units: list[list[UnitKey]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(some) for name, some in zip(BINARY_METRICS, units, strict=True) if some}


class Cohort:
    """The units that were assigned to one arm in one epoch."""

    __slots__ = ("assignment", "closed", "counts", "idle", "is_empty", "open")

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.idle = Nanos(0)
        """As the newest record has it."""

        self.open: OrderedDict[UnitKey, Unit] = OrderedDict()
        """Longest silent first. Ordered: whoever speaks goes to the end, and a dict would keep the gap it leaves."""

        self.closed: dict[UnitKey, Unit] = {}
        """Resolved longest ago first."""

        self.counts = Counts()
        self.is_empty = True
        """Whether `counts` holds nothing."""

    def assign(self, name: UnitKey) -> Unit:
        """A unit nobody here knows: assigned, and in the sample or not."""
        self.counts.assigned += 1
        if name[-1] == _SAMPLED and self.assignment.rollout is not None:
            self.counts.present.append(name)
        return Unit()

    def silent(self, at: Nanos) -> UnitKey | None:
        """The longest silent open unit, if it has been silent for long enough."""
        for name, unit in self.open.items():
            return name if at - unit.last >= self.idle else None
        return None

    def is_ahead(self, at: Nanos) -> bool:
        """Whether the unit that is to fall silent first was last seen in the future: a clock jumped there and back."""
        for unit in self.open.values():
            return unit.last > at
        return False

    def catch_up(self, at: Nanos) -> None:
        """Whoever was last seen in the future was last seen now, and keeps nobody behind it from being resolved."""
        while self.is_ahead(at):
            name = next(iter(self.open))
            self.open[name].last = at
            self.open.move_to_end(name)

    def taken(self) -> ArmCounts:
        """The counts since this was last asked."""
        counts, self.counts, self.is_empty = self.counts, Counts(), True
        return counts.value()
