"""Tests that block what got worse and leave alone what did not, and say how small a drop they would have seen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.sequential import Look, Sprt
from surefoot.core.proof.significance import (
    fisher,
    holm,
    mcnemar,
    mcnemar_mid_p,
    paired_permutation,
    paired_t,
    power_at,
    smallest_drop,
)

P_VALUES = st.lists(st.floats(0.0, 1.0), max_size=8)


def test_nothing_turned_is_no_evidence():
    """Without a case that turned every test says 1."""
    assert mcnemar(0, 0) == mcnemar_mid_p(0, 0) == paired_permutation([0.0] * 9, seed=1) == 1.0
    found = paired_t([0.0] * 9)
    assert found is not None
    assert found.p_value == 1.0


def test_equal_drops_are_coins_not_certainty():
    """Differences without spread are as sure as that many heads in a row, not infinitely."""
    found = paired_t([-0.1] * 5)
    assert found is not None
    assert found.p_value == 0.5**5
    assert paired_t([-1.0]) is None


def test_impossible_counts_of_two_groups_are_refused():
    """Fisher's test takes no more passes than trials."""
    with pytest.raises(ValueError, match="3 of 2"):
        fisher(3, 2, 1, 2)


def test_permutation_draws_agree_with_the_exact_distribution():
    """Where signs have to be drawn, the p-value is close to the one from counting them all, and never 0."""
    chance = random.Random(4)
    exact = [chance.choice([-1.0, -0.5, 0.0, 0.5]) for _ in range(30)]
    drawn = [value * (1 + 1e-7 * place) for place, value in enumerate(exact)]
    assert paired_permutation(drawn, seed=9) == pytest.approx(paired_permutation(exact, seed=9), abs=0.02)
    assert paired_permutation([-1.0 - 1e-7 * place for place in range(200)], seed=9, resamples=50) > 0.0


@given(P_VALUES)
def test_holm_only_raises(p_values):
    """An adjusted p-value is at least the plain one, at most 1, keeps the order, and a single one stays as it is."""
    adjusted = holm(p_values)
    assert all(plain <= new <= 1.0 for plain, new in zip(p_values, adjusted, strict=True))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [new for _, new in ranked] == sorted(adjusted)
    if len(p_values) == 1:
        assert adjusted == tuple(p_values)


def test_holm_textbook_case():
    """Holm's steps: the smallest times four, the next times three, and so on."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


@settings(max_examples=60)
@given(st.floats(0.0, 0.7), st.integers(5, 2_000))
def test_smallest_drop_is_found_four_times_of_five(deviation, n):
    """The smallest drop and the power are one formula read in two directions."""
    drop = smallest_drop(deviation, n)
    assert drop is not None
    if drop < 1.0:
        assert power_at(drop, deviation, n) == pytest.approx(0.8, abs=0.03)


def test_more_cases_see_more():
    """A hundred times the cases see a smaller drop; one case sees none."""
    assert (smallest_drop(0.4, 5_000) or 1.0) < 0.2 * (smallest_drop(0.4, 50) or 0.0)
    assert smallest_drop(0.4, 1) is None
    assert power_at(0.5, 0.4, 1) == 0.0


def test_published_runs_of_the_sequential_test():
    """0.75 against 0.92 rejects an agent of 50 % after about 7 runs and accepts one of 99 % after about 16."""
    test = Sprt(low=0.75, high=0.92, cap=200)
    assert test.odds(0.5).runs == pytest.approx(7, abs=1)
    assert test.odds(0.99).runs == pytest.approx(16, abs=1.5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.3, 0.8), st.floats(0.05, 0.15), st.integers(1, 80))
def test_sequential_test_keeps_its_error_rates(low, gap, cap):
    """Whatever the cap: an agent at `low` gets through with at most alpha / (1 - beta), and all odds add up to 1."""
    test = Sprt(low=low, high=low + gap, cap=cap)
    bad, good = test.odds(low), test.odds(low + gap)
    assert bad.accept <= 0.05 / 0.95 + 1e-9
    assert good.reject <= 0.05 / 0.95 + 1e-9
    assert sum(bad[:3]) == pytest.approx(1.0)
    assert good.runs <= cap


def test_cap_is_not_an_acceptance():
    """At the cap what is not shown stays undecided, and no run at all says: go on."""
    test = Sprt(cap=5)
    assert test.look(5, 5) is Look.UNDECIDED
    assert test.look(0, 0) is Look.CONTINUE
    assert test.look(0, 4) is Look.REJECT


@pytest.mark.parametrize(
    "wrong", [{"low": 0.95}, {"high": 1.0}, {"alpha": 0.0}, {"alpha": 0.6, "beta": 0.5}, {"cap": 0}]
)
def test_impossible_sequential_tests_are_refused(wrong):
    """Rates out of order, errors of nothing or of everything, and no runs at all are mistakes."""
    with pytest.raises(ValueError, match=r"need|above|at least"):
        Sprt(**wrong)
    with pytest.raises(ValueError, match="3 of 2"):
        Sprt().look(3, 2)
