"""A gate on a judge's rate, with and without what is known of the judge's errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot.config.gates import parse_gates
from surefoot.core.proof.gate import Decision, Ruling
from surefoot.core.proof.gate_kinds import Gates, On, Operator, ThresholdGate
from surefoot.core.proof.gating import rule
from surefoot.core.proof.rates import JudgeErrors, rogan_gladen
from surefoot.core.proof.table import Column
from surefoot.errors import GateError
from tests.core.proof.tables import amounts, rate, table

GOOD_JUDGE = JudgeErrors(true_passes=500, passed=450, true_fails=500, failed=450)
BLIND_JUDGE = JudgeErrors(true_passes=68, passed=68, true_fails=46, failed=2)
FLOOR = ThresholdGate(name="floor", metric="m", operator=Operator.AT_LEAST, threshold=0.9)
CORRECTED = replace(FLOOR, judge_errors=GOOD_JUDGE)
NINETY = rate([1] * 180 + [0] * 20, judges=("relevance/m@1",))


def said(gate: ThresholdGate, column: Column) -> Ruling:
    (ruling,) = rule(Gates(gates=(gate,)), table("a", m=column)).rulings
    return ruling


def test_a_correction_is_made_only_where_it_is_asked_for_and_said() -> None:
    """90 % as seen by a judge that errs in 10 % both ways is 100 %; without calibration 90 % stays 90 %."""
    plain, fixed = said(FLOOR, NINETY), said(CORRECTED, NINETY)
    assert (plain.candidate, plain.decision, "corrected" in plain.reason) == (0.9, Decision.UNDECIDED, False)
    assert (fixed.candidate, fixed.decision) == (pytest.approx(1.0), Decision.PASSED)
    assert "corrected for a judge of sensitivity 0.900 and specificity 0.900 on 1000 labelled cases" in fixed.reason


def test_the_bound_holds_the_judges_own_uncertainty() -> None:
    """The bound is Rogan and Gladen's with both samples in it; fewer labels make it wider."""
    expected = rogan_gladen(180, 200, GOOD_JUDGE, confidence=0.9)
    assert expected is not None
    assert said(CORRECTED, NINETY).bound == pytest.approx(expected.bounds.low)
    few = JudgeErrors(true_passes=50, passed=45, true_fails=50, failed=45)
    low = said(replace(FLOOR, judge_errors=few), NINETY).bound
    assert low is not None
    assert low < expected.bounds.low


def test_a_judge_that_flatters_is_taken_back() -> None:
    """A judge that passes three of ten failures cannot lift a version over the line, by mean or by bound."""
    kind = JudgeErrors(true_passes=500, passed=500, true_fails=500, failed=350)
    assert said(replace(FLOOR, judge_errors=kind), NINETY).decision is Decision.FAILED
    assert said(replace(FLOOR, on=On.MEAN, judge_errors=kind), NINETY).decision is Decision.FAILED
    assert said(replace(FLOOR, on=On.MEAN), NINETY).decision is Decision.PASSED


@pytest.mark.parametrize(
    ("gate", "column", "why"),
    [
        (replace(FLOOR, judge_errors=BLIND_JUDGE), NINETY, "unusable"),
        (replace(CORRECTED, judge="coherence/m@2"), NINETY, "relevance/m@1 scored m"),
        (CORRECTED, amounts([1.0] * 30), "only measures"),
        (CORRECTED, rate([1] * 30, errors=range(30)), "without a score"),
        (CORRECTED, rate([1] * 200, errors=range(15)), "without a score had failed"),
    ],
)
def test_what_cannot_be_corrected_is_not_decided(gate, column, why) -> None:
    """A blind judge, another judge, amounts, and errors that could be failures leave it open."""
    ruling = said(replace(gate, threshold=0.99) if "had failed" in why else gate, column)
    assert ruling.decision is Decision.UNDECIDED
    assert why in ruling.reason


def test_it_stands_in_the_file_as_calibrate_says_it() -> None:
    """Counts and fingerprint are read; counts that cannot be are refused with their place."""
    text = "gates: [{{kind: threshold, metric: m, operator: '>=', threshold: 0.9, judge_errors: {{{}}}}}]"
    counts = "judge: x, true_passes: 68, passed: 41, true_fails: 46, failed: {}"
    (gate,) = parse_gates(text.format(counts.format(29))).gates
    assert isinstance(gate, ThresholdGate)
    assert (gate.judge, gate.judge_errors) == ("x", JudgeErrors(true_passes=68, passed=41, true_fails=46, failed=29))
    for broken in (counts.format(47), "true_passes: 3", counts.format(-1)):
        with pytest.raises(GateError, match=r"quality_gates\.yaml:1:"):
            parse_gates(text.format(broken))
