"""
The same decision as `route`, compiled for one agent: a closure that hands out ready-made routes (DESIGN section 8).

What holds for every request is worked out once: kill switches, seeds, cut points, the routes themselves. What is left
for a call is a set look-up, a hash and a comparison. Whatever is rare (a tenant with a pin or a switch of its own, a
feature with a switch, a unit on a list) goes to the pure form, so that the two cannot disagree there.
"""

from __future__ import annotations

from typing import Final, Protocol

from xxhash import xxh3_64_intdigest

from ..units import AgentName
from .bucket import Purpose, control_arc, cut, seed_for
from .kill import KillSwitch, broadest
from .plan import EVERYBODY, Control, UnitKind
from .route import AgentTraffic, Reason, Request, Route, Scene, Split, decide

__all__ = ["Decide", "compile_agent"]

_MOST_PINS: Final = 256
"""Pins of one agent whose route is kept ready. There are a handful per rollout; forged ones must not fill memory."""

_KINDS: Final = (UnitKind.USER, UnitKind.SESSION, UnitKind.TENANT, UnitKind.REQUEST)
"""The order of the ids wherever a closure picks its unit by index."""

_NONE: Final[frozenset[str]] = frozenset()
_ANYBODY: Final = Request(agent=AgentName(""))
"""For answers that hold whoever asks."""


class Decide(Protocol):
    """One agent's decision. An empty text is something the caller does not know."""

    def __call__(
        self, user: str, tenant: str, session: str, feature: str, segment: str, request: str, pin: str, /
    ) -> Route:
        """The route, equal to what `route` says for the same request."""
        ...


def compile_agent(traffic: AgentTraffic, kills: tuple[KillSwitch, ...]) -> Decide:
    """One agent's closure. `kills` may hold switches of other agents."""
    mine = tuple(kill for kill in kills if kill.agent in (None, traffic.agent)) if kills else kills
    wide = tuple(kill for kill in mine if kill.tenant is None and kill.feature is None) if mine else mine
    scene = Scene(traffic, wide, _ANYBODY)
    first = broadest(mine) if wide else None
    if first is not None and first.version is None and first in wide:
        # It covers every request, and no other switch would be named before it.
        return _constant(scene.stable(Reason.KILLED))
    split = traffic.split
    killed = scene.switch(split.candidate) if split else None
    rare = _Rare(traffic, mine)
    if split is None or killed is not None:
        answer = scene.stable(Reason.NO_ROLLOUT if split is None else Reason.CANDIDATE_KILLED, killed)
        return _guarded(_constant(answer), traffic, None, rare)
    by_person = split.unit in (UnitKind.USER, UnitKind.SESSION)
    if by_person and split.control is Control.REST and not split.shadow and not split.targeting.cohort:
        inner = _two_arms(split, scene, rare)
    else:
        inner = _any_arms(split, scene, rare)
    return _guarded(inner, traffic, split, rare)


class _Rare:
    """The pure form for the exceptions of one agent, and what of it can be kept ready."""

    __slots__ = ("_kept", "_settled", "_traffic", "kills")

    def __init__(self, traffic: AgentTraffic, kills: tuple[KillSwitch, ...]) -> None:
        self._traffic = traffic
        self.kills = kills
        self._kept: dict[str, Route | None] | None = None
        self._settled: dict[str, Route] | None = None

    def route(
        self, user: str, tenant: str, session: str, feature: str, segment: str, request: str, pin: str, /
    ) -> Route:
        """Whatever it is."""
        agent = self._traffic.agent
        asked = Request(
            agent=agent,
            user=user,
            tenant=tenant,
            session=session,
            feature=feature,
            segment=segment,
            request=request,
            pin=pin,
        )
        return decide(self._traffic, self.kills, asked)

    def of_tenant(self, tenant: str) -> Route | None:
        """The one answer that every request of a tenant gets whose feature has no switch; None if it depends."""
        ready = self._settled
        if ready is None:
            ready = self._settled = {}
        found = ready.get(tenant)
        if found is None and self._is_settled(tenant):
            # At most as many as there are tenants with an exception.
            request = Request(agent=self._traffic.agent, tenant=tenant)
            found = ready[tenant] = decide(self._traffic, self._featureless(), request)
        return found

    def kept(self, pin: str) -> Route | None:
        """The answer to a conversation that no exception covers and that is not mirrored; None if it begins anew."""
        ready = self._kept
        if ready is None:
            ready = self._kept = {}
        try:
            return ready[pin]
        except KeyError:
            traffic = self._traffic
            wide = tuple(kill for kill in self._featureless() if kill.tenant is None)
            scene = Scene(traffic, wide, _ANYBODY)
            route = scene.kept(traffic.split, pin, shadowed=False) if traffic.split else None
            if len(ready) < _MOST_PINS:
                ready[pin] = route
            return route

    def _is_settled(self, tenant: str) -> bool:
        traffic = self._traffic
        if tenant in traffic.pins or tenant in traffic.opted_out or traffic.split is None:
            return True
        scene = Scene(traffic, self._featureless(), Request(agent=traffic.agent, tenant=tenant))
        return scene.switch(traffic.split.candidate) is not None

    def _featureless(self) -> tuple[KillSwitch, ...]:
        return tuple(kill for kill in self.kills if kill.feature is None)


def _constant(answer: Route) -> Decide:
    """Everybody gets the same."""

    def decide(user: str, tenant: str, session: str, feature: str, segment: str, request: str, pin: str, /) -> Route:
        return answer

    return decide


def _named(
    traffic: AgentTraffic, split: Split | None, kills: tuple[KillSwitch, ...]
) -> tuple[frozenset[str], frozenset[str]]:
    """Features and tenants that a switch or an order is for by name."""
    features = frozenset(kill.feature for kill in kills if kill.feature is not None)
    switched = frozenset(kill.tenant for kill in kills if kill.tenant is not None)
    return features, switched.union(traffic.pins, traffic.opted_out if split else ())


def _guarded(inner: Decide, traffic: AgentTraffic, split: Split | None, rare: _Rare) -> Decide:
    """Exceptions first: requests that the ready-made answers are not for. The rest to `inner`."""
    targeting = split.targeting if split else EVERYBODY
    segments, units = targeting.segments, targeting.allow or targeting.deny
    features = tenants = _NONE
    if rare.kills or traffic.pins or traffic.opted_out:
        features, tenants = _named(traffic, split, rare.kills)
    if not (features or tenants or segments or units):
        return inner
    units = targeting.allow | targeting.deny
    unit = _KINDS.index(split.unit) if split else 0

    # Written out in one function, here and below: one call more is a seventh of the whole decision.
    def decide(user: str, tenant: str, session: str, feature: str, segment: str, request: str, pin: str, /) -> Route:
        if feature in features:
            return rare.route(user, tenant, session, feature, segment, request, pin)
        if tenant in tenants:
            ready = rare.of_tenant(tenant)
            return ready or rare.route(user, tenant, session, feature, segment, request, pin)
        if (segments and segment not in segments) or (
            units and (user, session or request, tenant, request)[unit] in units
        ):
            return rare.route(user, tenant, session, feature, segment, request, pin)
        return inner(user, tenant, session, feature, segment, request, pin)

    return decide


def _two_arms(split: Split, scene: Scene, rare: _Rare) -> Decide:
    """The usual rollout: users or sessions, the candidate's and all the others."""
    tenants = split.targeting.tenants
    by_user = split.unit is UnitKind.USER
    seed, stop = seed_for(split.seed, Purpose.ENROL), cut(split.share)
    candidate, control = (scene.drawn(split, arm, shadowed=False) for arm in (Reason.CANDIDATE, Reason.CONTROL))
    not_targeted = scene.stable(Reason.NOT_TARGETED) if tenants else None

    # Defaults instead of free variables: one tuple instead of eight cells is a third of the memory, and found faster.
    def decide(  # noqa: PLR0913, PLR0917
        user: str,
        tenant: str,
        session: str,
        feature: str,
        segment: str,
        request: str,
        pin: str,
        /,
        tenants: frozenset[str] = tenants,
        by_user: bool = by_user,  # noqa: FBT001
        seed: int = seed,
        stop: int = stop,
        candidate: Route = candidate,
        control: Route = control,
        not_targeted: Route | None = not_targeted,
        rare: _Rare = rare,
    ) -> Route:
        if pin:
            kept = rare.kept(pin)
            if kept is not None:
                return kept
        if not_targeted is not None and tenant not in tenants:
            return not_targeted
        unit = user if by_user else session or request
        if unit:
            try:
                return candidate if xxh3_64_intdigest(unit.encode(), seed) < stop else control
            except UnicodeEncodeError:
                pass  # half a surrogate pair: the pure form knows what to make of it
        return rare.route(user, tenant, session, feature, segment, request, pin)

    return decide


def _any_arms(split: Split, scene: Scene, rare: _Rare) -> Decide:
    """Every other rollout: mirrored arms, shadows, cohorts, any unit."""
    tenants, cohort = split.targeting.tenants or None, split.share and split.targeting.cohort
    kind = _KINDS.index(split.unit)
    seed, stop = seed_for(split.seed, Purpose.ENROL), cut(split.share)
    first, last = control_arc(split.control, split.share)
    shadow_seed, shadow_stop = seed_for(split.seed, Purpose.SHADOW), cut(split.shadow)
    candidate = scene.drawn(split, Reason.CANDIDATE, shadowed=False)
    controls, outsides = (
        tuple(scene.drawn(split, arm, shadowed=shadowed) for shadowed in (False, True))
        for arm in (Reason.CONTROL, Reason.OUTSIDE)
    )
    not_targeted, no_unit = scene.stable(Reason.NOT_TARGETED), scene.stable(Reason.NO_UNIT)

    def decide(user: str, tenant: str, session: str, feature: str, segment: str, request: str, pin: str, /) -> Route:
        if pin:
            if shadow_stop:
                return rare.route(user, tenant, session, feature, segment, request, pin)
            kept = rare.kept(pin)
            if kept is not None:
                return kept
        if tenants is not None and tenant not in tenants:
            return not_targeted
        unit = (user, session or request, tenant, request)[kind].encode("utf-8", "surrogatepass")
        if not unit:
            return no_unit
        if cohort:
            if segment == cohort:
                return candidate
            stables = controls if segment else outsides
        else:
            point = xxh3_64_intdigest(unit, seed)
            if point < stop:
                return candidate
            stables = controls if first <= point < last else outsides
        return stables[shadow_stop > 0 and xxh3_64_intdigest(unit, shadow_seed) < shadow_stop]

    return decide
