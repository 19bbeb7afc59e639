"""What came of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ..core.traffic.route import Reason
from ..core.units import Digest
from ..errors import Killed
from ..ports.executor import ToolCall

__all__ = ["Reply"]

O = TypeVar("O", covariant=True)  # noqa: E741, PLC0105 - one letter, as type variables are


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[O]):
    """The answer and where it came from."""

    output: O
    """What the function returned, as it is; or the fallback, where a kill switch left no version to answer."""

    version: str
    """The label of the version that answered; empty for a fallback."""

    digest: Digest | None
    run_id: str
    """Keep it with the answer: `agent.feedback(run_id, ...)` joins what becomes known later. Empty for a fallback."""

    reason: Reason
    pin: str = ""
    """To be passed with the conversation's next turn, where that may reach another process."""

    tool_calls: tuple[ToolCall, ...] = ()
    killed: Killed | None = None
    """Why the fallback was given."""
