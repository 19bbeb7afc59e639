"""Whatever is wrong with a file or with the store: one clear error, a hint, code 2, and nothing half-written."""

from __future__ import annotations

import os
import resource
import sqlite3
from contextlib import closing, contextmanager

import pytest

from tests.cli.projects_with_rollouts import bot_project, started
from tests.cli.terminal import surefoot
from tests.config.projects import contents, put

VERSION = "model: openai/gpt-4o-2024-08-06\nprompt: You are v2.\n"
FILES = {
    "broken settings": ("surefoot.yaml", "stable: {bot: v1\n", "error[settings]: surefoot.yaml:2:1"),
    "unknown setting": ("surefoot.yaml", "stabel: {bot: v1}\n", "unknown key 'stabel'"),
    "null in the settings": ("surefoot.yaml", "stable: {bot: null}\n", "error[settings]: surefoot.yaml:1:"),
    "broken plan": ("rollouts/bot.yaml", "preset: [canary\n", "error[plan]: rollouts/bot.yaml:2:1"),
    "unknown key in a plan": ("rollouts/bot.yaml", "preset: canary\nshare: 1%\n", "unknown key 'share'"),
    "null in a plan": ("rollouts/bot.yaml", "preset: canary\nalpha: null\n", "error[plan]: rollouts/bot.yaml:2:"),
    "broken version": ("agents/bot/v2.yaml", "model: [\n", "error[artifact]: agents/bot/v2.yaml:2:1"),
    "unknown key in a version": ("agents/bot/v2.yaml", VERSION + "tool: []\n", "unknown key 'tool'"),
    "null in a version": ("agents/bot/v2.yaml", VERSION + "policies: {max_steps: null}\n", "max_steps"),
    "one label, two files": ("agents/bot/v2.yml", VERSION, "v2.yml"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_starts_nothing(case, tmp_path):
    """File, line and key are named, and no state is written for it."""
    name, text, message = FILES[case]
    root = bot_project(tmp_path, stable="v1")
    put(root, name, text)
    ended = surefoot(root, "rollout", "start", "bot", "v2", "--stable", "v1")
    assert (ended.code, ended.out) == (2, "")
    error, hint = ended.err.splitlines()
    assert message in error
    assert hint.startswith("hint: ")
    put(root, name, {"surefoot.yaml": "", "rollouts/bot.yaml": "preset: canary\n"}.get(name, VERSION))
    if name.endswith(".yml"):
        (root / name).unlink()
    assert surefoot(root, "rollout", "list", "--all", "--json").out in ("", "[]\n")  # "": there is no store yet
    assert surefoot(root, "rollout", "start", "bot", "v2", "--stable", "v1").code == 0


def refused(root, *words):
    """The command says that the store cannot do it, and what to do about that."""
    ended = surefoot(root, *words)
    assert (ended.code, ended.out) == (2, "")
    error, hint = ended.err.splitlines()
    assert error.startswith("error[store_unavailable]: ")
    assert hint.startswith("hint: ")
    return error


def test_a_locked_store_is_looked_at_but_not_written(tmp_path):
    """While another program holds the file, looking goes on; an order is refused, and holds when given again."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    with closing(sqlite3.connect(root / ".surefoot/surefoot.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "RUNNING" in surefoot(root, "rollout", "status", "bot").out
        assert "is locked" in refused(root, "rollout", "abort", "bot", "--why", "now")
        other.execute("ROLLBACK")
    assert surefoot(root, "rollout", "abort", "bot", "--why", "now").code == 0


@contextmanager
def files_of_at_most(size):
    """No file of this process grows beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_the_order_whole(tmp_path):
    """The order is refused and nothing of it is kept; with room again it is carried out."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    with files_of_at_most(8192):
        assert "full" in surefoot(root, "kill", "--everything", "--reason", "x" * 100_000).err
    assert surefoot(root, "kills", "--json").json == []
    assert surefoot(root, "kill", "--everything", "--reason", "x" * 100_000).code == 0


def test_a_store_that_cannot_be_there_is_named(tmp_path):
    """A folder in its place, a file as its folder, and another file under its name are left as they are."""
    root = bot_project(tmp_path)
    put(root, "notes.txt", "not a database, " * 100)
    for path in ("agents", "notes.txt/surefoot.db", "notes.txt"):
        put(root, "surefoot.yaml", f"store: sqlite:///{path}\n")
        before = contents(root)
        assert path in refused(root, "rollout", "list")
        assert before.items() <= contents(root).items()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_store_says_what_to_make_writable(tmp_path):
    """Permissions are respected and named."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    kept = root / ".surefoot"
    (kept / "surefoot.db").chmod(0o400)
    kept.chmod(0o500)
    try:
        assert "cannot be" in refused(root, "rollout", "abort", "bot", "--why", "now")
    finally:
        kept.chmod(0o700)


def test_a_server_that_nobody_is_behind_is_named_without_its_password(tmp_path, monkeypatch):
    """An address that answers nobody is one error line, with the address but not the password."""
    monkeypatch.setenv("SUREFOOT_STORE", "postgresql://nobody:hush@127.0.0.1:1/x")
    for words in (["rollout", "list"], ["kills"], ["controller", "--rounds", "1"]):
        error = refused(bot_project(tmp_path), *words)
        assert "nobody@127.0.0.1:1/x cannot be reached" in error
        assert "hush" not in error
