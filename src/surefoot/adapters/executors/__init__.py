"""How versions are run that are not a Python function: one module a kind, found by the kind's name."""

from __future__ import annotations

from pathlib import Path

from ...core.artifact.version import AgentVersion, ExecutorKind
from ...errors import UsageError
from ...ports.executor import Executor

__all__ = ["executor_for"]


def executor_for(version: AgentVersion, *, project: Path) -> Executor:
    """
    The executor that a version names; relative paths in its settings are taken from the project's folder.

    Raises UsageError for a version that runs as a Python function: that is no matter of an adapter.
    """
    match version.executor.kind:
        case ExecutorKind.TAPE:
            from .tape import TapeExecutor

            return TapeExecutor(project)
        case ExecutorKind.OPENAI:
            from .openai_compatible import OpenAICompatibleExecutor

            return OpenAICompatibleExecutor()
        case ExecutorKind.PYTHON:
            raise UsageError(
                f"{version.agent} {version.label} runs as a Python function, and none is registered here",
                hint="decorate your function with @agent.runs, or name it: executor: {kind: python, callable: a:b}",
            )
