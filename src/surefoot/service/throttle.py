"""How many calls an endpoint gets at once: more while it keeps up, half as many when it says that it does not."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

__all__ = ["Throttle"]

_START: Final = 4.0


class Throttle:
    """
    Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP shares a line. For one event loop.

    It starts with four calls and adds one for each that ends well, until the endpoint is overloaded for the first time;
    from then on one for each round. A round's overload counts once: calls that were made before the last decrease say
    nothing about the present number.
    """

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = min(_START, self._most)
        self._started = False
        self._round = 0
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Calls at once, at present."""
        return int(self._limit)

    def try_acquire(self) -> int | None:
        """A place, if there is one without waiting. Returns the round, for `release`."""
        if self._waiting or self._under_way >= int(self._limit):
            return None
        self._under_way += 1
        return self._round

    async def acquire(self) -> int:
        """Wait for a place; first come, first served. Returns the round, for `release`."""
        free = self.try_acquire()
        if free is not None:
            return free
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._under_way -= 1  # the place was given to whoever left
                self._admit()
            raise
        return self._round

    def release(self, round_: int, *, overloaded: bool = False) -> None:
        """Give the place back, and say how it went."""
        self._under_way -= 1
        if not overloaded:
            if self._limit < self._most:
                self._limit = min(self._most, self._limit + (1 / self._limit if self._started else 1))
        elif round_ == self._round:
            self._limit = max(1.0, self._limit / 2)
            self._started = True
            self._round += 1
        if self._waiting:
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._under_way < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._under_way += 1
                place.set_result(None)
