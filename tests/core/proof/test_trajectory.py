"""Calls beside expected calls: five orders, three ways to compare arguments, and laws between them."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.trace import TracedCall
from surefoot.core.proof.trajectory import ArgumentsMatch, Order, match_calls, same_call

IGNORE = same_call(ArgumentsMatch.IGNORE)
CALLS = st.lists(st.sampled_from("abc"), max_size=5)


def calls(names):
    return [TracedCall(name=name) for name in names]


def value(got, expected, order, same=IGNORE):
    return match_calls(calls(got), calls(expected), order=order, same=same).value


@pytest.mark.parametrize(
    ("got", "expected", "values"),
    [
        # exact, in_order, any_order, subset, superset
        ("ab", "ab", (1, 1, 1, 1, 1)),
        ("ba", "ab", (0, 0.5, 1, 1, 1)),
        ("a", "ab", (0, 2 / 3, 2 / 3, 1, 0.5)),
        ("abc", "ab", (0, 0.8, 0.8, 2 / 3, 1)),
        ("", "", (1, 1, 1, 1, 1)),
        ("", "a", (0, 0, 0, 1, 0)),
        ("a", "", (0, 0, 0, 0, 1)),
        ("aa", "a", (0, 2 / 3, 2 / 3, 0.5, 1)),
    ],
)
def test_the_five_orders(got, expected, values):
    """Each order says what its name says, on the calls that tell them apart."""
    assert [value(got, expected, order) for order in Order] == pytest.approx(list(values))


@settings(max_examples=60)
@given(CALLS, CALLS)
def test_laws_between_the_orders(got, expected):
    """Exact implies every other; order never helps; both subset and superset is any order."""
    found = {order: value(got, expected, order) for order in Order}
    assert all(0 <= share <= 1 for share in found.values())
    if found[Order.EXACT] == 1:
        assert set(found.values()) == {1}
    assert found[Order.IN_ORDER] <= found[Order.ANY_ORDER] + 1e-9
    assert (found[Order.ANY_ORDER] == 1) is (found[Order.SUBSET] == found[Order.SUPERSET] == 1)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8))
def test_as_many_calls_as_possible_are_matched(edges):
    """With a comparison of one's own that is no equivalence, the matching is still the largest there is."""
    allowed = set(edges)
    got = [TracedCall(name="t", args={"i": i}) for i in range(4)]

    def same(one, other):
        return (one.args["i"], other.args["i"]) in allowed

    most = max(sum((i, j) in allowed for i, j in enumerate(order)) for order in permutations(range(4)))
    found = match_calls(got, got, order=Order.ANY_ORDER, same=same)
    assert found.value == pytest.approx(most / 4)
    assert len(found.missing) == len(found.extra) == 4 - most


@pytest.mark.parametrize(
    ("how", "args", "expected", "same"),
    [
        (ArgumentsMatch.EXACT, {"a": 1, "b": None}, {"b": None, "a": 1.0}, True),
        (ArgumentsMatch.EXACT, {"a": 1, "b": None}, {"a": 1}, True),
        (ArgumentsMatch.EXACT, {"a": {"b": None}}, {"a": {}}, True),
        (ArgumentsMatch.EXACT, {"a": True}, {"a": 1}, False),
        (ArgumentsMatch.EXACT, {"a": [0]}, {"a": [False]}, False),
        (ArgumentsMatch.EXACT, {"a": 1, "b": 2}, {"a": 1}, False),
        (ArgumentsMatch.SUBSET, {"a": 1, "b": 2}, {"a": 1}, True),
        (ArgumentsMatch.SUBSET, {"b": 2}, {"a": None}, True),
        (ArgumentsMatch.SUBSET, {"a": 2}, {"a": None}, False),
        (ArgumentsMatch.SUBSET, {"b": 2}, {"a": 2}, False),
        (ArgumentsMatch.SUBSET, {"a": 1, "b": 2}, {"a": True}, False),
        (ArgumentsMatch.IGNORE, {"a": 1}, {"a": 2}, True),
    ],
)
def test_arguments(how, args, expected, same):
    """Equal, at least those expected, or whatever: null is as good as absent, and True is not 1."""
    found = same_call(how)(TracedCall(name="t", args=args), TracedCall(name="t", args=expected))
    assert found is same


def test_what_is_missing_and_extra_is_named():
    """A report can say which call was left out."""
    found = match_calls(calls("ac"), calls("ab"), order=Order.IN_ORDER, same=IGNORE)
    assert (found.missing, found.extra) == (("b",), ("c",))
