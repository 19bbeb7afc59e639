"""
What is watched: each metric's kind, the observation field it reads, and its defaults (STATISTICS.md section 4).

A binary metric counts what is bad. A scalar metric weighs amounts. A quantile metric counts exceedances of the stable
arm's frozen quantile. A score metric weighs how far a score stays under the best one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ...errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["METRICS", "Metric", "MetricKind", "metric_named"]


class MetricKind(StrEnum):
    """How a metric is tested."""

    BINARY = "binary"
    SCALAR = "scalar"
    QUANTILE = "quantile"
    SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing a rollout can be judged on."""

    name: str
    kind: MetricKind
    field: str
    """The field of `Observation` it reads."""

    bad: str
    """What an increase means, for people: "runs that failed"."""

    margin: float
    """Default non-inferiority margin: points for rates, a fraction of stable's mean for amounts and scores."""

    tolerance: float = 0.0
    """How much worse may be without being harm, in the margin's unit."""

    weight: float = 1.0
    """Share in the weighted average of e-values that decides a rollback."""

    rare: bool = False
    """Tested with the grid for events so rare that one of them matters."""

    integral: bool = False
    """Small whole numbers, kept exactly instead of in logarithmic buckets."""

    quantile: float = 0.0
    """For quantile metrics: which one, as a fraction."""


def _binary(name: str, field: str, bad: str, margin: float, *, weight: float = 1.0, rare: bool = False) -> Metric:
    return Metric(name=name, kind=MetricKind.BINARY, field=field, bad=bad, margin=margin, weight=weight, rare=rare)


def _scalar(name: str, field: str, bad: str, *, integral: bool = False) -> Metric:
    return Metric(
        name=name, kind=MetricKind.SCALAR, field=field, bad=bad, margin=0.20, tolerance=0.10, integral=integral
    )


def _p95(name: str, field: str, bad: str) -> Metric:
    return Metric(name=name, kind=MetricKind.QUANTILE, field=field, bad=bad, margin=0.03, tolerance=0.10, quantile=0.95)


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _binary("success", "success", "runs that failed their task", 0.02, weight=2.0),
            _binary("policy", "policy_violation", "runs that broke a policy", 0.005, weight=2.0, rare=True),
            _binary("safety", "safety_violation", "runs that did something unsafe", 0.002, weight=2.0, rare=True),
            _binary("quality", "quality", "runs with a quality score of 2 or less out of 5", 0.03),
            _binary("checkpoint", "checkpoint", "runs that had to ask a human", 0.03),
            _binary("tool_rollback", "tool_rollback", "runs that had to undo a tool's effect", 0.02),
            _binary("feedback", "feedback", "runs with a user score under one half", 0.03),
            _binary("complaint", "complaint", "runs that a user complained about", 0.01, rare=True),
            _binary("unresolved", "unresolved", "runs whose outcome never came", 0.02),
            _scalar("latency", "latency_ms", "milliseconds a user waits"),
            _scalar("cost", "cost", "micro-dollars spent"),
            _scalar("tokens", "tokens", "tokens used"),
            _scalar("model_calls", "model_calls", "calls to a model", integral=True),
            _p95("latency_p95", "latency_ms", "runs that timed out or were slower than stable's 95th percentile"),
            _p95("ttft_p95", "ttft_ms", "runs whose first token came later than stable's 95th percentile, or never"),
            Metric(
                name="quality_score",
                kind=MetricKind.SCORE,
                field="quality",
                bad="distance of the quality score from 5, as a fraction",
                margin=0.20,
                integral=True,
            ),
        )
    }
)


def metric_named(name: str) -> Metric:
    """The metric of that name. Raises UnknownName, listing the known ones: an unknown metric can never pass."""
    try:
        return METRICS[name]
    except KeyError:
        raise UnknownName("metric", name, tuple(METRICS)) from None
