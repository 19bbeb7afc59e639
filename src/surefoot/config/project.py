"""Which folder is the project. Loads next to nothing: every command asks, also the one that only shows its help."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import SettingsError

__all__ = ["SETTINGS_FILE", "find_project"]

SETTINGS_FILE: Final = "surefoot.yaml"
"""What marks the root of a project."""


def find_project(explicit: Path | None, start: Path) -> Path:
    """The project's folder, absolute: the one given, or the nearest above `start` with a settings file, or `start`."""
    if explicit is not None:
        if not explicit.is_dir():
            raise SettingsError(f"{explicit}: no such folder", hint="give the folder that holds surefoot.yaml")
        return explicit.resolve()
    here = start.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS_FILE).is_file()), here)
