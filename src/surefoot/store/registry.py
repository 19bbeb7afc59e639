"""An address becomes a store, a feed or a sink. What an address needs is loaded when it is first opened."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote
from weakref import WeakValueDictionary

from ..errors import AlreadyExists, SettingsError, UnknownName
from ..ports.address import parts_of

if TYPE_CHECKING:  # a process that only routes loads what a feed needs, and nothing of the rest
    from ..ports.feed import Feed
    from ..ports.sink import ClosingSink
    from ..ports.store import Store
    from .memory import MemoryStore

__all__ = ["Backend", "open_feed", "open_sink", "open_store", "register"]


class Backend(NamedTuple):
    """Everything behind one scheme. Each takes the whole address; making one touches nothing yet."""

    store: Callable[[str], Store]
    feed: Callable[[str], Feed]
    sink: Callable[[str], ClosingSink]


def open_store(url: str) -> Store:
    """
    The store at an address, for one event loop.

    `sqlite:///surefoot.db` is a file beside the working directory, `sqlite:////var/lib/surefoot.db` one from the root;
    `postgresql://user@host/database`; `memory://name`, shared within the process by its name for as long as somebody
    holds it. Raises UnknownName for another scheme and SettingsError for an address that makes no sense.
    """
    return _backend(url).store(url)


def open_feed(url: str) -> Feed:
    """How routers hear of changes in that store. Raises as `open_store` does."""
    return _backend(url).feed(url)


def open_sink(url: str) -> ClosingSink:
    """Where recorders ship to in that store. Raises as `open_store` does."""
    return _backend(url).sink(url)


def register(scheme: str, backend: Backend) -> None:
    """Add a kind of store. Raises AlreadyExists for a scheme that is taken."""
    if scheme in _BACKENDS:
        raise AlreadyExists(f"store scheme {scheme!r} is taken", hint="choose another name for yours")
    _BACKENDS[scheme] = backend


def _backend(url: str) -> Backend:
    scheme = parts_of(url).scheme
    if scheme not in _BACKENDS:
        raise UnknownName("store scheme", scheme, tuple(_BACKENDS))
    return _BACKENDS[scheme]


def _sqlite_path(url: str) -> Path:
    _, _, rest = url.partition("://")
    path = unquote(rest.removeprefix("/"))
    if not rest.startswith("/") or not path or "?" in rest or "#" in rest:
        raise SettingsError(
            "the store's address names no file",
            hint="three slashes and a path: sqlite:///surefoot.db; ? and # as %3F and %23",
        )
    return Path(path).resolve()  # one file has one doorbell, whatever link leads to it


def _postgres_url(url: str) -> str:
    if find_spec("asyncpg") is None:  # looked for, not loaded: making a store touches nothing yet
        raise SettingsError("PostgreSQL needs asyncpg, which is not installed", hint="pip install 'surefoot[postgres]'")
    if len(parts_of(url).path) < 2:
        raise SettingsError("the store's address names no database", hint="write postgresql://user@host/database")
    return url


def _sqlite_store(url: str) -> Store:
    from .sql import SqlStore
    from .sqlite import SqliteDatabase

    return SqlStore(SqliteDatabase(_sqlite_path(url)))


def _sqlite_feed(url: str) -> Feed:
    from .feeds import SqliteFeed

    return SqliteFeed(_sqlite_path(url))


def _sqlite_sink(url: str) -> ClosingSink:
    from .sinks import SqliteSink

    return SqliteSink(_sqlite_path(url))


def _postgres_store(url: str) -> Store:
    from .postgres import PostgresDatabase
    from .sql import SqlStore

    return SqlStore(PostgresDatabase(_postgres_url(url)))


def _postgres_feed(url: str) -> Feed:
    from .postgres_feed import PostgresFeed

    return PostgresFeed(_postgres_url(url))


def _postgres_sink(url: str) -> ClosingSink:
    from .sinks import PostgresSink

    return PostgresSink(_postgres_url(url))


_MEMORY: Final[WeakValueDictionary[str, MemoryStore]] = WeakValueDictionary()


def _memory_store(url: str) -> MemoryStore:
    from .memory import MemoryStore

    return _MEMORY.setdefault(url, MemoryStore())


def _memory_feed(url: str) -> Feed:
    from .memory import MemoryFeed

    return MemoryFeed(_memory_store(url))


def _memory_sink(url: str) -> ClosingSink:
    from .memory import MemorySink

    return MemorySink(_memory_store(url))


_BACKENDS: Final[dict[str, Backend]] = {
    "memory": Backend(store=_memory_store, feed=_memory_feed, sink=_memory_sink),
    "postgresql": Backend(store=_postgres_store, feed=_postgres_feed, sink=_postgres_sink),
    "sqlite": Backend(store=_sqlite_store, feed=_sqlite_feed, sink=_sqlite_sink),
}
