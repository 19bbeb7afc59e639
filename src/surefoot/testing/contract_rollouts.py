"""The store contract: rollouts, their audit trail, the deny list, and who wins when two write at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..core.lifecycle.audit import verify
from ..core.lifecycle.machine import transition
from ..core.lifecycle.rollout import Abort, Kill, Notify, Phase, Promote, Rollout, Start, Transition, traffic_of
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Revision, RolloutId
from ..errors import AlreadyExists, Conflict, UnknownName
from ..ports.store import Store
from .contract import StoreUnderTest, moved, opened, refused, started, told
from .samples import AGENT, CANDIDATE, NOON, STABLE, rollout, version

__all__ = ["RolloutContract"]

_ID = RolloutId("r-1")
_ABORT = Abort(by="ada", why="a typo in the prompt")
_KILL = Kill(switch="k-1", by="ada", why="it leaks")
_PROMOTE = Promote(by="ada", why="an emergency")


class RolloutContract:
    """`Rollouts`, as every store keeps it."""

    def test_a_rollout_reads_back_as_it_was_created(self, where: StoreUnderTest) -> None:
        """Every field survives, the 64 bits of the seed and the plan included; nothing of it is traffic yet."""

        async def story(store: Store) -> None:
            revision = await store.create(rollout())
            assert await store.rollout(_ID) == (rollout(), revision)
            with refused(UnknownName):
                await store.traffic(AGENT)

        told(where, story)

    def test_a_rollout_is_created_once(self, where: StoreUnderTest) -> None:
        """A second one of the same id is refused and the first one stays."""

        async def story(store: Store) -> None:
            await store.create(rollout())
            with refused(AlreadyExists):
                await store.create(replace(rollout(), author="bob"))
            assert (await store.rollout(_ID)).rollout.author == "ada"

        told(where, story)

    def test_a_rollout_is_created_before_it_starts(self, where: StoreUnderTest) -> None:
        """One that is under way already would have steps in no audit record."""

        async def story(store: Store) -> None:
            with refused(ValueError):
                await store.create(replace(rollout(), phase=Phase.RUNNING, opened=1))
            with refused(UnknownName):
                await store.rollout(_ID)

        told(where, story)

    def test_an_unknown_rollout_is_an_error(self, where: StoreUnderTest) -> None:
        """Reading, auditing and stepping one that nobody created raises."""

        async def story(store: Store) -> None:
            with refused(UnknownName):
                await store.rollout(_ID)
            with refused(UnknownName):
                await store.audit(_ID)
            with refused(UnknownName):
                await store.commit(transition(rollout(), Start(by="ada"), at=NOON), expected=Revision(1))

        told(where, story)

    def test_rollouts_are_listed_oldest_first(self, where: StoreUnderTest) -> None:
        """By agent and by phase, in the order in which they were created, whatever has happened since."""

        async def story(store: Store) -> None:
            other = AgentName("other")
            for row in (rollout("r-3"), rollout("r-1", agent=other), rollout("r-2")):
                await store.create(row)
            await moved(store, "r-3", _ABORT)

            async def ids(agent: AgentName | None = None, phases: tuple[Phase, ...] | None = None) -> list[str]:
                return [stored.rollout.id for stored in await store.rollouts(agent=agent, phases=phases)]

            assert await ids() == ["r-3", "r-1", "r-2"]
            assert await ids(agent=AGENT) == ["r-3", "r-2"]
            assert await ids(phases=(Phase.QUEUED, Phase.RUNNING)) == ["r-1", "r-2"]
            assert await ids(agent=other, phases=(Phase.ABORTED,)) == []
            assert await ids(phases=()) == []

        told(where, story)

    def test_a_step_is_written_whole(self, where: StoreUnderTest) -> None:
        """Row, audit record, effects and the routers' view are there together, and the revision has grown."""

        async def story(store: Store) -> None:
            created = await store.create(rollout())
            step = transition(rollout(), Start(by="ada"), at=NOON)
            revision = await store.commit(step, expected=created)
            assert revision > created
            assert await store.rollout(_ID) == (step.after, revision)
            assert [record.transition for record in await store.audit(_ID)] == [step]
            assert tuple(due.effect for due in await store.due(at=NOON)) == step.effects
            found = await store.traffic(AGENT)
            assert (found.stable, found.split, found.revision) == (STABLE, traffic_of(step.after), revision)

        told(where, story)

    def test_a_step_from_an_old_revision_changes_nothing(self, where: StoreUnderTest) -> None:
        """Who has not seen the newest row is refused: no second step, no record, no effect, no traffic."""

        async def story(store: Store) -> None:
            created = await store.create(rollout())
            step = transition(rollout(), Start(by="ada"), at=NOON)
            await store.commit(step, expected=created)
            before = await store.rollout(_ID), await store.audit(_ID), await store.due(at=NOON), await store.snapshot()
            late = transition(step.before, _ABORT, at=NOON)
            for expected in (created, Revision(created + 99)):
                with refused(Conflict):
                    await store.commit(late, expected=expected)
            now = await store.rollout(_ID), await store.audit(_ID), await store.due(at=NOON), await store.snapshot()
            assert now == before

        told(where, story)

    def test_of_two_controllers_one_steps(self, where: StoreUnderTest) -> None:
        """Of steps that start from the same row at the same time exactly one is written, again and again."""

        async def story(store: Store) -> None:
            await store.create(rollout())
            async with opened(where) as other:
                for round_ in range(5):
                    row, revision = await store.rollout(_ID)
                    steps = [_noted(row, f"{name} {round_}") for name in ("one", "two")]
                    answers = await asyncio.gather(
                        store.commit(steps[0], expected=revision),
                        other.commit(steps[1], expected=revision),
                        return_exceptions=True,
                    )
                    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True], answers
                assert len(await store.audit(_ID)) == 5
                row, _ = await store.rollout(_ID)
                assert verify(await other.audit(_ID), row=row) is None

        told(where, story)

    def test_revisions_are_one_order_of_all_writes(self, where: StoreUnderTest) -> None:
        """However many write at once, no two writes have one revision, and the newest is the snapshot's."""

        async def story(store: Store) -> None:
            agents = [AgentName(f"a-{number}") for number in range(8)]
            async with opened(where) as other:
                writes = [
                    kept.set_traffic(AgentTraffic(agent=agent, stable=STABLE))
                    for agent in agents
                    for kept in (store, other)
                ]
                revisions = await asyncio.gather(*writes)
            assert len(set(revisions)) == len(revisions)
            found = await store.snapshot()
            assert found.revision == max(revisions)
            assert {traffic.revision for traffic in found.agents.values()} <= set(revisions)

        told(where, story)

    def test_the_audit_trail_is_chained(self, where: StoreUnderTest) -> None:
        """Each record follows the one before it by hash, from 64 zeros to the row as it is."""

        async def story(store: Store) -> None:
            await started(store)
            await moved(store, "r-1", _PROMOTE)
            row, _ = await moved(store, "r-1", _KILL)
            records = await store.audit(_ID)
            assert [record.sequence for record in records] == [1, 2, 3]
            assert verify(records, row=row) is None
            await store.create(rollout("r-2"))
            assert len(await store.audit(RolloutId("r-2"))) == 0

        told(where, story)

    def test_a_promoted_candidate_becomes_stable(self, where: StoreUnderTest) -> None:
        """The stable pointer moves and the split ends in the write that promotes."""

        async def story(store: Store) -> None:
            await started(store)
            await moved(store, "r-1", _PROMOTE)
            assert (await store.traffic(AGENT)).stable == STABLE
            await moved(store, "r-1", _PROMOTE)
            found = await store.traffic(AGENT)
            assert (found.stable, found.split) == (CANDIDATE, None)

        told(where, story)

    def test_a_rolled_back_digest_is_denied_until_a_person_reopens_it(self, where: StoreUnderTest) -> None:
        """The list says why; re-opening is for that digest only, and another rollback denies it again."""

        async def story(store: Store) -> None:
            await started(store)
            row, _ = await moved(store, "r-1", _KILL)
            assert dict(await store.denied(AGENT)) == {CANDIDATE: row.note}
            assert dict(await store.denied(AgentName("other"))) == {}
            assert (await store.traffic(AGENT)).split is None
            await store.reopen(AGENT, STABLE, by="ada", at=NOON)
            assert CANDIDATE in await store.denied(AGENT)
            for _ in range(2):
                await store.reopen(AGENT, CANDIDATE, by="ada", at=NOON)
                assert dict(await store.denied(AGENT)) == {}
            await started(store, "r-2")
            await moved(store, "r-2", _KILL)
            assert CANDIDATE in await store.denied(AGENT)

        told(where, story)

    def test_two_rollouts_of_an_agent_never_share_its_traffic(self, where: StoreUnderTest) -> None:
        """Starting a second one beside one under way is refused; ending one that waits leaves the other's split."""

        async def story(store: Store) -> None:
            await started(store)
            split = (await store.traffic(AGENT)).split
            await store.create(rollout("r-2"))
            with refused(Conflict):
                await moved(store, "r-2", Start(by="ada"))
            assert (await store.rollout(RolloutId("r-2"))).rollout.phase is Phase.QUEUED
            assert len(await store.audit(RolloutId("r-2"))) == 0
            await moved(store, "r-2", _ABORT)
            assert (await store.traffic(AGENT)).split == split

        told(where, story)

    def test_text_of_any_language_survives(self, where: StoreUnderTest) -> None:
        """Quotes, line ends, signs of every plane and control characters read back as they were."""

        async def story(store: Store) -> None:
            strange = "né 'x' \"y\" \\ \u2028 \U0001f9ed \x00 \x1f\n"
            kept = version(system=strange)
            await store.put_version(kept)
            assert (await store.version(kept.digest)).prompt.system == strange
            await store.create(rollout())
            row, _ = await moved(store, "r-1", Abort(by="ada", why=strange))
            assert verify(await store.audit(_ID), row=row) is None

        told(where, story)


def _noted(row: Rollout, note: str) -> Transition:
    """A step that only writes something down, legal in every phase."""
    after = replace(row, note=note)
    return Transition(before=row, event=Start(by="ada"), after=after, effects=(Notify(what=note),), at=NOON)
