"""Legal lives of rollouts, for the laws: plans, rollouts, events, and walks of events that each phase accepts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, get_args

from hypothesis import strategies as st

from surefoot.core.evidence.verdict import Judgement, Look, Verdict, Why
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.audit import AuditRecord, chained
from surefoot.core.lifecycle.machine import TABLE, transition
from surefoot.core.lifecycle.rollout import Phase, Rollout
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.core.traffic.plan import Check, Plan, Stage, Strategy
from surefoot.core.units import AgentName, BasisPoints, Digest, RolloutId
from surefoot.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday
BOT = AgentName("bot")
OLD, NEW, NEWER = Digest("sha256:old"), Digest("sha256:new"), Digest("sha256:newer")
CHECKS = (Check(metric="success"),)
KINDS = get_args(ro.Event)
ALWAYS_FROZEN = (FreezeWindow(name="always"),)
NIGHTS = (FreezeWindow(name="nights", start=time(10), end=time(0)),)
"""From 10:00 UTC on: walks begin at 9:00, so the later half of a long walk is frozen."""


def a_stage(name: str, share: int, *, approval: bool = False, shadow: bool = False) -> Stage:
    return Stage(name=name, share=BasisPoints(share), checks=CHECKS, needs_approval=approval, shadow=shadow)


def a_plan(*stages: Stage, **changes: object) -> Plan:
    ladder = stages or (a_stage("shadow", 0, shadow=True), a_stage("5%", 500), a_stage("all", 10_000, approval=True))
    return replace(Plan(stages=ladder), **changes)


def a_rollout(plan: Plan | None = None, **changes: object) -> Rollout:
    """A queued rollout of `plan`, or as changed."""
    row = Rollout(
        id=RolloutId("r1"),
        agent=BOT,
        stable=OLD,
        candidate=NEW,
        plan=plan or a_plan(),
        seed=2**64 - 3,
        author="ann",
        created_at=T0,
        entered_at=T0,
    )
    return replace(row, **changes)


def a_look(at: datetime = T0) -> Look:
    return Look(at=at, stage=0, entered_at=T0)


def a_verdict(judgement: Judgement, why: Why | None = None) -> Verdict:
    usual = {Judgement.PASS: Why.PROVEN, Judgement.HOLD: Why.GATHERING, Judgement.BREACH: Why.HARM}
    return Verdict(judgement=judgement, why=why or usual[judgement], tick=7, ln_e_average=0.5, culprits=("success",))


def judged(judgement: Judgement, why: Why | None = None) -> ro.Judged:
    return ro.Judged(verdict=a_verdict(judgement, why), look=a_look())


PASS, HOLD, BREACH = (judged(judgement) for judgement in Judgement)

EVENTS: tuple[ro.Event, ...] = (
    ro.Start(by="ann"),
    PASS,
    *(judged(Judgement.HOLD, why) for why in Why),
    *(judged(Judgement.BREACH, why) for why in (Why.HARM, Why.COUNT_LIMIT, Why.TIMED_OUT, Why.NO_TRAFFIC)),
    ro.Approve(by="ann", candidate=NEW),
    ro.Reject(by="ann", why="no"),
    ro.Pause(by="ann"),
    ro.Resume(by="ann"),
    ro.Promote(by="ann", why="now"),
    ro.Abort(by="ann", why="later"),
    ro.Kill(switch="k1", by="ann", why="bad"),
    ro.Supersede(by="ann", candidate=NEWER),
    ro.WarmthEnded(),
)
FORWARD: dict[Phase, ro.Event] = {
    Phase.QUEUED: ro.Start(by="ann"),
    Phase.RUNNING: PASS,
    Phase.WAITING: ro.Approve(by="ann", candidate=NEW),
    Phase.PAUSED: ro.Resume(by="ann"),
    Phase.WARM: ro.WarmthEnded(),
}
"""What brings a rollout on its way, phase by phase."""


def in_phase(phase: Phase, plan: Plan | None = None) -> Rollout:
    """A rollout in that phase, with as many stages open as the phase needs."""
    plan = plan or a_plan()
    opened = {Phase.QUEUED: 0, Phase.WARM: len(plan.stages), Phase.PROMOTED: len(plan.stages)}.get(phase, 2)
    return a_rollout(plan, phase=phase, opened=opened, epoch=opened)


def one_of_each() -> list[tuple[Phase, ro.Event]]:
    """Every phase with one event of every kind."""
    by_kind = {type(event): event for event in EVENTS}
    assert set(by_kind) == set(KINDS)
    return list(itertools.product(Phase, by_kind.values()))


SHARES = st.lists(st.integers(0, 9_999), min_size=0, max_size=4).map(sorted)
PLANS = st.builds(
    lambda shares, asks, shadow, experiment, holdback, freeze: Plan(
        strategy=Strategy.EXPERIMENT if experiment else Strategy.CANARY,
        stages=tuple(
            a_stage(f"s{i}", share, approval=asks[i], shadow=shadow and not share)
            for i, share in enumerate([5_000] if experiment else [*shares, 10_000])
        ),
        holdback=BasisPoints(holdback),
        freeze=freeze,
    ),
    SHARES,
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 500]),
    st.sampled_from([(), (), NIGHTS]),
)
PICKS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(-3, 12)), min_size=8, max_size=30)
"""Each step: which of the accepted events, and by how many minutes the clock moves (it may jump back)."""


def walk(start: Rollout, picks: Sequence[tuple[int, int]]) -> list[ro.Transition]:
    """The transitions of one legal life. Every second step goes forward, or few lives would get far."""
    moves: list[ro.Transition] = []
    now, at = start, T0
    for pick, minutes in picks:
        at += timedelta(minutes=minutes)
        offered = [event for event in EVENTS if (now.phase, type(event)) in TABLE]
        if not offered:
            break
        event = FORWARD[now.phase] if pick % 2 else offered[pick // 2 % len(offered)]
        try:
            moves.append(transition(now, event, at=at))
        except Refused:
            continue
        now = moves[-1].after
    return moves


WALKS = st.builds(lambda plan, picks: walk(a_rollout(plan), picks), PLANS, PICKS)


def a_trail(moves: Sequence[ro.Transition]) -> list[AuditRecord]:
    """The audit records of a life: its steps, chained."""
    records: list[AuditRecord] = []
    for move in moves:
        if move.is_step:
            records.append(chained(move, records[-1] if records else None))
    return records


def a_life(*events: ro.Event, plan: Plan | None = None) -> list[ro.Transition]:
    """The transitions of these events, a minute apart."""
    moves: list[ro.Transition] = []
    row = a_rollout(plan)
    for minute, event in enumerate(events):
        moves.append(transition(row, event, at=T0 + timedelta(minutes=minute)))
        row = moves[-1].after
    return moves
