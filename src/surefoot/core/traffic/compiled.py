"""A snapshot ready to decide: one closure per agent, replaced as news comes in, never changed under a reader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from ...errors import UnknownName
from ..units import AgentName, Revision
from .closure import Decide, compile_agent
from .kill import KillSwitch
from .route import AgentTraffic, Request, Route, Snapshot

__all__ = ["Compiled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A snapshot with its closures, made for an agent when it is first asked for and kept until something changes."""

    snapshot: Snapshot
    table: dict[AgentName, Decide] = field(default_factory=dict[AgentName, Decide], compare=False)
    """A cache. To be read with [agent], and filled by `decider` on a KeyError."""

    def decider(self, agent: AgentName, around: Callable[[AgentTraffic, Decide], Decide] | None = None) -> Decide:
        """
        The agent's closure. Raises UnknownName for an agent that has never had traffic.

        `around` may put something in its place, once; whoever gives it does so with every call on this table.
        """
        ready = self.table.get(agent)
        if ready is None:
            traffic = self.snapshot.agents.get(agent)
            if traffic is None:
                raise UnknownName("agent", agent, tuple(islice(self.snapshot.agents, 20)))
            # Two threads may both compile; the closures are equal, and either may stay.
            ready = compile_agent(traffic, self.snapshot.kills)
            ready = self.table[agent] = around(traffic, ready) if around else ready
        return ready

    def route(self, request: Request) -> Route:
        """`route(snapshot, request)`, the fast way."""
        return self.decider(request.agent)(
            request.user,
            request.tenant,
            request.session,
            request.feature,
            request.segment,
            request.request,
            request.pin,
        )

    def apply(
        self,
        *,
        revision: Revision,
        agents: Mapping[AgentName, AgentTraffic],
        kills: tuple[KillSwitch, ...] | None = None,
    ) -> Compiled:
        """
        The next snapshot: these agents replaced, and all switches if given. News older than this changes nothing.

        Whoever still holds this one goes on deciding by it, undisturbed.
        """
        old = self.snapshot
        if revision < old.revision:
            return self
        stale: Collection[AgentName] | None = agents.keys()
        if kills is not None:
            changed = set(kills) ^ set(old.kills)
            named = [kill.agent for kill in changed if kill.agent is not None]
            # A switch without an agent may concern anybody. To forget every closure is the cheapest way to obey it.
            stale = {*agents, *named} if len(named) == len(changed) else None
        table: dict[AgentName, Decide] = {} if stale is None else dict(self.table)
        for agent in stale or ():
            table.pop(agent, None)
        now = replace(
            old,
            revision=revision,
            agents={**old.agents, **agents} if agents else old.agents,
            kills=old.kills if kills is None else kills,
        )
        return Compiled(snapshot=now, table=table)
