"""PostgreSQL's wire: one connection of asyncpg, as much of it as is used here. asyncpg is an extra and has no types."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, cast

from ..errors import SettingsError
from ..ports.address import parts_of

__all__ = ["CONNECT_SECONDS", "PATIENCE_SECONDS", "Wire", "connect", "masked"]

CONNECT_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 10.0
"""How long one statement may take."""


class Wire(Protocol):
    """A connection. Raises what asyncpg raises; `failures` explains it."""

    async def execute(self, query: str, *args: object) -> str: ...

    async def fetch(self, query: str, *args: object) -> Sequence[Sequence[Any]]: ...

    def transaction(self, *, isolation: str = ..., readonly: bool = ...) -> AbstractAsyncContextManager[None]: ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...

    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...

    def is_closed(self) -> bool: ...

    async def close(self, *, timeout: float | None = None) -> None: ...  # noqa: ASYNC109 - asyncpg's own parameter

    def terminate(self) -> None: ...


async def connect(url: str, *, name: str = "surefoot", patience: float = PATIENCE_SECONDS) -> Wire:
    """
    One connection. `url` is what libpq understands: postgresql://user:password@host:port/database?host=...
    `name` is what the server's administrator sees.

    Raises SettingsError if asyncpg is not installed, and what asyncpg raises if the server does not answer.
    """
    try:
        asyncpg: Any = importlib.import_module("asyncpg")
    except ImportError:
        raise SettingsError(
            "PostgreSQL needs asyncpg, which is not installed", hint="pip install 'surefoot[postgres]'"
        ) from None
    connection = await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, command_timeout=patience, server_settings={"application_name": name}
    )
    return cast("Wire", connection)


def masked(url: str) -> str:
    """The address without its password and its options, for messages. Raises SettingsError if it cannot be read."""
    return parts_of(url).shown
