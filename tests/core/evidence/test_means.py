"""Tests on means and exceedances: when they bet, what they cap, and what they are insensitive to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.exceedance import LEAST_VALUES, freeze_edges
from surefoot.core.evidence.histogram import MAX_VALUE, Histogram, Scale, bucket_of, censored, upper_edge
from surefoot.core.evidence.means import MeanHarm, MeanNonInferiority, score_loss

HISTORY = {1.0: 100, 2.0: 60, 5.0: 40}
WORSE = {5.0: 6}
SAME = {1.0: 20, 2.0: 12, 5.0: 8}
amounts = st.dictionaries(st.one_of(st.just(0.0), st.floats(1e-3, 1e12)), st.integers(0, 10**6), max_size=5)


@given(st.lists(st.tuples(amounts, amounts), max_size=5), st.one_of(st.none(), st.floats(1e-3, 1e9)))
def test_evidence_on_means_is_always_finite(ticks, cap):
    """No amounts, however spread, make evidence overflow or lose its value."""
    harm, proof = MeanHarm(cap=cap), MeanNonInferiority(cap=cap)
    for candidate, stable in ticks:
        harm.update(candidate, stable)
        proof.update(candidate, stable)
    assert math.isfinite(harm.ln_e)
    assert math.isfinite(harm.ln_e_from_start)
    assert math.isfinite(proof.ln_e)


@pytest.mark.parametrize("make", [MeanHarm, MeanNonInferiority])
def test_no_bet_before_fifty_stable_values(make):
    """Until stable has shown 50 values in earlier ticks, nothing the candidate does is evidence."""
    test = make()
    test.update({1000.0: 40}, {1.0: 49})
    assert test.ln_e == pytest.approx(0.0)
    test.update({1000.0: 40}, {1.0: 1})
    assert test.ln_e == pytest.approx(0.0)
    test.update({1000.0: 40}, {1.0: 10})
    assert test.ln_e != pytest.approx(0.0)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e6])
def test_the_unit_of_a_metric_does_not_matter(unit):
    """Dollars or micro-dollars, the evidence is the same."""
    harm, proof = MeanHarm(), MeanNonInferiority()
    scaled, scaled_proof = MeanHarm(), MeanNonInferiority()
    for candidate in ({}, WORSE, SAME):
        harm.update(candidate, SAME)
        proof.update(candidate, SAME)
        scaled.update(*({value * unit: count for value, count in arm.items()} for arm in (candidate, SAME)))
        scaled_proof.update(*({value * unit: count for value, count in arm.items()} for arm in (candidate, SAME)))
    assert scaled.levels == pytest.approx(harm.levels, abs=1e-9)
    assert scaled_proof.levels == pytest.approx(proof.levels, abs=1e-9)


def test_a_value_above_the_cap_counts_as_the_cap():
    """One absurd value is no more than one large one, so it alone never rolls back."""
    results = []
    for value in (5.0 * 1.1, 1e9):
        harm = MeanHarm(cap=5.0, history=HISTORY)
        harm.update({value: 1}, SAME)
        results.append(harm.ln_e_from_start)
    assert results[0] == pytest.approx(results[1])
    assert results[0] < 1.0


def test_the_cap_is_frozen_at_twenty_stable_means():
    """Without a configured cap the first fifty values set it for good."""
    given_cap = MeanHarm(cap=20 * 2.1, history=HISTORY)
    own_cap = MeanHarm(history=HISTORY)
    for _ in range(3):
        for harm in (given_cap, own_cap):
            harm.update({1000.0: 1, 1.0: 5}, {1000.0: 2, 1.0: 30})
    assert own_cap.levels == pytest.approx(given_cap.levels, abs=1e-12)


@pytest.mark.parametrize(("make", "sign"), [(MeanHarm, 1), (MeanNonInferiority, -1)])
def test_dearer_candidates_raise_harm_and_lower_proof(make, sign):
    """Evidence of harm grows with the candidate's values, proof of non-inferiority with their absence."""
    high, low = make(history=HISTORY), make(history=HISTORY)
    for _ in range(4):
        high.update({5.0: 20}, SAME)
        low.update({1.0: 20}, SAME)
    assert sign * (high.ln_e - low.ln_e) > 2.0


def test_within_the_tolerance_nothing_is_harm():
    """Eight percent dearer under a tolerance of ten is no evidence, however long it lasts."""
    harm = MeanHarm(tolerance=0.1, history=HISTORY)
    for _ in range(200):
        harm.update({value * 1.08: count for value, count in SAME.items()}, SAME)
    assert harm.ln_e < 0.7


def test_a_stable_arm_of_zeros_can_be_bet_on_with_a_cap():
    """Where stable always scores best, a candidate that never does is found; no cap, no scale, no bet."""
    capped, uncapped = MeanHarm(cap=1.0), MeanHarm()
    for harm in (capped, uncapped):
        for _ in range(6):
            harm.update({1.0: 3, 0.0: 2}, {0.0: 60})
    assert capped.ln_e > 3.0
    assert uncapped.ln_e == pytest.approx(0.0)


def test_a_stable_mean_of_zero_has_no_relative_margin():
    """Twenty percent of nothing is nothing: such a metric is never proven, it holds."""
    proof = MeanNonInferiority(cap=1.0)
    for _ in range(50):
        proof.update({0.0: 50}, {0.0: 50})
    assert proof.ln_e == pytest.approx(0.0)


def test_a_late_rise_is_found_sooner_with_a_start_beside_it():
    """After a long calm a new start outweighs the first bettor."""
    harm = MeanHarm(history=HISTORY)
    for _ in range(30):
        harm.update({1.0: 10, 2.0: 6, 5.0: 4}, SAME)
    harm.restart()
    for _ in range(4):
        harm.update({2.0: 12, 5.0: 8}, SAME)
    assert harm.ln_e > harm.ln_e_from_start


def test_scores_become_losses():
    """The best score is no loss, the worst a whole one; anything else is refused."""
    assert score_loss({5: 7, 3: 2, 1: 1}) == {0.0: 7, 0.5: 2, 1.0: 1}
    with pytest.raises(ValueError, match=r"1\.\.5"):
        score_loss({6: 1})


def timed_out(after, *, count=1):
    """Runs that were given up after so many milliseconds."""
    return Histogram(buckets={censored(bucket_of(after)): count})


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: MeanHarm(tolerance=-0.1),
        lambda: MeanHarm(cap=0.0),
        lambda: MeanHarm(cap=math.inf),
        lambda: MeanHarm(history={-1.0: 3}),
        lambda: MeanNonInferiority(0.0),
        lambda: MeanHarm().update({math.inf: 1}, {}),
        lambda: MeanHarm().update({1.0: 1, math.nan: 1}, {}),
        lambda: MeanNonInferiority().update({}, {math.nan: 1, 1.0: 1}),
        lambda: MeanNonInferiority().update({}, {1.0: -1}),
        lambda: freeze_edges(Histogram(), quantile=1.0),
    ],
)
def test_a_wrong_value_is_refused(mistake):
    """What is not a finite amount of zero or more never becomes evidence."""
    with pytest.raises(ValueError, match=r"\w"):
        mistake()


def test_edges_are_the_quantile_s_and_the_tolerance_rounded_up():
    """Stable exceeds above its p95 bucket, the candidate only above ten percent more."""
    stable = Histogram.of(range(1, 1001))
    edges = freeze_edges(stable)
    assert edges is not None
    edge = upper_edge(edges.stable_bucket)
    assert 950 <= edge <= 950 * 1.04
    assert edge * 1.1 <= upper_edge(edges.candidate_bucket) <= edge * 1.1 * 1.05
    tick = edges.tick(Histogram.of([edge, edge + 1, 2 * edge]) + timed_out(1, count=4), stable + timed_out(10**6))
    assert tick == (7, 5, 1001, 1000 - edge + 1)


def test_edges_need_two_hundred_values():
    """Too few values place no edge; timeouts count, and a quantile among them leaves only slower ones to exceed."""
    assert freeze_edges(Histogram.of([10] * (LEAST_VALUES - 1))) is None
    assert freeze_edges(timed_out(30_000, count=500)) is None
    edges = freeze_edges(Histogram.of([10] * 180) + timed_out(5, count=20), tolerance=0.0)
    assert edges is not None
    assert edges.tick(Histogram.of([10]) + timed_out(1), Histogram.of([11])) == (2, 1, 1, 1)


@given(
    stable=st.lists(st.integers(0, MAX_VALUE), min_size=1, max_size=40),
    cut_off=st.lists(st.integers(0, MAX_VALUE), min_size=1, max_size=10),
    quantile=st.floats(0.01, 0.99),
)
def test_what_timed_out_always_exceeds(stable, cut_off, quantile):
    """Wherever the edge is placed, and however early a run was given up; what did not time out is not touched by it."""
    edges = freeze_edges(Histogram.of(stable * 200) + sum(map(timed_out, cut_off), Histogram()), quantile=quantile)
    assert edges is not None
    plain, given_up = Histogram.of(stable), sum(map(timed_out, cut_off), Histogram())
    n_c, k_c, n_s, k_s = edges.tick(plain + given_up, plain + given_up)
    without = edges.tick(plain, plain)
    assert (n_c - without.n_c, k_c - without.k_c) == (n_s - without.n_s, k_s - without.k_s) == (len(cut_off),) * 2


def test_edges_belong_to_their_scale():
    """Buckets of another scale are not compared with the frozen edge."""
    edges = freeze_edges(Histogram.of([3] * 200, Scale.EXACT))
    assert edges is not None
    with pytest.raises(ValueError, match="exact"):
        edges.tick(Histogram.of([1]), Histogram.of([1]))
