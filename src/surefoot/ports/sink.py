"""Where a recorder ships its deltas."""

from __future__ import annotations

from typing import Protocol

from ..core.evidence.tally import Delta

__all__ = ["ClosingSink", "Sink"]


class Sink(Protocol):
    """Called from the recorder's own thread, never from a request."""

    def absorb(self, delta: Delta) -> bool:
        """Apply a delta once. False: it was already there. Raises StoreUnavailable, and the recorder tries again."""
        ...

    def applied(self, source: str) -> int:
        """The last sequence applied for a source; 0 for an unknown one."""
        ...


class ClosingSink(Sink, Protocol):
    """A sink that holds something open."""

    def close(self) -> None:
        """Let go of it. Idempotent."""
        ...
