"""A version, a change and an import as lines for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..core.artifact.canonical import EMPTY, parse_object
from ..core.artifact.describe import describe
from ..core.artifact.diff import part_of, risk_of
from ..core.artifact.version import AgentVersion, ToolSpec, content

if TYPE_CHECKING:
    from ..config.importers import Imported
    from ..core.artifact.change import Change

__all__ = ["change_json", "change_line", "import_json", "import_lines", "version_json", "version_lines"]

_MICRO = 1_000_000


def version_json(version: AgentVersion) -> dict[str, object]:
    """The whole content, with the label and the digest."""
    return {"label": version.label, "digest": version.digest, **content(version)}


def version_lines(version: AgentVersion) -> Iterator[str]:
    """The version on one page: the parts first, the long prompt last."""
    yield f"{version.agent} {version.label}"
    yield f"digest    {version.digest}"
    role = f" (role {version.model.role})" if version.model.role else ""
    moves = ", which may move" if version.model.may_move else ""
    yield f"model     {version.model.id}{role}{moves}"
    if version.model.parameters != EMPTY:
        yield f"          {version.model.parameters}"
    yield f"executor  {version.executor.kind.value}"
    for name, value in parse_object(version.executor.settings).items():
        yield f"          {name}: {_short(str(value))}"
    yield from _policies(version)
    yield from (f"tool      {line}" for line in map(_tool, version.tools))
    for agent in version.sub_agents:
        yield f"sub-agent {agent.name}: {agent.model.id}, {len(agent.tools)} tool(s). {_short(agent.description)}"
    if version.prompt.text:
        yield ""
        yield version.prompt.text


def _policies(version: AgentVersion) -> Iterator[str]:
    limits = version.policies
    said = [
        "" if limits.max_steps is None else f"{limits.max_steps} steps",
        "" if limits.max_cost is None else f"{limits.max_cost / _MICRO:g} USD",
        "" if limits.max_latency is None else f"{limits.max_latency} ms",
        "" if limits.allowed_topics is None else f"topics {', '.join(sorted(limits.allowed_topics)) or 'none'}",
        "" if limits.allowed_tools is None else f"tools {', '.join(sorted(limits.allowed_tools)) or 'none'}",
    ]
    yield f"policies  {'; '.join(part for part in said if part) or 'no limits'}"


def _tool(tool: ToolSpec) -> str:
    return f"{tool.name} ({tool.effect.value}) {_short(tool.description)}".rstrip()


def _short(text: str, most: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def change_json(change: Change) -> dict[str, object]:
    """The change's own fields, with its kind, part, risk and the sentence about it."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(change).__name__).lower()
    head = {"kind": kind, "part": part_of(change).value, "risk": risk_of(change).word, "text": describe(change)}
    return {**head, **dataclasses.asdict(change)}


def change_line(change: Change) -> str:
    """The sentence about a change, with its risk."""
    return f"[{risk_of(change).word}] {describe(change)}"


def import_json(imported: Imported, path: str, *, written: bool) -> dict[str, object]:
    """Where the version is, its digest, and what became of the rest."""
    notes = [{"treatment": note.treatment.value, "path": note.path, "why": note.why} for note in imported.notes]
    return {"path": path, "written": written, "digest": imported.version.digest, "notes": notes}


def import_lines(imported: Imported, path: str, text: str | None) -> Iterator[str]:
    """The same for people; with the text, nothing was written."""
    if text is not None:
        yield f"# {path} (not written)"
        yield text
    else:
        yield f"wrote {path}: {imported.version.digest}"
    for note in imported.notes:
        yield f"{note.treatment.value}: {note.path}: {note.why}"
