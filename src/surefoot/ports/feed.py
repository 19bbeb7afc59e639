"""How routers hear of changes: synchronous, because a router asks in the middle of somebody's request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Revision

__all__ = ["Bell", "Belled", "Changes", "Feed"]


class Changes(NamedTuple):
    """What is newer than a revision. Applying changes twice, or out of order by whole snapshots, does no harm."""

    revision: Revision
    agents: Mapping[AgentName, AgentTraffic]
    kills: tuple[KillSwitch, ...] | None
    """All switches that are up, if any switch changed; else None."""

    lifted: frozenset[str] = frozenset()
    """Where `kills` is given: ids of all switches that were ever lifted. One that is in neither is unknown there."""

    identity: str = ""
    """Whose revisions these are: another store's cannot be compared with them. Empty where nobody can say."""


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


class Bell(Protocol):
    """A number to look at: a shared memory's first cell, or a list of one."""

    def __getitem__(self, index: int, /) -> int:
        """For 0, what `Feed.epoch` returns."""
        ...


@runtime_checkable
class Belled(Protocol):
    """A feed whose number can be seen without a call: every decision looks, and a call would double what that costs."""

    @property
    def bell(self) -> Bell:
        """May be another object later, as when a file was replaced: look it up again with every poll."""
        ...
