"""A store is made by orders alone; one that was lost is said to be lost, and made again with what was seen of it."""

from __future__ import annotations

import pytest

import surefoot as library
from surefoot.errors import Killed
from tests.cli.projects_with_rollouts import bot_project, started, stored
from tests.cli.terminal import surefoot

LOOKS = {
    "kills": ["kills"],
    "list": ["rollout", "list"],
    "status": ["rollout", "status", "bot"],
    "watch": ["rollout", "watch", "bot"],
    "explain": ["rollout", "explain", "bot"],
    "history": ["rollout", "history", "bot"],
    "traffic": ["traffic", "show", "bot"],
    "controller": ["controller", "--rounds", "1"],
    "kill": ["kill", "--everything", "--reason", "fire"],
    "unkill": ["unkill", "k-1", "--lost"],
    "abort": ["rollout", "abort", "bot", "--why", "x"],
    "start of nothing": ["rollout", "start", "bot", "v2"],
}


@pytest.mark.parametrize("command", LOOKS)
def test_in_the_wrong_folder_nothing_is_made(tmp_path, command):
    """Code 2 and a hint instead of good news, and the folder is as empty as before."""
    ended = surefoot(tmp_path, *LOOKS[command])
    assert (ended.code, ended.out, "hint: " in ended.err) == (2, "", True)
    assert f"no agents here: looked in {tmp_path / 'agents'}" in ended.err
    assert "store create" not in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def lost(tmp_path):
    """A project that is served, with a switch that its process has seen, and whose store is gone."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    with library.open(root, controller="external") as sf:
        agent = sf.agent("bot").runs(lambda version, request, ctx: version.label)
        surefoot(root, "kill", "--tenant", "acme", "--reason", "fire", "--by", "ann")
        with pytest.raises(Killed):
            agent.run("hello", tenant="acme")
    for file in (root / ".surefoot").glob("surefoot.db*"):
        file.unlink()
    return root


@pytest.mark.parametrize("command", LOOKS)
def test_a_store_that_is_lost_is_not_made_anew_in_passing(lost, command):
    """Not even by an order that makes a project's first store."""
    ended = surefoot(lost, *LOOKS[command])
    assert (ended.code, "no store here" in ended.err, "surefoot store create" in ended.err) == (2, True, True)
    assert not (lost / ".surefoot/surefoot.db").exists()


def test_a_store_is_made_again_with_what_was_seen_of_the_lost_one(lost):
    """Stable versions and switches; nobody gets the candidate of a rollout that the store does not know."""
    made = surefoot(lost, "store", "create").out
    assert "as they were last seen here: bot\n" in made
    assert "by ann: fire" in made
    (kill,) = surefoot(lost, "kills", "--json").json
    assert (kill["tenant"], kill["in_store"]) == ("acme", True)
    with library.open(lost, controller="external") as sf:
        agent = sf.agent("bot").runs(lambda version, request, ctx: version.label)
        with pytest.raises(Killed):
            agent.run("hello", tenant="acme")
        assert {agent.run("hello", user=f"u-{n}").version for n in range(40)} == {"v1"}
        surefoot(lost, "unkill", kill["id"])
        assert agent.run("hello", tenant="acme").version == "v1"
    assert surefoot(lost, "rollout", "start", "bot", "v2").code == 0
    again = surefoot(lost, "store", "create")
    assert (again.code, "there is a store already" in again.err) == (2, True)


def test_a_switch_that_the_store_never_had_is_shown_and_lifted(lost):
    """Where somebody made an empty store by hand: `kills` names it, `unkill` lifts it, and then all is well."""
    stored(lost, lambda store: store.migrate())
    shown = surefoot(lost, "kills").out
    assert "the store has never heard of" in shown
    assert "no kill switch is up" not in shown
    (kill,) = surefoot(lost, "kills", "--json").json
    assert kill["in_store"] is False
    assert surefoot(lost, "unkill", "k-9").code == 2
    assert surefoot(lost, "unkill", kill["id"]).code == 0
    assert surefoot(lost, "kills").out == "no kill switch is up\n"
    with library.open(lost, controller="external") as sf:
        agent = sf.agent("bot").runs(lambda version, request, ctx: version.label)
        assert agent.run("hello", tenant="acme").version == "v1"
    assert surefoot(lost, "unkill", "seen-on-another-host", "--lost").code == 0
