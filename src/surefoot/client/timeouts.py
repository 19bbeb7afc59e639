"""Which exceptions say that something took too long."""

from __future__ import annotations

from ..core.evidence.timeout import names_timeout

__all__ = ["is_timeout"]


def is_timeout(error: type[BaseException]) -> bool:
    """
    A TimeoutError; or one of those that HTTP and model clients have instead, told by its name or a base's.
    """
    return any(names_timeout(kind.__name__) for kind in error.__mro__)
