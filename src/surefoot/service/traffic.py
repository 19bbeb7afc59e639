"""What people order for one tenant of an agent, and what holds for its tenants now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..core.artifact.version import AgentVersion
from ..core.traffic.kill import covering
from ..core.traffic.orders import TrafficOrder, TrafficOrderKind, applied
from ..core.units import AgentName, BasisPoints, Digest, RolloutId
from ..errors import Conflict, Killed, UsageError
from ..ports.clock import Clock
from ..ports.store import Store
from .rollouts import check_denied

__all__ = ["TenantLine", "TrafficView", "check_words", "opt_in", "opt_out", "pin", "traffic", "unpin"]

_ATTEMPTS = 8


async def opt_out(agent: AgentName, tenant: str, *, by: str, reason: str, store: Store, clock: Clock) -> TrafficOrder:
    """Keep the tenant out of every rollout of the agent: stable answers. Raises UnknownName for an unknown agent."""
    return await _ordered(_order(agent, TrafficOrderKind.OPT_OUT, tenant, by, reason, clock), store)


async def opt_in(agent: AgentName, tenant: str, *, by: str, reason: str, store: Store, clock: Clock) -> TrafficOrder:
    """Let the tenant take part again. Raises UnknownName for an agent nobody has, and a tenant that is not out."""
    return await _ordered(_order(agent, TrafficOrderKind.OPT_IN, tenant, by, reason, clock), store)


async def pin(version: AgentVersion, tenant: str, *, by: str, reason: str, store: Store, clock: Clock) -> TrafficOrder:
    """
    Give the tenant that version of its agent whatever happens, until it is unpinned. It is in no analysis.

    The store learns of the version. Raises UnknownName for an agent that the store does not know, Denied for a version
    that was rolled back, and Killed for one that a switch covers for this tenant: stable would answer, and nobody would
    know why.
    """
    agent, digest = version.agent, version.digest
    order = _order(agent, TrafficOrderKind.PIN, tenant, by, reason, clock, digest)
    await store.traffic(agent)
    await check_denied(agent, digest, store)
    if kill := covering(await store.kills(), agent=agent, version=digest, feature="", tenant=order.tenant):
        raise Killed(
            f"switch {kill.id} of {kill.author} covers {agent} {version.label}: {kill.reason}",
            hint=f"surefoot unkill {kill.id}, if the reason is gone",
        )
    await store.put_version(version)
    return await _ordered(order, store)


async def unpin(agent: AgentName, tenant: str, *, by: str, reason: str, store: Store, clock: Clock) -> TrafficOrder:
    """Treat the tenant like everybody else. Raises UnknownName for an agent nobody has, and one that is not pinned."""
    return await _ordered(_order(agent, TrafficOrderKind.UNPIN, tenant, by, reason, clock), store)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLine:
    """What holds for one tenant, and on whose word."""

    tenant: str
    version: str = ""
    """Label of the version that it is pinned to; empty for a tenant that is opted out."""

    digest: Digest | None = None
    author: str = ""
    """Empty where the order is older than the log of orders."""

    reason: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """Who gets what of an agent, as everybody shows it."""

    agent: AgentName
    stable: str
    """The version's label; its digest where the catalog does not know it."""

    rollout: RolloutId | None
    candidate: str
    """Label of the rollout's candidate; empty without a rollout."""

    share: BasisPoints
    pins: tuple[TenantLine, ...]
    """By tenant."""

    opted_out: tuple[TenantLine, ...]
    """By tenant."""

    orders: tuple[TrafficOrder, ...]
    """All that was ever ordered for tenants, oldest first."""

    labels: Mapping[Digest, str]
    """What people call the versions that orders name."""


async def traffic(agent: AgentName, *, store: Store) -> TrafficView:
    """Who gets what of the agent now, and who said so. Raises UnknownName for an agent that the store does not know."""
    now = await store.traffic(agent)
    orders = tuple(await store.traffic_orders(agent))
    labels = {version.digest: version.label for version in await store.versions(agent)}
    last = {(order.kind, order.tenant): order for order in orders}

    def line(kind: TrafficOrderKind, tenant: str, digest: Digest | None = None) -> TenantLine:
        version = "" if digest is None else labels.get(digest, digest)
        said = last.get((kind, tenant))
        if said is None:
            return TenantLine(tenant=tenant, version=version, digest=digest)
        return TenantLine(
            tenant=tenant, version=version, digest=digest, author=said.author, reason=said.reason, since=said.at
        )

    split = now.split
    return TrafficView(
        agent=agent,
        stable=labels.get(now.stable, now.stable),
        rollout=split.rollout if split else None,
        candidate=labels.get(split.candidate, split.candidate) if split else "",
        share=split.share if split else BasisPoints(0),
        pins=tuple(line(TrafficOrderKind.PIN, tenant, digest) for tenant, digest in sorted(now.pins.items())),
        opted_out=tuple(line(TrafficOrderKind.OPT_OUT, tenant) for tenant in sorted(now.opted_out)),
        orders=orders,
        labels={order.version: labels.get(order.version, order.version) for order in orders if order.version},
    )


def check_words(tenant: str, *, by: str, reason: str) -> None:
    """Raise UsageError for an order that is for nobody, by nobody or for no reason."""
    for name, said in (("tenant", tenant), ("author", by), ("reason", reason)):
        if not said.strip():
            raise UsageError(f"the order's {name} is empty", hint=f"name the {name}: people will ask")


def _order(
    agent: AgentName,
    kind: TrafficOrderKind,
    tenant: str,
    by: str,
    reason: str,
    clock: Clock,
    version: Digest | None = None,
) -> TrafficOrder:
    """The order as it will be kept: signed, reasoned, and for somebody."""
    check_words(tenant, by=by, reason=reason)
    return TrafficOrder(
        agent=agent, kind=kind, tenant=tenant.strip(), version=version, reason=reason, author=by, at=clock.now()
    )


async def _ordered(order: TrafficOrder, store: Store) -> TrafficOrder:
    """Write it over what was read, or read again: a new stable version or a new stage must not be lost under it."""
    for _ in range(_ATTEMPTS):
        known = await store.traffic(order.agent)
        try:
            await store.set_traffic(applied(known, order), order=order, expected=known.revision)
        except Conflict:
            continue
        return order
    raise Conflict(
        f"the traffic of {order.agent} moved while the order was under way; nothing was written",
        hint="look at it again, and repeat the order if it still holds",
    )
