"""Letta agent files (`.af`): JSON with agents, memory blocks and tools whose source code travels with them.

Read after github.com/letta-ai/agent-file. A file is the JSON itself or, as Letta's export writes it, a JSON text that
holds it. What is state of a running agent (its messages, ids, who made it when) is not part of a version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from ...core.artifact.canonical import Json, canonical
from ...core.artifact.version import AgentVersion, Effect, ExecutorRef, ModelRef, Prompt, ToolSpec, normal_text
from ...errors import ArtifactError
from .note import Imported, Note, Origin, Treatment, as_named

__all__ = ["import_letta"]

_MAX_BYTES: Final = 64 * 1_048_576
"""Agent files hold whole conversations."""

_EFFECTS: Final[Mapping[str, Effect]] = {
    "archival_memory_search": Effect.READ,
    "conversation_search": Effect.READ,
    "grep_files": Effect.READ,
    "open_files": Effect.READ,
    "semantic_search_files": Effect.READ,
}
"""What Letta's own tools do. Every other tool says nothing, so it writes."""

_DROPPED: Final[Mapping[str, str]] = {
    "created_at": "says when the file was made",
    "id": "is Letta's own number",
    "in_context_message_ids": "is the state of a conversation",
    "messages": "is the state of a conversation",
    "metadata": "is about the file",
    "name": "is the agent's name there",
    "tool_exec_environment_variables": "may hold secrets, which never go into a version",
    "secrets": "may hold secrets, which never go into a version",
}
_TOOL_DROPPED: Final = frozenset({"id", "created_by_id", "last_updated_by_id"})
_CARRIED: Final = frozenset({"system", "llm_config", "tool_ids", "block_ids", "tools", "memory_blocks"})
_BLOCK_FIELDS: Final = ("label", "value", "limit", "description", "read_only")


def import_letta(origin: Origin) -> Imported:
    """The only agent of a file. Raises `ArtifactError` for a file that is no agent file, or that has several agents."""
    name = origin.path.name
    document = _read(origin)
    agents = _each(document, "agents", name)
    if len(agents) != 1:
        raise ArtifactError(f"{name}: {len(agents)} agents in the file", hint="export one agent at a time")
    agent = agents[0]
    notes: list[Note] = []
    config = _inner(agent, "llm_config", name)
    tools = tuple(_tool(tool, name, notes) for tool in _chosen(document, "tools", agent, "tool_ids", name, notes))
    version = AgentVersion(
        agent=origin.agent,
        label=origin.label,
        model=_model(config, name, notes),
        prompt=Prompt(system=normal_text(_text(agent, "system", name))),
        tools=tools,
        executor=ExecutorRef(settings=canonical(_settings(document, agent, name, notes))),
    )
    return Imported(version=version, notes=tuple(notes))


def _read(origin: Origin) -> Mapping[str, Json]:
    name = origin.path.name
    try:
        with origin.path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ArtifactError(f"{name}: cannot be read: {error.strerror}", hint="check the path") from None
    if len(raw) > _MAX_BYTES:
        raise ArtifactError(f"{name}: larger than {_MAX_BYTES} bytes", hint="export it without its messages")
    try:
        value: Json = json.loads(raw, object_pairs_hook=_once)
        if isinstance(value, str):
            value = json.loads(value, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ArtifactError(
            f"{name}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}", hint="export it again"
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{name}: this is no JSON: {type(error).__name__}", hint="export it again") from None
    if not isinstance(value, Mapping):
        raise ArtifactError(f"{name}: no agent file", hint="a Letta agent file is an object with `agents`")
    return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ArtifactError(f"the key {twice!r} is written twice in one object", hint="keep one of the two")
    return entries


def _model(config: Mapping[str, Json], source: str, notes: list[Note]) -> ModelRef:
    provider = "provider_name" if config.get("provider_name") else "model_endpoint_type"
    parameters = {
        key: value for key, value in config.items() if value is not None and key not in (provider, "model", "handle")
    }
    model = ModelRef(
        provider=_text(config, provider, source),
        name=_text(config, "model", source),
        parameters=canonical(parameters),
    )
    return as_named(model, "llm_config", notes)


def _tool(tool: Mapping[str, Json], source: str, notes: list[Note]) -> ToolSpec:
    schema = _inner(tool, "json_schema", source)
    name = _text(tool, "name", source)
    effect = _EFFECTS.get(name)
    if effect is None:
        why = "the file does not say what it does: write"
        notes.append(Note(treatment=Treatment.ASSUMED, path=f"tools.{name}.effect", why=why))
    notes.extend(
        Note(treatment=Treatment.DROPPED, path=f"tools.{name}.{key}", why="is Letta's own number")
        for key in sorted(_TOOL_DROPPED & tool.keys())
    )
    told = schema.get("description")
    rest: dict[str, Json] = {
        key: value for key, value in schema.items() if key not in ("name", "description", "parameters")
    }
    skipped = {"name", "json_schema", *_TOOL_DROPPED}
    code = {key: value for key, value in tool.items() if value is not None and key not in skipped}
    parameters = schema.get("parameters")
    return ToolSpec(
        name=name,
        description=normal_text(told if isinstance(told, str) else ""),
        arguments=canonical(parameters if isinstance(parameters, Mapping) else {}),
        effect=Effect.WRITE if effect is None else effect,
        source=canonical(code | ({"json_schema": rest} if rest else {})),
    )


def _settings(
    document: Mapping[str, Json], agent: Mapping[str, Json], source: str, notes: list[Note]
) -> dict[str, Json]:
    """Memory blocks, and whatever else the agent and the file say."""
    settings: dict[str, Json] = {}
    for key, value in (*agent.items(), *document.items()):
        if key in _CARRIED or key in ("agents", "blocks"):
            continue
        if key in _DROPPED:
            notes.append(Note(treatment=Treatment.DROPPED, path=key, why=_DROPPED[key]))
        elif value not in (None, [], {}):
            settings[key] = value
            notes.append(Note(treatment=Treatment.KEPT, path=key, why="Letta reads it"))
    blocks = _chosen(document, "blocks", agent, "block_ids", source, notes)
    if blocks:
        settings["memory_blocks"] = [{key: block[key] for key in _BLOCK_FIELDS if key in block} for block in blocks]
        notes.append(Note(treatment=Treatment.KEPT, path="blocks", why="is what the agent remembers when it starts"))
        others = sorted({key for block in blocks for key, value in block.items() if value and key not in _BLOCK_FIELDS})
        notes.extend(
            Note(treatment=Treatment.DROPPED, path=f"blocks.{key}", why="is Letta's own number") for key in others
        )
    return settings


def _chosen(
    document: Mapping[str, Json], key: str, agent: Mapping[str, Json], ids: str, source: str, notes: list[Note]
) -> list[Mapping[str, Json]]:
    """The entries of a list that the agent refers to by id, in its order."""
    known = {str(entry.get("id")): entry for entry in _each(document, key, source)}
    wanted = [str(item) for item in _list(agent, ids, source)]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise ArtifactError(f"{source}: no entry {missing[0]!r} in {key}", hint="export it again, with its tools")
    notes.extend(
        Note(treatment=Treatment.DROPPED, path=f"{key}.{name}", why="the agent does not use it")
        for name in known
        if name not in wanted
    )
    return [known[name] for name in wanted]


def _each(entries: Mapping[str, Json], key: str, source: str) -> list[Mapping[str, Json]]:
    items = _list(entries, key, source)
    found = [item for item in items if isinstance(item, Mapping)]
    if len(found) != len(items):
        raise ArtifactError(f"{source}: {key} holds something that is no object", hint="export it again")
    return found


def _list(entries: Mapping[str, Json], key: str, source: str) -> Sequence[Json]:
    value = entries.get(key)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ArtifactError(f"{source}: no list {key!r}", hint="a Letta agent file has agents, tools and blocks")
    return value


def _inner(entries: Mapping[str, Json], key: str, source: str) -> Mapping[str, Json]:
    value = entries.get(key)
    if not isinstance(value, Mapping):
        raise ArtifactError(f"{source}: no object {key!r}", hint="export it again")
    return value


def _text(entries: Mapping[str, Json], key: str, source: str) -> str:
    value = entries.get(key)
    if not isinstance(value, str):
        raise ArtifactError(f"{source}: {key} is no text", hint="export it again")
    return value
