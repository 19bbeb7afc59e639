"""Which exceptions say that something took too long."""

from __future__ import annotations

from typing import Final

__all__ = ["is_timeout"]

_NAMES: Final = ("Timeout", "TimeoutError", "TimeoutException")


def is_timeout(error: type[BaseException]) -> bool:
    """
    A TimeoutError; or one of those that HTTP and model clients have instead, told by the end of its name or a base's:
    `httpx.ReadTimeout`, `requests.Timeout`, `openai.APITimeoutError`, ... Both arms are told alike, so no name favours
    either of them.
    """
    return issubclass(error, TimeoutError) or any(kind.__name__.endswith(_NAMES) for kind in error.__mro__)
