"""When two tool calls are the same: as JSON says it, and everywhere alike."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.call_keys import arguments_key, normalised_key
from surefoot.core.proof.pair import called
from surefoot.core.proof.trace import TracedCall
from surefoot.core.proof.trajectory import equal_arguments

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "a", "A", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)


def as_json(value: object) -> str:
    """The JSON that stands for a value: numbers as floats, no null members, names in order."""
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{as_json(value[name])}" for name in sorted(value) if value[name] is not None)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return json.dumps(value if isinstance(value, bool | str) or value is None else float(value))


@settings(max_examples=200)
@given(ARGUMENTS, ARGUMENTS)
def test_arguments_are_equal_as_their_json_is(one, other):
    """A trajectory, a pair of answers and a tape say the same of two calls."""
    equal = as_json(one) == as_json(other)
    assert (arguments_key(one) == arguments_key(other)) is equal
    assert equal_arguments(TracedCall(name="t", args=one), TracedCall(name="t", args=other)) is equal
    assert (called("t", one) == called("t", other)) is equal


@given(ARGUMENTS, ARGUMENTS)
def test_what_is_equal_is_so_after_normalising(one, other):
    """The looser comparison parts nothing that the stricter one holds together."""
    assert arguments_key(one) != arguments_key(other) or normalised_key(one) == normalised_key(other)


def test_case_blanks_and_the_writing_of_a_moment_are_normalised():
    """Two ways to write a text or a moment mean the same; another moment does not."""
    assert normalised_key({"at": "2026-01-01T01:00:00+01:00", "to": " Bob  B"}) == normalised_key(
        {"at": "2026-01-01T00:00:00Z", "to": "bob b"}
    )
    assert normalised_key("2026-01-01T00:00:00Z") != normalised_key("2026-01-01T00:00:01Z")
