"""
Shadow runs: the candidate answers what stable has answered already, off the answer path, within bounds.

A shadow run starts when the user's run is over, so it can cost a user nothing but the machine's time; how much of that
is bounded by `ShadowLimits`. What exceeds a bound is dropped and counted, never queued without end.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from ..core.proof.pair import Answered, called, compare_answers
from ..core.units import RolloutId
from ..errors import Unavailable
from ..ports.clock import Clock
from ..ports.store import ShadowPair
from .mirror import MirrorRun
from .mirrored import Mirrored
from .run import Run

__all__ = ["Mirrored", "Shadow", "ShadowHealth", "ShadowLimits", "Ships"]

_log: Final = logging.getLogger("surefoot")
_HOUR: Final = timedelta(hours=1).total_seconds()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowHealth:
    """What became of mirrored requests."""

    paired: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    """By reason: `full`, `budget`, `closed`, `broken` (not comparable), `long` (a stream), `unknown` (no version)."""

    waiting: int = 0
    """Pairs that are not in the store yet."""


class Ships(Protocol):
    """Puts pairs into the store."""

    def __call__(self, rollout: RolloutId, pairs: Sequence[ShadowPair], dropped: int, /) -> None:
        """Blocks until they are there. Raises Unavailable; the same pairs may then be given again."""
        ...


class Shadow:
    """The shadow runs of one process. Thread-safe."""

    def __init__(self, limits: ShadowLimits, *, ships: Ships, clock: Clock, every: float = 0.5) -> None:
        self.limits = limits
        self._ships = ships
        self._clock = clock
        self._every = every
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._pending = 0
        self._spent: deque[tuple[float, float]] = deque()
        self._unpriced_until = 0.0
        self._ready: deque[ShadowPair] = deque(maxlen=10_000)
        self._lost: Counter[RolloutId] = Counter()
        self._dropped: Counter[str] = Counter()
        self._paired = 0
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(limits.concurrency, thread_name_prefix="surefoot-shadow")
        self._stop = threading.Event()
        self._shipper = threading.Thread(target=self._ship_for_ever, name="surefoot-pairs", daemon=True)
        self._shipper.start()

    @property
    def health(self) -> ShadowHealth:
        """How it is doing, now."""
        with self._lock:
            return ShadowHealth(paired=self._paired, dropped=dict(self._dropped), waiting=len(self._ready))

    def offer(self, job: Mirrored) -> bool:
        """Have the candidate answer in a thread. False: dropped and counted. Costs the caller microseconds."""
        if not self._admit(job):
            return False
        try:
            running = self._pool.submit(self._in_thread, job)
        except RuntimeError:  # closed since it was admitted, or the program is ending
            self._give_up(job, "closed")
            return False
        running.add_done_callback(partial(self._ended, job))
        return True

    def offer_async(self, job: Mirrored) -> bool:
        """The same for a coroutine function, as a task of the running loop: its clients belong to that loop."""
        if not self._admit(job):
            return False
        task = asyncio.get_running_loop().create_task(self._in_loop(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(self._ended, job))
        return True

    def drop(self, run: Run, reason: str) -> None:
        """A user's run that is to be mirrored cannot be."""
        with self._lock:
            self._drop(run, reason)

    def flush(self, timeout: float = 10.0) -> bool:
        """
        Wait until no shadow run is under way, then ship. False: some still are. Raises Unavailable.

        From a coroutine call it with `asyncio.to_thread`: the loop has to go on for its shadow runs to end.
        """
        with self._idle:
            is_idle = self._idle.wait_for(lambda: not self._pending, timeout)
        self._ship()
        return is_idle

    def close(self) -> None:
        """Give up what has not begun, wait for nothing that runs, ship what is ready. Idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with suppress(Unavailable):
            self._ship()

    # --- bounds

    def _admit(self, job: Mirrored) -> bool:
        with self._lock:
            reason = self._refusal()
            if reason is None:
                self._pending += 1
                return True
            self._drop(job.run, reason)
            return False

    def _refusal(self) -> str | None:
        if self._stop.is_set():
            return "closed"
        if self._pending >= self.limits.concurrency + self.limits.queue:
            return "full"
        now = monotonic()
        while self._spent and self._spent[0][0] < now - _HOUR:
            self._spent.popleft()
        dear = self.limits.usd_per_hour
        spent = sum(usd for _, usd in self._spent)
        if len(self._spent) >= self.limits.runs_per_hour or (dear is not None and spent >= dear):
            return "budget"
        return "budget" if now < self._unpriced_until else None

    def _drop(self, run: Run, reason: str) -> None:
        self._dropped[reason] += 1
        if run.route.rollout is not None:
            self._lost[run.route.rollout] += 1

    def _give_up(self, job: Mirrored, reason: str) -> None:
        """What was admitted will have no pair."""
        with self._idle:
            self._pending -= 1
            self._drop(job.run, reason)
            self._idle.notify_all()

    # --- running

    def _ended(self, job: Mirrored, running: Future[None] | asyncio.Task[None]) -> None:
        """Whatever ended it otherwise than with a pair, its place is free again."""
        if running.cancelled():  # by a closing shadow or loop, perhaps before its first step
            self._give_up(job, "closed")
        elif (error := running.exception()) is not None:
            _log.warning("a shadow run cannot be compared, and counts as dropped", exc_info=error)
            self._give_up(job, "broken")

    def _in_thread(self, job: Mirrored) -> None:
        mirror = MirrorRun.beside(job.run, job.version)
        output: object = None
        error: BaseException | None = None
        try:
            with mirror.current():
                output = job.function(job.version, job.request, mirror)
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever it raises is an outcome of the candidate
            error = raised
        self._paired_up(job, mirror, output, error)

    async def _in_loop(self, job: Mirrored) -> None:
        mirror = MirrorRun.beside(job.run, job.version)
        output: object = None
        error: BaseException | None = None
        try:
            async with self._gate(), asyncio.timeout(self.limits.timeout.total_seconds()):
                with mirror.current():
                    output = await _awaitable(job.function(job.version, job.request, mirror))
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - and it may not end the user's loop either
            error = raised
        self._paired_up(job, mirror, output, error)

    def _gate(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = asyncio.Semaphore(self.limits.concurrency)
        return gate

    def _paired_up(self, job: Mirrored, mirror: MirrorRun, output: object, error: BaseException | None) -> None:
        mirror.ended(error)
        theirs = mirror.outcome(output, error)
        pair = _pair(job, theirs, self._clock)
        with self._idle:
            self._pending -= 1
            self._idle.notify_all()
            cost = theirs.seen.cost
            if cost is None and self.limits.usd_per_hour is not None:
                self._unpriced_until = monotonic() + _HOUR
            self._spent.append((monotonic(), (cost or 0) / 1_000_000))
            if pair is not None:
                self._paired += 1
                self._ready.append(pair)

    # --- shipping

    def _ship_for_ever(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._ship()
            except Unavailable:
                continue
            except Exception:  # noqa: BLE001 - this thread has to outlive whatever a store's engine comes up with
                _log.exception("shadow pairs could not be shipped; they are tried again")

    def _ship(self) -> None:
        with self._lock:
            pairs, lost = list(self._ready), Counter(self._lost)
        for rollout in {pair.rollout for pair in pairs} | set(lost):
            mine = [pair for pair in pairs if pair.rollout == rollout]
            self._ships(rollout, mine, lost[rollout])
            with self._lock:
                for pair in mine:
                    with suppress(ValueError):
                        self._ready.remove(pair)
                self._lost[rollout] -= lost[rollout]
                if not self._lost[rollout]:
                    del self._lost[rollout]


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
    return None if output is None else str(output)[:_SHOWN]


async def _awaitable(result: Awaitable[object]) -> object:
    return await result
