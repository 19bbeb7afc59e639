"""What people order, and what they are told when it cannot be done."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from surefoot.core.evidence.verdict import Judgement
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.core.traffic.plan import OnNewCandidate
from surefoot.core.units import AgentName, Digest
from surefoot.errors import Conflict, Denied, IllegalTransition, Killed, PlanError, Refused, UnknownName, UsageError
from surefoot.service import rollouts, switch
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario, a_version

from .stories import HOUR, MINUTE, ladder, scripted, stage, story

ASKING = ladder(stage("5%", 500), stage("50%", 5_000, needs_approval=True), stage("all", 10_000, needs_approval=True))


async def waiting():
    """A rollout that waits for somebody's approval of 50 %."""
    scene, script = scripted()
    rid = await scene.given_rollout(ASKING)
    script.says(Judgement.PASS)
    await scene.when_looked_at()
    return scene, script, rid, (await scene.then_at(rid, Phase.WAITING)).candidate


class TestStarting:
    """A start is checked before anything is written."""

    @story
    async def test_a_started_rollout_says_who_what_and_against_what(self):
        """Author, versions, a fresh rid and a fresh seed are in the row."""
        scene, _ = scripted()
        stable = await scene.given_stable("v1")
        first = await scene.when_started("v2", ladder())
        await rollouts.abort(first.id, by="ann", why="again", store=scene.store, clock=scene.clock)
        second = await scene.when_started("v2", ladder())
        assert (first.author, first.stable, first.phase, first.share) == ("ann", stable, Phase.RUNNING, 500)
        assert first.id < second.id
        assert first.seed != second.seed

    @story
    async def test_what_was_known_of_stable_is_frozen_at_the_start(self):
        """It is in the audit trail, so that an auditor begins where the judge began."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        start = (await scene.store.audit(rid))[0].transition.event
        assert isinstance(start, ro.Start)
        assert start.history == await scene.store.history(start.stable)

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            ({"session_idle": timedelta(0)}, "session_idle"),
            ({"no_traffic_after": timedelta(seconds=5)}, "no_traffic_after"),
            ({"freeze": (FreezeWindow(name="nights", zone="Europe/Berlni", end=time(8)),)}, "Europe/Berlni"),
        ],
    )
    @story
    async def test_a_plan_that_would_not_do_what_it_says_is_not_started(self, said, why):
        """A plan made in Python is held to what a plan file is held to; nothing is written."""
        scene, _ = scripted()
        await scene.given_stable("v1")
        with pytest.raises(PlanError, match=why) as refused:
            await scene.when_started("v2", ladder(**said))
        assert refused.value.hint
        assert await scene.store.rollouts(agent=scene.agent) == ()

    @story
    async def test_a_version_nobody_knows_cannot_be_started(self):
        """Neither an unknown digest, nor an unknown agent, nor somebody else's version."""
        scene, _ = scripted()
        stable = await scene.given_stable()
        foreign = await scene.store.put_version(a_version("other", "v1"))
        start = {"by": "ann", "store": scene.store, "clock": scene.clock, "ids": scene.ids}
        for agent, digest, error in (
            (scene.agent, Digest("sha256:none"), UnknownName),
            (AgentName("nobody"), stable, UnknownName),
            (scene.agent, foreign, UsageError),
            (scene.agent, stable, Refused),
        ):
            with pytest.raises(error):
                await rollouts.start(agent, digest, ladder(), **start)
        assert await scene.store.rollouts() == ()

    @story
    async def test_a_rolled_back_digest_is_denied_until_a_person_reopens_it(self):
        """No automatic retry, and no way back to it either; a label does not help, a new digest does."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        script.says(Judgement.BREACH)
        await scene.when_looked_at()
        denied = (await scene.then_at(rid, Phase.ROLLED_BACK)).candidate
        with pytest.raises(Denied, match="worse than stable"):
            await scene.when_started("v2", ladder())
        with pytest.raises(Denied):
            await rollouts.set_stable(scene.agent, denied, by="ann", store=scene.store)
        assert (await scene.when_started("v3", ladder())).phase is Phase.RUNNING
        await rollouts.abort((await scene.store.rollouts())[-1].rollout.id, by="a", why="w", **services(scene))
        await rollouts.reopen(scene.agent, denied, by="ann", **services(scene))
        assert (await scene.when_started("v2", ladder())).phase is Phase.RUNNING

    @story
    async def test_reopening_what_is_not_denied_is_an_error(self):
        """A typing error re-opens nothing, and says so."""
        scene, _ = scripted()
        await scene.given_stable()
        with pytest.raises(UnknownName):
            await rollouts.reopen(scene.agent, Digest("sha256:x"), by="ann", **services(scene))

    @story
    async def test_an_aborted_digest_may_be_started_again(self):
        """It was found guilty of nothing."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        await rollouts.abort(rid, by="ann", why="wrong day", **services(scene))
        assert (await scene.when_started("v2", ladder())).phase is Phase.RUNNING

    @story
    async def test_a_killed_version_cannot_be_started(self):
        """The error names the switch, its author and its reason."""
        scene, _ = scripted()
        await scene.given_stable()
        digest = await scene.given_version("v2")
        await switch.kill(switch.Scope(version=digest), reason="leak", author="eve", ids=scene.ids, **services(scene))
        with pytest.raises(Killed, match=r"eve.*leak"):
            await scene.when_started("v2", ladder())

    @story
    async def test_a_start_in_a_freeze_waits_for_its_end(self):
        """Nothing is lost and nobody has to come back."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder(freeze=(FreezeWindow(name="noon", start=time(12), end=time(13)),)))
        await scene.then_at(rid, Phase.QUEUED)
        await scene.when_time_passes(HOUR, look_every=MINUTE)
        await scene.then_at(rid, Phase.RUNNING)


class TestNewCandidates:
    """Rule 6 through the service."""

    @story
    async def test_reject_refuses_and_writes_nothing(self):
        """The error names what is under way."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        with pytest.raises(Refused, match=rid):
            await scene.when_started("v3", ladder())
        assert len(await scene.store.rollouts()) == 1

    @story
    async def test_queue_waits_and_then_compares_with_whatever_is_stable_then(self):
        """The one before was promoted meanwhile: the queued one is measured against it."""
        scene, script = scripted()
        first = await scene.given_rollout(ladder(stage("all", 10_000)))
        queued = await scene.when_started("v3", ladder(on_new_candidate=OnNewCandidate.QUEUE))
        assert queued.phase is Phase.QUEUED
        script.says(Judgement.HOLD)
        await scene.when_time_passes(HOUR, look_every=MINUTE)
        promoted = await scene.then_at(first, Phase.PROMOTED)
        await scene.when_looked_at()
        assert (await scene.then_at(queued.id, Phase.RUNNING)).stable == promoted.candidate

    @story
    async def test_a_queued_one_that_is_aborted_takes_nobodys_traffic(self):
        """Only the one under way has a split."""
        scene, _ = scripted()
        first = await scene.given_rollout(ladder())
        queued = await scene.when_started("v3", ladder(on_new_candidate=OnNewCandidate.QUEUE))
        await rollouts.abort(queued.id, by="ann", why="never mind", **services(scene))
        split = (await scene.store.traffic(scene.agent)).split
        assert split is not None
        assert split.rollout == first

    @story
    async def test_supersede_takes_its_place_in_one_order(self):
        """The old one ends, is not denied, and the new one runs."""
        scene, _ = scripted()
        first = await scene.given_rollout(ladder())
        second = await scene.when_started("v3", ladder(on_new_candidate=OnNewCandidate.SUPERSEDE))
        assert second.phase is Phase.RUNNING
        await scene.then_at(first, Phase.ABORTED)
        assert await scene.store.denied(scene.agent) == {}

    @story
    async def test_what_supersedes_a_warm_one_is_compared_with_it(self):
        """It had passed every gate, so it becomes stable first."""
        scene, _ = scripted()
        first = await scene.given_rollout(ladder(stage("all", 10_000)))
        second = await scene.when_started("v3", ladder(on_new_candidate=OnNewCandidate.SUPERSEDE))
        assert second.stable == (await scene.then_at(first, Phase.PROMOTED)).candidate

    @story
    async def test_two_started_at_the_same_moment_never_both_run(self):
        """Both saw an empty agent; one runs, the other is refused and leaves an aborted row."""
        scene, _ = scripted()
        await scene.given_stable()
        digest = await scene.given_version("v3")
        racing = _Raced(scene)
        with pytest.raises(Refused):
            await rollouts.start(
                scene.agent, digest, ladder(), by="bob", store=racing, clock=scene.clock, ids=scene.ids
            )
        assert sorted(stored.rollout.phase for stored in await scene.store.rollouts()) == [Phase.ABORTED, Phase.RUNNING]


class TestOrders:
    """Approve, reject, pause, resume, promote, abort."""

    @story
    async def test_an_approval_opens_the_stage(self):
        """And is kept with its author and reason."""
        scene, _, rid, candidate = await waiting()
        await rollouts.approve(rid, candidate=candidate, by="bob", why="looks fine", **services(scene))
        assert "bob: looks fine" in (await scene.then_at(rid, Phase.RUNNING, "50%")).note

    @story
    async def test_an_approval_of_another_digest_or_stage_opens_nothing(self):
        """An approval is for what the approver saw."""
        scene, _, rid, candidate = await waiting()
        for wrong in ({"candidate": Digest("sha256:x")}, {"candidate": candidate, "stage": "all"}):
            with pytest.raises(Refused):
                await rollouts.approve(rid, by="bob", **wrong, **services(scene))
        await scene.then_at(rid, Phase.WAITING)

    @story
    async def test_an_approval_that_nobody_asked_for_is_an_error(self):
        """It lists what can be ordered, as it would be typed."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ASKING)
        with pytest.raises(IllegalTransition) as refused:
            await rollouts.approve(rid, candidate=(await scene.then_row(rid)).candidate, by="bob", **services(scene))
        assert refused.value.hint == "what can be ordered now: abort, pause, promote"

    @story
    async def test_a_rejection_takes_the_candidate_back_and_denies_it(self):
        """Whoever was asked said no."""
        scene, _, rid, candidate = await waiting()
        await rollouts.reject(rid, by="bob", why="tone", **services(scene))
        await scene.then_at(rid, Phase.ROLLED_BACK)
        assert "tone" in (await scene.store.denied(scene.agent))[candidate]

    @story
    async def test_a_pause_stops_advance_and_a_resume_goes_on(self):
        """With the same seed, at the same stage."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        before = await scene.then_row(rid)
        await rollouts.pause(rid, by="ann", **services(scene))
        script.says(Judgement.PASS)
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.PAUSED, "5%")
        await rollouts.resume(rid, by="ann", **services(scene))
        row = await scene.then_at(rid, Phase.RUNNING, "5%")
        assert (row.seed, row.share) == (before.seed, before.share)
        await scene.when_looked_at()
        await scene.then_at(rid, Phase.RUNNING, "50%")

    @story
    async def test_promote_gives_all_traffic_and_a_second_one_ends_the_warmth(self):
        """Each time on somebody's word."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        await rollouts.promote(rid, by="ann", why="incident", **services(scene))
        await scene.then_at(rid, Phase.WARM)
        await rollouts.promote(rid, by="ann", why="old one is broken", **services(scene))
        await scene.then_at(rid, Phase.PROMOTED)

    @pytest.mark.parametrize("order", ["reject", "promote", "abort"])
    @story
    async def test_grave_orders_need_a_reason_and_every_order_a_name(self, order):
        """An audit trail without them is worth little."""
        scene, _, rid, _ = await waiting()
        with pytest.raises(UsageError, match="reason"):
            await getattr(rollouts, order)(rid, by="ann", why=" ", **services(scene))
        with pytest.raises(UsageError, match="name"):
            await getattr(rollouts, order)(rid, by="", why="w", **services(scene))

    @story
    async def test_an_order_for_less_is_carried_out_though_the_rollout_moves_under_it(self):
        """An abort that loses the race against a step is repeated on what it finds."""
        scene, _, rid, candidate = await waiting()
        moving = _Moves(scene, lambda: rollouts.approve(rid, candidate=candidate, by="bob", **services(scene)))
        await rollouts.abort(rid, by="ann", why="w", store=moving, clock=scene.clock)
        await scene.then_at(rid, Phase.ABORTED)

    @story
    async def test_an_order_for_more_is_not_carried_out_on_what_the_person_has_not_seen(self):
        """Two approvers at the same moment: the second approval does not open a later stage."""
        scene, _, rid, candidate = await waiting()

        async def bob_approves_and_the_next_stage_asks():
            await rollouts.approve(rid, candidate=candidate, by="bob", **services(scene))
            await scene.when_looked_at()

        moving = _Moves(scene, bob_approves_and_the_next_stage_asks)
        with pytest.raises(Conflict):
            await rollouts.approve(rid, candidate=candidate, by="ann", store=moving, clock=scene.clock)
        await scene.then_at(rid, Phase.WAITING, "50%")

    @story
    async def test_an_order_gives_up_on_a_rollout_that_never_holds_still(self):
        """It says so instead of trying for ever."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        with pytest.raises(Conflict, match="moved"):
            await rollouts.pause(rid, by="ann", store=_NeverStill(scene.store), clock=scene.clock)


class TestStable:
    """Which version is stable."""

    @story
    async def test_stable_is_not_changed_under_a_rollout(self):
        """Its comparison would be falsified; when it is over, going back is one order."""
        scene, _ = scripted()
        rid = await scene.given_rollout(ladder())
        known_good = await scene.given_version("v0")
        with pytest.raises(Refused, match=rid):
            await rollouts.set_stable(scene.agent, known_good, by="ann", store=scene.store)
        await rollouts.abort(rid, by="ann", why="w", **services(scene))
        await rollouts.set_stable(scene.agent, known_good, by="ann", store=scene.store)
        assert (await scene.store.traffic(scene.agent)).stable == known_good

    @story
    async def test_a_foreign_or_unknown_version_cannot_be_stable(self):
        """An agent serves its own versions."""
        scene = Scenario(MemoryStore())
        foreign = await scene.store.put_version(a_version("other", "v1"))
        for digest, error in ((foreign, UsageError), (Digest("sha256:none"), UnknownName)):
            with pytest.raises(error):
                await rollouts.set_stable(scene.agent, digest, by="ann", store=scene.store)


def services(scene):
    return {"store": scene.store, "clock": scene.clock}


class _View:
    """The store as somebody sees it to whom something happens."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)


class _Moves(_View):
    """Just before the first commit, something else happens."""

    def __init__(self, scene, happens):
        super().__init__(scene.store)
        self._happens = happens

    async def commit(self, transition, *, expected):
        if self._happens:
            happens, self._happens = self._happens, None
            await happens()
        return await self._store.commit(transition, expected=expected)


class _Raced(_View):
    """Just before the row is created, Ann starts another one."""

    def __init__(self, scene):
        super().__init__(scene.store)
        self._scene = scene

    async def create(self, rollout):
        await self._scene.when_started("v2", ladder())
        return await self._store.create(rollout)


class _NeverStill(_View):
    """Somebody is always faster."""

    async def commit(self, transition, *, expected):
        raise Conflict("somebody was faster", hint="again")
