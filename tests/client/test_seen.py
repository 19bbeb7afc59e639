"""What a run shows of itself: checked as it is said, and added up whatever the pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.client.report import late_outcome
from surefoot.client.seen import add, said_by
from surefoot.client.who import Who, no_such_id, no_text
from surefoot.core.evidence.observation import Observation
from surefoot.errors import UsageError

maybe = {
    "success": st.booleans(),
    "safety_violation": st.booleans(),
    "quality": st.floats(1, 5),
    "tokens": st.integers(0, 10**9),
    "model_calls": st.integers(0, 100),
    "latency_ms": st.integers(0, 10**6),
    "complaint": st.booleans(),
}
shown = st.fixed_dictionaries({}, optional={name: st.one_of(st.none(), value) for name, value in maybe.items()})


def together(*said):
    """All that was said, one after the other."""
    values = {}
    for one in said:
        add(values, one)
    return values


@given(st.lists(shown, max_size=6))
def test_amounts_add_up_violations_stay_and_the_last_word_counts(said):
    """None says nothing, wherever it stands."""
    values = together(*said)
    known = {name: [one[name] for one in said if one.get(name) is not None] for name in maybe}
    for name, field in (("tokens", "tokens"), ("model_calls", "model_calls")):
        assert values.get(field) == (sum(known[name]) if known[name] else None)
    for name in ("safety_violation", "complaint"):
        assert values.get(name) == (any(known[name]) if known[name] else None)
    for name in ("success", "quality", "latency_ms"):
        assert values.get(name) == (known[name][-1] if known[name] else None)


@given(shown)
def test_an_observation_says_what_it_was_told(said):
    """`said_by` is the way back: whoever passes an observation on changes nothing."""
    values = together(said)
    assert together(said_by(Observation(**values))) == values


@pytest.mark.parametrize(
    "value", [{"tokens": -1}, {"quality": 7}, {"cost_usd": float("nan")}, {"success": "yes"}, {"mood": 1}]
)
def test_of_what_means_nothing_no_part_is_added(value):
    """An error leaves what was said before as it was, and what was said beside it unsaid."""
    values = together({"tokens": 5})
    with pytest.raises(UsageError):
        add(values, {"model_calls": 1, **value})
    assert values == {"tokens": 5}


@pytest.mark.parametrize(
    ("given", "hint"), [({"user": 42}, "user=str(...)"), ({"user": "u", "tenant": None}, "leave tenant out")]
)
def test_an_id_that_is_no_text_is_named_with_the_way_to_pass_it(given, hint):
    """The first that is wrong; those that are right are not mentioned."""
    assert hint in no_text(given).hint


@given(st.sampled_from(sorted(Who.__annotations__)))
def test_a_misspelt_id_is_told_its_name(name):
    """Whoever writes one letter too many hears which was meant."""
    assert name in no_such_id(f"{name}s").hint


def test_a_reply_is_no_run_id():
    """It is passed all too easily, and the hint says which of its fields is meant."""
    with pytest.raises(UsageError) as refused:
        late_outcome(object(), {"success": True})
    assert refused.value.hint == "pass reply.run_id"
