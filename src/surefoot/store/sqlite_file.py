"""The SQLite file itself: made, migrated, and read or written by threads beside the store. Loads no SQLAlchemy."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ..errors import StoreUnavailable
from .doorbell import Doorbell, make_private
from .failures import guarded
from .migrations import LEDGER, MIGRATIONS, Migration, missing, no_store, record, sqlite_text

__all__ = ["BUSY_SECONDS", "SqliteFile", "address", "prepare"]

BUSY_SECONDS: Final = 5.0
"""How long a writer waits for another one before the store counts as locked."""


def address(path: Path, *, read_only: bool = False) -> str:
    """
    How SQLite is asked for a file that has to be there: never an empty database made by accident.

    A file that this user may not write is read as it lies there, unless somebody who may is at work on it: to follow
    a write-ahead log SQLite would have to write beside the file.
    """
    mode = "rw"
    if read_only or not os.access(path, os.W_OK):
        mode = "ro" if path.with_name(path.name + "-wal").exists() else "ro&immutable=1"
    return f"{path.absolute().as_uri()}?mode={mode}"


def prepare(
    path: Path,
    *,
    busy: float = BUSY_SECONDS,
    migrations: tuple[Migration, ...] = MIGRATIONS,
    create: bool = True,
) -> None:
    """
    Bring the tables up to date, and with `create` make the file if there is none. Synchronous; safe from several
    processes. A store that is up to date is only read.
    """
    with guarded(str(path)):
        done = _found(path, busy)
        if done and not missing(done, migrations):
            return
        if not done and not create:
            raise no_store(f"sqlite:///{path}", "is not there" if done is None else "is an empty file")
        make_private(path)
        with Doorbell(path).alone(), closing(sqlite3.connect(path, timeout=busy, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(sqlite_text(LEDGER))
                for migration in missing(_done(connection), migrations):
                    for statement in (*migration.statements, record(migration)):
                        connection.execute(sqlite_text(statement))
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _found(path: Path, busy: float) -> set[int] | None:
    """Numbers of the migrations that were run on a file; None where there is no file."""
    try:
        is_empty = not path.stat().st_size
    except FileNotFoundError:
        return None
    if is_empty:
        return set()
    with closing(sqlite3.connect(address(path), uri=True, timeout=busy, isolation_level=None)) as connection:
        return _done(connection)


def _done(connection: sqlite3.Connection) -> set[int]:
    """Numbers of the migrations that were run."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone() is None:
        return set()
    return {int(number) for (number,) in connection.execute("SELECT number FROM migrations")}


class SqliteFile:
    """
    A connection that follows the file: opened when first asked for, again after a fork, and again if the file at the
    path is another one (a backup was put back). For one thread at a time; the caller holds a lock.
    """

    def __init__(self, path: Path, *, busy: float, query_only: bool) -> None:
        self.name = f"sqlite:///{path}"
        self.path = path
        self.generation = 0
        """How often it was opened: results of an earlier generation may belong to another file."""

        self._busy = busy
        self._query_only = query_only
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int, int] | None = None

    def connection(self) -> sqlite3.Connection:
        """Raises StoreUnavailable where no file is, and what sqlite3 raises."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.close()
            raise StoreUnavailable(
                f"the store {self.name} is not there", hint="migrate makes it; if it was there, somebody moved it"
            ) from None
        identity = (os.getpid(), found.st_dev, found.st_ino)
        if self._connection is None or identity != self._identity:
            self.close()
            self._connection = self._opened()
            self._identity = identity
            self.generation += 1
        return self._connection

    def close(self) -> None:
        """Idempotent. A connection that was inherited through a fork is only forgotten: it is the parent's."""
        connection, self._connection = self._connection, None
        if connection is not None and self._identity is not None and self._identity[0] == os.getpid():
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            address(self.path), uri=True, timeout=self._busy, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA query_only = ON" if self._query_only else "PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection
