"""The compiled decision is the pure one, only faster."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.traffic.compiled import Compiled
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.traffic.route import AgentTraffic, Request, Snapshot, Split, route
from surefoot.errors import UnknownName
from tests.core.traffic.worlds import AGENTS, agent_traffic, requests, snapshots, switches


@given(snapshots, st.lists(requests, min_size=1, max_size=12))
@settings(max_examples=400)
def test_compiled_and_pure_agree(snapshot, asked):
    """Whatever the snapshot and the request, the closure says what the pure form says, revision and switch included."""
    compiled = Compiled(snapshot=snapshot)
    for request in asked + asked[:2]:  # twice, because the second answer may be a remembered one
        assert compiled.route(request) == route(snapshot, request)


@given(snapshots, requests)
def test_what_is_put_around_a_decision_stays_around_it(snapshot, asked):
    """A closure in the place of another is asked from then on, until news make both anew."""
    heard = []

    def around(traffic, decide):
        return lambda *ids: heard.append(traffic.agent) or decide(*ids)

    compiled = Compiled(snapshot=snapshot)
    compiled.decider(asked.agent, around)
    for times in (1, 2):
        assert compiled.route(asked) == route(snapshot, asked)
        assert heard == [asked.agent] * times
    news = compiled.apply(revision=12, agents={asked.agent: snapshot.agents[asked.agent]})
    assert news.route(asked) == route(snapshot, asked)
    assert len(heard) == 2


changes = st.tuples(
    st.integers(5, 14),
    st.lists(st.sampled_from(AGENTS).flatmap(agent_traffic), max_size=2).map(lambda each: {t.agent: t for t in each}),
    st.one_of(st.none(), st.lists(switches, max_size=3).map(tuple)),
)


@given(snapshots, st.lists(changes, max_size=4), st.lists(requests, min_size=1, max_size=6))
@settings(max_examples=150)
def test_applied_changes_are_a_new_snapshot(snapshot, news, asked):
    """After any news the closures decide as if compiled afresh; old news is ignored, and old readers see no change."""
    compiled, expected = Compiled(snapshot=snapshot), snapshot
    before = [compiled.route(request) for request in asked]
    first = compiled
    for revision, agents, kills in news:
        compiled = compiled.apply(revision=revision, agents=agents, kills=kills)
        if revision >= expected.revision:
            kept = expected.kills if kills is None else kills
            expected = Snapshot(revision=revision, agents={**expected.agents, **agents}, kills=kept)
        assert [compiled.route(request) for request in asked] == [route(expected, request) for request in asked]
    assert [first.route(request) for request in asked] == before


@given(snapshots, requests)
def test_applying_twice_is_applying_once(snapshot, asked):
    """The same news a second time change nothing."""
    news = {"revision": 12, "agents": dict(snapshot.agents), "kills": ()}
    once = Compiled(snapshot=replace(snapshot, agents={})).apply(**news)
    assert once.apply(**news).route(asked) == once.route(asked)


@pytest.mark.parametrize("share", [0, 2_500, 10_000])
def test_routes_are_ready_made(share):
    """The same answer is the very same object each time, so that a decision allocates nothing."""
    split = Split(rollout="r", stage="s", candidate="new", share=share, epoch=1, seed=7, unit=UnitKind.USER)
    world = Snapshot(agents={"support": AgentTraffic(agent="support", stable="old", split=split)})
    decide = Compiled(snapshot=world).decider("support")
    answers = [decide(f"u-{i % 50}", "", "", "", "", "", "") for i in range(100)]
    assert len({id(answer) for answer in answers}) == len(set(answers)) <= 2


def test_forged_pins_do_not_fill_memory():
    """Answers to pins are kept ready for a few; a flood of invented ones is answered and forgotten."""
    split = Split(rollout="r", stage="s", candidate="new", share=1, epoch=1, seed=7, unit=UnitKind.USER)
    traffic = AgentTraffic(agent="support", stable="old", split=split)
    decide = Compiled(snapshot=Snapshot(agents={"support": traffic})).decider("support")
    tracemalloc.start()
    try:
        for number in range(3_000):
            decide("u", "", "", "", "", "", f"1.stable.1.{number}.old.r")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 200_000


def test_an_unknown_agent_is_named():
    """An agent without traffic is an error that lists the known ones, not a guess."""
    with pytest.raises(UnknownName) as refused:
        Compiled(snapshot=Snapshot()).route(Request(agent="nobody"))
    assert "nobody" in refused.value.message
