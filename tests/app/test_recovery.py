"""A store that was lost: what processes of this machine last saw of it is put into the new one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.app.recovery import make_store, unknown_kills, was_seen
from surefoot.client.last_seen import LastSeen
from surefoot.config.agents import list_versions, read_version
from surefoot.config.settings import load_settings
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.traffic.route import AgentTraffic, Snapshot, Split
from surefoot.core.units import AgentName, BasisPoints, Digest, Revision, RolloutId
from surefoot.errors import AlreadyExists, UnknownName
from surefoot.store.memory import MemoryStore
from surefoot.store.registry import open_store
from surefoot.testing.samples import CANDIDATE, NOON, switch

BOT = AgentName("bot")
V1 = "model: {provider: test, name: model-1}\nprompt: {system: You answer.}\n"
FORGOTTEN = Digest("sha256:" + "f" * 64)
SPLIT = Split(
    rollout=RolloutId("r-1"),
    stage="canary",
    candidate=CANDIDATE,
    share=BasisPoints(5_000),
    epoch=1,
    seed=7,
    unit=UnitKind.USER,
)


@pytest.fixture
def project(tmp_path):
    """A folder with one agent of one version, and no store."""
    folder = tmp_path / "agents" / BOT
    folder.mkdir(parents=True)
    (folder / "v1.yaml").write_text(V1)
    return tmp_path


def digest_of(project):
    """The digest of its version."""
    (file,) = list_versions(project, BOT)
    return read_version(project, file).digest


def seen(project, *kills, **traffic):
    """A process of this project has heard that from its store."""
    agents = {BOT: AgentTraffic(agent=BOT, **{"stable": digest_of(project), **traffic})}
    LastSeen(load_settings(project, {}).snapshot).keep(Snapshot(revision=Revision(9), agents=agents, kills=kills))


def asked(project, question):
    """What the project's store says."""

    async def whole():
        store = open_store(load_settings(project, {}).store.url)
        try:
            return await question(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def test_a_project_that_was_never_served_has_lost_nothing(project):
    """No process has heard from a store: that there is none is no loss, and a new one begins empty."""
    assert not was_seen(project)
    made = asyncio.run(make_store(project))
    assert (made.agents, made.kills) == ((), ())
    assert made.store.endswith("surefoot.db")
    assert asked(project, lambda store: store.snapshot()).revision == 0


def test_whoever_heard_from_a_store_knows_that_there_was_one(project):
    """A switch alone is enough: the process may not have lived to keep more."""
    kept = LastSeen(load_settings(project, {}).snapshot)
    kept.keep_switches(Revision(3), (switch(),), durable=False)
    assert was_seen(project)
    assert asyncio.run(make_store(project)).kills == (switch(),)


def test_stable_pins_and_opt_outs_are_as_they_were(project):
    """Every user has the version that was stable, every tenant what a person decided."""
    seen(project, pins={"acme": FORGOTTEN}, opted_out=frozenset({"globex"}))
    assert asyncio.run(make_store(project)).agents == (BOT,)
    found = asked(project, lambda store: store.traffic(BOT))
    assert (found.stable, dict(found.pins), found.opted_out) == (
        digest_of(project),
        {"acme": FORGOTTEN},
        frozenset({"globex"}),
    )


def test_a_rollout_that_was_under_way_is_over(project):
    """Its evidence is gone with the store, so nobody gets its candidate any more."""
    seen(project, split=SPLIT)
    asyncio.run(make_store(project))
    assert asked(project, lambda store: store.traffic(BOT)).split is None
    assert list(asked(project, lambda store: store.rollouts())) == []


def test_switches_are_up_again_as_they_were(project):
    """With their ids, reasons and authors: whoever raised them finds them, in their order."""
    raised = (switch("k-1"), switch("k-2", tenant="acme"))
    seen(project, *raised)
    assert asyncio.run(make_store(project)).kills == raised
    assert tuple(asked(project, lambda store: store.kills())) == raised


def test_the_stable_version_is_there_to_be_run(project):
    """It is read from the project's own files."""
    seen(project)
    asyncio.run(make_store(project))
    assert asked(project, lambda store: store.version(digest_of(project))).label == "v1"


def test_a_version_whose_file_is_gone_stays_stable_all_the_same(project):
    """The store knows which one it was and not what was in it: nobody gets another one instead."""
    seen(project, stable=FORGOTTEN)
    asyncio.run(make_store(project))
    assert asked(project, lambda store: store.traffic(BOT)).stable == FORGOTTEN
    with pytest.raises(UnknownName):
        asked(project, lambda store: store.version(FORGOTTEN))


def test_a_broken_version_file_keeps_no_store_from_being_made(project):
    """What can be read is kept; the rest is for `lint` to say."""
    seen(project)
    (project / "agents" / BOT / "v2.yaml").write_text("model: [")
    asyncio.run(make_store(project))
    assert [version.label for version in asked(project, lambda store: store.versions(BOT))] == ["v1"]


def test_a_store_that_has_been_written_to_is_not_made_again(project):
    """Nothing of it is touched, and what was seen long ago is not put over it."""
    seen(project, switch("k-old"))
    asked(project, lambda store: store.migrate())
    asked(project, lambda store: store.kill(switch("k-new")))
    with pytest.raises(AlreadyExists, match="there is a store already") as found:
        asyncio.run(make_store(project))
    assert found.value.hint
    assert [kill.id for kill in asked(project, lambda store: store.kills())] == ["k-new"]
    assert asked(project, lambda store: store.snapshot()).agents == {}


def test_a_store_that_is_there_and_empty_is_filled(project):
    """Somebody made it by hand, or a start was cut off: it is the new one."""
    seen(project, switch())
    asked(project, lambda store: store.migrate())
    asyncio.run(make_store(project))
    assert tuple(asked(project, lambda store: store.kills())) == (switch(),)


def test_half_a_file_is_not_taken_for_the_last_word(project):
    """An older whole one is better than none."""
    seen(project, switch())
    folder = load_settings(project, {}).snapshot
    (folder / "snapshot-10.json").write_bytes(b'{"revision": 10, "agents": {')
    asyncio.run(make_store(project))
    assert tuple(asked(project, lambda store: store.kills())) == (switch(),)


@pytest.mark.parametrize(
    ("in_store", "lifted", "unknown"),
    [
        ((), (), ["k-1", "k-2"]),
        (("k-1",), (), ["k-2"]),
        (("k-1", "k-2", "k-3"), (), []),
        (("k-1",), ("k-1",), ["k-2"]),
        (("k-1", "k-2"), ("k-1", "k-2"), []),
    ],
    ids=["an empty store", "one is up", "all are up", "one was lifted", "all were lifted"],
)
def test_switches_that_the_store_never_heard_of(project, in_store, lifted, unknown):
    """Seen here, and neither up nor lifted there: they go on being obeyed."""
    seen(project, switch("k-1"), switch("k-2"))

    async def story():
        store = MemoryStore()
        await store.migrate()
        for name in in_store:
            await store.kill(switch(name))
        for name in lifted:
            await store.unkill(name, by="ann", at=NOON)
        return [kill.id for kill in await unknown_kills(project, store)]

    assert asyncio.run(story()) == unknown


NAMES = st.sampled_from(["k-1", "k-2", "k-3", "k-4"])


@settings(max_examples=25)
@given(here=st.sets(NAMES), there=st.sets(NAMES), lifted=st.sets(NAMES))
def test_a_switch_is_forgotten_only_when_a_store_says_so(tmp_path_factory, here, there, lifted):
    """Whatever was seen here is up in the store, was lifted in it, or is unknown to it: never just gone."""
    root = tmp_path_factory.mktemp("project")
    kept = tuple(switch(name) for name in sorted(here))
    LastSeen(load_settings(root, {}).snapshot).keep(Snapshot(revision=Revision(1), kills=kept))

    async def story():
        store = MemoryStore()
        await store.migrate()
        for name in sorted(there):
            await store.kill(replace(switch(name), reason="another story"))
        for name in sorted(there & lifted):
            await store.unkill(name, by="ann", at=NOON)
        return {kill.id for kill in await unknown_kills(root, store)}, {kill.id for kill in await store.kills()}

    unknown, up = asyncio.run(story())
    assert here <= unknown | up | lifted
    assert unknown == here - there
