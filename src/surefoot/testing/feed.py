"""A feed whose news, failures and silences are up to the test."""

from __future__ import annotations

from collections.abc import Callable

from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import AgentTraffic, Snapshot
from ..core.units import AgentName, Revision
from ..errors import StoreUnavailable
from ..ports.feed import Changes

__all__ = ["ManualFeed"]


class ManualFeed:
    """
    A store's side of the feed, in memory. Each write is one revision, and rings unless it is `quiet`.

    While `is_down`, reading raises StoreUnavailable, as for a store that is locked or gone.
    """

    def __init__(self, *traffic: AgentTraffic) -> None:
        self.bell = [0]
        self.is_down = False
        self.is_closed = False
        self.reads = 0
        self._agents: dict[AgentName, tuple[Revision, AgentTraffic]] = {}
        self._kills: tuple[KillSwitch, ...] = ()
        self._lifted: frozenset[str] = frozenset()
        self._restarts = 0
        self._kills_at = Revision(0)
        self._revision = Revision(0)
        self._listeners: list[Callable[[], None]] = []
        for each in traffic:
            self.put(each)

    @property
    def snapshot(self) -> Snapshot:
        """What the store holds now."""
        agents = {name: traffic for name, (_, traffic) in self._agents.items()}
        return Snapshot(revision=self._revision, agents=agents, kills=self._kills)

    def put(self, traffic: AgentTraffic, *, quiet: bool = False) -> None:
        """Write an agent's traffic. `quiet`: the bell is lost, as when a writer dies before it rings."""
        self._revision = Revision(self._revision + 1)
        self._agents[traffic.agent] = (self._revision, traffic)
        self._ring(quiet=quiet)

    def switch(self, *kills: KillSwitch, quiet: bool = False) -> None:
        """From now on these switches are up, and no others: those that were are lifted."""
        self._revision = Revision(self._revision + 1)
        self._lifted = (self._lifted | {kill.id for kill in self._kills}) - {kill.id for kill in kills}
        self._kills, self._kills_at = kills, self._revision
        self._ring(quiet=quiet)

    def restart(self, *traffic: AgentTraffic) -> None:
        """The store is made anew: its revisions begin again, and what was there it has never heard of."""
        self._agents, self._kills, self._lifted = {}, (), frozenset()
        self._restarts += 1
        self._revision = self._kills_at = Revision(0)
        for each in traffic:
            self.put(each)

    # --- what a router sees

    def epoch(self) -> int:
        return self.bell[0]

    def changes(self, since: Revision) -> Changes:
        self.reads += 1
        if self.is_down:
            raise StoreUnavailable("the store is down", hint="wait until the test brings it back")
        news = {name: traffic for name, (at, traffic) in self._agents.items() if at > since}
        kills = self._kills if self._kills_at > since or not since else None
        return Changes(self._revision, news, kills, self._lifted, f"feed-{self._restarts}")

    def listen(self, ring: Callable[[], None]) -> None:
        self._listeners.append(ring)

    def close(self) -> None:
        self.is_closed = True

    def _ring(self, *, quiet: bool) -> None:
        if not quiet:
            self.bell[0] += 1
            for ring in self._listeners:
                ring()
