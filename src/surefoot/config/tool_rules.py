"""Rules about tools that no version file holds: what has to be read first, what is denied, what is required."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..core.proof.misuse import Denial
from ..core.proof.trace import TracedCall
from ..errors import SettingsError
from .node import Node
from .validators import schema_problem
from .yaml import read_yaml

__all__ = ["RulesFile", "load_tool_rules"]

_TOP: Final = ("tools", "required", "most_alike")
_TOOL: Final = ("requires", "denied", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesFile:
    """What a rules file says."""

    requires: MappingProxyType[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    denied: MappingProxyType[str, Denial] = field(default_factory=lambda: MappingProxyType({}))
    ignored: MappingProxyType[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[str, ...] = ()
    most_alike: int = 3


def load_tool_rules(path: Path) -> RulesFile:
    """
    Read `{tools: {NAME: {requires: [...], denied: SCHEMA, ignored: [...]}}, required: [...], most_alike: N}`.

    `denied` is a JSON Schema: arguments that fit it are denied. Raises SettingsError with file, line, key and hint.
    """
    top = read_yaml(path, source=str(path), errors=SettingsError).mapping(known=_TOP)
    requires: dict[str, tuple[str, ...]] = {}
    denied: dict[str, Denial] = {}
    ignored: dict[str, frozenset[str]] = {}
    tools, required = top.get("tools"), top.get("required")
    for name, node in () if tools is None else tools.mapping().items():
        fields = node.mapping(known=_TOOL)
        if (found := fields.get("requires")) is not None:
            requires[name] = tuple(found.texts())
        if (found := fields.get("ignored")) is not None:
            ignored[name] = frozenset(found.texts())
        if (found := fields.get("denied")) is not None:
            denied[name] = _denial(found)
    return RulesFile(
        requires=MappingProxyType(requires),
        denied=MappingProxyType(denied),
        ignored=MappingProxyType(ignored),
        required=() if required is None else tuple(required.texts()),
        most_alike=top.integer("most_alike", 3, minimum=1),
    )


def _denial(node: Node) -> Denial:
    node.mapping()
    try:
        problem_of = schema_problem(node.json())
    except ValueError as error:
        raise node.error(str(error), hint="write the JSON Schema of the arguments that are denied") from None

    def denied(call: TracedCall) -> str | None:
        return "its arguments are denied" if problem_of(dict(call.args)) is None else None

    return denied
