"""What people order: start a rollout, say yes or no to a stage, pause, resume, promote, abort, re-open, set stable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..core.lifecycle.machine import transition
from ..core.lifecycle.rollout import (
    Abort,
    Approve,
    Event,
    Pause,
    Phase,
    Promote,
    Reject,
    Resume,
    Rollout,
    Transition,
)
from ..core.lifecycle.turn import take_turn
from ..core.proof.gate import objection
from ..core.traffic.kill import covering
from ..core.traffic.plan import OnNewCandidate, Plan, Requirement, flaw
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Digest, Revision, RolloutId
from ..errors import Conflict, Denied, Killed, PlanError, Refused, UnknownName, UsageError
from ..ports.clock import Clock, Ids
from ..ports.store import Store, Stored
from .cases import Cases
from .reconcile import reconcile

__all__ = [
    "abort",
    "admit",
    "approve",
    "check_denied",
    "pause",
    "promote",
    "reject",
    "reopen",
    "resume",
    "set_stable",
    "start",
]

_ATTEMPTS = 8


async def admit(agent: AgentName, candidate: Digest, plan: Plan, *, store: Store) -> None:
    """Say beforehand what `start` would refuse, also of a version that the store does not know yet. Writes nothing."""
    _check_plan(plan)
    await _check_allowed(agent, candidate, (await store.traffic(agent)).stable, store)
    await _check_gated(agent, candidate, plan, store)
    if plan.on_new_candidate is OnNewCandidate.REJECT:
        for stored in await store.rollouts(agent=agent):
            if not stored.rollout.phase.is_final:
                raise await _under_way(stored.rollout, store)


async def start(
    agent: AgentName, candidate: Digest, plan: Plan, *, by: str, store: Store, clock: Clock, ids: Ids
) -> Rollout:
    """
    Bring a candidate on its way; the row as it is then.

    It is RUNNING, WAITING or WARM, or still QUEUED: behind another rollout (`on_new_candidate: queue`), or in a freeze.
    Controllers start it later. Raises PlanError (the plan would not do what it says), UnknownName (agent or version),
    Denied (it was rolled back once), Killed (a switch covers it), Refused (it is stable already, the plan requires a
    gate that it has not passed, or another rollout is under way). Traffic is then as it was; only where another rollout
    began at the same moment is this one kept, as ABORTED.
    """
    _signed(by)
    _check_plan(plan)
    stable = (await store.traffic(agent)).stable
    await _check_candidate(agent, candidate, stable, store)
    await _check_gated(agent, candidate, plan, store)
    now = clock.now()
    row = Rollout(
        id=RolloutId(ids.new()),
        agent=agent,
        stable=stable,
        candidate=candidate,
        plan=plan,
        seed=ids.seed(),
        author=by,
        created_at=now,
        entered_at=now,
    )
    others = [stored.rollout for stored in await store.rollouts(agent=agent)]
    turn = take_turn(row, others, stable=stable, denied={})
    if turn is not None and isinstance(turn.event, Abort):
        raise _in_the_way(turn.event.why)
    await store.create(row)
    return await _begun(row, store, clock)


async def approve(
    id: RolloutId, *, candidate: Digest, by: str, why: str = "", stage: str = "", store: Store, clock: Clock
) -> Transition:
    """Agree to the stage that is asked for. IllegalTransition if none is, Refused for another digest or stage."""
    return await _order(id, Approve(by=_signed(by), candidate=candidate, stage=stage, why=why), store, clock)


async def reject(id: RolloutId, *, by: str, why: str, store: Store, clock: Clock) -> Transition:
    """Refuse the stage that is asked for: the candidate goes back, and is denied from then on."""
    return await _order(id, Reject(by=_signed(by), why=_reasoned(why)), store, clock)


async def pause(id: RolloutId, *, by: str, why: str = "", store: Store, clock: Clock) -> Transition:
    """Stop advancing. Shares stay, protection stays."""
    return await _order(id, Pause(by=_signed(by), why=why), store, clock)


async def resume(id: RolloutId, *, by: str, store: Store, clock: Clock) -> Transition:
    """Go on where it stopped."""
    return await _order(id, Resume(by=_signed(by)), store, clock)


async def promote(id: RolloutId, *, by: str, why: str, store: Store, clock: Clock) -> Transition:
    """Give the candidate all traffic now, without proof; while it is warm, end the warmth."""
    return await _order(id, Promote(by=_signed(by), why=_reasoned(why)), store, clock)


async def abort(id: RolloutId, *, by: str, why: str, store: Store, clock: Clock) -> Transition:
    """Take the candidate out now. It may be started again."""
    return await _order(id, Abort(by=_signed(by), why=_reasoned(why)), store, clock)


async def reopen(agent: AgentName, digest: Digest, *, by: str, store: Store, clock: Clock) -> None:
    """Allow a digest again that was rolled back. Only a person does this. Raises UnknownName if it is not denied."""
    _signed(by)
    denied = await store.denied(agent)
    if digest not in denied:
        labels = {version.digest: version.label for version in await store.versions(agent)}
        names = tuple(labels.get(one, one) for one in denied)
        raise UnknownName(f"denied version of {agent}", labels.get(digest, digest), names)
    await store.reopen(agent, digest, by=by, at=clock.now())


async def set_stable(agent: AgentName, digest: Digest, *, by: str, store: Store) -> AgentTraffic:
    """
    Say which version is stable: the first time, or to go back to one that is known to be good.

    Raises UnknownName, Denied (no way back to what was rolled back), Refused while a rollout is under way, whose
    comparison it would falsify, and Conflict if the agent's traffic never held still. Pins and opt-outs stay.
    """
    _signed(by)
    version = await store.version(digest)
    if version.agent != agent:
        raise UsageError(
            f"{digest} is a version of {version.agent}, not of {agent}", hint="name the agent it belongs to"
        )
    await check_denied(agent, digest, store)
    for _ in range(_ATTEMPTS):
        # Read before the rollouts: one that opens after they were looked at moves the traffic on.
        known = await _traffic(agent, store)
        await _check_uncompared(agent, store)
        traffic = AgentTraffic(agent=agent, stable=digest) if known is None else replace(known, stable=digest)
        try:
            await store.set_traffic(traffic, expected=Revision(0) if known is None else known.revision)
        except Conflict:
            continue
        return traffic
    raise Conflict(
        f"the traffic of {agent} moved while its stable version was set; nothing was written",
        hint="look at it again, and repeat the order if it still holds",
    )


async def _traffic(agent: AgentName, store: Store) -> AgentTraffic | None:
    try:
        return await store.traffic(agent)
    except UnknownName:
        return None


async def _check_uncompared(agent: AgentName, store: Store) -> None:
    for stored in await store.rollouts(agent=agent):
        if not stored.rollout.phase.is_final and stored.rollout.phase is not Phase.QUEUED:
            raise Refused(
                f"rollout {stored.rollout.id} compares its candidate with {stored.rollout.stable}",
                hint="abort or promote it first",
            )


# --- starting


def _check_plan(plan: Plan) -> None:
    for window in plan.freeze:
        try:
            ZoneInfo(window.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PlanError(
                f"freeze window {window.name!r}: unknown time zone {window.zone!r}",
                hint="a name such as UTC, Europe/Berlin or America/New_York",
            ) from None
    if (found := flaw(plan)) is not None:
        raise PlanError(found.message, hint=found.hint)


async def _check_candidate(agent: AgentName, candidate: Digest, stable: Digest, store: Store) -> None:
    version = await store.version(candidate)
    if version.agent != agent:
        raise UsageError(
            f"{candidate} is a version of {version.agent}, not of {agent}", hint="name the agent it belongs to"
        )
    await _check_allowed(agent, candidate, stable, store)


async def _check_allowed(agent: AgentName, candidate: Digest, stable: Digest, store: Store) -> None:
    if candidate == stable:
        raise Refused(f"{candidate} is the stable version of {agent}", hint="nothing is left to roll out")
    await check_denied(agent, candidate, store)
    if kill := covering(await store.kills(), agent=agent, version=candidate, feature="", tenant=""):
        raise Killed(
            f"switch {kill.id} of {kill.author} covers {await _known_as(agent, candidate, store)}: {kill.reason}",
            hint=f"surefoot unkill {kill.id}, if the reason is gone",
        )


async def _check_gated(agent: AgentName, candidate: Digest, plan: Plan, store: Store) -> None:
    """A plan that requires a gate does not start without a passed one for this very digest."""
    if Requirement.GATE not in plan.requires:
        return
    if why := objection([verdict.report for verdict in await store.gates(candidate)]):
        label = await _known_as(agent, candidate, store)
        raise Refused(
            f"the plan requires a passed gate for {label}: {why}",
            hint="run its suites and hold them against the gates: surefoot eval gate SUITE --version LABEL",
        )


async def check_denied(agent: AgentName, digest: Digest, store: Store) -> None:
    """Raise Denied for a version that was rolled back: nobody gets it again without a person's word."""
    denied: Mapping[Digest, str] = await store.denied(agent)
    if digest in denied:
        label = await _known_as(agent, digest, store)
        raise Denied(
            f"{label} is denied: {denied[digest]}",
            hint="change the version, which gives it a new digest, or re-open this one on a person's word: "
            f"surefoot rollout reopen {label}",
        )


async def _known_as(agent: AgentName, digest: Digest, store: Store) -> str:
    """The agent and what people call its version."""
    known = [version.label for version in await store.versions(agent) if version.digest == digest]
    return f"{agent} {known[0] if known else digest}"


async def _begun(row: Rollout, store: Store, clock: Clock) -> Rollout:
    """Take the row's turn as far as it goes. Whatever is left, controllers do: the row says all they need."""
    cases = Cases(store)
    while (await store.rollout(row.id)).rollout.phase is Phase.QUEUED:
        if await reconcile(row.id, store=store, clock=clock, cases=cases) is None:
            break
    after = (await store.rollout(row.id)).rollout
    if after.phase is Phase.ABORTED and row.plan.on_new_candidate is OnNewCandidate.REJECT:
        raise _in_the_way(after.note)
    return after


def _in_the_way(why: str) -> Refused:
    return Refused(why, hint="wait for it, abort it, or plan with on_new_candidate: queue or supersede")


async def _under_way(other: Rollout, store: Store) -> Refused:
    label = (await store.version(other.candidate)).label
    phase = other.phase.replace("_", " ")
    return _in_the_way(f"a rollout of {other.agent} is under way: {label}, {phase} (rollout {other.id})")


# --- one order at one rollout


async def _order(id: RolloutId, event: Event, store: Store, clock: Clock) -> Transition:
    """
    Apply a person's order. Raises IllegalTransition, Refused, UnknownName, and Conflict if the rollout kept moving.

    An order that gives the candidate more is for the rollout the person saw: if it moved meanwhile, they look again.
    An order that gives it less is carried out wherever the rollout is by then.
    """
    first: Stored | None = None
    for _ in range(_ATTEMPTS):
        stored = await store.rollout(id)
        first = first or stored
        if isinstance(event, Approve | Resume | Promote) and stored.rollout.epoch != first.rollout.epoch:
            break
        moved = transition(stored.rollout, event, at=clock.now())
        try:
            await store.commit(moved, expected=stored.revision)
        except Conflict:
            continue
        return moved
    raise Conflict(
        f"rollout {id} moved while {type(event).__name__} was under way; nothing was written",
        hint="look at it again, and repeat the order if it still holds",
    )


def _signed(by: str) -> str:
    if not by.strip():
        raise UsageError("an order without a name", hint="say who orders it: --by NAME")
    return by


def _reasoned(why: str) -> str:
    if not why.strip():
        raise UsageError("this order needs a reason", hint="say why: --why TEXT; it is kept in the audit trail")
    return why
