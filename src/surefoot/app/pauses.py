"""Work that is told to stop ends between two steps, never in the middle of one."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime

from ..ports.clock import Clock

__all__ = ["Pauses"]


class Pauses:
    """
    A clock for work that is to stop between two steps: whoever is cancelled in the middle of a write leaves it to a
    connection that nobody closes, and the store stays locked for as long as the process lives.
    """

    def __init__(self, clock: Clock, task: asyncio.Task[None]) -> None:
        self._clock = clock
        self._task = task
        self._is_stopping = self._is_resting = False

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        if self._is_stopping:
            raise asyncio.CancelledError
        self._is_resting = True
        try:
            if seconds == math.inf:
                await asyncio.Event().wait()
            else:
                await self._clock.sleep(seconds)
        finally:
            self._is_resting = False

    def stop(self) -> None:
        """In the loop's thread: at once while it rests, else when it is about to."""
        self._is_stopping = True
        if self._is_resting:
            self._task.cancel()
