"""Small values to test with: a version, a plan, a rollout, a delta, a switch. Override what the test is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from ..core.artifact.version import AgentVersion, ModelRef, Prompt
from ..core.evidence.observation import Arm
from ..core.evidence.tally import ArmCounts, Count, Delta, DeltaKey
from ..core.lifecycle.rollout import Rollout
from ..core.traffic.kill import KillSwitch
from ..core.traffic.plan import Check, Plan, Stage
from ..core.units import ALL_TRAFFIC, AgentName, BasisPoints, Digest, RolloutId
from ..ports.store import ShadowPair

__all__ = [
    "AGENT",
    "CANDIDATE",
    "NOON",
    "PLAN",
    "STABLE",
    "after",
    "counts",
    "delta",
    "pair",
    "rollout",
    "switch",
    "version",
]

NOON: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""

_NONE: Final = Count()
AGENT: Final = AgentName("support-agent")
STABLE: Final = Digest("sha256:" + "5" * 64)
CANDIDATE: Final = Digest("sha256:" + "c" * 64)

_SUCCESS: Final = Check(metric="success")
PLAN: Final = Plan(
    stages=(
        Stage(name="canary", share=BasisPoints(100), checks=(_SUCCESS,)),
        Stage(name="everybody", share=ALL_TRAFFIC, checks=(_SUCCESS,)),
    )
)


def after(seconds: float) -> datetime:
    """That long after NOON."""
    return NOON + timedelta(seconds=seconds)


def version(
    label: str = "v1", *, system: str = "You answer questions about orders.", agent: AgentName = AGENT
) -> AgentVersion:
    """A version of an agent that differs from others by what it is told."""
    return AgentVersion(
        agent=agent, label=label, model=ModelRef(provider="test", name="model-1"), prompt=Prompt(system=system)
    )


def rollout(id: str = "r-1", *, agent: AgentName = AGENT, candidate: Digest = CANDIDATE, plan: Plan = PLAN) -> Rollout:
    """A rollout that has not started. Its seed needs all 64 bits."""
    return Rollout(
        id=RolloutId(id),
        agent=agent,
        stable=STABLE,
        candidate=candidate,
        plan=plan,
        seed=2**64 - 1,
        author="ada",
        created_at=NOON,
        entered_at=NOON,
    )


def switch(id: str = "k-1", *, tenant: str | None = None, at: datetime = NOON) -> KillSwitch:
    """A switch on everything of a tenant, or on everything."""
    return KillSwitch(id=id, tenant=tenant, reason="it leaks", author="ada", raised_at=at)


def counts(
    *,
    exposed: int = 0,
    failed: tuple[str, ...] = (),
    late: tuple[str, ...] = (),
    resolved: Count = _NONE,
    cost: int = 0,
) -> ArmCounts:
    """What one arm showed on `success`; `cost` units cost the amounts of buckets 3 and -2."""
    return ArmCounts(
        requests=exposed,
        assigned=exposed,
        exposed={"success": exposed} if exposed else {},
        failed={"success": failed} if failed else {},
        late={"success": late} if late else {},
        resolved={"success": resolved} if resolved.n else {},
        amounts={"cost": {3: cost, -2: 1}} if cost else {},
    )


def delta(
    sequence: int,
    arms: Mapping[Arm, ArmCounts],
    *,
    source: str = "s-1",
    rollout: str | None = "r-1",
    epoch: int = 1,
    at: datetime = NOON,
) -> Delta:
    """One shipment of one source for one epoch of one rollout; history without a rollout."""
    place = None if rollout is None else RolloutId(rollout)
    return Delta(
        source=source,
        sequence=sequence,
        at=at,
        counts={
            DeltaKey(AGENT, STABLE if arm is Arm.STABLE else CANDIDATE, place, epoch, arm): shown
            for arm, shown in arms.items()
        },
    )


def pair(
    run_id: str, *, unit: str = "u-1", stable: bool = False, candidate: bool = False, at: datetime = NOON
) -> ShadowPair:
    """A pair whose sides were bad, or not, on `success`."""
    return ShadowPair(
        rollout=RolloutId("r-1"),
        run_id=run_id,
        unit=unit,
        at=at,
        stable_bad={"success": stable, "policy": False},
        candidate_bad={"success": candidate, "safety": True},
        divergences=("an unrecorded call of refund",) if candidate else (),
        similarity=0.5,
        detail={"stable": {"tokens": 12}},
    )
