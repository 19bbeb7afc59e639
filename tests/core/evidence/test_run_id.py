"""Run ids: they carry the assignment, and garbage is recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.observation import Arm, Assignment
from surefoot.core.evidence.run_id import parse_run_id, run_id, unit_hash
from surefoot.core.units import AgentName, Digest, RolloutId
from surefoot.errors import UsageError

names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
assignments = st.builds(
    Assignment,
    agent=names.map(AgentName),
    version=(st.binary(min_size=32, max_size=32).map(lambda raw: "sha256:" + raw.hex()) | names).map(Digest),
    rollout=st.none() | names.map(RolloutId),
    epoch=st.integers(0, 2**32 - 1),
    arm=st.sampled_from(Arm),
    randomised=st.booleans(),
)
EXAMPLE = Assignment(
    AgentName("shop"), Digest("sha256:" + "0f" * 32), RolloutId("r1"), 3, Arm.CANDIDATE, randomised=True
)


@given(assignments, names, st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.booleans())
def test_an_id_says_all_it_was_made_of(assignment, unit, serial, assumed):
    """What went in comes out, in any process."""
    hashed = unit_hash(unit)
    text = run_id(assignment, hashed, serial, success_assumed=assumed)
    assert parse_run_id(text) == (assignment, hashed, serial, assumed)


@given(st.data())
def test_an_id_that_was_changed_anywhere_is_refused(data):
    """One character replaced, lost or added."""
    text = run_id(EXAMPLE, unit_hash("u-1"), "0a1b-7")
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in "abcdefXYZ0123456789._-" if c != text[at]]))
    kept = data.draw(st.sampled_from([text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text + other]))
    with pytest.raises(UsageError, match="is no run id"):
        parse_run_id(kept)


@given(st.text(max_size=300))
def test_garbage_is_refused_with_a_hint(text):
    """Whatever arrives from outside gets an error that says what to pass."""
    with pytest.raises(UsageError) as refused:
        parse_run_id(text)
    assert "reply.run_id" in refused.value.hint


def test_a_name_that_does_not_fit_is_refused():
    """Nothing is cut off silently."""
    with pytest.raises(UsageError, match="300 bytes"):
        run_id(EXAMPLE._replace(rollout=RolloutId("r" * 300)), unit_hash("u"), "1")
    with pytest.raises(UsageError, match="2000 bytes"):
        run_id(EXAMPLE._replace(agent=AgentName("a" * 2000)), unit_hash("u"), "1")


def test_units_are_named_by_the_same_hash_everywhere():
    """The name is part of what stores keep, so it never changes; the id itself is nowhere."""
    assert unit_hash("jane@example.org") == "534eb3ad91299e0a"
