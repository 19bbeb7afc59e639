"""When a rollout may not advance. A freeze never keeps it from protecting anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

__all__ = ["FreezeWindow", "frozen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeWindow:
    """No advance while all its filled-in fields match the local time of `zone`."""

    name: str
    zone: str = "UTC"
    weekdays: frozenset[int] = frozenset()
    """0 is Monday. Empty: every day. With hours past midnight, the day the window began on counts."""

    start: time | None = None
    end: time | None = None
    """Half-open [start, end); an end before its start runs past midnight."""

    first: date | None = None
    last: date | None = None
    """Dates, both inclusive."""


def frozen(windows: tuple[FreezeWindow, ...], at: datetime) -> FreezeWindow | None:
    """The first window that covers the instant, or None."""
    return next((window for window in windows if _covers(window, at)), None)


def _covers(window: FreezeWindow, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(window.zone))
    day, clock = local.date(), local.time()
    if window.start is not None and window.end is not None:
        overnight = window.end <= window.start
        if overnight and clock < window.end:
            day = date.fromordinal(day.toordinal() - 1)
        elif clock < window.start or (not overnight and clock >= window.end):
            return False
    return (
        (not window.weekdays or day.weekday() in window.weekdays)
        and (window.first is None or day >= window.first)
        and (window.last is None or day <= window.last)
    )
