"""
The tables, one schema for SQLite and PostgreSQL. `migrations` brings a database here; a test compares the two.

A row holds its value as text (`codec`), and beside it, as columns, only what is looked up by. Instants are integers of
microseconds since 1970 UTC. `revision` is one global counter that every write which routers or people may see moves on
inside its own transaction: the order of revisions is the order of commits.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

__all__ = [
    "audit",
    "denied",
    "failed_units",
    "gate_reports",
    "history",
    "kills",
    "metadata",
    "migrations",
    "open_ticks",
    "outbox",
    "pair_totals",
    "paired_units",
    "pairs",
    "revision",
    "rollouts",
    "sources",
    "ticks",
    "traffic",
    "traffic_orders",
    "versions",
]

metadata: Final = MetaData()
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _numbered(name: str) -> Column[int]:
    return Column(name, _NUMBER, primary_key=True, autoincrement=False)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, _NUMBER, nullable=null)


migrations: Final = Table("migrations", metadata, _numbered("number"), _text("name"))
"""Which migrations have run."""

revision: Final = Table("revision", metadata, _numbered("id"), _number("value"), _text("identity"))
"""One row: the global counter, and what tells this database's revisions from another one's."""

versions: Final = Table(
    "versions", metadata, _key("digest"), _text("agent"), _text("label"), _text("body"), _number("revision"),
    UniqueConstraint("agent", "label", name="versions_label"),
)  # fmt: skip

traffic: Final = Table("traffic", metadata, _key("agent"), _text("body"), _number("revision"))
"""What routers know, per agent, with the split of the rollout that is under way."""

traffic_orders: Final = Table(
    "traffic_orders", metadata, _numbered("revision"), _text("agent"), _text("kind"), _text("tenant"),
    _text("version", null=True), _text("reason"), _text("author"), _number("at"),
)  # fmt: skip
"""What people ordered for tenants, and why. Rows are only ever added."""

rollouts: Final = Table(
    "rollouts", metadata, _key("id"), _text("agent"), _text("phase"), _text("body"), _number("created"),
    _number("revision"),
)  # fmt: skip

audit: Final = Table(
    "audit", metadata, _key("rollout"), _numbered("sequence"), _text("body"), _text("previous"), _text("hash"),
)  # fmt: skip

outbox: Final = Table(
    "outbox", metadata, _key("key"), _text("rollout"), _number("revision"), _number("position"), _text("body"),
    _number("attempts"), _number("next_at"), _text("error"),
)  # fmt: skip
"""Effects not yet confirmed. `next_at` 0: at once, whatever the clock says."""

denied: Final = Table(
    "denied", metadata, _key("agent"), _key("digest"), _text("why"), _number("revision"),
    _text("reopened_by", null=True), _number("reopened_at", null=True),
)  # fmt: skip

kills: Final = Table(
    "kills", metadata, _key("id"), _text("agent", null=True), _text("version", null=True), _text("feature", null=True),
    _text("tenant", null=True), _text("reason"), _text("author"), _number("raised_at"), _number("revision"),
    _text("lifted_by", null=True), _number("lifted_at", null=True),
)  # fmt: skip
"""Switches are columns, not text: a router of any release has to obey them."""

sources: Final = Table("sources", metadata, _key("source"), _number("sequence"), _number("at"))
"""The last delta applied per source."""

open_ticks: Final = Table("open_ticks", metadata, _key("rollout"), _numbered("epoch"), _text("body"))

failed_units: Final = Table(
    "failed_units", metadata, _key("rollout"), _numbered("epoch"), _key("metric"), _key("unit"),
)  # fmt: skip
"""Each unit's first failure, whoever reported it."""

ticks: Final = Table("ticks", metadata, _key("rollout"), _numbered("sequence"), _number("epoch"), _text("body"))

history: Final = Table("history", metadata, _key("version"), _text("body"))

pairs: Final = Table(
    "pairs", metadata, _key("rollout"), _key("run_id"), _number("at"), _text("body"),
)  # fmt: skip

paired_units: Final = Table("paired_units", metadata, _key("rollout"), _key("unit"))
"""Units that have a pair which counts."""

gate_reports: Final = Table(
    "gate_reports", metadata, _numbered("revision"), _text("version"), _text("suite"), _text("body"),
)  # fmt: skip
"""What gates said of versions. Rows are only ever added."""

pair_totals: Final = Table("pair_totals", metadata, _key("rollout"), _text("body"))

Index("traffic_revision", traffic.c.revision)
Index("traffic_orders_agent", traffic_orders.c.agent, traffic_orders.c.revision)
Index("gate_reports_version", gate_reports.c.version, gate_reports.c.revision)
Index("kills_revision", kills.c.revision)
Index("rollouts_agent", rollouts.c.agent, rollouts.c.created)
Index("outbox_next", outbox.c.next_at)
Index("pairs_newest", pairs.c.rollout, pairs.c.at)
