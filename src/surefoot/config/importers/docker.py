"""Docker Agent (cagent) YAML: a root agent, the agents it hands work to, named models, toolsets.

Read after github.com/docker/cagent, `agent-schema.json`, and every revision of two of its own agents since May 2025:
early files say `type` for a model's provider and the other way round for a toolset, `tools` for toolsets, and
`think: true` for the toolset of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ...core.artifact.canonical import Json, canonical
from ...core.artifact.models import parse_model
from ...core.artifact.version import (
    AgentVersion,
    Effect,
    ExecutorRef,
    ModelRef,
    Policies,
    Prompt,
    SubAgent,
    ToolSpec,
    normal_text,
)
from ...errors import ArtifactError
from ..node import Fields, Node
from ..yaml import read_yaml
from .note import Imported, Note, Origin, Treatment, as_named

__all__ = ["import_docker"]

_EFFECTS: Final[Mapping[str, Effect]] = {
    "a2a": Effect.EXTERNAL,
    "fetch": Effect.READ,
    "filesystem": Effect.WRITE,
    "memory": Effect.WRITE,
    "script": Effect.EXTERNAL,
    "shell": Effect.EXTERNAL,
    "think": Effect.READ,
    "todo": Effect.IDEMPOTENT_WRITE,
    "user_prompt": Effect.EXTERNAL,
}
"""What the built-in toolsets do. A server of tools (mcp, openapi, ...) does not say, so it writes."""

_SWITCHES: Final = ("think", "todo", "memory")
"""Toolsets that early files switch on with a key of the agent."""

_TOP: Final = ("agents", "models")
_FOR_PEOPLE: Final = {"metadata": "is for people", "version": "is the version of the file format"}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.:/@+-]+")


def import_docker(origin: Origin) -> Imported:
    """The root agent of a file with all its sub-agents. Raises `ArtifactError` with the line of what is wrong."""
    node = read_yaml(origin.path, source=origin.path.name, errors=ArtifactError)
    top = node.mapping()
    agents = top.require("agents").mapping()
    names = tuple(agents)
    if not names:
        raise top.require("agents").error("no agent in the file", hint="define at least one")
    root = "root" if "root" in agents else names[0]
    notes: list[Note] = []
    models = _Models(top.get("models"), notes)
    read = {name: _Agent(name, agents.require(name), models, notes) for name in names}
    settings = read[root].settings | dict(_rest(top, notes))
    if read[root].description:
        settings["description"] = read[root].description
    settings |= models.mentioned({"settings": [settings, *(read[name].settings for name in names)]})
    version = AgentVersion(
        agent=origin.agent,
        label=origin.label,
        model=read[root].model,
        prompt=read[root].prompt,
        tools=read[root].tools,
        policies=Policies(max_steps=read[root].max_steps),
        executor=ExecutorRef(settings=canonical(settings)),
        sub_agents=tuple(read[name].as_sub_agent() for name in names if name != root),
    )
    return Imported(version=version, notes=tuple(notes))


def _rest(top: Fields, notes: list[Note]) -> Iterator[tuple[str, Json]]:
    """What the file says beside agents and models."""
    for key, value in top.items():
        if key in _FOR_PEOPLE:
            notes.append(Note(treatment=Treatment.DROPPED, path=key, why=_FOR_PEOPLE[key]))
        elif key not in _TOP:
            notes.append(Note(treatment=Treatment.KEPT, path=key, why="Docker Agent reads it"))
            yield key, value.json()


class _Models:
    """The named models of a file."""

    def __init__(self, node: Node | None, notes: list[Note]) -> None:
        self._entries = {} if node is None else dict(node.mapping().items())
        self._used: set[str] = set()
        self._notes = notes

    def find(self, node: Node) -> tuple[ModelRef, list[Json]]:
        """The model that an agent names, and those it alternates with (`a,b`)."""
        first, *others = [part.strip() for part in node.text().split(",")]
        return self._one(first, node), [self._spelled(name) for name in others]

    def mentioned(self, settings: Json) -> dict[str, Json]:
        """Models that no agent uses but some setting names; the others are noted as dropped."""
        named = set(_texts(settings))
        kept: dict[str, Json] = {}
        for name, node in self._entries.items():
            if name in self._used:
                continue
            if name in named:
                kept[name] = node.json()
            else:
                self._notes.append(Note(treatment=Treatment.DROPPED, path=f"models.{name}", why="no agent uses it"))
        return {"models": kept} if kept else {}

    def _one(self, name: str, node: Node) -> ModelRef:
        entry = self._entries.get(name)
        if entry is None:
            try:
                return as_named(parse_model(name), node.place.key, self._notes)
            except ArtifactError as error:
                raise node.error(error.message, hint=f"define it under `models:`, or {error.hint}") from None
        self._used.add(name)
        fields = entry.mapping()
        provider = fields.get("provider") or fields.require("type")
        said = {"provider" if "provider" in fields else "type", "model"}
        parameters = {key: value.json() for key, value in fields.items() if key not in said}
        model = ModelRef(
            provider=provider.text(), name=fields.require("model").text(), parameters=canonical(parameters)
        )
        return as_named(model, f"models.{name}", self._notes)

    def _spelled(self, name: str) -> Json:
        entry = self._entries.get(name)
        if entry is None:
            return name
        self._used.add(name)
        return entry.json()


@dataclass(frozen=True, slots=True)
class _Toolset:
    """One toolset as a file writes it."""

    fields: Mapping[str, Json]
    path: str


class _Agent:
    """One agent of a file."""

    def __init__(self, name: str, node: Node, models: _Models, notes: list[Note]) -> None:
        fields = node.mapping()
        path = f"agents.{name}"
        self._name = name
        self.description = _text(fields.get("description"))
        self.model, others = models.find(fields.require("model"))
        self.prompt = Prompt(instructions=_text(fields.get("instruction")))
        toolsets: list[_Toolset] = []
        self.settings: dict[str, Json] = {"alternates_with": others} if others else {}
        if others:
            notes.append(Note(treatment=Treatment.KEPT, path=f"{path}.model", why="alternates between models"))
        self.max_steps: int | None = None
        for key, value in fields.items():
            if key in ("model", "instruction", "description"):
                continue
            if key in ("toolsets", "tools"):
                toolsets.extend(_Toolset(_mapping(item), item.place.key) for item in value.sequence())
            elif key in _SWITCHES:
                toolsets.extend(_switched(key, value, notes))
            elif key == "max_iterations" and value.integer() > 0:
                self.max_steps = value.integer()
            else:
                self.settings[key] = value.json()
                notes.append(Note(treatment=Treatment.KEPT, path=f"{path}.{key}", why=_why_kept(key)))
        self.tools = tuple(_tools(toolsets, notes))

    def as_sub_agent(self) -> SubAgent:
        settings = self.settings if self.max_steps is None else {**self.settings, "max_iterations": self.max_steps}
        return SubAgent(
            name=self._name,
            description=self.description,
            model=self.model,
            prompt=self.prompt,
            tools=self.tools,
            settings=canonical(settings),
        )


def _why_kept(key: str) -> str:
    if key == "add_prompt_files":
        return "the files are read when the agent runs: their contents are not in the digest"
    return "Docker Agent reads it"


def _text(node: Node | None) -> str:
    return "" if node is None else normal_text(node.text(empty=True))


def _mapping(node: Node) -> Mapping[str, Json]:
    return {key: value.json() for key, value in node.mapping().items()}


def _switched(key: str, node: Node, notes: list[Note]) -> Iterator[_Toolset]:
    if node.is_mapping:
        yield _Toolset({"type": key, **_mapping(node)}, node.place.key)
    elif node.boolean():
        yield _Toolset({"type": key}, node.place.key)
    else:
        notes.append(Note(treatment=Treatment.DROPPED, path=node.place.key, why="is off, as it is without the key"))


def _tools(toolsets: list[_Toolset], notes: list[Note]) -> Iterator[ToolSpec]:
    """One tool a toolset: which functions a server offers is known only when it runs."""
    taken: dict[str, int] = {}
    for toolset in toolsets:
        fields = dict(toolset.fields)
        if "type" not in fields and "provider" in fields:
            fields["type"] = fields.pop("provider")
        kind = str(fields.get("type", "unnamed"))
        name = _NOT_IN_NAMES.sub("_", _called(kind, fields))[:100]
        taken[name] = taken.get(name, 0) + 1
        instruction = fields.pop("instruction", "")
        effect = _EFFECTS.get(kind)
        if effect is None:
            why = f"{kind} does not say what its tools do: write"
            notes.append(Note(treatment=Treatment.ASSUMED, path=f"{toolset.path}.effect", why=why))
        yield ToolSpec(
            name=name if taken[name] == 1 else f"{name}.{taken[name]}",
            description=normal_text(str(instruction)),
            effect=Effect.WRITE if effect is None else effect,
            source=canonical(fields),
        )


def _called(kind: str, fields: Mapping[str, Json]) -> str:
    """A name that stays the same while the toolset's settings change."""
    if kind in _EFFECTS and kind != "a2a":
        return kind
    remote = fields.get("remote")
    url = fields.get("url") or (remote.get("url") if isinstance(remote, Mapping) else None)
    if isinstance(url, str):
        return f"{kind}:{urlsplit(url).netloc or url}"
    which = fields.get("ref") or fields.get("name") or fields.get("command")
    return f"{kind}:{which}" if isinstance(which, str) else kind


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
