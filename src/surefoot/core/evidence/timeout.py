"""Which errors say that something took too long."""

from __future__ import annotations

from typing import Final

__all__ = ["names_timeout"]

_ENDINGS: Final = ("Timeout", "TimeoutError", "TimeoutException")


def names_timeout(error: str) -> bool:
    """
    Whether an exception of that name is a timeout: `TimeoutError`, `httpx.ReadTimeout`, `openai.APITimeoutError`, ...

    Both arms are told alike, so no name favours either of them.
    """
    return error.endswith(_ENDINGS)
