"""
From finished runs to deltas in the store, off the request's path.

A caller appends one object to a deque. One thread wakes every ten milliseconds (sooner while there is much to do),
writes what it finds to the spool, folds it, and once a second cuts a numbered delta and ships it. What the death of the
process can lose: by default what was finished since the thread last woke (20 ms at most, unless the machine starves
it); with `durable` nothing, because the caller itself writes to the spool before it goes on. While the store is away,
counts add up in memory and in the spool. Whatever is lost all the same is counted in `health`.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import Final, Protocol
from weakref import WeakSet

from ..core.evidence.fold import Fold
from ..core.evidence.observation import Record
from ..core.evidence.tally import Delta
from ..core.units import Nanos
from ..errors import Conflict, SurefootError
from ..ports.clock import Clock, Ids
from ..ports.sink import Sink
from .adoption import NOTHING_ADOPTED, Adopted, adopt_all
from .line import UnitState, encode, encode_all, turn, unit_state
from .spool import SEGMENT_BYTES, Spool

__all__ = ["EXIT_SECONDS", "Health", "Pace", "Recordable", "Recorder"]

EXIT_SECONDS: Final = 2.0
"""How long the end of the process may wait for the store."""

_log: Final = logging.getLogger("surefoot.recorder")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_CHUNK: Final = 32
"""Records between two pauses: the thread does not keep others from running for longer than a fifth of a millisecond."""

_HURRIED_CHUNK: Final = 1024
"""The same when it falls behind, as on a busy machine, where every pause takes milliseconds."""

_PAUSE: Final = 0.000_15
"""Seconds: long enough for whoever waits for the interpreter to wake up and take it."""

_BUSY: Final = 16
"""After as many records the thread does not sleep until its time has come: many small helpings delay others less."""

_MOST_UNSHIPPED: Final = 64
"""Deltas that wait for the store; beyond that, counts add up in the one that is not cut yet."""


class Recordable(Protocol):
    """Something finished that can say what there is to count."""

    def record(self, wall: int) -> Record:
        """The record. `wall` is what to add to `perf_counter_ns` for nanoseconds since 1970."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done, in seconds, and how much may wait."""

    wake: float = 0.01
    ship: float = 1.0
    retry: float = 1.0
    """After the store was away; each failure in a row doubles it, up to half a minute."""

    repair: float = 5.0
    """Between tries to bring the spool back into service."""

    adopt: float = 60.0
    """Between looks for spools of processes that died."""

    buffer: int = 65_536
    """Finished runs that may wait for the thread; more are lost, and counted."""

    segment: int = SEGMENT_BYTES
    """Bytes of the spool after which a new file is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the recorder did, and what went wrong."""

    recorded: int = 0
    lost: int = 0
    """Runs that were never counted: the buffer was full, or the recorder closed."""

    unreadable: int = 0
    """Runs whose values made no record. A bug; never counted."""

    unspooled: int = 0
    """Runs that were counted but not spooled: a crash before the next delta would have lost them."""

    unshipped: int = 0
    """Deltas that wait for the store."""

    hurried: int = 0
    """Units resolved early because too many were open."""

    adopted: Adopted = NOTHING_ADOPTED
    error: str = ""
    """What is wrong now, in words; empty when all is well."""


class Recorder:
    """One a process. Thread-safe; a forked child goes on with a spool and a thread of its own."""

    put: Callable[[Recordable], None]
    """Take a finished run. Never blocks (unless durable), never raises."""

    numbers: Iterator[int]
    """Of this process's runs, each once."""

    def __init__(
        self, *, sink: Sink, clock: Clock, ids: Ids, spools: Path, durable: bool = False, pace: Pace | None = None
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._ids = ids
        self._spools = spools
        self._durable = durable
        self._pace = pace or Pace()
        self._buffer: deque[Recordable] = deque()
        self._written: deque[Record] = deque()
        """Already in the spool by the caller's own hand (durable), not yet folded."""

        self._begin()
        _survive_forks().add(self)
        atexit.register(self.close)

    @property
    def health(self) -> Health:
        """As of now."""
        error = self._error or (self._spool.failure and f"not spooling: {self._spool.failure}")
        return replace(
            self._health,
            lost=self._lost,
            unshipped=len(self._unshipped),
            hurried=self._fold.hurried,
            error=error,
        )

    def serial(self, number: int) -> str:
        """The name of a run that took its number from `numbers`: no other run has it, in any process."""
        return f"{self._nonce}-{number:x}"

    def flush(self, timeout: float = EXIT_SECONDS) -> bool:
        """Wait until all that was recorded before is in the store. False: not within that many seconds."""
        done = threading.Event()
        self._waiting.append(done)
        self._next_try = 0.0
        self._wake.set()
        if done.wait(timeout):
            return True
        with suppress(ValueError):
            self._waiting.remove(done)
        return False

    def close(self, timeout: float = EXIT_SECONDS) -> bool:
        """
        Ship everything and stop: every open unit is resolved. Idempotent.

        False: the store did not take it within that many seconds; the next start will ship it from the spool.
        """
        atexit.unregister(self.close)
        self.put = self._lose
        self._closing = True
        self._hurry.set()
        self._wake.set()
        last = monotonic() + timeout
        self._thread.join(timeout)
        if self._adoption is not None:  # what it does not finish stays for the next start
            self._adoption.join(max(0.0, last - monotonic()))
        return not self._thread.is_alive() and not self._unshipped

    def _begin(self) -> None:
        """Everything that belongs to one process."""
        self._nonce = source = self._fresh()
        self.numbers = count()
        self._buffer.clear()
        self._written.clear()
        self._unshipped: deque[Delta] = deque()
        self._health = Health()
        self._error = ""
        self._lost = self._reported = 0
        self._losing = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._remembering: Iterator[None] | None = None
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._closing = False
        self._next_cut = self._next_try = self._next_repair = self._next_adoption = 0.0
        self._failures = 0
        self._adoption: threading.Thread | None = None
        self._fold = Fold(source)
        self._spool = Spool(self._spools, source, segment_bytes=self._pace.segment)
        self._spool.open()
        self._wall = self._wall_now()
        self.put = self._put_durable if self._durable else _putter(self._buffer, self._pace.buffer, self._lose)
        self._thread = threading.Thread(target=self._work, name="surefoot-recorder", daemon=True)
        self._thread.start()

    def after_fork(self) -> None:
        """In the child: what was inherited is the parent's to ship."""
        self._spool.abandon()
        if not self._closing:
            self._begin()

    # --- on the caller's thread

    def _put_durable(self, item: Recordable) -> None:
        try:
            record = item.record(self._wall)
            line = encode(turn(record))
        except Exception:  # noqa: BLE001 - the user's request must not fail because it cannot be counted
            self._unreadable()
            return
        spool = self._spool
        with spool.lock:  # the order in the log is the order in which records are folded
            kept = spool.write(line)
            self._written.append(record)
        if not kept:
            with self._losing:
                self._health = replace(self._health, unspooled=self._health.unspooled + 1)

    def _lose(self, item: Recordable) -> None:
        with self._losing:
            self._lost += 1

    def _unreadable(self) -> None:
        with self._losing:
            self._health = replace(self._health, unreadable=self._health.unreadable + 1)

    # --- on the recorder's thread

    def _work(self) -> None:
        wait = self._pace.wake
        while not self._closing:
            self._wake.wait(wait)
            before = self._health.recorded
            self._guarded(self._cycle)
            wait = _PAUSE if self._health.recorded - before >= _BUSY else self._pace.wake
        self._guarded(self._end)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the thread has to live; the error is shown in `health`
            self._complain(f"{type(error).__name__}: {error}")

    def _cycle(self) -> None:
        self._wake.clear()
        asked = list(self._waiting)
        self._wall = self._wall_now()
        self._drain()
        self._remember()
        now = monotonic()
        if asked or now >= self._next_cut:
            self._next_cut = now + self._pace.ship
            self._cut()
            self._ship(now)
            self._repair(now)
            self._adopt(now)
            self._report_losses()
        if asked and not self._unshipped:
            for done in asked:
                done.set()
                with suppress(ValueError):
                    self._waiting.remove(done)

    def _end(self) -> None:
        self._drain()
        at = self._now()
        self._fold_written(len(self._written))
        if self._fold.open_units or self._fold.due(at):
            self._unshipped.append(self._fold.close(at))
        self._next_try = 0.0
        self._ship(monotonic())
        self._spool.close(delete=not self._unshipped)
        with self._losing:
            self._lost += len(self._buffer) + len(self._written)

    def _drain(self) -> None:
        waiting = len(self._buffer)
        chunk = min(max(_CHUNK, waiting // 128), _HURRIED_CHUNK)
        for _ in range(-(-waiting // chunk)):
            records = list(self._taken(chunk))
            kept = self._spool.write(encode_all(map(turn, records)))
            for record in records:
                self._fold.add(record)
            with self._losing:
                unspooled = self._health.unspooled + (0 if kept else len(records))
                self._health = replace(self._health, recorded=self._health.recorded + len(records), unspooled=unspooled)
            self._breathe()
        self._fold_written(len(self._written))

    def _taken(self, most: int) -> Iterator[Record]:
        for _ in range(min(most, len(self._buffer))):
            try:
                yield self._buffer.popleft().record(self._wall)
            except Exception:  # noqa: BLE001 - one strange run must not keep the others from being counted
                self._unreadable()

    def _fold_written(self, count: int) -> None:
        for position in range(count):
            self._fold.add(self._written.popleft())
            if position % _CHUNK == _CHUNK - 1:
                self._breathe()
        if count:
            with self._losing:
                self._health = replace(self._health, recorded=self._health.recorded + count)

    def _remember(self) -> None:
        """Write some more of what was to be remembered at the last cut that ended a segment."""
        if self._remembering is not None and next(self._remembering, self) is self:
            self._remembering = None

    def _cut(self) -> None:
        if len(self._unshipped) >= _MOST_UNSHIPPED:
            return
        at = self._now()
        spool, sequence = self._spool, self._fold.sequence + 1
        with spool.lock:  # whatever was written before the cut belongs to it, and nothing else does
            written = len(self._written)
            if not written and not self._fold.due(at):
                return
            is_full = self._remembering is None and spool.is_full(self._fold.units)
            is_next = spool.cut(sequence, at) and is_full and spool.next_segment(sequence)
        self._fold_written(written)
        self._unshipped.append(self._fold.cut(at))
        if is_next:
            self._remembering = spool.remembering(self._remembered(), sequence)

    def _ship(self, now: float) -> None:
        if now < self._next_try:
            return
        try:
            while self._unshipped:
                self._absorbed(self._unshipped[0])
                self._spool.forget(self._unshipped.popleft().sequence)
        except SurefootError as error:
            self._failures += 1
            self._next_try = now + min(self._pace.retry * 2 ** (self._failures - 1), 30.0)
            self._complain(f"the store does not take evidence: {error.message}")
            return
        self._failures = 0
        self._error = ""

    def _absorbed(self, delta: Delta) -> None:
        try:
            self._sink.absorb(delta)
        except Conflict:
            if self._sink.applied(delta.source) < delta.sequence:
                self._renumber()
                self._sink.absorb(self._unshipped[0])

    def _renumber(self) -> None:
        """The store has lost what it had applied (restored, deleted): what it lacks now comes from a new source."""
        source = self._fresh()
        waiting = [
            replace(delta, source=source, sequence=number) for number, delta in enumerate(self._unshipped, start=1)
        ]
        self._unshipped = deque(waiting)
        self._fold.source, self._fold.sequence = source, len(waiting)
        self._remembering = None
        self._spool.close(delete=True)
        self._spool = Spool(self._spools, source, segment_bytes=self._pace.segment)

    def _repair(self, now: float) -> None:
        """Bring the spool back into service, when that neither loses nor repeats anything."""
        if not self._spool.failure or now < self._next_repair or self._unshipped or not self._fold.is_empty:
            return
        self._next_repair = now + self._pace.repair
        self._spool.begin_again(self._remembered(), self._fold.sequence)

    def _adopt(self, now: float) -> None:
        if now >= self._next_adoption and not (self._adoption and self._adoption.is_alive()):
            self._next_adoption = now + self._pace.adopt
            self._adoption = threading.Thread(target=self._adopt_all, name="surefoot-adoption", daemon=True)
            self._adoption.start()

    def _adopt_all(self) -> None:
        def step() -> None:
            found = adopt_all(self._spools, self._sink, at=self._now(), pause=self._breathe)
            with self._losing:
                self._health = replace(self._health, adopted=self._health.adopted.plus(found))

        with suppress(SurefootError):  # the store is away: the next look will find the same spools
            step()

    def _remembered(self) -> Iterator[UnitState]:
        return map(unit_state, self._fold.remembered(self._breathe))

    def _report_losses(self) -> None:
        if (lost := self._lost) > self._reported:
            _log.warning(
                "%d runs were not counted: more than %d waited at once", lost - self._reported, self._pace.buffer
            )
            self._reported = lost

    def _breathe(self) -> None:
        """Let others have the interpreter, except when the process is about to end."""
        self._hurry.wait(_PAUSE)

    def _fresh(self) -> str:
        # Of random bits alone: a lock inside `Ids.new` may have been held by another thread at a fork.
        return f"{self._ids.seed():016x}"

    def _now(self) -> Nanos:
        return Nanos((self._clock.now() - _EPOCH) // _MICROSECOND * 1000)

    def _wall_now(self) -> int:
        return self._now() - perf_counter_ns()

    def _complain(self, what: str) -> None:
        if what != self._error:
            self._error = what
            _log.warning("%s", what)


def _putter(buffer: deque[Recordable], most: int, lose: Callable[[Recordable], None]) -> Callable[[Recordable], None]:
    append = buffer.append

    def put(item: Recordable) -> None:
        # A deque with a maxlen would drop the oldest without a word.
        if len(buffer) < most:
            append(item)
        else:
            lose(item)

    return put


@cache
def _survive_forks() -> WeakSet[Recorder]:
    """All recorders of this process; a child's begin anew."""
    recorders: WeakSet[Recorder] = WeakSet()

    def in_child() -> None:
        for recorder in recorders:
            recorder.after_fork()

    os.register_at_fork(after_in_child=in_child)
    return recorders
