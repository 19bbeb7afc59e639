"""What an engine's error means: every one that can be known is told in words, with what to do; no other is touched."""

from __future__ import annotations

import errno
import inspect
import sqlite3
from contextlib import closing

import asyncpg
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import AlreadyExists, StoreUnavailable, UsageError
from surefoot.store.failures import explained, guarded

STORE = "sqlite:///orders.db"


def sqlite_error(name, words="it failed", kind=sqlite3.OperationalError):
    """An error as SQLite raises it."""
    error = kind(words)
    error.sqlite_errorname = name
    return error


class PostgresSaid(Exception):
    """An error as PostgreSQL sends it."""

    def __init__(self, sqlstate, words="it failed"):
        super().__init__(words)
        self.sqlstate = sqlstate


def raised(kind, play):
    """The error that a real database raises."""
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(kind) as found:
        play(connection)
    return found.value


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("SQLITE_BUSY", "is locked"),
        ("SQLITE_BUSY_SNAPSHOT", "is locked"),
        ("SQLITE_LOCKED_SHAREDCACHE", "is locked"),
        ("SQLITE_READONLY", "cannot be written"),
        ("SQLITE_READONLY_DBMOVED", "cannot be written"),
        ("SQLITE_PERM", "cannot be opened"),
        ("SQLITE_AUTH", "cannot be opened"),
        ("SQLITE_CANTOPEN_ISDIR", "cannot be opened"),
        ("SQLITE_FULL", "is full"),
        ("SQLITE_IOERR_WRITE", "cannot be read or written"),
        ("SQLITE_NOTADB", "is no database"),
        ("SQLITE_CORRUPT_INDEX", "is damaged"),
        ("SQLITE_ERROR", "does not fit"),
        ("SQLITE_CONSTRAINT_UNIQUE", "failed (SQLITE_CONSTRAINT_UNIQUE)"),
        ("SQLITE_BUSYBODY", "failed (SQLITE_BUSYBODY)"),
    ],
)
def test_what_sqlite_says(name, what):
    """Each result code in words, its further kinds like itself; one that nobody knows is named."""
    found = explained(STORE, sqlite_error(name))
    assert isinstance(found, StoreUnavailable)
    assert found.message == f"the store {STORE} {what}: it failed"
    assert found.hint


def test_what_a_real_database_raises():
    """A statement that does not fit the tables, a closed connection and a file that is none."""
    assert "does not fit" in explained(STORE, raised(sqlite3.OperationalError, lambda c: c.execute("select x"))).message

    def closed(connection):
        connection.close()
        connection.execute("select 1")

    assert explained(STORE, raised(sqlite3.ProgrammingError, closed)).message == f"the store {STORE} is closed"


def test_a_mistake_of_ours_is_no_failure_of_the_store():
    """Too few values for a statement is a bug, and a bug is not told as a store that is away."""
    error = raised(sqlite3.ProgrammingError, lambda connection: connection.execute("select ?", ()))
    assert explained(STORE, error) is None


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ("08006", "cannot be reached"),
        ("57P01", "is shutting down or starting"),
        ("57014", "cancelled the statement"),
        ("53300", "is out of space, memory or connections"),
        ("25006", "is read-only"),
        ("28P01", "refused this user"),
        ("3D000", "does not exist"),
        ("42501", "does not allow this"),
        ("42P01", "does not fit"),
        ("40001", "was written by others at the same time"),
        ("55P03", "is locked"),
        ("XX000", "failed (XX000)"),
        ("25001", "failed (25001)"),
    ],
)
def test_what_postgres_says(state, what):
    """By the beginning of its code, the longer one first; one that nobody knows is named."""
    found = explained(STORE, PostgresSaid(state))
    assert isinstance(found, StoreUnavailable)
    assert found.message == f"the store {STORE} {what}: it failed"
    assert found.hint


@pytest.mark.parametrize("state", ["22021", "22P05"])
def test_a_null_character_is_the_callers_mistake(state):
    """It is not the store that failed, and waiting will not help."""
    assert isinstance(explained(STORE, PostgresSaid(state)), UsageError)


def test_every_error_of_the_driver_is_explained():
    """None that asyncpg knows arrives as itself: whoever uses a store never sees which engine it has."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
        if issubclass(kind, asyncpg.PostgresError)
    ]
    assert len(kinds) > 200
    for kind in kinds:
        found = explained(STORE, kind("it failed"))
        assert isinstance(found, StoreUnavailable | UsageError), kind
        assert found.hint


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (PermissionError(errno.EACCES, "denied"), "cannot be written"),
        (OSError(errno.EROFS, "read-only"), "cannot be written"),
        (OSError(errno.ENOSPC, "no space"), "is full"),
        (OSError(errno.EDQUOT, "quota"), "is full"),
        (OSError(errno.EIO, "i/o"), "cannot be read or written"),
        (NotADirectoryError(errno.ENOTDIR, "no folder"), "cannot be opened"),
        (IsADirectoryError(errno.EISDIR, "a folder"), "cannot be opened"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "cannot be reached"),
        (TimeoutError(), "cannot be reached"),
        (asyncpg.InterfaceError("connection is closed"), "cannot be reached"),
        (sqlalchemy.exc.TimeoutError("no connection left"), "cannot be reached"),
    ],
    ids=repr,
)
def test_what_the_system_and_the_drivers_say(error, what):
    """A disk is told from a network, and whatever else they raise means that nobody answers."""
    found = explained(STORE, error)
    assert isinstance(found, StoreUnavailable)
    assert found.message.startswith(f"the store {STORE} {what}: ")


def wrapped(inner):
    """As SQLAlchemy hands it on."""
    return sqlalchemy.exc.OperationalError("select 1", {}, inner)


def caused(inner):
    """As `raise ... from` does."""
    outer = RuntimeError("it did not work")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "around", [wrapped, caused, lambda inner: caused(wrapped(inner)), lambda one: wrapped(caused(one))]
)
@pytest.mark.parametrize(
    ("inner", "what"),
    [
        (sqlite_error("SQLITE_FULL", "disk full"), "is full: disk full"),
        (PostgresSaid("53100", "disk full"), "is out of space, memory or connections: disk full"),
        (OSError(errno.ENOSPC, "disk full"), "is full: [Errno 28] disk full"),
    ],
    ids=["sqlite", "postgres", "system"],
)
def test_the_engines_own_error_is_below_those_around_it(around, inner, what):
    """However often it was wrapped, it is the first cause that is told."""
    assert explained(STORE, around(inner)).message == f"the store {STORE} {what}"


def test_errors_that_caused_each_other_end():
    """A circle of causes is gone round once."""
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert explained(STORE, one) is None


def test_half_a_character_is_the_callers_mistake():
    """What cannot be written as UTF-8 is told as a text that is broken, from wherever it comes."""
    with pytest.raises(UnicodeEncodeError) as found:
        "\ud800".encode()
    for error in (found.value, wrapped(found.value), caused(found.value)):
        assert isinstance(explained(STORE, error), UsageError)


@given(st.text())
def test_an_error_is_told_in_one_line(words):
    """Its first line, and its kind if it has none."""
    for error in (sqlite_error("SQLITE_FULL", words), PostgresSaid("53100", words), OSError(words)):
        assert len(explained(STORE, error).message.splitlines()) == 1
    assert explained(STORE, PostgresSaid("53100", "")).message.endswith(": PostgresSaid")


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("x"), RuntimeError("bug"), PostgresSaid("none"), KeyboardInterrupt()], ids=repr
)
def test_what_is_no_engines_passes_as_it_is(error):
    """A bug keeps its name and its trace."""
    assert explained(STORE, error) is None
    with pytest.raises(type(error)) as found, guarded(STORE):
        raise error
    assert found.value is error


def test_an_engines_error_arrives_as_ours_with_its_cause():
    """What happened below is still there for whoever has to look."""
    inner = sqlite_error("SQLITE_BUSY")
    with pytest.raises(StoreUnavailable, match="is locked") as found, guarded(STORE):
        raise inner
    assert found.value.__cause__ is inner


def test_an_error_of_ours_is_not_explained_again():
    """It says already what it means, whatever caused it."""
    ours = AlreadyExists("there is one", hint="take it")
    ours.__cause__ = sqlite_error("SQLITE_BUSY")
    with pytest.raises(AlreadyExists) as found, guarded(STORE):
        raise ours
    assert found.value is ours


def test_where_nothing_goes_wrong_nothing_happens():
    """The guard is not noticed."""
    with guarded(STORE):
        done = True
    assert done
