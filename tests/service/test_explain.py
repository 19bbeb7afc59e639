"""A run explained in words, and taken again from its audit trail to the ninth digit."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from surefoot.core.evidence.tally import Count
from surefoot.core.evidence.verdict import Judgement, Look, Why
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.audit import GENESIS, chained, hash_of, text_of
from surefoot.core.lifecycle.machine import news, transition
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.service import rollouts
from surefoot.service.explain import explain, recompute
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario
from tests.core.lifecycle.walks import T0, in_phase

from .stories import BAD, GOOD, HOUR, MINUTE, SECOND, ladder, stage, story

WORSE = {"stable_fails": {"success": 0.05}, "candidate_fails": {"success": 0.2}}


async def a_run(fails):
    """A whole life with the real statistics: a freeze, a pause, an approval, late outcomes of earlier epochs."""
    scene = Scenario(MemoryStore())
    noon = FreezeWindow(name="noon", start=time(12), end=time(12, 1))
    steps = (stage("5%", 500), stage("50%", 5_000, needs_approval=True), stage("all", 10_000))
    rid = await scene.given_rollout(ladder(*steps, freeze=(noon,), holdback=500))
    await scene.when_time_passes(MINUTE, look_every=20 * SECOND)
    for look in range(40):
        row = await scene.then_row(rid)
        if row.phase.is_final:
            break
        await scene.when_users_come(rid, 300, **fails)
        if row.epoch > 1:
            await scene.when_users_come(rid, 60, **fails, epoch=row.epoch - 1)
        if look == 0:
            await rollouts.pause(rid, by="ann", store=scene.store, clock=scene.clock)
        if look == 1:
            await rollouts.resume(rid, by="ann", store=scene.store, clock=scene.clock)
        if row.phase is Phase.WAITING:
            await rollouts.approve(rid, candidate=row.candidate, by="bob", store=scene.store, clock=scene.clock)
        await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
    for _ in range(6):
        await scene.when_users_come(rid, 60, **fails)
        await scene.when_time_passes(20 * MINUTE, look_every=10 * MINUTE)
    return scene, rid, await scene.store.audit(rid), await scene.store.ticks(rid)


def as_before_holds_were_a_field(records):
    """The trail as an older release would have written it."""
    last, older = None, []
    for record in records:
        move = record.transition
        note = move.after.note if move.after.held == move.before.held else news(move)
        before = older[-1].transition.after if older else move.before
        move = replace(move, before=before, after=replace(move.after, note=note, held=None))
        last = chained(move, last)
        older.append(last)
    return older


class TestRecompute:
    """Every decision follows from what was written down."""

    @pytest.mark.parametrize(("fails", "end"), [(GOOD, Phase.PROMOTED), (WORSE, Phase.ROLLED_BACK)])
    @story
    async def test_a_whole_run_is_reproduced(self, fails, end):
        """Promoted or rolled back, with late outcomes of earlier epochs on the way: to 1e-9, every number."""
        scene, rid, records, ticks = await a_run(fails)
        await scene.then_at(rid, end)
        again = recompute(records, ticks, row=await scene.then_row(rid))
        assert again.is_reproduced, [decision for decision in again.decisions if not decision.is_reproduced]
        assert max(decision.off_by for decision in again.decisions) <= 1e-9
        assert max(decision.ticks for decision in again.decisions) > 3

    @pytest.mark.parametrize("written", ["now", "before"])
    @story
    async def test_a_hold_is_reproduced_from_new_trails_and_from_older_ones(self, written):
        """Held for silence, then going on: older trails say so in the note alone, newer ones in a field."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        for _ in range(2):
            await scene.when_users_come(rid, 100, **GOOD)
            await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
            await scene.when_time_passes(20 * MINUTE, look_every=MINUTE)
        records = await scene.store.audit(rid)
        assert [record.transition.after.held for record in records[-3:]] == [Why.STALE, None, Why.STALE]
        if written == "before":
            records = as_before_holds_were_a_field(records)
            assert not any(b'"held"' in text_of(record.transition).encode() for record in records)
        again = recompute(records, await scene.store.ticks(rid), row=records[-1].transition.after)
        assert again.is_reproduced, [decision for decision in again.decisions if not decision.is_reproduced]

    @story
    async def test_the_end_of_a_warmth_is_judged_again(self):
        """Given a whole run, then its last step carries the look it was taken on, and every number of it."""
        _, _, records, ticks = await a_run(GOOD)
        ended = records[-1].transition.event
        assert isinstance(ended, ro.WarmthEnded)
        assert ended.verdict is not None
        assert ended.verdict.findings
        last = recompute(records, ticks).decisions[-1]
        assert (last.event, last.is_reproduced, last.ticks) == ("WarmthEnded", True, ended.verdict.tick)
        assert explain(records)[-1].numbers

    @pytest.mark.parametrize("with_look", [True, False])
    @pytest.mark.parametrize("forgery", ["too early", "in silence", "on harm"])
    @story
    async def test_a_warmth_that_could_not_end_is_found(self, forgery, with_look):
        """Given a promotion forged into a trail whose hashes fit, then it does not follow from the evidence."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder(stage("50%", 5_000), stage("all", 10_000)))
        for _ in range(10):
            if (await scene.then_row(rid)).phase is not Phase.WARM:
                await scene.when_users_come(rid, 400, **GOOD)
                await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
        row = await scene.then_at(rid, Phase.WARM)
        await scene.when_users_come(rid, 400, **(BAD if forgery == "on harm" else GOOD))
        await scene.store.close_tick(
            rid, row.epoch, sequence=len(await scene.store.ticks(rid)) + 1, at=scene.clock.now()
        )
        ticks = await scene.store.ticks(rid)
        at = row.entered_at + {"too early": SECOND, "in silence": 3 * HOUR, "on harm": HOUR}[forgery]
        if forgery == "on harm":
            ticks = [*ticks[:-1], replace(ticks[-1], closed_at=at)]
        verdict = replace(
            (await scene.store.audit(rid))[-1].transition.event.verdict,
            why=Why.GATHERING,
            tick=len(ticks),
            judgement=Judgement.HOLD,
        )
        seen = Look(at=at, stage=1, entered_at=row.entered_at, is_warm=True, last_tick_at=ticks[-1].closed_at)
        event = ro.WarmthEnded(verdict=verdict, look=seen) if with_look else ro.WarmthEnded()
        records = await scene.store.audit(rid)
        again = recompute([*records, chained(transition(row, event, at=at), records[-1])], ticks)
        assert again.chain is None
        assert not again.decisions[-1].is_reproduced
        assert all(decision.is_reproduced for decision in again.decisions[:-1])

    def test_a_trail_of_before_reads_and_hashes_as_it_was(self):
        """Given an end of warmth without a look, as trails had it, then its text names nothing new."""
        text = text_of(transition(in_phase(Phase.WARM), ro.WarmthEnded(), at=T0))
        assert '"event":{"type":"WarmthEnded"}' in text

    @story
    async def test_a_changed_outcome_is_noticed(self):
        """One failure more or less in one tick, and the decisions that saw it are not reproduced."""
        _, _, records, ticks = await a_run(GOOD)
        first = ticks[0]
        count = first.stable.resolved["success"]
        stable = replace(first.stable, resolved={"success": Count(count.n, count.k + 1)})
        again = recompute(records, [replace(first, stable=stable), *ticks[1:]])
        assert again.chain is None
        assert not again.is_reproduced
        assert any("differs" in decision.why_not for decision in again.decisions)

    @story
    async def test_a_number_that_no_check_reads_is_bound_too(self):
        """Ticks are shown to people as well: a changed request count is found, though no decision rests on it."""
        _, _, records, ticks = await a_run(GOOD)
        first = replace(ticks[0], stable=replace(ticks[0].stable, requests=ticks[0].stable.requests + 1))
        again = recompute(records, [first, *ticks[1:]])
        assert not again.is_reproduced
        assert any("is not what it was" in decision.why_not for decision in again.decisions)

    @story
    async def test_a_missing_tick_is_named(self):
        """What was decided on it cannot be taken again."""
        _, _, records, ticks = await a_run(GOOD)
        again = recompute(records, ticks[1:])
        assert any("tick 1" in decision.why_not for decision in again.decisions)

    @pytest.mark.parametrize("forgery", ["promoted instead", "no culprit", "another look", "another step"])
    @story
    async def test_a_forger_who_recomputes_every_hash_is_still_found(self, forgery):
        """The chain is whole, but the decision does not follow from the evidence."""
        _, _, records, ticks = await a_run(WORSE)
        last = records[-1].transition
        assert isinstance(last.event, ro.Judged)
        forged = {
            "promoted instead": replace(last, after=replace(last.after, phase=Phase.PROMOTED), deny=None),
            "no culprit": replace(
                last, event=replace(last.event, verdict=replace(last.event.verdict, culprits=("cost",)))
            ),
            "another look": replace(
                last, event=replace(last.event, look=replace(last.event.look, at=last.at - timedelta(hours=1)))
            ),
            "another step": replace(last, deny=None),
        }[forgery]
        previous = records[-2].hash
        record = replace(records[-1], transition=forged, hash=hash_of(forged, previous=previous))
        again = recompute([*records[:-1], record], ticks)
        assert again.chain is None
        assert not again.decisions[-1].is_reproduced
        assert again.decisions[-1].why_not
        assert all(decision.is_reproduced for decision in again.decisions[:-1])

    @story
    async def test_first_failures_are_explained_and_taken_again(self):
        """Decided before anything was final: the reason has the counts it was decided on, and follows from them."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder(stage("50%", 5_000), stage("all", 10_000)))
        await scene.when_users_come(rid, 400, **BAD, stay=True)
        await scene.when_time_passes(11 * SECOND)
        records, ticks = await scene.store.audit(rid), await scene.store.ticks(rid)
        assert "candidate 100 bad of 200 served (50.00%)" in explain(records)[-1].why
        assert '"k_first_candidate":100' in text_of(records[-1].transition)
        assert recompute(records, ticks).is_reproduced
        move = records[-1].transition
        harm = replace(move.event.verdict.findings[0], k_first_candidate=99)
        lied = replace(move.event, verdict=replace(move.event.verdict, findings=(harm,)))
        again = recompute([*records[:-1], replace(records[-1], transition=replace(move, event=lied))], ticks)
        assert not again.decisions[-1].is_reproduced

    @story
    async def test_a_trail_of_before_first_failures_were_kept_still_follows(self):
        """What a release did not write down is not compared, and leaves the text that was hashed as it was."""
        _, _, records, ticks = await a_run(WORSE)
        move = records[-1].transition
        none = {f"{what}_first_{arm}": 0 for what in "nk" for arm in ("stable", "candidate")}
        shorn = tuple(replace(finding, **none) for finding in move.event.verdict.findings)
        before = replace(
            move, event=replace(move.event, verdict=replace(move.event.verdict, findings=shorn, not_final=0))
        )
        assert "_first_" not in text_of(before)
        assert "not_final" not in text_of(before)
        record = replace(records[-1], transition=before, hash=hash_of(before, previous=records[-2].hash))
        assert recompute([*records[:-1], record], ticks).is_reproduced

    @story
    async def test_a_trail_of_before_it_was_kept_what_stable_was_known_for_still_follows(self):
        """Without it the trail is reproduced, as it was written; with another number in it, it is not."""
        scene = Scenario(MemoryStore())
        await scene.given_history(300, {"success": 0.05})
        rid = await scene.given_rollout(ladder(stage("all", 10_000)))
        await scene.when_users_come(rid, 400, **BAD)
        await scene.when_time_passes(11 * SECOND)
        records, ticks = await scene.store.audit(rid), await scene.store.ticks(rid)
        assert recompute(records, ticks).is_reproduced
        move = records[-1].transition
        (harm,) = move.event.verdict.findings
        for known, follows in (({"n_known": 0, "k_known": 0.0, "highest": None}, True), ({"k_known": 16.0}, False)):
            verdict = replace(move.event.verdict, findings=(replace(harm, **known),))
            told = replace(move, event=replace(move.event, verdict=verdict))
            assert ("n_known" in text_of(told)) is not follows
            again = recompute([*records[:-1], replace(records[-1], transition=told)], ticks)
            assert again.decisions[-1].is_reproduced is follows

    @story
    async def test_a_broken_chain_is_named_beside_the_decisions(self):
        """Both are said: where the trail was touched, and what still follows."""
        _, _, records, ticks = await a_run(WORSE)
        touched = [replace(records[0], previous="1" + GENESIS[1:]), *records[1:]]
        again = recompute(touched, ticks)
        assert again.chain is not None
        assert again.chain.sequence == 1
        assert not again.is_reproduced

    def test_an_empty_trail_is_a_run_that_has_not_begun(self):
        """Nothing was decided, so nothing is wrong."""
        assert recompute([], []).is_reproduced


class TestExplain:
    """For somebody who has never met an e-value."""

    @story
    async def test_a_rollback_is_explained_with_its_numbers(self):
        """What was worse, how often on each side, and how strong the evidence is."""
        _, _, records, _ = await a_run(WORSE)
        said = explain(records)[-1]
        assert said.by == "surefoot"
        assert said.headline == "running at stage '5%' -> rolled back, 5% -> 0% of traffic"
        assert "worse than stable" in said.why
        assert any("success" in number and "%" in number and " of " in number for number in said.numbers)

    @story
    async def test_a_promotion_is_told_from_start_to_end(self):
        """Who started, paused, resumed and approved, and what was proven in between."""
        _, _, records, _ = await a_run(GOOD)
        said = explain(records)
        assert [step.sequence for step in said] == list(range(1, len(records) + 1))
        assert {step.by for step in said} == {"ann", "bob", "surefoot"}
        told = " / ".join(step.headline for step in said)
        for piece in ("queued -> running at stage '5%', 0% -> 5%", "paused", "waiting", "warm", "promoted"):
            assert piece in told
        assert "'noon'" in said[0].why
        assert all(step.why for step in said)
