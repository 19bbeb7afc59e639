"""A quantile as a yes-or-no metric: how often each arm exceeds what stable exceeds one time in twenty."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from .eprocess import Binary
from .histogram import bucket_of, upper_edge

if TYPE_CHECKING:
    from .histogram import Histogram, Scale

__all__ = ["LEAST_VALUES", "ExceedanceEdges", "freeze_edges"]

LEAST_VALUES: Final = 200
"""Stable values needed to place the edge: ten of them beyond p95."""


class ExceedanceEdges(NamedTuple):
    """
    The frozen thresholds: a value exceeds if its bucket lies after the edge's bucket.

    Feed the counts to `BinaryHarm` and `BinaryNonInferiority`. Their null, "the candidate exceeds its edge no more
    often than stable exceeds its own", needs no model of latency and holds for any edge fixed in advance, so a badly
    placed edge costs speed, not validity. A non-inferiority margin of 0.03 lets p95 grow by at most 1.10, 1.16 and 1.27
    for lognormal sigma 0.4, 0.6 and 1.0 (STATISTICS 3.6).
    """

    scale: Scale
    stable_bucket: int
    candidate_bucket: int
    """The stable edge raised by the tolerance and rounded up to a bucket's edge."""

    def tick(
        self, candidate: Histogram, stable: Histogram, *, candidate_timeouts: int = 0, stable_timeouts: int = 0
    ) -> Binary:
        """One tick's exceedances; a timeout has no value and always exceeds. Raises ValueError on another scale."""
        if candidate.scale is not self.scale or stable.scale is not self.scale:
            raise ValueError(f"the edges were frozen on the {self.scale} scale")
        return Binary(
            candidate.n + candidate_timeouts,
            candidate.count_above(self.candidate_bucket) + candidate_timeouts,
            stable.n + stable_timeouts,
            stable.count_above(self.stable_bucket) + stable_timeouts,
        )


def freeze_edges(
    stable: Histogram, *, quantile: float = 0.95, tolerance: float = 0.10, timeouts: int = 0
) -> ExceedanceEdges | None:
    """
    Place the edges at the stable arm's quantile; None if there are fewer than 200 values (timeouts count).

    The values used here must not be bet on as well: take history, or the first 200 stable units and start counting
    after them. Freeze once for the rollout; a new anchor is allowed only where an epoch begins. If the quantile falls
    among the timeouts, the edge is the largest value seen, so that only something slower or a timeout exceeds.
    """
    if not 0.0 < quantile < 1.0 or not 0.0 <= tolerance < math.inf or timeouts < 0:
        raise ValueError(
            f"need 0 < quantile < 1, tolerance >= 0, timeouts >= 0, got {quantile}, {tolerance}, {timeouts}"
        )
    n = stable.n
    if n + timeouts < LEAST_VALUES or not n:
        return None
    bucket = stable.quantile_bucket(min(1.0, quantile * (n + timeouts) / n))
    if bucket is None:
        return None
    raised = math.ceil(upper_edge(bucket, stable.scale) * (1.0 + tolerance))
    return ExceedanceEdges(stable.scale, bucket, bucket_of(raised, stable.scale))
