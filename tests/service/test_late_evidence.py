"""From runs to verdicts: failures that come after their unit was counted, and sessions that meet several processes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.metrics import METRICS
from surefoot.core.evidence.observation import Arm, Assignment, Observation, Record
from surefoot.core.evidence.tally import PRESENCE, Count
from surefoot.core.evidence.verdict import FindingKind, Look
from surefoot.core.lifecycle.comparison import compare
from surefoot.core.lifecycle.findings import describe
from surefoot.core.lifecycle.judge import Case, EpochInfo
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.plan import Check, Plan, Stage
from surefoot.core.units import ALL_TRAFFIC, BasisPoints, Nanos, UnitKey
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario

IDLE = Nanos(1800 * 10**9)
CHECKS = (Check(metric="success"),)
HALF = Plan(
    stages=(
        Stage(name="half", share=BasisPoints(5000), checks=CHECKS),
        Stage(name="all", share=ALL_TRAFFIC, checks=CHECKS),
    )
)


class Under(Scenario):
    """A rollout whose users are folded by processes as they are in production."""

    async def started(self) -> None:
        self.id = await self.given_rollout(HALF)
        self.row = await self.then_row(self.id)

    def meets(self, process: Fold, unit: str, arm: Arm, *, success: bool = True, **more: object) -> None:
        version = self.row.candidate if arm is Arm.CANDIDATE else self.row.stable
        assignment = Assignment(self.agent, version, self.id, self.row.epoch, arm, randomised=True)
        at = Nanos((self.clock.now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000)
        process.add(Record("r", assignment, UnitKey(unit), at, Observation(success=success), **more))

    async def ships(self, process: Fold, *, last: bool = False) -> None:
        now = Nanos((self.clock.now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000)
        await self.store.absorb(process.close(now) if last else process.cut(now))


def test_a_session_that_fails_in_the_slot_it_was_counted_in_does_not_blind_the_rollout():
    """Its tick was closed between its turns: the next holds a failure without a unit, and later harm is still found."""

    async def story() -> None:
        s = Under(MemoryStore())
        await s.started()
        process = Fold("p1")
        for i in range(60):
            s.meets(process, f"{i:015x}f", Arm.STABLE, idle=IDLE)
        await s.ships(process)
        await s.when_time_passes(timedelta(seconds=11))
        s.meets(process, "c" * 16, Arm.CANDIDATE, idle=IDLE)
        await s.ships(process)
        await s.when_time_passes(timedelta(seconds=1))
        s.meets(process, "c" * 16, Arm.CANDIDATE, idle=IDLE, success=False)
        await s.ships(process)
        await s.when_time_passes(timedelta(seconds=310), look_every=timedelta(seconds=10))
        firsts = [tick.candidate.first.get("success", Count()) for tick in await s.store.ticks(s.id)]
        assert Count(0, 1) in firsts
        assert sum(count.n for count in firsts) == sum(count.k for count in firsts) == 1
        assert not s.controllers[0].health.troubled
        for _ in range(5):
            await s.when_users_come(s.id, 2000, candidate_fails={"success": 1.0}, stable_fails={"success": 0.01})
            await s.when_time_passes(timedelta(seconds=20), look_every=timedelta(seconds=10))
        assert (await s.then_row(s.id)).phase is Phase.ROLLED_BACK

    asyncio.run(story())


def test_failures_without_units_are_shown_and_limited_at_once():
    """Count limits read them in the tick they came in, and no page shows more bad users than users."""

    async def story() -> None:
        s = Under(MemoryStore())
        await s.started()
        process = Fold("p1")
        for arm in Arm:
            for i in range(20):
                s.meets(process, f"{i:015x}{arm[0]}", arm)
                s.meets(process, f"{i:015x}{arm[0]}", arm, success=False, late=True, assumed=True)
            for i in range(5):
                s.meets(process, f"other{i}{arm[0]}", arm, success=False, late=True, assumed=True)
        await s.ships(process)
        (waiting,) = await s.store.open_ticks(s.id)
        assert waiting.bad_candidate == {"success": 25}
        tick = await s.store.close_tick(s.id, s.row.epoch, sequence=1, at=s.clock.now())
        assert tick.candidate.resolved == tick.stable.resolved == {"success": Count(20, 25)}
        (row,) = compare([tick])
        assert (row.stable, row.candidate) == (1.0, 1.0)
        case = Case(HALF)
        case.add(tick, EpochInfo(0, BasisPoints(5000)))
        look = Look(at=s.clock.now(), stage=0, entered_at=s.clock.now(), last_tick_at=s.clock.now())
        assert case.judge(look).findings[0].k_candidate == 20

    asyncio.run(story())


def test_sessions_that_meet_several_processes_are_noticed_and_named():
    """Two processes meet every session: each counts twice, the verdict says so, and no metric has that name."""

    async def story() -> None:
        s = Under(MemoryStore())
        await s.started()
        for source in ("p1", "p2"):
            process = Fold(source)
            for i in range(640):
                s.meets(process, f"{i:016x}", Arm.CANDIDATE if i % 32 < 16 else Arm.STABLE, idle=IDLE)
            await s.ships(process, last=True)
        (waiting,) = await s.store.open_ticks(s.id)
        assert (waiting.n_candidate, waiting.n_stable, dict(waiting.bad_candidate)) == (640, 640, {})
        tick = await s.store.close_tick(s.id, s.row.epoch, sequence=1, at=s.clock.now())
        assert tick.candidate.first[PRESENCE] == tick.stable.first[PRESENCE] == Count(40, 20)
        assert PRESENCE not in METRICS
        assert [row.metric for row in compare([tick])] == ["success"]
        case = Case(HALF)
        case.add(tick, EpochInfo(0, BasisPoints(5000)))
        look = Look(at=s.clock.now(), stage=0, entered_at=s.clock.now(), last_tick_at=s.clock.now())
        (found,) = (finding for finding in case.judge(look).findings if finding.kind is FindingKind.MISMATCH)
        assert describe(found).endswith("fit the share; sessions meet several processes: each counted 2.0 times")

    asyncio.run(story())
