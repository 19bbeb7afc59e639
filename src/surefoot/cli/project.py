"""Which project a command works on: what the root command found."""

from __future__ import annotations

from pathlib import Path

import typer

from ..config.project import find_project

__all__ = ["project_of"]


def project_of(ctx: typer.Context) -> Path:
    """The root folder that the root command found."""
    root = ctx.find_object(Path)
    return root if root is not None else find_project(None, Path.cwd())
