"""Two answers to one request: only what both recorded is compared, and every difference is named once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.pair import Amount, Answered, called, compare_answers, similarity

LOOK = called("look", {"at": 1})


def answered(output: object = "yes", *calls: object, divergences: tuple[str, ...] = (), **seen: object) -> Answered:
    return Answered(output=output, seen=Observation(**seen), calls=calls, divergences=divergences)


def test_a_metric_counts_only_where_both_sides_recorded_it() -> None:
    """A missing outcome on one side proves nothing about the other."""
    pair = compare_answers(answered(success=True, safety_violation=False), answered(success=False, complaint=True))
    assert (pair.stable_bad, pair.candidate_bad) == ({"success": False}, {"success": True})


def test_tool_calls_are_compared_by_name_and_arguments() -> None:
    """Changed arguments are one difference, a missing and an added tool one each; order does not matter."""
    stable = answered("x", LOOK, called("mail", {"to": "a"}), called("refund", {}))
    candidate = answered("x", called("mail", {"to": "b"}), LOOK, called("close", {}))
    assert compare_answers(stable, candidate).divergences == (
        "arguments differ: mail",
        "not called: refund",
        "called in addition: close",
    )


def test_the_order_of_argument_names_is_no_difference() -> None:
    """Arguments are a mapping."""
    stable = answered("x", called("look", {"a": 1, "b": 2}))
    assert compare_answers(stable, answered("x", called("look", {"b": 2, "a": 1}))).divergences == ()


def test_what_a_candidate_was_not_allowed_to_do_comes_first() -> None:
    """A refused effect is the most important divergence."""
    pair = compare_answers(answered("x"), answered("x", LOOK, divergences=("not recorded: refund",)))
    assert pair.divergences == ("not recorded: refund", "called in addition: look")


def test_amounts_of_both_sides_stand_beside_each_other_with_their_gaps() -> None:
    """An unrecorded cost stays unrecorded."""
    pair = compare_answers(answered(tokens=10), answered(tokens=30, latency_ms=5))
    assert pair.amounts == {"tokens": Amount(10, 30), "latency_ms": Amount(None, 5)}


def test_answers_that_are_no_text_are_equal_or_not_comparable() -> None:
    """No similarity is made up for structures."""
    assert similarity({"a": 1}, {"a": 1}) == 1.0
    assert similarity({"a": 1}, {"a": 2}) is None
    assert similarity("a", None) is None


words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12).map(" ".join)


@given(words, words)
def test_similarity_is_a_fraction_and_one_only_for_equal_words(one: str, other: str) -> None:
    """Between 0 and 1; nothing in common is 0; itself is 1."""
    found = similarity(one, other)
    assert found is not None
    assert 0.0 <= found <= 1.0
    assert (found == 1.0) == (one.split() == other.split())
    if not set(one.split()) & set(other.split()) and one != other:
        assert found == 0.0
