"""Agents that other systems define, as versions; and a word about every value that did not become part of one.

Nothing is lost silently: what Surefoot understands becomes a field, what changes behaviour but is another system's own
business is kept as a setting (compared, hashed, not read), and what is neither is reported as dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from ...core.artifact.version import ModelRef
from ...core.units import AgentName
from ...errors import ArtifactError
from .docker import import_docker
from .letta import import_letta
from .note import Imported, Note, Origin, Treatment
from .policy import import_policy

__all__ = ["Format", "Imported", "Note", "Origin", "Treatment", "import_agent", "recognise"]


class Format(StrEnum):
    """Whose definition it is."""

    DOCKER = "docker"
    """Docker Agent (cagent) YAML."""

    LETTA = "letta"
    """Letta agent file, `.af`."""

    POLICY = "policy"
    """A policy in Markdown, as tau-bench writes them: the instructions and nothing else."""


_ENDINGS: Final[Mapping[str, Format]] = {
    ".yaml": Format.DOCKER,
    ".yml": Format.DOCKER,
    ".af": Format.LETTA,
    ".json": Format.LETTA,
    ".md": Format.POLICY,
}

_IMPORTERS: Final[Mapping[Format, Callable[[Origin], Imported]]] = {
    Format.DOCKER: import_docker,
    Format.LETTA: import_letta,
    Format.POLICY: import_policy,
}


def recognise(path: Path) -> Format:
    """The format of a file, by the end of its name."""
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise ArtifactError(
            f"{path.name}: no format has files like this", hint=f"say which it is: --format {' | '.join(Format)}"
        )
    return found


def import_agent(
    path: Path, *, agent: str, label: str, kind: Format | None = None, model: ModelRef | None = None
) -> Imported:
    """The version that a foreign file defines, under this name and label.

    `model` is for formats that name none. Raises `ArtifactError` for a file that is not what its format says.
    """
    origin = Origin(path=path, agent=AgentName(agent), label=label, model=model)
    return _IMPORTERS[recognise(path) if kind is None else kind](origin)
