"""Names for numbers. A share of traffic is an integer of basis points; money is an integer of micro-dollars."""

from __future__ import annotations

from typing import Final, NewType

__all__ = [
    "ALL_TRAFFIC",
    "NO_TRAFFIC",
    "AgentName",
    "BasisPoints",
    "Digest",
    "MicroUsd",
    "Millis",
    "Nanos",
    "Revision",
    "RolloutId",
    "UnitKey",
]

AgentName = NewType("AgentName", str)
Digest = NewType("Digest", str)
"""The identity of a version: `sha256:` and 64 hexadecimal digits."""

RolloutId = NewType("RolloutId", str)
UnitKey = NewType("UnitKey", str)
"""What sticks to one arm: a user, a session, a tenant or a single request."""

Revision = NewType("Revision", int)
BasisPoints = NewType("BasisPoints", int)
"""Hundredths of a percent, 0..10_000. 1 % is 100, and 0.01 % is the smallest share there is."""

MicroUsd = NewType("MicroUsd", int)
Millis = NewType("Millis", int)
Nanos = NewType("Nanos", int)

NO_TRAFFIC: Final = BasisPoints(0)
ALL_TRAFFIC: Final = BasisPoints(10_000)
