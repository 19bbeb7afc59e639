"""Budgets against the baseline: at the limit, in other units, in another order, and with more of the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.absolute import budget
from surefoot.core.proof.baseline import COUNTS_SUITE, plain_column
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import BudgetGate
from surefoot.core.proof.judged import sure
from surefoot.core.proof.table import Column, Sample, ScoreTable
from tests.core.proof.arms import costs, doubled, judged, scaled, shuffled
from tests.core.proof.tables import amounts, version

PASSED, FAILED, UNDECIDED = Decision.PASSED, Decision.FAILED, Decision.UNDECIDED
TENTH = BudgetGate(name="tenth", metric="m", max_increase=0.1)
EVEN = replace(TENTH, max_increase=0.0)
OLD = [1.0 + place % 7 / 10 for place in range(20)]


def said(gate, candidate, baseline=None, **more):
    """What the gate says in the end."""
    held = judged(gate, candidate=candidate, baseline=baseline, **more)
    return sure(gate, budget(gate, held), held)


@given(costs(arms=2))
def test_exchanged_arms_exchange_the_evidence(arms):
    """Where nothing more is allowed, what speaks against one arm speaks for the other: both p-values add up to 1."""
    one, other = arms
    there, back = said(EVEN, one, other), said(EVEN, other, one)
    assert (there.candidate, there.baseline) == (back.baseline, back.candidate)
    if one != other and min(there.p_value, back.p_value) > 1e-9:
        assert there.p_value + back.p_value == pytest.approx(1.0)


@given(costs(arms=2), st.integers(0, 99))
def test_the_order_of_the_cases_changes_nothing(arms, seed):
    """Both arms in any order say the same."""
    one = said(TENTH, *arms)
    other = said(TENTH, shuffled(arms[0], seed), shuffled(arms[1], seed + 1))
    assert (one.decision, one.reason) == (other.decision, other.reason)


@given(costs(arms=2), st.sampled_from([0.25, 4.0, 1024.0]))
def test_the_unit_changes_nothing(arms, factor):
    """A budget is of a share, so dollars and cents decide alike."""
    one, other = said(TENTH, *arms), said(TENTH, *(scaled(column, factor) for column in arms))
    assert (one.decision, one.p_value) == (other.decision, pytest.approx(other.p_value))


@given(costs(arms=2))
def test_twice_the_evidence_still_shows_it(arms):
    """What is shown to cost more is shown by as many cases more that came out alike, and more clearly."""
    once, twice = said(TENTH, *arms), said(TENTH, *(doubled(column) for column in arms))
    if once.decision is FAILED:
        assert twice.decision is FAILED
        assert twice.p_value <= once.p_value + 1e-12


@given(costs(arms=2), st.integers(1, 300))
def test_dearer_by_as_much_in_every_case_is_never_cheaper(arms, cents):
    """A surcharge on every case fails whatever failed without it."""
    new, old = arms
    dearer = amounts([sample.total + cents / 100 for sample in new.samples.values()])
    plain, more = said(TENTH, new, old), said(TENTH, dearer, old)
    assert more.p_value <= plain.p_value + 1e-12
    if plain.decision is FAILED:
        assert more.decision is FAILED


@pytest.mark.parametrize(
    ("factor", "decision"), [(0.5, PASSED), (1.0, PASSED), (1.1, PASSED), (1.11, FAILED), (3.0, FAILED)]
)
def test_an_increase_at_its_limit(factor, decision):
    """A tenth more of the same in every case is allowed, and a little more is shown to be more."""
    old = [1.0] * 20
    assert said(TENTH, amounts([factor * value for value in old]), amounts(old)).decision is decision


@pytest.mark.parametrize(
    ("candidate", "baseline", "why"),
    [
        (amounts(OLD), None, "no baseline"),
        (amounts(OLD), amounts([0.0] * 20), "no m to compare with"),
        (amounts(OLD), Column(samples={}, is_rate=False), "no m to compare with"),
        (amounts(OLD), amounts([float("nan")] * 20), "finite"),
        (amounts([float("nan")] * 20), amounts(OLD), "finite"),
        (amounts([*OLD[:-1], None]), amounts(OLD), "not known of every case"),
        (amounts(OLD[:15]), amounts(OLD), "not known of every case"),
        (amounts([2 * value for value in OLD[:9]]), amounts(OLD[:9]), "too few"),
        (amounts([None] * 20), amounts(OLD), "skipped"),
    ],
    ids=["no baseline", "free before", "none before", "NaN before", "NaN", "one unknown", "missing", "few", "skipped"],
)
def test_what_cannot_be_compared_is_not_decided(candidate, baseline, why):
    """Nothing before, nothing known, too little known: never a pass."""
    ruling = said(TENTH, candidate, baseline)
    assert ruling.decision is UNDECIDED
    assert why in ruling.reason


def test_what_is_shown_of_a_part_is_shown():
    """An unknown case excuses nothing where the others are enough."""
    assert said(TENTH, amounts([*(2 * value for value in OLD[:-1]), None]), amounts(OLD)).decision is FAILED


@pytest.mark.parametrize(("mean", "decision"), [(1.0, PASSED), (1.1, PASSED), (1.2, UNDECIDED)])
def test_totals_show_nothing(mean, decision):
    """Means without cases pass within the limit; above it nobody can tell."""

    def side(digit, value):
        column = plain_column(Sample(n=50, total=50 * value, squares=50 * value * value), is_rate=False)
        return ScoreTable(suite=COUNTS_SUITE, version=version(digit), columns={"m": column})

    ruling = said(TENTH, side("c", mean), side("b", 1.0))
    assert ruling.decision is decision
    assert ruling.p_value is None


def test_the_false_alarms_of_equal_arms_are_few():
    """What nothing changed raises no alarm, and the number stands beside the decision."""
    noisy = [value * (1.3 if place % 2 else 0.8) for place, value in enumerate(OLD)]
    ruling = said(TENTH, amounts(noisy), amounts(OLD), shuffles=300)
    assert ruling.decision is PASSED
    assert 0.0 <= ruling.false_alarms <= 0.05
