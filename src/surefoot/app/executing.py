"""How versions are run that no program has registered a function for: by the executor or the function they name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from ..adapters.executors import executor_for
from ..adapters.executors.python import function_named
from ..client.direct import FunctionExecutor, called
from ..client.functions import check_shape
from ..client.run import Run
from ..core.artifact.version import AgentVersion, ExecutorKind
from ..core.units import Digest
from ..errors import UsageError
from ..ports.executor import Answer, Executor

__all__ = ["Pieces", "Whole", "executed", "executor_of", "function_of"]

Whole: TypeAlias = Callable[[AgentVersion, object, Run], Awaitable[object]]
Pieces: TypeAlias = Callable[[AgentVersion, object, Run], AsyncIterator[str]]


def executor_of(version: AgentVersion, project: Path) -> Executor:
    """
    What runs a version outside of traffic. A Python function's tools run as it calls them.

    Raises UsageError and ArtifactError for a function that is not named, not there, or not of the right shape.
    """
    if version.executor.kind is ExecutorKind.PYTHON:
        return FunctionExecutor(function_of(version, project))
    return executor_for(version, project=project)


def function_of(version: AgentVersion, project: Path) -> Callable[..., object]:
    """
    The function a version's file names, of the shape that `@agent.runs` takes: `function(version, request, ctx)`.

    What `@agent.runs` made of one is as good. Raises UsageError and ArtifactError.
    """
    named = version.executor.setting("callable")
    who = f"{version.agent} {version.label}"
    if not isinstance(named, str):
        raise UsageError(
            f"{who} runs as a Python function, none is registered here, and its file does not say which",
            hint="write executor: {kind: python, callable: package.module:function}",
        )
    found = function_named(named, project, who=f"the callable of {who}")
    function: Callable[..., object] = getattr(found, "function", found)
    check_shape(function)
    return function


def executed(project: Path) -> tuple[Whole, Pieces]:
    """Two functions for an agent, one that answers whole and one in pieces. Executors are made once a version."""
    executors: dict[Digest, Executor] = {}

    def executor(version: AgentVersion) -> Executor:
        found = executors.get(version.digest)
        if found is None:
            found = executors[version.digest] = executor_for(version, project=project)
        return found

    async def whole(version: AgentVersion, request: object, ctx: Run) -> object:
        if version.executor.kind is ExecutorKind.PYTHON:  # with this run: in a shadow its tools must not act
            output = await called(function_of(version, project), version, request, ctx)
            if not isinstance(output, Answer):
                return output
            answer = output
        else:
            answer = await executor(version).run(version, request, key=ctx.run_id)
        ctx.answered(answer)
        return answer.output

    async def pieces(version: AgentVersion, request: object, ctx: Run) -> AsyncIterator[str]:
        if version.executor.kind is ExecutorKind.PYTHON:
            output = await whole(version, request, ctx)
            if isinstance(output, str):
                yield output
            return
        async for piece in executor(version).stream(version, request, key=ctx.run_id):
            if isinstance(piece, Answer):
                ctx.answered(piece)
            else:
                yield piece

    return whole, pieces
