"""Controllers: any number of them, dying anywhere, with a store that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import replace

import pytest

from surefoot.core.evidence.verdict import Judgement, Look
from surefoot.core.lifecycle.audit import verify
from surefoot.core.lifecycle.rollout import Notify, Phase
from surefoot.core.traffic.plan import OnNewCandidate
from surefoot.errors import Unreadable
from surefoot.service import rollouts
from surefoot.service.cases import Cases
from surefoot.service.controller import Controller
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario

from .stories import BAD, GOOD, HOUR, MINUTE, SECOND, Crash, CrashingStore, Script, away, ladder, scripted, stage, story


class Told:
    """A channel that remembers what it was told, and by which key."""

    def __init__(self) -> None:
        self.effects = {}
        self.times = 0

    async def notify(self, rollout, effect, *, key):
        self.times += 1
        assert self.effects.setdefault(key, effect) == effect


async def looked_at(scene: Scenario) -> None:
    """The controller looks; if it dies of it, its successor looks at the same instant."""
    try:
        await scene.when_looked_at()
    except Crash:
        scene.controllers.clear()
        scene.given_controller()
        await scene.when_looked_at()


def essence(records):
    """What a life came to, without the instants at which controllers happened to look."""
    return [
        (
            type(r.transition.event).__name__,
            r.transition.after.phase,
            r.transition.after.opened,
            r.transition.after.epoch,
        )
        for r in records
    ]


async def a_life(fails, crash_at: int | None, *, after: bool) -> tuple[list, Told, int, bool]:
    """One rollout from start to end; the controller's process dies at its n-th write and another takes over."""
    told = Told()
    store = MemoryStore()
    scene = Scenario(store, notifiers=(told,))
    await scene.given_stable()
    rid = (await scene.when_started("v2", ladder(stage("20%", 2_000), stage("all", 10_000)))).id
    mortal = CrashingStore(store, at=crash_at or 10**9, after=after)
    scene.given_controller(mortal)

    for look in range(54):
        if look % 2 == 0 or look > 50:
            await scene.when_users_come(rid, 200, **fails)
        scene.clock.advance(6 * SECOND if look < 50 else 20 * MINUTE)
        await looked_at(scene)
    records = await store.audit(rid)
    assert verify(records, row=await scene.then_row(rid)) is None
    return essence(records), told, len(await store.ticks(rid)), mortal.crashed


class TestCrashes:
    """A controller that dies before or after any write loses nothing, and nothing is done twice."""

    @pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
    @pytest.mark.parametrize("fails", [GOOD, BAD], ids=["good candidate", "bad candidate"])
    @story
    async def test_a_run_ends_the_same_wherever_its_controller_died(self, fails, after):
        """Every write of the whole run is tried in turn: the same steps, the same ticks, every effect told."""
        whole, told, ticks, _ = await a_life(fails, None, after=after)
        assert whole[-1][1] is (Phase.PROMOTED if fails is GOOD else Phase.ROLLED_BACK)
        for n in itertools.count(1):
            steps, again, closed, crashed = await a_life(fails, n, after=after)
            if not crashed:
                break
            assert (steps, closed) == (whole, ticks), f"crash at write {n}"
            assert again.effects == told.effects
        assert n > 6

    @pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
    @story
    async def test_a_start_that_dies_half_way_is_finished_by_a_controller(self, after):
        """Superseding takes three writes; after any of them the row says all that is left to do."""
        for n in itertools.count(1):
            scene, _ = scripted()
            first = await scene.given_rollout(ladder())
            await scene.given_version("v3")
            store, scene.store = scene.store, CrashingStore(scene.store, at=n, after=after)
            with contextlib.suppress(Crash):
                await scene.when_started("v3", ladder(on_new_candidate=OnNewCandidate.SUPERSEDE))
            crashed, scene.store = scene.store.crashed, store
            await scene.when_looked_at()
            await scene.when_looked_at()
            rows = [stored.rollout for stored in await store.rollouts()]
            if len(rows) == 1:
                await scene.then_at(first, Phase.RUNNING)  # it died before anything was written
            else:
                assert [row.phase for row in rows] == [Phase.ABORTED, Phase.RUNNING]
            if not crashed:
                break
        assert n > 3


class TestManyControllers:
    """Any number of controllers on one store."""

    @pytest.mark.parametrize("fails", [GOOD, BAD], ids=["good candidate", "bad candidate"])
    @story
    async def test_three_controllers_make_the_steps_of_one(self, fails):
        """Interleaved at every await of their looks, they open no stage twice and close no tick twice."""
        trails = []
        for controllers in (1, 3):
            scene = Scenario(Yielding())
            rid = await scene.given_rollout(ladder(stage("20%", 2_000), stage("all", 10_000)))
            for _ in range(controllers - 1):
                scene.given_controller()
            for _ in range(25):
                await scene.when_users_come(rid, 200, **fails)
                for _ in range(2):
                    scene.clock.advance(6 * SECOND)
                    await asyncio.gather(*(controller.round() for controller in scene.controllers))
            scene.clock.advance(HOUR)
            await asyncio.gather(*(controller.round() for controller in scene.controllers))
            records = await scene.store.audit(rid)
            assert verify(records) is None
            trails.append((essence(records), len(await scene.store.ticks(rid))))
        assert trails[0] == trails[1]

    @story
    async def test_many_rollouts_are_looked_at_and_one_damaged_one_does_not_stop_the_others(self):
        """It holds, and health names it."""
        script = Script()
        scene = Scenario(MemoryStore(), folds=script)
        rid = await scene.given_rollout(ladder())
        broken = Cases(scene.store, folds=script)
        controller = Controller(store=scene.store, clock=scene.clock, cases=broken)
        healthy, broken.of = broken.of, _damaged
        await controller.round()
        assert "damaged" in controller.health.troubled[rid]
        broken.of = healthy
        await controller.round()
        assert controller.health.troubled == {}
        await scene.then_at(rid, Phase.RUNNING)


class Damaged(MemoryStore):
    """A store in which one rollout's row cannot be read, as in `SqlStore`: neither alone nor in a listing."""

    broken = ""

    async def rollout(self, id):
        if id == self.broken:
            raise Unreadable(f"a stored Rollout cannot be read: {id}", hint="this is a test")
        return await super().rollout(id)

    async def rollouts(self, **which):
        found = await super().rollouts(**which)
        if any(stored.rollout.id == self.broken for stored in found):
            raise Unreadable("a stored Rollout cannot be read", hint="this is a test")
        return found


class Hung:
    """A channel that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def notify(self, rollout, effect, *, key):
        self.asked += 1
        await asyncio.Event().wait()


class TestOneThatIsBroken:
    """Whatever is wrong with one rollout, or with whom it is told, the others are protected."""

    @story
    async def test_a_row_that_cannot_be_read_stops_one_rollout(self):
        """It is named in health; a rollout that comes after it is taken back all the same."""
        script = Script()
        scene = Scenario(Damaged(), folds=script)
        first = await scene.given_rollout(ladder())
        scene.agent = "other"
        second = await scene.given_rollout(ladder())
        scene.store.broken = first
        script.says(Judgement.BREACH)
        controller = Controller(store=scene.store, clock=scene.clock, cases=Cases(scene.store, folds=script))
        await controller.round()
        assert "cannot be read" in controller.health.troubled[first]
        assert (await scene.store.rollout(second)).rollout.phase is Phase.ROLLED_BACK

    @story
    async def test_a_channel_that_hangs_delays_no_look(self):
        """Rounds go on once a second while it is waited for; and a controller that is cancelled ends at once."""
        hung = Hung()
        scene, script = scripted(notifiers=(hung,))
        rid = await scene.given_rollout(ladder())
        controller = scene.controllers[0]
        running = asyncio.create_task(controller.run())
        await scene.clock.run(5 * SECOND)
        assert (hung.asked, controller.health.rounds) == (1, 6)
        script.says(Judgement.BREACH)
        await scene.clock.run(SECOND)
        await scene.then_at(rid, Phase.ROLLED_BACK)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    @story
    async def test_an_outbox_that_fails_is_tried_again_and_named(self):
        """Looks go on; once it works what waited is told, and health is clean."""
        told = Told()
        scene, _ = scripted(notifiers=(told,))
        await scene.given_rollout(ladder())
        working, scene.store.due = scene.store.due, _damaged
        running = asyncio.create_task(scene.controllers[0].run())
        await scene.clock.run(3 * SECOND)
        assert scene.controllers[0].health.effects_error
        assert scene.controllers[0].health.rounds == 4
        scene.store.due = working
        await scene.clock.run(2 * SECOND)
        assert (scene.controllers[0].health.effects_error, told.times > 0) == ("", True)
        running.cancel()


class TestAStoreThatIsAway:
    """It is waited for, counted, and gone on with."""

    @story
    async def test_an_outage_is_survived_and_counted(self):
        """Looks stop, longer pauses come between the tries, and the first look after it finds the harm."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        controller = scene.controllers[0]
        running = asyncio.create_task(controller.run())
        await scene.clock.run(3 * SECOND)
        rounds = controller.health.rounds
        scene.store.unavailable = away()
        script.says(Judgement.BREACH)
        await scene.clock.run(60 * SECOND)
        assert 5 < controller.health.store_away < 30
        scene.store.unavailable = None
        await scene.clock.run(6 * SECOND)
        await scene.then_at(rid, Phase.ROLLED_BACK)
        assert controller.health.away_since_round == 0
        assert controller.health.rounds > rounds
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    @story
    async def test_a_write_whose_answer_was_lost_is_not_made_twice(self):
        """The commit went through and the line was cut: the next look finds it done."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        lossy = CrashingStore(scene.store, at=1, after=True)
        script.says(Judgement.PASS)
        controller = Controller(store=lossy, clock=scene.clock, cases=Cases(lossy, folds=script))
        with pytest.raises(Crash):
            await controller.round()
        script.says(Judgement.HOLD)
        await controller.round()
        assert (await scene.then_row(rid)).epoch == 2


class TestTheLoop:
    """A look a second, until cancelled."""

    @story
    async def test_it_looks_once_a_second_and_ends_cleanly(self):
        """A cancelled controller leaves nothing behind, and another goes on."""
        scene, script = scripted()
        rid = await scene.given_rollout(ladder())
        controller = scene.controllers[0]
        running = asyncio.create_task(controller.run())
        await scene.clock.run(10 * SECOND)
        assert controller.health.rounds == 11
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        script.says(Judgement.PASS)
        successor = asyncio.create_task(scene.given_controller().run())
        await scene.clock.run(SECOND)
        await scene.then_at(rid, Phase.WARM)
        successor.cancel()


class TestCases:
    """What a controller keeps in memory is a copy that is thrown away on any doubt."""

    @story
    async def test_ticks_are_folded_once_and_the_same_as_from_nothing(self):
        """A kept case and one folded anew give the same verdict to the last bit."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        kept = Cases(scene.store)
        for _ in range(8):
            await scene.when_users_come(rid, 300, **GOOD)
            await scene.when_users_come(rid, 30, **BAD, epoch=1)
            await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
            row = await scene.then_row(rid)
            warm, cold = await kept.of(row), await Cases(scene.store).of(row)
            sight = _look_at(row, scene)
            assert warm.case.judge(sight) == cold.case.judge(sight)
            assert warm.last_tick_at(scene.clock.now()) == cold.last_tick_at(scene.clock.now())
        assert row.opened > 1

    @pytest.mark.parametrize("end", ["order", "harm"])
    @story
    async def test_what_is_over_is_not_kept(self, end):
        """Given a rollout that ended, by whomever, when the controller looks again, then nothing of it is kept."""
        scene = Scenario(MemoryStore())
        rid = await scene.given_rollout(ladder())
        cases = Cases(scene.store)
        scene.controllers[:] = [Controller(store=scene.store, clock=scene.clock, cases=cases)]
        await scene.when_users_come(rid, 400, **(BAD if end == "harm" else GOOD))
        await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
        if end == "order":
            fold = await cases.of(await scene.then_row(rid))
            assert await cases.of(await scene.then_row(rid)) is fold
            await rollouts.abort(rid, by="ann", why="enough", store=scene.store, clock=scene.clock)
        await scene.when_looked_at()
        row = await scene.then_row(rid)
        assert row.phase.is_final
        assert not cases.kept

    @story
    async def test_a_store_that_was_restored_is_folded_again(self):
        """The kept case does not fit what comes next: it is dropped, and what cannot be folded raises."""
        scene = Scenario(Restored())
        rid = await scene.given_rollout(ladder())
        cases = Cases(scene.store)
        for _ in range(2):
            await scene.when_users_come(rid, 300, **GOOD)
            await scene.when_time_passes(12 * SECOND, look_every=4 * SECOND)
        row = await scene.then_row(rid)
        first = await cases.of(row)
        assert first.case.tick == 2
        assert await cases.of(row) is first
        scene.store.gap = True
        await scene.when_users_come(rid, 300, **GOOD)
        with pytest.raises(ValueError, match="missing"):
            await cases.of(row)
        scene.store.gap = False
        again = await cases.of(row)
        assert again is not first
        assert again.case.tick == 2


class Restored(MemoryStore):
    """A store whose ticks are numbered as if one were missing, while it has a gap."""

    gap = False

    async def ticks(self, rollout, *, after=0):
        kept = await super().ticks(rollout, after=0 if self.gap else after)
        return [replace(tick, sequence=tick.sequence + 3) for tick in kept] if self.gap else kept


class Yielding(MemoryStore):
    """Every call is a task of its own, so that others run before it and looks interleave everywhere."""

    def __getattribute__(self, name):
        method = super().__getattribute__(name)
        if name.startswith("_") or not asyncio.iscoroutinefunction(method):
            return method

        async def yielding(*args, **kwargs):
            return await asyncio.create_task(method(*args, **kwargs))

        return yielding


async def _damaged(rollout):
    raise ValueError("damaged")


def _look_at(row, scene):
    return Look(at=scene.clock.now(), stage=row.opened - 1, entered_at=row.entered_at, is_warm=row.phase is Phase.WARM)


@story
async def test_effects_of_a_run_are_told_once_each_in_their_order():
    """Start, stages and promotion, each under its own key."""
    told = Told()
    scene, script = scripted(notifiers=(told,))
    rid = await scene.given_rollout(ladder())
    script.says(Judgement.PASS)
    await scene.when_looked_at()
    await scene.when_looked_at()
    await scene.then_at(rid, Phase.WARM)
    said = [effect.what for effect in told.effects.values() if isinstance(effect, Notify)]
    assert [text.split(":")[0] for text in said] == ["stage '5%' opened", "stage '50%' opened", "stage 'all' opened"]
    assert told.times == len(told.effects)
