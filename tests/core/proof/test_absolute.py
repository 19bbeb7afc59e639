"""Gates on the candidate alone: the edges of each kind, and the laws that hold whatever the results are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.absolute import budget, invariant, rate_bounds, suite, threshold
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import Amount, BudgetGate, InvariantGate, On, Operator, SuiteGate, ThresholdGate
from surefoot.core.proof.judged import sure
from surefoot.core.proof.rates import clopper_pearson, wilson
from surefoot.core.proof.table import Column, Sample
from tests.core.proof.arms import BADNESS, costs, doubled, judged, lost, rates, shuffled, totals, with_all, with_less
from tests.core.proof.tables import amounts, rate

PASSED, FAILED, UNDECIDED = Decision.PASSED, Decision.FAILED, Decision.UNDECIDED
FLOOR = ThresholdGate(name="floor", metric="m", operator=Operator.AT_LEAST, threshold=0.5)
SEEN = replace(FLOOR, on=On.MEAN)
CAP = replace(FLOOR, operator=Operator.AT_MOST)
MOST_FIVE = SuiteGate(name="suite", metric="m", max_failed=5)
NEVER = InvariantGate(name="never", metric="m")
BUDGET = BudgetGate(name="budget", metric="m", limit=2.5)
BUDGETS = [replace(BUDGET, of=of, limit=60.0 if of is Amount.TOTAL else 2.5) for of in Amount]
RULES = {ThresholdGate: threshold, SuiteGate: suite, InvariantGate: invariant, BudgetGate: budget}
MORE_IS_BETTER = [FLOOR, SEEN, MOST_FIVE, NEVER]
EVERY = [*MORE_IS_BETTER, CAP, *BUDGETS]
PLACES = st.integers(0, 99)


def said(gate, candidate, **more):
    """What the gate says in the end, with what every pass has to be sure of."""
    held = judged(gate, candidate=candidate, **more)
    return sure(gate, RULES[type(gate)](gate, held), held)


def badness(gate, candidate):
    """How bad that is."""
    return BADNESS(said(gate, candidate).decision)


def name_of(gate):
    return f"{gate.name} {getattr(gate, 'of', getattr(gate, 'on', ''))} {getattr(gate, 'operator', '')}".strip()


@given(rates(), PLACES)
def test_a_further_failure_makes_no_failure_pass(column, place):
    """Whatever failed with a pass more does not pass with one less."""
    worse = with_less(column, place)
    for gate in MORE_IS_BETTER:
        if said(gate, column).decision is FAILED:
            assert said(gate, worse).decision is not PASSED, gate


@given(rates(trials=1), PLACES)
def test_of_single_trials_a_further_failure_only_makes_it_worse(column, place):
    """From passed to undecided to failed, and never back; and the other way where it is harm that is counted."""
    fewer = with_less(column, place)
    for gate in MORE_IS_BETTER:
        assert badness(gate, fewer) >= badness(gate, column), gate
    assert badness(CAP, fewer) <= badness(CAP, column)


@given(costs(), PLACES, st.integers(1, 300))
def test_a_budget_never_minds_a_cheaper_case(column, place, saved):
    """What is spent less in one case fails no budget."""
    cheaper = with_less(column, place, by=saved / 100)
    for gate in BUDGETS:
        assert badness(gate, cheaper) <= badness(gate, column), gate


@given(rates(), PLACES)
def test_a_lost_case_makes_nothing_pass(column, place):
    """A case without a score is as far from a pass as one that went wrong in every trial."""
    without = lost(column, place)
    for gate, worst in [
        *((gate, with_all(column, place, 0)) for gate in MORE_IS_BETTER),
        (CAP, with_all(column, place, 1)),
    ]:
        if said(gate, worst).decision is not PASSED:
            assert said(gate, without).decision is not PASSED, gate


@given(rates(), costs(), PLACES)
def test_the_order_of_the_cases_changes_nothing(passes, spent, seed):
    """Decision, mean, bound and cases are those of the set of cases."""
    for gate in EVERY:
        column = spent if isinstance(gate, BudgetGate) else passes
        one, other = said(gate, column), said(gate, shuffled(column, seed))
        assert (one.decision, one.n, sorted(one.cases)) == (other.decision, other.n, sorted(other.cases))
        assert one.candidate == pytest.approx(other.candidate)
        assert one.bound == pytest.approx(other.bound)


@pytest.mark.parametrize("gate", EVERY, ids=name_of)
@pytest.mark.parametrize(
    "samples",
    [
        {},
        dict.fromkeys("abcdefghijkl", Sample(errors=1)),
        dict.fromkeys("abcdefghijkl", Sample(skipped=1)),
        dict.fromkeys("abcdefghijkl", Sample()),
        dict.fromkeys("abcdefghijkl", Sample(n=1, total=float("nan"), squares=float("nan"))),
        dict.fromkeys("abcdefghijkl", Sample(n=1, total=float("-inf"), squares=float("inf"))),
    ],
    ids=["no cases", "errors", "skipped", "empty", "NaN", "minus infinity"],
)
@pytest.mark.parametrize("is_rate", [True, False], ids=["rate", "amount"])
def test_what_says_nothing_never_passes(gate, samples, is_rate):
    """No cases, errors only, skipped only, and sums that are no numbers: whatever the gate asks, it is no pass."""
    assert said(gate, Column(samples=samples, is_rate=is_rate)).decision is not PASSED


@given(rates(), st.sampled_from([0.5, 0.9, 0.99]), st.booleans())
def test_twice_the_cases_never_widen_a_bound(column, confidence, exact):
    """As many cases more that came out alike leave a narrower interval, inside of the one before."""
    before, after = (
        rate_bounds(one, has_cases=True, confidence=confidence, exact=exact) for one in (column, doubled(column))
    )
    assert before.low - 1e-9 <= after.low <= (column.mean or 0.0) + 1e-9
    assert (column.mean or 0.0) - 1e-9 <= after.high <= before.high + 1e-9


@given(costs())
def test_twice_the_amounts_never_widen_a_bound(column):
    """The same of means of amounts."""
    for gate in (FLOOR, CAP):
        before, after = said(gate, column), said(gate, doubled(column))
        assert after.candidate == pytest.approx(before.candidate)
        assert 0.0 <= abs(after.bound - after.candidate) <= abs(before.bound - before.candidate) + 1e-9


@given(rates(), st.sampled_from([0.8, 0.95]))
def test_trials_of_a_case_count_between_one_and_all(column, confidence):
    """An interval of repeated trials is as wide as that of their cases at most, and as that of all trials at least."""
    cases = sum(1 for sample in column.samples.values() if sample.n)
    mean = column.mean or 0.0
    found = rate_bounds(column, has_cases=True, confidence=confidence, exact=False)
    widest, narrowest = (wilson(min(mean, 1.0) * n, n, confidence=confidence) for n in (cases, column.n))
    assert widest.low - 1e-9 <= found.low <= narrowest.low + 1e-9
    assert narrowest.high - 1e-9 <= found.high <= widest.high + 1e-9


@given(rates(trials=1))
def test_single_trials_have_the_textbook_interval(column):
    """One trial a case: Wilson's interval and the exact one, of the counts."""
    passed = sum(sample.total for sample in column.samples.values())
    assert rate_bounds(column, has_cases=True, confidence=0.9, exact=False) == wilson(passed, column.n, confidence=0.9)
    exact = rate_bounds(column, has_cases=True, confidence=0.9, exact=True)
    assert exact == clopper_pearson(passed, column.n, confidence=0.9)


@pytest.mark.parametrize(
    ("operator", "decisions"),
    [
        # the mean is below the threshold, at it, above it
        (Operator.AT_LEAST, (FAILED, PASSED, PASSED)),
        (Operator.ABOVE, (FAILED, FAILED, PASSED)),
        (Operator.AT_MOST, (PASSED, PASSED, FAILED)),
        (Operator.BELOW, (PASSED, FAILED, FAILED)),
    ],
)
def test_a_mean_at_its_threshold(operator, decisions):
    """Each operator says at the threshold itself what it says in mathematics."""
    gate = replace(SEEN, operator=operator)
    found = [said(gate, rate([1] * passes + [0] * (20 - passes))).decision for passes in (9, 10, 11)]
    assert tuple(found) == decisions


@pytest.mark.parametrize(
    ("failed", "errors", "decision"),
    [(0, 0, PASSED), (2, 0, PASSED), (3, 0, FAILED), (2, 1, UNDECIDED), (3, 1, FAILED), (0, 2, PASSED)],
)
def test_a_suite_at_what_it_tolerates(failed, errors, decision):
    """Two cases may fail, three may not; a case without a score might be the third, and excuses nothing."""
    gate = replace(MOST_FIVE, max_failed=2)
    column = rate([0] * failed + [1] * (40 - failed), errors=range(40 - errors, 40))
    assert said(gate, column).decision is decision


@pytest.mark.parametrize(
    ("failed", "errors", "decision"), [(0, 0, PASSED), (1, 0, FAILED), (0, 1, UNDECIDED), (1, 1, FAILED)]
)
def test_an_invariant_tolerates_no_trial(failed, errors, decision):
    """One trial that broke it fails; one that nobody saw the end of leaves it open; a failure is found all the same."""
    column = rate([0] * failed + [1] * (40 - failed), errors=range(40 - errors, 40))
    assert said(NEVER, column).decision is decision
    assert said(NEVER, totals(40 - failed - errors, 40 - errors, errors=errors)).decision is decision


@pytest.mark.parametrize("of", Amount)
@pytest.mark.parametrize(("over", "decision"), [(0.0, PASSED), (0.01, FAILED), (-0.01, PASSED)])
def test_a_budget_at_its_limit(of, over, decision):
    """Exactly the limit is within it, a cent more is not."""
    limit = {Amount.MEAN: 0.25, Amount.EACH: 0.25, Amount.TOTAL: 4.0}[of]
    each = over if of is not Amount.TOTAL else over / 16
    column = amounts([0.25 + each] * 16)
    assert said(replace(BUDGET, of=of, limit=limit), column).decision is decision


@pytest.mark.parametrize(
    ("of", "known", "decision"),
    [
        (Amount.MEAN, 1.0, UNDECIDED),
        (Amount.MEAN, 9.0, UNDECIDED),  # the unknown one may have been free, and then the mean is within
        (Amount.EACH, 1.0, UNDECIDED),
        (Amount.EACH, 9.0, FAILED),
        (Amount.TOTAL, 1.0, UNDECIDED),
        (Amount.TOTAL, 9.0, FAILED),
    ],
)
def test_a_budget_of_which_a_part_is_not_known(of, known, decision):
    """What was not recorded is not free: it passes nothing, and fails what is too dear without it."""
    gate = replace(BUDGET, of=of, limit=60.0 if of is Amount.TOTAL else 2.5)
    assert said(gate, amounts([known] * 15 + [None])).decision is decision


@pytest.mark.parametrize("of", Amount)
def test_a_budget_names_the_dear_cases(of):
    """Where each case has to keep it, those that did not are named."""
    ruling = said(replace(BUDGET, of=of, limit=0.5), amounts([0.1] * 14 + [9.0, 8.0]))
    assert ruling.decision is FAILED
    assert ruling.cases == (("c14", "c15") if of is Amount.EACH else ())


@pytest.mark.parametrize(
    ("gate", "column", "why"),
    [
        (MOST_FIVE, amounts([1.0] * 20), "only measures"),
        (NEVER, amounts([1.0] * 20), "only measures"),
        (BUDGET, rate([1] * 20), "for amounts"),
        (replace(FLOOR, metric="other"), rate([1] * 20), "other was not measured (measured: m)"),
    ],
    ids=["suite", "invariant", "budget", "other"],
)
def test_a_gate_of_another_kind_of_metric_is_not_decided(gate, column, why):
    """Passes have no cost, amounts do not pass, and what was not measured says nothing."""
    ruling = said(gate, column)
    assert ruling.decision is UNDECIDED
    assert why in ruling.reason
