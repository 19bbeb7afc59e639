"""Time that moves when told to, and ids and chance that are the same in every run."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from typing import Final

from ..ports.clock import Clock

__all__ = ["MONDAY_NOON", "FastClock", "ManualClock", "SequentialIds"]

MONDAY_NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)

_TURNS: Final = 100
"""How often the event loop turns before time goes on: more than any service here needs to come to rest in memory."""


class ManualClock:
    """
    A clock for tests. `advance` moves it at once; `run` lets time pass, waking every sleeper at its own instant.

    Waiting is measured in passed time, as on a real machine: a wall clock that `jump`s back delays nobody.
    """

    def __init__(self, start: datetime = MONDAY_NOON) -> None:
        self._now = start
        self._passed = timedelta(0)
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now(self) -> datetime:
        """The current instant."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` or `run` has let that much time pass."""
        waking = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleepers, (self._passed + timedelta(seconds=seconds), self._slept, waking))
        await waking

    def jump(self, by: timedelta) -> None:
        """Set the wall clock forward or back, as an administrator does. No time passes."""
        self._now += by

    def advance(self, by: timedelta) -> None:
        """Let time pass at once. Whoever's sleep is over wakes when the event loop turns next."""
        self._now += by
        self._passed += by
        while self._sleepers and self._sleepers[0][0] <= self._passed:
            _, _, waking = heapq.heappop(self._sleepers)
            if not waking.done():
                waking.set_result(None)

    async def run(self, by: timedelta) -> None:
        """Let time pass sleeper by sleeper: everyone wakes at the right instant and is done before time goes on."""
        end = self._passed + by
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.advance(max(self._sleepers[0][0] - self._passed, timedelta(0)))
            await self.settle()
        self.advance(end - self._passed)
        await self.settle()

    async def settle(self) -> None:
        """Let every task do what it can do now."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)


class FastClock:
    """Another clock's time, running faster: for demonstrations, where a rollout of hours is watched in a minute."""

    def __init__(self, clock: Clock, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"a speed is a positive number, got {speed}")
        self._clock = clock
        self._start = clock.now()
        self._speed = speed

    def now(self) -> datetime:
        """The start, and since then every second counts as `speed` seconds."""
        return self._start + (self._clock.now() - self._start) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Return when that much of this clock's time has passed."""
        await self._clock.sleep(seconds / self._speed)


class SequentialIds:
    """Ids 1, 2, 3 ... behind a prefix, and seeds that are well mixed and the same in every run."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._made = 0
        self._seeded = 0

    def new(self) -> str:
        """The next id. Sorts by the time it was made."""
        self._made += 1
        return f"{self._prefix}-{self._made:06d}"

    def seed(self) -> int:
        """The next of a fixed sequence of 64-bit numbers (splitmix64)."""
        self._seeded += 1
        mixed = (self._seeded * 0x9E3779B97F4A7C15) % 2**64
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
        return mixed ^ (mixed >> 31)
