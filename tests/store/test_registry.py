"""An address is understood or refused, never guessed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import closing

import pytest

from surefoot.errors import AlreadyExists, SettingsError, StoreUnavailable, SurefootError, UnknownName
from surefoot.store import open_feed, open_sink, open_store
from surefoot.store.memory import MemoryFeed, MemorySink, MemoryStore
from surefoot.store.registry import Backend, register
from surefoot.testing.samples import delta, switch


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("mysql://localhost/x", UnknownName, "memory, postgresql, sqlite"),
        ("sqllite:///x.db", UnknownName, "did you mean 'sqlite'"),
        ("surefoot.db", SettingsError, "sqlite:///surefoot.db"),
        ("", SettingsError, "sqlite:///surefoot.db"),
        ("sqlite://surefoot.db", SettingsError, "three slashes"),
        ("sqlite:///", SettingsError, "three slashes"),
        ("sqlite://[x/a.db", SettingsError, "three slashes"),
        ("sqlite:///a.db?mode=ro", SettingsError, "%3F"),
        ("postgresql://localhost", SettingsError, "database"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(url, error, words):
    """Store, feed and sink refuse it alike, and say how to write it."""
    for open_ in (open_store, open_feed, open_sink):
        with pytest.raises(error) as refusal:
            open_(url)
        assert isinstance(refusal.value, SurefootError)
        assert words in refusal.value.hint


def test_a_missing_driver_is_an_error_with_the_way_out(monkeypatch):
    """Without the extra, PostgreSQL is refused before anything is opened: what to install is said, no traceback."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for open_ in (open_store, open_feed, open_sink):
        with pytest.raises(SettingsError, match="asyncpg") as refusal:
            open_("postgresql://localhost/surefoot")
        assert refusal.value.hint == "pip install 'surefoot[postgres]'"


def test_a_scheme_belongs_to_one_kind_of_store():
    """A second one of the same name is refused."""
    with pytest.raises(AlreadyExists, match="sqlite"):
        register("sqlite", Backend(store=open_store, feed=open_feed, sink=open_sink))


def test_a_path_may_be_relative_absolute_and_strange(tmp_path, monkeypatch):
    """Three slashes are from here, four from the root; blanks and signs are written as in any address."""
    monkeypatch.chdir(tmp_path)

    async def made(url):
        store = open_store(url)
        await store.migrate()
        await store.close()

    asyncio.run(made("sqlite:///here.db"))
    asyncio.run(made(f"sqlite:///{tmp_path}/a/b/root.db"))
    asyncio.run(made("sqlite:///odd%20name%3F%23.db"))
    assert {"here.db", "odd name?#.db"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "a" / "b" / "root.db").exists()


def test_a_relative_path_stays_where_it_was_meant(tmp_path, monkeypatch):
    """A process that changes its folder later goes on with the file it was given."""
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///here.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    async def made():
        await store.migrate()
        await store.close()

    asyncio.run(made())
    assert (tmp_path / "here.db").exists()


def test_memory_is_shared_by_its_name():
    """Within a process the same name is the same store, for as long as somebody holds it."""
    store = open_store("memory://one")
    assert open_store("memory://one") is store
    assert open_store("memory://two") is not store
    asyncio.run(store.kill(switch()))
    with closing(open_feed("memory://one")) as feed:
        assert feed.changes(0).kills == (switch(),)
    with closing(open_sink("memory://one")) as sink:
        assert sink.absorb(delta(1, {}))
    assert asyncio.run(store.applied("s-1")) == 1


def test_opening_touches_nothing(tmp_path):
    """Only the first use makes a file or a connection."""
    open_store(f"sqlite:///{tmp_path}/a/surefoot.db")
    open_sink(f"sqlite:///{tmp_path}/a/surefoot.db").close()
    open_sink("postgresql://nobody@nowhere/x").close()
    open_feed("postgresql://nobody@nowhere/x").close()
    assert list(tmp_path.iterdir()) == []


def test_a_router_never_loads_sqlalchemy(tmp_path):
    """Feeds and sinks of either engine work without it, and without what only stores need."""
    script = f"""
import sys
from surefoot.store import open_feed, open_sink
from surefoot.store.postgres_feed import PostgresFeed
feed = open_feed("sqlite:///{tmp_path}/surefoot.db")
loaded = [name for name in ("sqlalchemy", "aiosqlite", "asyncpg", "surefoot.store.codec") if name in sys.modules]
open_sink("sqlite:///{tmp_path}/surefoot.db").close()
print(loaded, "sqlalchemy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[] False"


def test_a_store_in_memory_can_be_away():
    """The fake raises what it is told to, from every part, until it is back."""
    store = MemoryStore()
    feed, sink = MemoryFeed(store), MemorySink(store)
    store.unavailable = StoreUnavailable("the store is away", hint="this is a test")
    for call in (lambda: asyncio.run(store.kill(switch())), lambda: feed.changes(0), lambda: sink.absorb(delta(1, {}))):
        with pytest.raises(StoreUnavailable, match="is away"):
            call()
    assert isinstance(feed.epoch(), int)
    store.unavailable = None
    assert feed.changes(0).kills == ()
    assert sink.absorb(delta(1, {}))
