"""What a replay scores, and what the gates may make of it: leaving the tape is neither good nor bad."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.artifact.version import Policies
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import Gates, RegressionGate
from surefoot.core.proof.misuse import ToolRules
from surefoot.core.proof.replay import (
    Level,
    Limits,
    Outcome,
    Played,
    blocked,
    died,
    outcome_of,
    result_of,
    virtual_latency,
)
from surefoot.core.proof.replay_case import tasks
from surefoot.core.proof.replay_verdict import Arm, verdict
from surefoot.core.proof.score import Attempt, Result
from surefoot.core.proof.tape import Tape
from surefoot.core.units import Digest
from tests.core.proof.recordings import called, trace

OLD, NEW = Digest("sha256:" + "0" * 64), Digest("sha256:" + "1" * 64)


def scored(case="c", version=NEW, *, level=Level.RUN, limits=Limits(), good=True, rules=ToolRules(), **played):  # noqa: B008
    run = trace(outcome=None if good is None else "success" if good else "failure", latency_ms=None)
    found = Played(**{"run": run, "recorded": trace(), **played})
    return result_of(found, Attempt(case, version), rules=rules, limits=limits, level=level)


def scores(result):
    return {score.metric: score for score in result.scores}


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (scored(), Outcome.PASS),
        (scored(good=False), Outcome.FAIL),
        (scored(first_divergence=0, why="refund was not recorded"), Outcome.DIVERGED),
        (scored(stale=("refund",)), Outcome.STALE),
        (scored(good=None), Outcome.UNJUDGED),
        (Result(attempt=Attempt("c", NEW), error="it died"), Outcome.ERROR),
        (Result(attempt=Attempt("c", NEW)), Outcome.ERROR),
    ],
)
def test_how_a_replay_ended_is_read_from_what_is_kept(result, outcome):
    """Six ends, told apart after a resume too; a result without a word is an error."""
    assert outcome_of(result) is outcome


def test_an_amount_that_was_not_recorded_is_not_within_the_limit():
    """Null is skipped with its reason: it is neither 0 nor over."""
    found = scores(scored(limits=Limits(max_latency_ms=10, max_cost_tokens=10)))
    for metric in ("latency_ms", "latency_overrun", "tokens", "token_overrun"):
        assert found[metric].value is None
        assert "not recorded" in found[metric].reason


def test_misuse_is_an_amount_and_an_invariant():
    """Gates may compare how much there is, or ask that there is none; a run off its tape counts up to there."""
    bad = trace(*[called("find")] * 5, allowed_tools=("get",))
    for more in ({}, {"first_divergence": 5}):
        found = scores(scored(run=bad, **more))
        assert (found["tool_misuse"].value, found["no_tool_misuse"].passed) == (6.0, False)
    assert scores(scored())["no_tool_misuse"].passed


@pytest.mark.parametrize(("tokens", "over"), [(10, 0.0), (11, 1.0)])
def test_a_limit_is_allowed_to_be_reached(tokens, over):
    """Over the limit is more than the limit."""
    found = scores(scored(run=trace(cost_tokens=tokens), limits=Limits(max_cost_tokens=10)))
    assert found["token_overrun"].value == over


def test_virtual_time_is_the_models_and_the_recorded_tools():
    """The tape answers at once, and is not credited for it; one unknown latency makes the sum unknown."""
    tape = Tape(trace(called("find"), called("get")))
    tape.call("find", {})
    tape.call("get", {})
    assert virtual_latency(50.0, tape.report()) == 250.0
    assert virtual_latency(None, tape.report()) is None
    tape.call("pay", {})
    assert virtual_latency(50.0, tape.report()) is None


def test_a_recorded_success_is_what_a_run_without_an_outcome_is_held_against():
    """It did every write that a success did, and answered: else it failed; where the record failed, nobody knows."""
    bare, report = trace(outcome=None), Tape(trace()).report()
    assert outcome_of(scored(run=bare, report=report)) is Outcome.PASS
    assert outcome_of(scored(run=bare, report=report, owed=("refund",))) is Outcome.FAIL
    assert outcome_of(scored(run=trace(outcome=None, response=None), report=report)) is Outcome.FAIL
    assert outcome_of(scored(run=bare, report=report, recorded=trace(outcome="failure"))) is Outcome.UNJUDGED


@pytest.mark.parametrize(
    ("policies", "place"),
    [
        (Policies(), None),
        (Policies(allowed_tools=frozenset({"find", "pay"})), None),
        (Policies(allowed_tools=frozenset({"find"})), 1),
        (Policies(max_steps=2), 2),
        (Policies(max_latency=500), 2),
    ],
)
def test_policies_are_held_against_what_was_recorded(policies, place):
    """A tool that is not allowed ends the run where it was used, a limit ends it as a whole."""
    assert blocked(trace(called("find"), called("pay"), model_calls=3, latency_ms=900.0), policies)[0] == place


def test_runs_of_one_task_are_told_apart():
    """By their trial where it is recorded, else by their order in one version; without a task, by the request."""
    runs = [trace(task_id="a"), trace(task_id="a"), trace(task_id="a", version="v2"), trace(task_id="b", trial=4)]
    found = [task for task, _ in tasks([*runs, trace(request={"q": 1})])]
    assert found == [("task:a", 0), ("task:a", 1), ("task:a", 0), ("task:b", 4), ('request:{"q": 1}', 0)]


def arms(before, after, **played):
    """Both arms from their outcomes: p(ass), f(ail), d(iverged), e(rror), r(aised), x (its process died)."""

    def one(place, letter, version):
        if letter == "e":
            return Result(attempt=Attempt(f"c{place}", version), error="it died")
        if letter == "x":
            return died(Attempt(f"c{place}", version), trace(), "its process died", limits=Limits())
        more = {"first_divergence": 0} if letter == "d" else {"good": letter == "p", "is_crash": letter == "r"}
        return scored(f"c{place}", version, **more, **played)

    return [
        Arm(label, version, tuple(one(place, letter, version) for place, letter in enumerate(letters)))
        for label, version, letters in (("old", OLD, before), ("new", NEW, after))
    ]


def judged(before, after, **more):
    return verdict("tape@1", *arms(before, after, **more), level=Level.RUN, limits=more.get("limits", Limits()))


@pytest.mark.parametrize(
    ("before", "after", "decision"),
    [
        ("", "", Decision.UNDECIDED),
        ("p" * 30, "p" * 30, Decision.PASSED),
        ("p" * 30, "p" * 15 + "f" * 15, Decision.FAILED),
        ("p" * 30, "e" * 30, Decision.UNDECIDED),
        ("p" * 30, "d" * 30, Decision.UNDECIDED),
        ("p" * 30, "p" * 20 + "d" * 10, Decision.UNDECIDED),
        ("p" * 5, "p" * 5, Decision.UNDECIDED),
        ("p" * 40 + "d" * 3, "p" * 40 + "d" * 3, Decision.PASSED),
        ("r" * 30, "r" * 30, Decision.UNDECIDED),
        ("r" * 30, "f" * 30, Decision.UNDECIDED),
        ("f" * 30, "f" * 30, Decision.UNDECIDED),
        ("p" * 14 + "f" * 16, "p" * 30, Decision.UNDECIDED),
        ("p" * 16 + "f" * 14, "p" * 30, Decision.PASSED),
        ("p" * 30, "r" * 30, Decision.UNDECIDED),
        ("p" * 30, "r" * 15 + "e" * 15, Decision.UNDECIDED),
        ("p" * 30, "r" * 29 + "f", Decision.FAILED),
        ("p" * 30, "r" * 15 + "p" * 15, Decision.FAILED),
        ("p" * 300, "x" + "p" * 299, Decision.UNDECIDED),
        ("p" * 30, "x" * 15 + "p" * 15, Decision.FAILED),
        ("p" * 30, "x" * 30, Decision.UNDECIDED),
        ("x" * 30, "p" * 30, Decision.UNDECIDED),
    ],
)
def test_what_is_not_known_is_never_a_pass(before, after, decision):
    """Nothing, errors, too few and off the tape are undecided; only a shown regression fails."""
    assert judged(before, after).gates.decision is decision


def test_one_dead_process_is_no_pass_whatever_is_asked():
    """One run of 300 is in no rate, and a version that takes its process along is not let through by one."""
    only = Gates(gates=(RegressionGate(name="success", metric="success"),))
    for after, decision in (("x" + "p" * 299, Decision.UNDECIDED), ("p" * 300, Decision.PASSED)):
        found = verdict("tape@1", *arms("p" * 300, after), level=Level.RUN, limits=Limits(), gates=only)
        assert found.gates.decision is decision


def test_kinds_of_misuse_are_counted_and_not_read_out_of_a_text():
    """Words of a tool's own in a reason are no kind, and findings that no reason has room for count."""
    calls = [called(f"tool_{number}", order_id=number) for number in range(300)]
    found = scored(
        run=trace(*calls, allowed_tools=()), rules=ToolRules(problems={"tool_7": lambda _: "id: bad; name: bad"})
    )
    (_, arm) = arms("p", "p")
    totals = verdict("t@1", arm, arm._replace(results=(found,)), level=Level.RUN, limits=Limits()).candidate_totals
    assert totals.misuse == {"forbidden_tool": 300, "bad_arguments": 1}


@pytest.mark.parametrize(
    ("agreement", "calls", "decision"),
    [
        (1.0, 1.0, Decision.PASSED),
        (0.5, 0.25, Decision.PASSED),
        (0.49, 0.25, Decision.UNDECIDED),
        (0.8, 0.0, Decision.UNDECIDED),
        (0.0, None, Decision.UNDECIDED),
        (1.0, None, Decision.PASSED),
    ],
)
def test_steps_are_not_compared_with_a_baseline_that_hardly_agrees(agreement, calls, decision):
    """Less than half of the decisions, or not one recorded call made again, in both versions alike: never a pass."""
    letter = "p" if agreement == 1.0 else "d"
    more = {"agreement": agreement, "calls_again": calls, "level": Level.STEP}
    found = verdict("tape@1", *arms(letter * 30, letter * 30, **more), level=Level.STEP, limits=Limits())
    assert found.gates.decision is decision, found.gates
    assert ("endpoint" in found.gates.rulings[-1].reason) is (decision is Decision.UNDECIDED)


def test_a_run_that_raised_is_told_apart_from_one_that_answered_badly():
    """It is an error and no success; beside a version that gave nothing it did not do the same."""
    found = judged("rrp", "ffp")
    assert (found.baseline_totals.outcomes[Outcome.ERROR], found.candidate_totals.outcomes[Outcome.FAIL]) == (2, 2)
    assert found.baseline_totals.success == found.candidate_totals.success == pytest.approx(1 / 3)
    assert [row.is_changed for row in found.rows] == [True, True, False]


def test_a_verdict_that_hangs_on_those_that_left_is_not_decided():
    """Better on the pairs that stayed, worse if leaving counts as failing: nobody knows, so nothing is decided."""
    found = judged("p" * 60, "p" * 50 + "d" * 10)
    success = next(ruling for ruling in found.gates.rulings if ruling.metric == "success")
    assert success.decision is Decision.UNDECIDED
    assert "if runs that left the tape count as failures" in success.reason


@settings(max_examples=25)
@given(st.text("pfderx", min_size=10, max_size=40))
def test_a_version_against_itself_never_fails(outcomes):
    """Whatever the tape does to it, it does to both."""
    found = judged(outcomes, outcomes)
    assert found.gates.decision is not Decision.FAILED
    assert not any(row.is_changed for row in found.rows)
    assert found.candidate_totals == found.baseline_totals


def test_amounts_are_compared_where_both_stayed():
    """A run that left its tape early is cheap, and says nothing about the budget."""
    limits = Limits(max_cost_tokens=10)
    before, after = arms("p" * 12, "p" * 11 + "d", limits=limits, run=trace(cost_tokens=5))
    found = verdict("tape@1", before, after, level=Level.RUN, limits=limits)
    assert len(found.candidate.columns["tokens"].samples) == 11
    assert found.gates.decision is Decision.PASSED
    assert [(ratio.metric, ratio.median) for ratio in found.ratios][-1] == ("tokens", 1.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
@settings(max_examples=25)
def test_latencies_under_a_millisecond_have_no_ratio(pairs):
    """However they differ: the row says that it is noise instead."""
    [latency] = compared(pairs)
    assert (latency.median, latency.p_value, latency.n) == (None, None, 0)
    assert f"{len(pairs)} of {len(pairs)} traces" in latency.why


def test_latencies_that_differ_by_less_than_a_millisecond_are_equally_fast():
    """A hundredth of a millisecond in favour of the same side every time is no difference; one that is more counts."""
    [alike], [slower] = compared([(100.01, 100.0)] * 50), compared([(102.0, 100.0)] * 50 + [(0.3, 0.1)])
    assert (alike.p_value, alike.n, alike.why) == (1.0, 50, "")
    assert slower.p_value is not None
    assert slower.p_value < 1e-9
    assert (slower.median, slower.n) == (1.02, 50)
    assert "1 of 51 traces" in slower.why


def compared(pairs):
    """The ratios of runs that took candidate and baseline this many milliseconds."""
    before, after = (
        Arm(
            label,
            version,
            tuple(
                scored(f"c{place}", version, good=True, run=trace(latency_ms=pair[side]))
                for place, pair in enumerate(pairs)
            ),
        )
        for label, version, side in (("old", OLD, 1), ("new", NEW, 0))
    )
    found = verdict("tape@1", before, after, level=Level.RUN, limits=Limits())
    return [ratio for ratio in found.ratios if ratio.metric == "latency_ms"]


def test_runs_of_one_task_prove_as_much_as_one_case():
    """Twenty trials of two tasks are two cases, and two cases decide nothing."""
    before, after = arms("p" * 20, "f" * 20)
    shared = {f"c{place}": f"task:{place % 2}" for place in range(20)}
    found = verdict("tape@1", before, after, level=Level.RUN, limits=Limits(), tasks=shared)
    assert found.gates.decision is Decision.UNDECIDED
    assert found.candidate.columns["success"].samples["task:0"].n == 10
    assert len(found.rows) == 20


READ = called("find", id=1)


def replayed_read(*calls, answer="Order 1 ships on Monday", recorded_answer="Order 1 ships on Monday", read_only=True):
    """What a run that made these calls is worth beside a recorded success that read once."""
    recorded = trace(READ, response=recorded_answer)
    tape = Tape(recorded)
    for call in calls:
        tape.call(call.name, call.args)
    run = trace(*calls, response=answer, outcome=None)
    return scored(good=None, recorded=recorded, run=run, report=tape.report(), is_read_only=read_only)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (replayed_read(READ), Outcome.PASS),
        (replayed_read(READ, answer="Monday is when order 1 ships"), Outcome.PASS),
        (replayed_read(), Outcome.UNJUDGED),
        (replayed_read(READ, answer="Bananas."), Outcome.UNJUDGED),
        (replayed_read(READ, answer=""), Outcome.FAIL),
        (replayed_read(read_only=False), Outcome.PASS),
    ],
)
def test_a_run_that_only_had_to_read_is_judged_by_its_calls_and_its_answer(result, outcome):
    """Without a write to tell, one that did not read, or answers something else altogether, is no known success."""
    assert outcome_of(result) is outcome


def test_a_candidate_of_which_no_success_is_known_is_told_so():
    """Nothing is decided, and the reason is the run's."""
    before, after = arms("p" * 20, "")
    lazy = [replayed_read() for _ in range(20)]
    lazy = tuple(replace(one, attempt=Attempt(f"c{place}", NEW)) for place, one in enumerate(lazy))
    found = verdict("tape@1", before, after._replace(results=lazy), level=Level.RUN, limits=Limits())
    assert found.gates.decision is Decision.UNDECIDED
    assert (
        "new: nothing says whether one of its 20 runs succeeded (it did not call find" in found.gates.rulings[0].reason
    )
    assert not any(row.is_same for row in found.rows)


@pytest.mark.parametrize("after", ["p" * 30, "f" * 30, "p" * 15 + "f" * 15])
@pytest.mark.parametrize("side", [0, 1])
def test_nothing_is_decided_on_outcomes_that_cannot_be_read(side, after):
    """Whichever side they are of: neither a pass nor a failure."""
    both = arms("p" * 30, after)
    both[side] = both[side]._replace(doubt="not one success: 'passed' counts as a failure")
    found = verdict("tape@1", *both, level=Level.RUN, limits=Limits())
    assert found.gates.decision is Decision.UNDECIDED
    assert "'passed' counts as a failure" in found.gates.rulings[0].reason


def test_a_baseline_that_never_succeeds_has_nothing_to_lose():
    """No pass where both sides are at 0, and no drop that would have been found."""
    before, after = arms("f" * 30, "f" * 30, recorded=trace(outcome="failure"))
    [ruling, *_] = verdict("tape@1", before, after, level=Level.RUN, limits=Limits()).gates.rulings
    assert (ruling.decision, ruling.smallest_drop) == (Decision.UNDECIDED, None)
    before, after = arms("f" * 30, "p" + "f" * 29, recorded=trace(outcome="failure"))
    [ruling, *_] = verdict("tape@1", before, after, level=Level.RUN, limits=Limits()).gates.rulings
    assert (ruling.decision, ruling.smallest_drop) == (Decision.PASSED, None)
    assert "would be found" not in ruling.reason


def test_unjudged_runs_of_the_baseline_could_have_been_successes():
    """Where they could turn the decision, it is not made; where the candidate succeeds as well, they could not."""
    before, after = arms("p" * 18, "p" * 18 + "f" * 22)
    unknown = tuple(scored(f"c{18 + place}", OLD, good=None) for place in range(22))
    before = before._replace(results=(*before.results, *unknown))
    found = verdict("tape@1", before, after, level=Level.RUN, limits=Limits())
    assert found.gates.decision is Decision.UNDECIDED
    good = arms("", "p" * 40)[1]
    assert verdict("tape@1", before, good, level=Level.RUN, limits=Limits()).gates.decision is Decision.PASSED


@pytest.mark.parametrize(("uncompared", "decision"), [(3, Decision.PASSED), (4, Decision.UNDECIDED)])
def test_runs_without_one_of_the_baseline_are_counted(uncompared, decision):
    """Up to one in ten is told; more of them, and what is left is not the whole."""
    found = verdict("t@1", *arms("p" * 30, "p" * 30), level=Level.RUN, limits=Limits(), uncompared=uncompared)
    assert (found.gates.decision, found.uncompared) == (decision, uncompared)
