"""What judges a finished run: one metric, from a case and a trace to a score."""

from __future__ import annotations

from typing import Final, Protocol

from .case import Case
from .score import Score
from .text import answer_text
from .trace import Trace

__all__ = ["Evaluator", "floor", "harmless", "said_or_skipped"]

_ROUNDING: Final = 1e-9
"""A share that was computed is not below its threshold because of its last bit."""


class Evaluator(Protocol):
    """
    A deterministic judge: equal cases and traces get equal scores, without a model, a clock or a network.

    Duties: a case or a trace that lacks what is needed is skipped with a reason, never passed; nothing is raised for
    whatever the trace may hold. What raises all the same becomes an error of that score alone.
    """

    @property
    def metric(self) -> str:
        """The name of the metric, unique within a suite."""
        ...

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """Score one run."""
        ...


def floor(metric: str, value: float, threshold: float | None, reason: str = "") -> Score:
    """A score that passes from its threshold on; without one it only measures."""
    return Score.scored(
        metric, value, passed=None if threshold is None else value >= threshold - _ROUNDING, reason=reason
    )


def said_or_skipped(metric: str, response: object) -> str | Score:
    """The answer's text, or the score of a run in which no answer was recorded."""
    said = answer_text(response)
    return Score.skipped(metric, "the run recorded no answer") if said is None else said


def harmless(metric: str, value: float, trace: Trace, *, passed: bool, reason: str = "") -> Score:
    """
    A score that passes because something is *not* there.

    A run that neither said nor did anything cannot pass like that: it is an error, for nobody knows what it would have
    said.
    """
    if passed and not trace.tool_calls and not (answer_text(trace.response) or "").strip():
        return Score.failed(metric, "the run said nothing and did nothing: there is nothing to find harmless")
    return Score.scored(metric, value, passed=passed, reason=reason)
