"""Arms that a flag assigns: asked once where it matters, and no answer harms nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.client.flags import FlagArms, cohort_of
from surefoot.client.router import Router
from surefoot.core.traffic.compiled import Compiled
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import Targeting
from surefoot.core.traffic.route import Reason, route
from surefoot.errors import Unavailable
from surefoot.testing.clock import MONDAY_NOON
from surefoot.testing.feed import ManualFeed
from tests.client.agents import AGENT, NEW, OLD, TRAFFIC, Hosted
from tests.core.traffic.worlds import AGENTS, agent_traffic, requests, switches

FLAG = "new-prompt"
BY_FLAG = replace(TRAFFIC, split=replace(TRAFFIC.split, targeting=Targeting(cohort=FLAG, flag=True)))


class Answering:
    """Flags that say what they are told to, and remember what they were asked."""

    def __init__(self, *, answer=True):
        self.answer, self.asked = answer, []

    def is_on(self, flag, unit, known, /):
        self.asked.append((flag, unit, known))
        if self.answer is None:
            raise Unavailable("the flag is away", hint="wait")
        return self.answer


def routed(flags, traffic=BY_FLAG):
    """A router whose agent's flags these are."""
    return Router(ManualFeed(traffic), flags={AGENT: flags})


by_flag = st.sampled_from(AGENTS).flatmap(agent_traffic).filter(lambda traffic: traffic.split is not None)


@given(by_flag, st.lists(switches, max_size=2).map(tuple), requests, st.sampled_from([True, False, None]))
def test_a_flags_answer_is_a_cohort(traffic, kills, asked, answer):
    """Whatever the traffic and the request, the decision is that of `route` for a request in the answer's cohort."""
    targeting = replace(traffic.split.targeting, cohort=FLAG, flag=True, segments=frozenset())
    traffic = replace(traffic, split=replace(traffic.split, targeting=targeting))
    asked, flags = replace(asked, agent=traffic.agent), Answering(answer=answer)
    feed = ManualFeed(traffic)
    snapshot = replace(feed.snapshot, kills=kills)
    decide = Compiled(snapshot=snapshot).decider(traffic.agent, FlagArms({traffic.agent: flags}).around)
    ids = (asked.user, asked.tenant, asked.session, asked.feature, asked.segment, asked.request, asked.pin)
    assert decide(*ids) == route(snapshot, replace(asked, segment=cohort_of(FLAG, is_on=answer)))
    assert len(flags.asked) <= 1


@pytest.mark.parametrize(
    ("answer", "serve", "reason", "analysed"),
    [
        (True, NEW.digest, Reason.CANDIDATE, True),
        (False, OLD.digest, Reason.CONTROL, True),
        (None, OLD.digest, Reason.OUTSIDE, False),
    ],
)
def test_the_flag_decides_the_arm(answer, serve, reason, analysed):
    """True is the candidate's arm, false is control, and without an answer stable's is not analysed."""
    flags = Answering(answer=answer)
    route = routed(flags).decide(AGENT, "u-1", "acme", "s-1", segment=FLAG)
    assert (route.serve, route.reason, route.randomised) == (serve, reason, analysed)
    known = {"agent": AGENT, "user": "u-1", "tenant": "acme", "session": "s-1", "segment": FLAG}
    assert flags.asked == [(FLAG, "s-1", known)]


def test_a_run_asks_once_and_needs_no_id_for_it():
    """A request outside any session is a unit of its own, and the flag is asked for that one."""
    flags = Answering()
    hosted = Hosted(BY_FLAG)
    hosted.agent.router = routed(flags)
    with hosted.agent.observing() as run:
        assert run.reason is Reason.CANDIDATE
    assert [unit for _, unit, _ in flags.asked] == ["p-0"]
    assert hosted.notebook.records[0].assignment.randomised


def test_a_conversation_keeps_the_arm_of_its_first_turn():
    """Also when the flag has changed its mind since, or answers only now; by memory and by pin."""
    for first, later in ((True, False), (False, True), (None, True), (True, None)):
        flags = Answering(answer=first)
        router = routed(flags)
        begun = router.decide(AGENT, session="s-1")
        flags.answer = later
        goes_on = router.decide(AGENT, session="s-1")
        elsewhere = routed(flags).decide(AGENT, session="s-1", pin=begun.pin)
        for turn in (goes_on, elsewhere):
            assert (turn.reason, turn.serve, turn.arm, turn.randomised) == (
                Reason.CONVERSATION, begun.serve, begun.arm, begun.randomised,
            )  # fmt: skip


@pytest.mark.parametrize("flags", [{AGENT: Answering(answer=None)}, {}])
def test_no_answer_is_counted_each_time_and_said_once(flags, caplog):
    """A flag that fails and a client that is missing look alike: stable, unanalysed, and somebody is told."""
    router = Router(ManualFeed(BY_FLAG), flags=flags)
    for number in range(5):
        assert router.decide(AGENT, session=f"s-{number}", segment=FLAG).reason is Reason.OUTSIDE
    assert router.health().unassigned == 5
    assert [record.message for record in caplog.records if FLAG in record.message] == [
        f"{AGENT}: the flag '{FLAG}' assigns nobody, so stable answers and nothing is analysed: "
        + ("the flag is away" if flags else "nobody can ask it: open the agent with sf.agent(name, flags=client)")
    ]


@pytest.mark.parametrize(
    "traffic",
    [
        TRAFFIC,
        replace(BY_FLAG, split=None),
        replace(BY_FLAG, opted_out=frozenset({"acme"})),
        replace(BY_FLAG, split=replace(BY_FLAG.split, share=0)),
    ],
)
def test_a_flag_without_a_say_is_not_asked(traffic):
    """Without a rollout, in one that buckets assign, for who takes no part, and before anybody is served."""
    flags = Answering()
    routed(flags, traffic).decide(AGENT, tenant="acme", session="s-1")
    assert flags.asked == []


def test_a_switch_is_obeyed_before_any_flag():
    """A killed candidate is served to nobody, whatever the flag says; lifted, the flag is asked again."""
    feed, flags = ManualFeed(BY_FLAG), Answering()
    router = Router(feed, flags={AGENT: flags})
    feed.switch(KillSwitch(id="k", version=NEW.digest, reason="on fire", author="ann", raised_at=MONDAY_NOON))
    assert router.decide(AGENT, session="s-1").reason is Reason.CANDIDATE_KILLED
    assert flags.asked == []
    feed.switch()
    assert router.decide(AGENT, session="s-2").reason is Reason.CANDIDATE
