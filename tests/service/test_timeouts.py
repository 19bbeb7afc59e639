"""A candidate that gives up instead of answering slowly: from its runs through fold and store to the verdict."""

from __future__ import annotations

import pytest

from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.observation import Arm, Assignment, Observation, Record
from surefoot.core.lifecycle.comparison import compare
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.plan import Check
from surefoot.core.units import Millis, Nanos, UnitKey
from surefoot.service.explain import explain, recompute
from surefoot.store.registry import open_store
from surefoot.testing.scenario import Scenario

from .stories import SECOND, ladder, stage, story

PLAN = ladder(stage("half", 5_000, checks=(Check(metric="latency_p95"),)), stage("all", 10_000))
EACH = 200


def answered(number):
    """Half a second to one and a half, evenly."""
    return Observation(success=True, latency_ms=Millis(500 + number * 997 % 1000))


def given_up(number, *, timed_out):
    """One run in eight is given up after 400 ms: sooner than any answer comes."""
    return answered(number) if number % 8 else Observation(latency_ms=Millis(400), timed_out=timed_out)


async def a_rollout(store, *, timed_out):
    """Both arms' runs are folded as a recorder folds them, until the rollout has ended or eight looks are over."""
    scene, fold = Scenario(store), Fold("p1")
    rid = await scene.given_rollout(PLAN)
    for look in range(8):
        row = await scene.then_row(rid)
        if row.phase.is_final:
            break
        for number in range(look * EACH, (look + 1) * EACH):
            for arm, version, seen in (
                (Arm.STABLE, row.stable, answered(number)),
                (Arm.CANDIDATE, row.candidate, given_up(number, timed_out=timed_out)),
            ):
                place = Assignment(scene.agent, version, rid, row.epoch, arm, randomised=True)
                fold.add(Record("run", place, UnitKey(f"{arm}{number}"), Nanos(0), seen))
        delta = fold.cut(Nanos(int(scene.clock.now().timestamp() * 10**9)))
        await store.absorb(delta)
        await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
    return scene, rid


@pytest.mark.parametrize(
    ("timed_out", "end"), [(True, Phase.ROLLED_BACK), (None, Phase.WARM)], ids=["timed out", "quick"]
)
@story
async def test_who_gives_up_instead_of_answering_slowly_is_caught_by_the_p95_check(tmp_path, timed_out, end):
    """The same times are faster where the runs ended and slower where they timed out; both ends are reproduced."""
    store = open_store(f"sqlite:///{tmp_path}/surefoot.db")
    await store.migrate()
    scene, rid = await a_rollout(store, timed_out=timed_out)
    row = await scene.then_at(rid, end)
    records, ticks = await store.audit(rid), await store.ticks(rid)
    both = {found.metric: found for found in compare(ticks)}
    await store.close()
    again = recompute(records, ticks, row=row)
    assert again.is_reproduced, again
    assert max(decision.ticks for decision in again.decisions) >= 2
    if end is Phase.ROLLED_BACK:
        assert "latency_p95" in explain(records)[-1].why
        assert (both["latency_p95"].candidate_is_least, both["latency_p95"].stable_is_least) == (True, False)
        assert both["latency_p95"].candidate == pytest.approx(400, rel=0.02)
    assert both["latency"].candidate < both["latency"].stable
