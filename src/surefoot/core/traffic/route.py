"""
Which version answers this request, which one only listens, and why. The pure form; `compiled` is the fast one.

Precedence: kill > pin > split > stable. In detail, first match wins:

 1. a tenant nailed to a version gets it (killed there: stable answers);
 2. no rollout: stable answers;
 3. a candidate killed for this request answers nobody, and nobody here is analysed, so that both arms lose the same;
 4. opted-out tenants and denied units get stable;
 5. a conversation goes on with the version, arm and epoch of its first turn, while that version is still here;
 6. allowed units get the candidate, unanalysed;
 7. who is not targeted, or has no unit id, gets stable;
 8. the unit's bucket decides.

Wherever stable should answer and is killed, nobody answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import Final

from ...errors import UnknownName
from ..evidence.observation import Arm
from ..units import NO_TRAFFIC, AgentName, BasisPoints, Digest, Revision, RolloutId, UnitKey
from .bucket import Purpose, bucket, control_arc, cut, sampled
from .conversation import Pin, read_pin, write_pin
from .kill import KillSwitch, covering
from .plan import EVERYBODY, Control, Targeting, UnitKind

__all__ = [
    "AgentTraffic",
    "Reason",
    "Request",
    "Route",
    "Scene",
    "Snapshot",
    "Split",
    "decide",
    "route",
    "still_mirrors",
    "unit_of",
]

_NEVER: Final = Revision(0)
_NOBODY: Final[Mapping[str, Digest]] = {}
"""One for all who have none; a plain dict, because everything that writes values knows how to write one."""


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
    """An id of this very request: the unit for `unit: request`, and for a request outside any session."""

    pin: str = ""
    """The pin of an earlier turn of this conversation, from `Route.pin`. A text that is no pin counts as none."""


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

    session_idle: timedelta = timedelta(minutes=30)
    """How long a unit has to be silent until its outcome is final; recorders count by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTraffic:
    """Everything routing knows of one agent."""

    agent: AgentName
    stable: Digest
    split: Split | None = None
    pins: Mapping[str, Digest] = field(default_factory=lambda: _NOBODY)
    """Tenants nailed to a version by a person."""

    opted_out: frozenset[str] = frozenset()
    """Tenants that never take part in a rollout."""

    revision: Revision = field(default=_NEVER, compare=False)
    """The store's revision when this was last written. Two values that route alike are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything routing depends on, at one revision. Same snapshot and request, same route."""

    revision: Revision = _NEVER
    agents: Mapping[AgentName, AgentTraffic] = field(default_factory=lambda: MappingProxyType({}))
    kills: tuple[KillSwitch, ...] = ()


class Reason(StrEnum):
    """Why the route is what it is."""

    KILLED = "killed"
    """The version this request would get is killed, and so is stable: nothing is served. A stable that is killed is
    never replaced by an unproven candidate."""

    PINNED_KILLED = "pinned_killed"
    """A switch covers the version that the tenant is nailed to, so stable answers."""

    CANDIDATE_KILLED = "candidate_killed"
    """A switch covers the candidate here, so stable answers."""

    PINNED = "pinned"
    """The tenant is nailed to this version."""

    OPTED_OUT = "opted_out"
    DENIED = "denied"
    CONVERSATION = "conversation"
    """An earlier turn of this conversation was answered by this version."""

    ALLOWED = "allowed"
    NOT_TARGETED = "not_targeted"
    NO_UNIT = "no_unit"
    """The request lacks the id that the plan buckets by, so stable answers and nothing is analysed."""

    CANDIDATE = "candidate"
    CONTROL = "control"
    OUTSIDE = "outside"
    """Neither in the candidate's slice nor in the mirrored control's, or assigned to no arm by whoever assigns."""

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
    """The revision of the agent's traffic that was decided on. A deciding switch is named in `kill`."""

    rollout: RolloutId | None = None
    stage: str = ""
    """The stage the rollout is in now; a conversation may keep an earlier epoch."""

    epoch: int = 0
    kill: KillSwitch | None = None
    """The switch to name to people, where one decided."""

    @property
    def pin(self) -> str:
        """For the conversation's next turn, in `Request.pin`. Empty when nothing was served."""
        if self.serve is None:
            return ""
        return write_pin(Pin(self.serve, self.arm, self.randomised, self.epoch, self.rollout))


def route(snapshot: Snapshot, request: Request) -> Route:
    """Decide. Raises UnknownName for an agent that has never had traffic."""
    traffic = snapshot.agents.get(request.agent)
    if traffic is None:
        raise UnknownName("agent", request.agent, tuple(islice(snapshot.agents, 20)))
    return decide(traffic, snapshot.kills, request)


def decide(traffic: AgentTraffic, kills: tuple[KillSwitch, ...], request: Request) -> Route:
    """The route of one agent's request. `kills` may hold switches of other agents."""
    scene = Scene(traffic, kills, request)
    nailed = traffic.pins.get(request.tenant)
    if nailed is not None:
        kill = scene.switch(nailed)
        return scene.stable(Reason.PINNED_KILLED, kill) if kill else scene.chosen(nailed, Reason.PINNED)
    split = traffic.split
    if split is None:
        return scene.stable(Reason.NO_ROLLOUT)
    kill = scene.switch(split.candidate)
    if kill is not None:
        return scene.stable(Reason.CANDIDATE_KILLED, kill)
    if request.tenant in traffic.opted_out:
        return scene.stable(Reason.OPTED_OUT)
    return _enrol(scene, split, request)


def _enrol(scene: Scene, split: Split, request: Request) -> Route:
    """The route of a request whose tenant takes part in a rollout that goes on."""
    targeting, unit = split.targeting, unit_of(split.unit, request)
    if unit in targeting.deny:
        return scene.stable(Reason.DENIED)
    targeted = (not targeting.tenants or request.tenant in targeting.tenants) and (
        not targeting.segments or request.segment in targeting.segments
    )
    shadowed = bool(unit) and targeted and sampled(unit, split.seed, Purpose.SHADOW, split.shadow)
    kept = scene.kept(split, request.pin, shadowed=shadowed)
    if kept is not None:
        return kept
    if unit in targeting.allow:
        return scene.chosen(split.candidate, Reason.ALLOWED)
    if not targeted:
        return scene.stable(Reason.NOT_TARGETED)
    if not unit:
        return scene.stable(Reason.NO_UNIT)
    return scene.drawn(split, _arm(split, unit, request.segment), shadowed=shadowed)


def unit_of(kind: UnitKind, request: Request) -> UnitKey:
    """What the plan buckets and counts this request by; empty if the caller did not say. No session: one of its own."""
    match kind:
        case UnitKind.USER:
            return UnitKey(request.user)
        case UnitKind.SESSION:
            return UnitKey(request.session or request.request)
        case UnitKind.TENANT:
            return UnitKey(request.tenant)
        case UnitKind.REQUEST:
            return UnitKey(request.request)


def _arm(split: Split, unit: UnitKey, segment: str) -> Reason:
    """The arm of a unit that takes part: CANDIDATE, CONTROL or OUTSIDE."""
    if split.targeting.cohort and split.share:
        if not segment:
            return Reason.OUTSIDE
        return Reason.CANDIDATE if segment == split.targeting.cohort else Reason.CONTROL
    point = bucket(unit, split.seed, Purpose.ENROL)
    if point < cut(split.share):
        return Reason.CANDIDATE
    arc = control_arc(split.control, split.share)
    return Reason.CONTROL if arc.start <= point < arc.stop else Reason.OUTSIDE


class Scene:
    """One request before one agent's traffic, and the ways to answer it."""

    __slots__ = ("_kills", "_request", "_stable_kill", "_traffic")

    def __init__(self, traffic: AgentTraffic, kills: tuple[KillSwitch, ...], request: Request) -> None:
        self._traffic = traffic
        self._kills = kills
        self._request = request
        self._stable_kill = self.switch(traffic.stable)

    def switch(self, version: Digest) -> KillSwitch | None:
        """The switch that keeps a version from answering this request."""
        if not self._kills:
            return None
        request = self._request
        return covering(
            self._kills, agent=self._traffic.agent, version=version, feature=request.feature, tenant=request.tenant
        )

    def chosen(self, version: Digest, reason: Reason) -> Route:
        """By a version that a person chose for this request: seen, never analysed."""
        split, stable = self._traffic.split, self._traffic.stable
        is_candidate = split is not None and version == split.candidate and version != stable
        return self._made(version, reason, arm=Arm.CANDIDATE if is_candidate else Arm.STABLE)

    def stable(
        self, reason: Reason, kill: KillSwitch | None = None, *, randomised: bool = False, shadowed: bool = False
    ) -> Route:
        """By stable, or by nobody."""
        if self._stable_kill is not None:
            return self._made(None, Reason.KILLED, kill=self._stable_kill)
        shadow = self._traffic.split.candidate if shadowed and self._traffic.split else None
        return self._made(self._traffic.stable, reason, randomised=randomised, shadow=shadow, kill=kill)

    def kept(self, split: Split, text: str, *, shadowed: bool) -> Route | None:
        """By the version of the conversation's first turn, or None if there is none or it is no longer here."""
        pin = read_pin(text)
        stable = self._traffic.stable
        if pin is None or pin.version not in (stable, split.candidate) or self.switch(pin.version) is not None:
            return None
        of_arm = split.candidate if pin.arm is Arm.CANDIDATE else stable
        same = pin.rollout == split.rollout and pin.version == of_arm
        arm = pin.arm if same else Arm.STABLE if pin.version == stable else Arm.CANDIDATE
        return self._made(
            pin.version,
            Reason.CONVERSATION,
            arm=arm,
            randomised=same and pin.randomised and self._stable_kill is None,
            epoch=pin.epoch if same else split.epoch,
            shadow=split.candidate if shadowed and arm is Arm.STABLE else None,
        )

    def drawn(self, split: Split, reason: Reason, *, shadowed: bool) -> Route:
        """By whom the draw says: CANDIDATE, CONTROL or OUTSIDE."""
        if reason is Reason.CANDIDATE:
            # Without a living control there is nothing to compare with, so this side is not analysed either.
            living = self._stable_kill is None
            return self._made(split.candidate, reason, arm=Arm.CANDIDATE, randomised=living)
        return self.stable(reason, randomised=reason is Reason.CONTROL, shadowed=shadowed)

    def _made(
        self,
        serve: Digest | None,
        reason: Reason,
        *,
        arm: Arm = Arm.STABLE,
        randomised: bool = False,
        epoch: int | None = None,
        shadow: Digest | None = None,
        kill: KillSwitch | None = None,
    ) -> Route:
        traffic, split = self._traffic, self._traffic.split
        return Route(
            agent=traffic.agent,
            serve=serve,
            shadow=shadow,
            reason=reason,
            arm=arm,
            randomised=randomised,
            revision=traffic.revision,
            rollout=split.rollout if split else None,
            stage=split.stage if split else "",
            epoch=epoch if epoch is not None else split.epoch if split else 0,
            kill=kill,
        )


def still_mirrors(snapshot: Snapshot, route: Route, tenant: str) -> bool:
    """
    Whether what a route was to mirror may still begin: its rollout mirrors that candidate, and no switch stops it.

    The request's feature is not known any more, so a switch on any feature counts: nobody waits for a shadow run.
    """
    traffic = snapshot.agents.get(route.agent)
    split = None if traffic is None else traffic.split
    if split is None or not split.shadow or (split.rollout, split.candidate) != (route.rollout, route.shadow):
        return False
    return not any(
        kill.agent in (None, route.agent) and kill.version in (None, route.shadow) and kill.tenant in (None, tenant)
        for kill in snapshot.kills
    )
