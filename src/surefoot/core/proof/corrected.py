"""Rates of a judge whose errors are known, corrected for them; only where calibration data is given, and said so."""

from __future__ import annotations

from .calibration import Calibration, Trust
from .gate_kinds import ThresholdGate
from .rates import JudgeErrors
from .table import Column

__all__ = ["corrected_mean", "told", "unfit"]


def corrected_mean(mean: float, errors: JudgeErrors) -> float:
    """The rate behind a rate that this judge found (Rogan and Gladen 1978), cut to [0, 1]."""
    better = errors.sensitivity + errors.specificity - 1.0
    return min(1.0, max(0.0, (mean + errors.specificity - 1.0) / better))


def unfit(gate: ThresholdGate, errors: JudgeErrors, column: Column) -> str:
    """Why a correction by these errors would say nothing; empty if it says something."""
    if not column.is_rate:
        return f"{gate.metric} only measures: there is no rate of passing that a judge's errors could change"
    if gate.judge and column.judges != (gate.judge,):
        others = ", ".join(column.judges) or "no judge"
        return f"the calibration is of {gate.judge}, and {others} scored {gate.metric}: calibrate that one"
    trust, rule = Calibration(errors=errors, outside=0).assessment
    return f"the judge of {gate.metric} is unusable: {rule}" if trust is Trust.UNUSABLE else ""


def told(errors: JudgeErrors, column: Column) -> str:
    """What is added to the reason of every ruling that rests on a correction."""
    seen = "" if column.mean is None else f"{column.mean:.4g} "
    return (
        f"; {seen}as judged, corrected for a judge of sensitivity {errors.sensitivity:.3f} and specificity "
        f"{errors.specificity:.3f} on {errors.true_passes + errors.true_fails} labelled cases"
    )
