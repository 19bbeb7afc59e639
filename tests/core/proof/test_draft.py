"""Values that are written first and frozen then are values like any other."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from surefoot.core.artifact.version import ModelRef
from surefoot.core.proof.draft import draft_of
from surefoot.core.proof.score import Attempt, Result, Score, Status
from surefoot.core.proof.trace import Trace
from surefoot.core.units import Digest

NEEDED = {
    Trace: {"trace_id": "t", "request": {"a": 1}, "cost_tokens": 7},
    Score: {"metric": "exact", "status": Status.SCORED, "value": 1.0},
    Result: {"attempt": Attempt("c", Digest("sha256:1"), 2), "output": "so"},
}


@pytest.mark.parametrize("value", NEEDED, ids=lambda value: value.__name__)
def test_a_draft_becomes_the_value_itself(value):
    """Equal, hashed, shown, copied and frozen as if it had been made in one go; left out is the default."""
    draft = draft_of(value)(**NEEDED[value])
    draft.__class__ = value
    made = value(**NEEDED[value])
    assert type(draft) is value
    assert (draft, repr(draft)) == (made, repr(made))
    assert copy.copy(draft) == replace(draft) == made
    with pytest.raises(FrozenInstanceError):
        setattr(draft, fields(value)[0].name, "other")


def test_a_draft_knows_the_fields_of_its_value():
    """A field that is not there, or one that is needed and missing, is an error as for the value."""
    with pytest.raises(TypeError, match="metric"):
        draft_of(Score)(status=Status.SCORED)
    with pytest.raises(TypeError, match="colour"):
        draft_of(Score)(metric="exact", status=Status.SCORED, colour="red")


def test_a_value_that_checks_itself_has_no_draft():
    """Its check would be left out."""
    with pytest.raises(TypeError, match="checks itself"):
        draft_of(ModelRef)
