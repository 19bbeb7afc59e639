"""Kill switches: who is stopped, where, since when, by whom and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..units import AgentName, Digest

__all__ = ["KillSwitch", "broadest", "covering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """Stops what all its filled-in fields match; an empty field matches everything, so the empty switch is global."""

    id: str
    agent: AgentName | None = None
    version: Digest | None = None
    feature: str | None = None
    tenant: str | None = None
    reason: str
    author: str
    raised_at: datetime

    @property
    def breadth(self) -> int:
        """How many fields are left open: 4 is the global switch."""
        return [self.agent, self.version, self.feature, self.tenant].count(None)


def covering(
    kills: Iterable[KillSwitch], *, agent: AgentName, version: Digest, feature: str, tenant: str
) -> KillSwitch | None:
    """The broadest switch that covers this, or None: the one to name to people. Of equals, the oldest."""
    return broadest(
        kill
        for kill in kills
        if kill.agent in (None, agent)
        and kill.version in (None, version)
        and kill.feature in (None, feature)
        and kill.tenant in (None, tenant)
    )


def broadest(kills: Iterable[KillSwitch]) -> KillSwitch | None:
    """Of several switches the one to name; of equals, the oldest."""
    return min(kills, key=lambda kill: (-kill.breadth, kill.raised_at, kill.id), default=None)
