"""A store that is gone, emptied or made anew under a running project, or between two starts of it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

import surefoot
from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.app.recovery import make_store
from surefoot.errors import AlreadyExists, Killed, StoreUnavailable
from surefoot.service import switch
from surefoot.service.switch import Scope
from surefoot.store.registry import open_store

V1 = "model: {provider: test, name: model-1}\nprompt: {system: You answer questions about orders.}\n"


@pytest.fixture
def project(tmp_path):
    """A folder with one agent of one version, which has been served once."""
    place = tmp_path / "agents" / "support-agent"
    place.mkdir(parents=True)
    (place / "v1.yaml").write_text(V1)
    with surefoot.open(tmp_path) as sf:
        assert answering(sf).run("hello").version == "v1"
    return tmp_path


def answering(sf):
    return sf.agent("support-agent").runs(lambda version, request, ctx: version.label)


def database(project):
    return project / ".surefoot" / "surefoot.db"


def ordered(project, order):
    """An order of somebody beside the project's processes."""

    async def whole():
        store = open_store(f"sqlite:///{database(project)}")
        try:
            return await order(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def kill(project):
    words = {"reason": "fire", "author": "ann", "clock": SystemClock(), "ids": SystemIds()}
    return ordered(project, lambda store: switch.kill(Scope(), store=store, **words))


def lift(project, raised, **how):
    ordered(project, lambda store: store.unkill(raised.id, by="ann", at=SystemClock().now(), **how))


def gone(project):
    for file in database(project).parent.glob("surefoot.db*"):
        file.unlink()


def emptied(project):
    gone(project)
    database(project).touch()


def somebody_elses(project):
    gone(project)
    with closing(sqlite3.connect(database(project))) as connection:
        connection.execute("CREATE TABLE notes (text)")


def made_anew(project):
    gone(project)
    ordered(project, lambda store: store.migrate())


@pytest.mark.parametrize("loss", [gone, emptied, somebody_elses, made_anew])
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "restarted"])
def test_a_switch_outlives_the_store_it_was_raised_in(project, loss, is_running):
    """Nobody is served, by the running process or the next; a lost store is reported and not made anew in passing."""
    with surefoot.open(project) as sf:
        agent = answering(sf)
        kill(project)
        with pytest.raises(Killed):
            agent.run("hello")
        if is_running:
            loss(project)
            sf.parts.router.poll()
            assert sf.health.router.unknown_kills or not sf.health.router.is_connected
            with pytest.raises(Killed):
                agent.run("hello")
    if not is_running:
        loss(project)
    is_lost = loss is not made_anew
    with surefoot.open(project) as sf:
        agent = answering(sf)
        if is_lost:
            with pytest.raises(StoreUnavailable, match="no store here") as said:
                sf.parts.engine.first_try.result(30)
            assert "surefoot store create" in said.value.hint
        else:
            sf.parts.engine.first_try.result(30)
        sf.parts.router.poll()
        with pytest.raises(Killed):
            agent.run("hello")
        health = sf.health.router
        assert health.is_connected != is_lost
        assert (len(health.unknown_kills) == 1) != is_lost
    if loss is gone:
        assert not database(project).exists()


@pytest.mark.parametrize("written", ["nothing", "the switch"])
def test_a_store_that_was_made_half_way_is_finished_by_the_same_command(project, written):
    """Switches come first, and whatever was missing is there afterwards; a finished store is not touched again."""
    with surefoot.open(project) as sf:
        answering(sf)
        raised = kill(project)
        sf.parts.router.poll()
    gone(project)
    ordered(project, lambda store: store.migrate())
    if written == "the switch":
        ordered(project, lambda store: store.kill(raised))
    made = asyncio.run(make_store(project))
    assert (made.agents, [switch.id for switch in made.kills]) == (("support-agent",), [raised.id])
    found = ordered(project, lambda store: store.snapshot())
    assert [switch.id for switch in found.kills] == [raised.id]
    assert list(found.agents) == ["support-agent"]
    with pytest.raises(AlreadyExists):
        asyncio.run(make_store(project))


def test_a_backup_from_before_the_switch_does_not_lift_it(project):
    """Restored, and written to since until it is further on than the switch was: the switch is obeyed until lifted."""
    backup = shutil.copy(database(project), project / "backup.db")
    with surefoot.open(project) as sf:
        answering(sf)
        raised = kill(project)
        sf.parts.router.poll()
    gone(project)
    shutil.copy(backup, database(project))
    for _ in range(3):
        lift(project, kill(project))
    with surefoot.open(project) as sf:
        agent = answering(sf)
        assert sf.health.router.unknown_kills == (raised.id,)
        with pytest.raises(Killed):
            agent.run("hello")
        lift(project, raised, lost=True)
        assert agent.run("hello").version == "v1"
        assert sf.health.router.unknown_kills == ()


def test_another_store_on_purpose_knows_nothing_of_this_one(project):
    """What is kept belongs to one address: a switch of one store stops nobody in another."""
    with surefoot.open(project) as sf:
        answering(sf)
        kill(project)
        sf.parts.router.poll()
    with surefoot.open(project, store=f"sqlite:///{project}/other.db") as sf:
        assert answering(sf).run("hello").version == "v1"


def test_a_store_that_is_put_back_goes_on(project):
    """After a start without it: traffic comes from the disk meanwhile, and rollouts are watched again by themselves."""
    aside = database(project).rename(project / "aside.db")
    with surefoot.open(project) as sf:
        assert answering(sf).run("hello").version == "v1"
        assert sf.health.router.is_from_disk
        aside.rename(database(project))
        assert sf.control(lambda control: control.store.kills()) == ()
        assert sf.flush(10)
