"""Numbers that stand beside a decision agree with it: who met the candidate, and how many of them it failed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from surefoot.core.evidence.verdict import FindingKind
from surefoot.core.lifecycle.comparison import compare
from surefoot.core.lifecycle.findings import describe
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.plan import UnitKind
from surefoot.service.met import met
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario

from .stories import BAD, SECOND, ladder, stage, story

HALF = (stage("50%", 5_000), stage("all", 10_000))


@pytest.mark.parametrize("stays", [(True,), (False, True), (False,)], ids=["open", "some open", "final"])
@story
async def test_the_comparison_counts_what_the_rollback_was_decided_on(stays):
    """Whether sessions are still open or not: the same candidates, the same failures, and all of them met it."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder(*HALF))
    for stay in stays:
        await scene.when_users_come(rid, 400, **BAD, stay=stay)
    await scene.when_time_passes(11 * SECOND)
    row = await scene.then_at(rid, Phase.ROLLED_BACK)
    verdict = (await scene.store.audit(rid))[-1].transition.event.verdict
    harm = next(found for found in verdict.findings if found.kind is FindingKind.HARM)
    (beside,) = compare(await scene.store.ticks(rid))
    assert (beside.n_candidate, beside.bad_candidate) == (harm.n_first_candidate, harm.k_first_candidate)
    assert (beside.n_stable, beside.bad_stable) == (harm.n_first_stable, harm.k_first_stable)
    assert beside.final_candidate == 200 * stays.count(False)
    assert (await met(rid, row.plan.unit, store=scene.store)).candidate == beside.n_candidate == 200 * len(stays)


@story
async def test_who_came_after_the_last_tick_has_met_it_too():
    """A rollout that is over closes no more ticks, and the last ones it answered are told all the same."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder(*HALF))
    await scene.when_users_come(rid, 400, **BAD)
    await scene.when_time_passes(11 * SECOND)
    await scene.then_at(rid, Phase.ROLLED_BACK)
    await scene.when_users_come(rid, 2, epoch=1, **BAD)
    told = await met(rid, UnitKind.SESSION, store=scene.store)
    assert (told.candidate, told.stable) == (201, 201)
    assert told.words == "201 sessions met the candidate, 201 met stable"


@story
async def test_a_candidate_held_against_history_is_told_with_it():
    """There is no stable arm at 100 %: the reason names what it was compared with, and no "no data"."""
    scene = Scenario(MemoryStore())
    await scene.given_history(300, {"success": 0.05})
    rid = await scene.given_rollout(ladder(stage("all", 10_000)))
    await scene.when_users_come(rid, 400, **BAD)
    await scene.when_time_passes(timedelta(seconds=11))
    row = await scene.then_at(rid, Phase.ROLLED_BACK)
    known = "held against what is known of stable: 15 of 300 (5.00%), plausibly up to "
    assert known in row.note
    assert "no data" not in row.note
    (harm,) = (await scene.store.audit(rid))[-1].transition.event.verdict.findings
    assert (harm.n_known, harm.k_known) == (300, 15)
    assert harm.highest > 0.05
    assert describe(harm) in row.note
