"""What one worker needs to replay: rules, tapes, the user's functions and worlds. Made once a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..adapters.distributed.isolation import Isolation
from ..adapters.executors import executor_for
from ..adapters.executors.python import function_named
from ..adapters.traces import read_traces
from ..config.tool_rules import RulesFile, load_tool_rules
from ..config.validators import argument_problems
from ..core.artifact.version import AgentVersion, ExecutorKind
from ..core.proof.misuse import ToolRules, tool_rules
from ..core.proof.replay import Level, Limits
from ..core.proof.tape import MissedWrite, Pool, TapeRules, tape_rules
from ..core.proof.text_evaluators import Problem
from ..core.protection.redaction import Redactor
from ..errors import UsageError
from ..ports.executor import Executor
from ..ports.world import WorldFactory
from .executing import function_of

__all__ = ["Parts", "ReplaySpec", "parts_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySpec:
    """How to replay. Travels to every worker."""

    root: Path
    level: Level
    limits: Limits = Limits()  # noqa: RUF009  # a frozen value
    rules: Path | None = None
    world: str | None = None
    """`module:factory`."""

    pool: Path | None = None
    """A trace file whose reads may stand in."""

    missed_write: MissedWrite = MissedWrite.STOP
    redaction_key: bytes | None = None
    """Arguments are redacted before they are compared; empty is without a key, None is not at all."""

    allowed: Isolation = Isolation()  # noqa: RUF009  # a frozen value
    """What workers may see and reach beyond what the versions and the project say."""


class Parts(NamedTuple):
    """All it takes to replay one version."""

    tape: TapeRules
    tools: ToolRules
    pool: Pool | None
    executor: Executor | None
    function: Callable[..., object] | None
    world: WorldFactory | None


@lru_cache(maxsize=8)
def parts_of(spec: ReplaySpec, version: AgentVersion) -> Parts:
    """Raises UsageError and ArtifactError for what cannot be replayed at this level."""
    kind = version.executor.kind
    _refuse_level(spec.level, version)
    tools = [*version.tools, *(tool for agent in version.sub_agents for tool in agent.tools)]
    problems: Mapping[str, Problem] = argument_problems(version) if tools else {}
    rules = RulesFile() if spec.rules is None else load_tool_rules(spec.rules)
    runs = spec.level is not Level.POLICY
    return Parts(
        tape=replace(
            tape_rules(version, problems=problems),
            ignored=rules.ignored,
            missed_write=spec.missed_write,
            redact=None if spec.redaction_key is None else _redacting(spec.redaction_key),
        ),
        tools=replace(
            tool_rules(version, problems=problems),
            requires=rules.requires,
            denied=rules.denied,
            required=rules.required,
            ignored=rules.ignored,
            most_alike=rules.most_alike,
        ),
        pool=None if spec.pool is None else Pool(read_traces(spec.pool)),
        executor=executor_for(version, project=spec.root) if runs and kind is ExecutorKind.OPENAI else None,
        function=function_of(version, spec.root) if runs and kind is ExecutorKind.PYTHON else None,
        world=function_named(spec.world, spec.root, who="the world")
        if spec.level is Level.WORLD and spec.world
        else None,
    )


def _redacting(key: bytes) -> Callable[[object], object]:
    redactor = Redactor(key=key)

    def redact(value: object) -> object:
        return redactor.value(value).value

    return redact


def _refuse_level(level: Level, version: AgentVersion) -> None:
    kind, who = version.executor.kind, f"{version.agent} {version.label}"
    if level is Level.STEP and kind is not ExecutorKind.OPENAI:
        raise UsageError(
            f"{who} runs as {kind}, and only a model can be asked for its next action alone",
            hint="use --level run, or give the version an executor of kind openai",
        )
