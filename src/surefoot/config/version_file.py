"""What a version file may say becomes an `AgentVersion`, or an error that names the line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ..core.artifact.canonical import EMPTY, LARGEST_INTEGER, CanonicalJson, Json, canonical
from ..core.artifact.models import ModelRegistry, Pinning, parse_model, pinning
from ..core.artifact.version import (
    AgentVersion,
    Effect,
    ExecutorKind,
    ExecutorRef,
    ModelRef,
    Policies,
    Prompt,
    PromptFile,
    SubAgent,
    ToolSpec,
    normal_text,
)
from ..core.units import AgentName
from ..errors import ArtifactError, UnknownName
from .files import confined, read_text, shown_path
from .node import Fields, Node
from .quantity import micro_usd, millis

__all__ = ["VersionReader"]

T = TypeVar("T")

_TOP: Final = ("model", "prompt", "tools", "policies", "executor", "sub_agents")
_MODEL: Final = ("provider", "name", "role", "pinned", "parameters", "may_move")
_PRICES: Final = ("usd_per_million_input", "usd_per_million_output")
_EXECUTORS: Final[Mapping[ExecutorKind, tuple[str, ...]]] = {
    ExecutorKind.PYTHON: ("kind", "callable", "settings"),
    ExecutorKind.OPENAI: ("kind", "base_url", "api_key_env", "timeout", *_PRICES),
    ExecutorKind.TAPE: ("kind", "path"),
}
_CALLABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReader:
    """Reads the version files of one folder."""

    root: Path
    """The project. No path leads outside it."""

    folder: Path
    """Where the version file is; paths in it are relative to this."""

    registry: Callable[[], ModelRegistry]
    """Asked only when a file names a role."""

    def version(self, node: Node, *, agent: AgentName, label: str) -> AgentVersion:
        """The version that a file describes."""
        top = node.mapping(known=_TOP)
        tools = self._tools(top.get("tools"))
        policies = _policies(top.get("policies"), tools)
        executor = self._executor(top.get("executor"))
        prompt, model = self._prompt(top.require("prompt")), self._model(top.require("model"))
        sub_agents = self._sub_agents(top.get("sub_agents"))
        return _at(
            node,
            lambda: AgentVersion(
                agent=agent,
                label=label,
                model=model,
                prompt=prompt,
                tools=tools,
                policies=policies,
                executor=executor,
                sub_agents=sub_agents,
            ),
        )

    def _model(self, node: Node) -> ModelRef:
        if not node.is_mapping:
            return _may_stay(node, _named_model(node), may_move=False)
        fields = node.mapping(known=_MODEL)
        parameters = _object(fields.get("parameters"))
        may_move = fields.boolean("may_move", default=False)
        role = fields.get("role")
        if role is None:
            if "pinned" in fields:
                raise fields.require("pinned").error("`pinned` without a role", hint="write provider and name instead")
            provider, name = fields.require("provider").text(), fields.require("name").text()
            found = ModelRef(provider=provider, name=name)
        else:
            for key in ("provider", "name"):
                if key in fields:
                    raise fields.require(key).error(f"both a role and a {key}", hint="the role says which model it is")
            found = self._role(role, fields.get("pinned"))
        model = ModelRef(
            provider=found.provider,
            name=found.name,
            parameters=parameters,
            may_move=may_move,
            role="" if role is None else role.text(),
        )
        return _may_stay(node, model, may_move=may_move)

    def _role(self, role: Node, pinned: Node | None) -> ModelRef:
        name = role.text()
        if pinned is not None:
            return _named_model(pinned)
        try:
            return self.registry().resolve(name)
        except UnknownName as error:
            raise role.error(f"{error.message} in models.yaml", hint=error.hint) from None

    def _prompt(self, node: Node) -> Prompt:
        if not node.is_mapping:
            return Prompt(instructions=normal_text(node.text()))
        fields = node.mapping(known=("system", "instructions", "files", "file"))
        if (file := fields.get("file")) is not None:
            raise file.error("a prompt has no `file` of its own", hint="write prompt: {instructions: {file: PATH}}")
        files = fields.get("files")
        entries = () if files is None else tuple(self._prompt_file(item) for item in files.sequence())
        system, instructions = (self._text(fields.get(key)) for key in ("system", "instructions"))
        return _at(node, lambda: Prompt(system=system, instructions=instructions, files=entries))

    def _text(self, node: Node | None) -> str:
        """A text written here, or `{file: path}`."""
        if node is None:
            return ""
        if node.is_mapping:
            return self._prompt_file(node.mapping(known=("file",)).require("file")).text
        return normal_text(node.text())

    def _prompt_file(self, node: Node) -> PromptFile:
        path = confined(node, folder=self.folder, root=self.root)
        return PromptFile(name=shown_path(self.root.resolve(), path), text=normal_text(read_text(node, path)))

    def _tools(self, node: Node | None) -> tuple[ToolSpec, ...]:
        if node is None:
            return ()
        seen: dict[str, Node] = {}
        tools: list[ToolSpec] = []
        for item in node.sequence():
            tool = self._tool(item)
            if tool.name in seen:
                first = seen[tool.name].place.line
                raise item.error(f"a second tool {tool.name!r}, first on line {first}", hint="give each its own name")
            seen[tool.name] = item
            tools.append(tool)
        return tuple(tools)

    def _tool(self, node: Node) -> ToolSpec:
        fields = node.mapping(known=("name", "description", "arguments", "effect", "source"))
        name = fields.require("name")
        description, effect, arguments = fields.get("description"), fields.get("effect"), fields.get("arguments")
        called, text = name.text(), "" if description is None else normal_text(description.text(empty=True))
        does = Effect.WRITE if effect is None else effect.choice(Effect)
        schema, source = _schema(arguments), _object(fields.get("source"))
        return _at(name, lambda: ToolSpec(name=called, description=text, effect=does, arguments=schema, source=source))

    def _executor(self, node: Node | None) -> ExecutorRef:
        if node is None:
            return ExecutorRef()
        kind = node.mapping().require("kind").choice(ExecutorKind)
        fields = node.mapping(known=_EXECUTORS[kind])
        match kind:
            case ExecutorKind.PYTHON:
                settings = _python(fields)
            case ExecutorKind.OPENAI:
                settings = _openai(fields)
            case ExecutorKind.TAPE:
                path = confined(fields.require("path"), folder=self.folder, root=self.root)
                settings = {"path": shown_path(self.root.resolve(), path)}
        return ExecutorRef(kind=kind, settings=_at(node, lambda: canonical(settings)))

    def _sub_agents(self, node: Node | None) -> tuple[SubAgent, ...]:
        if node is None:
            return ()
        return tuple(self._sub_agent(name, inner) for name, inner in node.mapping().items())

    def _sub_agent(self, name: str, node: Node) -> SubAgent:
        fields = node.mapping(known=("description", "model", "prompt", "tools", "settings"))
        description = fields.get("description")
        model, prompt = self._model(fields.require("model")), self._prompt(fields.require("prompt"))
        tools, settings = self._tools(fields.get("tools")), _object(fields.get("settings"))
        text = "" if description is None else normal_text(description.text(empty=True))
        return _at(
            node,
            lambda: SubAgent(name=name, description=text, model=model, prompt=prompt, tools=tools, settings=settings),
        )


def _at(node: Node, make: Callable[[], T]) -> T:
    """What `make` makes; an error of the core, which knows no files, is raised again with the place of the value."""
    try:
        return make()
    except ArtifactError as error:
        raise node.error(error.message, hint=error.hint) from None


def _named_model(node: Node) -> ModelRef:
    text = node.text()
    return _at(node, lambda: parse_model(text))


def _may_stay(node: Node, model: ModelRef, *, may_move: bool) -> ModelRef:
    if pinning(model.provider, model.name) is Pinning.MOVING and not may_move:
        raise node.error(
            f"{model.id} is an alias that can move: it would be another agent tomorrow under the same digest",
            hint="name the dated model it stands for, or accept it with `may_move: true`",
        )
    return model


def _object(node: Node | None) -> CanonicalJson:
    if node is None:
        return EMPTY
    node.mapping()
    value = node.json()
    return _at(node, lambda: canonical(value))


def _schema(node: Node | None) -> CanonicalJson:
    """A JSON Schema of arguments: an object that describes an object."""
    if node is None:
        return EMPTY
    kind = node.mapping().get("type")
    if kind is not None and kind.json() != "object":
        raise kind.error("arguments are passed by name", hint="write `type: object` and list them under `properties`")
    properties = node.mapping().get("properties")
    if properties is not None:
        properties.mapping()
    return _object(node)


def _policies(node: Node | None, tools: tuple[ToolSpec, ...]) -> Policies:
    if node is None:
        return Policies()
    fields = node.mapping(known=("max_steps", "max_cost_usd", "max_latency", "allowed_topics", "allowed_tools"))
    steps, cost, latency = fields.get("max_steps"), fields.get("max_cost_usd"), fields.get("max_latency")
    topics, allowed = fields.get("allowed_topics"), fields.get("allowed_tools")
    if allowed is not None:
        for item in allowed.sequence():
            item.one_of([tool.name for tool in tools])
    return Policies(
        max_steps=None if steps is None else steps.integer(minimum=1, maximum=LARGEST_INTEGER),
        max_cost=None if cost is None else micro_usd(cost),
        max_latency=None if latency is None else millis(latency, minimum=1),
        allowed_topics=None if topics is None else frozenset(topics.texts()),
        allowed_tools=None if allowed is None else frozenset(allowed.texts()),
    )


def _python(fields: Fields) -> dict[str, Json]:
    """The callable, if one is named, beside whatever it wants to be told."""
    named, told = fields.get("callable"), fields.get("settings")
    settings: dict[str, Json] = {}
    if told is not None:
        if "callable" in told.mapping():
            raise told.mapping().require("callable").error("belongs beside `settings`", hint="move it one level up")
        settings.update({key: value.json() for key, value in told.mapping().items()})
    if named is not None:
        if not _CALLABLE.fullmatch(named.text()):
            raise named.error(f"{named.text()!r} names no callable", hint="write package.module:function")
        settings["callable"] = named.text()
    return settings


def _openai(fields: Fields) -> dict[str, Json]:
    url, key, timeout = fields.require("base_url"), fields.get("api_key_env"), fields.get("timeout")
    if not url.text().startswith(("http://", "https://")):
        raise url.error(f"{url.text()!r} is no address", hint="start it with https:// or http://")
    if "@" in url.text():
        raise url.error("an address with a name or a password in it", hint="put the key's variable into api_key_env")
    settings: dict[str, Json] = {"base_url": url.text().rstrip("/")}
    if key is not None:
        if not _VARIABLE.fullmatch(key.text()):
            # the value is not repeated: somebody may have pasted the key itself
            raise key.error("not the name of an environment variable", hint="write its NAME; keys never go into files")
        settings["api_key_env"] = key.text()
    if timeout is not None:
        settings["timeout_ms"] = millis(timeout, minimum=1)
    return settings | _prices(fields)


def _prices(fields: Fields) -> dict[str, Json]:
    """What a million tokens cost, for input and output; empty where the file does not say."""
    written = {key: node for key in _PRICES if (node := fields.get(key)) is not None}
    for key, node in written.items():
        if len(written) < len(_PRICES):
            other = next(name for name in _PRICES if name != key)
            raise node.error(f"{key} without {other}", hint=f"a cost needs both: add `{other}:`, in US dollars")
    return {key: float(node.number(minimum=0)) for key, node in written.items()}
