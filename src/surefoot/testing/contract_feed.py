"""The store contract: what routers hear, and what recorders ship."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from ..core.evidence.observation import Arm
from ..core.evidence.tally import Count
from ..core.lifecycle.rollout import Promote
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Revision, RolloutId
from ..errors import Conflict
from ..ports.feed import Changes, Feed
from ..ports.sink import ClosingSink
from ..ports.store import Store
from .contract import StoreUnderTest, moved, refused, started, told
from .samples import AGENT, CANDIDATE, NOON, STABLE, counts, delta, switch

__all__ = ["FeedContract", "Listener", "SinkContract", "fed", "shipping"]

_PATIENCE = 10.0
"""Seconds until a test gives up; a change is there within milliseconds."""


class Listener:
    """A router's part: it looks again whenever the bell has rung."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._rung = threading.Event()
        feed.listen(self._rung.set)

    def until(self, revision: Revision, *, since: Revision) -> Changes:
        """What is newer than `since` once that revision has arrived."""
        while (found := self._feed.changes(since)).revision < revision:
            if not self._rung.wait(_PATIENCE):
                raise AssertionError(f"revision {revision} did not arrive; the feed is at {found.revision}")
            self._rung.clear()
        return found


@contextmanager
def fed(where: StoreUnderTest) -> Generator[tuple[Feed, Listener]]:
    """One more feed, closed in the end."""
    feed = where.feed()
    try:
        yield feed, Listener(feed)
    finally:
        feed.close()


class FeedContract:
    """`Feed`, as every store offers it."""

    def test_a_new_router_gets_everything(self, where: StoreUnderTest) -> None:
        """From revision 0 it reads every agent and all switches, none being an answer too."""

        async def story(store: Store) -> None:
            with fed(where) as (_, listener):
                empty = listener.until(Revision(0), since=Revision(0))
                assert (dict(empty.agents), empty.kills) == ({}, ())
                await store.set_traffic(AgentTraffic(agent=AGENT, stable=STABLE))
                revision = await store.kill(switch())
                found = listener.until(revision, since=Revision(0))
            snapshot = await store.snapshot()
            assert found[:3] == (snapshot.revision, snapshot.agents, snapshot.kills)
            assert found.identity

        told(where, story)

    def test_a_router_hears_every_change_in_order(self, where: StoreUnderTest) -> None:
        """After each write its newest revision and only what changed arrive; following them leads to the snapshot."""

        async def story(store: Store) -> None:
            agents: dict[AgentName, AgentTraffic] = {}
            since, kills = Revision(0), None
            with fed(where) as (_, listener):
                for write in _writes(store):
                    revision = await write()
                    found = listener.until(revision, since=since)
                    assert found.revision >= revision > since
                    assert all(traffic.revision > since for traffic in found.agents.values())
                    agents |= found.agents
                    kills = kills if found.kills is None else found.kills
                    since = found.revision
            snapshot = await store.snapshot()
            assert (since, agents, kills) == (snapshot.revision, snapshot.agents, snapshot.kills)

        told(where, story)

    def test_what_did_not_change_is_not_sent(self, where: StoreUnderTest) -> None:
        """Switches come only after a switch changed, agents only after theirs did."""

        async def story(store: Store) -> None:
            first = await store.kill(switch())
            second = await store.set_traffic(AgentTraffic(agent=AGENT, stable=STABLE))
            with fed(where) as (_, listener):
                found = listener.until(second, since=first)
                assert (list(found.agents), found.kills) == ([AGENT], None)
                found = listener.until(second, since=second)
                assert (dict(found.agents), found.kills) == ({}, None)
                third = await store.unkill("k-1", by="ada", at=NOON)
                found = listener.until(third, since=second)
                assert (dict(found.agents), found.kills, found.lifted) == ({}, (), frozenset({"k-1"}))

        told(where, story)

    def test_an_agent_that_changes_again_is_sent_again(self, where: StoreUnderTest) -> None:
        """Whatever order agents first came in, each is found by the revision of its last change."""

        async def story(store: Store) -> None:
            one, two = (AgentTraffic(agent=AgentName(name), stable=STABLE) for name in ("one", "two"))
            with fed(where) as (_, listener):
                revisions: list[Revision] = []
                for traffic in (one, two, one):
                    revisions.append(await store.set_traffic(traffic))
                    listener.until(revisions[-1], since=Revision(0))
                found = listener.until(revisions[2], since=revisions[1])
                assert [*found.agents] == ["one"]
                found = listener.until(revisions[2], since=revisions[0])
                assert sorted(found.agents) == ["one", "two"]

        told(where, story)

    def test_a_store_that_was_put_back_is_read_from_the_start(self, where: StoreUnderTest) -> None:
        """A router ahead of the store's revision gets everything there is, and the store's own revision."""

        async def story(store: Store) -> None:
            await store.set_traffic(AgentTraffic(agent=AGENT, stable=STABLE))
            revision = await store.kill(switch())
            with fed(where) as (_, listener):
                found = listener.until(revision, since=Revision(revision + 100))
                assert (found.revision, list(found.agents), found.kills) == (revision, [AGENT], (switch(),))

        told(where, story)

    def test_the_epoch_changes_with_every_change(self, where: StoreUnderTest) -> None:
        """Once a router has read a change, a later one shows in another number."""

        async def story(store: Store) -> None:
            with fed(where) as (feed, listener):
                since = await store.set_traffic(AgentTraffic(agent=AGENT, stable=STABLE))
                listener.until(since, since=Revision(0))
                seen = {feed.epoch()}
                for write in _writes(store):
                    since = await write()
                    listener.until(since, since=Revision(0))
                    assert feed.epoch() not in seen
                    seen.add(feed.epoch())

        told(where, story)

    def test_a_feed_is_closed_more_than_once(self, where: StoreUnderTest) -> None:
        """Closing again does nothing, and the epoch goes on answering."""

        async def story(store: Store) -> None:
            with fed(where) as (feed, listener):
                listener.until(Revision(0), since=Revision(0))
                feed.close()
                assert isinstance(feed.epoch(), int)

        told(where, story)


class SinkContract:
    """`Sink`, as every store offers it."""

    def test_a_sink_writes_what_the_store_would(self, where: StoreUnderTest) -> None:
        """The same deltas shipped by a thread and absorbed by the store come to the same ticks and the same history."""

        async def story(store: Store) -> None:
            both = {
                Arm.STABLE: counts(exposed=9, failed=("u-1", "u-2"), resolved=Count(7, 1), cost=4),
                Arm.CANDIDATE: counts(exposed=2, failed=("u-3",)),
            }
            places = [("a", "r-1", 1), ("a", "r-1", 2), ("a", None, 0), ("b", "r-1", 1)]
            with shipping(where) as sink:
                numbers: dict[str, int] = {}
                for source, place, epoch in places:
                    number = numbers[source] = numbers.get(source, 0) + 1
                    assert sink.absorb(delta(number, both, source=source, rollout=place, epoch=epoch))
                    other = f"{place}-too" if place else None
                    await store.absorb(delta(number, both, source=f"{source}-too", rollout=other, epoch=epoch))
            shipped, absorbed = [await store.open_ticks(RolloutId(place)) for place in ("r-1", "r-1-too")]
            assert shipped == absorbed
            for epoch in (1, 2):
                one = await store.close_tick(RolloutId("r-1"), epoch, sequence=epoch, at=NOON)
                two = await store.close_tick(RolloutId("r-1-too"), epoch, sequence=epoch, at=NOON)
                assert (one.stable, one.candidate) == (two.stable, two.candidate)
            assert (await store.history(STABLE)).counts == {"success": Count(14, 2)}

        told(where, story)

    def test_a_sink_and_the_store_number_alike(self, where: StoreUnderTest) -> None:
        """What one has applied the other knows; again is False, and a gap is refused by both."""

        async def story(store: Store) -> None:
            arms = {Arm.CANDIDATE: counts(exposed=1)}
            with shipping(where) as sink:
                assert sink.applied("s-1") == 0
                assert sink.absorb(delta(1, arms))
                assert not await store.absorb(delta(1, arms))
                assert await store.absorb(delta(2, arms))
                assert not sink.absorb(delta(2, arms))
                assert sink.applied("s-1") == await store.applied("s-1") == 2
                with refused(Conflict):
                    sink.absorb(delta(4, arms))
                assert sink.absorb(delta(3, arms))
            (tick,) = await store.open_ticks(RolloutId("r-1"))
            assert tick.n_candidate == 3

        told(where, story)

    def test_a_sink_serves_many_threads(self, where: StoreUnderTest) -> None:
        """Recorders of one process that ship at the same time lose nothing and count nothing twice."""

        async def story(store: Store) -> None:
            with shipping(where) as sink:

                def ship(source: str) -> None:
                    for sequence in range(1, 6):
                        sink.absorb(delta(sequence, {Arm.CANDIDATE: counts(exposed=1, failed=("u-1",))}, source=source))

                threads = [threading.Thread(target=ship, args=(f"s-{n}",)) for n in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            (tick,) = await store.open_ticks(RolloutId("r-1"))
            assert (tick.n_candidate, dict(tick.bad_candidate)) == (20, {"success": 1})

        told(where, story)


@contextmanager
def shipping(where: StoreUnderTest) -> Generator[ClosingSink]:
    """One more sink, closed in the end, twice."""
    sink = where.sink()
    try:
        yield sink
    finally:
        sink.close()
        sink.close()


def _writes(store: Store) -> list[Callable[[], Awaitable[Revision]]]:
    """One of each kind of write that routers see."""

    async def start() -> Revision:
        return (await started(store)).revision

    async def promote() -> Revision:
        return (await moved(store, "r-1", Promote(by="ada", why="an emergency"))).revision

    return [
        lambda: store.set_traffic(AgentTraffic(agent=AgentName("other"), stable=CANDIDATE)),
        lambda: store.kill(switch()),
        start,
        lambda: store.kill(switch("k-2", tenant="acme")),
        promote,
        lambda: store.unkill("k-1", by="ada", at=NOON),
        promote,
    ]
