"""Which version somebody means: by its label, its digest, or the digest's first digits as tables show them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..config.agents import list_agents, list_versions, load_version, read_version
from ..core.artifact.version import AgentVersion
from ..core.units import AgentName
from ..errors import SurefootError, UnknownName, UsageError
from ..ports.store import Store

__all__ = ["known_agents", "version_named"]

_DIGEST: Final = "sha256:"
_LEAST_DIGITS: Final = 6
"""Fewer than that are a guess, not a name."""


async def known_agents(project: Path, store: Store) -> tuple[AgentName, ...]:
    """The agents that the store knows and those of `agents/`, by name. An unreadable folder is skipped."""
    found = set((await store.snapshot()).agents)
    with suppress(SurefootError):
        found.update(list_agents(project))
    return tuple(sorted(found))


async def version_named(text: str, agent: AgentName | None, *, project: Path, store: Store) -> AgentVersion:
    """
    The version that is meant, of the store or, where that has none, of `agents/`.

    Raises UnknownName, which lists what there is and guesses nothing, UsageError for a label without an agent and for
    digits that begin several digests, and ArtifactError if the file behind a label cannot be read.
    """
    if text.startswith(_DIGEST):
        return await _by_digest(text, agent, project, store)
    if agent is None:
        raise UsageError("a version's label without --agent", hint="labels belong to an agent: give --agent NAME")
    there = await known_agents(project, store)
    if agent not in there:
        raise UnknownName("agent", agent, there, guesses=False)
    stored = {version.label: version for version in await store.versions(agent)}
    if text in stored:
        return stored[text]
    files = {file.label for file in list_versions(project, agent)} if agent in list_agents(project) else set[str]()
    if text in files:
        return load_version(project, agent, text)
    raise UnknownName(f"version of {agent}", text, tuple({*stored, *files}), guesses=False)


async def _by_digest(text: str, agent: AgentName | None, project: Path, store: Store) -> AgentVersion:
    agents = await known_agents(project, store) if agent is None else (agent,)
    versions: dict[str, AgentVersion] = {}
    for name in agents:
        versions.update({version.digest: version for version in _written(project, name)})
        versions.update({version.digest: version for version in await store.versions(name)})
    if text in versions:
        return versions[text]
    meant = [version for digest, version in versions.items() if digest.startswith(text)]
    if not meant or len(text) < len(_DIGEST) + _LEAST_DIGITS:
        raise UnknownName("version", text, tuple(versions), guesses=False)
    if len(meant) > 1:
        names = ", ".join(f"{version.agent} {version.label} ({version.digest})" for version in meant)
        raise UsageError(f"several digests begin with {text}", hint=f"give more digits: {names}")
    return meant[0]


def _written(project: Path, agent: AgentName) -> Sequence[AgentVersion]:
    """The versions of `agents/` that can be read: a broken file must not stand between a switch and another version."""
    found: list[AgentVersion] = []
    with suppress(SurefootError):
        for file in list_versions(project, agent):
            with suppress(SurefootError):
                found.append(read_version(project, file))
    return found
