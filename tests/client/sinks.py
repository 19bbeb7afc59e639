"""A store's end of the line, in memory, that can be taken away."""

from __future__ import annotations

from threading import Lock

from surefoot.core.evidence.observation import Arm, Assignment, Observation, Record
from surefoot.core.evidence.run_id import run_id, unit_hash
from surefoot.core.evidence.tally import Delta, DeltaKey
from surefoot.core.units import AgentName, Digest, Nanos, RolloutId
from surefoot.errors import Conflict, StoreUnavailable

__all__ = ["ASSIGNMENT", "KEY", "MemorySink", "Seen", "record"]

ASSIGNMENT = Assignment(
    AgentName("shop"), Digest("sha256:" + "0" * 64), RolloutId("r1"), 2, Arm.CANDIDATE, randomised=True
)
KEY = DeltaKey(*ASSIGNMENT[:5])


class MemorySink:
    """Applies each (source, sequence) once and in order, as a store does."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.is_down = False
        self._last: dict[str, int] = {}
        self._lock = Lock()

    def absorb(self, delta: Delta) -> bool:
        with self._lock:
            if self.is_down:
                raise StoreUnavailable("the store is gone", hint="wait")
            last = self._last.get(delta.source, 0)
            if delta.sequence <= last:
                return False
            if delta.sequence != last + 1:
                raise Conflict(f"{delta.sequence} after {last}", hint="send the one before")
            self._last[delta.source] = delta.sequence
            self.deltas.append(delta)
            return True

    def applied(self, source: str) -> int:
        return self._last.get(source, 0)

    def lose_everything(self) -> None:
        with self._lock:
            self.deltas.clear()
            self._last.clear()

    @property
    def requests(self) -> int:
        return sum(counts.requests for delta in self.deltas for counts in delta.counts.values())


def record(number: int, *, unit: str = "", at: int = 0, idle: int = 0, seen: Observation | None = None, late=False):
    """A record as a process makes it."""
    hashed = unit_hash(unit or f"u{number}")
    return Record(
        run_id=run_id(ASSIGNMENT, hashed, f"p-{number:x}"),
        assignment=ASSIGNMENT,
        unit=hashed,
        at=Nanos(at or number * 1_000_000),
        seen=seen or Observation(success=number % 10 != 0, latency_ms=number),
        late=late,
        idle=Nanos(idle),
    )


class Seen:
    """A finished run that is a record already."""

    def __init__(self, made: Record) -> None:
        self.made = made

    def record(self, wall: int) -> Record:
        return self.made
