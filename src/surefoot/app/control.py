"""A hold on the running system for those who order rather than serve: the command line, a script, a notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..config.agents import list_versions, load_version, read_version
from ..config.plans import PlanFile, list_plans, load_plan, parse_plan
from ..config.settings import load_settings
from ..core.artifact.diff import diff, risk
from ..core.artifact.version import AgentVersion
from ..core.lifecycle.comparison import Comparison, compare
from ..core.lifecycle.rollout import Rollout
from ..core.traffic.presets import PRESETS, preset
from ..core.units import AgentName, Digest, RolloutId
from ..errors import PlanError, Refused, UnknownName, UsageError
from ..ports.clock import Clock, Ids
from ..ports.store import Store
from ..service import rollouts
from ..service.cases import Cases
from ..service.explain import Explained, explain
from ..service.views import RolloutView, view
from .stable import first_stable

__all__ = ["Control", "plan_named"]


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
        Bring a candidate of the project on its way, by its labels. The plan is the agent's own, else a canary.

        Raises what `service.rollouts.start` raises, ArtifactError and PlanError for the files, and UsageError if
        nothing says which version is stable: `stable`, surefoot.yaml, or there being only one. What is refused leaves
        nothing behind.
        """
        name = AgentName(agent)
        new = load_version(self.project, agent, candidate)
        known = await self._known_stable(name)
        old = self._first_stable(name, stable) if known is None else await self._confirmed(known, stable)
        chosen = plan_named(plan or (agent if agent in list_plans(self.project) else "canary"), self.project)
        asked = chosen.plan_for(risk(diff(old, new)))
        if new.digest == old.digest:
            raise Refused(
                f"{agent} {candidate} is the stable version",
                hint="write the change as another version, then start that",
            )
        # A version's label is taken for ever once the store knows it: what is refused must not take it.
        if known is None:
            await self.store.put_version(old)
            await rollouts.set_stable(name, old.digest, by=by, store=self.store)
        else:
            await rollouts.admit(name, new.digest, asked, store=self.store)
        await self.store.put_version(new)
        return await rollouts.start(name, new.digest, asked, by=by, store=self.store, clock=self.clock, ids=self.ids)

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
        if label is None:
            found = [read_version(self.project, file) for file in list_versions(self.project, agent)]
            digest = first_stable(agent, found, load_settings(self.project, os.environ).stable)
            return next(version for version in found if version.digest == digest)
        return load_version(self.project, agent, label)


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
