"""Where recorders ship their deltas: from a thread without a loop, and without loading SQLAlchemy."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..core.evidence.tally import Delta
from .absorbing import absorbing
from .failures import guarded
from .loop import LoopThread
from .sqlite_file import BUSY_SECONDS, SqliteFile
from .statements import LAST_SEQUENCE, Ask, Row, numbered
from .wire import CONNECT_SECONDS, PATIENCE_SECONDS, Wire, connect, masked

__all__ = ["PostgresSink", "SqliteSink"]

T = TypeVar("T")


class SqliteSink:
    """Writes into the file itself. Any number of threads and processes may."""

    def __init__(self, path: Path, *, busy: float = BUSY_SECONDS) -> None:
        self._file = SqliteFile(path, busy=busy, query_only=False)
        self._lock = threading.Lock()

    def absorb(self, delta: Delta) -> bool:
        return self._run(absorbing(delta))

    def applied(self, source: str) -> int:
        return self._run(_last(source))

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._file.close()

    def _run(self, work: Generator[Ask, Sequence[Row], T]) -> T:
        with self._lock, guarded(self._file.name):
            connection = self._file.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                rows: Sequence[Row] = ()
                ask = next(work)
                while True:
                    rows = connection.execute(ask.sql, ask.values).fetchall()
                    ask = work.send(rows)
            except StopIteration as end:
                connection.execute("COMMIT")
                result: T = end.value
                return result
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


class PostgresSink:
    """Writes through a connection of its own, in a loop of its own. Connects again by itself after an error."""

    def __init__(self, url: str) -> None:
        self._name = masked(url)
        self._url = url
        self._loop = LoopThread("surefoot-sink")
        self._lock = threading.Lock()
        self._wire: Wire | None = None

    def absorb(self, delta: Delta) -> bool:
        return self._run(absorbing(delta))

    def applied(self, source: str) -> int:
        return self._run(_last(source))

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            if self._wire is not None:
                with suppress(Exception):  # whatever is wrong with a connection that is given up
                    self._loop.run(self._dropped(), timeout=1.0)
            self._loop.close()

    def _run(self, work: Generator[Ask, Sequence[Row], T]) -> T:
        with self._lock, guarded(self._name):
            return self._loop.run(self._done(work), timeout=CONNECT_SECONDS + 2 * PATIENCE_SECONDS)

    async def _done(self, work: Generator[Ask, Sequence[Row], T]) -> T:
        if self._wire is None or self._wire.is_closed():
            self._wire = await connect(self._url, name="surefoot-sink")
        try:
            async with self._wire.transaction():
                return await _driven(self._wire, work)
        except Exception:
            await self._dropped()
            raise

    async def _dropped(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.terminate()


async def _driven(wire: Wire, work: Generator[Ask, Sequence[Row], T]) -> T:
    ask = next(work)
    while True:
        sql, values = numbered(ask)
        rows = await wire.fetch(sql, *values)
        try:
            ask = work.send(rows)
        except StopIteration as end:
            result: T = end.value
            return result


def _last(source: str) -> Generator[Ask, Sequence[Row], int]:
    rows = yield Ask(LAST_SEQUENCE, {"source": source})
    return int(rows[0][0]) if rows else 0
