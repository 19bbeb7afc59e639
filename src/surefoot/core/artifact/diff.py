"""What is different between two versions, in the words of the agent engineer, and how much harm each difference may do.

`diff(a, b)` is empty exactly when the two have the same digest. The risk class of a difference is a judgement about
authority, not about quality: whether answers get worse is what the rollout measures; whether the agent may now do what
it could not do before is known from the text alone, and a plan can ask for an approval because of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from ..units import Digest
from .canonical import CanonicalJson, Json, canonical, parse_object
from .change import (
    AgentRenamed,
    Change,
    ExecutorChanged,
    ModelChanged,
    ParameterChanged,
    Part,
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
from .version import AgentVersion, Effect, ModelRef, Policies, Prompt, SubAgent, ToolSpec

__all__ = ["Diff", "RiskClass", "diff", "part_of", "risk", "risk_of"]


_AUTHORITY: Final = frozenset({"base_url", "permissions"})
"""Settings that say where conversations go or what is allowed without asking. Whether a change loosens them only the
executor knows, so every change of them counts as if it did."""


class RiskClass(IntEnum):
    """How much harm a change may do before any traffic has shown it. Ordered: the worst change decides."""

    LOW = 1
    """The agent can do less than before, or a person reads something else."""

    MEDIUM = 2
    """The agent behaves differently, with the authority it had."""

    HIGH = 3
    """The agent may do what it could not do before, or somebody else does it."""

    @property
    def word(self) -> str:
        """As plans write it: low, medium, high."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """All that differs between two versions, in the order prompt to sub-agents."""

    old: Digest
    new: Digest
    changes: tuple[Change, ...]

    @property
    def parts(self) -> frozenset[Part]:
        """Which parts changed, so that a plan can ask for more proof when, say, the model moved."""
        return frozenset(part_of(change) for change in self.changes)


class _Entry(NamedTuple):
    """One difference between two objects. None is "not given"."""

    name: str
    old: CanonicalJson | None
    new: CanonicalJson | None


def diff(old: AgentVersion, new: AgentVersion) -> Diff:
    """What changed from the old version to the new one. Empty exactly when the digests are equal."""
    changes: list[Change] = []
    if old.agent != new.agent:
        changes.append(AgentRenamed(old=old.agent, new=new.agent))
    changes.extend(_prompts("", old.prompt, new.prompt))
    changes.extend(_models("", old.model, new.model))
    changes.extend(_tools("", old.tools, new.tools))
    changes.extend(_policies(old.policies, new.policies))
    if old.executor.kind != new.executor.kind:
        changes.append(ExecutorChanged(old=old.executor.kind.value, new=new.executor.kind.value))
    changes.extend(_settings("", old.executor.settings, new.executor.settings))
    changes.extend(_sub_agents(old.sub_agents, new.sub_agents))
    return Diff(old=old.digest, new=new.digest, changes=tuple(changes))


def risk(difference: Diff) -> RiskClass:
    """The class of the riskiest change; low when nothing changed."""
    return max((risk_of(change) for change in difference.changes), default=RiskClass.LOW)


def risk_of(change: Change) -> RiskClass:
    """The class of one change, and why."""
    match change:
        case PolicyTightened() | ToolRemoved() | SubAgentRemoved():
            return RiskClass.LOW  # the agent can do less
        case PolicyLoosened() | ExecutorChanged() | AgentRenamed():
            return RiskClass.HIGH  # a limit is gone, or nothing proven so far is about this
        case ToolEffectChanged():
            return RiskClass.HIGH  # raised: it does more; lowered: shadow runs would now execute it on somebody's word
        case ToolAdded(effect=effect) | SubAgentAdded(effect=effect):
            return (
                RiskClass.MEDIUM if effect in (None, Effect.READ) else RiskClass.HIGH
            )  # a new way to change the world
        case ToolSourceChanged(effect=effect):
            return RiskClass.MEDIUM if effect is Effect.READ else RiskClass.HIGH  # another program acts
        case ModelChanged(may_move=may_move):
            return RiskClass.HIGH if may_move else RiskClass.MEDIUM  # a model that can move cannot be proven
        case SettingChanged(name=name):
            return RiskClass.HIGH if name.split(".")[0] in _AUTHORITY else RiskClass.MEDIUM
        case ParameterChanged() | PromptChanged() | ToolSchemaChanged() | ToolDescriptionChanged():
            return RiskClass.MEDIUM


def part_of(change: Change) -> Part:  # noqa: PLR0911  # one line for each part
    """The part of the agent that a change is in; a sub-agent is one part."""
    match change:
        case SubAgentAdded() | SubAgentRemoved():
            return Part.SUB_AGENTS
        case PolicyLoosened() | PolicyTightened():
            return Part.POLICIES
        case ExecutorChanged():
            return Part.EXECUTOR
        case AgentRenamed():
            return Part.AGENT
        case _ if change.within:
            return Part.SUB_AGENTS
        case ModelChanged():
            return Part.MODEL
        case ParameterChanged():
            return Part.PARAMETERS
        case PromptChanged():
            return Part.PROMPT
        case SettingChanged():
            return Part.EXECUTOR
        case _:
            return Part.TOOLS


def _models(within: str, old: ModelRef, new: ModelRef) -> Iterator[Change]:
    if (old.provider, old.name, old.may_move) != (new.provider, new.name, new.may_move):
        yield ModelChanged(within=within, old=old.id, new=new.id, may_move=new.may_move)
    for name, before, after in _entries(old.parameters, new.parameters):
        yield ParameterChanged(within=within, name=name, old=before, new=after)


def _prompts(within: str, old: Prompt, new: Prompt) -> Iterator[Change]:
    yield from _text(within, "system", old.system, new.system)
    yield from _text(within, "instructions", old.instructions, new.instructions)
    before, after = {file.name: file.text for file in old.files}, {file.name: file.text for file in new.files}
    if list(before) != list(after):
        yield from _text(within, "files", "\n".join(before), "\n".join(after))
    for name in before | after:
        yield from _text(within, f"files/{name}", before.get(name, ""), after.get(name, ""))


def _text(within: str, section: str, old: str, new: str) -> Iterator[PromptChanged]:
    if old != new:
        lines = _unified(old, new)
        yield PromptChanged(
            within=within,
            section=section,
            lines=lines,
            added=sum(line.startswith("+") for line in lines),
            removed=sum(line.startswith("-") for line in lines),
        )


def _unified(old: str, new: str) -> tuple[str, ...]:
    """Split at line feeds only, so that texts that differ anywhere differ in a line."""
    before, after = old.split("\n") if old else [], new.split("\n") if new else []
    return tuple(difflib.unified_diff(before, after, lineterm=""))[2:]


def _tools(within: str, old: Iterable[ToolSpec], new: Iterable[ToolSpec]) -> Iterator[Change]:
    before, after = {tool.name: tool for tool in old}, {tool.name: tool for tool in new}
    for name in sorted(before | after):
        if name not in after:
            yield ToolRemoved(within=within, tool=name, effect=before[name].effect)
        elif name not in before:
            yield ToolAdded(within=within, tool=name, effect=after[name].effect)
        else:
            yield from _tool(within, before[name], after[name])


def _tool(within: str, old: ToolSpec, new: ToolSpec) -> Iterator[Change]:
    if old.effect != new.effect:
        yield ToolEffectChanged(within=within, tool=new.name, old=old.effect, new=new.effect)
    if old.arguments != new.arguments:
        paths = tuple(entry.name for entry in _entries(old.arguments, new.arguments))
        yield ToolSchemaChanged(within=within, tool=new.name, effect=new.effect, paths=paths)
    if old.description != new.description:
        lines = _unified(old.description, new.description)
        yield ToolDescriptionChanged(within=within, tool=new.name, lines=lines)
    if old.source != new.source:
        paths = tuple(entry.name for entry in _entries(old.source, new.source))
        yield ToolSourceChanged(within=within, tool=new.name, effect=new.effect, paths=paths)


def _policies(old: Policies, new: Policies) -> Iterator[Change]:
    for name, before, after in (
        ("max_steps", old.max_steps, new.max_steps),
        ("max_cost_micro_usd", old.max_cost, new.max_cost),
        ("max_latency_ms", old.max_latency, new.max_latency),
    ):
        if before != after:
            looser = after is None or (before is not None and after > before)
            kind = PolicyLoosened if looser else PolicyTightened
            yield kind(policy=name, old=_limit(before), new=_limit(after))
    yield from _allowed("allowed_topics", old.allowed_topics, new.allowed_topics)
    yield from _allowed("allowed_tools", old.allowed_tools, new.allowed_tools)


def _allowed(name: str, old: frozenset[str] | None, new: frozenset[str] | None) -> Iterator[Change]:
    """A swap is both: what was added loosens, what was taken away tightens."""
    both = None if old is None or new is None else old | new
    if old != both:
        yield PolicyLoosened(policy=name, old=_listed(old), new=_listed(both))
    if both != new:
        yield PolicyTightened(policy=name, old=_listed(both), new=_listed(new))


def _limit(value: int | None) -> str:
    return "no limit" if value is None else str(value)


def _listed(names: frozenset[str] | None) -> str:
    return "any" if names is None else ", ".join(sorted(names)) or "none"


def _entries(old: CanonicalJson, new: CanonicalJson) -> Iterator[_Entry]:
    """What differs in two objects: name, before, after; an entry that is absent is None."""
    yield from _differences("", parse_object(old), parse_object(new))


def _differences(path: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[_Entry]:
    for key in sorted({*old, *new}):
        name = f"{path}.{key}" if path else key
        before, after = old.get(key), new.get(key)
        if key in old and key in new and isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(name, before, after)
        else:
            was = canonical(before) if key in old else None
            now = canonical(after) if key in new else None
            if was != now:
                yield _Entry(name, was, now)


def _settings(within: str, old: CanonicalJson, new: CanonicalJson) -> Iterator[Change]:
    for name, before, after in _entries(old, new):
        yield SettingChanged(within=within, name=name, old=before, new=after)


def _sub_agents(old: Iterable[SubAgent], new: Iterable[SubAgent]) -> Iterator[Change]:
    before, after = {agent.name: agent for agent in old}, {agent.name: agent for agent in new}
    for name in sorted(before | after):
        if name not in after:
            yield SubAgentRemoved(name=name)
        elif name not in before:
            effects = [tool.effect for tool in after[name].tools]
            yield SubAgentAdded(name=name, effect=max(effects, key=lambda effect: effect.reach, default=None))
        else:
            was, now = before[name], after[name]
            yield from _text(name, "description", was.description, now.description)
            yield from _prompts(name, was.prompt, now.prompt)
            yield from _models(name, was.model, now.model)
            yield from _tools(name, was.tools, now.tools)
            yield from _settings(name, was.settings, now.settings)
