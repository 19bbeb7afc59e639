"""Kill switches: raised, lifted and listed, each with its author and its reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from ..core.traffic.kill import KillSwitch
from ..core.units import AgentName, Digest
from ..errors import UnknownName, UsageError
from ..ports.clock import Clock, Ids
from ..ports.store import Catalog, Switches

__all__ = ["Scope", "kill", "kills", "unkill"]


class Scope(NamedTuple):
    """What a switch stops: everything that all filled-in fields match; nothing filled in means everything."""

    agent: AgentName | None = None
    version: Digest | None = None
    feature: str | None = None
    tenant: str | None = None


async def kill(
    scope: Scope,
    *,
    reason: str,
    author: str,
    store: _Store,
    clock: Clock,
    ids: Ids,
    agents: Collection[AgentName] = (),
) -> KillSwitch:
    """
    Stop it. Durable when it returns. `agents` are those that may be named although the store has yet to hear of them.

    Routers obey as soon as they hear of it; a controller rolls back every rollout whose candidate is covered
    everywhere. Raises UnknownName for an agent or a version nobody has: a switch with a typing error stops nothing.
    No other name is offered then, because in a hurry it would be taken. Blanks around names do not count.
    """
    said = {"feature": scope.feature, "tenant": scope.tenant, "reason": reason, "author": author}
    if empty := [name for name, value in said.items() if value is not None and not value.strip()]:
        raise UsageError(f"the kill switch's {empty[0]} is empty", hint=f"name the {empty[0]}: people will ask")
    switch = KillSwitch(
        id=ids.new(),
        agent=await _agent(scope, store, agents),
        version=scope.version,
        feature=scope.feature and scope.feature.strip(),
        tenant=scope.tenant and scope.tenant.strip(),
        reason=reason,
        author=author,
        raised_at=clock.now(),
    )
    await store.kill(switch)
    return switch


async def unkill(id: str, *, by: str, store: Switches, clock: Clock, lost: bool = False) -> None:
    """
    Lift a switch. What it rolled back stays back: that takes a person and a new start. Raises UnknownName.

    `lost`: also one that the store has never heard of, because it was raised in a store that is lost.
    """
    if not by.strip():
        raise UsageError("a switch is lifted by somebody", hint="say who: --by NAME")
    await store.unkill(id, by=by, at=clock.now(), lost=lost)


async def kills(*, store: Switches) -> Sequence[KillSwitch]:
    """Those that are up, oldest first."""
    return await store.kills()


async def _agent(scope: Scope, store: Catalog, agents: Collection[AgentName]) -> AgentName | None:
    """The agent that is stopped: the one that is named, or whose version is."""
    agent = scope.agent and AgentName(scope.agent.strip())
    known = tuple({*(await store.snapshot()).agents, *agents})
    if scope.version is None:
        if agent is not None and agent not in known:
            raise UnknownName("agent", agent, known, guesses=False)
        return agent
    try:
        owner = (await store.version(scope.version)).agent
    except UnknownName:
        there = [version.digest for name in known for version in await store.versions(name)]
        raise UnknownName("version", scope.version, tuple(there), guesses=False) from None
    if agent not in (None, owner):
        raise UsageError(f"{scope.version} is a version of {owner}, not of {agent}", hint="leave agent out")
    return owner


class _Store(Catalog, Switches, Protocol):
    """What raising a switch reads and writes."""
