"""A change in one line of plain words, for terminals, approvals and audit records."""

from __future__ import annotations

from .canonical import CanonicalJson, canonical, parse_canonical
from .change import (
    AgentRenamed,
    Change,
    ExecutorChanged,
    ModelChanged,
    ParameterChanged,
    PolicyLoosened,
    PolicyTightened,
    PromptChanged,
    SettingChanged,
    SubAgentAdded,
    SubAgentRemoved,
    ToolAdded,
    ToolDescriptionChanged,
    ToolEffectChanged,
    ToolRemoved,
    ToolSchemaChanged,
    ToolSourceChanged,
)
from .diff import part_of

__all__ = ["describe", "detail"]

_LONGEST_VALUE = 60
"""Characters of a value that are shown; a schema in a setting may have thousands."""

_MOST_ITEMS = 6
"""Items of a list that are named."""


def describe(change: Change) -> str:
    """What changed, in one line that starts with the part it is in."""
    match change:
        case SubAgentAdded(name=name, effect=effect):
            reach = "without tools" if effect is None else f"with tools up to {effect.value}"
            return f"sub_agents: {name} added, {reach}"
        case SubAgentRemoved(name=name):
            return f"sub_agents: {name} removed"
        case AgentRenamed(old=old, new=new):
            return f"agent: another agent, {old} -> {new}"
        case ExecutorChanged(old=old, new=new):
            return f"executor: {old} -> {new}"
        case PolicyLoosened(policy=policy, old=old, new=new):
            return f"policies: {policy} loosened, {old} -> {new}"
        case PolicyTightened(policy=policy, old=old, new=new):
            return f"policies: {policy} tightened, {old} -> {new}"
        case _ if change.within:
            return f"sub_agents: {change.within}: {_inside(change)}"
        case _:
            return f"{part_of(change).value}: {_inside(change)}"


def detail(change: Change) -> tuple[str, ...]:
    """The lines of a changed text as a unified diff; empty for a change that one line says in full."""
    match change:
        case PromptChanged(lines=lines) | ToolDescriptionChanged(lines=lines):
            return lines
        case _:
            return ()


def _inside(  # noqa: PLR0911  # one sentence for each kind of change
    change: ModelChanged
    | ParameterChanged
    | PromptChanged
    | ToolAdded
    | ToolRemoved
    | ToolEffectChanged
    | ToolSchemaChanged
    | ToolDescriptionChanged
    | ToolSourceChanged
    | SettingChanged,
) -> str:
    match change:
        case ModelChanged(old=old, new=new, may_move=may_move):
            return f"{old} -> {new}" + (", which may move" if may_move else "")
        case ParameterChanged(name=name, old=old, new=new):
            return f"{name} {_from_to(old, new)}"
        case SettingChanged(name=name, old=old, new=new):
            return f"setting {name} {_from_to(old, new)}"
        case PromptChanged(section=section, added=added, removed=removed):
            return f"{section} changed, +{added} -{removed} lines"
        case ToolAdded(tool=tool, effect=effect):
            return f"{tool} added ({effect.value})"
        case ToolRemoved(tool=tool, effect=effect):
            return f"{tool} removed ({effect.value})"
        case ToolEffectChanged(tool=tool, old=before, new=after):
            return f"{tool} effect {before.value} -> {after.value}"
        case ToolSchemaChanged(tool=tool, paths=paths):
            return f"{tool} arguments changed at {', '.join(paths)}"
        case ToolSourceChanged(tool=tool, paths=paths):
            return f"{tool} source changed at {', '.join(paths)}"
        case ToolDescriptionChanged(tool=tool):
            return f"{tool} description changed"


def _from_to(old: CanonicalJson | None, new: CanonicalJson | None) -> str:
    """Both values, or what came and went where both are lists."""
    before, after = _items(old), _items(new)
    if before is None or after is None:
        return f"{_value(old)} -> {_value(new)}"
    came, went = [item for item in after if item not in before], [item for item in before if item not in after]
    moved = [f"+ {_value(item)}" for item in came] + [f"- {_value(item)}" for item in went]
    more = f" and {len(moved) - _MOST_ITEMS} more" if len(moved) > _MOST_ITEMS else ""
    return f"{', '.join(moved[:_MOST_ITEMS])}{more}" if moved else "in another order"


def _items(value: CanonicalJson | None) -> list[CanonicalJson] | None:
    parsed = None if value is None else parse_canonical(value)
    return [canonical(item) for item in parsed] if isinstance(parsed, list | tuple) else None


def _value(value: CanonicalJson | None) -> str:
    if value is None:
        return "not given"
    return value if len(value) <= _LONGEST_VALUE else value[: _LONGEST_VALUE - 3] + "..."
