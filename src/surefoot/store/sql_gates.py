"""What gates said, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from ..core.units import Digest, Revision
from ..ports.store import GateVerdict
from .codec import decode, encode
from .database import Database
from .schema import gate_reports

__all__ = ["GateRows"]


class GateRows:
    """`GateReports` on a database."""

    db: Database

    async def put_gate(self, verdict: GateVerdict) -> Revision:
        async with self.db.moving() as (connection, at):
            report = verdict.report
            row = {"revision": at, "version": report.version, "suite": report.suite, "body": encode(verdict)}
            await connection.execute(gate_reports.insert().values(**row))
            return at

    async def gates(self, version: Digest) -> Sequence[GateVerdict]:
        query = select(gate_reports.c.body).where(gate_reports.c.version == version).order_by(gate_reports.c.revision)
        async with self.db.reading() as connection:
            bodies = (await connection.execute(query)).scalars().all()
        return tuple(decode(GateVerdict, body) for body in bodies)
