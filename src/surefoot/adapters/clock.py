"""The machine's own clock and chance. The only place in surefoot where time, ids and random bits are made."""

from __future__ import annotations

import asyncio
import secrets
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from ..ports.clock import Clock

__all__ = ["SystemClock", "SystemIds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: sorts as the numbers do, and holds no letter that is mistaken for a digit."""

_RANDOM_BITS: Final = 80
_LENGTH: Final = 26


class SystemClock:
    """Wall time in UTC; waiting on the running event loop."""

    def now(self) -> datetime:
        """The current instant. May jump back when the machine's clock is set."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds, whatever the wall clock does meanwhile."""
        await asyncio.sleep(seconds)


class SystemIds:
    """
    Ids of 26 characters: 48 bits of milliseconds, then 80 random bits (the ULID layout).

    Ids of one instance never repeat and always ascend, also within a millisecond and when the clock jumps back; those
    of several processes sort by time and collide with probability 2**-80. May be shared by threads.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._last = 0
        self._lock = threading.Lock()

    def new(self) -> str:
        """A fresh id."""
        millis = (self._clock.now() - _EPOCH) // timedelta(milliseconds=1)
        fresh = (millis << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        with self._lock:
            self._last = fresh if fresh > self._last else self._last + 1
            number = self._last
        return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(_LENGTH)))

    def seed(self) -> int:
        """64 fresh random bits."""
        return secrets.randbits(64)
