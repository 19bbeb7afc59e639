"""Tools used in a way that needs no judge to be wrong. Equal runs under equal rules give equal findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from ..artifact.version import AgentVersion, Effect
from .call_keys import arguments_key
from .text_evaluators import Problem
from .trace import TracedCall, TracedResult

__all__ = ["Denial", "Misuse", "MisuseKind", "ToolRules", "misuses", "tool_rules"]

Denial = Callable[[TracedCall], str | None]
"""Why a policy does not let a call pass; None where it does."""

_SHOWN: Final = 160


class MisuseKind(StrEnum):
    """What is wrong with a call, or with there being none."""

    FORBIDDEN_TOOL = "forbidden_tool"
    """The version or the trace does not allow it."""

    UNKNOWN_TOOL = "unknown_tool"
    """The version declares no such tool: a hallucinated name."""

    BAD_ARGUMENTS = "bad_arguments"
    """They fail the tool's JSON Schema."""

    MISSING_READ = "missing_read"
    """A write before the read that it requires."""

    DUPLICATE_WRITE = "duplicate_write"
    """The same write twice, where the first one had succeeded."""

    LOOP = "loop"
    """The same call more often than anybody needs."""

    DENIED_ARGUMENTS = "denied_arguments"
    """A policy does not let these arguments pass."""

    AFTER_FINAL = "after_final"
    """A call after the final answer."""

    MISSING_CALL = "missing_call"
    """A required call was not made."""


class Misuse(NamedTuple):
    """One finding."""

    kind: MisuseKind
    tool: str
    place: int | None = None
    """Position of the call; None if the finding is that a call is missing."""

    said: str = ""

    def __str__(self) -> str:
        where = "" if self.place is None else f" #{self.place + 1}"
        return f"{self.kind}: {self.tool}{where}{f' ({self.said})' if self.said else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """What may be called, and how. What is None or empty is not held against anybody."""

    known: frozenset[str] | None = None
    """Tools there are; None where the version declares none, which says nothing about names."""

    allowed: frozenset[str] | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    problems: Mapping[str, Problem] = field(default_factory=dict[str, Problem])
    """By tool: what is wrong with arguments, by the tool's schema."""

    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By tool: those that must have succeeded before it."""

    required: tuple[str, ...] = ()
    """Tools that every run has to call."""

    denied: Mapping[str, Denial] = field(default_factory=dict[str, Denial])
    ignored: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By tool: arguments that make no difference between calls, such as a request id."""

    most_alike: int = 3
    """How often the same call may be made before it is a loop."""


_NO_RULES: Final = ToolRules()


def tool_rules(version: AgentVersion, *, problems: Mapping[str, Problem] | None = None) -> ToolRules:
    """The rules that follow from a version's tools and policies. Empty without tools, but for `allowed_tools`."""
    tools = [*version.tools, *(tool for agent in version.sub_agents for tool in agent.tools)]
    return ToolRules(
        known=frozenset(tool.name for tool in tools) or None,
        allowed=version.policies.allowed_tools,
        effects={tool.name: tool.effect for tool in tools},
        problems=problems or {},
    )


def misuses(
    calls: Sequence[TracedCall],
    results: Sequence[TracedResult] = (),
    rules: ToolRules = _NO_RULES,
    *,
    allowed: Sequence[str] | None = None,
    final_at: int | None = None,
    missing: Sequence[str] = (),
) -> tuple[Misuse, ...]:
    """
    Everything that is wrong with the calls of one run, by position; what is missing comes last.

    `allowed` are the tools that the trace itself allows, `final_at` the number of calls before the final answer, and
    `missing` further calls that the run owed (recorded writes of a successful run that nobody made).
    """
    allowances = [
        names for names in (rules.allowed, None if allowed is None else frozenset(allowed)) if names is not None
    ]
    found: list[Misuse] = []
    seen = _Seen()
    for place, call in enumerate(calls):
        result = results[place] if place < len(results) else None
        found += _by_name(place, call, rules, allowances)
        found += _by_arguments(place, call, rules)
        found += seen.judge(place, call, result, rules)
        if final_at is not None and place >= final_at:
            found.append(Misuse(MisuseKind.AFTER_FINAL, call.name, place))
    owed = [name for name in rules.required if name not in seen.succeeded]
    return (*found, *(Misuse(MisuseKind.MISSING_CALL, name) for name in dict.fromkeys((*owed, *missing))))


def _by_name(place: int, call: TracedCall, rules: ToolRules, allowances: list[frozenset[str]]) -> list[Misuse]:
    """A wrong name is reported once: a tool that does not exist is not also forbidden."""
    if rules.known is not None and call.name not in rules.known:
        return [Misuse(MisuseKind.UNKNOWN_TOOL, call.name, place)]
    if any(call.name not in names for names in allowances):
        return [Misuse(MisuseKind.FORBIDDEN_TOOL, call.name, place)]
    return []


def _by_arguments(place: int, call: TracedCall, rules: ToolRules) -> list[Misuse]:
    found: list[Misuse] = []
    problem_of = rules.problems.get(call.name)
    if problem_of is not None and (problem := problem_of(dict(call.args))) is not None:
        found.append(Misuse(MisuseKind.BAD_ARGUMENTS, call.name, place, problem[:_SHOWN]))
    denied = rules.denied.get(call.name)
    if denied is not None and (why := denied(call)) is not None:
        found.append(Misuse(MisuseKind.DENIED_ARGUMENTS, call.name, place, why[:_SHOWN]))
    return found


class _Seen:
    """The calls so far."""

    def __init__(self) -> None:
        self.succeeded: set[str] = set()
        self._made: Counter[Hashable] = Counter()
        self._written: set[Hashable] = set()

    def judge(self, place: int, call: TracedCall, result: TracedResult | None, rules: ToolRules) -> list[Misuse]:
        """What is wrong with a call because of those before it."""
        found: list[Misuse] = []
        ignored = rules.ignored.get(call.name, frozenset[str]())
        key = (call.name, arguments_key({name: arg for name, arg in call.args.items() if name not in ignored}))
        needed = [name for name in rules.requires.get(call.name, ()) if name not in self.succeeded]
        if needed:
            found.append(Misuse(MisuseKind.MISSING_READ, call.name, place, f"before {', '.join(needed)}"))
        if key in self._written:
            found.append(Misuse(MisuseKind.DUPLICATE_WRITE, call.name, place))
        self._made[key] += 1
        if self._made[key] == rules.most_alike + 1:  # once a loop, not once a turn of it
            found.append(Misuse(MisuseKind.LOOP, call.name, place, f"the same call more than {rules.most_alike} times"))
        if result is None or result.success is not False:
            self.succeeded.add(call.name)
            if _repeats_harm(call, rules):
                self._written.add(key)
        return found


def _repeats_harm(call: TracedCall, rules: ToolRules) -> bool:
    """Whether doing it twice is worse than once. A tool of which nobody said what it does accuses nobody."""
    effect = rules.effects.get(call.name)
    said = effect.value if effect is not None else call.effect
    return said in (Effect.WRITE.value, Effect.EXTERNAL.value)
