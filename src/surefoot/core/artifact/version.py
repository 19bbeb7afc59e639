"""An agent version: prompt, model, tools, policies and executor as one immutable, content-addressed artifact.

Two versions with equal digests are the same agent; whatever changes what the agent may say or do changes its digest.
The label is for people and the role tells how the model was chosen: neither is part of the identity.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ...errors import ArtifactError
from ..units import AgentName, Digest, MicroUsd, Millis
from .canonical import EMPTY, LARGEST_INTEGER, CanonicalJson, Json, canonical, parse_object

__all__ = [
    "CONTENT_FORMAT",
    "AgentVersion",
    "Effect",
    "ExecutorKind",
    "ExecutorRef",
    "ModelRef",
    "Policies",
    "Prompt",
    "PromptFile",
    "SubAgent",
    "ToolSpec",
    "content",
    "normal_text",
]

CONTENT_FORMAT: Final = "surefoot/agent-version/1"
"""Written into the hashed content. A field added later is hashed only where it is used, so old digests stay."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,127}")
"""What a tool or a sub-agent may be called: ASCII, so that two names never look alike and differ."""

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
"""What an agent or a label may be called: the same, and it is the name of a folder or a file."""


def normal_text(text: str) -> str:
    """Text with Unix line ends and none at its end: the same for a quoted string, a block, a file, on any system.

    Readers of files apply it before a version is made, so what is hashed is exactly what is sent to the model. Unicode
    is left alone: é as one and as two code points are different tokens to a model.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


class Effect(StrEnum):
    """What calling a tool does to the world. Shadow runs execute reads only."""

    READ = "read"
    """Changes nothing."""

    IDEMPOTENT_WRITE = "idempotent_write"
    """Changes something of ours; doing it twice is doing it once."""

    WRITE = "write"
    """Changes something of ours, each time. What a tool does that declares nothing."""

    EXTERNAL = "external"
    """Reaches somebody else (mail, payment, shell, another company's system) and cannot be taken back."""

    @property
    def is_safe(self) -> bool:
        """Whether it may run where nothing may happen."""
        return self is Effect.READ

    @property
    def reach(self) -> int:
        """How far it goes: 0 for a read up to 3 for an external effect."""
        return tuple(Effect).index(self)


class ExecutorKind(StrEnum):
    """Who runs the version."""

    PYTHON = "python"
    """The user's own callable."""

    OPENAI = "openai"
    """Any endpoint that speaks the OpenAI protocol."""

    TAPE = "tape"
    """Answers from recorded traces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorRef:
    """How a version is run."""

    kind: ExecutorKind = ExecutorKind.PYTHON
    settings: CanonicalJson = EMPTY
    """An object. For `openai`: base_url, api_key_env, ...; for `tape`: path; for `python` what the callable reads."""

    def __post_init__(self) -> None:
        parse_object(self.settings)

    def setting(self, name: str) -> Json:
        """One setting, or None where it is not written."""
        return parse_object(self.settings).get(name)

    @property
    def says_how(self) -> bool:
        """Whether a version can be run by what its file says, without a function that a program registers."""
        return self.kind is not ExecutorKind.PYTHON or self.setting("callable") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A pinned model. `name` is what the provider serves."""

    provider: str
    name: str
    parameters: CanonicalJson = EMPTY
    """An object: temperature, max_tokens, seed, ... as the provider calls them."""

    may_move: bool = False
    """The author accepts that the provider may serve another model under this name tomorrow (`...-latest`)."""

    role: str = field(default="", compare=False)
    """The role this model was chosen for, or empty. Not part of the identity: the pinned model is."""

    def __post_init__(self) -> None:
        if not self.provider or not self.name:
            raise ArtifactError("a model needs a provider and a name", hint="write provider/name")
        parse_object(self.parameters)

    @property
    def id(self) -> str:
        """`provider/name`."""
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """A text that the prompt takes from a file of its own."""

    name: str
    """Path inside the project, with forward slashes."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is told before the conversation starts."""

    system: str = ""
    instructions: str = ""
    files: tuple[PromptFile, ...] = ()
    """In the order in which the model reads them."""

    def __post_init__(self) -> None:
        _distinct("prompt file", [file.name for file in self.files])

    @property
    def text(self) -> str:
        """The whole prompt: system, instructions, files, with an empty line between them."""
        parts = (self.system, self.instructions, *(file.text for file in self.files))
        return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool, or a server of tools, that the agent may call."""

    name: str
    description: str = ""
    """What the model reads to decide whether to call it."""

    arguments: CanonicalJson = EMPTY
    """JSON Schema of the arguments, an object."""

    effect: Effect = Effect.WRITE
    source: CanonicalJson = EMPTY
    """Where the tool comes from (a server, a command, its version): an object that is compared but not read."""

    def __post_init__(self) -> None:
        _named("tool", self.name)
        parse_object(self.arguments)
        parse_object(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Hard limits that travel with the version, so that a rollback restores them too. None is no limit."""

    max_steps: int | None = None
    """Model calls in one run."""

    max_cost: MicroUsd | None = None
    """Micro-dollars in one run."""

    max_latency: Millis | None = None
    """Milliseconds from request to answer."""

    allowed_topics: frozenset[str] | None = None
    """What the agent may talk about; empty is nothing."""

    allowed_tools: frozenset[str] | None = None
    """Which of its tools the agent may call; empty is none."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("max_steps", self.max_steps, 1),
            ("max_cost", self.max_cost, 0),
            ("max_latency", self.max_latency, 1),
        ):
            if value is not None and not least <= value <= LARGEST_INTEGER:
                raise ArtifactError(f"{name} of {value} is no limit", hint=f"use at least {least}, or leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgent:
    """An agent inside the agent, to whom it hands work. It changes with the version and never on its own."""

    name: str
    description: str = ""
    """What the other agents read to decide whether to hand over to it."""

    model: ModelRef
    prompt: Prompt
    tools: tuple[ToolSpec, ...] = ()
    """In the order of their names, whatever order they were given in."""

    settings: CanonicalJson = EMPTY
    """What the executor is told besides: an object that Surefoot compares but does not read."""

    def __post_init__(self) -> None:
        _named("sub-agent", self.name)
        parse_object(self.settings)
        object.__setattr__(self, "tools", _by_name(self.tools))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """One thing that can be served, compared and rolled back to."""

    agent: AgentName
    label: str = field(compare=False)
    """For people ("v1.3.3"). Not part of the identity."""

    model: ModelRef
    prompt: Prompt
    tools: tuple[ToolSpec, ...] = ()
    """In the order of their names, whatever order they were given in: the model always sees them in that order."""

    policies: Policies = Policies()
    executor: ExecutorRef = ExecutorRef()
    sub_agents: tuple[SubAgent, ...] = ()
    """In the order of their names."""

    digest: Digest = field(init=False, compare=False)
    """`sha256:` and the SHA-256 of the canonical content: equal for equal behaviour, whatever the label."""

    def __post_init__(self) -> None:
        _named("agent", self.agent, _FILE_NAME)
        _named("label", self.label, _FILE_NAME)
        object.__setattr__(self, "tools", _by_name(self.tools))
        _distinct("sub-agent", [agent.name for agent in self.sub_agents])
        object.__setattr__(self, "sub_agents", tuple(sorted(self.sub_agents, key=lambda agent: agent.name)))
        text = canonical(content(self))
        object.__setattr__(self, "digest", Digest("sha256:" + hashlib.sha256(text.encode()).hexdigest()))

    def tool(self, name: str) -> ToolSpec | None:
        """The tool of that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)


def content(version: AgentVersion) -> dict[str, Json]:
    """All that makes the version what it is, as JSON: everything but the label and the roles."""
    policies = version.policies
    return {
        "format": CONTENT_FORMAT,
        "agent": version.agent,
        "model": _model(version.model),
        "prompt": _prompt(version.prompt),
        "tools": [_tool(tool) for tool in version.tools],
        "policies": {
            "max_steps": policies.max_steps,
            "max_cost_micro_usd": policies.max_cost,
            "max_latency_ms": policies.max_latency,
            "allowed_topics": None if policies.allowed_topics is None else sorted(policies.allowed_topics),
            "allowed_tools": None if policies.allowed_tools is None else sorted(policies.allowed_tools),
        },
        "executor": {"kind": version.executor.kind.value, "settings": parse_object(version.executor.settings)},
        "sub_agents": [
            {
                "name": agent.name,
                "description": agent.description,
                "model": _model(agent.model),
                "prompt": _prompt(agent.prompt),
                "tools": [_tool(tool) for tool in agent.tools],
                "settings": parse_object(agent.settings),
            }
            for agent in version.sub_agents
        ],
    }


def _model(model: ModelRef) -> Json:
    return {
        "provider": model.provider,
        "name": model.name,
        "parameters": parse_object(model.parameters),
        "may_move": model.may_move,
    }


def _prompt(prompt: Prompt) -> Json:
    return {
        "system": prompt.system,
        "instructions": prompt.instructions,
        "files": [{"name": file.name, "text": file.text} for file in prompt.files],
    }


def _tool(tool: ToolSpec) -> Json:
    return {
        "name": tool.name,
        "description": tool.description,
        "arguments": parse_object(tool.arguments),
        "effect": tool.effect.value,
        "source": parse_object(tool.source),
    }


def _by_name(tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
    _distinct("tool", [tool.name for tool in tools])
    return tuple(sorted(tools, key=lambda tool: tool.name))


def _named(kind: str, name: str, pattern: re.Pattern[str] = _NAME) -> None:
    if not pattern.fullmatch(name):
        raise ArtifactError(
            f"{name!r} cannot name {'an' if kind[0] in 'aeiou' else 'a'} {kind}",
            hint=f"use ASCII letters, digits and _ . {': / @ ' if pattern is _NAME else ''}+ -, at most 128 characters",
        )


def _distinct(kind: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArtifactError(f"two {kind}s are called {twice[0]!r}", hint="give each its own name")
