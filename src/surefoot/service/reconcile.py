"""One look at one rollout: close what is due, judge what is closed, and take the step that follows, if any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from ..core.evidence.tally import CLOSED_AT_EARLIEST, CLOSED_AT_LATEST, CLOSED_FROM_UNITS
from ..core.evidence.verdict import Look
from ..core.lifecycle.machine import ends_warmth, precedence, transition
from ..core.lifecycle.rollout import Event, Judged, Kill, Phase, Rollout, Start, Transition, WarmthEnded
from ..core.lifecycle.turn import take_turn
from ..core.traffic.kill import KillSwitch, covering
from ..core.units import RolloutId
from ..errors import Conflict, Refused
from ..ports.clock import Clock
from ..ports.store import OpenTick, Store, Stored
from .cases import Cases

__all__ = ["Sight", "close_due", "is_due", "look", "reconcile"]

_ATTEMPTS: Final = 8
"""How often a look is repeated because somebody else was faster. Whoever is that busy does the work as well."""


class Sight(NamedTuple):
    """What a look saw, before anything was done about it."""

    stored: Stored
    at: datetime
    judged: Judged | None
    """None while no stage is open."""

    kill: KillSwitch | None
    """A switch that covers the candidate everywhere."""


async def reconcile(id: RolloutId, *, store: Store, clock: Clock, cases: Cases) -> Transition | None:
    """
    Look at a rollout once and take the step that follows. None: there was nothing to do.

    Any number of controllers may do this at the same time: every write names what it was based on, and whoever comes
    second looks again. Raises UnknownName, StoreUnavailable, and ValueError if the evidence cannot be folded.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return await _reconcile(id, store, clock, cases)
        except Conflict:
            # The first time somebody else was faster. Again means that what is kept here may not fit the store's.
            if attempt:
                cases.forget(id)
    return None


async def look(id: RolloutId, *, store: Store, clock: Clock, cases: Cases) -> Sight:
    """What a rollout looks like now. Reads only, so that anybody may look at any time. Raises as `reconcile` does."""
    stored = await store.rollout(id)
    kill = await _kill_of(stored.rollout, store)
    at = clock.now()
    judged = await _judge(stored.rollout, at, store, cases, detailed=True) if _is_judged(stored.rollout) else None
    return Sight(stored, at, judged, kill)


async def close_due(rollout: Rollout, *, store: Store, clock: Clock, cases: Cases) -> int:
    """
    Close the ticks whose time has come, oldest epoch first; how many were closed.

    Units stamped with an epoch that has not begun, or in which nobody had the candidate, come from nowhere: they are
    not evidence, and their ticks stay open.
    Raises Conflict if somebody else closed one meanwhile.
    """
    closed = 0
    for tick in await store.open_ticks(rollout.id):
        if not is_due(tick, at=clock.now()):
            continue
        fold = await cases.of(rollout)
        if fold.has_epoch(tick.epoch):
            await store.close_tick(rollout.id, tick.epoch, sequence=fold.case.tick + 1, at=clock.now())
            closed += 1
    return closed


def is_due(tick: OpenTick, *, at: datetime) -> bool:
    """Whether a tick is old and big enough to be judged, or so old that it is judged as it is."""
    # abs: a clock that jumped back must not keep a tick open until it has caught up; protection would wait as long.
    age = abs(at - tick.opened_at)
    is_big = tick.n_stable + tick.n_candidate >= CLOSED_FROM_UNITS and tick.n_candidate >= 1
    return age >= CLOSED_AT_LATEST or (age >= CLOSED_AT_EARLIEST and is_big)


async def _reconcile(id: RolloutId, store: Store, clock: Clock, cases: Cases) -> Transition | None:
    stored = await store.rollout(id)
    rollout = stored.rollout
    if rollout.phase.is_final:
        cases.forget(id)
        return None
    # The switch comes first, and needs no evidence: a rollout whose evidence cannot be read is still taken back.
    if kill := await _kill_of(rollout, store):
        return await _take(stored, Kill(switch=kill.id, by=kill.author, why=kill.reason), store, clock.now())
    if rollout.phase is Phase.QUEUED:
        return await _turn(stored, store, clock)
    if not _is_judged(rollout):
        return None
    await close_due(rollout, store=store, clock=clock, cases=cases)
    at = clock.now()
    judged = await _judge(rollout, at, store, cases, detailed=False)
    event = precedence(_happened(rollout, judged, at))[0]
    if transition(rollout, event, at=at).is_step:
        # What is written down is written with every number that people will ask for.
        judged = await _judge(rollout, at, store, cases, detailed=True)
        event = precedence(_happened(rollout, judged, at))[0]
    return await _take(stored, event, store, at)


async def _turn(stored: Stored, store: Store, clock: Clock) -> Transition | None:
    """A queued rollout: start it if it is its turn, or do what its plan says about the one before it."""
    queued = stored.rollout
    others = await store.rollouts(agent=queued.agent)
    traffic = await store.traffic(queued.agent)
    denied = await store.denied(queued.agent)
    turn = take_turn(queued, (other.rollout for other in others), stable=traffic.stable, denied=denied)
    if turn is None:
        return None
    event = turn.event
    if isinstance(event, Start):
        event = replace(event, history=await store.history(traffic.stable))
    target = next((other for other in others if other.rollout.id == turn.rollout.id), stored)
    try:
        return await _take(target, event, store, clock.now())
    except Refused:
        return None  # a freeze keeps the one before it where it is


async def _take(stored: Stored, event: Event, store: Store, at: datetime) -> Transition | None:
    moved = transition(stored.rollout, event, at=at)
    if not moved.is_step:
        return None
    await store.commit(moved, expected=stored.revision)
    return moved


async def _judge(rollout: Rollout, at: datetime, store: Store, cases: Cases, *, detailed: bool) -> Judged:
    fold = await cases.of(rollout)
    open_bad: Counter[str] = Counter()
    for tick in await store.open_ticks(rollout.id):
        if fold.has_epoch(tick.epoch):
            open_bad.update(tick.bad_candidate)
    is_shadow = rollout.stage is not None and rollout.stage.shadow
    newest = await store.pairs(rollout.id, limit=1) if is_shadow else ()
    seen = Look(
        at=at,
        stage=rollout.opened - 1,
        entered_at=rollout.entered_at,
        is_warm=rollout.phase is Phase.WARM,
        last_tick_at=fold.last_tick_at(at),
        ticks_hash=fold.ticks_hash,
        open_bad=dict(open_bad),
        pairs=await store.pair_totals(rollout.id) if is_shadow else None,
        # A pair stamped by a clock that runs ahead was made by now at the latest.
        last_pair_at=min(newest[0].at, at) if newest else None,
    )
    return Judged(verdict=fold.case.judge(seen, detailed=detailed), look=seen)


def _happened(rollout: Rollout, judged: Judged, at: datetime) -> Sequence[Event]:
    """All that is true at this instant. The warmth does not end on harm, nor while nothing can be concluded."""
    if ends_warmth(rollout, judged.verdict, at=at):
        return judged, WarmthEnded(verdict=judged.verdict, look=judged.look)
    return (judged,)


async def _kill_of(rollout: Rollout, store: Store) -> KillSwitch | None:
    return covering(await store.kills(), agent=rollout.agent, version=rollout.candidate, feature="", tenant="")


def _is_judged(rollout: Rollout) -> bool:
    return rollout.stage is not None and rollout.phase is not Phase.QUEUED and not rollout.phase.is_final
