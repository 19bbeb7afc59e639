"""The store contract: deltas are applied once, in order, and come out as ticks that never change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

from ..core.evidence.observation import Arm
from ..core.evidence.tally import ArmTick, Count, Delta, History, Tick
from ..core.units import RolloutId
from ..errors import Conflict
from ..ports.store import OpenTick, Store
from .contract import StoreUnderTest, opened, refused, told
from .samples import CANDIDATE, NOON, STABLE, after, counts, delta

__all__ = ["EvidenceContract"]

_ID = RolloutId("r-1")
_BOTH = {
    Arm.STABLE: counts(exposed=9, failed=("u-1",), resolved=Count(7, 1), cost=4),
    Arm.CANDIDATE: counts(exposed=2, failed=("u-2", "u-3"), resolved=Count(2, 2)),
}


class EvidenceContract:
    """`Evidence`, as every store keeps it."""

    def test_a_delta_waits_in_an_open_tick(self, where: StoreUnderTest) -> None:
        """What closing depends on, and what count limits look at, can be read before the tick is closed."""

        async def story(store: Store) -> None:
            assert len(await store.open_ticks(_ID)) == 0
            assert await store.absorb(delta(1, _BOTH))
            expected = OpenTick(
                epoch=1,
                opened_at=NOON,
                n_stable=9,
                n_candidate=2,
                bad_candidate={"success": 2},
                assigned_stable=9,
                assigned_candidate=2,
            )
            assert await store.open_ticks(_ID) == (expected,)

        told(where, story)

    def test_where_no_binary_metric_is_recorded_requests_count(self, where: StoreUnderTest) -> None:
        """An arm that only has amounts is as exposed as it has requests."""

        async def story(store: Store) -> None:
            await store.absorb(delta(1, {Arm.CANDIDATE: replace(counts(cost=2), requests=5)}))
            (tick,) = await store.open_ticks(_ID)
            assert (tick.n_stable, tick.n_candidate, dict(tick.bad_candidate)) == (0, 5, {})

        told(where, story)

    def test_a_delta_is_applied_once(self, where: StoreUnderTest) -> None:
        """Sent again, now or after others, it is there already and counts nothing."""

        async def story(store: Store) -> None:
            assert await store.applied("s-1") == 0
            answers = [await store.absorb(delta(sequence, _BOTH)) for sequence in (1, 1, 2, 1, 2)]
            assert answers == [True, False, True, False, False]
            assert await store.applied("s-1") == 2
            (tick,) = await store.open_ticks(_ID)
            assert tick.n_stable == 18

        told(where, story)

    def test_a_gap_is_refused(self, where: StoreUnderTest) -> None:
        """A delta whose predecessor is missing changes nothing, for a new source as for a known one."""

        async def story(store: Store) -> None:
            with refused(Conflict):
                await store.absorb(delta(2, _BOTH))
            assert (await store.applied("s-1"), len(await store.open_ticks(_ID))) == (0, 0)
            await store.absorb(delta(1, _BOTH))
            with refused(Conflict):
                await store.absorb(delta(3, _BOTH))
            assert await store.applied("s-1") == 1

        told(where, story)

    def test_of_two_shipments_at_once_one_counts(self, where: StoreUnderTest) -> None:
        """The same delta sent over two connections at the same time is applied by one of them."""

        async def story(store: Store) -> None:
            async with opened(where) as other:
                for sequence in range(1, 6):
                    shipped = delta(sequence, _BOTH)
                    assert sorted(await asyncio.gather(store.absorb(shipped), other.absorb(shipped))) == [False, True]
            (tick,) = await store.open_ticks(_ID)
            assert tick.n_candidate == 10

        told(where, story)

    def test_sources_add_up_whatever_their_order(self, where: StoreUnderTest) -> None:
        """Three sources that retry and overtake one another come to the sum of what each saw."""

        async def story(store: Store) -> None:
            chance = Random(7)
            sent: dict[str, int] = dict.fromkeys(("s-1", "s-2", "s-3"), 0)
            async with opened(where) as other:
                while min(sent.values()) < 6:
                    source = chance.choice([name for name, last in sent.items() if last < 6])
                    sequence = sent[source] + chance.choice([0, 1]) or 1
                    sent[source] = max(sent[source], sequence)
                    await chance.choice([store, other]).absorb(delta(sequence, _BOTH, source=source))
            tick = await store.close_tick(_ID, 1, sequence=1, at=NOON)
            assert tick.stable == ArmTick(
                requests=18 * 9,
                assigned=18 * 9,
                first={"success": Count(18 * 9, 1)},
                resolved={"success": Count(18 * 7, 18)},
                amounts={"cost": {3: 18 * 4, -2: 18}},
            )

        told(where, story)

    def test_a_unit_fails_once(self, where: StoreUnderTest) -> None:
        """Its first failure counts per rollout, epoch and metric, whoever reports it, now or after the tick closed."""

        async def story(store: Store) -> None:
            failing = {Arm.CANDIDATE: counts(exposed=3, failed=("u-1", "u-2", "u-1"))}
            await store.absorb(delta(1, failing, source="s-1"))
            await store.absorb(delta(1, failing, source="s-2"))
            await store.absorb(delta(2, failing, source="s-2", epoch=2))
            await store.absorb(delta(3, failing, source="s-2", rollout="r-2"))
            first = await store.close_tick(_ID, 1, sequence=1, at=NOON)
            assert first.candidate.first == {"success": Count(6, 2)}
            await store.absorb(delta(4, failing, source="s-2"))
            again = await store.close_tick(_ID, 1, sequence=2, at=NOON)
            assert again.candidate.first == {"success": Count(3, 0)}
            newer = await store.close_tick(_ID, 2, sequence=3, at=NOON)
            assert newer.candidate.first == {"success": Count(3, 2)}
            (other,) = await store.open_ticks(RolloutId("r-2"))
            assert dict(other.bad_candidate) == {"success": 2}

        told(where, story)

    def test_a_failure_told_late_counts_where_none_is_known(self, where: StoreUnderTest) -> None:
        """Once, in both streams and without a unit; whoever had failed before its end is not counted again."""

        async def story(store: Store) -> None:
            seen = counts(exposed=4, failed=("u-1",), resolved=Count(4, 1))
            await store.absorb(delta(1, {Arm.CANDIDATE: seen}, source="s-1"))
            told_late = {Arm.CANDIDATE: counts(late=("u-1", "u-2", "u-2"))}
            await store.absorb(delta(1, told_late, source="s-2"))
            await store.absorb(delta(1, told_late, source="s-3"))
            tick = await store.close_tick(_ID, 1, sequence=1, at=NOON)
            assert tick.candidate.first == {"success": Count(4, 2)}
            assert tick.candidate.resolved == {"success": Count(4, 2)}

        told(where, story)

    def test_any_number_of_units_may_fail_at_once(self, where: StoreUnderTest) -> None:
        """An outage that fails a thousand units in one delta is counted like any other."""

        async def story(store: Store) -> None:
            units = tuple(f"u-{number}" for number in range(1_001))
            await store.absorb(delta(1, {Arm.CANDIDATE: counts(exposed=1_001, failed=units)}))
            (tick,) = await store.open_ticks(_ID)
            assert dict(tick.bad_candidate) == {"success": 1_001}

        told(where, story)

    def test_a_closed_tick_is_what_had_arrived(self, where: StoreUnderTest) -> None:
        """It is numbered, timed, merged over its sources, and reads back as it was answered."""

        async def story(store: Store) -> None:
            await store.absorb(delta(1, _BOTH, at=after(3)))
            await store.absorb(delta(1, {Arm.CANDIDATE: counts(exposed=1)}, source="s-2", at=after(1)))
            tick = await store.close_tick(_ID, 1, sequence=1, at=after(11))
            assert tick == Tick(
                rollout=_ID,
                sequence=1,
                epoch=1,
                opened_at=after(1),
                closed_at=after(11),
                stable=ArmTick(
                    requests=9,
                    assigned=9,
                    first={"success": Count(9, 1)},
                    resolved={"success": Count(7, 1)},
                    amounts={"cost": {3: 4, -2: 1}},
                ),
                candidate=ArmTick(
                    requests=3, assigned=3, first={"success": Count(3, 2)}, resolved={"success": Count(2, 2)}
                ),
            )
            assert await store.ticks(_ID) == (tick,)
            assert len(await store.open_ticks(_ID)) == 0

        told(where, story)

    def test_a_tick_is_closed_once(self, where: StoreUnderTest) -> None:
        """A number that is not the next, or an epoch with nothing open, closes nothing and loses nothing."""

        async def story(store: Store) -> None:
            await store.absorb(delta(1, _BOTH))
            for epoch, sequence in ((1, 2), (1, 0), (2, 1)):
                with refused(Conflict):
                    await store.close_tick(_ID, epoch, sequence=sequence, at=NOON)
            assert len(await store.open_ticks(_ID)) == 1
            await store.close_tick(_ID, 1, sequence=1, at=NOON)
            for sequence in (1, 2):
                with refused(Conflict):
                    await store.close_tick(_ID, 1, sequence=sequence, at=NOON)
            assert len(await store.ticks(_ID)) == 1

        told(where, story)

    def test_of_two_closers_one_closes(self, where: StoreUnderTest) -> None:
        """Two controllers at once, over one epoch or two, never make two ticks of one number."""

        async def story(store: Store) -> None:
            async with opened(where) as other:
                for epoch in (1, 2):
                    await store.absorb(delta(epoch, _BOTH, epoch=epoch))
                for number, epochs in enumerate([(1, 2), (1, 2)], start=1):
                    waiting = [tick.epoch for tick in await store.open_ticks(_ID)]
                    answers = await asyncio.gather(
                        store.close_tick(_ID, epochs[0] if epochs[0] in waiting else 2, sequence=number, at=NOON),
                        other.close_tick(_ID, epochs[1] if epochs[1] in waiting else 1, sequence=number, at=NOON),
                        return_exceptions=True,
                    )
                    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True], answers
            ticks = await store.ticks(_ID)
            assert [tick.sequence for tick in ticks] == [1, 2]
            assert sorted(tick.epoch for tick in ticks) == [1, 2]

        told(where, story)

    def test_counts_of_a_closed_epoch_open_a_new_tick_of_it(self, where: StoreUnderTest) -> None:
        """What arrives late is kept in its own epoch; open ticks come in the order of their epochs."""

        async def story(store: Store) -> None:
            await store.absorb(delta(1, _BOTH, epoch=2))
            await store.close_tick(_ID, 2, sequence=1, at=NOON)
            for sequence, epoch in enumerate((2, 10, 1), start=2):
                await store.absorb(delta(sequence, _BOTH, epoch=epoch))
            assert [tick.epoch for tick in await store.open_ticks(_ID)] == [1, 2, 10]

        told(where, story)

    def test_ticks_are_read_from_where_one_stopped(self, where: StoreUnderTest) -> None:
        """`after` leaves out what was read before; the rest comes in order."""

        async def story(store: Store) -> None:
            for sequence in (1, 2, 3):
                await store.absorb(delta(sequence, _BOTH))
                await store.close_tick(_ID, 1, sequence=sequence, at=NOON)
            assert [tick.sequence for tick in await store.ticks(_ID, after=1)] == [2, 3]
            assert len(await store.ticks(_ID, after=3)) == 0
            assert len(await store.ticks(RolloutId("unknown"))) == 0

        told(where, story)

    def test_a_clock_that_jumps_back_loses_nothing(self, where: StoreUnderTest) -> None:
        """Deltas and closes that seem to come before their time are taken, and no tick ends before it began."""

        async def story(store: Store) -> None:
            await store.absorb(delta(1, _BOTH, at=after(3600)))
            await store.absorb(delta(2, _BOTH, at=NOON))
            await store.absorb(delta(3, _BOTH, at=after(7200)))
            (tick,) = await store.open_ticks(_ID)
            assert (tick.opened_at, tick.n_stable) == (NOON, 27)
            closed = await store.close_tick(_ID, 1, sequence=1, at=after(-60))
            assert closed.opened_at <= closed.closed_at == after(-60)
            await store.absorb(delta(4, _BOTH, at=after(-120)))
            assert (await store.close_tick(_ID, 1, sequence=2, at=after(-120))).sequence == 2

        told(where, story)

    def test_what_is_seen_outside_rollouts_is_history_of_its_version(self, where: StoreUnderTest) -> None:
        """Resolved counts and amounts add up per version over all sources; nothing recorded is an empty history."""

        async def story(store: Store) -> None:
            assert await store.history(STABLE) == History()
            alone = {Arm.STABLE: counts(exposed=9, failed=("u-1",), resolved=Count(7, 1), cost=4)}
            for source in ("s-1", "s-2"):
                await store.absorb(delta(1, alone, source=source, rollout=None))
            await store.absorb(delta(2, _BOTH))
            expected = History(counts={"success": Count(14, 2)}, amounts={"cost": {3: 8, -2: 2}})
            assert await store.history(STABLE) == expected
            assert await store.history(CANDIDATE) == History()

        told(where, story)

    def test_one_delta_may_hold_many_places(self, where: StoreUnderTest) -> None:
        """History, several epochs and several rollouts in one shipment all get their part, or none does."""

        async def story(store: Store) -> None:
            parts = [
                delta(1, _BOTH, epoch=epoch, rollout=place) for place, epoch in (("r-2", 1), ("r-1", 2), (None, 0))
            ]
            whole = {key: shown for part in parts for key, shown in part.counts.items()}
            with refused(Conflict):
                await store.absorb(Delta(source="s-1", sequence=2, at=NOON, counts=whole))
            assert await store.history(STABLE) == History()
            await store.absorb(Delta(source="s-1", sequence=1, at=NOON, counts=whole))
            assert [tick.epoch for tick in await store.open_ticks(_ID)] == [2]
            assert [tick.epoch for tick in await store.open_ticks(RolloutId("r-2"))] == [1]
            assert (await store.history(STABLE)).counts == {"success": Count(7, 1)}

        told(where, story)
