"""One transaction at a time on an engine of SQLAlchemy: what SQLite and PostgreSQL share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..core.units import Revision
from .failures import guarded
from .schema import revision as counter
from .statements import Ask, Row

__all__ = ["Database", "Insert", "Writing"]

Insert = postgresql.Insert | sqlite.Insert


class Writing(NamedTuple):
    """A transaction that everybody will see, and the revision it will have."""

    connection: AsyncConnection
    revision: Revision


class Database(ABC):
    """
    Where a store's rows are.

    `reading` sees one moment; `writing` is one transaction, undone by whatever is raised inside; `moving` is a write
    with a revision, whose doorbell is rung once it is durable. Errors of the engine arrive as StoreUnavailable.
    """

    name: str
    """The address, without the password, for messages."""

    engine: AsyncEngine

    @abstractmethod
    async def migrate(self, *, create: bool = True) -> None:
        """See `Store.migrate`."""

    @abstractmethod
    def insert(self, table: Table) -> Insert:
        """An insert of this engine's dialect: it knows `ON CONFLICT`."""

    @abstractmethod
    def _begun(self, *, write: bool) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that is committed in the end, or rolled back by what is raised."""

    @abstractmethod
    async def _ring_inside(self, connection: AsyncConnection, revision: Revision) -> None:
        """Ring as part of the transaction."""

    @abstractmethod
    def _ring_after(self) -> None:
        """Ring once it is committed. Must not raise."""

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """A consistent view of one moment."""
        with guarded(self.name):
            async with self._begun(write=False) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction without a revision: nothing that routers see."""
        with guarded(self.name):
            async with self._begun(write=True) as connection:
                yield connection

    @asynccontextmanager
    async def moving(self) -> AsyncGenerator[Writing]:
        """
        A transaction with the next revision.

        The counter's row is written first and stays locked until the commit: who gets the next revision commits later.
        """
        with guarded(self.name):
            async with self._begun(write=True) as connection:
                step = counter.update().values(value=counter.c.value + 1).returning(counter.c.value)
                revision = Revision((await connection.execute(step)).scalar_one())
                yield Writing(connection, revision)
                await self._ring_inside(connection, revision)
            self._ring_after()

    async def ask(self, connection: AsyncConnection, ask: Ask) -> list[Row]:
        """Run one of the shared statements."""
        result = await connection.execute(text(ask.sql), dict(ask.values))
        return [tuple(row) for row in result] if result.returns_rows else []

    async def close(self) -> None:
        """Let go of every connection."""
        await self.engine.dispose()
