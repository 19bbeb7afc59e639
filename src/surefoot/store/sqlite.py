"""A store in one SQLite file: write-ahead log, every commit on the disk before it returns, for one machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite
from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from ..core.units import Revision
from ..errors import StoreUnavailable
from .database import Database
from .doorbell import Doorbell
from .migrations import MIGRATIONS, Migration
from .sqlite_file import BUSY_SECONDS, address, prepare

__all__ = ["SqliteDatabase"]

_WRITE: Final = "surefoot_write"


class SqliteDatabase(Database):
    """
    Writers of one process queue here, those of several wait for each other in SQLite for up to `busy` seconds.

    `pages` limits the size of the file (4 KiB each); `read_only` opens somebody's copy to look at it.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy: float = BUSY_SECONDS,
        pages: int | None = None,
        read_only: bool = False,
        migrations: tuple[Migration, ...] = MIGRATIONS,
    ) -> None:
        self.name = f"sqlite:///{path}"
        self._path = path
        self._busy = busy
        self._migrations = migrations
        self._pages = pages
        self._read_only = read_only
        self._bell: Doorbell | None = None
        self._writer = asyncio.Lock()
        self._identity: tuple[int, int] | None = None
        self.engine = create_async_engine(
            "sqlite+aiosqlite://", async_creator=self._connect, poolclass=AsyncAdaptedQueuePool, pool_size=5
        )
        event.listen(self.engine.sync_engine, "begin", _begin)

    async def migrate(self, *, create: bool = True) -> None:
        await asyncio.to_thread(prepare, self._path, busy=self._busy, migrations=self._migrations, create=create)

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    async def _ring_inside(self, connection: AsyncConnection, revision: Revision) -> None:
        """Nothing: who hears the bell reads at once, so it rings after the commit."""

    def _ring_after(self) -> None:
        self._bell = Doorbell(self._path) if self._bell is None else self._bell.renewed()
        self._bell.ring()

    @asynccontextmanager
    async def _begun(self, *, write: bool) -> AsyncGenerator[AsyncConnection]:
        await self._look()
        if not write:
            async with self.engine.begin() as connection:
                yield connection
            return
        async with self._writer, self.engine.connect() as opened:
            connection = await opened.execution_options(**{_WRITE: True})
            async with connection.begin():
                yield connection

    async def _look(self) -> None:
        """A file that was deleted or put in another's place would take writes that nobody ever sees."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            raise StoreUnavailable(
                f"the store {self.name} is not there", hint="migrate makes it; if it was there, somebody moved it"
            ) from None
        identity = (found.st_dev, found.st_ino)
        if self._identity not in (None, identity):
            await self.engine.dispose()
        self._identity = identity

    async def _connect(self) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(
            address(self._path, read_only=self._read_only), uri=True, timeout=self._busy, isolation_level=None
        )
        try:
            await connection.execute("PRAGMA synchronous = FULL")
            if self._pages is not None:
                await connection.execute(f"PRAGMA max_page_count = {int(self._pages)}")
        except BaseException:
            await connection.close()
            raise
        return connection


def _begin(connection: Connection) -> None:
    """A writer takes the lock at once: one that read first could not get it any more if another has written since."""
    options: Any = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITE) else "BEGIN")
