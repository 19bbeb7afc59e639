"""
How routers hear of changes. Loads no SQLAlchemy: a router must not wait for it.

A push only says that there may be something to read; what there is, is read by revision. A revision smaller than the
one a router has means that a backup was put back: then everything is read again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Revision
from ..errors import StoreUnavailable, Unreadable
from ..ports.feed import Changes
from .doorbell import Doorbell
from .failures import guarded
from .sqlite_file import SqliteFile
from .statements import CHANGED_TRAFFIC, HEADS, LIFTED_KILLS, REVISION, UP_KILLS, Row, kill_switch
from .traffic_text import decode_traffic

__all__ = ["POLL_SECONDS", "SqliteFeed", "understood"]

POLL_SECONDS: Final = 0.5
"""How late a change may be seen whose doorbell was lost."""

_BUSY_SECONDS: Final = 0.25
"""Readers of a write-ahead log hardly ever wait; a router's caller is waiting for this one."""

_MOST_LOOKS: Final = 10
"""For a revision that nobody reads the bell is rung again after 1, 3, 7 looks, and then after each this many."""

_log: Final = logging.getLogger(__name__)


class SqliteFeed:
    """
    Reads the file itself; the doorbell is eight bytes of shared memory beside it.

    A look at `bell` costs 18 ns. A thread looks at the file every half second: if it holds a revision that `changes`
    has not answered with yet, the bell is rung, because its writer may have died between commit and ring. It is rung
    again, less and less often, until `changes` has answered. `listen` is told by that thread; whoever decides often
    looks at `bell` instead.
    """

    def __init__(self, path: Path, *, poll: float = POLL_SECONDS) -> None:
        self._bell = Doorbell(path)
        self._file = SqliteFile(path, busy=_BUSY_SECONDS, query_only=True)
        self._lock = threading.Lock()
        self._poll = poll
        self._given = -1
        self._rings: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def bell(self) -> memoryview[int]:
        """Its first item is `epoch`. Ask for it again now and then: the file may have been replaced."""
        self._bell = self._bell.renewed()
        return self._bell.cell

    def epoch(self) -> int:
        return self._bell.cell[0]

    def changes(self, since: Revision) -> Changes:
        with self._lock, guarded(self._file.name):
            found = _read(self._file.connection(), since)
            self._given = found.revision
        self._watch()
        return found

    def listen(self, ring: Callable[[], None]) -> None:
        self._rings.append(ring)

    def close(self) -> None:
        self._stop.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join(2 * self._poll)
        with self._lock:
            self._file.close()

    def _watch(self) -> None:
        if self._stop.is_set() or (self._watcher is not None and self._watcher.is_alive()):
            return
        self._watcher = threading.Thread(target=self._watching, name="surefoot-feed", daemon=True)
        self._watcher.start()

    def _watching(self) -> None:
        file = SqliteFile(self._file.path, busy=_BUSY_SECONDS, query_only=True)
        look = _Look(file)
        rung, since_ring, patience = -1, 0, 0
        while not self._stop.wait(self._poll):
            revision = look.revision()
            if revision is None or revision == self._given:
                continue  # away, and the router keeps what it has; or read already
            if revision != rung:
                rung, since_ring, patience = revision, 0, 0
            if since_ring >= patience:
                since_ring, patience = 0, min(2 * patience + 1, _MOST_LOOKS)
                self._bell.ring()
                for ring in tuple(self._rings):
                    ring()
            since_ring += 1
        file.close()


class _Look:
    """The revision of a file, read only when somebody has written: `PRAGMA data_version` says so in 3 us."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._version: tuple[int, int] | None = None
        self._revision = -1

    def revision(self) -> int | None:
        """None while the file is away."""
        try:
            connection = self._file.connection()
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if (self._file.generation, version) != self._version:
                (self._revision,) = connection.execute(REVISION).fetchone()
                self._version = (self._file.generation, version)
        except (StoreUnavailable, sqlite3.Error, OSError):
            self._version = None
            return None
        return self._revision


def understood(rows: Iterable[Row]) -> dict[AgentName, AgentTraffic]:
    """
    Agents of CHANGED_TRAFFIC's rows, in the order of their revisions.

    A row of a newer release that this one cannot read is left out and logged: that agent stays as it was, and kill
    switches and all other agents go on being obeyed.
    """
    known: dict[AgentName, AgentTraffic] = {}
    for agent, body, revision in rows:
        try:
            known[AgentName(agent)] = decode_traffic(body)
        except Unreadable as error:
            _log.error("traffic of %s at revision %s is ignored: %s (%s)", agent, revision, error.message, error.hint)
    return known


def _read(connection: sqlite3.Connection, since: Revision) -> Changes:
    connection.execute("BEGIN")
    try:
        revision, moved, switched, identity = connection.execute(HEADS).fetchone()
        floor = since if since <= revision else 0
        agents: dict[AgentName, AgentTraffic] = {}
        if moved > floor:
            agents = understood(connection.execute(CHANGED_TRAFFIC, {"since": floor}))
        kills, lifted = None, frozenset[str]()
        if floor == 0 or switched > floor:
            kills = tuple(kill_switch(row) for row in connection.execute(UP_KILLS))
            lifted = frozenset(key for (key,) in connection.execute(LIFTED_KILLS))
    finally:
        connection.execute("ROLLBACK")
    return Changes(Revision(revision), agents, kills, lifted, identity)
