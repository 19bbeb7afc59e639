"""
Counts of a non-negative integer metric in buckets that add and subtract exactly, in any order, on any machine.

Log scale: bucket b holds the integers x with 1.04^(b-1) < x <= 1.04^b, and bucket -1 holds 0. The edges are compared as
exact rationals (26/25), so no machine rounds a value into its neighbour's bucket. Ratio 1.04 keeps a representative
within 2 % of its value, far below the tolerances decided on (10 %), at about 50 buckets for a typical day of latencies.
Exact scale: one bucket for each integer, for calls, turns and scores.

A value may be censored: a run that timed out after 30 s would have taken longer, nobody knows how long. Censored values
have log buckets of their own, above all others and by where they were cut off, so that whoever ranks values finds them
greater than any, and whoever adds them up finds what is known of them.

Masson, Rim and Lee (2019), DDSketch, VLDB 12(12), for mergeable buckets of bounded relative error.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MAX_VALUE",
    "ZERO_BUCKET",
    "Histogram",
    "Scale",
    "bucket_of",
    "censored",
    "is_censored",
    "representative",
    "upper_edge",
    "values_of",
]

MAX_VALUE: Final = 10**12
"""Larger values count as this one: a million dollars in micro-dollars, thirty years in milliseconds."""

ZERO_BUCKET: Final = -1
"""The log-scale bucket of the value 0."""

_CENSORED: Final = 1024
"""Added to the bucket in which a value was cut off; the greatest value has bucket 705. Stored, so it never changes."""


class Scale(StrEnum):
    """How values are grouped. Histograms of different scales cannot be combined."""

    LOG = "log"
    """Buckets growing by 4 %: latency, cost, tokens."""
    EXACT = "exact"
    """Every integer by itself: calls, turns, scores."""


def _integer_edges() -> tuple[int, ...]:
    # floor(1.04^b): for integers, x <= 1.04^b and x <= floor(1.04^b) are the same.
    edges: list[int] = []
    numerator, denominator = 1, 1
    while not edges or edges[-1] < MAX_VALUE:
        edges.append(numerator // denominator)
        numerator, denominator = numerator * 26, denominator * 25
    return tuple(edges)


_EDGES: Final = _integer_edges()


def bucket_of(value: int, scale: Scale = Scale.LOG) -> int:
    """
    The bucket a value belongs to; an edge belongs to the bucket below it. Raises ValueError if the value is negative.
    """
    if value < 0:
        raise ValueError(f"a histogram holds values of 0 and above, got {value}")
    value = min(value, MAX_VALUE)
    if scale is Scale.EXACT:
        return value
    return bisect_left(_EDGES, value) if value else ZERO_BUCKET


def censored(bucket: int) -> int:
    """The log-scale bucket of values that were cut off in this one: what they would have become is more than any."""
    return bucket + _CENSORED


def is_censored(bucket: int, scale: Scale = Scale.LOG) -> bool:
    """Whether it holds values that were cut off. On the exact scale none does."""
    return scale is Scale.LOG and bucket >= ZERO_BUCKET + _CENSORED


def upper_edge(bucket: int, scale: Scale = Scale.LOG) -> int:
    """
    The largest integer the bucket may hold.

    `bucket_of(upper_edge(b)) == b` for every bucket that holds an integer. The narrow log buckets between 1 and 26 that
    hold none (1..17, 19..27, ...) are never produced by `bucket_of`; their edge is that of the bucket below. Of a
    censored bucket: the largest integer at which its values may have been cut off.
    """
    if scale is Scale.EXACT:
        return bucket
    bucket = _cut_off_in(bucket)
    return _EDGES[bucket] if bucket >= 0 else 0


def representative(bucket: int, scale: Scale = Scale.LOG) -> float:
    """
    The value all members of a bucket are taken for: the geometric mean of its least and greatest integer, exact up to
    25. Of a censored bucket: where its values were cut off, the least they can have been.
    """
    if scale is Scale.EXACT:
        return float(bucket)
    bucket = _cut_off_in(bucket)
    if bucket <= 0:
        return float(bucket + 1)
    return math.sqrt((_EDGES[bucket - 1] + 1) * _EDGES[bucket])


def values_of(buckets: Mapping[int, int], scale: Scale = Scale.LOG) -> dict[float, int]:
    """Representative value to count, ascending: the input of the tests on means."""
    values: dict[float, int] = {}
    for bucket in sorted(buckets, key=_cut_off_in if scale is Scale.LOG else None):
        value = representative(bucket, scale)
        values[value] = values.get(value, 0) + buckets[bucket]
    return values


def _cut_off_in(bucket: int) -> int:
    return bucket - _CENSORED if bucket >= ZERO_BUCKET + _CENSORED else bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """
    How often each bucket was met, and the exact sums for display.

    `+` is associative and commutative, `-` is its inverse, both exact: a total minus a window's delta is the rest, to
    the last unit.
    """

    scale: Scale = Scale.LOG
    buckets: Mapping[int, int] = field(default_factory=dict[int, int])
    """Bucket to count; counts are positive, absent means 0."""
    total: int = 0
    """
    Sum of the values, exact (for display; decisions use representatives, which are the same however ticks were merged).
    """
    total_squares: int = 0
    """Sum of the squared values, exact; beyond 64 bits for large values."""

    @classmethod
    def of(cls, values: Iterable[int], scale: Scale = Scale.LOG) -> Histogram:
        """The histogram of some values; raises ValueError if one is negative."""
        buckets: dict[int, int] = {}
        total = squares = 0
        for value in values:
            bucket = bucket_of(value, scale)
            buckets[bucket] = buckets.get(bucket, 0) + 1
            capped = min(value, MAX_VALUE)
            total += capped
            squares += capped * capped
        return cls(scale=scale, buckets=buckets, total=total, total_squares=squares)

    @property
    def n(self) -> int:
        """How many values were counted."""
        return sum(self.buckets.values())

    def __add__(self, other: Histogram) -> Histogram:
        """Both together. Raises ValueError if the scales differ."""
        return self._combined(other, 1)

    def __sub__(self, other: Histogram) -> Histogram:
        """
        What is left without `other`. Raises ValueError if the scales differ or `other` is not contained in this one.
        """
        return self._combined(other, -1)

    def values(self) -> dict[float, int]:
        """Representative value to count, ascending: the input of the tests on means."""
        return values_of(self.buckets, self.scale)

    def mean(self) -> float | None:
        """The mean of the representatives, within 2 % of the true mean; None if there are no values."""
        n = self.n
        if not n:
            return None
        return math.fsum(value * count for value, count in self.values().items()) / n

    def quantile_bucket(self, quantile: float) -> int | None:
        """The bucket of the ceil(quantile * n)-th smallest value, None if there are none; quantile in (0, 1]."""
        if not 0.0 < quantile <= 1.0:
            raise ValueError(f"quantile must lie in (0, 1], got {quantile}")
        rank = math.ceil(quantile * self.n)
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return bucket
        return None

    def quantile(self, quantile: float) -> float | None:
        """The representative of the quantile's bucket, None if there are no values."""
        bucket = self.quantile_bucket(quantile)
        return None if bucket is None else representative(bucket, self.scale)

    def count_above(self, bucket: int) -> int:
        """How many values lie in buckets after this one."""
        return sum(count for other, count in self.buckets.items() if other > bucket)

    def _combined(self, other: Histogram, sign: int) -> Histogram:
        if self.scale is not other.scale:
            raise ValueError(f"cannot combine a {self.scale} histogram with a {other.scale} one")
        buckets = dict(self.buckets)
        for bucket, count in other.buckets.items():
            left = buckets.get(bucket, 0) + sign * count
            if left < 0:
                raise ValueError(f"cannot subtract {count} values from the {buckets.get(bucket, 0)} in bucket {bucket}")
            if left:
                buckets[bucket] = left
            else:
                buckets.pop(bucket, None)
        return Histogram(
            scale=self.scale,
            buckets=buckets,
            total=self.total + sign * other.total,
            total_squares=self.total_squares + sign * other.total_squares,
        )
