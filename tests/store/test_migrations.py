"""The schema gets to where the code needs it, from nothing, once, however many start at the same time."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

from surefoot.errors import StoreUnavailable
from surefoot.store.migrations import MIGRATIONS, NEWEST, Migration, missing
from surefoot.store.postgres import PostgresDatabase
from surefoot.store.registry import open_feed, open_store
from surefoot.store.schema import metadata
from surefoot.store.schema import migrations as known
from surefoot.store.sqlite import SqliteDatabase
from surefoot.testing.samples import switch


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    """Both engines."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/surefoot.db"
    return request.getfixturevalue("postgres_url")


def lived(url, story):
    """Live through a story with a store at that address."""

    async def whole():
        store = open_store(url)
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def test_migrating_again_changes_nothing(url):
    """The second time there is nothing to do, and what was written stays."""

    async def story(store):
        await store.migrate()
        await store.kill(switch())
        await store.migrate()
        assert await store.kills() == (switch(),)

    lived(url, story)


def test_many_may_migrate_at_once(url):
    """Stores that start at the same time from nothing all come up, and each migration ran once."""

    async def story(store):
        others = [open_store(url) for _ in range(6)]
        try:
            await asyncio.gather(*(other.migrate() for other in others))
            await asyncio.gather(*(other.kill(switch(f"k-{n}")) for n, other in enumerate(others)))
        finally:
            for other in others:
                await other.close()
        assert len(await store.kills()) == 6
        async with store.db.reading() as connection:
            rows = await connection.exec_driver_sql("SELECT number FROM migrations ORDER BY number")
            assert [row[0] for row in rows] == [migration.number for migration in MIGRATIONS]

    lived(url, story)


def test_many_processes_may_migrate_at_once(tmp_path):
    """The same for processes, which share nothing but the file."""
    script = (
        "import sys; from pathlib import Path; from surefoot.store.sqlite import prepare; prepare(Path(sys.argv[1]))"
    )
    path = tmp_path / "new" / "surefoot.db"
    started = [subprocess.Popen([sys.executable, "-c", script, str(path)], stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, b"")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (len(MIGRATIONS),)


def test_a_migrated_database_is_what_the_code_works_with(url):
    """Tables, columns, which may be empty, keys, unique constraints and indexes are those of the schema."""

    def found(connection):
        seen = inspect(connection)
        return {name: _facts(seen, name) for name in seen.get_table_names()}

    async def story(store):
        await store.migrate()
        async with store.db.reading() as connection:
            return await connection.run_sync(found)

    expected = {
        table.name: {
            "columns": {column.name: (_kind(column.type), column.nullable) for column in table.columns},
            "key": [column.name for column in table.primary_key],
            "indexes": sorted((index.name, [column.name for column in index.columns]) for index in table.indexes),
        }
        for table in metadata.sorted_tables
    }
    assert lived(url, story) == expected


def _facts(seen, name):
    indexes = [index for index in seen.get_indexes(name) if not index.get("duplicates_constraint")]
    return {
        "columns": {column["name"]: (_kind(column["type"]), column["nullable"]) for column in seen.get_columns(name)},
        "key": seen.get_pk_constraint(name)["constrained_columns"],
        "indexes": sorted((index["name"], index["column_names"]) for index in indexes),
    }


def _kind(type_):
    return "text" if "TEXT" in str(type_).upper() else "number" if "INT" in str(type_).upper() else str(type_)


def test_a_database_of_a_newer_release_is_left_alone(url):
    """An older surefoot refuses it, says what to do, and changes nothing."""

    async def story(store):
        await store.migrate()
        async with store.db.writing() as connection:
            await connection.execute(known.insert().values(number=NEWEST + 1, name="from the future"))
        with pytest.raises(StoreUnavailable, match=f"schema {NEWEST + 1}") as refusal:
            await store.migrate()
        assert "newer" in refusal.value.hint

    lived(url, story)


def test_every_database_has_an_identity_of_its_own(url, tmp_path):
    """It is made once, and told by every reading: revisions of two databases are never compared."""
    identities = set()
    for address in (url, url, f"sqlite:///{tmp_path}/other.db"):
        lived(address, lambda store: store.migrate())
        with closing(open_feed(address)) as feed:
            identities.add(feed.changes(0).identity)
    assert len(identities - {""}) == 2


@pytest.mark.postgres
def test_no_tables_are_made_in_passing(postgres_url):
    """A database without ours stays as it is for whoever may not create a store."""

    async def story(store):
        with pytest.raises(StoreUnavailable, match="no store here"):
            await store.migrate(create=False)
        with pytest.raises(StoreUnavailable, match="does not fit"):
            await store.kills()
        await store.migrate()
        await store.migrate(create=False)
        assert await store.kills() == ()

    lived(postgres_url, story)


def test_a_migration_that_fails_leaves_nothing(url):
    """Of several migrations in one go all are kept or none."""
    broken = Migration(number=NEWEST + 1, name="broken", statements=("CREATE TABLE a (b TEXT)", "NONSENSE"))
    both = (*MIGRATIONS, broken)

    async def story(store):
        is_file = url.startswith("sqlite")
        path = Path(url.removeprefix("sqlite:///"))
        database = SqliteDatabase(path, migrations=both) if is_file else PostgresDatabase(url, migrations=both)
        with pytest.raises(StoreUnavailable):
            await database.migrate()
        await database.close()
        await store.migrate()
        async with store.db.reading() as connection:
            tables = await connection.run_sync(lambda connection: inspect(connection).get_table_names())
        assert "a" not in tables

    lived(url, story)


def test_only_what_is_missing_runs():
    """A database that stands in the middle gets the rest, in order."""
    assert missing(set()) == MIGRATIONS
    assert missing({migration.number for migration in MIGRATIONS}) == ()
    numbers = [migration.number for migration in MIGRATIONS]
    assert numbers == sorted(set(numbers))
