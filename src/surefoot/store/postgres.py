"""A store in PostgreSQL: many processes on many hosts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from ..core.units import Revision
from .database import Database
from .failures import guarded
from .migrations import LEDGER, MIGRATIONS, Migration, missing, no_store, record
from .statements import CHANNEL
from .wire import Wire, connect, masked

__all__ = ["PostgresDatabase"]

_MIGRATING: Final = 0x5F_0F007
"""Key of the advisory lock; any number that others are unlikely to use."""


class PostgresDatabase(Database):
    """Reads are REPEATABLE READ, so that several statements see one moment; writes wait for each other on rows."""

    def __init__(self, url: str, *, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
        self._migrations = migrations
        self.name = masked(url)
        self._url = url
        self.engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=self._connect, pool_size=5, pool_pre_ping=True
        )

    async def migrate(self, *, create: bool = True) -> None:
        with guarded(self.name):
            connection = await self._connect()
            try:
                done = await _done(connection)
                if done and not missing(done, self._migrations):
                    return
                if not done and not create:
                    raise no_store(self.name, "has no tables of surefoot")
                async with connection.transaction():
                    await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
                    await connection.execute(LEDGER)
                    for migration in missing(await _done(connection), self._migrations):
                        for statement in (*migration.statements, record(migration)):
                            await connection.execute(statement)
            finally:
                await connection.close()

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    async def _ring_inside(self, connection: AsyncConnection, revision: Revision) -> None:
        await connection.execute(
            text("SELECT pg_notify(:channel, :revision)"), {"channel": CHANNEL, "revision": str(revision)}
        )

    def _ring_after(self) -> None:
        """Nothing: the notification went with the commit."""

    @asynccontextmanager
    async def _begun(self, *, write: bool) -> AsyncGenerator[AsyncConnection]:
        async with self.engine.connect() as opened:
            connection = opened
            if not write:
                connection = await opened.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    async def _connect(self) -> Wire:
        return await connect(self._url)


async def _done(connection: Wire) -> set[int]:
    """Numbers of the migrations that were run."""
    if (await connection.fetch("SELECT to_regclass('migrations')"))[0][0] is None:
        return set()
    return {int(row[0]) for row in await connection.fetch("SELECT number FROM migrations")}
