"""A server that is gone, hangs up or refuses: clear errors, nothing half-written, and never stale afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import closing
from urllib.parse import urlsplit

import asyncpg
import pytest

from surefoot.core.evidence.observation import Arm
from surefoot.core.traffic.kill import KillSwitch
from surefoot.errors import StoreUnavailable, Unreadable, UsageError
from surefoot.store.postgres_feed import PostgresFeed
from surefoot.store.registry import open_store
from surefoot.store.sinks import PostgresSink
from surefoot.testing.samples import counts, delta, switch
from tests.postgres_cluster import (
    ClusterUnavailable,
    folder_for_this_run,
    remove_folder,
    start_again,
    start_or_join,
    stop,
)

pytestmark = pytest.mark.postgres

PATIENCE = 30.0
OFTEN = 0.05


@pytest.fixture(scope="module")
def own(postgres):
    """A server of one's own, to take away. (`postgres` says whether one can be started here.)"""
    folder = folder_for_this_run()
    try:
        url = start_or_join(folder).url("postgres")
        # The tests' usual server may forget its last commits in a crash; this one is crashed on purpose.
        asyncio.run(execute(url, "ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()"))
        yield folder, url
    except ClusterUnavailable as error:
        pytest.skip(str(error))
    finally:
        remove_folder(folder)


class Router:
    """What a router does: it looks again whenever the bell rings."""

    def __init__(self, feed):
        self.feed = feed
        self.rung = threading.Event()
        feed.listen(self.rung.set)

    def until(self, revision):
        """The ids of the switches that are up once that revision is there."""
        while (found := self.feed.changes(0)).revision < revision:
            assert self.rung.wait(PATIENCE)
            self.rung.clear()
        return [kill.id for kill in found.kills]


def lived(url, story):
    """Live through a story with a store at that address."""

    async def whole():
        store = open_store(url)
        try:
            await store.migrate()
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


async def execute(url, *statements):
    """As somebody who knows nothing of stores, and rings no bell."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def test_a_server_that_goes_and_comes_back(own):
    """While it is away each part says so; afterwards all go on, and the router has heard what it missed."""
    folder, url = own

    async def story(store):
        with closing(PostgresFeed(url, poll=OFTEN)) as feed, closing(PostgresSink(url)) as sink:
            router = Router(feed)
            revision = await store.kill(switch("k-1"))
            assert router.until(revision) == ["k-1"]
            assert sink.absorb(delta(1, {}))
            await asyncio.to_thread(stop, folder)
            for call in (store.kills, lambda: store.kill(switch("k-2")), store.migrate):
                with pytest.raises(StoreUnavailable, match=r"cannot be reached|shutting down") as refusal:
                    await call()
                assert refusal.value.hint
            with pytest.raises(StoreUnavailable):
                sink.absorb(delta(2, {}))
            assert [kill.id for kill in feed.changes(0).kills] == ["k-1"]
            await asyncio.to_thread(start_again, folder)
            revision = await store.kill(switch("k-3"))
            assert await asyncio.to_thread(router.until, revision) == ["k-1", "k-3"]
            assert sink.absorb(delta(2, {}))
            assert (await store.applied("s-1"), len(await store.kills())) == (2, 2)

    lived(url, story)


def test_a_router_without_its_server_is_told_so(own):
    """With nothing newer to tell, a feed whose server is away raises, so that a lease can run out."""
    folder, url = own

    async def story(store):
        with closing(PostgresFeed(url, poll=OFTEN)) as feed:
            router = Router(feed)
            seen = feed.changes(0).revision
            await asyncio.to_thread(stop, folder)
            try:
                await asyncio.to_thread(_until_it_raises, feed, seen)
                assert feed.changes(0).revision == seen
            finally:
                await asyncio.to_thread(start_again, folder)
            revision = await store.kill(switch("k-9"))
            assert "k-9" in await asyncio.to_thread(router.until, revision)

    lived(url, story)


def _until_it_raises(feed, seen):
    tick = threading.Event()
    for _ in range(int(PATIENCE / OFTEN)):
        try:
            feed.changes(seen)
        except StoreUnavailable:
            return
        tick.wait(OFTEN)
    pytest.fail("the feed never noticed that its server is gone")


def test_a_listener_whose_connection_is_cut_has_missed_nothing(postgres_url):
    """What was written while nobody listened is read on the next connect."""

    async def story(store):
        with closing(PostgresFeed(postgres_url, poll=60)) as feed:
            router = Router(feed)
            router.until(await store.kill(switch("k-0")))
            for number in range(1, 4):
                cut = (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'surefoot_revision|revision'"
                )
                await execute(postgres_url, f"{cut} AND pid <> pg_backend_pid() AND datname = current_database()")
                revision = await store.kill(switch(f"k-{number}"))
                assert len(await asyncio.to_thread(router.until, revision)) == number + 1

    lived(postgres_url, story)


def test_a_server_that_hangs_is_left_for_one_that_answers(postgres_url):
    """A connection that is open but silent does not keep a router from the news."""
    feeds = "SELECT pid FROM pg_stat_activity WHERE application_name = 'surefoot-feed' AND datname = current_database()"

    async def story(store):
        with closing(PostgresFeed(postgres_url, poll=OFTEN, patience=0.5)) as feed:
            router = Router(feed)
            router.until(await store.kill(switch("k-0")))
            connection = await asyncpg.connect(postgres_url)
            pids = [row["pid"] for row in await connection.fetch(feeds)]
            await connection.close()
            assert pids
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                other = open_store(postgres_url)
                revision = await other.kill(switch("k-1"))
                await other.close()
                assert len(await asyncio.to_thread(router.until, revision)) == 2
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)

    lived(postgres_url, story)


def test_a_lost_doorbell_is_found_by_looking(postgres_url):
    """A change that nobody rang for arrives with the next look."""

    async def story(store):
        with closing(PostgresFeed(postgres_url, poll=OFTEN)) as feed:
            router = Router(feed)
            revision = await store.kill(switch("k-0"))
            router.until(revision)
            await execute(
                postgres_url,
                "UPDATE revision SET value = value + 1;"
                " INSERT INTO kills (id, reason, author, raised_at, revision)"
                " SELECT 'k-1', 'x', 'ada', 9e15::bigint, value FROM revision",
            )
            assert await asyncio.to_thread(router.until, revision + 1) == ["k-0", "k-1"]

    lived(postgres_url, story)


def test_a_delta_that_meets_a_damaged_row_is_not_applied(postgres_url):
    """Half of it is never counted: once the row is mended the same delta is taken."""
    shipped = delta(1, {Arm.CANDIDATE: counts(exposed=1, failed=("u-1",))})

    async def story(store):
        await execute(postgres_url, "INSERT INTO open_ticks VALUES ('r-1', 1, 'torn')")
        with closing(PostgresSink(postgres_url)) as sink:
            with pytest.raises(Unreadable, match="cannot be read"):
                sink.absorb(shipped)
            assert (sink.applied("s-1"), await store.applied("s-1")) == (0, 0)
            await execute(postgres_url, "DELETE FROM open_ticks")
            assert sink.absorb(shipped)
        (tick,) = await store.open_ticks("r-1")
        assert dict(tick.bad_candidate) == {"success": 1}

    lived(postgres_url, story)


def test_a_server_that_only_reads_says_so(postgres_url):
    """A standby refuses writes in words that name it, and goes on being read."""

    async def story(store):
        await store.kill(switch())
        name = urlsplit(postgres_url).path[1:]
        await execute(postgres_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await store.close()
        with pytest.raises(StoreUnavailable, match="read-only") as refusal:
            await store.kill(switch("k-2"))
        assert "primary" in refusal.value.hint
        with closing(PostgresSink(postgres_url)) as sink, pytest.raises(StoreUnavailable, match="read-only"):
            sink.absorb(delta(1, {}))
        assert len(await store.kills()) == 1

    lived(postgres_url, story)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://postgres@/nowhere?host={sockets}", "does not exist"),
        ("postgresql://nobody-knows-me:secret@/postgres?host={sockets}", "refused this user"),
        ("postgresql://postgres@/postgres?host=/nonexistent", "cannot be reached"),
        ("postgresql://postgres:secret@127.0.0.1:1/postgres", "cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_named_without_its_password(postgres, address, words):
    """No database, no such user, no server: each is told apart, and the password stays secret."""
    url = address.format(sockets=postgres.sockets)

    async def story():
        store = open_store(url)
        try:
            for call in (store.migrate, store.kills):
                with pytest.raises(StoreUnavailable, match=words) as refusal:
                    await call()
                assert "secret" not in refusal.value.message + refusal.value.hint
        finally:
            await store.close()

    asyncio.run(story())
    with closing(PostgresFeed(url)) as feed, pytest.raises(StoreUnavailable, match=words):
        feed.changes(0)


def test_a_database_without_tables_says_what_to_do(postgres_url):
    """Before the first migration every call names it."""

    async def story():
        store = open_store(postgres_url)
        try:
            with pytest.raises(StoreUnavailable) as refusal:
                await store.kills()
            assert "migrate" in refusal.value.hint
        finally:
            await store.close()

    asyncio.run(story())


def test_a_null_character_is_the_callers_mistake(postgres_url):
    """PostgreSQL cannot hold one in a column: that is refused as such and nothing is written."""

    async def story(store):
        odd = KillSwitch(id="k", reason="a\0b", author="ada", raised_at=switch().raised_at)
        with pytest.raises(UsageError, match="cannot be stored"):
            await store.kill(odd)
        assert await store.kills() == ()

    lived(postgres_url, story)
