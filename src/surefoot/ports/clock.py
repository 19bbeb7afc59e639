"""Time, identity and chance: what a decision must be told, made once at the edge."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

__all__ = ["Clock", "Ids"]


class Clock(Protocol):
    """Wall time, and waiting for it."""

    def now(self) -> datetime:
        """The current instant, in UTC and with its zone set. May jump back; callers survive it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that much of this clock's time has passed."""
        ...


class Ids(Protocol):
    """Fresh names and fresh chance."""

    def new(self) -> str:
        """A fresh id. Ids sort by the time they were made."""
        ...

    def seed(self) -> int:
        """64 fresh random bits."""
        ...
