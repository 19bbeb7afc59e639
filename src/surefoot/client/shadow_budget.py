"""How many shadow runs an hour may see, and what they may cost."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Final

__all__ = ["HourlyBudget"]

_HOUR: Final = timedelta(hours=1).total_seconds()
_MICRO: Final = 1_000_000


class HourlyBudget:
    """What was spent within the last hour, held against limits. Not thread-safe; `now` is a monotonic time."""

    def __init__(self, *, runs: int, usd: float | None) -> None:
        self._runs = runs
        self._most = None if usd is None else round(usd * _MICRO)
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0
        self._unpriced_until = 0.0

    def is_used_up(self, now: float) -> bool:
        """Whether nothing more may be spent."""
        while self._spent and self._spent[0][0] < now - _HOUR:
            self._total -= self._spent.popleft()[1]
        if len(self._spent) >= self._runs or (self._most is not None and self._total >= self._most):
            return True
        return now < self._unpriced_until

    def add(self, now: float, cost: int | None) -> None:
        """One run and its micro-dollars. Where money is limited, a run of unknown cost uses up the next hour."""
        if cost is None and self._most is not None:
            self._unpriced_until = now + _HOUR
        self._spent.append((now, cost or 0))
        self._total += cost or 0
