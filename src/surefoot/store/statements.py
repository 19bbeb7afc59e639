"""The few statements that run outside SQLAlchemy, on either engine: what feeds read. Parameters are written `:name`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ..core.traffic.kill import KillSwitch
from ..core.units import AgentName, Digest

__all__ = [
    "CHANGED_TRAFFIC",
    "CHANNEL",
    "HEADS",
    "LAST_SEQUENCE",
    "LIFTED_KILLS",
    "REVISION",
    "UP_KILLS",
    "Ask",
    "Row",
    "instant",
    "kill_switch",
    "micros",
    "numbered",
]

Row = Sequence[Any]

CHANNEL: Final = "surefoot_revision"
"""PostgreSQL: where the doorbell is rung."""

REVISION: Final = "SELECT value FROM revision"
HEADS: Final = (
    "SELECT value, (SELECT coalesce(max(revision), 0) FROM traffic), (SELECT coalesce(max(revision), 0) FROM kills)"
    ", identity FROM revision"
)
"""The revision, the newest one of any agent and of any switch: what there is to read, in one round trip. And whose."""

CHANGED_TRAFFIC: Final = "SELECT agent, body, revision FROM traffic WHERE revision > :since ORDER BY revision"
UP_KILLS: Final = (
    "SELECT id, agent, version, feature, tenant, reason, author, raised_at FROM kills"
    " WHERE lifted_at IS NULL ORDER BY raised_at, id"
)
LIFTED_KILLS: Final = "SELECT id FROM kills WHERE lifted_at IS NOT NULL"
LAST_SEQUENCE: Final = "SELECT sequence FROM sources WHERE source = :source"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Ask(NamedTuple):
    """One statement to run; its rows are the answer."""

    sql: str
    values: Mapping[str, object] = {}


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC. Raises TypeError for an instant without a zone."""
    return (at - _EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + value * _MICROSECOND


def kill_switch(row: Row) -> KillSwitch:
    """A row of UP_KILLS."""
    key, agent, version, feature, tenant, reason, author, raised_at = row
    return KillSwitch(
        id=key,
        agent=None if agent is None else AgentName(agent),
        version=None if version is None else Digest(version),
        feature=feature,
        tenant=tenant,
        reason=reason,
        author=author,
        raised_at=instant(raised_at),
    )


@lru_cache(maxsize=1024)
def _dollars(sql: str) -> tuple[str, tuple[str, ...]]:
    names = tuple(dict.fromkeys(re.findall(r":(\w+)", sql)))
    return re.sub(r":(\w+)", lambda found: f"${names.index(found[1]) + 1}", sql), names


def numbered(ask: Ask) -> tuple[str, list[object]]:
    """The statement with `$1, $2, ...` as PostgreSQL wants it, and its values in that order."""
    sql, names = _dollars(ask.sql)
    return sql, [ask.values[name] for name in names]
