"""One thing an agent is asked to prove: a request, and what is known about a good answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .trace import TracedCall

__all__ = ["Case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    A case of a suite, of a replay or of an attack: they differ in where the request comes from and in what judges it.

    What is not known is None, and an evaluator that needs it skips the case with a reason; it never guesses.
    """

    id: str
    """Stable between runs: two versions, and a baseline, are compared case by case."""

    request: object
    expected: object = None
    """A reference answer."""

    expected_calls: tuple[TracedCall, ...] | None = None
    """The tool calls of a reference run."""

    allowed_tools: tuple[str, ...] | None = None
    context: str | None = None
    """What the answer has to be grounded in, where it is not what the tools returned."""

    tags: tuple[str, ...] = ()
    """`smoke`, `category:violence`, ...: what the case may be chosen or grouped by."""

    criteria: Mapping[str, object] = field(default_factory=dict[str, object])
    """Further things single evaluators read, by their names."""
