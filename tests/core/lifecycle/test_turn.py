"""Rule 6: what a new candidate does while another is under way is the plan's explicit choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.machine import transition
from surefoot.core.lifecycle.rollout import Phase, traffic_of
from surefoot.core.lifecycle.turn import take_turn
from surefoot.core.traffic.plan import OnNewCandidate
from surefoot.core.units import Digest, RolloutId

from .walks import NEW, NEWER, OLD, T0, a_plan, a_rollout, a_stage, in_phase

LIVE = [phase for phase in Phase if not phase.is_final]


def newcomer(policy: OnNewCandidate) -> ro.Rollout:
    return a_rollout(
        a_plan(on_new_candidate=policy), id=RolloutId("r2"), candidate=NEWER, created_at=T0 + timedelta(hours=1)
    )


class TestRule06NewCandidate:
    """Reject, queue or supersede; never two at the same time."""

    @pytest.mark.parametrize("phase", LIVE)
    @pytest.mark.parametrize(
        ("policy", "kind"), [("reject", ro.Abort), ("queue", type(None)), ("supersede", ro.Supersede)]
    )
    def test_the_plan_of_the_newcomer_decides(self, phase, policy, kind):
        """In every live phase of the one before it."""
        before = in_phase(phase)
        turn = take_turn(newcomer(OnNewCandidate(policy)), [before], stable=OLD, denied={})
        assert isinstance(turn.event if turn else None, kind)
        if turn is not None:
            assert transition(turn.rollout, turn.event, at=T0).after.phase.is_final

    def test_reject_is_the_default(self):
        """Silence never replaces anything."""
        assert a_plan().on_new_candidate is OnNewCandidate.REJECT

    @pytest.mark.parametrize("policy", list(OnNewCandidate))
    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase.is_final])
    def test_what_is_over_stands_in_nobodys_way(self, policy, phase):
        """With its predecessor final, the newcomer starts against the stable version of that moment."""
        turn = take_turn(newcomer(policy), [in_phase(phase)], stable=NEW, denied={})
        assert turn is not None
        assert turn.event == ro.Start(by="ann", stable=NEW)

    @settings(max_examples=150)
    @given(
        st.lists(st.tuples(st.sampled_from(list(OnNewCandidate)), st.integers(0, 3)), min_size=1, max_size=6),
        st.lists(st.integers(0, 11), max_size=40),
    )
    def test_there_are_never_two_under_way(self, comers, order):
        """Whoever looks at whom in whatever order: at most one rollout of an agent has traffic."""
        plans = {p: a_plan(a_stage("5%", 500), a_stage("all", 10_000), on_new_candidate=p) for p in OnNewCandidate}
        rows = {
            RolloutId(f"r{i}"): a_rollout(
                plans[policy],
                id=RolloutId(f"r{i}"),
                candidate=Digest(f"sha256:{i}"),
                created_at=T0 + timedelta(minutes=minute),
            )
            for i, (policy, minute) in enumerate(comers)
        }
        for pick in order:
            row = rows[RolloutId(f"r{pick % len(rows)}")]
            if row.phase is Phase.QUEUED:
                turn = take_turn(row, rows.values(), stable=OLD, denied={})
                if turn is not None:
                    rows[turn.rollout.id] = transition(turn.rollout, turn.event, at=T0).after
            elif not row.phase.is_final and pick % 2:
                rows[row.id] = transition(row, ro.Abort(by="a", why="done"), at=T0).after
            assert sum(traffic_of(row) is not None for row in rows.values()) <= 1

    @pytest.mark.parametrize("policy", list(OnNewCandidate))
    def test_a_candidate_that_was_denied_or_promoted_while_it_queued_is_taken_out(self, policy):
        """Nothing starts it by itself."""
        row = newcomer(policy)
        for stable, denied in ((OLD, {NEWER: "harm"}), (NEWER, {})):
            turn = take_turn(row, [], stable=stable, denied=denied)
            assert turn is not None
            assert turn.rollout == row
            assert isinstance(turn.event, ro.Abort)

    def test_rollouts_of_other_agents_do_not_count(self):
        """Each agent has its own queue."""
        other = replace(in_phase(Phase.RUNNING), agent="other")
        turn = take_turn(newcomer(OnNewCandidate.REJECT), [other], stable=OLD, denied={})
        assert turn is not None
        assert isinstance(turn.event, ro.Start)
