"""What an engine's error means for the caller, and what to do next. Every one of them has rolled back already."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final

from ..errors import StoreUnavailable, SurefootError, UsageError

__all__ = ["explained", "guarded"]

_SQLITE: Final = {
    "SQLITE_BUSY": ("is locked", "another process holds it for too long; try again, or look for one that hangs"),
    "SQLITE_LOCKED": ("is locked", "another process holds it for too long; try again, or look for one that hangs"),
    "SQLITE_READONLY": ("cannot be written", "make the file and its folder writable for this user"),
    "SQLITE_PERM": ("cannot be opened", "make the file and its folder readable and writable for this user"),
    "SQLITE_AUTH": ("cannot be opened", "make the file and its folder readable and writable for this user"),
    "SQLITE_CANTOPEN": ("cannot be opened", "is the path right, and may this user write to the folder?"),
    "SQLITE_FULL": ("is full", "free some space on the disk, then try again"),
    "SQLITE_IOERR": ("cannot be read or written", "look at the disk; if it is full or failing, nothing was written"),
    "SQLITE_NOTADB": ("is no database", "the path names some other file; correct it or restore a backup"),
    "SQLITE_CORRUPT": ("is damaged", "restore a backup; `PRAGMA integrity_check` says what is wrong"),
    "SQLITE_ERROR": ("does not fit", "migrate it with this release; if that is done, this is a bug"),
}
"""Primary result code of SQLite to what it means and what to do."""

_POSTGRES: Final = (
    ("08", "cannot be reached", "is the server up, and reachable from here?"),
    ("57P", "is shutting down or starting", "try again when the server is up"),
    ("57", "cancelled the statement", "it took too long; look at what the server is doing, then try again"),
    ("53", "is out of space, memory or connections", "free some, or allow more connections; then try again"),
    ("25006", "is read-only", "this is a standby, or the server was set to read only; write to the primary"),
    ("28", "refused this user", "check the user and the password in the address"),
    ("3D", "does not exist", "create the database, or correct its name in the address"),
    ("42501", "does not allow this", "grant this user the rights to its schema"),
    ("42", "does not fit", "migrate it with this release; if that is done, this is a bug"),
    ("40", "was written by others at the same time", "try again"),
    ("55P03", "is locked", "another session holds it for too long; try again, or look for one that hangs"),
)
"""Beginning of a SQLSTATE, first match wins."""

_UNSTORABLE: Final = frozenset({"22021", "22P05"})
_UNREACHABLE: Final = ("cannot be reached", "is the server up, and reachable from here?")
_SYSTEM: Final = {
    errno.EACCES: _SQLITE["SQLITE_READONLY"],
    errno.EPERM: _SQLITE["SQLITE_READONLY"],
    errno.EROFS: _SQLITE["SQLITE_READONLY"],
    errno.ENOSPC: _SQLITE["SQLITE_FULL"],
    errno.EDQUOT: _SQLITE["SQLITE_FULL"],
    errno.EIO: _SQLITE["SQLITE_IOERR"],
    errno.ENOTDIR: _SQLITE["SQLITE_CANTOPEN"],
    errno.EISDIR: _SQLITE["SQLITE_CANTOPEN"],
}
"""Error numbers of the system; any other one means that nobody answers."""


@contextmanager
def guarded(store: str) -> Generator[None]:
    """Whatever an engine raises inside arrives as an error of ours; all others pass as they are."""
    try:
        yield
    except SurefootError:
        raise
    except Exception as error:  # every foreign error is looked at; what is not an engine's is raised again
        if (ours := explained(store, error)) is None:
            raise
        raise ours from error


def explained(store: str, error: BaseException) -> SurefootError | None:
    """What an error means, or None if it does not come from an engine. `store` is its address without the password."""
    for cause in _causes(error):
        if isinstance(cause, UnicodeEncodeError):
            return UsageError("a text with half a character cannot be stored", hint="save the text as UTF-8")
        if isinstance(cause, sqlite3.Error):
            return _of_sqlite(store, cause)
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str) and len(state) == 5:
            return _of_postgres(store, state, cause)
        if isinstance(cause, OSError | TimeoutError) or type(cause).__module__.startswith(("asyncpg", "sqlalchemy")):
            what, hint = _SYSTEM.get(getattr(cause, "errno", None) or 0, _UNREACHABLE)
            return StoreUnavailable(f"the store {store} {what}: {_words(cause)}", hint=hint)
    return None


def _causes(error: BaseException) -> Iterable[BaseException]:
    """The engine's own error is below those that wrap it."""
    chain = [error]
    while (below := getattr(chain[-1], "orig", None) or chain[-1].__cause__) is not None and below not in chain:
        chain.append(below)
    return reversed(chain)


def _of_sqlite(store: str, error: sqlite3.Error) -> SurefootError | None:
    name = getattr(error, "sqlite_errorname", "") or ""
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError) and not name:
        closed = "closed" in str(error)
        return StoreUnavailable(f"the store {store} is closed", hint="open it again") if closed else None
    meaning = next((_SQLITE[code] for code in _SQLITE if name == code or name.startswith(f"{code}_")), None)
    what, hint = meaning or (f"failed ({name})", "nothing was written; try again")
    return StoreUnavailable(f"the store {store} {what}: {_words(error)}", hint=hint)


def _of_postgres(store: str, state: str, error: BaseException) -> SurefootError:
    if state in _UNSTORABLE:
        return UsageError(f"a text cannot be stored: {_words(error)}", hint="take the null characters out of it")
    for beginning, what, hint in _POSTGRES:
        if state.startswith(beginning):
            return StoreUnavailable(f"the store {store} {what}: {_words(error)}", hint=hint)
    return StoreUnavailable(
        f"the store {store} failed ({state}): {_words(error)}", hint="nothing was written; try again"
    )


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
