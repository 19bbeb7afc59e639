"""The database that the store is proven on is a real one, and one's own."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import pytest

from tests.postgres_cluster import PREFIX, ClusterUnavailable, remove_what_killed_runs_left, start_or_join


async def _tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table only_mine (id int primary key)")
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        return [row["tablename"] for row in rows]
    finally:
        await connection.close()


def test_a_database_starts_empty(postgres_url):
    """A test finds nothing but what it made itself."""
    assert asyncio.run(_tables(postgres_url)) == ["only_mine"]


def test_another_database_starts_empty_too(postgres_url):
    """What one test wrote is not there for the next one."""
    assert asyncio.run(_tables(postgres_url)) == ["only_mine"]


def test_the_server_is_postgresql(postgres):
    """The version says so, and the socket is where only this run can reach it."""
    assert postgres.version.startswith("postgres (PostgreSQL) 1")
    assert postgres.sockets.stat().st_mode & 0o077 == 0


def test_what_did_not_start_is_not_tried_again(tmp_path):
    """Every worker hears why the first one could not start the server, and none of them starts a second."""
    (tmp_path / "cluster.json").write_text('{"error": "initdb failed"}', encoding="utf-8")
    with pytest.raises(ClusterUnavailable, match="initdb failed"):
        start_or_join(tmp_path)


def test_a_folder_of_a_killed_run_is_removed(tmp_path):
    """A run that was killed leaves a server behind, which the next run stops; a living run's is left alone."""
    dead, alive = tmp_path / f"{PREFIX}4194304-a", tmp_path / f"{PREFIX}{os.getpid()}-b"  # no process id is so large
    for folder in (dead, alive):
        folder.mkdir()
    remove_what_killed_runs_left(tmp_path)
    assert (dead.exists(), alive.exists()) == (False, True)
