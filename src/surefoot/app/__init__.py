"""The composition root: out of settings, running parts. The only place that knows all of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from ..config.agents import list_agents, list_versions, read_version
from ..config.project import holds_project, wrong_folder
from ..config.settings import STORE_VARIABLE, ControllerMode, find_project, load_settings
from ..core.artifact.version import AgentVersion
from ..core.units import AgentName
from ..errors import SurefootError, UnknownName, UsageError
from ..ports.clock import Clock
from ..ports.store import Store
from .surefoot import Health, Surefoot

__all__ = ["Health", "Surefoot", "open", "store_of"]

_log: Final = logging.getLogger("surefoot")


def store_of(root: Path) -> Store:
    """The store of the project in a folder, not yet migrated. For those who order, rather than serve."""
    from ..store.registry import open_store

    return open_store(load_settings(root, os.environ).store.url)


def open(  # noqa: A001 - `surefoot.open()`, as `shelve.open()` and `dbm.open()`
    path: str | os.PathLike[str] | None = None,
    *,
    store: str | None = None,
    durable: bool | None = None,
    controller: str | None = None,
    stable: Mapping[str, str] | None = None,
    versions: Iterable[AgentVersion] = (),
    clock: Clock | None = None,
) -> Surefoot:
    """
    Open a project: the folder given, or the nearest one above the working directory that holds `surefoot.yaml`.

    Nothing has to be there but `agents/<agent>/<label>.yaml`. What is given here goes before the file; `versions` come
    besides those of `agents/`; another `clock` is for tests and demonstrations.

    An invalid version file affects its agent only: it is logged, `health.trouble` names it, and the agent keeps its
    other versions. Returns before the store has answered. Raises SettingsError for invalid settings and for a folder
    without a project, and UnknownName for a `stable` of an agent that has no version.
    """
    root = find_project(None if path is None else Path(path), Path.cwd())
    versions = tuple(versions)
    if store is None and not versions and not os.environ.get(STORE_VARIABLE) and not holds_project(root):
        raise wrong_folder(root)  # nothing could ever be served, and a store would be left behind
    settings = load_settings(root, os.environ, store=store)
    if durable is not None:
        settings = replace(settings, durable=durable)
    if controller is not None:
        if controller not in tuple(ControllerMode):
            raise UnknownName("controller", controller, tuple(ControllerMode))
        settings = replace(settings, controller=ControllerMode(controller))
    if stable is not None:
        if not isinstance(stable, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - what people write
            raise UsageError(f"stable is {stable!r}", hint='say of which agent: stable={"AGENT": "LABEL"}')
        named = {AgentName(agent): label for agent, label in stable.items()}
        settings = replace(settings, stable=MappingProxyType({**settings.stable, **named}))
    found, broken = _versions(root)
    known = [*found, *versions]
    agents = {*(version.agent for version in known), *broken}
    for agent in stable or ():
        if agent not in agents:
            raise UnknownName("agent", agent, tuple(agents))
    return Surefoot(settings, known, clock=clock, broken=broken)


class _Found(NamedTuple):
    """What `agents/` holds: the versions, and for each agent the error of its first invalid file."""

    versions: list[AgentVersion]
    broken: dict[AgentName, SurefootError]


def _versions(root: Path) -> _Found:
    found = _Found([], {})
    for agent in list_agents(root):
        try:
            files = list_versions(root, agent)
        except SurefootError as error:
            _broken(found, AgentName(agent), error)
            continue
        for file in files:
            try:
                found.versions.append(read_version(root, file))
            except SurefootError as error:
                _broken(found, AgentName(agent), error)
    return found


def _broken(found: _Found, agent: AgentName, error: SurefootError) -> None:
    _log.error("%s: %s (%s)", agent, error.message, error.hint)
    found.broken.setdefault(agent, error)
