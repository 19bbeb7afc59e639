"""Behaviours: when runs decide, what errors may and may not do, and which answers are kept."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.behaviour import (
    FixedRuns,
    InOrder,
    Observed,
    Outcome,
    Predicate,
    Trial,
    ruling_of,
    sequential,
    trial_of,
)
from surefoot.core.proof.case import Case
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.score import Attempt, Result, Score, Status
from surefoot.core.proof.trace import Trace
from surefoot.core.units import Digest

PASS, FAIL, ERROR = (Trial(passed=passed) for passed in (True, False, None))
TRIALS = st.lists(st.sampled_from([PASS, PASS, PASS, FAIL, ERROR]), max_size=80)
HOW = st.one_of(
    st.builds(sequential, st.sampled_from([0.5, 0.8, 0.9]), at_most=st.integers(25, 60)),
    st.builds(FixedRuns, threshold=st.floats(0.05, 1.0), runs=st.integers(1, 30)),
)


def seen(how, trials) -> Observed:
    """A behaviour after these trials."""
    state = Observed(how=how)
    for trial in trials:
        state = state.after(trial)
    return state


def flipped(trials, to):
    """The same trials, every error another."""
    return [to if trial is ERROR else trial for trial in trials]


@given(HOW, TRIALS)
@settings(max_examples=150)
def test_errors_are_never_passes_and_never_failures(how, trials):
    """What holds would hold had every error failed, and what is broken would be had every error passed."""
    state = seen(how, trials)
    if state.outcome is Outcome.HOLDS:
        assert how.outcome(state.passed, state.failed + state.errors, 0) is Outcome.HOLDS
    if state.outcome is Outcome.BROKEN:
        assert how.outcome(state.passed + state.errors, state.failed, 0) is Outcome.BROKEN


@given(HOW, TRIALS, TRIALS)
@settings(max_examples=100)
def test_what_is_decided_stays_decided(how, trials, later):
    """Trials after the decision change nothing, and none is counted beyond the cap."""
    state = seen(how, trials)
    assert state.trials <= how.at_most
    if state.outcome is not Outcome.OPEN:
        assert seen(how, [*trials, *later]) == state
        assert state.ended("later") == state


@given(HOW, TRIALS)
@settings(max_examples=100)
def test_giving_up_early_gives_up_nothing(how, trials):
    """Where it ends undecided without a row of errors, no further trials within the cap would have decided."""
    state = seen(how, trials)
    if state.outcome is Outcome.UNDECIDED and state.errors_in_a_row < 5:
        for to in (True, False):
            p, f = state.passed, state.failed
            for _ in range(how.at_most - state.trials):
                p, f = p + to, f + (not to)
                assert how.outcome(p, f, state.errors) not in {Outcome.HOLDS, Outcome.BROKEN}


@pytest.mark.parametrize(
    ("trials", "outcome", "runs"),
    [
        ([PASS] * 60, Outcome.HOLDS, 21),
        ([FAIL] * 60, Outcome.BROKEN, 3),
        ([ERROR] * 60, Outcome.UNDECIDED, 5),
        ([PASS] * 9, Outcome.OPEN, 9),
        ([PASS, PASS, PASS, PASS, PASS, PASS, PASS, PASS, FAIL] * 8, Outcome.UNDECIDED, 60),
    ],
)
def test_the_default_decides_as_the_page_says(trials, outcome, runs):
    """21 passes in a row hold, 3 failures break, 5 errors in a row give up, and 8 of 9 stays between the two rates."""
    state = seen(sequential(), trials)
    assert (state.outcome, state.trials <= runs) == (outcome, True)
    if outcome is not Outcome.UNDECIDED:
        assert state.trials == runs


@pytest.mark.parametrize(("rate", "wrong"), [(0.818, Outcome.HOLDS), (0.947, Outcome.BROKEN)])
def test_simulated_agents_are_misjudged_as_rarely_as_promised(rate, wrong):
    """At the unacceptable rate at most 5 % pass, and at the acceptable one at most 5 % are called broken."""
    chance, how = random.Random(7), sequential()
    outcomes = []
    for _ in range(1_500):
        state = Observed(how=how)
        while state.outcome is Outcome.OPEN:
            state = state.after(PASS if chance.random() < rate else FAIL)
        outcomes.append(state.outcome)
    assert outcomes.count(wrong) / len(outcomes) <= 0.05 + 3 * (0.05 * 0.95 / 1_500) ** 0.5


def test_a_fixed_number_says_how_often_it_is_wrong():
    """The rule of 80 % of 20 runs lets an agent of 70 % through one time in four, and refuses a true 80 % often."""
    rule = FixedRuns(threshold=0.8, runs=20)
    assert rule.odds(0.7).accept == pytest.approx(0.2375, abs=1e-4)
    assert rule.odds(0.8).reject == pytest.approx(0.3704, abs=1e-4)
    assert seen(rule, [PASS] * 15 + [FAIL] * 4 + [ERROR]).outcome is Outcome.UNDECIDED
    assert seen(rule, [PASS] * 16 + [ERROR] * 4).outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    "make",
    [
        lambda: sequential(1.0),
        lambda: sequential(0.99),
        lambda: sequential(0.9, acceptable=0.8),
        lambda: sequential(0.9, unacceptable=0.95),
        lambda: sequential(0.9, confidence=0.4),
        lambda: sequential(0.9, at_most=0),
        lambda: sequential(float("nan")),
        lambda: FixedRuns(threshold=0.0),
        lambda: FixedRuns(threshold=0.5, runs=0),
    ],
)
def test_bars_that_mean_nothing_are_refused(make):
    """Also a cap under which nothing could ever hold: it would say "not decided" for ever."""
    with pytest.raises(ValueError, match=r"\d"):
        make()


def test_some_of_each_kind_are_kept():
    """The first failures, then errors, then passes, as many of each as asked for."""
    trials = [Trial(passed=p, said=str(n)) for n, p in enumerate([True, None, False, True, False, True, False])]
    state = Observed(how=sequential(0.5), keeps=2)
    for trial in trials:
        state = state.after(trial)
    assert [trial.said for trial in state.samples] == ["2", "4", "1", "0", "3"]


@given(st.permutations(range(12)))
@settings(max_examples=30)
def test_quick_answers_do_not_go_first(ends):
    """However trials end, they are looked at in their planned order, each once."""
    order, told = InOrder(), []
    for number in ends:
        told += order.ended(number, Trial(passed=True, said=str(number)))
    assert [trial.said for trial in told] == [str(number) for number in range(12)]


YES, NO = Score.scored("a", 1.0, passed=True), Score.scored("b", 0.0, passed=False, reason="why")


@pytest.mark.parametrize(
    ("scores", "error", "passed"),
    [
        ([YES], None, True),
        ([YES, NO], None, False),
        ([NO, Score.failed("c", "judge away")], None, False),
        ([YES, Score.failed("c", "judge away")], None, None),
        ([YES, Score.skipped("c", "no context")], None, None),
        ([YES, Score.scored("c", 3.0, passed=None)], None, None),
        ([], None, None),
        ([], "the endpoint was away", None),
    ],
)
def test_a_result_passes_only_if_every_validator_says_so(scores, error, passed):
    """One failure fails; an error, a skip or nothing said is neither; and the reason is told."""
    trial = trial_of(Result(attempt=Attempt("c", Digest("d")), scores=tuple(scores), error=error, output="said"))
    assert (trial.passed, trial.said, bool(trial.why)) == (passed, "said", passed is not True)


def test_a_predicate_is_an_evaluator():
    """True passes and False fails; what is neither is an error, and no answer is skipped."""
    case, trace = Case(id="c", request="q"), Trace(trace_id="t", request="q", response="hello")
    polite = Predicate(metric="polite", holds=lambda said: "hello" in said)
    assert polite.evaluate(case, trace).passed is True
    assert polite.evaluate(case, Trace(trace_id="t", request="q", response="no")).passed is False
    assert polite.evaluate(case, Trace(trace_id="t", request="q")).status is Status.SKIPPED
    assert Predicate(metric="m", holds=lambda said: None).evaluate(case, trace).status is Status.ERROR


def test_a_ruling_carries_the_numbers():
    """Decision, rate, its lower bound and the runs; what is still open is not decided, and stopping says why."""
    ruling = ruling_of("polite", seen(sequential(), [PASS] * 30))
    assert (ruling.decision, ruling.threshold, ruling.candidate, ruling.n) == (Decision.PASSED, 0.9, 1.0, 21)
    assert ruling.bound == pytest.approx(0.845, abs=1e-3)
    started = Observed(how=sequential()).after(PASS)
    assert ruling_of("polite", started).decision is Decision.UNDECIDED
    assert "the limit of $1" in started.ended("the limit of $1 is reached").reason
    assert ruling_of("polite", Observed(how=sequential())).candidate is None
