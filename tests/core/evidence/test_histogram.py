"""Histograms: exact buckets, exact merge and subtraction, bounded error of what is read from them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.histogram import (
    MAX_VALUE,
    ZERO_BUCKET,
    Histogram,
    Scale,
    bucket_of,
    censored,
    is_censored,
    representative,
    upper_edge,
)

values = st.integers(0, 10**9)
scales = st.sampled_from(Scale)
samples = st.lists(st.one_of(st.integers(0, 30), values), max_size=30)


@given(st.integers(1, MAX_VALUE))
def test_a_log_bucket_is_the_power_of_the_ratio(value):
    """A value lies above 1.04^(b-1) and at most at 1.04^b, in exact arithmetic."""
    bucket = bucket_of(value)
    ratio = Fraction(26, 25)
    assert ratio ** (bucket - 1) < value <= ratio**bucket


@given(values, scales)
def test_an_edge_belongs_to_the_bucket_below(value, scale):
    """A bucket's upper edge is in it and the next integer is not."""
    bucket = bucket_of(value, scale)
    edge = upper_edge(bucket, scale)
    assert edge >= value
    assert bucket_of(edge, scale) == bucket
    assert bucket_of(edge + 1, scale) > bucket


@given(values, values, scales)
def test_buckets_keep_the_order(a, b, scale):
    """A greater value never lands in an earlier bucket."""
    if a <= b:
        assert bucket_of(a, scale) <= bucket_of(b, scale)


@given(st.integers(1, MAX_VALUE))
def test_a_representative_is_within_two_percent(value):
    """What a bucket is taken for is within 2 % of everything in it."""
    assert representative(bucket_of(value)) == pytest.approx(value, rel=0.0201)


def test_small_integers_are_exact_on_the_log_scale():
    """Up to 25 every integer has a bucket, hence a representative, of its own; 0 too."""
    assert [representative(bucket_of(value)) for value in range(26)] == [float(value) for value in range(26)]
    assert bucket_of(0) == ZERO_BUCKET < bucket_of(1) == 0


def test_the_greatest_value_takes_all_greater_ones():
    """A value beyond the range counts as the greatest one, in bucket and sum alike."""
    absurd = Histogram.of([10**30])
    assert absurd == Histogram.of([MAX_VALUE])
    assert absurd.quantile(0.5) == pytest.approx(MAX_VALUE, rel=0.04)


@pytest.mark.parametrize("scale", list(Scale))
def test_a_negative_value_is_refused(scale):
    """Nothing below zero can be counted."""
    with pytest.raises(ValueError, match="0 and above"):
        bucket_of(-1, scale)


@given(samples, samples, samples, scales)
def test_merge_is_exact_in_any_order(a, b, c, scale):
    """Merging is commutative and associative and equals counting everything at once."""
    x, y, z = (Histogram.of(part, scale) for part in (a, b, c))
    assert x + y == y + x
    assert (x + y) + z == x + (y + z) == Histogram.of(a + b + c, scale)


@given(samples, samples, scales)
def test_subtraction_undoes_a_merge(a, b, scale):
    """Taking away what was added leaves exactly what was there."""
    x, y = Histogram.of(a, scale), Histogram.of(b, scale)
    assert (x + y) - y == x
    assert (x - x) == Histogram(scale=scale)


def test_subtracting_what_is_not_there_is_refused():
    """A histogram never holds a negative count."""
    with pytest.raises(ValueError, match="cannot subtract"):
        Histogram.of([1, 2]) - Histogram.of([3])


def test_scales_do_not_mix():
    """Buckets of different scales mean different things and are not added."""
    with pytest.raises(ValueError, match="cannot combine"):
        Histogram.of([1], Scale.LOG) + Histogram.of([1], Scale.EXACT)


@given(st.lists(values, min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_a_quantile_is_the_ranked_value_s_bucket(sample, quantile):
    """The bucket of a quantile is the one that holds the value of that rank."""
    histogram = Histogram.of(sample)
    rank = next(i for i in range(1, len(sample) + 1) if i >= quantile * len(sample))
    assert histogram.quantile_bucket(quantile) == bucket_of(sorted(sample)[rank - 1])


@given(st.lists(values, min_size=1, max_size=40), scales)
def test_the_mean_is_within_two_percent(sample, scale):
    """The mean of the representatives is near the true mean, and equal to it on the exact scale."""
    histogram = Histogram.of(sample, scale)
    assert histogram.n == len(sample)
    assert histogram.total == sum(sample)
    assert histogram.total_squares == sum(value * value for value in sample)
    assert histogram.mean() == pytest.approx(sum(sample) / len(sample), rel=1e-12 if scale is Scale.EXACT else 0.0201)


def test_nothing_counted_says_nothing():
    """Without values there is no mean and no quantile, not a zero."""
    empty = Histogram()
    assert (empty.n, empty.mean(), empty.quantile(0.95), empty.values()) == (0, None, None, {})


@given(samples, scales, values)
def test_count_above_an_edge(sample, scale, value):
    """Values above a bucket's upper edge are exactly those in later buckets."""
    bucket = bucket_of(value, scale)
    edge = upper_edge(bucket, scale)
    assert Histogram.of(sample, scale).count_above(bucket) == sum(other > edge for other in sample)


@given(values, values)
def test_what_was_cut_off_is_above_every_value_and_taken_for_what_is_known(value, other):
    """Ranked it comes last, added up it counts with where it was cut off, and it is never taken for a value."""
    bucket = censored(bucket_of(value))
    assert bucket > bucket_of(other) <= bucket_of(MAX_VALUE) < censored(ZERO_BUCKET)
    assert is_censored(bucket)
    assert not is_censored(bucket_of(other))
    assert not is_censored(bucket, Scale.EXACT)
    assert representative(bucket) == representative(bucket_of(value))
    assert upper_edge(bucket) == upper_edge(bucket_of(value))


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), min_size=1, max_size=30))
def test_a_mean_forgets_no_value_that_shares_its_bucket_with_one_that_was_cut_off(cases):
    """As many values as were counted, at the same mean, ascending."""
    buckets = Counter(censored(bucket_of(value)) if is_cut_off else bucket_of(value) for value, is_cut_off in cases)
    both, plain = Histogram(buckets=buckets), Histogram.of(value for value, _ in cases)
    assert both.values() == plain.values()
    assert list(both.values()) == sorted(both.values())
    assert both.mean() == plain.mean()
