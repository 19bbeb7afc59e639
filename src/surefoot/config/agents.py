"""`agents/<agent>/<label>.yaml`: the versions of a project, found and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..core.artifact.models import ModelRegistry
from ..core.artifact.version import AgentVersion
from ..core.units import AgentName
from ..errors import ArtifactError, UnknownName
from .files import readable, shown_path
from .node import Node
from .registry import load_registry
from .version_file import VersionReader
from .yaml import parse_yaml, read_yaml

__all__ = [
    "AGENTS_FOLDER",
    "VersionFile",
    "find_version",
    "list_agents",
    "list_versions",
    "load_version",
    "next_label",
    "parse_version",
    "read_version",
]

AGENTS_FOLDER: Final = "agents"

_ENDINGS: Final = (".yaml", ".yml")
_NUMBER: Final = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFile:
    """Where one version is written."""

    agent: AgentName
    label: str
    path: Path


def list_agents(root: Path) -> tuple[AgentName, ...]:
    """The agents of a project by name: the folders of `agents/`. Raises ArtifactError where it cannot be read."""
    folder = root / AGENTS_FOLDER
    with readable(root, folder, ArtifactError):
        if not folder.is_dir():
            return ()
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return tuple(AgentName(name) for name in names)


def list_versions(root: Path, agent: str) -> tuple[VersionFile, ...]:
    """The versions of an agent, oldest label first: numbers in labels count as numbers, so v1.10 comes after v1.9.

    Raises `UnknownName` for an agent without a folder, `ArtifactError` for one label in two files and for a folder that
    cannot be read.
    """
    if agent not in list_agents(root):
        raise UnknownName("agent", agent, list_agents(root))
    folder = root / AGENTS_FOLDER / agent
    with readable(root, folder, ArtifactError):
        paths = sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS and path.is_file())
    found: dict[str, VersionFile] = {}
    for path in paths:
        if path.name.startswith("."):
            continue
        if path.stem in found:
            first = found[path.stem].path
            raise ArtifactError(
                f"{shown_path(root, path)}: the label {path.stem!r} is also in {first.name}",
                hint="one label is one file: rename or remove one of the two",
            )
        found[path.stem] = VersionFile(agent=AgentName(agent), label=path.stem, path=path)
    return tuple(sorted(found.values(), key=lambda version: _in_order(version.label)))


def find_version(root: Path, agent: str, label: str) -> VersionFile:
    """The file of one version. Raises `UnknownName`, which lists the nearest known, when there is none."""
    versions = list_versions(root, agent)
    for version in versions:
        if version.label == label:
            return version
    # v9 looks like v3 and has nothing to do with it: of labels none is guessed.
    raise UnknownName(f"version of {agent}", label, tuple(version.label for version in versions), guesses=False)


def load_version(root: Path, agent: str, label: str) -> AgentVersion:
    """The version that a project's file describes, its prompt files read and its role resolved to the pinned model.

    Raises `UnknownName` for an agent or a label that is not there, and `ArtifactError` with file, line and key for
    any invalid value in a file.
    """
    return read_version(root, find_version(root, agent, label))


def read_version(root: Path, file: VersionFile, *, registry: ModelRegistry | None = None) -> AgentVersion:
    """The version in a file. With a registry, roles are resolved there instead of in the project's `models.yaml`."""
    node = read_yaml(file.path, source=shown_path(root, file.path), errors=ArtifactError)
    return _version(root, file, node, registry)


def parse_version(root: Path, file: VersionFile, text: str, *, registry: ModelRegistry | None = None) -> AgentVersion:
    """The version that the file would describe if it held this text."""
    node = parse_yaml(text, source=shown_path(root, file.path), errors=ArtifactError)
    return _version(root, file, node, registry)


def next_label(label: str, taken: frozenset[str]) -> str:
    """The first free label after this one: its last number is counted up, or `-2` and so on is appended."""
    parts = _NUMBER.split(label)
    if len(parts) == 1:
        parts = [f"{label}-", "1", ""]
    number, width = int(parts[-2]), len(parts[-2])
    while True:
        number += 1
        candidate = "".join([*parts[:-2], str(number).zfill(width), parts[-1]])
        if candidate not in taken:
            return candidate


def _version(root: Path, file: VersionFile, node: Node, registry: ModelRegistry | None) -> AgentVersion:
    reader = VersionReader(
        root=root, folder=file.path.parent, registry=lambda: load_registry(root) if registry is None else registry
    )
    return reader.version(node, agent=file.agent, label=file.label)


def _in_order(label: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in _NUMBER.split(label))
