"""A hold on the running system for those who order rather than serve: the command line, a script, a notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..config.agents import list_agents, list_versions, load_version, read_version
from ..config.plans import ROLLOUTS_FOLDER, PlanFile, list_plans, load_plan, parse_plan
from ..config.settings import load_settings
from ..core.artifact.diff import diff, risk
from ..core.artifact.version import AgentVersion
from ..core.lifecycle.comparison import Comparison, compare
from ..core.lifecycle.rollout import Rollout
from ..core.traffic.kill import KillSwitch
from ..core.traffic.orders import TrafficOrder
from ..core.traffic.presets import PRESETS, preset
from ..core.units import AgentName, Digest, RolloutId
from ..errors import PlanError, Refused, UnknownName, UsageError
from ..ports.clock import Clock, Ids
from ..ports.store import Store
from ..service import rollouts, switch, traffic
from ..service.cases import Cases
from ..service.explain import Explained, explain
from ..service.met import Met, met
from ..service.shadow_view import ShadowView, shadow_of
from ..service.traffic import TrafficView
from ..service.views import Line, RolloutView, lines, view
from .lookup import known_agents, version_named
from .stable import first_stable

__all__ = ["ChosenPlan", "Control", "plan_named"]


class ChosenPlan(NamedTuple):
    """A plan, and what people call it."""

    name: str
    file: PlanFile
    is_default: bool = False
    """Nobody chose it: the agent has no plan of its own, and none was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What an order works with."""

    project: Path
    store: Store
    clock: Clock
    ids: Ids
    cases: Cases

    async def start(
        self, agent: str, candidate: str, *, by: str, stable: str | None = None, plan: str | None = None
    ) -> Rollout:
        """
        Bring a candidate of the project on its way, by its labels. The plan is what `chosen_plan` says.

        Raises what `service.rollouts.start` raises, ArtifactError and PlanError for the files, and UsageError if
        nothing says which version is stable: `stable`, surefoot.yaml, or there being only one. What is refused leaves
        nothing behind.
        """
        name = AgentName(agent)
        new = load_version(self.project, agent, candidate)
        known = await self._known_stable(name)
        old = self._first_stable(name, stable) if known is None else await self._confirmed(known, stable)
        asked = self.chosen_plan(agent, plan).file.plan_for(risk(diff(old, new)))
        if new.digest == old.digest:
            raise Refused(
                f"{agent} {candidate} is the stable version",
                hint="write the change as another version, then start that",
            )
        # A version's label is taken for ever once the store knows it: what is refused must not take it.
        if known is None:
            await self._introduce(old, by)
        else:
            await rollouts.admit(name, new.digest, asked, store=self.store)
        await self.store.put_version(new)
        return await rollouts.start(name, new.digest, asked, by=by, store=self.store, clock=self.clock, ids=self.ids)

    def chosen_plan(self, agent: str, plan: str | None = None) -> ChosenPlan:
        """
        The plan that is named, else the agent's own, else a canary.

        Raises PlanError if a canary would be taken while rollouts/ has a plan for an agent that nobody has: it may well
        be this one's, under a misspelt name, and approvals that it asks for would be left out.
        """
        if plan is not None:
            return ChosenPlan(plan, plan_named(plan, self.project))
        plans = list_plans(self.project)
        if agent in plans:
            return ChosenPlan(f"{agent} (its own)", load_plan(self.project, agent))
        agents = list_agents(self.project)
        strangers = [name for name in plans if name not in agents]
        if strangers and agent in agents:
            raise PlanError(
                f"{agent} has no plan, and {ROLLOUTS_FOLDER}/ has one for {', '.join(map(repr, strangers))}, which is "
                "no agent",
                hint=f"call the file {agent}.yaml if it is meant for {agent}; else say which plan: --plan canary",
            )
        return ChosenPlan("canary (default)", plan_named("canary", self.project), is_default=True)

    async def kill(
        self,
        *,
        reason: str,
        by: str,
        agent: str | None = None,
        version: str | None = None,
        feature: str | None = None,
        tenant: str | None = None,
    ) -> KillSwitch:
        """
        Stop what all that is given match; nothing given means everything. `version` is a label, a digest or its start.

        Raises what `service.switch.kill` raises, and UsageError if the store knows no agent: nobody would be stopped.
        """
        if not (await self.store.snapshot()).agents:
            raise UsageError(
                "this project's store knows no agent: a switch here would stop nobody",
                hint="go to the project that is served, give --project DIR, or set SUREFOOT_STORE to its store",
            )
        name = None if agent is None else AgentName(agent.strip())
        digest = None
        if version is not None:
            meant = await version_named(version.strip(), name, project=self.project, store=self.store)
            digest = await self.store.put_version(meant)
        return await switch.kill(
            switch.Scope(name, digest, feature, tenant),
            reason=reason,
            author=by,
            store=self.store,
            clock=self.clock,
            ids=self.ids,
            agents=await known_agents(self.project, self.store),
        )

    async def opt_out(self, agent: str, tenant: str, *, by: str, reason: str) -> TrafficOrder:
        """Keep a tenant out of every rollout of the agent, from its next request on. Raises UnknownName."""
        traffic.check_words(tenant, by=by, reason=reason)
        name = await self._served(agent, by)
        return await traffic.opt_out(name, tenant, by=by, reason=reason, store=self.store, clock=self.clock)

    async def opt_in(self, agent: str, tenant: str, *, by: str, reason: str) -> TrafficOrder:
        """Let a tenant take part again. Raises UnknownName for one that is not opted out."""
        name = AgentName(agent)
        return await traffic.opt_in(name, tenant, by=by, reason=reason, store=self.store, clock=self.clock)

    async def pin(self, agent: str, tenant: str, version: str, *, by: str, reason: str) -> TrafficOrder:
        """
        Give a tenant one version, whatever rollouts do, from its next request on. A label, a digest or its start.

        Raises UnknownName, Denied for a version that was rolled back, and Killed for one under a switch.
        """
        traffic.check_words(tenant, by=by, reason=reason)
        meant = await version_named(version, AgentName(agent), project=self.project, store=self.store)
        await self._served(agent, by)
        return await traffic.pin(meant, tenant, by=by, reason=reason, store=self.store, clock=self.clock)

    async def unpin(self, agent: str, tenant: str, *, by: str, reason: str) -> TrafficOrder:
        """Treat a tenant like everybody else again. Raises UnknownName for one that is not pinned."""
        name = AgentName(agent)
        return await traffic.unpin(name, tenant, by=by, reason=reason, store=self.store, clock=self.clock)

    async def traffic(self, agent: str) -> TrafficView:
        """Who gets what of the agent, and who said so. Raises UnknownName."""
        return await traffic.traffic(AgentName(agent), store=self.store)

    async def lines(self, agent: str | None = None, *, everything: bool = False) -> tuple[Line, ...]:
        """Rollouts, newest first: those under way, or `everything`. Raises UnknownName for an agent nobody has."""
        name = None if agent is None else AgentName(agent)
        there = await known_agents(self.project, self.store)
        if name is not None and name not in there:
            raise UnknownName("agent", name, there)
        return await lines(store=self.store, agent=name, everything=everything)

    async def find(self, which: str) -> RolloutId:
        """The rollout of that id, else the newest of the agent of that name. Raises UnknownName."""
        try:
            return (await self.store.rollout(RolloutId(which))).rollout.id
        except UnknownName:
            of_agent = await self.store.rollouts(agent=AgentName(which))
            if of_agent:
                return of_agent[-1].rollout.id
        everything = await self.store.rollouts()
        known = tuple(dict.fromkeys(stored.rollout.agent for stored in everything))
        raise UnknownName("rollout or agent", which, (*known, *(stored.rollout.id for stored in everything[-3:])))

    async def view(self, which: str) -> RolloutView:
        """A rollout as it is now. Raises UnknownName."""
        return await view(await self.find(which), store=self.store, clock=self.clock, cases=self.cases)

    async def comparison(self, which: str) -> tuple[Comparison, ...]:
        """Both versions side by side, on every metric that was recorded, checked or not. Raises UnknownName."""
        return compare(await self.store.ticks(await self.find(which)))

    async def met(self, which: str) -> Met:
        """How many units were given each version, final or not. Raises UnknownName."""
        row = (await self.store.rollout(await self.find(which))).rollout
        return await met(row.id, row.plan.unit, store=self.store)

    async def shadow(self, which: str) -> ShadowView | None:
        """What its shadow pairs show; None if its plan mirrors nothing. Raises UnknownName."""
        return await shadow_of((await self.store.rollout(await self.find(which))).rollout, store=self.store)

    async def explanation(self, which: str) -> tuple[Explained, ...]:
        """Every step of a rollout and why it was taken. Raises UnknownName."""
        return explain(await self.store.audit(await self.find(which)))

    async def digest(self, agent: str, label: str) -> Digest:
        """The digest behind a label that the store knows; a digest is itself. Raises UnknownName."""
        versions = await self.store.versions(AgentName(agent))
        for version in versions:
            if label in (version.label, version.digest):
                return version.digest
        raise UnknownName(f"version of {agent}", label, tuple(version.label for version in versions))

    async def _introduce(self, stable: AgentVersion, by: str) -> None:
        """Tell a store that has never heard of an agent which version its users have."""
        await self.store.put_version(stable)
        await rollouts.set_stable(stable.agent, stable.digest, by=by, store=self.store)

    async def _served(self, agent: str, by: str) -> AgentName:
        """The agent; one of the project that the store has not heard of yet is introduced. Raises UnknownName."""
        name = AgentName(agent)
        if await self._known_stable(name) is None:
            there = await known_agents(self.project, self.store)
            if name not in there:
                raise UnknownName("agent", name, there)
            await self._introduce(self._first_stable(name, None), by)
        return name

    async def _known_stable(self, agent: AgentName) -> AgentVersion | None:
        try:
            return await self.store.version((await self.store.traffic(agent)).stable)
        except UnknownName:
            return None

    async def _confirmed(self, known: AgentVersion, label: str | None) -> AgentVersion:
        """The stable version that the store knows. Raises UsageError if somebody takes another one for it."""
        if label is not None and load_version(self.project, known.agent, label).digest != known.digest:
            raise UsageError(
                f"{known.agent} {label} is not the stable version, {known.label} is",
                hint="leave --stable out; rollouts change what is stable",
            )
        return known

    def _first_stable(self, agent: AgentName, label: str | None) -> AgentVersion:
        """What users have while the store has never heard of the agent: by order, by surefoot.yaml, or the only one."""
        named = load_settings(self.project, os.environ).stable
        label = label or named.get(agent)
        if label is not None:  # then a file of another version that is broken keeps nobody waiting
            return load_version(self.project, agent, label)
        found = [read_version(self.project, file) for file in list_versions(self.project, agent)]
        digest = first_stable(agent, found, named, agents=list_agents(self.project))
        return next(version for version in found if version.digest == digest)


def plan_named(name: str, project: Path) -> PlanFile:
    """
    A plan as people name it: a path wins over an agent's plan, an agent's plan over a preset.

    Raises UnknownName, listing agents and presets, and PlanError for a file with a hole.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return parse_plan(path.read_text(encoding="utf-8"), source=name)
        except OSError as error:
            raise PlanError(f"{name}: {error.strerror}", hint="name a plan file that is there") from error
        except UnicodeDecodeError as error:
            raise PlanError(f"{name} is no text", hint="a plan is written in YAML, in UTF-8") from error
    agents = list_plans(project)
    if name in agents:
        return load_plan(project, name)
    if name in PRESETS:
        return PlanFile(plan=preset(name))
    raise UnknownName("plan", name, (*agents, *PRESETS))
