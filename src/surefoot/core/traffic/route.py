"""Which version answers this request, which one only listens, and why. The pure form; `compiled` is the fast one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from ..evidence.observation import Arm
from ..units import NO_TRAFFIC, AgentName, BasisPoints, Digest, Revision, RolloutId
from .kill import KillSwitch
from .plan import EVERYBODY, Control, Targeting, UnitKind

__all__ = ["AgentTraffic", "Reason", "Request", "Route", "Snapshot", "Split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What routing may look at. Nothing of the conversation itself. An empty field is one the caller does not know."""

    agent: AgentName
    user: str = ""
    session: str = ""
    tenant: str = ""
    feature: str = ""
    segment: str = ""
    request: str = ""
    """An id of this very request, for `unit: request`."""

    pin: str = ""
    """The pin of an earlier turn of this conversation, from `Route.pin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The live part of a rollout: who shares traffic with whom, and how much."""

    rollout: RolloutId
    stage: str
    candidate: Digest
    share: BasisPoints
    epoch: int
    seed: int
    unit: UnitKind
    control: Control = Control.REST
    targeting: Targeting = EVERYBODY
    shadow: BasisPoints = NO_TRAFFIC
    """Share of stable's units that are mirrored to the candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTraffic:
    """Everything routing knows of one agent."""

    agent: AgentName
    stable: Digest
    split: Split | None = None
    pins: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    """Tenants nailed to a version by a person."""

    opted_out: frozenset[str] = frozenset()
    """Tenants that never take part in a rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything routing depends on, at one revision. Same snapshot and request, same route."""

    revision: Revision = Revision(0)
    agents: Mapping[AgentName, AgentTraffic] = field(default_factory=lambda: MappingProxyType({}))
    kills: tuple[KillSwitch, ...] = ()


class Reason(StrEnum):
    """Why the route is what it is, in order of precedence."""

    KILLED = "killed"
    """The version this request would get is killed, and so is stable: nothing is served. A stable that is killed is
    never replaced by an unproven candidate."""

    CANDIDATE_KILLED = "candidate_killed"
    """A switch covers the candidate, so stable answers."""

    PINNED = "pinned"
    """The tenant is nailed to this version."""

    CONVERSATION = "conversation"
    """An earlier turn of this conversation was answered by this version."""

    OPTED_OUT = "opted_out"
    NOT_TARGETED = "not_targeted"
    ALLOWED = "allowed"
    DENIED = "denied"
    NO_UNIT = "no_unit"
    """The request lacks the id that the plan buckets by, so stable answers and nothing is analysed."""

    CANDIDATE = "candidate"
    CONTROL = "control"
    OUTSIDE = "outside"
    """Neither in the candidate's slice nor in the mirrored control's."""

    NO_ROLLOUT = "no_rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The decision. `serve` is None when a kill switch leaves no version."""

    agent: AgentName
    serve: Digest | None
    shadow: Digest | None = None
    reason: Reason
    arm: Arm = Arm.STABLE
    randomised: bool = False
    """Only randomised units are analysed."""

    revision: Revision
    rollout: RolloutId | None = None
    stage: str = ""
    epoch: int = 0
    kill: KillSwitch | None = None
    """The switch to name to people, where one decided."""
