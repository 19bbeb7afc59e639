"""One difference between two versions: which part, and how. How much it may hurt is decided in `diff.py`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .canonical import CanonicalJson
from .version import Effect

__all__ = [
    "AgentRenamed",
    "Change",
    "ExecutorChanged",
    "ModelChanged",
    "ParameterChanged",
    "Part",
    "PolicyLoosened",
    "PolicyTightened",
    "PromptChanged",
    "SettingChanged",
    "SubAgentAdded",
    "SubAgentRemoved",
    "ToolAdded",
    "ToolDescriptionChanged",
    "ToolEffectChanged",
    "ToolRemoved",
    "ToolSchemaChanged",
    "ToolSourceChanged",
]


class Part(StrEnum):
    """Which part of a version a change is in."""

    AGENT = "agent"
    MODEL = "model"
    PARAMETERS = "parameters"
    PROMPT = "prompt"
    TOOLS = "tools"
    POLICIES = "policies"
    EXECUTOR = "executor"
    SUB_AGENTS = "sub_agents"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRenamed:
    """The two are versions of different agents."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChanged:
    """Another model answers, or the same one is now (or no longer) allowed to move."""

    within: str
    """The sub-agent it belongs to, or empty for the agent itself. The same in every change below."""

    old: str
    new: str
    may_move: bool
    """Whether the provider may replace the new model under its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChanged:
    """The model is called with another parameter. None is "not given"."""

    within: str
    name: str
    """Path of the entry, such as `commands.commit`."""

    old: CanonicalJson | None
    new: CanonicalJson | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChanged:
    """The model is told something else."""

    within: str
    section: str
    """`system`, `instructions`, `description` (of a sub-agent), `files` (their order) or `files/` and a name."""

    lines: tuple[str, ...]
    """The unified diff, without a header."""

    added: int
    """Lines."""

    removed: int
    """Lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAdded:
    """The agent can do something it could not."""

    within: str
    tool: str
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRemoved:
    """The agent can no longer do something."""

    within: str
    tool: str
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEffectChanged:
    """What calling the tool is said to do to the world."""

    within: str
    tool: str
    old: Effect
    new: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSchemaChanged:
    """The tool takes other arguments."""

    within: str
    tool: str
    effect: Effect
    paths: tuple[str, ...]
    """Where the schemas differ, such as `properties.order_id.type`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDescriptionChanged:
    """The model reads something else about when to call the tool."""

    within: str
    tool: str
    lines: tuple[str, ...]
    """The unified diff, without a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSourceChanged:
    """Another program stands behind the tool."""

    within: str
    tool: str
    effect: Effect
    paths: tuple[str, ...]
    """Where the sources differ, such as `version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLoosened:
    """Something was forbidden and is allowed now."""

    policy: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTightened:
    """Something was allowed and is forbidden now."""

    policy: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorChanged:
    """Somebody else runs the agent."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged:
    """The executor is told something else. None is "not given"."""

    within: str
    name: str
    """Path of the entry, such as `commands.commit`."""

    old: CanonicalJson | None
    new: CanonicalJson | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgentAdded:
    """The agent has somebody new to hand work to."""

    name: str
    effect: Effect | None
    """The farthest-reaching effect of its tools, or None when it has no tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgentRemoved:
    """The agent can no longer hand work to this one."""

    name: str


Change: TypeAlias = (
    AgentRenamed
    | ModelChanged
    | ParameterChanged
    | PromptChanged
    | ToolAdded
    | ToolRemoved
    | ToolEffectChanged
    | ToolSchemaChanged
    | ToolDescriptionChanged
    | ToolSourceChanged
    | PolicyLoosened
    | PolicyTightened
    | ExecutorChanged
    | SettingChanged
    | SubAgentAdded
    | SubAgentRemoved
)
