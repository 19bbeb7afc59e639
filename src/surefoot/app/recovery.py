"""What is left of a store that was lost: what processes on this machine last saw of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..client.last_seen import LastSeen
from ..config.agents import list_agents, list_versions, read_version
from ..config.settings import load_settings
from ..core.artifact.version import AgentVersion
from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import Snapshot
from ..core.units import AgentName, Digest
from ..errors import AlreadyExists, SurefootError
from ..ports.store import Store
from ..store.registry import open_store

__all__ = ["Made", "make_store", "unknown_kills", "was_seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new store, and what was put into it."""

    store: str
    """Its address, without a password."""

    agents: tuple[AgentName, ...]
    """Those whose stable version, pins and opt-outs are as they were last seen here."""

    kills: tuple[KillSwitch, ...]
    """Switches that were last seen here, and are up again."""


def was_seen(root: Path) -> bool:
    """A process of this project has heard from its store on this machine: if there is none now, it was lost."""
    folder = load_settings(root, os.environ).snapshot
    return folder is not None and LastSeen(folder).is_there


async def unknown_kills(root: Path, store: Store) -> tuple[KillSwitch, ...]:
    """Switches seen on this machine of which the store has never heard: they go on being obeyed until lifted."""
    known = await store.lifted() | {kill.id for kill in await store.kills()}
    return tuple(kill for kill in _kept(root).kills if kill.id not in known)


async def make_store(root: Path) -> Made:
    """
    Make the project's store, and put into it what was last seen of the one before: stable versions and kill switches.

    Rollouts and their evidence are not known here: those that were under way are over, and every user has stable.
    Switches come first. If it fails half-way, run it again: it adds what is missing.
    Raises AlreadyExists where there is a store that anything else was written to.
    """
    settings = load_settings(root, os.environ)
    kept, versions = _kept(root), _versions(root)
    store = open_store(settings.store.url)
    try:
        await store.migrate()
        present = await store.snapshot()
        if present.revision and not await _is_half_made(store, present, kept):
            raise AlreadyExists(f"there is a store already: {settings.store}", hint="nothing is lost; go on with it")
        for kill in kept.kills:
            await store.kill(kill)
        for agent, traffic in kept.agents.items():
            if agent in present.agents:
                continue
            if traffic.stable in versions:
                await store.put_version(versions[traffic.stable])
            await store.set_traffic(replace(traffic, split=None))
    finally:
        await store.close()
    return Made(store=str(settings.store), agents=tuple(kept.agents), kills=kept.kills)


async def _is_half_made(store: Store, present: Snapshot, kept: Snapshot) -> bool:
    """Whether `make_store` was stopped on its way: there is nothing but what it writes, and some of that is missing."""
    if await store.rollouts() or await store.lifted():
        return False
    raised, known = {kill.id for kill in present.kills}, {kill.id for kill in kept.kills}
    is_ours = raised <= known and all(
        agent in kept.agents and traffic.stable == kept.agents[agent].stable
        for agent, traffic in present.agents.items()
    )
    return is_ours and (raised != known or present.agents.keys() != kept.agents.keys())


def _kept(root: Path) -> Snapshot:
    folder = load_settings(root, os.environ).snapshot
    return (LastSeen(folder).load() if folder else None) or Snapshot()


def _versions(root: Path) -> dict[Digest, AgentVersion]:
    """The project's versions that can be read: a broken file must not keep a store from being made."""
    found: dict[Digest, AgentVersion] = {}
    for agent in list_agents(root):
        for file in list_versions(root, agent):
            try:
                version = read_version(root, file)
            except SurefootError:
                continue
            found[version.digest] = version
    return found
