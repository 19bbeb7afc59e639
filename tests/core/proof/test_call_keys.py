"""When arguments are the same: as JSON, or in what they mean; and the coarser comparison never tells more apart."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.call_keys import alike, arguments_key, normalised_key
from surefoot.core.proof.pair import called
from surefoot.core.proof.trace import TracedCall
from surefoot.core.proof.trajectory import equal_arguments

NAMES = st.sampled_from(["a", "b", "A", "true", "?", "{", "["])
TEXTS = st.sampled_from(["", "a", "A", " a ", "1", "1.0", "true", "nan", "?", "2024-01-02", "2024-01-02T00:00:00"])
NUMBERS = st.sampled_from([0, -0.0, 1, 1.0, 1.5, 2**53, 2.0**53, 2**53 + 1, math.inf, -math.inf, math.nan])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=6,
)


def same_json(one, other):
    """Whether two values are the same JSON, by the definition: member by member, and null is a member that is not."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        mine, theirs = ({name: value for name, value in side.items() if value is not None} for side in (one, other))
        return mine.keys() == theirs.keys() and all(same_json(mine[name], theirs[name]) for name in mine)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


def rewritten(value, draw):
    """The same JSON in another way: names in another order, nulls more or fewer, 1 as 1.0, a list as a tuple."""
    if isinstance(value, Mapping):
        members = [(name, rewritten(one, draw)) for name, one in value.items() if one is not None]
        nulls = [(name, None) for name in draw(st.lists(NAMES, max_size=2)) if value.get(name) is None]
        return dict(draw(st.permutations([*members, *nulls])))
    if isinstance(value, list | tuple):
        return draw(st.sampled_from([list, tuple]))(rewritten(one, draw) for one in value)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value == int(value):
        return draw(st.sampled_from([int(value), value]))
    return value


@given(VALUES, VALUES)
def test_keys_are_equal_exactly_for_equal_json(one, other):
    """Neither does a key tell apart what is the same, nor take for the same what is not."""
    assert (arguments_key(one) == arguments_key(other)) is same_json(one, other)


@given(VALUES, st.data())
def test_the_same_json_in_another_way_has_the_same_keys(value, data):
    """The order of names, members that are null, 1 beside 1.0, a tuple: none of it is another call."""
    other = rewritten(value, data.draw)
    assert arguments_key(value) == arguments_key(other)
    assert hash(arguments_key(value)) == hash(arguments_key(other))
    assert normalised_key(value) == normalised_key(other)


@given(VALUES, VALUES)
def test_the_normalised_key_is_coarser(one, other):
    """What is the same JSON means the same, and what means something else is no equal JSON."""
    if arguments_key(one) == arguments_key(other):
        assert normalised_key(one) == normalised_key(other)


@given(st.text() | st.datetimes().map(lambda moment: moment.isoformat()))
def test_case_and_white_space_mean_nothing(text):
    """A text beside itself in other letters, with other gaps."""
    assert normalised_key(f"  {text}\n") == normalised_key(text)
    assert normalised_key(" ".join(text.split())) == normalised_key(text)


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2})?"))
def test_every_text_has_a_key(text):
    """No text is too strange to be compared, half a date and a date before the first year included."""
    assert normalised_key(text) == normalised_key(text)
    assert hash(normalised_key({"at": [text]})) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (True, "true"),
        (1, "1"),
        (None, "null"),
        ([], {}),
        ([], ""),
        ([1, 2], [2, 1]),
        ([None], []),
        ({"a": []}, {}),
        (math.nan, "nan"),
        (2**53, 2**53 + 1),
        ("a", "b"),
    ],
    ids=repr,
)
def test_what_is_another_value(one, other):
    """Neither comparison takes one of these for the other."""
    assert arguments_key(one) != arguments_key(other)
    assert normalised_key(one) != normalised_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Vienna", " vienna\n"),
        ("STRASSE", "stra\u00dfe"),
        ("2024-01-02", "2024-01-02T00:00:00"),
        ("2024-01-02T03:04:05Z", "2024-01-02t04:04:05+01:00"),
        ("2024-01-02T03:04", "2024-01-02 03:04:00"),
        ({"at": ["2024-01-02T00:00Z"]}, {"at": ["2024-01-01T19:00-05:00"], "by": None}),
    ],
    ids=repr,
)
def test_what_only_means_the_same(one, other):
    """Other letters, other gaps and other ways to write a moment: alike in meaning, and told apart as JSON."""
    assert arguments_key(one) != arguments_key(other)
    assert normalised_key(one) == normalised_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05"),  # with no zone it is another moment somewhere
        ("2024-01-02", "2024-01-03"),
        ("2024-13-45T00:00", "2024-13-45T00:01"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"),  # before the first moment there is
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59Z"),
    ],
    ids=repr,
)
def test_moments_that_differ(one, other):
    """A missing zone, another day, what is no date, and moments that no calendar here holds."""
    assert normalised_key(one) != normalised_key(other)


ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)


@given(ARGUMENTS, ARGUMENTS)
def test_likeness_is_a_share_and_goes_both_ways(one, other):
    """Between 0 and 1, the same from either side where nothing is free text, and 1 for what means the same."""
    assert 0.0 <= alike(one, other) <= 1.0
    assert alike(one, other) == pytest.approx(alike(other, one))
    assert alike(one, one) == 1.0
    if normalised_key(one) == normalised_key(other):
        assert alike(one, other) == 1.0


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ({"q": "where is my parcel now"}, {"q": "Where is my parcel?"}, 0.8, 0.99),
        ({"id": "A1234567"}, {"id": "A1234568"}, 0.0, 0.0),
        ({"n": 100}, {"n": 101}, 0.0, 0.0),
        ({"id": 1, "q": "x"}, {"id": 1}, 0.5, 0.5),
        ({}, {}, 1.0, 1.0),
        ({"a": None}, {}, 1.0, 1.0),
    ],
    ids=["free text", "name", "number", "one missing", "nothing", "null"],
)
def test_only_free_text_is_alike(one, other, least, most):
    """The name of another order is another order, however little the names differ."""
    assert least <= alike(one, other) <= most


@given(ARGUMENTS, ARGUMENTS)
def test_trajectories_and_pairs_compare_calls_as_a_tape_does(one, other):
    """Nothing is the same call in one place and another call elsewhere."""
    equal = arguments_key(one) == arguments_key(other)
    assert equal_arguments(TracedCall(name="t", args=one), TracedCall(name="t", args=other)) is equal
    assert (called("t", one) == called("t", other)) is equal
