"""Versions, traffic and rollouts in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..core.artifact.version import AgentVersion
from ..core.lifecycle.audit import AuditRecord, chained
from ..core.lifecycle.rollout import Phase, Rollout, Transition
from ..core.traffic.orders import TrafficOrder, TrafficOrderKind
from ..core.traffic.route import AgentTraffic, Snapshot
from ..core.units import AgentName, Digest, Revision, RolloutId
from ..errors import AlreadyExists, UnknownName
from ..ports.store import Stored
from .codec import decode, encode
from .database import Database, Writing
from .rules import after_commit, check_created, effect_key, label_taken, moved_on, traffic_moved, why_denied
from .schema import audit, denied, outbox, revision, rollouts, traffic_orders, versions
from .schema import traffic as known_traffic
from .statements import UP_KILLS, instant, kill_switch, micros
from .traffic_text import decode_traffic

__all__ = ["CatalogRows", "RolloutRows"]

_SHOWN = 100
"""Known names that an error about an unknown one looks through."""


class CatalogRows:
    """`Catalog` on a database."""

    db: Database

    async def put_version(self, version: AgentVersion) -> Digest:
        async with self.db.moving() as (connection, at):
            insert = self.db.insert(versions).values(
                digest=version.digest, agent=version.agent, label=version.label, body=encode(version), revision=at
            )
            added = await connection.execute(insert.on_conflict_do_nothing().returning(versions.c.digest))
            if added.first() is None:
                same_label = (versions.c.agent == version.agent) & (versions.c.label == version.label)
                query = select(versions.c.digest).where((versions.c.digest == version.digest) | same_label)
                kept = set((await connection.execute(query)).scalars())
                if version.digest not in kept:
                    raise label_taken(version, Digest(kept.pop()))
            return version.digest

    async def version(self, digest: Digest) -> AgentVersion:
        async with self.db.reading() as connection:
            query = select(versions.c.body).where(versions.c.digest == digest)
            body = (await connection.execute(query)).scalar_one_or_none()
            if body is None:
                newest = select(versions.c.digest).order_by(versions.c.revision.desc()).limit(_SHOWN)
                raise UnknownName("version", digest, tuple((await connection.execute(newest)).scalars()))
        return decode(AgentVersion, body)

    async def versions(self, agent: AgentName) -> Sequence[AgentVersion]:
        query = select(versions.c.body).where(versions.c.agent == agent).order_by(versions.c.revision)
        async with self.db.reading() as connection:
            bodies = (await connection.execute(query)).scalars().all()
        return tuple(decode(AgentVersion, body) for body in bodies)

    async def traffic(self, agent: AgentName) -> AgentTraffic:
        async with self.db.reading() as connection:
            known = await _traffic(connection, agent)
            if known is None:
                names = (await connection.execute(select(known_traffic.c.agent).limit(_SHOWN))).scalars()
                raise UnknownName("agent", agent, tuple(names))
        return known

    async def set_traffic(
        self, traffic: AgentTraffic, *, order: TrafficOrder | None = None, expected: Revision | None = None
    ) -> Revision:
        async with self.db.moving() as writing:
            kept = await _traffic(writing.connection, traffic.agent)
            if moved := traffic_moved(kept, traffic, expected):
                raise moved
            if order is not None:
                await _put_order(writing, order)
            await _put_traffic(self.db, writing, replace(traffic, split=kept.split if kept else None))
            return writing.revision

    async def traffic_orders(self, agent: AgentName) -> Sequence[TrafficOrder]:
        query = select(traffic_orders).where(traffic_orders.c.agent == agent).order_by(traffic_orders.c.revision)
        async with self.db.reading() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            TrafficOrder(
                agent=agent,
                kind=TrafficOrderKind(row.kind),
                tenant=row.tenant,
                version=None if row.version is None else Digest(row.version),
                reason=row.reason,
                author=row.author,
                at=instant(row.at),
                revision=Revision(row.revision),
            )
            for row in rows
        )

    async def snapshot(self) -> Snapshot:
        async with self.db.reading() as connection:
            at = (await connection.execute(select(revision.c.value))).scalar_one()
            bodies = (await connection.execute(select(known_traffic.c.body))).scalars().all()
            switches = (await connection.execute(text(UP_KILLS))).all()
        agents = (decode_traffic(body) for body in bodies)
        return Snapshot(
            revision=Revision(at),
            agents={known.agent: known for known in agents},
            kills=tuple(kill_switch(tuple(row)) for row in switches),
        )


class RolloutRows:
    """`Rollouts` on a database."""

    db: Database

    async def create(self, rollout: Rollout) -> Revision:
        check_created(rollout)
        async with self.db.moving() as (connection, at):
            insert = self.db.insert(rollouts).values(
                id=rollout.id,
                agent=rollout.agent,
                phase=rollout.phase,
                body=encode(rollout),
                created=at,
                revision=at,
            )
            added = await connection.execute(insert.on_conflict_do_nothing().returning(rollouts.c.id))
            if added.first() is None:
                raise AlreadyExists(f"rollout {rollout.id} exists", hint="mint a fresh id")
            return at

    async def rollout(self, id: RolloutId) -> Stored:
        async with self.db.reading() as connection:
            return await _stored(connection, id)

    async def rollouts(
        self, *, agent: AgentName | None = None, phases: Sequence[Phase] | None = None
    ) -> Sequence[Stored]:
        query = select(rollouts.c.body, rollouts.c.revision).order_by(rollouts.c.created)
        if agent is not None:
            query = query.where(rollouts.c.agent == agent)
        if phases is not None:
            query = query.where(rollouts.c.phase.in_([phase.value for phase in phases]))
        async with self.db.reading() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(Stored(decode(Rollout, body), Revision(at)) for body, at in rows)

    async def ids(self, *, phases: Sequence[Phase]) -> Sequence[RolloutId]:
        query = select(rollouts.c.id).where(rollouts.c.phase.in_([phase.value for phase in phases]))
        async with self.db.reading() as connection:
            found = (await connection.execute(query.order_by(rollouts.c.created))).scalars().all()
        return tuple(RolloutId(key) for key in found)

    async def commit(self, transition: Transition, *, expected: Revision) -> Revision:
        after = transition.after
        async with self.db.moving() as writing:
            connection = writing.connection
            step = (
                rollouts.update()
                .where(rollouts.c.id == after.id, rollouts.c.revision == expected)
                .values(agent=after.agent, phase=after.phase, body=encode(after), revision=writing.revision)
                .returning(rollouts.c.id)
            )
            if (await connection.execute(step)).first() is None:
                await _stored(connection, after.id)
                raise moved_on(after.id, expected)
            record = chained(transition, await _last_record(connection, after.id))
            await connection.execute(
                audit.insert().values(
                    rollout=after.id,
                    sequence=record.sequence,
                    body=encode(transition),
                    previous=record.previous,
                    hash=record.hash,
                )
            )
            await self._follow(writing, transition, record.sequence)
            return writing.revision

    async def audit(self, id: RolloutId) -> Sequence[AuditRecord]:
        query = select(audit.c.sequence, audit.c.body, audit.c.previous, audit.c.hash).where(audit.c.rollout == id)
        async with self.db.reading() as connection:
            await _stored(connection, id)
            rows = (await connection.execute(query.order_by(audit.c.sequence))).all()
        return tuple(
            AuditRecord(sequence=sequence, transition=decode(Transition, body), previous=previous, hash=hash_)
            for sequence, body, previous, hash_ in rows
        )

    async def denied(self, agent: AgentName) -> Mapping[Digest, str]:
        query = select(denied.c.digest, denied.c.why).where(denied.c.agent == agent, denied.c.reopened_at.is_(None))
        async with self.db.reading() as connection:
            rows = (await connection.execute(query.order_by(denied.c.revision))).all()
        return {Digest(digest): why for digest, why in rows}

    async def reopen(self, agent: AgentName, digest: Digest, *, by: str, at: datetime) -> None:
        row = (denied.c.agent == agent) & (denied.c.digest == digest) & denied.c.reopened_at.is_(None)
        async with self.db.moving() as writing:
            lifted = denied.update().where(row).values(reopened_by=by, reopened_at=micros(at))
            await writing.connection.execute(lifted)

    async def _follow(self, writing: Writing, transition: Transition, sequence: int) -> None:
        """Everything that has to become true together with the step itself."""
        after, connection, at = transition.after, writing.connection, writing.revision
        known = after_commit(await _traffic(connection, after.agent), transition)
        if known is not None:
            await _put_traffic(self.db, writing, known)
        if transition.deny is not None:
            fresh = {"why": why_denied(transition), "revision": at, "reopened_by": None, "reopened_at": None}
            deny = self.db.insert(denied).values(agent=after.agent, digest=transition.deny, **fresh)
            key = [denied.c.agent, denied.c.digest]
            await connection.execute(deny.on_conflict_do_update(index_elements=key, set_=fresh))
        effects = [
            {
                "key": effect_key(after.id, sequence, position),
                "rollout": after.id,
                "revision": at,
                "position": position,
                "body": encode(effect),
                "attempts": 0,
                "next_at": 0,
                "error": "",
            }
            for position, effect in enumerate(transition.effects)
        ]
        if effects:
            await connection.execute(outbox.insert(), effects)


async def _traffic(connection: AsyncConnection, agent: AgentName) -> AgentTraffic | None:
    body = (
        await connection.execute(select(known_traffic.c.body).where(known_traffic.c.agent == agent))
    ).scalar_one_or_none()
    return None if body is None else decode_traffic(body)


async def _put_traffic(db: Database, writing: Writing, now: AgentTraffic) -> None:
    row = {"body": encode(replace(now, revision=writing.revision)), "revision": writing.revision}
    put = db.insert(known_traffic).values(agent=now.agent, **row)
    await writing.connection.execute(put.on_conflict_do_update(index_elements=[known_traffic.c.agent], set_=row))


async def _put_order(writing: Writing, order: TrafficOrder) -> None:
    row = traffic_orders.insert().values(
        revision=writing.revision,
        agent=order.agent,
        kind=order.kind.value,
        tenant=order.tenant,
        version=order.version,
        reason=order.reason,
        author=order.author,
        at=micros(order.at),
    )
    await writing.connection.execute(row)


async def _stored(connection: AsyncConnection, id: RolloutId) -> Stored:
    query = select(rollouts.c.body, rollouts.c.revision).where(rollouts.c.id == id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        newest = select(rollouts.c.id).order_by(rollouts.c.created.desc()).limit(_SHOWN)
        raise UnknownName("rollout", id, tuple((await connection.execute(newest)).scalars()))
    return Stored(decode(Rollout, row[0]), Revision(row[1]))


async def _last_record(connection: AsyncConnection, id: RolloutId) -> AuditRecord | None:
    query = select(audit.c.sequence, audit.c.body, audit.c.previous, audit.c.hash).where(audit.c.rollout == id)
    row = (await connection.execute(query.order_by(audit.c.sequence.desc()).limit(1))).one_or_none()
    if row is None:
        return None
    return AuditRecord(sequence=row[0], transition=decode(Transition, row[1]), previous=row[2], hash=row[3])
