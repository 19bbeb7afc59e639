"""A write that fails anywhere in the middle has not happened, and nobody reads half of one."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import event

from surefoot.core.evidence.observation import Arm
from surefoot.core.evidence.tally import Count
from surefoot.core.lifecycle.audit import verify
from surefoot.core.lifecycle.machine import transition
from surefoot.core.lifecycle.rollout import Kill, Start
from surefoot.errors import StoreUnavailable
from surefoot.store.registry import open_store
from surefoot.testing.samples import AGENT, NOON, STABLE, counts, delta, pair, rollout, switch, version

BOTH = {arm: counts(exposed=3, failed=("u-1",), resolved=Count(2, 1), cost=2) for arm in Arm}
MORE = {**delta(1, BOTH).counts, **delta(1, BOTH, rollout=None).counts}


class Cut:
    """Fails the statement with that number, and counts those that come."""

    def __init__(self, store):
        self.at = self.seen = 0
        event.listen(store.db.engine.sync_engine, "before_cursor_execute", self._look)

    def arm(self, at):
        self.at, self.seen = at, 0

    def _look(self, *_):
        self.seen += 1
        if self.seen == self.at:
            raise StoreUnavailable("cut", hint="this is a test")


async def kill_it(store):
    row, revision = await store.rollout("r-1")
    await store.commit(transition(row, Kill(switch="k", by="ada", why="it leaks"), at=NOON), expected=revision)


WRITES = {
    "put_version": lambda store: store.put_version(version()),
    "create": lambda store: store.create(rollout("r-2")),
    "commit": kill_it,
    "absorb": lambda store: store.absorb(type(delta(1, {}))(source="s-2", sequence=1, at=NOON, counts=MORE)),
    "close_tick": lambda store: store.close_tick("r-1", 1, sequence=1, at=NOON),
    "kill": lambda store: store.kill(switch("k-2")),
    "unkill": lambda store: store.unkill("k-1", by="ada", at=NOON),
    "put_pairs": lambda store: store.put_pairs([pair("run-1"), pair("run-2", unit="u-2")], dropped=1, rollout="r-1"),
}


async def filled(store):
    """Something of everything."""
    await store.migrate()
    revision = await store.create(rollout())
    await store.commit(transition(rollout(), Start(by="ada"), at=NOON), expected=revision)
    await store.absorb(delta(1, BOTH))
    await store.kill(switch())


async def everything(store):
    """All there is."""
    return (
        await store.versions(AGENT),
        await store.rollouts(),
        await store.audit("r-1"),
        await store.due(at=NOON),
        await store.denied(AGENT),
        await store.snapshot(),
        await store.open_ticks("r-1"),
        await store.ticks("r-1"),
        await store.history(STABLE),
        [await store.applied(source) for source in ("s-1", "s-2")],
        await store.pair_totals("r-1"),
        await store.pairs("r-1"),
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    """Both engines."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/surefoot.db"
    return request.getfixturevalue("postgres_url")


@pytest.mark.parametrize("name", sorted(WRITES))
def test_a_write_that_is_cut_anywhere_changes_nothing(url, name):
    """Whichever of its statements fails, all reads as before; uncut it then succeeds."""

    async def story():
        store = open_store(url)
        try:
            await filled(store)
            cut = Cut(store)
            before = await everything(store)
            number = 1
            while True:
                cut.arm(number)
                try:
                    await WRITES[name](store)
                except StoreUnavailable:
                    cut.arm(0)
                    assert await everything(store) == before, f"statement {number} of {name}"
                    number += 1
                else:
                    break
            cut.arm(0)
            assert number > 2, "the write was never cut inside"
            assert await everything(store) != before
            row, _ = await store.rollout("r-1")
            assert verify(await store.audit("r-1"), row=row) is None
        finally:
            await store.close()

    asyncio.run(story())


def test_a_cancelled_write_has_not_happened(url):
    """A task that is cancelled in the middle of a step leaves the store as it was, and usable."""

    async def story():
        store = open_store(url)
        try:
            await filled(store)
            before = await everything(store)
            inside = asyncio.Event()

            async def slow():
                async with store.db.moving() as (connection, _):
                    await connection.exec_driver_sql("DELETE FROM outbox")
                    inside.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(slow())
            await inside.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert await everything(store) == before
            await kill_it(store)
        finally:
            await store.close()

    asyncio.run(story())


def test_a_snapshot_is_one_moment(url):
    """A switch that is raised while a snapshot is being read is not in it, and neither is its revision."""

    async def raised():
        other = open_store(url)
        try:
            await other.kill(switch("k-late"))
        finally:
            await other.close()

    due = [threading.Thread(target=lambda: asyncio.run(raised()))]

    def interrupt(_connection, _cursor, statement, *_):
        if due and statement.startswith("SELECT"):
            thread = due.pop()
            thread.start()
            thread.join()

    async def story():
        store = open_store(url)
        try:
            await filled(store)
            before = await store.snapshot()
            event.listen(store.db.engine.sync_engine, "after_cursor_execute", interrupt)
            assert await store.snapshot() == before
            now = await store.snapshot()
            assert (now.revision > before.revision, len(now.kills)) == (True, 2)
        finally:
            await store.close()

    asyncio.run(story())
