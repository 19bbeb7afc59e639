"""What an evaluator says about one run, and what became of one attempt at a case."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from ..units import Digest
from .draft import draft_of

__all__ = ["ANSWERED", "Attempt", "Result", "Score", "Status"]

ANSWERED: Final = "; it answered: "
"""Stands in a reason before what a model said: reasons that differ only after it are of one kind."""


class Status(StrEnum):
    """Whether there is a score."""

    SCORED = "scored"
    SKIPPED = "skipped"
    """The evaluator needs something that the case or the run does not have. Neither good nor bad."""

    ERROR = "error"
    """The evaluator failed: a judge that answered outside its vocabulary, a value that is no number. Never a pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric of one run. Made by `scored`, `skipped` or `failed`, so that a score without a status cannot be."""

    metric: str
    status: Status
    value: float | None = None
    """Finite; higher is better unless the metric says otherwise (`latency_ms`, `cost_usd`, severities)."""

    passed: bool | None = None
    """None for a metric that only measures."""

    reason: str = ""
    judge: str = ""
    """Fingerprint of the model, prompt and parameters that gave the score; empty for a deterministic one."""

    kinds: tuple[str, ...] = ()
    """The kind of each finding that was counted, where the evaluator tells findings apart."""

    @classmethod
    def scored(
        cls,
        metric: str,
        value: float,
        *,
        passed: bool | None,
        reason: str = "",
        judge: str = "",
        kinds: tuple[str, ...] = (),
    ) -> Score:
        """A score. What is no finite number becomes an error: nothing compares with it."""
        if not math.isfinite(value):
            return cls.failed(metric, f"{value} is no score", judge=judge)
        score = _Draft(
            metric=metric, status=Status.SCORED, value=value, passed=passed, reason=reason, judge=judge, kinds=kinds
        )
        score.__class__ = Score
        return score

    @classmethod
    def skipped(cls, metric: str, reason: str, *, judge: str = "") -> Score:
        """No score, for a reason that is nobody's fault."""
        return cls(metric=metric, status=Status.SKIPPED, reason=reason, judge=judge)

    @classmethod
    def failed(cls, metric: str, reason: str, *, judge: str = "") -> Score:
        """No score, because scoring went wrong."""
        return cls(metric=metric, status=Status.ERROR, reason=reason, judge=judge)


_Draft: Final = draft_of(Score)
"""Every case makes one, and a run of traces makes one for each of its evaluators."""


class Attempt(NamedTuple):
    """One trial of one version at one case: what a result belongs to, and what a cache or a resume asks for."""

    case: str
    version: Digest
    trial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an attempt."""

    attempt: Attempt
    scores: tuple[Score, ...] = ()
    error: str | None = None
    """Why there is no run to score (the endpoint was away, the code raised, the run left its tape). Never a pass."""

    output: str | None = None
    """The answer as text, cut to what a person would read."""

    latency_ms: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None
