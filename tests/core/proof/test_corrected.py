"""A judge's errors taken out of its rate: the inverse of what they did to it, and refused where it says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.corrected import corrected_mean, told, unfit
from surefoot.core.proof.gate_kinds import Operator, ThresholdGate
from surefoot.core.proof.rates import JudgeErrors
from tests.core.proof.tables import amounts, rate

GATE = ThresholdGate(name="floor", metric="m", operator=Operator.AT_LEAST, threshold=0.5)
OF_ONE_JUDGE = ThresholdGate(name="floor", metric="m", operator=Operator.AT_LEAST, threshold=0.5, judge="j@1")
SHARES = st.floats(0, 1)
COLUMN = rate([1] * 15 + [0] * 5, judges=("j@1",))


def errors(true_passes, passed, true_fails, failed):
    """What a judge did, in the order in which it is counted."""
    return JudgeErrors(true_passes=true_passes, passed=passed, true_fails=true_fails, failed=failed)


@st.composite
def judges(draw):
    """Judges of any quality, measured on few cases or many."""
    passes, fails = draw(st.integers(0, 300)), draw(st.integers(0, 300))
    return errors(passes, draw(st.integers(0, passes)), fails, draw(st.integers(0, fails)))


@given(judges(), SHARES)
def test_what_is_not_refused_can_be_computed(judge, seen):
    """Every judge that is fit for use gives a rate, and a rate is between 0 and 1."""
    if not unfit(GATE, judge, COLUMN):
        assert 0.0 <= corrected_mean(seen, judge) <= 1.0


@given(st.integers(51, 100), st.integers(51, 100), SHARES)
def test_it_undoes_what_the_judge_did(passed, failed, truth):
    """The rate that such a judge would have seen is led back to the one that was true."""
    judge = errors(100, passed, 100, failed)
    seen = truth * judge.sensitivity + (1.0 - truth) * (1.0 - judge.specificity)
    assert corrected_mean(seen, judge) == pytest.approx(truth, abs=1e-9)


@given(SHARES, SHARES)
def test_more_passes_never_mean_a_lower_rate(one, other):
    """The correction keeps the order of what was seen."""
    judge, (low, high) = errors(100, 80, 100, 70), sorted((one, other))
    assert corrected_mean(low, judge) <= corrected_mean(high, judge)


@given(SHARES)
def test_a_judge_without_errors_changes_nothing(seen):
    """Sensitivity and specificity of 1: what was seen is what is."""
    assert corrected_mean(seen, errors(50, 50, 50, 50)) == pytest.approx(seen)


@pytest.mark.parametrize(("seen", "truth"), [(0.0, 0.0), (0.1, 0.0), (0.5, 0.5), (0.9, 1.0), (1.0, 1.0)])
def test_a_rate_that_errors_alone_would_give_is_cut(seen, truth):
    """A judge that errs in one of ten both ways sees at least a tenth and at most nine; beyond is 0 and 1."""
    assert corrected_mean(seen, errors(100, 90, 100, 90)) == pytest.approx(truth)


@pytest.mark.parametrize(
    ("gate", "judge", "column", "why"),
    [
        (GATE, errors(200, 180, 200, 180), COLUMN, ""),
        (OF_ONE_JUDGE, errors(200, 180, 200, 180), COLUMN, ""),
        (GATE, errors(200, 180, 200, 180), amounts([0.5] * 20), "m only measures"),
        (OF_ONE_JUDGE, errors(200, 180, 200, 180), rate([1] * 20), "of j@1, and no judge scored m"),
        (OF_ONE_JUDGE, errors(200, 180, 200, 180), rate([1] * 20, judges=("j@1", "j@2")), "and j@1, j@2 scored m"),
        (GATE, errors(0, 0, 0, 0), COLUMN, "no labelled case"),
        (GATE, errors(0, 0, 200, 200), COLUMN, "true passes"),
        (GATE, errors(200, 200, 0, 0), COLUMN, "true failures"),
        (GATE, errors(200, 100, 200, 100), COLUMN, "better than chance"),
        (GATE, errors(200, 20, 200, 20), COLUMN, "better than chance"),
        (GATE, errors(5, 5, 5, 4), COLUMN, "unusable"),
    ],
)
def test_who_is_fit_to_be_corrected(gate, judge, column, why):
    """A rate, of the judge that was calibrated, which is better than chance and known well enough."""
    said = unfit(gate, judge, column)
    assert why in said
    assert bool(said) is bool(why)


def test_what_was_seen_stands_beside_what_was_made_of_it():
    """The reason names the raw rate, both qualities of the judge and the cases they were measured on."""
    said = told(errors(100, 90, 50, 40), COLUMN)
    assert (
        said
        == "; 0.75 as judged, corrected for a judge of sensitivity 0.900 and specificity 0.800 on 150 labelled cases"
    )
    assert "as judged" in told(errors(100, 90, 50, 40), rate([]))
