"""How a version answers a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..errors import ExecutorFailed

__all__ = ["Answer", "Executor", "ToolCall", "Unfinished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool the agent called, and what it got."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])
    result: object = None
    success: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run produced, and what is known of it at once."""

    output: object
    seen: Observation
    tool_calls: tuple[ToolCall, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    """Apart, because they have different prices."""


class Unfinished(ExecutorFailed):
    """A run of several calls, of which a later one failed. What the earlier ones used has been used."""

    def __init__(self, failed: ExecutorFailed, so_far: Answer) -> None:
        super().__init__(
            failed.message,
            hint=failed.hint,
            transient=failed.transient,
            overloaded=failed.overloaded,
            retry_after=failed.retry_after,
        )
        self.so_far = so_far
        """Without an output: what is known of the calls before."""


class Executor(Protocol):
    """One kind of executor, e.g. an OpenAI-compatible endpoint or a tape. Cancelling a call abandons it cleanly."""

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """
        Answer once. `key` is stable per run, so that a retry can be recognised.

        Raises ExecutorFailed when the endpoint does not answer as promised.
        """
        ...

    def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """Pieces of text as they come, the whole `Answer` last."""
        ...
