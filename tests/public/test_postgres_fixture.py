"""The database that the store is proven on is a real one, and one's own."""

from __future__ import annotations

import asyncio

import asyncpg


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
