"""What the store knows otherwise: a label whose file was changed after the store had heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

from ..app.control import Control
from ..config.agents import list_versions, read_version
from ..config.files import shown_path
from ..config.lint import Finding, Severity
from ..core.artifact.version import AgentVersion
from ..core.units import AgentName
from ..errors import SurefootError
from .control import controlled

__all__ = ["lint_store"]

_DIGITS: Final = len("sha256:") + 12
"""As many of a digest as `surefoot agents list` shows."""


def lint_store(ctx: typer.Context, root: Path, agents: Sequence[str], label: str | None) -> tuple[Finding, ...]:
    """
    Labels that mean one thing in a file and another in the store, which is what users get.

    Where nothing was ever started or served on this machine there is nothing to compare, and no store is asked.
    """
    if not (root / ".surefoot").is_dir():
        return ()
    with suppress(SurefootError):  # a store that is away or lost has commands of its own to say so
        known = controlled(ctx, lambda control: _known(control, agents))
        return tuple(finding for agent in agents for finding in _changed(root, agent, label, known))
    return ()


async def _known(control: Control, agents: Sequence[str]) -> dict[tuple[str, str], AgentVersion]:
    return {
        (agent, version.label): version
        for agent in agents
        for version in await control.store.versions(AgentName(agent))
    }


def _changed(root: Path, agent: str, label: str | None, known: dict[tuple[str, str], AgentVersion]) -> list[Finding]:
    found: list[Finding] = []
    for file in list_versions(root, agent):
        stored = known.get((agent, file.label))
        if stored is None or label not in (None, file.label):
            continue
        with suppress(SurefootError):  # a file that is no version is somebody else's finding
            written = read_version(root, file)
            if written.digest != stored.digest:
                found.append(
                    Finding(
                        severity=Severity.ERROR,
                        rule="changed-since",
                        place=shown_path(root, file.path),
                        message=f"is {written.digest[:_DIGITS]} now; the store knows {agent} {file.label} as "
                        f"{stored.digest[:_DIGITS]}, and that is what users get",
                        hint="put the file back, and write the change as another version",
                    )
                )
    return found
