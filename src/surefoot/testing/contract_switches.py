"""The store contract: kill switches, the outbox, and shadow pairs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..core.evidence.tally import PairTotals
from ..core.units import RolloutId
from ..errors import AlreadyExists, UnknownName
from ..ports.store import Store
from .contract import StoreUnderTest, opened, refused, started, told
from .samples import AGENT, CANDIDATE, NOON, after, pair, switch

__all__ = ["OutboxContract", "ShadowContract", "SwitchContract"]

_ID = RolloutId("r-1")


class SwitchContract:
    """`Switches`, as every store keeps them."""

    def test_a_switch_is_up_for_everybody_once_it_is_written(self, where: StoreUnderTest) -> None:
        """When `kill` returns, whoever opens the store finds it, every field as it was."""

        async def story(store: Store) -> None:
            whole = replace(switch(), agent=AGENT, version=CANDIDATE, feature="refunds", tenant="acme")
            await store.kill(whole)
            async with opened(where) as other:
                assert await other.kills() == (whole,)

        told(where, story)

    def test_an_order_may_be_repeated(self, where: StoreUnderTest) -> None:
        """The same switch sent again is the one that is up already."""

        async def story(store: Store) -> None:
            first = await store.kill(switch())
            assert await store.kill(replace(switch(), raised_at=after(5), reason="it still leaks")) >= first
            assert await store.kills() == (switch(),)

        told(where, story)

    def test_an_id_is_one_switch(self, where: StoreUnderTest) -> None:
        """The id of one that stops something else, or that was lifted, is refused: nobody may think it is obeyed."""

        async def story(store: Store) -> None:
            await store.kill(switch(tenant="acme"))
            with refused(AlreadyExists):
                await store.kill(switch(tenant="globex"))
            await store.unkill("k-1", by="ada", at=NOON)
            with refused(AlreadyExists):
                await store.kill(switch(tenant="acme"))
            assert len(await store.kills()) == 0

        told(where, story)

    def test_only_a_switch_that_is_up_is_lifted(self, where: StoreUnderTest) -> None:
        """Lifting moves the revision on; lifting again, or what was never up, raises."""

        async def story(store: Store) -> None:
            with refused(UnknownName):
                await store.unkill("k-1", by="ada", at=NOON)
            raised = await store.kill(switch())
            assert await store.unkill("k-1", by="ada", at=NOON) > raised
            with refused(UnknownName):
                await store.unkill("k-1", by="ada", at=NOON)

        told(where, story)

    def test_a_switch_of_a_lost_store_is_lifted_without_ever_being_up(self, where: StoreUnderTest) -> None:
        """Whoever names it outright may; it is lifted then like any other, once, and its id is taken."""

        async def story(store: Store) -> None:
            await store.unkill("k-9", by="ada", at=NOON, lost=True)
            assert (len(await store.kills()), await store.lifted()) == (0, frozenset({"k-9"}))
            with refused(UnknownName):
                await store.unkill("k-9", by="ada", at=NOON, lost=True)
            with refused(AlreadyExists):
                await store.kill(switch("k-9"))
            await store.kill(switch())
            await store.unkill("k-1", by="ada", at=NOON, lost=True)
            assert (len(await store.kills()), await store.lifted()) == (0, frozenset({"k-9", "k-1"}))

        told(where, story)

    def test_switches_come_oldest_first(self, where: StoreUnderTest) -> None:
        """The order is by the time they were raised at, then by id, whatever order they were written in."""

        async def story(store: Store) -> None:
            for name, at in (("k-3", after(1)), ("k-1", after(2)), ("k-4", NOON), ("k-2", after(1))):
                await store.kill(switch(name, tenant=name, at=at))
            assert [kill.id for kill in await store.kills()] == ["k-4", "k-2", "k-3", "k-1"]

        told(where, story)

    def test_many_may_kill_at_once(self, where: StoreUnderTest) -> None:
        """Switches raised over several connections at the same time are all up, each with its own revision."""

        async def story(store: Store) -> None:
            async with opened(where) as other:
                kills = [kept.kill(switch(f"k-{n}-{i}")) for n in range(4) for i, kept in enumerate((store, other))]
                revisions = await asyncio.gather(*kills)
            assert len(set(revisions)) == 8
            assert len(await store.kills()) == 8

        told(where, story)


class OutboxContract:
    """`Outbox`, as every store keeps it."""

    def test_effects_are_due_in_the_order_of_their_steps(self, where: StoreUnderTest) -> None:
        """Each has a key of its own that says which; a limit takes the oldest."""

        async def story(store: Store) -> None:
            row, _ = await started(store)
            effects = (await store.audit(_ID))[0].transition.effects
            due = await store.due(at=NOON)
            assert [effect.effect for effect in due] == list(effects)
            assert [effect.key for effect in due] == [f"r-1/1/{position}" for position in range(len(effects))]
            assert {(effect.rollout, effect.attempts) for effect in due} == {(row.id, 0)}
            assert await store.due(at=NOON, limit=1) == due[:1]

        told(where, story)

    def test_what_is_done_is_never_due_again(self, where: StoreUnderTest) -> None:
        """Confirming may be repeated, and a key that is gone is no error."""

        async def story(store: Store) -> None:
            await started(store)
            first, *rest = await store.due(at=NOON)
            for _ in range(2):
                await store.done(first.key)
            await store.retry(first.key, at=NOON, error="too late")
            assert await store.due(at=after(3600)) == tuple(rest)

        told(where, story)

    def test_what_failed_is_due_again_at_its_time(self, where: StoreUnderTest) -> None:
        """It stays away until then, comes back in its old place and says how often it was tried."""

        async def story(store: Store) -> None:
            await started(store)
            keys = [effect.key for effect in await store.due(at=NOON)]
            for attempt in (1, 2):
                await store.retry(keys[0], at=after(10 * attempt), error="connection refused")
                assert [effect.key for effect in await store.due(at=after(10 * attempt - 1))] == keys[1:]
                again = await store.due(at=after(10 * attempt))
                assert [effect.key for effect in again] == keys
                assert again[0].attempts == attempt

        told(where, story)

    def test_a_clock_that_jumps_back_delays_no_fresh_effect(self, where: StoreUnderTest) -> None:
        """What has not been tried yet is due at any time at all."""

        async def story(store: Store) -> None:
            await started(store)
            assert len(await store.due(at=after(-86_400))) == len(await store.due(at=NOON)) > 0

        told(where, story)


class ShadowContract:
    """`Shadow`, as every store keeps it."""

    def test_pairs_add_up_over_what_both_sides_recorded(self, where: StoreUnderTest) -> None:
        """A metric that only one side recorded is compared in no pair; without pairs all is zero."""

        async def story(store: Store) -> None:
            assert await store.pair_totals(_ID) == PairTotals()
            shown = [(False, False), (False, True), (True, False), (True, True), (False, True)]
            pairs = [
                pair(f"run-{n}", unit=f"u-{n}", stable=stable, candidate=candidate)
                for n, (stable, candidate) in enumerate(shown)
            ]
            await store.put_pairs(pairs, dropped=3, rollout=_ID)
            assert await store.pair_totals(_ID) == PairTotals(
                pairs=5,
                only_candidate_bad={"success": 2},
                only_stable_bad={"success": 1},
                compared={"success": 5},
                diverged=3,
                dropped=3,
            )

        told(where, story)

    def test_pairs_sent_again_count_nothing(self, where: StoreUnderTest) -> None:
        """Neither the pairs of a repeated batch nor what was dropped with it are counted twice."""

        async def story(store: Store) -> None:
            await store.put_pairs([], dropped=1, rollout=_ID)
            batch = [pair("run-1"), pair("run-2", unit="u-2")]
            for _ in range(2):
                await store.put_pairs(batch, dropped=5, rollout=_ID)
            await store.put_pairs([*batch, pair("run-3", unit="u-3")], dropped=2, rollout=_ID)
            totals = await store.pair_totals(_ID)
            assert (totals.pairs, totals.dropped) == (3, 8)

        told(where, story)

    def test_one_pair_of_a_unit_counts(self, where: StoreUnderTest) -> None:
        """Later pairs of the same unit are kept for people only; another rollout counts its own."""

        async def story(store: Store) -> None:
            await store.put_pairs([pair("run-1"), pair("run-2", candidate=True)], dropped=0, rollout=_ID)
            await store.put_pairs([pair("run-3", candidate=True)], dropped=0, rollout=_ID)
            totals = await store.pair_totals(_ID)
            assert (totals.pairs, totals.only_candidate_bad, totals.diverged) == (1, {}, 0)
            assert len(await store.pairs(_ID)) == 3
            other = RolloutId("r-2")
            await store.put_pairs([replace(pair("run-1"), rollout=other)], dropped=0, rollout=other)
            assert (await store.pair_totals(other)).pairs == 1

        told(where, story)

    def test_a_large_batch_counts_like_its_pairs_one_by_one(self, where: StoreUnderTest) -> None:
        """However many come at once: of a run that is repeated, and of a unit, the first pair counts."""

        async def story(store: Store) -> None:
            pairs = [pair(f"run-{n}", unit=f"u-{n // 2}", candidate=bool(n % 2)) for n in range(1_500)]
            again = [replace(one, candidate_bad={"success": True}) for one in pairs[:300]]
            await store.put_pairs([*pairs, *again], dropped=1, rollout=_ID)
            totals = await store.pair_totals(_ID)
            assert (totals.pairs, totals.only_candidate_bad, totals.dropped) == (750, {}, 1)
            kept = await store.pairs(_ID, limit=2_000)
            assert sorted(one.run_id for one in kept) == sorted(one.run_id for one in pairs)
            assert sum(one.candidate_bad["success"] for one in kept) == 750

        told(where, story)

    def test_pairs_are_shown_newest_first(self, where: StoreUnderTest) -> None:
        """They read back whole, at most as many as asked for."""

        async def story(store: Store) -> None:
            pairs = [pair(f"run-{n}", unit=f"u-{n}", at=after(n)) for n in range(3)]
            await store.put_pairs(pairs, dropped=0, rollout=_ID)
            assert await store.pairs(_ID) == tuple(reversed(pairs))
            assert await store.pairs(_ID, limit=1) == (pairs[2],)
            assert len(await store.pairs(RolloutId("r-2"))) == 0

        told(where, story)

    def test_pairs_from_two_places_are_all_counted(self, where: StoreUnderTest) -> None:
        """Two workers that write at the same time lose nothing of each other's."""

        async def story(store: Store) -> None:
            async with opened(where) as other:
                batches = [
                    kept.put_pairs([pair(f"run-{n}-{i}", unit=f"u-{n}-{i}")], dropped=1, rollout=_ID)
                    for n in range(5)
                    for i, kept in enumerate((store, other))
                ]
                await asyncio.gather(*batches)
            totals = await store.pair_totals(_ID)
            assert (totals.pairs, totals.dropped) == (10, 10)

        told(where, story)
