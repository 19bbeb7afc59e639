"""What counts say: intervals that cover, estimates without bias, judges whose errors are taken out again."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.chance import coins, points, uniform
from surefoot.core.proof.rates import (
    Bounds,
    Cluster,
    JudgeErrors,
    Tried,
    clopper_pearson,
    cluster_bootstrap,
    hit_at_k,
    pass_all_k,
    pass_at_k,
    rogan_gladen,
    wilson,
)


@pytest.mark.parametrize(("passed", "n"), [(19, 20), (28, 30), (45, 50), (87, 100)])
def test_runs_that_a_floor_of_80_percent_needs(passed, n):
    """The published counts whose one-sided 95 % Wilson bound first reaches 0.8; one pass fewer does not."""
    assert wilson(passed, n, confidence=0.90).low >= 0.8 > wilson(passed - 1, n, confidence=0.90).low


@pytest.mark.parametrize(("n", "at_most"), [(9, 0.283), (40, 0.072), (300, 0.010)])
def test_none_of_a_few_is_not_none(n, at_most):
    """No failure in n still allows the published share, one-sided at 95 %."""
    assert clopper_pearson(0, n, confidence=0.90).high == pytest.approx(at_most, abs=5e-4)


def test_no_trial_says_nothing():
    """Without a trial every rate is possible."""
    assert wilson(0, 0) == clopper_pearson(0, 0) == Bounds(0.0, 1.0)


@pytest.mark.parametrize("count", [(2, 1), (-1, 3), (float("nan"), 3), (1, float("inf"))])
def test_impossible_counts_are_refused(count):
    """More passes than trials, NaN and infinity are mistakes, never an interval."""
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="passed"):
            interval(*count)


@given(st.integers(1, 6), st.data())
def test_at_k_equals_counting_all_choices(n, data):
    """pass@k and pass^k are the shares of all ways to pick k tries that hold a pass, or nothing else."""
    passed, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    tries = [True] * passed + [False] * (n - passed)
    picks = [pick for pick in product((False, True), repeat=n) if sum(pick) == k]
    picked = [[one for one, taken in zip(tries, pick, strict=True) if taken] for pick in picks]
    assert pass_at_k(passed, n, k) == pytest.approx(sum(map(any, picked)) / len(picked))
    assert pass_all_k(passed, n, k) == pytest.approx(sum(map(all, picked)) / len(picked))


def test_k_beyond_the_tries_is_refused():
    """Nothing is known about more tries than were made."""
    for estimate in (pass_at_k, pass_all_k):
        with pytest.raises(ValueError, match="k = 4"):
            estimate(1, 3, 4)


def test_hits_are_averaged_over_objectives():
    """hit@k is the mean over those objectives that were tried k times, and None where there are none."""
    assert hit_at_k([Tried(0, 5), Tried(5, 5), Tried(1, 1)], 5) == 0.5
    assert hit_at_k([Tried(1, 1)], 5) is None


def test_perfect_judge_changes_nothing():
    """Without errors the corrected rate is the one that was seen."""
    found = rogan_gladen(40, 100, JudgeErrors(true_passes=50, passed=50, true_fails=50, failed=50))
    assert found is not None
    assert found.rate == pytest.approx(0.4)
    assert found.bounds.low < 0.4 < found.bounds.high


@pytest.mark.parametrize("judge", [(10, 5, 10, 5), (10, 3, 10, 3), (0, 0, 10, 10), (10, 10, 0, 0)])
def test_judge_like_a_coin_says_nothing(judge):
    """A judge that is no better than chance, or was never measured, corrects nothing."""
    names = ("true_passes", "passed", "true_fails", "failed")
    assert rogan_gladen(40, 100, JudgeErrors(**dict(zip(names, judge, strict=True)))) is None


def test_corrected_interval_covers_the_truth():
    """With a judge measured on 100 cases of each kind, the 95 % interval holds the true rate about 95 times of 100."""
    chance, covered, worlds, truth = random.Random(7), 0, 400, 0.7

    def count(n: int, p: float) -> int:
        return sum(chance.random() < p for _ in range(n))

    for _ in range(worlds):
        judge = JudgeErrors(true_passes=100, passed=count(100, 0.9), true_fails=100, failed=count(100, 0.8))
        found = rogan_gladen(count(150, truth * 0.9 + (1 - truth) * 0.2), 150, judge)
        assert found is not None
        covered += found.bounds.low <= truth <= found.bounds.high
    assert 0.92 <= covered / worlds <= 0.985


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.just(3)), min_size=1, max_size=12), st.integers(0, 99))
def test_bootstrap_is_repeatable_and_inside_the_data(found, seed):
    """Equal seeds give equal intervals, and no mean of means leaves the range of the cases."""
    clusters = [Cluster(float(total), n) for total, n in found]
    bounds = cluster_bootstrap(clusters, seed=seed, resamples=200)
    assert bounds == cluster_bootstrap(clusters, seed=seed, resamples=200)
    assert bounds is not None
    means = [cluster.total / cluster.n for cluster in clusters]
    assert min(means) - 1e-12 <= bounds.low <= bounds.high <= max(means) + 1e-12


def test_clusters_count_not_trials():
    """Ten trials of each of twenty cases that always agree are twenty cases, so the interval is that of twenty."""
    once = cluster_bootstrap([Cluster(float(case % 4 > 0), 1) for case in range(20)], seed=3)
    tenfold = cluster_bootstrap([Cluster(10.0 * (case % 4 > 0), 10) for case in range(20)], seed=3)
    assert once == tenfold
    assert cluster_bootstrap([Cluster(0.0, 0)], seed=3) is None


def test_draws_are_even_and_repeatable():
    """Numbers of a seed are the same every time, other seeds give others, and each value is as likely."""
    drawn = [number for number, _ in zip(uniform(5, 10), range(20_000), strict=False)]
    assert drawn == [number for number, _ in zip(uniform(5, 10), range(20_000), strict=False)]
    assert all(abs(drawn.count(value) - 2_000) < 200 for value in range(10))
    assert next(points(1)) != next(points(2))
    heads = sum(toss for toss, _ in zip(coins(5), range(20_000), strict=False))
    assert abs(heads - 10_000) < 300
