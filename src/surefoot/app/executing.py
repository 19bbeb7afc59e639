"""Agents without a function of their own: each version is run by the executor it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from ..adapters.executors import executor_for
from ..client.run import Run
from ..core.artifact.version import AgentVersion
from ..core.units import Digest
from ..ports.executor import Answer, Executor

__all__ = ["Pieces", "Whole", "executed"]

Whole: TypeAlias = Callable[[AgentVersion, object, Run], Awaitable[object]]
Pieces: TypeAlias = Callable[[AgentVersion, object, Run], AsyncIterator[str]]


def executed(project: Path) -> tuple[Whole, Pieces]:
    """Two functions for an agent, one that answers whole and one in pieces. Executors are made once a version."""
    executors: dict[Digest, Executor] = {}

    def executor(version: AgentVersion) -> Executor:
        found = executors.get(version.digest)
        if found is None:
            found = executors[version.digest] = executor_for(version, project=project)
        return found

    async def whole(version: AgentVersion, request: object, ctx: Run) -> object:
        answer = await executor(version).run(version, request, key=ctx.run_id)
        ctx.answered(answer)
        return answer.output

    async def pieces(version: AgentVersion, request: object, ctx: Run) -> AsyncIterator[str]:
        async for piece in executor(version).stream(version, request, key=ctx.run_id):
            if isinstance(piece, Answer):
                ctx.answered(piece)
            else:
                yield piece

    return whole, pieces
