"""The values of a rollout: its row, what can happen to it, what it asks the world to do. `machine` moves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..evidence.tally import History
from ..evidence.verdict import Look, Verdict, Why
from ..traffic.plan import Plan, Stage
from ..traffic.route import Split
from ..units import ALL_TRAFFIC, NO_TRAFFIC, AgentName, BasisPoints, Digest, RolloutId

__all__ = [
    "Abort",
    "Approve",
    "AskApproval",
    "Bless",
    "Effect",
    "Event",
    "Judged",
    "Kill",
    "Notify",
    "Pause",
    "Phase",
    "Promote",
    "Reject",
    "Resume",
    "Rollout",
    "ShiftTraffic",
    "Start",
    "Supersede",
    "Transition",
    "WarmthEnded",
    "traffic_of",
]


class Phase(StrEnum):
    """Where a rollout is in its life."""

    QUEUED = "queued"
    """Waits for the rollout before it to end."""

    RUNNING = "running"
    WAITING = "waiting"
    """For a person's approval of the next stage; the present stage goes on, watched."""

    PAUSED = "paused"
    WARM = "warm"
    """At 100 %, the old version kept ready and the new one still watched."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"

    @property
    def is_final(self) -> bool:
        """Nothing moves it any more."""
        return self in (Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One candidate on its way to replacing one stable version. Everything a resume needs is in here."""

    id: RolloutId
    agent: AgentName
    stable: Digest
    candidate: Digest
    plan: Plan
    seed: int
    """64 random bits, minted once: buckets are computed from it for the whole life of the rollout."""

    hash: str = "xxh3_64"
    """The bucketing algorithm, written down so that nothing is ever re-bucketed."""

    phase: Phase = Phase.QUEUED
    opened: int = 0
    """How many stages have been opened. The open one is `plan.stages[opened - 1]`."""

    epoch: int = 0
    """Grows whenever arms, shares or phase change; a unit's evidence belongs to the epoch it was assigned in."""

    author: str
    created_at: datetime
    entered_at: datetime
    """When the present stage, or the present phase if later, began: the advance clock."""

    note: str = ""
    """Why the last step was taken, for people. Nothing reads it."""

    held: Why | None = None
    """What keeps it where it is and will not end by waiting. In older trails only the note says so."""

    @property
    def stage(self) -> Stage | None:
        """The open stage, or None before the first."""
        return self.plan.stages[self.opened - 1] if self.opened else None

    @property
    def share(self) -> BasisPoints:
        """The candidate's share of answered traffic right now."""
        if self.phase is Phase.PROMOTED:
            return ALL_TRAFFIC
        if self.stage is None or self.phase in (Phase.QUEUED, Phase.ROLLED_BACK, Phase.ABORTED):
            return NO_TRAFFIC
        if self.phase is Phase.WARM:
            return BasisPoints(ALL_TRAFFIC - self.plan.holdback)
        return self.stage.share

    @property
    def is_shadowing(self) -> bool:
        """Stable's requests are mirrored to the candidate, whose answers nobody sees."""
        return (
            self.stage is not None and self.stage.shadow and self.phase in (Phase.RUNNING, Phase.WAITING, Phase.PAUSED)
        )


def traffic_of(rollout: Rollout) -> Split | None:
    """What routers know of a rollout; None where it has no part in answering or shadowing anybody."""
    stage = rollout.stage
    if stage is None or rollout.phase is Phase.QUEUED or rollout.phase.is_final:
        return None
    return Split(
        rollout=rollout.id,
        stage=stage.name,
        candidate=rollout.candidate,
        share=rollout.share,
        epoch=rollout.epoch,
        seed=rollout.seed,
        unit=rollout.plan.unit,
        control=rollout.plan.control,
        targeting=rollout.plan.targeting,
        shadow=rollout.plan.shadow_sample if rollout.is_shadowing else NO_TRAFFIC,
        session_idle=rollout.plan.session_idle,
    )


# --- what can happen to a rollout: orders of people, facts from the world


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Open the first stage."""

    by: str
    stable: Digest | None = None
    """The agent's stable version at this moment: whom the candidate is compared with. None: as the row says."""

    history: History | None = None
    """What that version showed before: frozen here, so that every look, now and in an audit, starts from the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The controller looked at the evidence."""

    verdict: Verdict
    look: Look
    """With the ticks up to `verdict.tick`, all it takes to reach the verdict again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """A person agreed to the next stage. Only accepted while one is asked for, and only for the candidate named."""

    by: str
    candidate: Digest
    stage: str = ""
    """The stage agreed to, so that a late approval cannot open a later stage. Empty: the one asked for now."""

    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A person refused the next stage: the candidate goes back."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop advancing. Shares stay, protection stays."""

    by: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on where it stopped."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Give the candidate all traffic now, on a person's word."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Take the candidate out now, on a person's word."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill switch covers the candidate everywhere."""

    switch: str
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Supersede:
    """A newer candidate takes this one's place."""

    by: str
    candidate: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmthEnded:
    """`keep_warm` has passed without harm."""

    verdict: Verdict | None = None
    look: Look | None = None
    """What the last look of the warmth saw, so that the end can be re-checked. None in older trails."""


Event = Start | Judged | Approve | Reject | Pause | Resume | Promote | Abort | Kill | Supersede | WarmthEnded


# --- what a rollout asks the world to do


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTraffic:
    """Ring the doorbell: routers read the new share. Traffic itself moved with the row."""

    share: BasisPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class AskApproval:
    """Tell the approvers that a stage waits for them."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell whoever listens."""

    what: str
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bless:
    """Make what this version showed in its suites the baseline of later ones."""

    agent: AgentName
    version: Digest


Effect = ShiftTraffic | AskApproval | Notify | Bless


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """
    What changed, on what grounds, and what has to be done about it. Written to the audit trail as it is.

    The store writes row, audit record, effects, stable version and deny list in one transaction.
    """

    before: Rollout
    event: Event
    after: Rollout
    effects: tuple[Effect, ...]
    at: datetime
    stable: Digest | None = None
    """The agent's stable version from now on, where this step decides it."""

    deny: Digest | None = None
    """A digest that only a person may bring back."""

    @property
    def is_step(self) -> bool:
        """Whether anything changed at all; looks that change nothing are not written."""
        return self.before != self.after
