"""A file that is locked, read-only, full, gone or damaged: a clear error, and nothing half-written."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from surefoot.core.evidence.observation import Arm
from surefoot.core.lifecycle.machine import transition
from surefoot.core.lifecycle.rollout import Start
from surefoot.errors import StoreUnavailable, Unreadable, UsageError
from surefoot.store.feeds import SqliteFeed
from surefoot.store.sinks import SqliteSink
from surefoot.store.sql import SqlStore
from surefoot.store.sqlite import SqliteDatabase
from surefoot.store.sqlite_file import SqliteFile, prepare
from surefoot.testing.samples import NOON, counts, delta, rollout, switch, version

QUICK = 0.02
"""Seconds until a lock counts as one."""


@pytest.fixture
def path(tmp_path):
    """A store with one rollout and one switch in it."""
    path = tmp_path / "state" / "surefoot.db"
    prepare(path)

    async def fill(store):
        await store.create(rollout())
        await store.kill(switch("k-0"))

    lived(path, fill)
    return path


def lived(path, story, **options):
    """Live through a story with a store on that file."""

    async def whole():
        store = SqlStore(SqliteDatabase(path, busy=QUICK, **options))
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


async def everything(store):
    """All that a failed write must leave as it was."""
    return (
        await store.rollouts(),
        await store.audit("r-1"),
        await store.due(at=NOON),
        await store.kills(),
        await store.snapshot(),
        await store.open_ticks("r-1"),
        await store.applied("s-1"),
    )


async def step(store):
    """One step of the rollout, which writes to many tables."""
    row, revision = await store.rollout("r-1")
    await store.commit(transition(row, Start(by="ada"), at=NOON), expected=revision)


async def refused(writing, words):
    """The write fails in these words, and the hint says what to do."""
    with pytest.raises(StoreUnavailable, match=words) as refusal:
        await writing
    assert refusal.value.hint


def test_a_locked_store_says_so_and_works_again_later(path):
    """While another process holds the file every write is refused and reading goes on; afterwards all is well."""

    async def story(store):
        before = await everything(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await refused(step(store), "is locked")
            await refused(store.kill(switch()), "is locked")
            await refused(store.absorb(delta(1, {})), "is locked")
            with closing(SqliteSink(path, busy=QUICK)) as sink, pytest.raises(StoreUnavailable, match="is locked"):
                sink.absorb(delta(1, {}))
            assert await everything(store) == before
            other.execute("ROLLBACK")
        await step(store)
        assert await store.absorb(delta(1, {}))

    lived(path, story)


def test_a_read_only_store_is_read_but_not_written(path):
    """What is there can be looked at; every write says that it may not."""

    async def story(store):
        before = await everything(store)
        await refused(step(store), "cannot be written")
        await refused(store.kill(switch()), "cannot be written")
        assert await everything(store) == before

    lived(path, story, read_only=True)


def test_looking_at_a_store_that_may_not_be_written_leaves_no_trace(path):
    """It is found to be up to date and read, no bell is hung, and nothing is left beside it."""
    path.with_name("surefoot.db-epoch").unlink()
    lying = sorted(path.parent.iterdir())

    async def story(store):
        await store.migrate(create=False)
        assert [kill.id for kill in await store.kills()] == ["k-0"]
        await refused(store.kill(switch()), "cannot be written")

    lived(path, story, read_only=True)
    assert sorted(path.parent.iterdir()) == lying


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_file_that_may_not_be_written_is_a_read_only_store(path):
    """The permissions of the file system are respected and named."""
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        lived(path, lambda store: refused(store.kill(switch()), "cannot be"))
    finally:
        path.parent.chmod(0o700)


def test_a_full_disk_refuses_the_write_whole(path):
    """Where a write does not fit, nothing of it is kept, and what was there is still there."""

    async def story(store):
        before = await everything(store)
        await refused(store.put_version(version(system="long " * 50_000)), "is full")
        assert await everything(store) == before
        assert len(await store.versions(version().agent)) == 0

    lived(path, story, pages=path.stat().st_size // 4096 + 2)


def test_a_file_that_is_gone_takes_no_writes(path):
    """Nothing is written into a file that nobody can find any more; back in its place it is used again."""
    aside = path.with_name("aside.db")

    async def story(store):
        before = await everything(store)
        await store.close()
        path.rename(aside)
        await refused(store.kill(switch()), "is not there")
        await refused(store.kills(), "is not there")
        with closing(SqliteSink(path)) as sink, pytest.raises(StoreUnavailable, match="is not there"):
            sink.applied("s-1")
        with closing(SqliteFeed(path)) as feed:
            with pytest.raises(StoreUnavailable, match="is not there"):
                feed.changes(0)
            aside.rename(path)
            assert feed.changes(0).kills == (switch("k-0"),)
        assert await everything(store) == before

    lived(path, story)


def test_a_file_that_was_replaced_is_the_new_one(path, tmp_path):
    """Open connections do not go on with a file that a backup was put in the place of."""
    other = tmp_path / "other.db"
    prepare(other)
    with closing(SqliteFeed(path)) as feed, closing(SqliteSink(path)) as sink:

        async def story(store):
            assert len(feed.changes(0).kills) == len(await store.kills()) == 1
            assert sink.applied("s-1") == 0
            other.replace(path)
            assert feed.changes(0).kills == ()
            assert await store.kills() == ()
            assert sink.absorb(delta(1, {}))
            assert await store.applied("s-1") == 1

        lived(path, story)


@pytest.mark.parametrize("content", [b"not a database at all, " * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    """Another file under that name is refused and keeps its content."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"is no database|is damaged"):
        prepare(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_store(tmp_path):
    """A path that cannot be a file is named."""
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        prepare(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        prepare(tmp_path / "file" / "surefoot.db")


def test_a_store_that_was_never_migrated_says_so(tmp_path):
    """Neither a missing file nor an empty one is taken for an empty store."""
    path = tmp_path / "surefoot.db"
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"is not there|does not fit") as refusal:
            lived(path, lambda store: store.kills())
        assert "migrate" in refusal.value.hint
        path.touch()


NO_STORE = {
    "missing": lambda path: None,
    "empty": lambda path: path.touch(),
    "somebody else's": lambda path: sqlite3.connect(path).execute("CREATE TABLE notes (text)").connection.close(),
}


@pytest.mark.parametrize("what", NO_STORE)
def test_no_store_is_made_in_passing(tmp_path, what):
    """Where there is none, who may not create one is told so, with a hint, and leaves everything as it was."""
    path = tmp_path / "surefoot.db"
    NO_STORE[what](path)
    before = [(found.name, found.read_bytes()) for found in tmp_path.iterdir()]
    with pytest.raises(StoreUnavailable, match="no store here") as refusal:
        lived(path, lambda store: store.migrate(create=False))
    assert "surefoot store create" in refusal.value.hint
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == before


def test_an_effect_that_nobody_understands_holds_up_no_other(path, caplog):
    """It is logged and stays; the rest of the outbox is due."""

    async def story(store):
        await step(store)
        first, *rest = await store.due(at=NOON)
        async with store.db.writing() as connection:
            await connection.exec_driver_sql("UPDATE outbox SET body = '{}' WHERE key = ?", (first.key,))
        assert list(await store.due(at=NOON)) == rest
        assert first.key in caplog.text

    lived(path, story)


def test_a_delta_that_meets_a_damaged_row_is_not_applied(path):
    """Half of it is never counted: once the row is mended the same delta is taken, by sink and store alike."""
    shipped = delta(1, {Arm.CANDIDATE: counts(exposed=1, failed=("u-1",))})

    def damaged(body):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("INSERT OR REPLACE INTO open_ticks VALUES ('r-1', 1, ?)", (body,))

    async def story(store):
        damaged('{"opened_at": "yesterday"}')
        with closing(SqliteSink(path)) as sink:
            with pytest.raises(Unreadable, match="cannot be read"):
                sink.absorb(shipped)
            with pytest.raises(Unreadable, match="cannot be read"):
                await store.absorb(shipped)
            assert (sink.applied("s-1"), await store.applied("s-1")) == (0, 0)
            damaged("")
            assert sink.absorb(shipped)
        (tick,) = await store.open_ticks("r-1")
        assert dict(tick.bad_candidate) == {"success": 1}

    lived(path, story)


def test_half_a_character_is_the_callers_mistake(path):
    """Text that cannot be written as UTF-8 is refused as such, and nothing is written."""

    async def story(store):
        with pytest.raises(UsageError, match="half a character"):
            await store.kill(switch("\ud800"))
        assert len(await store.kills()) == 1

    lived(path, story)


def test_only_the_owner_reads_the_store(path):
    """The file, what lies beside it and the folder that was made for it are nobody else's."""

    async def story(store):
        await store.kill(switch())
        modes = {beside.name: beside.stat().st_mode & 0o777 for beside in path.parent.iterdir()}
        assert set(modes) == {f"surefoot.db{ending}" for ending in ("", "-wal", "-shm", "-epoch")}
        assert set(modes.values()) == {0o600}
        assert path.parent.stat().st_mode & 0o777 == 0o700

    lived(path, story)


def test_a_folder_that_was_there_keeps_its_permissions(tmp_path):
    """A store made in somebody's project does not lock others out of it."""
    tmp_path.chmod(0o755)
    prepare(tmp_path / "surefoot.db")
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_every_commit_reaches_the_disk(path):
    """State changes and deltas are written with a full sync, whichever way they come."""

    async def story(store):
        async with store.db.writing() as connection:
            for pragma, expected in (("synchronous", 2), ("journal_mode", "wal")):
                assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == expected

    lived(path, story)
    with closing(SqliteFile(path, busy=QUICK, query_only=False)) as file:
        assert file.connection().execute("PRAGMA synchronous").fetchone() == (2,)


DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from surefoot.store.sql import SqlStore
from surefoot.store.sqlite import SqliteDatabase
from surefoot.testing.samples import switch

async def main():
    store = SqlStore(SqliteDatabase(Path(sys.argv[1])))
    await store.kill(switch("written"))
    async with store.db.moving() as (connection, revision):
        await connection.exec_driver_sql("DELETE FROM kills")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_killed_process_leaves_what_it_committed(path):
    """Of a process that is killed in the middle of a write everything before it is there, and nothing of it."""
    done = subprocess.run([sys.executable, "-c", DIES, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    kills = lived(path, lambda store: store.kills())
    assert {kill.id for kill in kills} == {"k-0", "written"}
