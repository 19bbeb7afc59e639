"""`traces:` in `surefoot.yaml`: which live runs are recorded, and where. Without it none is, unless the code asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..core.units import AgentName
from ..errors import nearest
from .node import Fields, Node
from .plan_checks import fraction

__all__ = ["NOT_RECORDED", "Recording", "Recordings", "recordings_in"]

_KEYS: Final = ("folder", "sample", "redact", "key_env", "file_mb", "files")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_MB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How the runs of an agent are recorded; see `client.traces.Traces`."""

    folder: Path
    """Absolute."""

    sample: float = 1.0
    """Of runs, 0 to 1."""

    redact: bool = True
    key_env: str = ""
    """The environment variable that holds the key of the tokens; empty: there is none."""

    file_mb: int = 64
    files: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """What a project says about all of its agents."""

    usual: Recording | None = None
    """For agents that are not named. None: they are not recorded."""

    agents: Mapping[AgentName, Recording | None] = field(default_factory=lambda: MappingProxyType({}))
    """By agent, what differs. None: it is not recorded."""

    def of(self, agent: AgentName) -> Recording | None:
        """How that agent's runs are recorded; None: not at all."""
        return self.agents.get(agent, self.usual)


NOT_RECORDED: Final = Recordings()


def recordings_in(node: Node, root: Path) -> Recordings:
    """
    What stands under `traces:`. Folders are relative to the project.

    Raises the file's error, with line and key, for whatever cannot be. So does the name of an agent that the project
    has no folder of: a typing error must not record the one that was meant to be left alone.
    """
    fields = node.mapping(known=(*_KEYS, "agents"))
    has_folder = "folder" in fields
    base = Recording(folder=root) if not has_folder else Recording(folder=_folder(fields.require("folder"), root))
    usual = _recording(fields, base)
    if not has_folder and "agents" not in fields:
        fields.require("folder")
    agents: dict[AgentName, Recording | None] = {}
    listed = fields.get("agents")
    for name, item in () if listed is None else listed.mapping().items():
        _refuse_stranger(name, item, root)
        agents[AgentName(name)] = _of_agent(item, usual, root, has_folder=has_folder)
    return Recordings(usual=usual if has_folder else None, agents=MappingProxyType(agents))


def _of_agent(item: Node, usual: Recording, root: Path, *, has_folder: bool) -> Recording | None:
    if not item.is_mapping:
        if not item.boolean():
            return None
        if has_folder:
            return usual
        raise item.error("nothing says where its runs are recorded", hint="write `folder: traces` under `traces:`")
    fields = item.mapping(known=_KEYS)
    if "folder" not in fields and has_folder:
        return _recording(fields, usual)
    return _recording(fields, replace(usual, folder=_folder(fields.require("folder"), root)))


def _recording(fields: Fields, usual: Recording) -> Recording:
    sample, key = fields.get("sample"), fields.get("key_env")
    return Recording(
        folder=usual.folder,
        sample=usual.sample if sample is None else _share(sample),
        redact=fields.boolean("redact", default=usual.redact),
        key_env=usual.key_env if key is None else _variable(key),
        file_mb=fields.integer("file_mb", usual.file_mb, minimum=1, maximum=_MOST_MB),
        files=fields.integer("files", usual.files, minimum=1),
    )


def _folder(node: Node, root: Path) -> Path:
    path = root / Path(node.text()).expanduser()
    if path.exists() and not path.is_dir():
        raise node.error(f"{node.text()} is a file", hint="name a folder: one file is written for each process")
    return path


def _share(node: Node) -> float:
    share = fraction(node)
    if not share <= 1.0:
        raise node.error(f"a sample of {share:g}", hint="a share of runs: 0 to 1, such as 0.1 or 10%")
    return share


def _variable(node: Node) -> str:
    name = node.text()
    if not _VARIABLE.fullmatch(name):
        raise node.error(
            f"{name!r} is no name of an environment variable", hint="the name only: the key itself belongs in no file"
        )
    return name


def _refuse_stranger(name: str, node: Node, root: Path) -> None:
    folder = root / "agents"
    known = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    if known and name not in known:
        raise node.error(f"there is no agent {name!r}", hint=nearest(name, sorted(known)))
