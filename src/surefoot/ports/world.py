"""A stateful stand-in for everything an agent's tools reach, supplied by whoever replays in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from ..core.proof.trace import Trace

__all__ = ["World", "WorldFactory"]


class World(Protocol):
    """
    One world, made afresh for one run and thrown away.

    Duties: nothing in it reaches anything outside of this process; equal calls in equal order leave equal states.
    """

    def call(self, name: str, arguments: Mapping[str, object], /) -> object:
        """The result of a tool. Raises whatever a failing tool raises; a tool that is not there raises too."""
        ...

    def state(self) -> object:
        """All that a run could have changed, as JSON. Compared at the end; what may differ is left out."""
        ...


WorldFactory: TypeAlias = Callable[[Trace], World]
"""Makes the world as it was when the recorded run began."""
