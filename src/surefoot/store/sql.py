"""The store on a database: the same code for SQLite and PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Table, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..core.evidence.tally import Delta, History, PairTotals, Tick
from ..core.traffic.kill import KillSwitch
from ..core.units import Digest, Revision, RolloutId
from ..errors import UnknownName, Unreadable
from ..ports.store import DueEffect, OpenTick, ShadowPair
from .absorbing import absorbing
from .accumulate import NO_PAIRS, Gathering, closed, looked_at, with_pairs
from .codec import decode, decode_effect, encode
from .database import Database
from .rules import check_switch, tick_moved
from .schema import history, kills, open_ticks, outbox, pair_totals, paired_units, ticks
from .schema import pairs as pair_rows
from .sql_catalog import CatalogRows, RolloutRows
from .sql_gates import GateRows
from .statements import LAST_SEQUENCE, LIFTED_KILLS, UP_KILLS, Ask, kill_switch, micros

__all__ = ["EvidenceRows", "OutboxRows", "ShadowRows", "SqlStore", "SwitchRows"]

_log: Final = logging.getLogger(__name__)


class EvidenceRows:
    """`Evidence` on a database."""

    db: Database

    async def absorb(self, delta: Delta) -> bool:
        async with self.db.writing() as connection:
            work = absorbing(delta)
            ask = next(work)
            while True:
                rows = await self.db.ask(connection, ask)
                try:
                    ask = work.send(rows)
                except StopIteration as end:
                    return bool(end.value)

    async def applied(self, source: str) -> int:
        async with self.db.reading() as connection:
            rows = await self.db.ask(connection, Ask(LAST_SEQUENCE, {"source": source}))
        return int(rows[0][0]) if rows else 0

    async def open_ticks(self, rollout: RolloutId) -> Sequence[OpenTick]:
        query = select(open_ticks.c.epoch, open_ticks.c.body).where(open_ticks.c.rollout == rollout)
        async with self.db.reading() as connection:
            rows = (await connection.execute(query.order_by(open_ticks.c.epoch))).all()
        return tuple(looked_at(epoch, decode(Gathering, body)) for epoch, body in rows)

    async def close_tick(self, rollout: RolloutId, epoch: int, *, sequence: int, at: datetime) -> Tick:
        async with self.db.writing() as connection:
            # Taking the open tick out locks it, so the last number is read by one closer of this epoch at a time;
            # closers of two epochs meet at the key of the new tick.
            taken = delete(open_ticks).where(open_ticks.c.rollout == rollout, open_ticks.c.epoch == epoch)
            body = (await connection.execute(taken.returning(open_ticks.c.body))).scalar_one_or_none()
            newest = (
                select(ticks.c.sequence).where(ticks.c.rollout == rollout).order_by(ticks.c.sequence.desc()).limit(1)
            )
            last = (await connection.execute(newest)).scalar_one_or_none() or 0
            if body is None or sequence != last + 1:
                raise tick_moved(rollout, epoch, sequence)
            tick = closed(rollout, epoch, decode(Gathering, body), sequence=sequence, at=at)
            insert = self.db.insert(ticks).values(rollout=rollout, sequence=sequence, epoch=epoch, body=encode(tick))
            added = await connection.execute(insert.on_conflict_do_nothing().returning(ticks.c.sequence))
            if added.first() is None:
                raise tick_moved(rollout, epoch, sequence)
            return tick

    async def ticks(self, rollout: RolloutId, *, after: int = 0) -> Sequence[Tick]:
        query = select(ticks.c.body).where(ticks.c.rollout == rollout, ticks.c.sequence > after)
        async with self.db.reading() as connection:
            bodies = (await connection.execute(query.order_by(ticks.c.sequence))).scalars().all()
        return tuple(decode(Tick, body) for body in bodies)

    async def history(self, version: Digest) -> History:
        async with self.db.reading() as connection:
            query = select(history.c.body).where(history.c.version == version)
            body = (await connection.execute(query)).scalar_one_or_none()
        return decode(History, body) if body else History()


class SwitchRows:
    """`Switches` on a database."""

    db: Database

    async def kill(self, switch: KillSwitch) -> Revision:
        async with self.db.moving() as (connection, at):
            insert = self.db.insert(kills).values(
                id=switch.id,
                agent=switch.agent,
                version=switch.version,
                feature=switch.feature,
                tenant=switch.tenant,
                reason=switch.reason,
                author=switch.author,
                raised_at=micros(switch.raised_at),
                revision=at,
            )
            added = await connection.execute(insert.on_conflict_do_nothing().returning(kills.c.id))
            if added.first() is None:
                names = ("id", "agent", "version", "feature", "tenant", "reason", "author", "raised_at")
                query = select(*(kills.c[name] for name in names), kills.c.lifted_at, kills.c.revision)
                row = (await connection.execute(query.where(kills.c.id == switch.id))).one()
                check_switch(switch, kill_switch(tuple(row)[:8]), lifted=row.lifted_at is not None)
                return Revision(row.revision)
            return at

    async def unkill(self, id: str, *, by: str, at: datetime, lost: bool = False) -> Revision:
        async with self.db.moving() as (connection, revision):
            lifted = (
                kills.update()
                .where(kills.c.id == id, kills.c.lifted_at.is_(None))
                .values(lifted_by=by, lifted_at=micros(at), revision=revision)
                .returning(kills.c.id)
            )
            is_known = (await connection.execute(lifted)).first() is not None
            if not is_known and lost:
                # Never up, not for a moment: what it stopped nobody here can know.
                row = {"reason": "a store before this one had it", "author": by, "raised_at": micros(at)}
                gone = {"id": id, **row, "revision": revision, "lifted_by": by, "lifted_at": micros(at)}
                tomb = self.db.insert(kills).values(**gone).on_conflict_do_nothing().returning(kills.c.id)
                is_known = (await connection.execute(tomb)).first() is not None
            if not is_known:
                up = (await connection.execute(select(kills.c.id).where(kills.c.lifted_at.is_(None)))).scalars()
                raise UnknownName("kill switch", id, tuple(up))
            return revision

    async def kills(self) -> Sequence[KillSwitch]:
        async with self.db.reading() as connection:
            rows = (await connection.execute(text(UP_KILLS))).all()
        return tuple(kill_switch(tuple(row)) for row in rows)

    async def lifted(self) -> frozenset[str]:
        async with self.db.reading() as connection:
            return frozenset((await connection.execute(text(LIFTED_KILLS))).scalars())


class OutboxRows:
    """`Outbox` on a database."""

    db: Database

    async def due(self, *, at: datetime, limit: int = 100) -> Sequence[DueEffect]:
        query = (
            select(outbox.c.key, outbox.c.rollout, outbox.c.body, outbox.c.attempts)
            .where(outbox.c.next_at <= micros(at))
            .order_by(outbox.c.revision, outbox.c.position)
            .limit(limit)
        )
        async with self.db.reading() as connection:
            rows = (await connection.execute(query)).all()
        due: list[DueEffect] = []
        for key, rollout, body, attempts in rows:
            try:
                due.append(DueEffect(key, RolloutId(rollout), decode_effect(body), attempts))
            except Unreadable as error:  # one that nobody understands holds up no other
                _log.error("effect %s is left undone: %s (%s)", key, error.message, error.hint)
        return tuple(due)

    async def done(self, key: str) -> None:
        async with self.db.writing() as connection:
            await connection.execute(delete(outbox).where(outbox.c.key == key))

    async def retry(self, key: str, *, at: datetime, error: str) -> None:
        again = {"attempts": outbox.c.attempts + 1, "next_at": micros(at), "error": error}
        async with self.db.writing() as connection:
            await connection.execute(outbox.update().where(outbox.c.key == key).values(**again))


class ShadowRows:
    """`Shadow` on a database."""

    db: Database

    async def put_pairs(self, pairs: Sequence[ShadowPair], *, dropped: int, rollout: RolloutId) -> None:
        async with self.db.writing() as connection:
            hold = self.db.insert(pair_totals).values(rollout=rollout, body=encode(NO_PAIRS))
            held = hold.on_conflict_do_update(index_elements=[pair_totals.c.rollout], set_={"rollout": rollout})
            body = (await connection.execute(held.returning(pair_totals.c.body))).scalar_one()
            once: dict[str, ShadowPair] = {}
            for pair in pairs:
                once.setdefault(pair.run_id, pair)
            rows = [
                {"rollout": rollout, "run_id": pair.run_id, "at": micros(pair.at), "body": encode(pair)}
                for pair in once.values()
            ]
            new = await self._new(connection, pair_rows, "run_id", rows)
            heads: dict[str, ShadowPair] = {}
            for pair in once.values():
                if pair.run_id in new:
                    heads.setdefault(pair.unit, pair)
            units = [{"rollout": rollout, "unit": unit} for unit in heads]
            first = await self._new(connection, paired_units, "unit", units)
            counted = [pair for unit, pair in heads.items() if unit in first]
            is_repeat = bool(pairs) and not new
            totals = with_pairs(decode(PairTotals, body), counted, 0 if is_repeat else dropped)
            await connection.execute(
                pair_totals.update().where(pair_totals.c.rollout == rollout).values(body=encode(totals))
            )

    async def _new(
        self, connection: AsyncConnection, table: Table, key: str, rows: Sequence[Mapping[str, object]]
    ) -> set[str]:
        """Put in what is not there yet, in few statements however many rows; the keys of what was put in."""
        if not rows:
            return set()
        insert = self.db.insert(table).on_conflict_do_nothing().returning(table.c[key])
        return set((await connection.execute(insert, rows)).scalars())

    async def pair_totals(self, rollout: RolloutId) -> PairTotals:
        async with self.db.reading() as connection:
            query = select(pair_totals.c.body).where(pair_totals.c.rollout == rollout)
            body = (await connection.execute(query)).scalar_one_or_none()
        return NO_PAIRS if body is None else decode(PairTotals, body)

    async def pairs(self, rollout: RolloutId, *, limit: int = 100) -> Sequence[ShadowPair]:
        query = select(pair_rows.c.body).where(pair_rows.c.rollout == rollout)
        newest = query.order_by(pair_rows.c.at.desc(), pair_rows.c.run_id.desc()).limit(limit)
        async with self.db.reading() as connection:
            bodies = (await connection.execute(newest)).scalars().all()
        return tuple(decode(ShadowPair, body) for body in bodies)


class SqlStore(CatalogRows, RolloutRows, EvidenceRows, SwitchRows, OutboxRows, ShadowRows, GateRows):
    """A `Store` on a database. For one event loop; any number of them may share one database."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def migrate(self, *, create: bool = True) -> None:
        await self.db.migrate(create=create)

    async def close(self) -> None:
        await self.db.close()
