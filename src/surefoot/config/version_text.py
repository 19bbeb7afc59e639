"""A version written as the file it would be read from: `parse(version_text(v))` is `v`, digest and all."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import yaml

from ..core.artifact.canonical import EMPTY, CanonicalJson, parse_object
from ..core.artifact.version import (
    AgentVersion,
    Effect,
    ExecutorKind,
    ExecutorRef,
    ModelRef,
    Policies,
    Prompt,
    SubAgent,
    ToolSpec,
)
from ..errors import UsageError

__all__ = ["version_text"]

_BARE: Final = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./,'()+-]| (?=[A-Za-z0-9_(]))*")
"""Texts that need no quotes in a block: words with single spaces and harmless punctuation."""

_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_BLOCK: Final = re.compile(r"[^\s][^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]*")
"""Texts that a block shows as they are: no odd line ends, no control characters, no space at the very start."""

_MICRO: Final = 1_000_000


class _Dumper(yaml.SafeDumper):
    """Writes what our reader reads: texts that could be taken for anything else are quoted, long ones are blocks."""

    def ignore_aliases(self, data: object) -> bool:
        """Values are written where they are used, never referred to."""
        return True


def _present_text(_dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text and _BLOCK.fullmatch(text) and not re.search(r"[ \n]\n|[ \n]$", text):
        style = "|"
    elif _BARE.fullmatch(text) and text.lower() not in _WORDS:
        style = ""
    else:
        style = '"'
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)


def _present_money(_dumper: yaml.SafeDumper, amount: Decimal) -> yaml.ScalarNode:
    kind = "int" if amount == int(amount) else "float"
    return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", format(amount.normalize(), "f"))


_Dumper.add_representer(str, _present_text)
_Dumper.add_representer(Decimal, _present_money)


def version_text(version: AgentVersion) -> str:
    """The YAML of a version. Prompt files are not written: a version that has some is written beside them by hand."""
    if version.prompt.files or any(agent.prompt.files for agent in version.sub_agents):
        raise UsageError("a version with prompt files is not one file", hint="copy its file and edit the copy")
    document: dict[str, object] = {"model": _model(version.model), "prompt": _prompt(version.prompt)}
    if version.tools:
        document["tools"] = [_tool(tool) for tool in version.tools]
    if version.policies != Policies():
        document["policies"] = _policies(version.policies)
    if version.executor != ExecutorRef():
        document["executor"] = _executor(version.executor)
    if version.sub_agents:
        document["sub_agents"] = {agent.name: _sub_agent(agent) for agent in version.sub_agents}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _model(model: ModelRef) -> dict[str, object]:
    entries: dict[str, object] = (
        {"role": model.role, "pinned": model.id} if model.role else {"provider": model.provider, "name": model.name}
    )
    if model.parameters != EMPTY:
        entries["parameters"] = _values(model.parameters)
    if model.may_move:
        entries["may_move"] = True
    return entries


def _prompt(prompt: Prompt) -> dict[str, object]:
    entries = {"system": prompt.system, "instructions": prompt.instructions}
    return {key: text for key, text in entries.items() if text}


def _tool(tool: ToolSpec) -> dict[str, object]:
    entries: dict[str, object] = {"name": tool.name}
    if tool.description:
        entries["description"] = tool.description
    if tool.effect is not Effect.WRITE:
        entries["effect"] = tool.effect.value
    if tool.arguments != EMPTY:
        entries["arguments"] = _values(tool.arguments)
    if tool.source != EMPTY:
        entries["source"] = _values(tool.source)
    return entries


def _policies(policies: Policies) -> dict[str, object]:
    entries: dict[str, object] = {}
    if policies.max_steps is not None:
        entries["max_steps"] = policies.max_steps
    if policies.max_cost is not None:
        entries["max_cost_usd"] = Decimal(policies.max_cost) / _MICRO
    if policies.max_latency is not None:
        entries["max_latency"] = f"{policies.max_latency}ms"
    if policies.allowed_topics is not None:
        entries["allowed_topics"] = sorted(policies.allowed_topics)
    if policies.allowed_tools is not None:
        entries["allowed_tools"] = sorted(policies.allowed_tools)
    return entries


def _executor(executor: ExecutorRef) -> dict[str, object]:
    settings = _values(executor.settings)
    entries: dict[str, object] = {"kind": executor.kind.value}
    match executor.kind:
        case ExecutorKind.PYTHON:
            if "callable" in settings:
                entries["callable"] = settings.pop("callable")
            if settings:
                entries["settings"] = settings
        case ExecutorKind.OPENAI:
            timeout = settings.pop("timeout_ms", None)
            prices = {key: Decimal(repr(value)) for key, value in settings.items() if isinstance(value, int | float)}
            entries |= settings | prices | ({} if timeout is None else {"timeout": f"{timeout}ms"})
        case ExecutorKind.TAPE:
            # the setting is relative to the project, the file's paths to agents/<agent>/
            entries["path"] = f"../../{settings['path']}"
    return entries


def _sub_agent(agent: SubAgent) -> dict[str, object]:
    entries: dict[str, object] = {}
    if agent.description:
        entries["description"] = agent.description
    entries |= {"model": _model(agent.model), "prompt": _prompt(agent.prompt)}
    if agent.tools:
        entries["tools"] = [_tool(tool) for tool in agent.tools]
    if agent.settings != EMPTY:
        entries["settings"] = _values(agent.settings)
    return entries


def _values(text: CanonicalJson) -> dict[str, object]:
    return dict(parse_object(text))
