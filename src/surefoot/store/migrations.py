"""
How a database gets from any earlier release to this one.

A migration that has been released never changes; a new one is added below. All that are missing run in one transaction
under a lock that only one process holds (a file lock and BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL), so
any number of processes may start at once and a crash leaves the database as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import StoreUnavailable

__all__ = ["LEDGER", "MIGRATIONS", "NEWEST", "Migration", "missing", "no_store", "record", "sqlite_text"]

LEDGER: Final = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)"
"""Which migrations have run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step, in SQL that both engines understand once `sqlite_text` has seen it."""

    number: int
    name: str
    statements: tuple[str, ...]


MIGRATIONS: Final = (
    Migration(
        number=1,
        name="the first schema",
        statements=(
            "CREATE TABLE revision (id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1), value BIGINT NOT NULL)",
            "INSERT INTO revision (id, value) VALUES (1, 0)",
            """CREATE TABLE versions (digest TEXT NOT NULL PRIMARY KEY, agent TEXT NOT NULL, label TEXT NOT NULL,
            body TEXT NOT NULL, revision BIGINT NOT NULL, CONSTRAINT versions_label UNIQUE (agent, label))""",
            "CREATE TABLE traffic (agent TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, revision BIGINT NOT NULL)",
            "CREATE INDEX traffic_revision ON traffic (revision)",
            """CREATE TABLE rollouts (id TEXT NOT NULL PRIMARY KEY, agent TEXT NOT NULL, phase TEXT NOT NULL,
            body TEXT NOT NULL, created BIGINT NOT NULL, revision BIGINT NOT NULL)""",
            "CREATE INDEX rollouts_agent ON rollouts (agent, created)",
            """CREATE TABLE audit (rollout TEXT NOT NULL, sequence BIGINT NOT NULL, body TEXT NOT NULL,
            previous TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (rollout, sequence))""",
            """CREATE TABLE outbox (key TEXT NOT NULL PRIMARY KEY, rollout TEXT NOT NULL, revision BIGINT NOT NULL,
            position BIGINT NOT NULL, body TEXT NOT NULL, attempts BIGINT NOT NULL, next_at BIGINT NOT NULL,
            error TEXT NOT NULL)""",
            "CREATE INDEX outbox_next ON outbox (next_at)",
            """CREATE TABLE denied (agent TEXT NOT NULL, digest TEXT NOT NULL, why TEXT NOT NULL,
            revision BIGINT NOT NULL, reopened_by TEXT, reopened_at BIGINT, PRIMARY KEY (agent, digest))""",
            """CREATE TABLE kills (id TEXT NOT NULL PRIMARY KEY, agent TEXT, version TEXT, feature TEXT, tenant TEXT,
            reason TEXT NOT NULL, author TEXT NOT NULL, raised_at BIGINT NOT NULL, revision BIGINT NOT NULL,
            lifted_by TEXT, lifted_at BIGINT)""",
            "CREATE INDEX kills_revision ON kills (revision)",
            "CREATE TABLE sources (source TEXT NOT NULL PRIMARY KEY, sequence BIGINT NOT NULL, at BIGINT NOT NULL)",
            """CREATE TABLE open_ticks (rollout TEXT NOT NULL, epoch BIGINT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (rollout, epoch))""",
            """CREATE TABLE failed_units (rollout TEXT NOT NULL, epoch BIGINT NOT NULL, metric TEXT NOT NULL,
            unit TEXT NOT NULL, PRIMARY KEY (rollout, epoch, metric, unit))""",
            """CREATE TABLE ticks (rollout TEXT NOT NULL, sequence BIGINT NOT NULL, epoch BIGINT NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (rollout, sequence))""",
            "CREATE TABLE history (version TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)",
            """CREATE TABLE pairs (rollout TEXT NOT NULL, run_id TEXT NOT NULL, at BIGINT NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (rollout, run_id))""",
            "CREATE INDEX pairs_newest ON pairs (rollout, at)",
            "CREATE TABLE paired_units (rollout TEXT NOT NULL, unit TEXT NOT NULL, PRIMARY KEY (rollout, unit))",
            "CREATE TABLE pair_totals (rollout TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)",
        ),
    ),
    Migration(
        number=2,
        name="who ordered what for a tenant",
        statements=(
            """CREATE TABLE traffic_orders (revision BIGINT NOT NULL PRIMARY KEY, agent TEXT NOT NULL,
            kind TEXT NOT NULL, tenant TEXT NOT NULL, version TEXT, reason TEXT NOT NULL, author TEXT NOT NULL,
            at BIGINT NOT NULL)""",
            "CREATE INDEX traffic_orders_agent ON traffic_orders (agent, revision)",
        ),
    ),
    Migration(
        number=3,
        name="an identity that no other database has",
        statements=(
            "ALTER TABLE revision ADD COLUMN identity TEXT NOT NULL DEFAULT ''",
            "UPDATE revision SET identity = CAST(gen_random_uuid() AS TEXT)",
        ),
    ),
    Migration(
        number=4,
        name="what gates said of versions",
        statements=(
            """CREATE TABLE gate_reports (revision BIGINT NOT NULL PRIMARY KEY, version TEXT NOT NULL,
            suite TEXT NOT NULL, body TEXT NOT NULL)""",
            "CREATE INDEX gate_reports_version ON gate_reports (version, revision)",
        ),
    ),
)

NEWEST: Final = MIGRATIONS[-1].number


def missing(done: set[int], known: tuple[Migration, ...] = MIGRATIONS) -> tuple[Migration, ...]:
    """What has to run, in order. Raises StoreUnavailable for a database of a newer release."""
    if done and max(done) > known[-1].number:
        raise StoreUnavailable(
            f"the database has schema {max(done)}, this surefoot knows up to {known[-1].number}",
            hint="a newer surefoot has been here; use that one",
        )
    return tuple(migration for migration in known if migration.number not in done)


def no_store(name: str, what: str) -> StoreUnavailable:
    """Nobody makes a store in passing: whoever lost one has to hear of it, and so has who is in the wrong folder."""
    return StoreUnavailable(
        f"no store here: {name} {what}",
        hint="go to the project that is served, put back a store that was lost, or make one: `surefoot store create`",
    )


def record(migration: Migration) -> str:
    """The statement that remembers a migration."""
    return f"INSERT INTO migrations (number, name) VALUES ({migration.number}, '{migration.name}')"  # noqa: S608 - own text


def sqlite_text(statement: str) -> str:
    """The same for SQLite: whole numbers of any size, and tables that refuse what is of another type."""
    if not statement.startswith("CREATE TABLE"):
        return statement.replace("CAST(gen_random_uuid() AS TEXT)", "lower(hex(randomblob(16)))")
    is_all_key = "PRIMARY KEY (" in statement and "body" not in statement
    ending = " STRICT, WITHOUT ROWID" if is_all_key else " STRICT"
    return statement.replace("BIGINT", "INTEGER") + ending
