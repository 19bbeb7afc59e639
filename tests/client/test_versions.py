"""Versions that only the store has: read before they are needed, and a candidate that is nowhere harms nobody."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from surefoot.client.agent import Agent
from surefoot.client.router import Router
from surefoot.client.versions import RETRY_SECONDS, Versions
from surefoot.core.evidence.observation import Arm
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.units import ALL_TRAFFIC
from surefoot.errors import StoreUnavailable
from surefoot.testing.feed import ManualFeed
from tests.client.agents import AGENT, NEW, OLD, TRAFFIC, Notebook, story

EVERYBODY = replace(TRAFFIC, split=replace(TRAFFIC.split, share=ALL_TRAFFIC))


class Shelf:
    """A store that may be away, or slow: every reading waits until it may go on."""

    def __init__(self) -> None:
        self.content = {}
        self.reads = []
        self.threads = set()
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def find(self, digest):
        self.reads.append(digest)
        self.threads.add(threading.current_thread())
        self.was_asked.set()
        self.may_answer.wait(10)
        if digest not in self.content:
            raise StoreUnavailable("away", hint="wait")
        return self.content[digest]


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def agent(shelf):
    """Stable is in this process's files, the candidate is not, and everybody is the candidate's."""
    return Agent(
        AGENT, router=Router(ManualFeed(EVERYBODY)), recorder=Notebook(), versions=shelf.find, known={OLD.digest: OLD}
    )


def labelled(version, request, ctx):
    ctx.observe(success=True)
    return version.label


async def awaited(version, request, ctx):
    return labelled(version, request, ctx)


def pieces(version, request, ctx):
    yield labelled(version, request, ctx)


async def awaited_pieces(version, request, ctx):
    yield labelled(version, request, ctx)


async def asked(agent, function):
    """What a user gets, whichever way the function is written."""
    agent.runs(function)
    match function.__name__:
        case "labelled":
            return (await asyncio.to_thread(agent.run, "x", session="s")).version
        case "awaited":
            return (await agent.run("x", session="s")).version
        case "pieces":
            return await asyncio.to_thread(lambda: "".join(agent.stream("x", session="s")))
        case _:
            return "".join([piece async for piece in agent.stream("x", session="s")])


EVERY_WAY = pytest.mark.parametrize("function", [labelled, awaited, pieces, awaited_pieces])


@EVERY_WAY
@story
async def test_a_candidate_that_is_nowhere_harms_nobody_and_counts_as_its_failure(agent, function):
    """Stable answers, and the run stays in the candidate's arm as a failure, whatever it says of itself."""
    assert await asked(agent, function) == "v1"
    (record,) = agent.recorder.records
    assert (record.assignment.arm, record.assignment.version) == (Arm.CANDIDATE, NEW.digest)
    assert (record.seen.success, record.seen.unresolved) == (False, False)


@EVERY_WAY
@story
async def test_a_candidate_that_only_the_store_has_is_read_off_the_loop(agent, shelf, function):
    """Its first request gets it too, and the thread that asks never reads."""
    shelf.content[NEW.digest] = NEW
    agent.versions.after_fork()  # what was read when the agent was made came to nothing
    assert await asked(agent, function) == "v2"
    assert agent.recorder.records[0].seen.success is True
    assert threading.main_thread() not in shelf.threads


@story
async def test_a_loop_goes_on_while_a_version_is_read(shelf):
    """The request waits for the store, and nobody else does."""
    shelf.content[NEW.digest] = NEW
    shelf.may_answer.clear()
    shelf.was_asked.clear()
    agent = Agent(
        AGENT, router=Router(ManualFeed(EVERYBODY)), recorder=Notebook(), versions=shelf.find, known={OLD.digest: OLD}
    )
    agent.runs(awaited)
    waiting = asyncio.ensure_future(agent.run("x", session="s"))
    assert await asyncio.to_thread(shelf.was_asked.wait, 10)
    assert not waiting.done()
    shelf.may_answer.set()
    assert (await waiting).version == "v2"


def test_traffic_that_becomes_known_has_its_versions_read_before_a_request(shelf):
    """So that nobody waits at all: stable, candidate, and what tenants are nailed to."""
    shelf.content = {OLD.digest: OLD, NEW.digest: NEW}
    feed = ManualFeed(replace(TRAFFIC, split=None))
    router = Router(feed)
    agent = Agent(AGENT, router=router, recorder=Notebook(), versions=shelf.find)
    router.polled = agent.seek
    feed.put(replace(TRAFFIC, pins={"acme": "sha256:nailed"}))
    router.poll()
    under_way = [agent.versions._readings[digest].found for digest in (OLD.digest, NEW.digest, "sha256:nailed")]  # noqa: SLF001
    assert [reading.exception(10) is None for reading in under_way] == [True, True, False]
    assert (agent.version(OLD.digest), agent.version(NEW.digest)) == (OLD, NEW)
    assert sorted(shelf.reads) == sorted({OLD.digest, NEW.digest, "sha256:nailed"})


def test_what_is_missing_is_read_again_every_few_seconds_and_said_once(shelf, caplog):
    """Requests meanwhile neither wait nor read."""
    now = [100.0]
    versions = Versions(AGENT, shelf.find, clock=lambda: now[0])
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            versions.get(NEW.digest)
    assert len(shelf.reads) == 1
    shelf.content[NEW.digest] = NEW
    with pytest.raises(StoreUnavailable):
        versions.get(NEW.digest)
    now[0] += RETRY_SECONDS
    versions.seek([NEW.digest])
    assert versions._readings[NEW.digest].found.result(10) is NEW  # noqa: SLF001 - until the thread has read
    assert versions.get(NEW.digest) is NEW
    assert (len(shelf.reads), len(caplog.records)) == (2, 1)


@pytest.mark.parametrize("of", [{"version": OLD.digest}, {"version": OLD.digest, "feature": "refunds"}])
def test_a_stable_that_is_killed_stands_in_for_nobody(shelf, of):
    """The run fails with what is wrong with its own version, and is recorded."""
    feed = ManualFeed(EVERYBODY)
    feed.switch(KillSwitch(id="k", reason="fire", author="ann", raised_at=datetime(2026, 1, 1, tzinfo=UTC), **of))
    agent = Agent(AGENT, router=Router(feed), recorder=Notebook(), versions=shelf.find, known={OLD.digest: OLD})
    agent.runs(labelled)
    with pytest.raises(StoreUnavailable, match="away"):
        agent.run("x", session="s")
    assert agent.recorder.records[0].seen.success is False


def test_who_calls_the_model_himself_gets_stable_as_well(agent):
    """The version of a run is one and the same as long as it lasts."""
    with agent.observing(session="s") as run:
        assert run.version is OLD
        agent.versions._known[NEW.digest] = NEW  # noqa: SLF001 - it arrives in the middle
        assert run.version is OLD
    assert agent.recorder.records[0].seen.success is False
