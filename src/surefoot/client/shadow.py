"""
Shadow runs: the candidate answers what stable has answered already, off the answer path, within bounds.

A shadow run starts when the user's run is over, so it can cost a user nothing but the machine's time; how much of that
is bounded by `ShadowLimits`. What exceeds a bound is dropped and counted, never queued without end.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from ..core.proof.pair import Answered, called, compare_answers
from ..core.units import RolloutId
from ..errors import Unavailable, UsageError
from ..ports.clock import Clock
from ..ports.store import ShadowPair
from .mirror import MirrorRun
from .mirrored import Mirrored
from .run import Run
from .shadow_budget import HourlyBudget
from .shadow_threads import MOST_HUNG, Threads

__all__ = ["Mirrored", "Shadow", "ShadowHealth", "ShadowLimits", "Ships"]

_log: Final = logging.getLogger("surefoot")
_AT_ONCE: Final = 200
"""Pairs that are given to the store at once."""

_SHOWN: Final = 2000
"""Characters of each answer that are kept for people to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLimits:
    """How much may be spent on answers nobody sees. Per process."""

    concurrency: int = 4
    """Shadow runs at the same time."""

    queue: int = 64
    """Runs that may wait for their turn; further ones are dropped."""

    runs_per_hour: int = 3600
    usd_per_hour: float | None = None
    """None: no limit. With a limit, a run whose cost is not recorded ends the mirroring for an hour: it is not free."""

    timeout: timedelta = timedelta(minutes=2)
    """After which the candidate has failed. A coroutine is cancelled; a thread cannot be, and is left behind."""

    pairs: int = 10_000
    """Pairs that may wait for a store that is away; further ones are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowHealth:
    """What became of mirrored requests."""

    paired: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    """
    By reason: `full` (too many runs or pairs wait), `budget`, `closed`, `stopped` (by a kill switch or an order while
    it waited), `broken` (not to be copied or compared), `long` (a stream), `unknown` (no version).
    """

    waiting: int = 0
    """Pairs that are not in the store yet."""


class Ships(Protocol):
    """Puts pairs into the store."""

    def __call__(self, rollout: RolloutId, pairs: Sequence[ShadowPair], dropped: int, /) -> None:
        """Blocks until they are there. Raises Unavailable; the same pairs may then be given again."""
        ...


class _Batch(NamedTuple):
    """What is given to the store at once, and given again as it was until the store has taken it."""

    rollout: RolloutId
    pairs: tuple[ShadowPair, ...]
    dropped: int


class _Turn:
    """A mirrored run that was admitted, until it has its pair or is given up."""

    __slots__ = ("job", "mirror", "overdue_at")

    def __init__(self, job: Mirrored) -> None:
        self.job = job
        self.mirror: MirrorRun | None = None
        self.overdue_at = math.inf
        """When it has taken too long in its thread. A coroutine is stopped by its own loop."""


class Shadow:
    """The shadow runs of one process. Thread-safe; a forked child begins anew, with `after_fork`."""

    def __init__(self, limits: ShadowLimits, *, ships: Ships, clock: Clock, every: float = 0.5) -> None:
        self.limits = limits
        self._ships = ships
        self._clock = clock
        self._every = every
        self._begin()

    def _begin(self) -> None:
        limits = self.limits
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._open: set[_Turn] = set()
        self._budget = HourlyBudget(runs=limits.runs_per_hour, usd=limits.usd_per_hour)
        self._ready: deque[ShadowPair] = deque()
        self._shipping = threading.Lock()
        self._batches: deque[_Batch] = deque()
        self._lost: Counter[RolloutId] = Counter()
        self._dropped: Counter[str] = Counter()
        self._paired = 0
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = Threads(limits.concurrency, self._in_thread)
        self._has_warned = False
        self._stop = threading.Event()
        self._shipper = threading.Thread(target=self._ship_for_ever, name="surefoot-pairs", daemon=True)
        self._shipper.start()

    @property
    def health(self) -> ShadowHealth:
        """How it is doing, now."""
        with self._lock:
            return ShadowHealth(paired=self._paired, dropped=dict(self._dropped), waiting=self._waiting())

    def offer(self, job: Mirrored) -> bool:
        """Have the candidate answer in a thread. False: dropped and counted. Costs the caller microseconds."""
        turn = self._admit(job)
        if turn is None:
            return False
        self._threads.put(turn)
        return True

    def offer_async(self, job: Mirrored) -> bool:
        """The same for a coroutine function, as a task of the running loop: its clients belong to that loop."""
        turn = self._admit(job)
        if turn is None:
            return False
        task = asyncio.get_running_loop().create_task(self._in_loop(turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(self._ended, turn))
        return True

    def drop(self, run: Run, reason: str) -> None:
        """A user's run that is to be mirrored cannot be."""
        with self._lock:
            self._drop(run, reason)

    def flush(self, timeout: float = 10.0) -> bool:
        """
        Wait until no shadow run is under way, then ship. False: not all of it within that many seconds.

        Raises Unavailable. From a coroutine call it with `asyncio.to_thread`: the loop has to go on for its shadow runs
        to end.
        """
        last = monotonic() + timeout
        with self._idle:
            is_idle = self._idle.wait_for(lambda: not self._open, timeout)
        return self._ship(last) and is_idle

    def close(self, timeout: float = 10.0) -> None:
        """Give up what is under way, and ship what is ready within that many seconds. Idempotent."""
        last = monotonic() + timeout
        with self._lock:
            if self._stop.is_set():
                return
            self._stop.set()
            given_up = list(self._open)
        self._threads.close()
        for turn in given_up:
            self._give_up(turn, "closed")
        with suppress(Unavailable):
            self._ship(last)

    def after_fork(self) -> None:
        """In the child: go on with threads of its own. Runs under way and pairs that wait are the parent's."""
        if not self._stop.is_set():
            self._begin()

    # --- bounds

    def _admit(self, job: Mirrored) -> _Turn | None:
        with self._lock:
            reason = self._refusal()
            if reason is not None:
                self._drop(job.run, reason)
                return None
            turn = _Turn(job)
            self._open.add(turn)
            return turn

    def _refusal(self) -> str | None:
        if self._stop.is_set():
            return "closed"
        if len(self._open) >= self.limits.concurrency + self.limits.queue:
            return "full"
        return "budget" if self._budget.is_used_up(monotonic()) else None

    def _drop(self, run: Run, reason: str) -> None:
        self._dropped[reason] += 1
        if run.route.rollout is not None:
            self._lost[run.route.rollout] += 1

    def _give_up(self, turn: _Turn, reason: str) -> None:
        """What was admitted will have no pair. Nothing happens where it has one, or was given up before."""
        with self._idle:
            if turn in self._open:
                self._open.discard(turn)
                self._drop(turn.job.run, reason)
                self._idle.notify_all()

    # --- running

    def _in_thread(self, turn: _Turn) -> None:
        if turn not in self._open or not self._may_begin(turn):  # given up before its turn came
            return
        try:
            mirror = self._begun(turn)
        except Exception as strange:  # noqa: BLE001 - stable's calls are the user's objects
            self._incomparable(turn, strange)
            return
        job, output, error = turn.job, None, None
        turn.overdue_at = monotonic() + self.limits.timeout.total_seconds()
        try:
            with mirror.current():
                output = job.function(job.version, job.request, mirror)
        except BaseException as raised:  # noqa: BLE001 - whatever it raises is an outcome of the candidate
            error = raised
        self._settle(turn, mirror, output, error)

    async def _in_loop(self, turn: _Turn) -> None:
        job, mirror = turn.job, self._begun(turn)
        output: object = None
        error: BaseException | None = None
        try:
            async with self._gate(), asyncio.timeout(self.limits.timeout.total_seconds()):
                if not self._may_begin(turn):
                    return
                with mirror.current():
                    output = await _awaitable(job.function(job.version, job.request, mirror))
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - and it may not end the user's loop either
            error = raised
        self._settle(turn, mirror, output, error)

    def _may_begin(self, turn: _Turn) -> bool:
        """Whether a kill switch, an abort or a later stage has not come before its turn."""
        if turn.job.run.is_still_mirrored:
            return True
        self._give_up(turn, "stopped")
        return False

    @staticmethod
    def _begun(turn: _Turn) -> MirrorRun:
        turn.mirror = MirrorRun.beside(turn.job.run, turn.job.version)
        return turn.mirror

    def _gate(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = asyncio.Semaphore(self.limits.concurrency)
        return gate

    def _ended(self, turn: _Turn, task: asyncio.Task[None]) -> None:
        """Whatever ended a task otherwise than with a pair, its place is free again."""
        if task.cancelled():  # by a closing loop, perhaps before its first step
            self._give_up(turn, "closed")
        elif (error := task.exception()) is not None:
            self._incomparable(turn, error)

    def _stop_waiting(self) -> None:
        """A thread cannot be stopped: what hangs in one has failed, and another thread takes its place."""
        now = monotonic()
        with self._lock:
            overdue = [turn for turn in self._open if turn.overdue_at < now]
        for turn in overdue:
            if not self._threads.replace(turn):
                if not self._has_warned:
                    self._has_warned = True
                    _log.warning("%d shadow runs hang in their threads; those threads are not replaced", MOST_HUNG)
                return
            if turn.mirror is not None:
                self._settle(turn, turn.mirror, None, TimeoutError())

    def _settle(self, turn: _Turn, mirror: MirrorRun, output: object, error: BaseException | None) -> None:
        try:
            mirror.ended(error)
            theirs = mirror.outcome(output, error)
            self._paired_up(turn, _pair(turn.job, theirs, self._clock), theirs.seen.cost)
        except Exception as strange:  # noqa: BLE001 - answers are the user's objects, and may raise when compared
            self._incomparable(turn, strange)

    def _incomparable(self, turn: _Turn, error: BaseException) -> None:
        _log.warning("a shadow run cannot be compared, and counts as dropped", exc_info=error)
        self._give_up(turn, "broken")

    def _paired_up(self, turn: _Turn, pair: ShadowPair | None, cost: int | None) -> None:
        with self._idle:
            if turn not in self._open:  # it took too long, or the shadow has been closed
                return
            self._open.discard(turn)
            self._idle.notify_all()
            self._budget.add(monotonic(), cost)
            if pair is None:
                return
            if self._waiting() >= self.limits.pairs:
                self._drop(turn.job.run, "full")
                return
            self._paired += 1
            self._ready.append(pair)

    # --- shipping

    def _waiting(self) -> int:
        return len(self._ready) + sum(len(batch.pairs) for batch in self._batches)

    def _ship_for_ever(self) -> None:
        stop = self._stop
        while not stop.wait(self._every):
            try:
                self._stop_waiting()
                self._ship(math.inf)
            except Unavailable:
                continue
            except Exception:  # noqa: BLE001 - this thread has to outlive whatever a store's engine comes up with
                _log.exception("shadow pairs could not be shipped; they are tried again")

    def _ship(self, last: float) -> bool:
        """Ship what is there, first what the store did not take before. False: not all of it in time."""
        if not self._shipping.acquire(timeout=min(max(0.0, last - monotonic()), threading.TIMEOUT_MAX)):
            return False
        try:
            if not self._send(last):
                return False
            self._cut()
            return self._send(last)
        finally:
            self._shipping.release()

    def _cut(self) -> None:
        """All that waits, in batches small enough to be written before the store's time is up."""
        with self._lock:
            by_rollout: dict[RolloutId, list[ShadowPair]] = {rollout: [] for rollout in self._lost}
            for pair in self._ready:
                by_rollout.setdefault(pair.rollout, []).append(pair)
            for rollout, pairs in by_rollout.items():
                dropped = self._lost.pop(rollout, 0)
                for start in range(0, max(1, len(pairs)), _AT_ONCE):
                    some = tuple(pairs[start : start + _AT_ONCE])
                    self._batches.append(_Batch(rollout, some, 0 if start else dropped))
            self._ready.clear()

    def _send(self, last: float) -> bool:
        while self._batches:
            if monotonic() > last:
                return False
            batch = self._batches[0]
            try:
                self._ships(*batch)
            except UsageError:  # it would refuse them for ever, and all others behind them
                _log.exception("the store refused %d shadow pairs; they count as dropped", len(batch.pairs))
                with self._lock:
                    self._dropped["broken"] += len(batch.pairs)
                    self._lost[batch.rollout] += len(batch.pairs) + batch.dropped
            with self._lock:
                self._batches.popleft()
        return True


def _pair(job: Mirrored, theirs: Answered, clock: Clock) -> ShadowPair | None:
    run, rollout = job.run, job.run.route.rollout
    if rollout is None:
        return None
    mine = Answered(
        output=job.output,
        seen=run.observation,
        calls=tuple(called(call.name, call.arguments) for call in run.tool_calls),
    )
    compared = compare_answers(mine, theirs)
    return ShadowPair(
        rollout=rollout,
        run_id=run.run_id,
        unit=run.unit,
        at=clock.now(),
        stable_bad=compared.stable_bad,
        candidate_bad=compared.candidate_bad,
        divergences=compared.divergences,
        similarity=compared.similarity,
        detail={
            "stable": _shown(job.output),
            "candidate": _shown(theirs.output),
            **{name: {"stable": a.stable, "candidate": a.candidate} for name, a in compared.amounts.items()},
        },
    )


def _shown(output: object) -> str | None:
    # half a character, as a cut stream leaves it, cannot be stored
    return None if output is None else str(output)[:_SHOWN].encode(errors="replace").decode()


async def _awaitable(result: Awaitable[object]) -> object:
    return await result
