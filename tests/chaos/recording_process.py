"""
A process that records until it is killed.

    recording_process.py FOLDER MODE NUMBER ACKNOWLEDGED

Unit `NUMBER * 1_000_000 + i` fails in run i. After each `put` the time is written to the shared file ACKNOWLEDGED, so
that whoever kills the process knows what it had been promised.
"""

from __future__ import annotations

import mmap
import sqlite3
import sys
import time
from pathlib import Path
from threading import Event

from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.client.recorder import Pace, Recorder
from surefoot.core.evidence.observation import Arm, Assignment, Observation, Record
from surefoot.core.evidence.run_id import run_id, unit_hash
from surefoot.core.evidence.tally import Delta
from surefoot.core.units import AgentName, Digest, Nanos, RolloutId
from surefoot.errors import Conflict

__all__ = ["MOST", "FileSink", "main"]

MOST = 100_000
ASSIGNMENT = Assignment(
    AgentName("shop"), Digest("sha256:" + "0" * 64), RolloutId("r"), 1, Arm.CANDIDATE, randomised=True
)
FAILED = Observation(success=False)


class FileSink:
    """A store that remembers every failed unit and refuses to see one twice."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sink.db"
        with self._connected() as db:
            db.execute("create table if not exists applied (source text primary key, sequence integer)")
            db.execute("create table if not exists units (unit text primary key)")
            db.execute("create table if not exists requests (n integer)")

    def absorb(self, delta: Delta) -> bool:
        with self._connected() as db:
            db.execute("begin immediate")
            last = self._last(db, delta.source)
            if delta.sequence <= last:
                return False
            if delta.sequence != last + 1:
                raise Conflict(f"gap: {delta.sequence} after {last}", hint="none")
            for counts in delta.counts.values():
                db.executemany("insert into units values (?)", [(unit,) for unit in counts.failed.get("success", ())])
                db.execute("insert into requests values (?)", (counts.requests,))
            db.execute("insert or replace into applied values (?, ?)", (delta.source, delta.sequence))
        return True

    def applied(self, source: str) -> int:
        with self._connected() as db:
            return self._last(db, source)

    def units(self) -> set[str]:
        with self._connected() as db:
            return {unit for (unit,) in db.execute("select unit from units")}

    def requests(self) -> int:
        with self._connected() as db:
            return db.execute("select coalesce(sum(n), 0) from requests").fetchone()[0]

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)

    @staticmethod
    def _last(db: sqlite3.Connection, source: str) -> int:
        row = db.execute("select sequence from applied where source = ?", (source,)).fetchone()
        return row[0] if row else 0


class Run:
    """One finished run."""

    def __init__(self, unit: str) -> None:
        self.unit = unit_hash(unit)

    def record(self, wall: int) -> Record:
        return Record(
            run_id(ASSIGNMENT, self.unit, "x"), ASSIGNMENT, self.unit, Nanos(time.perf_counter_ns() + wall), FAILED
        )


def main(folder: Path, mode: str, number: int, acknowledged: Path) -> None:
    pace = Pace(ship=0.03, segment=20_000)
    recorder = Recorder(
        sink=FileSink(folder),
        clock=SystemClock(),
        ids=SystemIds(),
        spools=folder / "spool",
        durable=mode == "durable",
        pace=pace,
    )
    between = Event()
    with acknowledged.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        times = memoryview(shared).cast("Q")
        for i in range(MOST):
            recorder.put(Run(str(number * 1_000_000 + i)))
            times[i] = time.monotonic_ns()
            between.wait(0.000_3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
