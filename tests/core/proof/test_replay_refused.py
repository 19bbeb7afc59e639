"""A run whose code was refused an effect: it has left its tape, and its result says what was refused and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.replay import Played
from surefoot.core.proof.replay_refused import REFUSED, left_by_refusal, told_of_refusals
from surefoot.core.proof.score import Attempt, Result, Score, Status
from surefoot.core.units import Digest
from tests.core.proof.recordings import called, trace

RUN = trace(called("look", at=1), called("mail", to="a"))
REFUSALS = {"open a file to write: /tmp/x": 2, "connect to example.org:443": 1}
COUNTS = st.dictionaries(st.text(min_size=1, max_size=20), st.integers(1, 99), min_size=1, max_size=5)


def played(**changes):
    """A run of two calls that stayed on its tape."""
    return Played(run=RUN, recorded=RUN, **changes)


def result(*scores, error=None):
    """What was made of it."""
    return Result(attempt=Attempt("t1", Digest("sha256:1")), scores=scores, error=error)


def test_who_was_refused_something_has_left_the_tape():
    """At the end of what it did: the calls up to there stand, and what would have come of it nobody knows."""
    found = left_by_refusal(played(), REFUSALS)
    assert (found.first_divergence, found.why) == (2, "an effect was refused")
    assert found.run == RUN


@pytest.mark.parametrize(
    ("before", "refused"),
    [(played(), {}), (played(first_divergence=0, why="not recorded: mail"), REFUSALS)],
    ids=["refused nothing", "left it before"],
)
def test_what_is_known_already_stays(before, refused):
    """Without a refusal nothing changes, and whoever had left the tape earlier left it there."""
    assert left_by_refusal(before, refused) is before


@given(COUNTS)
def test_every_refusal_is_counted(refused):
    """The score is the number of all of them, and no pass or failure."""
    *_, said = told_of_refusals(result(), refused).scores
    assert (said.metric, said.value, said.passed, said.status) == (REFUSED, sum(refused.values()), None, Status.SCORED)


def test_what_was_refused_is_named_with_how_often():
    """In the order in which it happened; once is not counted out."""
    *_, said = told_of_refusals(result(), REFUSALS).scores
    assert said.reason == "open a file to write: /tmp/x, 2 times; connect to example.org:443"


@pytest.mark.parametrize(("error", "told"), [(None, None), ("it raised KeyError", "write x; it raised KeyError")])
def test_an_error_says_first_what_was_refused(error, told):
    """A crash is likely to be what came of it; a run that did not fail is no error for having been refused."""
    assert told_of_refusals(result(error=error), {"write x": 1}).error == told


def test_a_result_without_refusals_is_itself():
    """Nothing is added to a run that kept to its tape."""
    before = result(Score.scored("success", 1.0, passed=True))
    assert told_of_refusals(before, {}) is before


def test_a_thousand_kinds_of_refusals_are_told_in_short():
    """What is kept of a run is bounded; the count is not."""
    *_, said = told_of_refusals(result(), {f"write /tmp/file-{at}": 1 for at in range(1_000)}).scores
    assert len(said.reason) == 2_000
    assert said.value == 1_000.0
