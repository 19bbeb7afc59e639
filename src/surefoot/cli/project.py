"""Which project a command works on: the folder given, or the nearest one above that holds `surefoot.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from ..errors import UsageError

__all__ = ["SETTINGS_FILE", "find_project", "project_of"]

SETTINGS_FILE: Final = "surefoot.yaml"
"""What marks the root of a project."""


def find_project(explicit: Path | None, start: Path) -> Path:
    """The project's root folder, absolute. Without a settings file anywhere above, it is `start` itself."""
    if explicit is not None:
        if not explicit.is_dir():
            raise UsageError(f"--project {explicit}: no such folder", hint="give the folder that holds surefoot.yaml")
        return explicit.resolve()
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    return here


def project_of(ctx: typer.Context) -> Path:
    """The root folder that the root command found."""
    root = ctx.find_object(Path)
    return root if root is not None else find_project(None, Path.cwd())
