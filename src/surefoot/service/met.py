"""Who met the candidate: all who were given it, whatever became of them, in closed ticks and in those still open."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.traffic.plan import UnitKind
from ..core.units import RolloutId
from ..ports.store import Evidence

__all__ = ["Met", "met"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """How many units were given each version: each once, but for those that several processes served."""

    unit: UnitKind
    stable: int
    candidate: int

    @property
    def words(self) -> str:
        """In a sentence: "33 sessions met the candidate, 2,743 met stable"."""
        plural = "" if self.candidate == 1 else "s"
        return f"{self.candidate:,} {self.unit}{plural} met the candidate, {self.stable:,} met stable"


async def met(rollout: RolloutId, unit: UnitKind, *, store: Evidence) -> Met:
    """As of now. A rollout that is over closes no more ticks, so what waits in open ones is counted too."""
    waiting = await store.open_ticks(rollout)  # first: a tick that is closed meanwhile is rather counted twice than not
    ticks = await store.ticks(rollout)
    return Met(
        unit=unit,
        stable=sum(tick.stable.assigned for tick in ticks) + sum(tick.assigned_stable for tick in waiting),
        candidate=sum(tick.candidate.assigned for tick in ticks) + sum(tick.assigned_candidate for tick in waiting),
    )
