"""Evidence against an absolute limit of a mean: valid for every distribution by enumeration, and it grows with harm."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.ceiling import mean_limit

ONE = 1.0 + 1e-9
VALUES = (0.0, 0.5, 1.0, 4.0, 1_000.0)
SHAPES = [
    (1, 0, 0, 0, 0),
    (0.5, 0, 0.5, 0, 0),
    (0.3, 0.4, 0.2, 0.1, 0),
    (0.75, 0, 0, 0.25, 0),
    (0.999, 0, 0, 0, 0.001),
    (0, 0, 1, 0, 0),
]
"""How likely each value is: among them one that is nearly always nothing and rarely a thousand."""

COUNTS = st.dictionaries(st.integers(0, 10**9).map(lambda n: n / 1_000), st.integers(0, 10**6), max_size=8)
ALLOWED = st.floats(1e-3, 1e6)


def mean_of(chances):
    """What a unit costs on average."""
    return math.fsum(value * chance for value, chance in zip(VALUES, chances, strict=True))


def expected(n, chances, allowed):
    """The e-value on average over everything that n units can be."""
    total = 0.0
    for drawn in itertools.product(range(len(VALUES)), repeat=n):
        chance = math.prod(chances[place] for place in drawn)
        if chance:
            values = [VALUES[place] for place in drawn]
            total += chance * math.exp(mean_limit({value: values.count(value) for value in values}, allowed))
    return total


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("chances", SHAPES, ids=str)
@pytest.mark.parametrize("below", [1.0, 1.5, 100.0])
def test_within_the_limit_it_does_not_grow_on_average(n, chances, below):
    """Whatever the shape, and without any bound on a value: at the limit the mean is exactly 1, below it less."""
    allowed = max(mean_of(chances) * below, 0.01)
    found = expected(n, chances, allowed)
    assert found <= ONE
    if allowed == mean_of(chances):
        assert found == pytest.approx(1.0, abs=1e-9)


def test_who_reacts_to_what_was_seen_gains_nothing():
    """The second unit may be drawn in the way that is worst after the first one, as long as its mean is allowed."""
    allowed = 1.0
    fair = [shape for shape in SHAPES if mean_of(shape) <= allowed + 1e-12]
    assert len(fair) >= 4
    for first in fair:
        total = 0.0
        for place, chance in enumerate(first):
            after = [
                math.fsum(
                    one * math.exp(mean_limit(_counted(VALUES[place], VALUES[at]), allowed))
                    for at, one in enumerate(second)
                )
                for second in fair
            ]
            total += chance * max(after)
        assert total <= ONE


def _counted(one, other):
    return {one: 2} if one == other else {one: 1, other: 1}


@pytest.mark.parametrize(("over", "least"), [(1.5, 1.0), (2.0, 10.0), (4.0, 1e6)])
def test_beyond_the_limit_it_grows(over, least):
    """The enumeration can fail: forty units at one and a half, two and four times the limit are ever clearer."""
    assert math.exp(mean_limit({over: 40}, 1.0)) > least


def test_nothing_seen_is_no_evidence():
    """Without units, and with none of any value, E is 1."""
    assert mean_limit({}, 3.0) == pytest.approx(0.0, abs=1e-12)
    assert mean_limit({5.0: 0, 1.0: 0}, 3.0) == pytest.approx(0.0, abs=1e-12)


@given(COUNTS, ALLOWED)
def test_it_is_always_a_finite_number(values, allowed):
    """No counts overflow it or lose its value."""
    assert math.isfinite(mean_limit(values, allowed))


@given(COUNTS, ALLOWED, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_of_the_amounts_changes_nothing(values, allowed, factor):
    """Cents and dollars, milliseconds and seconds."""
    other = {value * factor: count for value, count in values.items()}
    assert mean_limit(other, allowed * factor) == mean_limit(values, allowed)


@given(COUNTS, ALLOWED, st.randoms(use_true_random=False))
def test_only_the_totals_count(values, allowed, random):
    """The order in which values are told is of no importance, beyond the last digits of a sum."""
    mixed = list(values.items())
    random.shuffle(mixed)
    assert mean_limit(dict(mixed), allowed) == pytest.approx(mean_limit(values, allowed), rel=1e-9, abs=1e-6)


@given(st.dictionaries(st.integers(0, 50), st.integers(0, 50), max_size=6), st.integers(1, 50), st.integers(0, 50))
def test_a_unit_above_the_limit_is_evidence_and_one_below_speaks_against_it(values, allowed, value):
    """And one exactly at the limit says nothing."""
    more = {**values, value: values.get(value, 0) + 1}
    before, after = mean_limit(values, allowed), mean_limit(more, allowed)
    if value > allowed:
        assert after > before
    elif value < allowed:
        assert after < before
    else:
        assert after == pytest.approx(before)


@given(COUNTS, st.floats(1, 1e3), st.floats(1, 1e3))
def test_a_higher_limit_is_never_broken_more(values, one, other):
    """What is allowed more is proven broken later."""
    low, high = sorted((one, other))
    assert mean_limit(values, high) <= mean_limit(values, low) + 1e-6 * (1 + abs(mean_limit(values, low)))


@pytest.mark.parametrize("allowed", [0.0, -1.0, math.inf, math.nan])
def test_a_limit_that_is_none_is_refused(allowed):
    """Nothing, less than nothing, anything and no number are no limits."""
    with pytest.raises(ValueError, match="positive and finite"):
        mean_limit({1.0: 1}, allowed)


@pytest.mark.parametrize("values", [{-0.5: 1}, {1.0: -1}])
def test_amounts_below_nothing_are_refused(values):
    """The proof rests on values of at least 0, and no value comes less than never."""
    with pytest.raises(ValueError, match="at least 0"):
        mean_limit(values, 1.0)
