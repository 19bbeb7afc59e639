"""Gates on both arms: exchanged, shuffled, doubled and made worse, and what the simple rules do at their edges."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.comparing import Compared, compared, decided, simple
from surefoot.core.proof.gate import Decision, Ruling
from surefoot.core.proof.gate_kinds import RegressionGate, RuleGate, SimpleRule, Test
from surefoot.core.proof.judged import sure
from surefoot.core.proof.significance import holm
from surefoot.core.proof.table import Column, Sample
from tests.core.proof.arms import costs, doubled, judged, lost, rates, shuffled, totals, with_all, with_less
from tests.core.proof.tables import amounts, rate, table

PASSED, FAILED, UNDECIDED = Decision.PASSED, Decision.FAILED, Decision.UNDECIDED
NO_WORSE = RegressionGate(name="no worse", metric="m")
BY_TEST = [replace(NO_WORSE, test=test) for test in Test]
BY_SIGN = [replace(NO_WORSE, test=test) for test in (Test.PERMUTATION, Test.MCNEMAR)]
DROP = RuleGate(name="drop", metric="m", rule=SimpleRule.MEAN_DROP, limit=0.25)
COUNTED = RuleGate(name="counted", metric="m", rule=SimpleRule.DEGRADED_CASES, limit=2, by=0.5)
PLACES = st.integers(0, 99)
COMPARED = st.one_of(st.tuples(st.sampled_from(BY_TEST), rates(arms=2)), st.tuples(st.just(NO_WORSE), costs(arms=2)))
"""A gate and both arms."""

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def comparison(gate, candidate, baseline) -> Compared:
    """The test of a gate that has one."""
    found = compared(gate, judged(gate, candidate=candidate, baseline=baseline))
    assert isinstance(found, Compared)
    return found


def said(gate, candidate, baseline) -> Ruling:
    """What the gate says in the end, alone."""
    held = judged(gate, candidate=candidate, baseline=baseline)
    ruling = simple(gate, held) if isinstance(gate, RuleGate) else decided([compared(gate, held)], held)[0]
    return sure(gate, ruling, held)


def change(ruling) -> float:
    """By how much the mean moved."""
    return ruling.candidate - ruling.baseline


@given(COMPARED)
def test_exchanged_arms_negate_the_difference(found):
    """What was worse is better by as much, and the p-values of both directions change places."""
    gate, (one, other) = found
    there, back = comparison(gate, one, other), comparison(gate, other, one)
    assert change(there.ruling) == pytest.approx(-change(back.ruling))
    assert (there.p_value, there.better) == (back.better, back.p_value)
    assert there.ruling.smallest_drop == pytest.approx(back.ruling.smallest_drop)


@given(COMPARED)
def test_less_is_better_is_the_same_test_of_exchanged_arms(found):
    """A metric of which less is better is tested as if the arms had changed places."""
    gate, (one, other) = found
    turned, exchanged = comparison(replace(gate, is_lower_better=True), one, other), comparison(gate, other, one)
    assert turned.p_value == exchanged.p_value
    assert turned.lowest == pytest.approx(exchanged.lowest)


@given(st.sampled_from(BY_TEST), rates(arms=2), PLACES)
def test_the_order_of_the_cases_changes_nothing(gate, arms, seed):
    """Both arms in any order: the same p-values, bounds and cases."""
    one = comparison(gate, *arms)
    other = comparison(gate, shuffled(arms[0], seed), shuffled(arms[1], seed + 1))
    assert one.p_value == pytest.approx(other.p_value)
    assert one.lowest == pytest.approx(other.lowest)
    assert sorted(one.ruling.cases) == sorted(other.ruling.cases)


@given(st.sampled_from(BY_SIGN), rates(arms=2), PLACES)
def test_a_further_failure_is_never_less_evidence(gate, arms, place):
    """By sign and by vote: a pass fewer never raises the p-value, so nothing that failed passes for failing more."""
    candidate, baseline = arms
    before, after = (said(gate, side, baseline) for side in (candidate, with_less(candidate, place)))
    assert after.p_value <= before.p_value + 1e-12
    if before.decision is FAILED:
        assert after.decision is FAILED


@given(st.integers(10, 40), st.integers(0, 40), st.integers(0, 40))
def test_of_single_trials_students_test_never_forgives(count, broken, more):
    """Cases that all passed before: what failed for those that broke fails for more of them."""
    few, many = (rate([0] * fell + [1] * (count - fell)) for fell in (min(count, broken), min(count, broken + more)))
    if said(NO_WORSE, few, rate([1] * count)).decision is FAILED:
        assert said(NO_WORSE, many, rate([1] * count)).decision is FAILED


@given(st.sampled_from([*BY_TEST, DROP, COUNTED]), rates(arms=2), PLACES)
def test_a_lost_case_is_no_better_than_a_broken_one(gate, arms, place):
    """What would not pass with a case at its worst does not pass without its score."""
    candidate, baseline = arms
    if said(gate, with_all(candidate, place, 0), baseline).decision is not PASSED:
        assert said(gate, lost(candidate, place), baseline).decision is not PASSED


@given(st.one_of(rates(arms=2), costs(arms=2)))
def test_twice_the_cases_never_widen_the_bound(arms):
    """As many cases more with the same differences: a narrower bound, and a smaller drop that would be seen."""
    once, twice = comparison(NO_WORSE, *arms), comparison(NO_WORSE, *map(doubled, arms))
    assert once.lowest - 1e-9 <= twice.lowest <= change(once.ruling) + 1e-9
    assert twice.ruling.smallest_drop <= once.ruling.smallest_drop + 1e-12


@given(st.integers(0, 30), st.integers(0, 30))
def test_totals_know_both_directions_too(passed, passed_before):
    """Fisher's test of counts without cases: exchanged arms exchange its p-values, twice as much narrows its bound."""
    there, back = (
        comparison(NO_WORSE, totals(one, 30), totals(other, 30, digit="b"))
        for one, other in ((passed, passed_before), (passed_before, passed))
    )
    assert (there.p_value, there.better) == (pytest.approx(back.better), pytest.approx(back.p_value))
    twice = comparison(NO_WORSE, totals(2 * passed, 60), totals(2 * passed_before, 60, digit="b"))
    assert twice.lowest >= there.lowest - 1e-9


@given(P_VALUES)
def test_holm_never_makes_a_p_value_smaller(p_values):
    """At least what it was, at most 1 and at most what Bonferroni says, and in the same order."""
    adjusted = holm(p_values)
    for raw, value in zip(p_values, adjusted, strict=True):
        assert raw <= value <= min(1.0, raw * len(p_values))
    by_raw = [value for _, value in sorted(zip(p_values, adjusted, strict=True))]
    assert by_raw == sorted(adjusted)


@given(P_VALUES, st.floats(0, 1), st.integers(0, 12))
def test_a_further_test_helps_no_other(p_values, p_value, place):
    """One gate more never makes another one's adjusted p-value smaller, wherever it stands in the file."""
    more = holm([*p_values[:place], p_value, *p_values[place:]])
    others = [value for at, value in enumerate(more) if at != min(place, len(p_values))]
    assert all(after >= before for before, after in zip(holm(p_values), others, strict=True))


@given(st.lists(rates(trials=1, arms=2, cases=10), min_size=1, max_size=3), st.lists(st.booleans(), min_size=4))
def test_gates_that_block_share_one_level_and_the_others_keep_theirs(arms, blocks):
    """Alone is the least p-value a blocking gate can have among others; one that only tells has it always."""
    gates = [
        RegressionGate(name=f"g{at}", metric=f"m{at}", test=Test.MCNEMAR, is_blocking=blocks[at])
        for at in range(len(arms))
    ]
    new, old = (
        table(digit, **{f"m{at}": pair[side] for at, pair in enumerate(arms)}) for digit, side in (("c", 0), ("b", 1))
    )
    held = judged(*gates, candidate=new, baseline=old)
    found = [compared(gate, held) for gate in gates]
    for gate, one, ruling in zip(gates, found, decided(found, held), strict=True):
        assert isinstance(one, Compared)
        assert ruling.p_value >= one.p_value
        if not gate.is_blocking:
            assert ruling.p_value == one.p_value
        assert (ruling.decision is FAILED) is (ruling.p_value <= held.gates.alpha)


@pytest.mark.parametrize(
    ("gate", "fell", "decision"),
    [
        (DROP, 4, PASSED),
        (DROP, 5, PASSED),  # a quarter of twenty: exactly what is allowed
        (DROP, 6, FAILED),
        (COUNTED, 1, PASSED),
        (COUNTED, 2, PASSED),
        (COUNTED, 3, FAILED),
    ],
)
def test_a_simple_rule_at_its_limit(gate, fell, decision):
    """At most that much is allowed, and the next case is too much."""
    assert said(gate, rate([0] * fell + [1] * (20 - fell)), rate([1] * 20)).decision is decision


@pytest.mark.parametrize(("by", "decision"), [(0.49, FAILED), (0.5, PASSED), (0.51, PASSED)])
def test_a_case_is_degraded_by_more_than_that(by, decision):
    """A case that fell by exactly `by` is not degraded."""
    fell = rate([1] * 5 + [2] * 15, n=2)
    assert said(replace(COUNTED, by=by), fell, rate([2] * 20, n=2)).decision is decision


@pytest.mark.parametrize("gate", [*BY_TEST, DROP, COUNTED], ids=lambda gate: str(getattr(gate, "test", gate.name)))
@pytest.mark.parametrize("side", ["candidate", "baseline"])
@pytest.mark.parametrize(
    "column",
    [
        Column(samples={}, is_rate=False),
        amounts([None] * 12),
        Column(samples={f"c{at}": Sample(errors=1) for at in range(12)}, is_rate=False),
        amounts([float("nan")] * 12),
        amounts([1.0] * 11 + [float("-inf")]),
    ],
    ids=["no cases", "skipped", "errors", "NaN", "infinity"],
)
def test_an_arm_that_says_nothing_never_passes(gate, side, column):
    """No cases, no scores, and values that are no numbers, on either side: there is nothing to compare."""
    arms = {"candidate": amounts([1.0] * 12), "baseline": amounts([1.0] * 12), side: column}
    ruling = said(gate, arms["candidate"], arms["baseline"])
    assert ruling.decision is UNDECIDED
    assert ruling.reason


@pytest.mark.parametrize(("within", "decision"), [(0.0, UNDECIDED), (0.02, UNDECIDED), (0.2, PASSED), (1.0, PASSED)])
def test_proof_needs_a_bound_on_the_right_side(within, decision):
    """Forty equal cases prove that no fifth is lost, not that nothing at all is."""
    ruling = said(replace(NO_WORSE, prove_within=within), rate([1] * 40), rate([1] * 40))
    assert ruling.decision is decision
    assert (ruling.bound > -within) is (decision is PASSED)
