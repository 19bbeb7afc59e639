"""Which folder is the project. Loads next to nothing: every command asks, also the one that only shows its help."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import SettingsError

__all__ = ["SETTINGS_FILE", "find_project", "holds_project", "wrong_folder"]

SETTINGS_FILE: Final = "surefoot.yaml"
"""What marks the root of a project."""

_SIGNS: Final = (SETTINGS_FILE, ".surefoot", "rollouts")
"""Each of these in a folder says that somebody means it to be a project, even while it has no agents."""


def find_project(explicit: Path | None, start: Path) -> Path:
    """The project's folder, absolute: the one given, or the nearest above `start` with a settings file, or `start`."""
    if explicit is not None:
        if not explicit.is_dir():
            raise SettingsError(f"{explicit}: no such folder", hint="give the folder that holds surefoot.yaml")
        return explicit.resolve()
    here = start.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS_FILE).is_file()), here)


def holds_project(root: Path) -> bool:
    """Whether anything in a folder says that it is a project: agents, settings, plans, or what a process left there."""
    return _has_agents(root) or any((root / sign).exists() for sign in _SIGNS)


def wrong_folder(root: Path) -> SettingsError:
    """What somebody hears in a folder without a project: where agents were looked for, and where there are some."""
    above = next((folder for folder in root.parents if _has_agents(folder)), None)
    there = (
        f"{above} has some: go there, or give --project {above}" if above else "go to the project, or name its folder"
    )
    return SettingsError(
        f"no agents here: looked in {root / 'agents'}, found none",
        hint=f"{there}; a project holds agents/AGENT/LABEL.yaml",
    )


def _has_agents(folder: Path) -> bool:
    agents = folder / "agents"
    try:
        return agents.is_dir() and any(entry.is_dir() and not entry.name.startswith(".") for entry in agents.iterdir())
    except OSError:  # what cannot be read is there: whoever needs it hears why it cannot
        return True
