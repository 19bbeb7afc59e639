"""The ten rules of the state machine (DESIGN.md section 6), each a class of laws over legal lives and illegal pairs."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.evidence.verdict import Judgement, Why
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.audit import verify
from surefoot.core.lifecycle.machine import (
    TABLE,
    accepted,
    ends_warmth,
    news,
    orders,
    precedence,
    standing,
    transition,
    warm_until,
)
from surefoot.core.lifecycle.rollout import Phase, traffic_of
from surefoot.core.traffic.calendar import frozen
from surefoot.core.traffic.plan import Strategy
from surefoot.core.units import NO_TRAFFIC
from surefoot.errors import IllegalTransition, Refused

from .walks import (
    ALWAYS_FROZEN,
    BREACH,
    EVENTS,
    FORWARD,
    HOLD,
    NEW,
    NEWER,
    OLD,
    PASS,
    T0,
    WALKS,
    a_plan,
    a_rollout,
    a_stage,
    a_trail,
    in_phase,
    judged,
    one_of_each,
)

EXAMPLES = settings(max_examples=150)
LIVE = [phase for phase in Phase if not phase.is_final]


def position(row: ro.Rollout) -> tuple[object, ...]:
    return row.phase, row.opened, row.share, row.epoch


class TestTheTable:
    """One table; what is not in it is illegal."""

    @pytest.mark.parametrize(("phase", "event"), one_of_each(), ids=lambda value: type(value).__name__)
    def test_a_pair_that_is_not_in_the_table_raises_and_lists_what_can_be_ordered(self, phase, event):
        """No phase and event fall through to a default; the hint names a person's orders and nothing internal."""
        row = in_phase(phase)
        if (phase, type(event)) in TABLE:
            assert transition(row, event, at=T0).before is row
            return
        with pytest.raises(IllegalTransition) as refused:
            transition(row, event, at=T0)
        assert phase.replace("_", " ") in refused.value.message
        if phase.is_final:
            assert "over" in refused.value.hint
        else:
            assert refused.value.hint == f"what can be ordered now: {', '.join(orders(phase))}"
        assert not any(internal in refused.value.hint for internal in ("Judged", "Supersede", "WarmthEnded", "Start"))

    def test_what_a_person_can_order_is_said_in_the_words_of_the_commands(self):
        """The same rows of the table, as somebody would type them."""
        assert {phase: orders(phase) for phase in LIVE} == {
            Phase.QUEUED: ("abort",),
            Phase.RUNNING: ("abort", "pause", "promote"),
            Phase.WAITING: ("abort", "approve", "pause", "promote", "reject"),
            Phase.PAUSED: ("abort", "promote", "resume"),
            Phase.WARM: ("abort", "promote"),
        }

    def test_an_order_that_comes_too_early_is_answered_in_its_own_words(self):
        """Given a running rollout, when somebody approves, then the error is about approving."""
        with pytest.raises(IllegalTransition) as refused:
            transition(in_phase(Phase.RUNNING), ro.Approve(by="a", candidate=NEW), at=T0)
        assert refused.value.message == "cannot approve a rollout that is running"

    @pytest.mark.parametrize("whys", [[], [Why.STALE], [Why.STALE, Why.GATHERING, Why.MISMATCH]])
    def test_a_second_pause_is_told_who_paused_and_since_when(self, whys):
        """Given a pause, whatever was told of it since, when somebody pauses again, then the first one is named."""
        row = transition(in_phase(Phase.RUNNING), ro.Pause(by="ann", why="too hot"), at=T0).after
        for why in whys:
            row = transition(row, judged(Judgement.HOLD, why), at=T0 + timedelta(hours=1)).after
        with pytest.raises(IllegalTransition) as refused:
            transition(row, ro.Pause(by="bob"), at=T0 + timedelta(hours=2))
        assert refused.value.message == "already paused by ann: too hot, since 2026-01-05 09:00 UTC"
        assert refused.value.hint == "what can be ordered now: abort, promote, resume"

    def test_what_each_phase_accepts_is_written_down_twice(self):
        """Once as the table and once here, so that a row that appears or disappears is somebody's decision."""
        ways_out = {"Abort", "Judged", "Kill", "Supersede"}
        assert {phase: set(accepted(phase)) for phase in LIVE} == {
            Phase.QUEUED: {"Start"} | ways_out,
            Phase.RUNNING: {"Pause", "Promote"} | ways_out,
            Phase.WAITING: {"Approve", "Reject", "Pause", "Promote"} | ways_out,
            Phase.PAUSED: {"Resume", "Promote"} | ways_out,
            Phase.WARM: {"WarmthEnded", "Promote"} | ways_out,
        }

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase.is_final])
    def test_a_final_phase_accepts_nothing(self, phase):
        """What is over stays over."""
        assert accepted(phase) == ()

    @EXAMPLES
    @given(WALKS)
    def test_the_epoch_grows_exactly_when_arms_shares_or_phase_change(self, moves):
        """A unit's evidence can be told apart by epoch: one constant arrangement each."""
        for move in moves:
            same = position(replace(move.after, epoch=0)) == position(replace(move.before, epoch=0))
            assert move.after.epoch == move.before.epoch + (not same)

    @EXAMPLES
    @given(WALKS)
    def test_the_advance_clock_never_goes_back(self, moves):
        """A clock that jumps back makes a stage last longer, never shorter."""
        for move in moves:
            assert move.after.entered_at >= move.before.entered_at


class TestRule01TwoClocks:
    """Protection is looked at in every phase that is not final; advance needs every gate."""

    @pytest.mark.parametrize("phase", LIVE)
    @pytest.mark.parametrize("freeze", [(), ALWAYS_FROZEN])
    def test_a_breach_rolls_back_in_every_phase_frozen_or_not(self, phase, freeze):
        """Paused, waiting, queued, warm or in a freeze: harm ends it."""
        row = in_phase(phase, a_plan(freeze=freeze))
        after = transition(row, BREACH, at=T0).after
        assert after.phase is Phase.ROLLED_BACK
        assert after.share == NO_TRAFFIC
        assert traffic_of(after) is None

    @pytest.mark.parametrize("phase", [phase for phase in LIVE if phase is not Phase.RUNNING])
    def test_a_pass_moves_nothing_that_is_not_running(self, phase):
        """Whoever is queued, waiting, paused or warm cannot earn a step."""
        row = in_phase(phase)
        assert transition(row, PASS, at=T0).after == row

    @EXAMPLES
    @given(WALKS)
    def test_more_traffic_needs_a_pass_or_a_person(self, moves):
        """The share grows on a PASS while running, on an order, or when the warmth has ended; on nothing else."""
        for move in moves:
            if move.after.share > move.before.share:
                match move.event:
                    case ro.Judged(verdict=verdict):
                        assert verdict.judgement is Judgement.PASS
                        assert move.before.phase is Phase.RUNNING
                    case other:
                        assert isinstance(
                            other, ro.Start | ro.Approve | ro.Promote | ro.Resume | ro.WarmthEnded | ro.Supersede
                        )

    @EXAMPLES
    @given(WALKS)
    def test_in_a_freeze_only_a_signed_order_gives_more(self, moves):
        """A frozen rollout opens no stage, promotes nothing and grows no share, except by a person's Promote."""
        for move in moves:
            if frozen(move.before.plan.freeze, move.at) and not isinstance(move.event, ro.Promote):
                assert move.after.opened == move.before.opened
                assert move.after.share <= move.before.share
                assert move.after.phase is not Phase.PROMOTED

    @pytest.mark.parametrize(
        ("phase", "event"), [(Phase.QUEUED, EVENTS[0]), (Phase.RUNNING, PASS), (Phase.WARM, ro.WarmthEnded())]
    )
    def test_a_frozen_step_says_which_window_and_is_tried_again(self, phase, event):
        """Nothing moves; the note names the window; the same event after the freeze goes through."""
        row = in_phase(phase, a_plan(freeze=ALWAYS_FROZEN))
        held = transition(row, event, at=T0).after
        assert position(held) == position(row)
        assert "'always'" in held.note
        assert transition(held, event, at=T0).is_step is False
        thawed = replace(held, plan=a_plan())
        assert position(transition(thawed, event, at=T0).after) != position(row)

    def test_an_approval_in_a_freeze_is_refused_so_that_the_approver_knows(self):
        """It is not swallowed."""
        with pytest.raises(Refused, match="always"):
            transition(in_phase(Phase.WAITING, a_plan(freeze=ALWAYS_FROZEN)), ro.Approve(by="a", candidate=NEW), at=T0)

    @EXAMPLES
    @given(WALKS)
    def test_a_stage_that_needs_approval_is_opened_by_a_person(self, moves):
        """Not by any evidence."""
        for move in moves:
            if move.after.opened > move.before.opened and move.before.plan.stages[move.before.opened].needs_approval:
                assert isinstance(move.event, ro.Approve | ro.Promote)

    def test_an_approval_is_for_one_digest_and_one_stage(self):
        """Of another version, or of a stage that is not the one asked for, it opens nothing."""
        row = in_phase(Phase.WAITING)
        for wrong in (ro.Approve(by="a", candidate=NEWER), ro.Approve(by="a", candidate=NEW, stage="5%")):
            with pytest.raises(Refused):
                transition(row, wrong, at=T0)
        right = ro.Approve(by="a", candidate=NEW, stage="all")
        assert transition(row, right, at=T0).after.phase is Phase.WARM

    @EXAMPLES
    @given(WALKS)
    def test_an_experiment_never_moves_on_a_pass(self, moves):
        """Its shares are what the plan says until a person decides, or harm does."""
        for move in moves:
            if move.before.plan.strategy is Strategy.EXPERIMENT and move.event == PASS:
                assert position(move.after) == position(move.before)

    @EXAMPLES
    @given(WALKS)
    def test_the_way_down_has_a_reason_too(self, moves):
        """Back by harm, a switch or a refusal; out by an order or a newer candidate; by nothing else."""
        for move in moves:
            if move.after.phase is Phase.ROLLED_BACK:
                assert isinstance(move.event, ro.Kill | ro.Reject) or move.event.verdict.judgement is Judgement.BREACH
            if move.after.phase is Phase.ABORTED:
                assert isinstance(move.event, ro.Abort | ro.Supersede)


class TestRule02Precedence:
    """kill > abort > rollback > pause > promote-now > advance."""

    LADDER = (
        ro.Kill(switch="k", by="a", why="w"),
        ro.Abort(by="a", why="w"),
        BREACH,
        ro.Pause(by="a"),
        ro.Promote(by="a", why="w"),
        PASS,
        HOLD,
    )

    @EXAMPLES
    @given(st.permutations(LADDER), st.integers(1, len(LADDER)))
    def test_the_strongest_comes_first_in_whatever_order_they_came(self, shuffled, count):
        """The order of arrival decides nothing between unequals."""
        chosen = shuffled[:count]
        assert precedence(chosen) == tuple(sorted(chosen, key=self.LADDER.index))

    @EXAMPLES
    @given(st.permutations(EVENTS))
    def test_nothing_that_gives_traffic_outranks_what_takes_it(self, shuffled):
        """Every order upwards stands behind every order downwards."""
        order = precedence(shuffled)
        ups = [order.index(event) for event in FORWARD.values()]
        downs = [order.index(e) for e in order if isinstance(e, ro.Kill | ro.Abort | ro.Reject | ro.Supersede)]
        downs += [
            i for i, e in enumerate(order) if isinstance(e, ro.Judged) and e.verdict.judgement is Judgement.BREACH
        ]
        assert max(downs) < min(ups)

    @pytest.mark.parametrize("phase", LIVE)
    @pytest.mark.parametrize(
        "order",
        [ro.Kill(switch="k", by="a", why="w"), ro.Abort(by="a", why="w"), ro.Supersede(by="a", candidate=NEWER)],
    )
    def test_kill_abort_and_supersede_are_accepted_in_every_live_phase(self, phase, order):
        """Also while a promotion is on its way (WARM): the field's leaders drop an abort there."""
        after = transition(in_phase(phase), order, at=T0).after
        assert after.phase.is_final
        if not isinstance(order, ro.Supersede):
            assert after.share == NO_TRAFFIC


class TestRule03NoEvidenceNeverAdvances:
    """Verdicts without evidence hold, and a hold never moves."""

    @pytest.mark.parametrize("phase", LIVE)
    @pytest.mark.parametrize("why", list(Why))
    def test_a_hold_moves_nothing_whatever_its_reason(self, phase, why):
        """No data, stale data, broken assignment, time run out: everything stays where it is."""
        row = in_phase(phase)
        assert position(transition(row, judged(Judgement.HOLD, why), at=T0).after) == position(row)

    @pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PAUSED, Phase.WARM])
    @pytest.mark.parametrize("why", [Why.MISMATCH, Why.STALE, Why.NO_TRAFFIC, Why.TIMED_OUT, Why.NO_REFERENCE])
    def test_a_hold_that_waiting_will_not_end_is_told_once(self, phase, why):
        """People hear of it at the first look, not at every look, and hear when it is over."""
        row = (
            in_phase(phase)
            if phase is not Phase.PAUSED
            else transition(in_phase(Phase.RUNNING), ro.Pause(by="a"), at=T0).after
        )
        first = transition(row, judged(Judgement.HOLD, why), at=T0)
        assert [effect.urgent for effect in first.effects] == [True]
        assert transition(first.after, judged(Judgement.HOLD, why), at=T0).is_step is False
        over = transition(first.after, HOLD, at=T0)
        assert [effect.urgent for effect in over.effects] == [False]
        assert transition(over.after, HOLD, at=T0).is_step is False

    @pytest.mark.parametrize("words", ["", "why; on hold: lunch", "going on, no longer on hold: tea"])
    def test_a_hold_leaves_what_a_person_is_waited_for_as_it_was(self, words):
        """What a rollout waits for, and who paused it, is still said while it is held and when that is over."""
        waiting = transition(a_rollout(a_plan(a_stage("all", 10_000, approval=True))), ro.Start(by="a"), at=T0).after
        paused = transition(waiting, ro.Pause(by="ann", why=words), at=T0).after
        for row in (waiting, paused):
            held = transition(row, judged(Judgement.HOLD, Why.STALE), at=T0).after
            assert (held.note, held.held) == (row.note, Why.STALE)
            assert standing(held) == f"{row.note}; on hold: no evidence arrives any more"
            over = transition(held, HOLD, at=T0)
            assert over.after == row
            assert news(over) == "going on, no longer on hold: no evidence arrives any more"

    def test_a_hold_is_over_when_the_next_stage_opens_but_not_when_somebody_pauses(self):
        """A new stage begins without one; pausing and resuming tells nobody again of what they know."""
        held = transition(in_phase(Phase.RUNNING), judged(Judgement.HOLD, Why.STALE), at=T0).after
        paused = transition(held, ro.Pause(by="a"), at=T0).after
        assert paused.held is Why.STALE
        assert transition(paused, ro.Resume(by="a"), at=T0).after.held is Why.STALE
        assert transition(held, PASS, at=T0).after.held is None
        assert transition(held, BREACH, at=T0).after.held is None

    def test_the_worst_of_several_judgements_holds(self):
        """Judgements are ordered, so one that holds keeps all others from passing."""
        assert max(Judgement.PASS, Judgement.HOLD) is Judgement.HOLD
        assert max(Judgement) is Judgement.BREACH


class TestRule04TrafficFirst:
    """State and traffic are one write; each effect is told once and says what the row says."""

    @EXAMPLES
    @given(WALKS)
    def test_the_doorbell_rings_exactly_when_routers_have_something_to_read(self, moves):
        """And it is the first thing done, so on the way down nothing stands before it."""
        for move in moves:
            bells = [effect for effect in move.effects if isinstance(effect, ro.ShiftTraffic)]
            if traffic_of(move.before) == traffic_of(move.after):
                assert bells == []
            else:
                assert bells == [ro.ShiftTraffic(share=move.after.share)]
                assert move.effects[0] == bells[0]

    @EXAMPLES
    @given(WALKS)
    def test_a_change_of_share_always_rings(self, moves):
        """There is no silent change of traffic."""
        for move in moves:
            if move.before.share != move.after.share:
                assert ro.ShiftTraffic(share=move.after.share) in move.effects

    @EXAMPLES
    @given(WALKS)
    def test_somebody_is_woken_exactly_for_the_way_down_and_for_skipped_gates(self, moves):
        """Rolled back, aborted or given everything by order: urgent. A stage, a pause, a promotion: news."""
        for move in moves:
            if move.before.phase is not move.after.phase:
                is_urgent = any(isinstance(effect, ro.Notify) and effect.urgent for effect in move.effects)
                went_down = move.after.phase is Phase.ROLLED_BACK or isinstance(move.event, ro.Abort)
                skipped = isinstance(move.event, ro.Promote) and move.after.phase is Phase.WARM
                assert is_urgent == (went_down or skipped)

    @EXAMPLES
    @given(WALKS)
    def test_what_changes_nothing_asks_for_nothing(self, moves):
        """A look that moved nothing has no effect to repeat."""
        for move in moves:
            if not move.is_step:
                assert move.effects == ()


class TestRule05CompareAndSwap:
    """A step is computed from one row and names it; from the same row the same step."""

    @EXAMPLES
    @given(WALKS)
    def test_a_step_is_a_function_of_row_event_and_instant(self, moves):
        """Two controllers that saw the same compute the same, so losing the race loses nothing."""
        for move in moves:
            assert transition(move.before, move.event, at=move.at) == move

    @EXAMPLES
    @given(WALKS)
    def test_a_step_is_never_two_steps(self, moves):
        """At most one stage is opened, except by an order for all traffic."""
        for move in moves:
            if not isinstance(move.event, ro.Promote):
                assert move.after.opened - move.before.opened in (0, 1)


class TestRule07DenyList:
    """What was rolled back is denied; what was only taken out is not."""

    @EXAMPLES
    @given(WALKS)
    def test_a_digest_is_denied_exactly_when_it_is_rolled_back(self, moves):
        """Harm, a kill and a rejection deny; an abort and a newer candidate do not."""
        for move in moves:
            assert move.deny == (move.after.candidate if move.after.phase is Phase.ROLLED_BACK else None)
            if isinstance(move.event, ro.Abort | ro.Supersede):
                assert move.deny is None

    @pytest.mark.parametrize("event", [BREACH, ro.Kill(switch="k", by="a", why="w"), ro.Reject(by="a", why="w")])
    def test_harm_kill_and_rejection_deny_the_candidate(self, event):
        """Nothing brings it back by itself."""
        assert transition(in_phase(Phase.WAITING), event, at=T0).deny == NEW


class TestRule08NothingIsReRandomised:
    """Seed, hash, arms and plan are part of the row and never change."""

    @EXAMPLES
    @given(WALKS)
    def test_a_life_changes_phase_stage_epoch_clock_note_and_hold_only(self, moves):
        """The rest of the row is what it was when it was created; stable is settled by Start."""
        changing = {"phase", "opened", "epoch", "entered_at", "note", "held"}
        for move in moves:
            for field in fields(ro.Rollout):
                if field.name not in changing:
                    assert getattr(move.after, field.name) == getattr(move.before, field.name)

    def test_a_pause_and_a_resume_give_back_the_same_split(self):
        """Same seed, same share, same units; only the epoch tells the two times apart."""
        row = in_phase(Phase.RUNNING)
        paused = transition(row, ro.Pause(by="a"), at=T0).after
        resumed = transition(paused, ro.Resume(by="a"), at=T0).after
        before, during, after = (traffic_of(each) for each in (row, paused, resumed))
        assert before is not None
        assert during is not None
        assert replace(during, epoch=before.epoch) == before
        assert after is not None
        assert replace(after, epoch=before.epoch) == before
        assert resumed.opened == row.opened

    def test_a_pause_before_the_first_stage_resumes_to_the_question(self):
        """Resuming never skips an approval that had not been given."""
        asks_first = a_plan(a_stage("all", 10_000, approval=True))
        waiting = transition(a_rollout(asks_first), ro.Start(by="a"), at=T0).after
        paused = transition(waiting, ro.Pause(by="a"), at=T0).after
        assert transition(paused, ro.Resume(by="a"), at=T0).after.phase is Phase.WAITING

    def test_the_stable_version_is_that_of_the_moment_of_starting(self):
        """The rollout before it may have changed it."""
        started = transition(a_rollout(), ro.Start(by="a", stable=NEWER), at=T0).after
        assert started.stable == NEWER
        with pytest.raises(Refused, match="already"):
            transition(a_rollout(), ro.Start(by="a", stable=NEW), at=T0)


class TestRule09WarmAfterAll:
    """At 100 % the old version stays the way back until it was warm long enough."""

    @EXAMPLES
    @given(WALKS)
    def test_promoted_is_only_reached_through_warm(self, moves):
        """There is always a time in which both versions are there."""
        for move in moves:
            if move.after.phase is Phase.PROMOTED:
                assert move.before.phase is Phase.WARM

    @EXAMPLES
    @given(WALKS)
    def test_the_stable_pointer_moves_at_promoted_and_nowhere_else(self, moves):
        """Until then whatever fails falls back to the old version, with nothing to restore."""
        for move in moves:
            assert move.stable == (move.after.candidate if move.after.phase is Phase.PROMOTED else None)

    @pytest.mark.parametrize("holdback", [0, 500])
    def test_while_warm_the_candidate_has_all_but_the_holdback(self, holdback):
        """And a breach gives everything back to the old version."""
        row = in_phase(Phase.WARM, a_plan(holdback=holdback))
        split = traffic_of(row)
        assert split is not None
        assert split.share == 10_000 - holdback
        back = transition(row, BREACH, at=T0)
        assert (back.after.phase, back.after.share, back.stable) == (Phase.ROLLED_BACK, 0, None)
        assert traffic_of(back.after) is None

    def test_a_newer_candidate_ends_the_warmth_by_promotion(self):
        """It has passed every gate: the newer one is compared with it."""
        moved = transition(in_phase(Phase.WARM), ro.Supersede(by="a", candidate=NEWER), at=T0)
        assert (moved.after.phase, moved.stable) == (Phase.PROMOTED, NEW)

    @pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.WAITING, Phase.PAUSED])
    def test_promote_now_jumps_to_warm(self, phase):
        """A person's word skips the gates, not the watch."""
        after = transition(in_phase(phase), ro.Promote(by="a", why="w"), at=T0).after
        assert (after.phase, after.stage) == (Phase.WARM, after.plan.stages[-1])

    def test_a_person_may_end_the_warmth(self):
        """The old version may be the broken one: a second word makes the candidate stable at once."""
        moved = transition(in_phase(Phase.WARM), ro.Promote(by="a", why="w"), at=T0)
        assert (moved.after.phase, moved.stable) == (Phase.PROMOTED, NEW)

    @pytest.mark.parametrize("why", list(Why))
    def test_warmth_ends_by_itself_only_where_harm_would_have_been_seen(self, why):
        """Given enough time, when nothing could be concluded, or harm was, then it goes on."""
        row = in_phase(Phase.WARM)
        day = timedelta(days=1)
        blind = {Why.MISMATCH, Why.STALE, Why.NO_TRAFFIC, Why.NO_DATA, Why.NO_REFERENCE}
        assert ends_warmth(row, judged(Judgement.HOLD, why).verdict, at=T0 + day) is (why not in blind)
        assert not ends_warmth(row, judged(Judgement.HOLD, why).verdict, at=T0 + day - timedelta(seconds=1))
        assert not ends_warmth(row, judged(Judgement.BREACH, why).verdict, at=T0 + day)
        assert not ends_warmth(in_phase(Phase.RUNNING), HOLD.verdict, at=T0 + day)

    def test_warmth_lasts_as_long_as_the_longer_of_keep_warm_and_the_last_stage(self):
        """Neither setting is ignored."""
        slow = replace(a_stage("all", 10_000), min_duration=timedelta(days=3))
        assert warm_until(in_phase(Phase.WARM, a_plan(slow))) == T0 + timedelta(days=3)
        assert warm_until(in_phase(Phase.WARM)) == T0 + timedelta(days=1)


class TestRule10Recomputable:
    """The trail alone rebuilds the life, and nobody changes it unseen."""

    @EXAMPLES
    @given(WALKS)
    def test_replaying_the_events_gives_the_same_rows(self, moves):
        """Events and instants are all it takes."""
        row = moves[0].before if moves else a_rollout()
        for move in moves:
            row = transition(row, move.event, at=move.at).after
            assert row == move.after

    @EXAMPLES
    @given(WALKS)
    def test_every_live_trail_verifies(self, moves):
        """An honest chain is never called broken; test_audit.py breaks it in every way."""
        assert verify(a_trail(moves)) is None


def test_start_refers_to_the_row_when_nothing_else_is_said():
    """A Start without a stable version keeps the row's."""
    assert transition(a_rollout(), ro.Start(by="a"), at=T0).after.stable == OLD
