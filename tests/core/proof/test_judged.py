"""What every gate asks before it decides: is there a score, are there enough, and what hides behind what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.gate import Decision, Ruling
from surefoot.core.proof.gate_kinds import BudgetGate, InvariantGate, RegressionGate, SuiteGate
from surefoot.core.proof.judged import Scored, draft, percent, scored, settled, sure, worst_case
from surefoot.core.proof.table import Column, Lack, Sample
from tests.core.proof.arms import judged, rates, totals
from tests.core.proof.tables import amounts, rate, table

PASSED, FAILED, UNDECIDED = Decision.PASSED, Decision.FAILED, Decision.UNDECIDED
ALL_PASS = SuiteGate(name="suite", metric="m")
NO_WORSE = RegressionGate(name="no worse", metric="m")
NEVER = InvariantGate(name="never", metric="m")
CHEAP = BudgetGate(name="cheap", metric="m", limit=1.0)


def found(column, gate=ALL_PASS, *, counts_all=False, **more):
    """What a gate may look at, or why not."""
    return scored(gate, judged(gate, candidate=column, **more), counts_all=counts_all)


def after(candidate, n=20, *, gate=ALL_PASS, decision=PASSED, **more) -> Ruling:
    """What becomes of a ruling that rests on so many cases."""
    ruling = replace(draft(gate, decision, "so it is"), n=n)
    return sure(gate, ruling, judged(gate, candidate=candidate, **more))


@pytest.mark.parametrize(
    ("errors", "most", "is_scored"),
    [(0, 0.0, True), (1, 0.0, False), (2, 0.1, True), (3, 0.1, False), (20, 0.9, False)],
)
def test_errors_up_to_their_share(errors, most, is_scored):
    """Exactly `max_errors` of the trials may have no score; one more, and nothing is decided; all of them, never."""
    column = rate([1] * 20, errors=range(errors))
    assert isinstance(found(column, settings={"max_errors": most}), Scored) is is_scored


@pytest.mark.parametrize(
    ("held", "most", "is_scored"), [(0, 0.0, True), (1, 0.0, False), (4, 0.2, True), (5, 0.2, False), (20, 0.9, False)]
)
def test_quarantine_up_to_its_share(held, most, is_scored):
    """Exactly `max_quarantined` of the cases may be held back, and all of them never."""
    cases = frozenset(f"c{at}" for at in range(held))
    ruling = found(rate([1] * 20), settings={"max_quarantined": most}, quarantined=lambda metric: cases)
    assert isinstance(ruling, Scored) is is_scored
    if isinstance(ruling, Scored):
        assert (ruling.column.n, ruling.quarantined) == (20 - held, tuple(sorted(cases)))
        assert (f"{held} in quarantine" in ruling.note) is bool(held)


def test_who_counts_all_looks_at_quarantine_and_errors_too():
    """An invariant and a budget see the cases that others leave out, and judge errors themselves."""
    column = rate([1] * 20, errors=range(15))
    held = frozenset(f"c{at}" for at in range(19))
    whole = found(column, counts_all=True, quarantined=lambda metric: held)
    assert isinstance(whole, Scored)
    assert (whole.column, whole.quarantined, whole.note) == (column, (), "")


def test_quarantine_of_cases_that_are_not_there_holds_nothing_back():
    """Only cases of the column count."""
    ruling = found(rate([1] * 20), quarantined=lambda metric: frozenset(f"x{at}" for at in range(99)))
    assert isinstance(ruling, Scored)
    assert (ruling.column.n, ruling.quarantined) == (20, ())


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (None, "m was not measured (measured: none)"),
        (Column(samples={}, is_rate=True), "nothing ran"),
        (amounts([None] * 3), "every one of 3 trials was skipped"),
        (
            Column(samples={"a": Sample(errors=2)}, is_rate=True, lacks=(Lack("no key", 2),)),
            "all 2 trials ended without a score: no key (2)",
        ),
        (amounts([float("inf")] * 12), "its values do not add up to a finite number"),
    ],
    ids=["not measured", "nothing", "skipped", "errors", "infinite"],
)
@pytest.mark.parametrize("counts_all", [False, True])
def test_the_reason_why_nothing_can_be_said(column, why, counts_all):
    """Each is told apart, because each is mended in another way."""
    candidate = table("c") if column is None else column
    ruling = found(candidate, counts_all=counts_all)
    assert isinstance(ruling, Ruling)
    assert (ruling.decision, ruling.reason) == (UNDECIDED, why)


@given(rates(), st.sets(st.integers(0, 13)), st.booleans())
def test_whatever_may_be_looked_at_has_a_score_and_no_held_case(column, places, counts_all):
    """A column that is handed on is never empty, and holds only cases that count."""
    held = frozenset(f"c{at}" for at in places)
    ruling = found(column, counts_all=counts_all, settings={"max_quarantined": 0.99}, quarantined=lambda metric: held)
    if isinstance(ruling, Scored):
        assert ruling.column.n > 0
        assert counts_all or not held & ruling.column.samples.keys()
    else:
        assert ruling.decision is UNDECIDED


@pytest.mark.parametrize(("n", "least", "decision"), [(9, 10, UNDECIDED), (10, 10, PASSED), (0, 1, UNDECIDED)])
def test_a_pass_rests_on_enough_cases(n, least, decision):
    """Exactly `min_cases` are enough."""
    ruling = after(rate([1] * 20), n, settings={"min_cases": least})
    assert ruling.decision is decision
    assert ("are too few" in ruling.reason) is (decision is UNDECIDED)


@pytest.mark.parametrize("decision", [FAILED, UNDECIDED])
def test_only_a_pass_has_to_be_sure(decision):
    """What failed has failed, on however few cases."""
    assert after(rate([1]), 1, decision=decision).decision is decision


def test_totals_count_trials():
    """Where single cases are not known, the trials are too few and not the cases."""
    assert "3 trials are too few" in after(totals(3, 3), 3).reason


@pytest.mark.parametrize(
    ("skipped", "most", "decision"), [(0, 0.0, PASSED), (1, 0.0, UNDECIDED), (2, 0.1, PASSED), (3, 0.1, UNDECIDED)]
)
def test_trials_skipped_of_cases_that_were_scored_in_others(skipped, most, decision):
    """Exactly `max_skipped` of the trials of such cases may be missing."""
    cases = {f"c{at}": Sample(n=1, total=1.0, squares=1.0, skipped=int(at < skipped)) for at in range(20 - skipped)}
    column = Column(samples=cases, is_rate=True)
    assert after(column, settings={"max_skipped": most}).decision is decision


@pytest.mark.parametrize("gate", [ALL_PASS, NO_WORSE, NEVER, CHEAP], ids=lambda gate: gate.name)
@pytest.mark.parametrize(("diverged", "decision"), [(0, UNDECIDED), (2, UNDECIDED), (3, PASSED)])
def test_cases_that_the_baseline_scored_and_that_are_skipped_now(gate, diverged, decision):
    """They may hide failures, unless as many replays left their tape, which has a limit of its own."""
    now = Column(
        samples={f"c{at}": Sample(skipped=1) if at < 3 else Sample(1, 1.0, 1.0) for at in range(20)}, is_rate=True
    )
    assert after(now, gate=gate, baseline=rate([1] * 20), diverged=diverged).decision is decision


def test_a_case_that_nobody_ever_scored_is_not_missing():
    """What a metric is not about was skipped by the baseline too."""
    never = {f"x{at}": Sample(skipped=1) for at in range(9)}
    column = rate([1] * 20)
    both = replace(column, samples={**column.samples, **never})
    assert after(both, baseline=both).decision is PASSED


def test_runs_that_were_lost_pass_nothing():
    """Skipped where others like them were scored: the number is told."""
    ruling = after(rate([1] * 20), lost={"m": 4})
    assert ruling.decision is UNDECIDED
    assert "4 runs were skipped" in ruling.reason
    assert after(rate([1] * 20), lost={"other": 4}).decision is PASSED


@given(rates(), st.sets(st.integers(0, 13)))
def test_the_worst_case_counts_every_error_as_a_failure(column, places):
    """No trial is lost and none is passed by it; where there is no error it is the column itself."""
    broken = replace(
        column,
        samples={case: one._replace(errors=int(at in places)) for at, (case, one) in enumerate(column.samples.items())},
    )
    worst = worst_case(broken)
    assert sum(one.n for one in worst.values()) == broken.n + broken.errors
    assert sum(one.errors for one in worst.values()) == 0
    assert [one.total for one in worst.values()] == [one.total for one in broken.samples.values()]
    assert worst_case(column) == column.samples


@pytest.mark.parametrize(("share", "words"), [(0.0, "0.0 %"), (0.0249, "2.5 %"), (0.5, "50.0 %"), (1.0, "100.0 %")])
def test_a_share_in_words(share, words):
    """With one digit behind the point."""
    assert percent(share) == words


def test_a_draft_says_which_gate_it_is_of():
    """Name, kind, metric and whether it blocks go from the gate into the ruling; deciding it keeps them."""
    gate = replace(NEVER, is_blocking=False)
    ruling = settled(draft(gate, UNDECIDED, ""), FAILED, "broken")
    assert (ruling.gate, ruling.kind, ruling.metric, ruling.is_blocking) == ("never", "invariant", "m", False)
    assert (ruling.decision, ruling.reason) == (FAILED, "broken")
