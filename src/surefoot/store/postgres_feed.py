"""How routers hear of changes in PostgreSQL: a thread that listens, polls anyway, and reads ahead."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Revision
from ..errors import StoreUnavailable, SurefootError
from ..ports.feed import Changes
from .failures import explained
from .feeds import understood
from .statements import CHANGED_TRAFFIC, CHANNEL, HEADS, LIFTED_KILLS, UP_KILLS, Ask, kill_switch, numbered
from .wire import CONNECT_SECONDS, Wire, connect, masked

__all__ = ["PostgresFeed"]

_POLL_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 3.0
"""A server that takes longer to answer one of these reads is treated as gone, and connected to again."""

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Between two attempts to connect, less up to a half by process id: a thousand routers do not come at once."""


class PostgresFeed:
    """
    Keeps a copy of what routers need, so that `changes` never waits for the network once the first reading is done.

    On every connect it listens first and reads by revision then, so nothing can fall in between; a notification and a
    second's pause both make it read again. `changes` answers with what it has while the server is away, as long as
    there is something the caller does not know, and raises StoreUnavailable otherwise. Make it after a fork.
    """

    def __init__(self, url: str, *, poll: float = _POLL_SECONDS, patience: float = _PATIENCE_SECONDS) -> None:
        self._url = url
        self._name = masked(url)
        self._poll = poll
        self._patience = patience
        self._lock = threading.Lock()
        self._first = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._closing = False
        self._rings: list[Callable[[], None]] = []
        self._trouble: SurefootError | None = StoreUnavailable(
            f"the store {self._name} has not answered yet", hint="is the server up, and reachable from here?"
        )
        self.bell = [0]
        """Its only item is `epoch`."""

        self._revision = -1
        self._agents: dict[AgentName, AgentTraffic] = {}
        self._identity = ""
        self._kills: tuple[KillSwitch, ...] = ()
        self._lifted: frozenset[str] = frozenset()
        self._kills_revision = 0

    def epoch(self) -> int:
        return self.bell[0]

    def changes(self, since: Revision) -> Changes:
        self._start()
        if self._revision < 0:
            self._first.wait(CONNECT_SECONDS)
        with self._lock:
            trouble = self._trouble
            if trouble is not None and (self._revision < 0 or self._revision == since):
                raise StoreUnavailable(trouble.message, hint=trouble.hint) from trouble
            floor = since if since <= self._revision else 0
            newer: dict[AgentName, AgentTraffic] = {}
            for agent, traffic in reversed(self._agents.items()):
                if traffic.revision <= floor:
                    break
                newer[agent] = traffic
            if floor and self._kills_revision <= floor:
                return Changes(Revision(self._revision), newer, None, identity=self._identity)
            return Changes(Revision(self._revision), newer, self._kills, self._lifted, self._identity)

    def listen(self, ring: Callable[[], None]) -> None:
        self._rings.append(ring)
        self._start()

    def close(self) -> None:
        self._closing = True
        if self._thread is not None and self._thread is not threading.current_thread():
            with suppress(RuntimeError):  # the loop has ended by itself
                if self._loop is not None and self._wake is not None:
                    self._loop.call_soon_threadsafe(self._wake.set)
            self._thread.join(CONNECT_SECONDS)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="surefoot-feed", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._following())

    async def _following(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        pause, spread = _FIRST_PAUSE, 0.5 + os.getpid() % 64 / 128
        while not self._closing:
            try:
                await self._connected(self._wake)
            except Exception as error:  # noqa: BLE001 - whatever it was: the caller is told, and it is tried again
                pause = _FIRST_PAUSE if self._trouble is None else min(2 * pause, _LONGEST_PAUSE)
                self._trouble = explained(self._name, error) or StoreUnavailable(str(error), hint="this is a bug")
                self._first.set()
            await self._wait(self._wake, pause * spread)

    async def _connected(self, wake: asyncio.Event) -> None:
        wire = await connect(self._url, name="surefoot-feed", patience=self._patience)
        try:
            wire.add_termination_listener(lambda *_: wake.set())
            await wire.add_listener(CHANNEL, lambda *_: wake.set())
            while not self._closing:
                wake.clear()
                await self._read(wire)
                await self._wait(wake, self._poll)
        finally:
            wire.terminate()

    async def _wait(self, wake: asyncio.Event, seconds: float) -> None:
        if not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), seconds)

    async def _read(self, wire: Wire) -> None:
        """The revision first: what is committed while the rest is read is read again next time, never missed."""
        revision, moved, switched, identity = (await wire.fetch(HEADS))[0]
        is_same = identity == self._identity
        if revision != self._revision or not is_same:
            floor = self._revision if is_same and 0 <= self._revision < revision else 0
            agents: dict[AgentName, AgentTraffic] = {}
            if moved > floor:
                sql, values = numbered(Ask(CHANGED_TRAFFIC, {"since": floor}))
                agents = understood(await wire.fetch(sql, *values))
            kills, lifted = None, frozenset[str]()
            if floor == 0 or switched > floor:
                kills = tuple(kill_switch(row) for row in await wire.fetch(UP_KILLS))
                lifted = frozenset(row[0] for row in await wire.fetch(LIFTED_KILLS))
            self._take(Changes(Revision(revision), agents, kills, lifted, identity), floor=floor, switched=switched)
        self._trouble = None
        self._first.set()

    def _take(self, found: Changes, *, floor: int, switched: int) -> None:
        with self._lock:
            if floor == 0:
                self._agents.clear()
            for agent, traffic in found.agents.items():
                self._agents.pop(agent, None)
                self._agents[agent] = traffic  # last, so that the newest are found first
            if found.kills is not None:
                self._kills, self._lifted, self._kills_revision = found.kills, found.lifted, switched
            self._revision, self._identity = found.revision, found.identity
            self.bell[0] += 1
        for ring in tuple(self._rings):
            ring()
