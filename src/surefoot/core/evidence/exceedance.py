"""A quantile as a yes-or-no metric: how often each arm exceeds what stable exceeds one time in twenty."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from .eprocess import Binary
from .histogram import bucket_of, is_censored, upper_edge

if TYPE_CHECKING:
    from .histogram import Histogram, Scale

__all__ = ["LEAST_VALUES", "ExceedanceEdges", "freeze_edges"]

LEAST_VALUES: Final = 200
"""Stable values needed to place the edge: ten of them beyond p95."""


class ExceedanceEdges(NamedTuple):
    """
    The frozen thresholds: a value exceeds if its bucket lies after the edge's bucket, as every censored one does.

    Feed the counts to `BinaryHarm` and `BinaryNonInferiority`. Their null, "the candidate exceeds its edge no more
    often than stable exceeds its own", needs no model of latency and holds for any edge fixed in advance, so a badly
    placed edge costs speed, not validity. A non-inferiority margin of 0.03 lets p95 grow by at most 1.10, 1.16 and 1.27
    for lognormal sigma 0.4, 0.6 and 1.0 (STATISTICS 3.6).
    """

    scale: Scale
    stable_bucket: int
    candidate_bucket: int
    """The stable edge raised by the tolerance and rounded up to a bucket's edge."""

    def tick(self, candidate: Histogram, stable: Histogram) -> Binary:
        """One tick's exceedances; what timed out is censored and always exceeds. Raises ValueError on another scale."""
        if candidate.scale is not self.scale or stable.scale is not self.scale:
            raise ValueError(f"the edges were frozen on the {self.scale} scale")
        return Binary(
            candidate.n,
            candidate.count_above(self.candidate_bucket),
            stable.n,
            stable.count_above(self.stable_bucket),
        )


def freeze_edges(stable: Histogram, *, quantile: float = 0.95, tolerance: float = 0.10) -> ExceedanceEdges | None:
    """
    Place the edges at the stable arm's quantile; None if there are fewer than 200 values (censored ones count).

    The values used here must not be bet on as well: take history, or the first 200 stable units and start counting
    after them. Freeze once for the rollout; a new anchor is allowed only where an epoch begins. If the quantile falls
    among the censored, the edge is the largest value seen, so that only something greater or a censored one exceeds.
    """
    if not 0.0 < quantile < 1.0 or not 0.0 <= tolerance < math.inf:
        raise ValueError(f"need 0 < quantile < 1 and tolerance >= 0, got {quantile}, {tolerance}")
    largest = max((bucket for bucket in stable.buckets if not is_censored(bucket, stable.scale)), default=None)
    found = stable.quantile_bucket(quantile)
    if stable.n < LEAST_VALUES or largest is None or found is None:
        return None
    bucket = min(found, largest)
    raised = math.ceil(upper_edge(bucket, stable.scale) * (1.0 + tolerance))
    return ExceedanceEdges(stable.scale, bucket, bucket_of(raised, stable.scale))
