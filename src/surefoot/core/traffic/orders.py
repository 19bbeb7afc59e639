"""What people order for one tenant of an agent: to take part in no rollout, or to have one version whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ...errors import UnknownName
from ..units import AgentName, Digest, Revision
from .route import AgentTraffic

__all__ = ["TrafficOrder", "TrafficOrderKind", "applied"]


class TrafficOrderKind(StrEnum):
    """What is ordered."""

    OPT_OUT = "opt-out"
    """The tenant takes part in no rollout: stable answers."""

    OPT_IN = "opt-in"
    """The tenant takes part again."""

    PIN = "pin"
    """The tenant gets that version, rollout or not, until somebody unpins it."""

    UNPIN = "unpin"
    """The tenant is like everybody else again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficOrder:
    """Who ordered what for which tenant, when and why. Orders are only ever added, never changed."""

    agent: AgentName
    kind: TrafficOrderKind
    tenant: str
    version: Digest | None = None
    """What a pin nails the tenant to. None for every other order."""

    reason: str
    author: str
    at: datetime
    revision: Revision = Revision(0)
    """The store's revision of the write. 0: not written yet."""


def applied(traffic: AgentTraffic, order: TrafficOrder) -> AgentTraffic:
    """
    The agent's traffic once the order holds. An order that holds already changes nothing.

    Raises UnknownName for an opt-in of a tenant that is not opted out, and an unpin of one that is not pinned: with a
    typing error it would leave the tenant as it was. Raises ValueError for a pin without a version.
    """
    tenant = order.tenant
    match order.kind:
        case TrafficOrderKind.OPT_OUT:
            return replace(traffic, opted_out=traffic.opted_out | {tenant})
        case TrafficOrderKind.OPT_IN:
            if tenant not in traffic.opted_out:
                raise UnknownName(f"opted-out tenant of {traffic.agent}", tenant, tuple(sorted(traffic.opted_out)))
            return replace(traffic, opted_out=traffic.opted_out - {tenant})
        case TrafficOrderKind.PIN:
            if order.version is None:
                raise ValueError("a pin without a version")
            return replace(traffic, pins={**traffic.pins, tenant: order.version})
        case TrafficOrderKind.UNPIN:
            if tenant not in traffic.pins:
                raise UnknownName(f"pinned tenant of {traffic.agent}", tenant, tuple(sorted(traffic.pins)))
            return replace(traffic, pins={kept: digest for kept, digest in traffic.pins.items() if kept != tenant})
