"""How routers hear of changes: synchronous, because a router asks in the middle of somebody's request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Revision

__all__ = ["Changes", "Feed"]


class Changes(NamedTuple):
    """What is newer than a revision. Applying changes twice, or out of order by whole snapshots, does no harm."""

    revision: Revision
    agents: Mapping[AgentName, AgentTraffic]
    kills: tuple[KillSwitch, ...] | None
    """All switches that are up, if any switch changed; else None."""


class Feed(Protocol):
    """A doorbell and a reading by revision. The doorbell may be lost; a poll by revision finds what it missed."""

    def epoch(self) -> int:
        """A number that changes when something was written. Costs nanoseconds where it can; never raises."""
        ...

    def changes(self, since: Revision) -> Changes:
        """Everything newer than a revision; all of it for 0. Raises StoreUnavailable; the caller keeps what it has."""
        ...

    def listen(self, ring: Callable[[], None]) -> None:
        """Call `ring`, from any thread, when something may have been written. Optional for feeds with a cheap epoch."""
        ...

    def close(self) -> None:
        """Stop listening and let go of what is open. Idempotent."""
        ...
