"""Routers hear of a change also when nobody rang, and go on with the rest when one row cannot be read."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from surefoot.core.traffic.route import AgentTraffic
from surefoot.errors import StoreUnavailable
from surefoot.store.codec import encode
from surefoot.store.doorbell import Doorbell
from surefoot.store.feeds import SqliteFeed
from surefoot.store.registry import open_store
from surefoot.store.sqlite_file import prepare
from surefoot.testing.samples import switch

OFTEN = 0.01
"""Seconds between two looks."""

PATIENCE = 20.0


@pytest.fixture
def path(tmp_path):
    """An empty store."""
    path = tmp_path / "surefoot.db"
    prepare(path)
    return path


def kill(path):
    """Through the store, which rings."""

    async def story():
        store = open_store(f"sqlite:///{path}")
        try:
            return await store.kill(switch())
        finally:
            await store.close()

    return asyncio.run(story())


def written_silently(path, *statements):
    """By a process that dies between commit and ring."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (revision,) = connection.execute("UPDATE revision SET value = value + 1 RETURNING value").fetchone()
        for sql, *values in statements:
            connection.execute(sql, (*values, revision))
        connection.execute("COMMIT")
    return revision


A_KILL = ("INSERT INTO kills (id, reason, author, raised_at, revision) VALUES (?, 'x', 'ada', 0, ?)", "k-1")


def test_a_lost_doorbell_is_rung_by_whoever_looks(path):
    """A change whose writer died before it rang is seen by all who share the bell, within one look."""
    rung = threading.Event()
    with closing(SqliteFeed(path, poll=OFTEN)) as feed:
        feed.listen(rung.set)
        assert feed.changes(0).kills == ()
        others = Doorbell(path)
        before = feed.epoch(), others.cell[0]
        revision = written_silently(path, A_KILL)
        assert rung.wait(PATIENCE)
        assert (feed.epoch() != before[0], others.cell[0] != before[1]) == (True, True)
        found = feed.changes(0)
        assert (found.revision, [kill.id for kill in found.kills]) == (revision, ["k-1"])


def test_the_bell_is_rung_until_somebody_reads(path):
    """A reading that failed when the bell rang is asked for again."""
    bell = threading.Semaphore(0)
    with closing(SqliteFeed(path, poll=OFTEN)) as feed:
        feed.listen(bell.release)
        feed.changes(0)
        written_silently(path, A_KILL)
        assert all(bell.acquire(timeout=PATIENCE) for _ in range(3))
        feed.changes(0)


def test_a_write_rings_every_bell_at_once(path):
    """Who shares the file sees another number as soon as the write has returned."""
    bells = [Doorbell(path) for _ in range(3)]
    before = [bell.cell[0] for bell in bells]
    kill(path)
    assert all(bell.cell[0] != seen for bell, seen in zip(bells, before, strict=True))
    assert len({bell.cell[0] for bell in bells}) == 1


def test_a_bell_that_was_deleted_is_replaced(path):
    """After somebody removed the file beside the store, feed and writer meet again at the new one."""
    with closing(SqliteFeed(path, poll=OFTEN)) as feed:
        feed.changes(0)
        old = feed.bell
        Doorbell(path).path.unlink()
        kill(path)
        now = feed.bell
        assert now is not old
        assert now[0] == Doorbell(path).cell[0]


def test_where_no_bell_can_be_hung_the_look_is_enough(tmp_path, path):
    """A place beside the store that cannot be written does not stop the feed; it hears by looking."""
    rung = threading.Event()
    bell = Doorbell(path).path
    bell.unlink()
    bell.mkdir()
    with closing(SqliteFeed(path, poll=OFTEN)) as feed:
        feed.listen(rung.set)
        feed.changes(0)
        before = feed.epoch()
        written_silently(path, A_KILL)
        assert rung.wait(PATIENCE)
        assert feed.epoch() != before


def test_a_row_of_a_newer_release_stops_nobody_else(path, caplog):
    """What one agent's row says that cannot be understood leaves it as it was; switches and other agents arrive."""
    good = AgentTraffic(agent="good", stable="s")
    strange = encode(AgentTraffic(agent="odd", stable="s")).replace('"pins"', '"needles"')
    row = "INSERT INTO traffic (agent, body, revision) VALUES (?, ?, ?)"
    written_silently(path, (row, "odd", strange), (row, "good", encode(good)), A_KILL)
    with closing(SqliteFeed(path)) as feed:
        found = feed.changes(0)
    assert (list(found.agents.values()), [kill.id for kill in found.kills]) == ([good], ["k-1"])
    assert "odd" in caplog.text
    assert "needles" in caplog.text


def test_a_store_that_is_not_there_yet_is_read_when_it_comes(tmp_path):
    """A router may be started before its store: it is told so, and hears of it later."""
    path = tmp_path / "later.db"
    with closing(SqliteFeed(path, poll=OFTEN)) as feed:
        with pytest.raises(StoreUnavailable, match="is not there"):
            feed.changes(0)
        prepare(path)
        revision = kill(path)
        assert feed.changes(0).revision == revision


def test_looking_at_the_bell_takes_no_time(path):
    """A look is a look into memory: thousands of them are done before anything could be read."""
    with closing(SqliteFeed(path)) as feed:
        bell = feed.bell
        assert {bell[0] for _ in range(10_000)} == {feed.epoch()}
