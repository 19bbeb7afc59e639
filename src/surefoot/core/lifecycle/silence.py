"""What follows from hearing nothing, and from running out of time: the same for live stages and for shadow stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..evidence.tally import CLOSED_AT_LATEST
from ..evidence.verdict import Judgement, Why
from ..traffic.plan import NoTraffic, OnTimeout

if TYPE_CHECKING:
    from datetime import datetime

    from ..evidence.verdict import Look
    from ..traffic.plan import Plan, Stage

__all__ = ["STALE_AFTER", "silence", "timed_out"]

STALE_AFTER: Final = 3 * CLOSED_AT_LATEST
"""Three times the longest a tick stays open: with nothing closed since, nobody knows how users fare."""


def silence(plan: Plan, look: Look, last: datetime | None) -> tuple[Judgement, Why] | None:
    """
    What follows from how long ago evidence last arrived (`last`; None: never). None if it was recent enough.

    A stage that has just opened is given as much time as one that has just been heard from.
    """
    # What lies in the future was stamped by a clock that has been set back since: it says nothing about now.
    heard = [when for when in (last, look.entered_at) if when is not None and when <= look.at]
    quiet = look.at - max(heard) if heard else STALE_AFTER
    if quiet >= plan.no_traffic_after:
        rolls_back = plan.no_traffic is NoTraffic.ROLLBACK
        return (Judgement.BREACH if rolls_back else Judgement.HOLD), Why.NO_TRAFFIC
    return (Judgement.HOLD, Why.STALE) if quiet >= STALE_AFTER else None


def timed_out(stage: Stage, *, is_unsuspicious: bool) -> tuple[Judgement, Why]:
    """What the plan says about a stage whose time is over: promoted only where nothing points at harm."""
    if stage.on_timeout is OnTimeout.ROLLBACK:
        return Judgement.BREACH, Why.TIMED_OUT
    promotes = stage.on_timeout is OnTimeout.PROMOTE and is_unsuspicious
    return (Judgement.PASS, Why.UNPROVEN) if promotes else (Judgement.HOLD, Why.TIMED_OUT)
