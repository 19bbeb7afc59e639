"""What one look does: ticks are closed by age and size, and steps follow from what was seen."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from surefoot.core.evidence.verdict import Judgement, Why
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.machine import standing, transition
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.core.traffic.plan import Check, NoTraffic, Strategy
from surefoot.errors import Conflict
from surefoot.ports.store import OpenTick
from surefoot.service import rollouts, switch
from surefoot.service.cases import Cases
from surefoot.service.reconcile import is_due, look, reconcile
from surefoot.store.memory import MemoryStore
from surefoot.testing.clock import MONDAY_NOON
from surefoot.testing.scenario import Scenario

from .stories import BAD, CHECKS, GOOD, HOUR, MINUTE, SECOND, ladder, scripted, stage, story

FROZEN = (FreezeWindow(name="noon", start=time(12), end=time(14)),)


class TestClosing:
    """Closing depends on age and exposure, never on outcomes."""

    @pytest.mark.parametrize(
        ("age", "n_stable", "n_candidate", "due"),
        [
            pytest.param(9.9, 1000, 50, False, id="too young"),
            pytest.param(10, 49, 1, True, id="old and big enough"),
            pytest.param(10, 48, 1, False, id="one unit short"),
            pytest.param(10, 50, 0, False, id="nobody on the candidate"),
            pytest.param(299, 1000, 0, False, id="still nobody"),
            pytest.param(300, 0, 0, True, id="so old that it is closed as it is"),
            pytest.param(-3, 1000, 50, False, id="the clock jumped back a little"),
            pytest.param(-3600, 1000, 50, True, id="the clock jumped back an hour"),
        ],
    )
    def test_a_tick_closes_by_age_and_size(self, age, n_stable, n_candidate, due):
        """Ten seconds and fifty units, one of them on the candidate; or five minutes."""
        tick = OpenTick(1, MONDAY_NOON, n_stable, n_candidate, {})
        assert is_due(tick, at=MONDAY_NOON + timedelta(seconds=age)) is due

    @story
    async def test_ticks_close_oldest_epoch_first_and_in_one_numbering(self):
        """Late outcomes of an earlier epoch keep their own stream."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        script.says(Judgement.PASS)
        await scene.when_looked_at()
        script.says(Judgement.HOLD)
        await scene.when_users_come(rid, 200, **GOOD)
        await scene.when_users_come(rid, 200, **GOOD, epoch=1)
        await scene.when_time_passes(11 * SECOND)
        ticks = await scene.store.ticks(rid)
        assert [(tick.sequence, tick.epoch) for tick in ticks] == [(1, 1), (2, 2)]

    @story
    async def test_units_of_an_epoch_that_has_not_begun_are_not_evidence(self):
        """They are stamped with something no router was told: they are never closed, never judged, never counted."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder(stage("5%", 500), stage("all", 10_000)))
        await scene.when_users_come(rid, 2_000, **BAD, epoch=9)
        await scene.when_time_passes(10 * MINUTE, look_every=10 * SECOND)
        assert await scene.store.ticks(rid) == ()
        await scene.then_at(rid, Phase.RUNNING, "5%")


class TestSteps:
    """Evidence moves the rollout, and only evidence does."""

    @story
    async def test_a_good_candidate_is_promoted_and_becomes_stable(self):
        """From the first stage to the end of its warmth, with the real statistics."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        for _ in range(60):
            await scene.when_users_come(rid, 400, **GOOD)
            await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
        warm = await scene.then_at(rid, Phase.WARM, "all")
        for _ in range(7):
            await scene.when_users_come(rid, 400, **GOOD)
            await scene.when_time_passes(10 * MINUTE, look_every=MINUTE)
        await scene.then_at(rid, Phase.PROMOTED)
        assert (await scene.store.traffic(scene.agent)).stable == warm.candidate
        assert (await scene.store.traffic(scene.agent)).split is None

    @story
    async def test_a_bad_candidate_goes_back_and_is_denied(self):
        """With the real statistics, within a few of its users."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        for _ in range(20):
            await scene.when_users_come(rid, 400, **BAD)
            await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
        row = await scene.then_at(rid, Phase.ROLLED_BACK)
        assert (await scene.store.traffic(scene.agent)).split is None
        assert row.candidate in await scene.store.denied(scene.agent)

    @pytest.mark.parametrize("failing", [{}, {"stable_fails": {"success": 0.05}}])
    @story
    async def test_without_evidence_nothing_ever_advances(self, failing):
        """Nobody comes, or users come and no outcome of the candidate is known: a day later it is where it was."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder(no_traffic_after=timedelta(days=9)))
        for _ in range(24):
            await scene.when_users_come(rid, 400, **failing)
            await scene.when_time_passes(HOUR, look_every=10 * MINUTE)
        await scene.then_at(rid, Phase.RUNNING, "5%")

    @pytest.mark.parametrize("why", list(Why))
    @story
    async def test_a_hold_never_moves(self, why):
        """Whatever the reason."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        script.says(Judgement.HOLD, why)
        await scene.when_time_passes(MINUTE, look_every=10 * SECOND)
        assert (await scene.then_at(rid, Phase.RUNNING, "5%")).epoch == 1

    @story
    async def test_looks_that_change_nothing_leave_nothing_behind(self):
        """A trail is made of steps; an hour of watching is not a thousand records."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        before = await scene.store.audit(rid)
        script.says(Judgement.HOLD)
        await scene.when_time_passes(HOUR, look_every=MINUTE)
        assert await scene.store.audit(rid) == before

    @story
    async def test_a_count_limit_does_not_wait_for_a_tick_to_close(self):
        """One leaked secret stops the rollout at the next look."""
        scene = Scenario(MemoryStore())
        strict = (*CHECKS, Check(metric="safety", max_count=0))
        rid = await scene.given_rollout(ladder(stage("5%", 500, checks=strict), stage("all", 10_000)))
        await scene.when_users_come(rid, 200, stable_fails={"safety": 0}, candidate_fails={"safety": 0.1})
        await scene.when_time_passes(SECOND)
        await scene.then_at(rid, Phase.ROLLED_BACK)
        assert await scene.store.ticks(rid) == ()


class TestTwoClocks:
    """Advance waits for people and calendars; protection waits for nobody."""

    @story
    async def test_a_freeze_holds_the_step_and_lets_it_go_when_it_is_over(self):
        """Proven at noon, opened at two."""
        scene, script = scripted()
        script.says(Judgement.PASS)
        rid = await scene.given_rollout(ladder(freeze=FROZEN))
        await scene.then_at(rid, Phase.QUEUED)
        await scene.when_time_passes(119 * MINUTE, look_every=MINUTE)
        assert "'noon'" in (await scene.then_at(rid, Phase.QUEUED)).note
        await scene.when_time_passes(MINUTE, look_every=MINUTE)
        await scene.then_at(rid, Phase.RUNNING, "5%")
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.RUNNING, "50%")

    @pytest.mark.parametrize("standing", ["frozen", "paused", "waiting"])
    @story
    async def test_protection_never_waits(self, standing):
        """Frozen, paused or waiting for somebody: the first look at harm takes the candidate back."""
        scene, script = scripted()
        scene.clock.jump(-MINUTE)  # the freeze begins at noon
        asks = stage("50%", 5_000, needs_approval=True)
        rid = await scene.given_rollout(ladder(stage("5%", 500), asks, stage("all", 10_000), freeze=FROZEN))
        if standing == "frozen":
            scene.clock.jump(MINUTE)
        elif standing == "paused":
            await rollouts.pause(rid, by="ann", store=scene.store, clock=scene.clock)
            await scene.then_at(rid, Phase.PAUSED)
        else:
            script.says(Judgement.PASS)
            await scene.when_looked_at()
            await scene.then_at(rid, Phase.WAITING)
        script.says(Judgement.BREACH)
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.ROLLED_BACK)

    @story
    async def test_warmth_ends_after_its_time_and_not_before(self):
        """An hour of keep_warm is an hour."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder(stage("all", 10_000)))
        await scene.then_at(rid, Phase.WARM)
        await scene.when_time_passes(59 * MINUTE, look_every=MINUTE)
        await scene.then_at(rid, Phase.WARM)
        await scene.when_time_passes(MINUTE, look_every=MINUTE)
        await scene.then_at(rid, Phase.PROMOTED)
        assert script.judgement is Judgement.HOLD

    @pytest.mark.parametrize(
        ("judgement", "why", "phase"),
        [(Judgement.BREACH, Why.HARM, Phase.ROLLED_BACK), (Judgement.HOLD, Why.MISMATCH, Phase.WARM)],
    )
    @story
    async def test_warmth_does_not_end_on_harm_nor_on_a_broken_comparison(self, judgement, why, phase):
        """In the same look harm wins over the end of the warmth, and a broken split proves nothing."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder(stage("all", 10_000)))
        scene.clock.advance(2 * HOUR)
        script.says(judgement, why)
        await scene.when_looked_at()
        await scene.then_at(rid, phase)

    @pytest.mark.parametrize("why", [Why.STALE, Why.NO_TRAFFIC, Why.NO_DATA, Why.NO_REFERENCE])
    @story
    async def test_warmth_does_not_end_in_silence_but_a_person_may_end_it(self, why):
        """Given time enough, when nothing could have been seen, then it stays warm until somebody promotes."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder(stage("all", 10_000)))
        script.says(Judgement.HOLD, why)
        await scene.when_time_passes(3 * HOUR, look_every=10 * MINUTE)
        await scene.then_at(rid, Phase.WARM)
        await rollouts.promote(rid, by="ann", why="looked at it", store=scene.store, clock=scene.clock)
        await scene.then_at(rid, Phase.PROMOTED)

    @pytest.mark.parametrize("no_traffic", list(NoTraffic))
    @story
    async def test_a_day_of_warmth_without_a_single_tick_promotes_nobody(self, no_traffic):
        """Given 25 hours without traffic, then it holds, or goes back where the plan says so; it is never promoted."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder(stage("all", 10_000), no_traffic=no_traffic))
        await scene.when_time_passes(25 * HOUR, look_every=30 * MINUTE)
        await scene.then_at(rid, Phase.WARM if no_traffic is NoTraffic.HOLD else Phase.ROLLED_BACK)

    @pytest.mark.parametrize(
        ("past", "fails", "phase"),
        [(20_000, 1.0, Phase.ROLLED_BACK), (20_000, 0.01, Phase.PROMOTED), (0, 1.0, Phase.WARM)],
    )
    @story
    async def test_a_manual_rollout_is_watched_by_stables_history(self, past, fails, phase):
        """Given a person who gave everybody, then stable's past decides what is harm; without one nothing is good."""
        scene = Scenario(MemoryStore())
        await scene.given_history(past, {"success": 0.01})
        rid = await scene.given_rollout(ladder(stage("all", 10_000, needs_approval=True), strategy=Strategy.MANUAL))
        candidate = (await scene.then_row(rid)).candidate
        await rollouts.approve(rid, candidate=candidate, by="bob", store=scene.store, clock=scene.clock)
        for _ in range(8):
            if not (await scene.then_row(rid)).phase.is_final:
                await scene.when_users_come(rid, 500, candidate_fails={"success": fails})
            await scene.when_time_passes(10 * MINUTE, look_every=5 * MINUTE)
        row = await scene.then_at(rid, phase)
        assert ("too little is known of the old version" in standing(row)) is (phase is Phase.WARM)

    @story
    async def test_units_of_an_epoch_in_which_nobody_had_the_candidate_are_not_evidence(self):
        """Given a plan that asks first, when units are stamped with the time before, then the rollout goes on."""
        scene = Scenario(MemoryStore())
        asks = stage("5%", 500, needs_approval=True, checks=(*CHECKS, Check(metric="safety", max_count=0)))
        rid = await scene.given_rollout(ladder(asks, stage("all", 10_000)))
        candidate = (await scene.then_row(rid)).candidate
        await rollouts.approve(rid, candidate=candidate, by="bob", store=scene.store, clock=scene.clock)
        await scene.when_users_come(rid, 2_000, candidate_fails={"safety": 1.0}, epoch=1)
        await scene.when_time_passes(6 * MINUTE, look_every=10 * SECOND)
        assert scene.controllers[0].health.troubled == {}
        assert await scene.store.ticks(rid) == ()
        await scene.when_users_come(rid, 400, **GOOD)
        await scene.when_time_passes(12 * SECOND)
        assert [tick.epoch for tick in await scene.store.ticks(rid)] == [2]
        await scene.then_at(rid, Phase.RUNNING, "5%")

    @story
    async def test_a_clock_that_ran_ahead_does_not_hide_the_silence_that_follows(self):
        """Given a tick closed a month ahead, when nobody comes after, then it is stale within a quarter of an hour."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        await scene.when_users_come(rid, 400, **GOOD)
        await scene.when_time_passes(12 * SECOND)
        scene.clock.jump(30 * 24 * HOUR)
        await scene.when_users_come(rid, 400, **GOOD)
        await scene.when_time_passes(12 * SECOND)
        scene.clock.jump(-30 * 24 * HOUR)
        cases = Cases(scene.store)
        seen = {}
        for minutes in (1, 20, 25 * 60):
            scene.clock.advance(minutes * MINUTE)
            sight = await look(rid, store=scene.store, clock=scene.clock, cases=cases)
            assert sight.judged is not None
            seen[minutes] = sight.judged.verdict.why
        assert seen[1] not in (Why.STALE, Why.NO_TRAFFIC)
        assert (seen[20], seen[25 * 60]) == (Why.STALE, Why.NO_TRAFFIC)

    @story
    async def test_a_clock_that_jumps_back_neither_stops_protection_nor_shortens_a_stage(self):
        """Harm is still found at once, though the tick was opened in what is now the future."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        await scene.when_users_come(rid, 2_000, **BAD)
        scene.clock.jump(-HOUR)
        await scene.when_time_passes(SECOND)
        await scene.then_at(rid, Phase.ROLLED_BACK)
        last = (await scene.store.audit(rid))[-1].transition
        assert last.after.entered_at >= last.before.entered_at


class TestKills:
    """A switch that covers the candidate everywhere ends its rollout."""

    @pytest.mark.parametrize("wide", ["version", "agent", "everything"])
    @story
    async def test_a_kill_that_covers_the_candidate_everywhere_rolls_it_back(self, wide):
        """And when the switch is lifted it stays back: a person has to start it again."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        version = (await scene.then_row(rid)).candidate
        scope = {"version": switch.Scope(version=version), "agent": switch.Scope(agent=scene.agent)}
        raised = await switch.kill(
            scope.get(wide, switch.Scope()),
            reason="leak",
            author="eve",
            store=scene.store,
            clock=scene.clock,
            ids=scene.ids,
        )
        script.says(Judgement.PASS)
        await scene.when_looked_at()
        row = await scene.then_at(rid, Phase.ROLLED_BACK)
        assert "eve" in row.note
        assert "leak" in row.note
        await switch.unkill(raised.id, by="ann", store=scene.store, clock=scene.clock)
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.ROLLED_BACK)

    @pytest.mark.parametrize("narrow", [{"tenant": "acme"}, {"feature": "chat"}])
    @story
    async def test_a_kill_for_some_is_the_routers_business(self, narrow):
        """One tenant or one feature without the candidate is no verdict on it."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        scope = switch.Scope(version=(await scene.then_row(rid)).candidate, **narrow)
        await switch.kill(scope, reason="r", author="a", store=scene.store, clock=scene.clock, ids=scene.ids)
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.RUNNING)

    @story
    async def test_a_kill_needs_no_evidence(self):
        """A rollout whose ticks cannot be read is still taken back."""

        class NoEvidence(MemoryStore):
            async def open_ticks(self, rollout):
                raise ValueError("damaged")

        scene = Scenario(NoEvidence())
        rid = await scene.given_rollout(ladder())
        await scene.when_looked_at()
        assert rid in scene.controllers[0].health.troubled
        await switch.kill(switch.Scope(), reason="r", author="a", store=scene.store, clock=scene.clock, ids=scene.ids)
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.ROLLED_BACK)
        assert scene.controllers[0].health.troubled == {}


class TestManyControllers:
    """Any number of them, and no step twice."""

    @story
    async def test_of_two_that_saw_the_same_row_one_steps(self):
        """The second one's commit is refused and writes nothing."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        stored = await scene.store.rollout(rid)
        paused = transition(stored.rollout, ro.Pause(by="ann"), at=scene.clock.now())
        await scene.store.commit(paused, expected=stored.revision)
        with pytest.raises(Conflict):
            await scene.store.commit(paused, expected=stored.revision)
        assert len(await scene.store.audit(rid)) == 2

    @story
    async def test_whoever_comes_second_looks_again_and_finds_the_work_done(self):
        """A controller whose every read is overtaken by another one still opens no stage twice."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        script.says(Judgement.PASS)
        overtaken = _Overtaken(scene.store, scene)
        moved = await reconcile(rid, store=overtaken, clock=scene.clock, cases=Cases(overtaken, folds=script))
        trail = [record.transition for record in await scene.store.audit(rid)]
        assert overtaken.times == 1
        assert moved is not None
        assert [(move.after.opened, move.after.epoch) for move in trail] == [(1, 1), (2, 2), (3, 3)]

    @story
    async def test_looking_is_not_touching(self):
        """`look` reads: any number of people may watch without moving anything."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        script.says(Judgement.PASS)
        before = await scene.store.snapshot()
        sight = await look(rid, store=scene.store, clock=scene.clock, cases=Cases(scene.store, folds=script))
        assert sight.judged is not None
        assert sight.judged.verdict.judgement is Judgement.PASS
        assert await scene.store.snapshot() == before


class _Overtaken:
    """A view of the store in which, just before the first commit, another controller commits."""

    def __init__(self, store, scene):
        self._store, self._scene, self.times = store, scene, 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, transition, *, expected):
        if not self.times:
            self.times += 1
            await self._scene.when_looked_at()
        return await self._store.commit(transition, expected=expected)
