"""Who gets which version: the order of precedence, and the laws of the draw."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.evidence.observation import Arm
from surefoot.core.traffic.bucket import POINTS, Purpose, bucket, control_arc, cut, expected_share, sampled
from surefoot.core.traffic.conversation import Pin, read_pin, write_pin
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import Control, Targeting, UnitKind
from surefoot.core.traffic.route import AgentTraffic, Reason, Request, Snapshot, Split, route, unit_of
from tests.core.traffic.worlds import pins, requests, snapshots

AGENT = "support"
SPLIT = Split(
    rollout="r",
    stage="50%",
    candidate="new",
    share=5_000,
    epoch=3,
    seed=11,
    unit=UnitKind.USER,
    targeting=Targeting(tenants=frozenset({"acme"}), allow=frozenset({"vip"}), deny=frozenset({"shy"})),
)
TRAFFIC = AgentTraffic(
    agent=AGENT, stable="old", split=SPLIT, pins={"nailed": "odd"}, opted_out=frozenset({"away"}), revision=4
)
TAKEN = "u-3"
LEFT = "u-4"
PIN_NEW = write_pin(Pin("new", Arm.CANDIDATE, randomised=True, epoch=2, rollout="r"))
PIN_OLD = write_pin(Pin("old", Arm.STABLE, randomised=True, epoch=2, rollout="r"))


def switch(**where):
    """A kill switch."""
    return KillSwitch(id="k", reason="on fire", author="ann", raised_at=datetime(2026, 1, 1, tzinfo=UTC), **where)


def world(*kills, **changes):
    """The usual traffic with these switches up."""
    return Snapshot(revision=9, agents={AGENT: replace(TRAFFIC, **changes)}, kills=kills)


def ask(snapshot, user=TAKEN, tenant="acme", **known):
    """The route of one user of one tenant."""
    return route(snapshot, Request(agent=AGENT, user=user, tenant=tenant, **known))


def test_the_two_users_of_the_table_are_on_two_sides():
    """The table below speaks of one user inside the candidate's share and one outside."""
    assert ask(world()).reason is Reason.CANDIDATE
    assert ask(world(), user=LEFT).reason is Reason.CONTROL


NEW, OLD, ALL = switch(version="new"), switch(version="old"), switch()


@pytest.mark.parametrize(
    ("kills", "known", "serve", "reason"),
    [
        # a switch wins over everything below it
        ([ALL], {}, None, Reason.KILLED),
        ([ALL], {"tenant": "nailed"}, None, Reason.KILLED),
        ([NEW], {}, "old", Reason.CANDIDATE_KILLED),
        ([NEW], {"user": "vip"}, "old", Reason.CANDIDATE_KILLED),
        ([NEW], {"pin": PIN_NEW}, "old", Reason.CANDIDATE_KILLED),
        ([NEW], {"tenant": "nailed"}, "odd", Reason.PINNED),
        ([NEW, OLD], {}, None, Reason.KILLED),
        ([switch(version="odd")], {"tenant": "nailed"}, "old", Reason.PINNED_KILLED),
        ([switch(tenant="acme")], {}, None, Reason.KILLED),
        ([switch(tenant="acme")], {"tenant": "away"}, "old", Reason.OPTED_OUT),
        ([switch(feature="refund")], {"feature": "refund"}, None, Reason.KILLED),
        ([switch(feature="refund")], {"feature": "search"}, "new", Reason.CANDIDATE),
        ([switch(version="new", feature="refund")], {"feature": "refund"}, "old", Reason.CANDIDATE_KILLED),
        ([switch(agent="other")], {}, "new", Reason.CANDIDATE),
        # a killed stable is not replaced by the candidate, and takes nobody's candidate away
        ([OLD], {"user": LEFT}, None, Reason.KILLED),
        ([OLD], {}, "new", Reason.CANDIDATE),
        ([OLD], {"tenant": "nailed"}, "odd", Reason.PINNED),
        ([OLD], {"user": "vip"}, "new", Reason.ALLOWED),
        # a tenant's pin wins over the rollout
        ([], {"tenant": "nailed"}, "odd", Reason.PINNED),
        ([], {"tenant": "nailed", "pin": PIN_NEW}, "odd", Reason.PINNED),
        # who takes no part
        ([], {"tenant": "away"}, "old", Reason.OPTED_OUT),
        ([], {"tenant": "away", "user": "vip"}, "old", Reason.OPTED_OUT),
        ([], {"user": "shy"}, "old", Reason.DENIED),
        ([], {"user": "shy", "pin": PIN_NEW}, "old", Reason.DENIED),
        # a conversation keeps its version, also outside the targeted tenants
        ([], {"user": LEFT, "pin": PIN_NEW}, "new", Reason.CONVERSATION),
        ([], {"pin": PIN_OLD}, "old", Reason.CONVERSATION),
        ([], {"pin": PIN_OLD, "tenant": "globex"}, "old", Reason.CONVERSATION),
        ([OLD], {"pin": PIN_OLD}, "new", Reason.CANDIDATE),
        # the rollout's own rules
        ([], {"user": "vip", "tenant": "globex"}, "new", Reason.ALLOWED),
        ([], {"tenant": "globex"}, "old", Reason.NOT_TARGETED),
        ([], {"user": ""}, "old", Reason.NO_UNIT),
        ([], {"user": "", "tenant": "globex"}, "old", Reason.NOT_TARGETED),
    ],
)
def test_precedence(kills, known, serve, reason):
    """Kill > pin > split > stable, and within the split the order that route.py's docstring gives."""
    answer = ask(world(*kills), **known)
    assert (answer.serve, answer.reason) == (serve, reason)
    assert (answer.kill is not None) == (reason.value.endswith("killed"))


def test_no_rollout_means_stable():
    """Without a rollout everybody gets stable, with whatever pin they come."""
    assert ask(world(split=None), pin=PIN_NEW).reason is Reason.NO_ROLLOUT
    assert ask(world(split=None), pin=PIN_NEW).serve == "old"


@pytest.mark.parametrize(
    ("kills", "known"),
    [([NEW], {"pin": PIN_OLD}), ([NEW], {"user": LEFT}), ([OLD], {}), ([OLD], {"pin": PIN_NEW}), ([], {"user": "vip"})],
)
def test_only_a_fair_draw_is_analysed(kills, known):
    """Where one arm is killed neither is analysed, or the arms would no longer be alike; listed users never are."""
    assert not ask(world(*kills), **known).randomised


@given(snapshots, requests)
@settings(max_examples=200)
def test_what_is_killed_is_never_served(snapshot, request):
    """No version answers, and none is mirrored to, where a switch covers it, whatever the rest of the snapshot says."""
    answer = route(snapshot, request)
    for kill in snapshot.kills:
        if (
            kill.agent in (None, request.agent)
            and kill.feature in (None, request.feature)
            and kill.tenant in (None, request.tenant)
        ):
            assert answer.serve is None or kill.version not in (None, answer.serve)
            assert answer.shadow is None or kill.version not in (None, answer.shadow)


@given(snapshots, requests)
def test_same_input_same_output(snapshot, request):
    """A decision depends on nothing but the snapshot and the request."""
    assert route(snapshot, request) == route(replace(snapshot), replace(request))


@given(snapshots, requests)
@settings(max_examples=200)
def test_only_the_two_arms_are_analysed(snapshot, request):
    """Analysed are units that were drawn, served by the version of their arm, and mirrored only as control."""
    answer, split = route(snapshot, request), snapshot.agents[request.agent].split
    if answer.randomised:
        assert answer.reason in (Reason.CANDIDATE, Reason.CONTROL, Reason.CONVERSATION)
        assert answer.rollout == split.rollout
        arms = {Arm.CANDIDATE: split.candidate, Arm.STABLE: snapshot.agents[request.agent].stable}
        assert answer.serve == arms[answer.arm]
    if answer.shadow is not None:
        assert (answer.arm, answer.shadow) == (Arm.STABLE, split.candidate)
        assert request.tenant not in snapshot.agents[request.agent].opted_out


units = st.text(min_size=1, max_size=12)
seeds = st.integers(0, 2**64 - 1)
shares = st.integers(0, 10_000)


def drawn(unit, seed, share, control=Control.REST):
    """The arm of a unit in a rollout with nothing special."""
    split = Split(
        rollout="r", stage="s", candidate="new", share=share, epoch=1, seed=seed, unit=UnitKind.USER, control=control
    )
    snapshot = Snapshot(agents={AGENT: AgentTraffic(agent=AGENT, stable="old", split=split)})
    return route(snapshot, Request(agent=AGENT, user=unit)).reason


@given(units, seeds, shares, shares, st.sampled_from(Control))
def test_a_growing_share_never_takes_the_candidate_away(unit, seed, one, other, control):
    """Who has the candidate at a share has it at every greater share; at none nobody, at all everybody."""
    small, great = sorted((one, other))
    if drawn(unit, seed, small, control) is Reason.CANDIDATE:
        assert drawn(unit, seed, great, control) is Reason.CANDIDATE
    assert drawn(unit, seed, 0, control) is not Reason.CANDIDATE
    assert drawn(unit, seed, 10_000, control) is Reason.CANDIDATE


@given(units, seeds, shares, shares)
def test_mirrored_arms_never_swap(unit, seed, one, other):
    """While mirrored arms grow nobody moves from one into the other, until the candidate needs the control's half."""
    small, great = sorted((one, other))
    before, after = drawn(unit, seed, small, Control.MIRRORED), drawn(unit, seed, great, Control.MIRRORED)
    if before is Reason.CONTROL:
        assert after is Reason.CONTROL or (after is Reason.CANDIDATE and great > 5_000)


@given(shares, st.sampled_from(Control))
def test_arms_are_as_large_as_promised(share, control):
    """The candidate has its share to 1 part in 2**64; a mirrored control is as large up to 50 %; nobody is in both."""
    arc = control_arc(control, share)
    assert cut(share) == share * POINTS // 10_000
    assert cut(share) <= arc.start <= arc.stop <= POINTS
    size = arc.stop - arc.start
    assert size == (POINTS - cut(share) if control is Control.REST or share > 5_000 else cut(share))
    if share > 0:
        assert math.isclose(expected_share(control, share), cut(share) / (cut(share) + size))


@pytest.mark.parametrize("share", [1, 100, 3_333, 5_000])
@pytest.mark.parametrize("ids", [str, "user-{:07d}".format, "{0:x}-{0:x}".format])
def test_shares_are_exact(share, ids):
    """Of 100,000 ids of any form the candidate gets its share, within 5 standard deviations of a binomial."""
    n, p = 100_000, share / 10_000
    taken = sum(bucket(ids(i), 42, Purpose.ENROL) < cut(share) for i in range(n))
    assert abs(taken - n * p) < 5 * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize(
    ("one", "other"), [((1, Purpose.ENROL), (2, Purpose.ENROL)), ((1, Purpose.ENROL), (1, Purpose.SHADOW))]
)
def test_draws_overlap_as_chance_has_it(one, other):
    """Two rollouts, or two purposes of one, share a tenth of their tenths: nobody is in every canary, or in none."""
    n, tenth = 40_000, 1_000
    both = sum(sampled(f"u{i}", *one, tenth) and sampled(f"u{i}", *other, tenth) for i in range(n))
    assert abs(both - n * 0.01) < 5 * math.sqrt(n * 0.01 * 0.99)


def test_buckets_never_move():
    """A bucket is part of the contract: these were computed once and must be the same in every release."""
    points = [bucket(unit, 7, Purpose.ENROL) for unit in ("u-1", "ключ", "")]
    assert points == [3805236887671707523, 12080079089452731906, 8165573254746596596]


def test_a_cohort_is_assigned_by_its_segment():
    """Where somebody else assigns, the named segment is the candidate's, others are control, and none is in no arm."""
    split = replace(SPLIT, targeting=Targeting(cohort="beta"))
    arms = [ask(world(split=split), segment=segment).reason for segment in ("beta", "gold", "")]
    assert arms == [Reason.CANDIDATE, Reason.CONTROL, Reason.OUTSIDE]


@pytest.mark.parametrize("tenant", ["acme", "globex", "away", "nailed"])
def test_a_shadow_hears_what_control_answers(tenant):
    """Mirrored are the sampled units that stable answers in the rollout, and nobody who takes no part in it."""
    split = replace(SPLIT, share=0, shadow=10_000)
    assert (ask(world(split=split), tenant=tenant).shadow == "new") == (tenant == "acme")
    assert ask(world(OLD, split=split), tenant=tenant).shadow is None
    assert ask(world(split=split), tenant=tenant, pin=PIN_OLD).shadow == ("new" if tenant == "acme" else None)


def test_the_unit_is_what_the_plan_says():
    """A request outside any session is a session of its own; every other unit is the id of its name or unknown."""
    request = Request(agent=AGENT, user="u", session="s", tenant="t", request="q")
    assert [unit_of(kind, request) for kind in UnitKind] == ["u", "s", "t", "q"]
    assert unit_of(UnitKind.SESSION, replace(request, session="")) == "q"
    assert [unit_of(kind, Request(agent=AGENT)) for kind in UnitKind] == [""] * 4


@given(pins)
def test_a_pin_comes_back_as_it_went(text):
    """What a route hands out is read back whole."""
    assert write_pin(read_pin(text)) == text


@pytest.mark.parametrize(
    "text",
    ["2.stable.1.2.old.r", "1.other.1.2.old.r", "1.stable.2.2.old.r", "1.stable.1.-2.old.r", "1.stable.1.².old.r"],
)
def test_another_form_of_pin_is_none(text):
    """Only a pin of this form, with an arm, a yes or no and an epoch, is read."""
    assert read_pin(text) is None


@given(st.one_of(st.text(), pins.flatmap(lambda text: st.integers(0, len(text)).map(lambda end: text[:end]))))
def test_what_is_no_pin_counts_as_none(text):
    """Whatever a caller hands in as a pin, the request is answered, and only with a version of the agent's traffic."""
    assert ask(world(), pin=text).serve in ("old", "new")


def test_a_conversation_keeps_its_arm_and_epoch():
    """The evidence of a pinned unit belongs to the epoch and arm it was drawn in, whatever the rollout does since."""
    answer = ask(world(), pin=PIN_OLD)
    assert (answer.arm, answer.epoch, answer.randomised, answer.rollout) == (Arm.STABLE, 2, True, "r")
    assert SPLIT.epoch == 3


def test_a_pin_of_another_rollout_keeps_the_version_but_not_the_evidence():
    """A conversation that was drawn in a rollout that is over goes on, and is analysed in no other."""
    other = write_pin(Pin("old", Arm.STABLE, randomised=True, epoch=2, rollout="r-before"))
    answer = ask(world(), pin=other)
    assert (answer.serve, answer.reason, answer.randomised) == ("old", Reason.CONVERSATION, False)
    gone = write_pin(Pin("older", Arm.STABLE, randomised=True, epoch=2, rollout="r"))
    assert ask(world(), pin=gone).reason is Reason.CANDIDATE


def test_a_route_names_what_it_was_decided_on():
    """The revision is the agent's, the switch is the broadest that covers the request, the oldest of equals."""
    assert ask(world()).revision == 4
    broad = switch(tenant="acme")
    assert ask(world(switch(agent=AGENT, version="old"), broad, NEW)).kill == broad
    assert ask(world(ALL, broad)).pin == ""
