"""What a unit's runs add up to: one amount per observation field of a scalar, quantile or score metric."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from .histogram import Scale, bucket_of
from .metrics import METRICS, MetricKind
from .observation import Observation

__all__ = ["AMOUNT_FIELDS", "NO_AMOUNTS", "Amounts", "amounts_of", "bucket_for", "joined", "scale_of"]

Amounts: TypeAlias = tuple[int | None, ...]
"""One entry for each of `AMOUNT_FIELDS`; None is not recorded."""

_SCALES: Final = MappingProxyType(
    {
        metric.field: Scale.EXACT if metric.integral else Scale.LOG
        for metric in METRICS.values()
        if metric.kind is not MetricKind.BINARY
    }
)

AMOUNT_FIELDS: Final = tuple(_SCALES)
"""Observation fields whose amounts are kept, in the order of `Amounts`."""

NO_AMOUNTS: Final[Amounts] = (None,) * len(AMOUNT_FIELDS)

_SCALE_OF: Final = tuple(_SCALES[field] for field in AMOUNT_FIELDS)
_read: Final[Callable[[Observation], tuple[float | None, ...]]] = operator.attrgetter(*AMOUNT_FIELDS)


def scale_of(field: str) -> Scale:
    """How the amounts of a field are bucketed. Raises KeyError for a field that has none."""
    return _SCALES[field]


def amounts_of(seen: Observation) -> Amounts:
    """The amounts an observation recorded: scores rounded to the nearest integer, half up; nonsense is not recorded."""
    values = _read(seen)
    for value in values:
        if value is not None and (type(value) is not int or value < 0):
            return tuple([None if value is None else _whole(value) for value in values])
    return cast("Amounts", values)


def joined(total: Amounts, amounts: Amounts) -> Amounts:
    """With one more run of a unit: costs, tokens, calls add up; of latencies and qualities the worse one stays."""
    if total is NO_AMOUNTS:
        return amounts
    # Field by field, in the order of AMOUNT_FIELDS: a loop takes three times as long, and that for each turn.
    latency, cost, tokens, calls, ttft, quality = total
    next_latency, next_cost, next_tokens, next_calls, next_ttft, next_quality = amounts
    return (
        _most(latency, next_latency),  # the longest a user waited
        _sum(cost, next_cost),
        _sum(tokens, next_tokens),
        _sum(calls, next_calls),
        _most(ttft, next_ttft),
        _least(quality, next_quality),  # the worst score anybody got
    )


@lru_cache(maxsize=8192)
def bucket_for(position: int, amount: int) -> int:
    """The histogram bucket of an amount of the field at that position of `AMOUNT_FIELDS`."""
    return bucket_of(amount, _SCALE_OF[position])


def _whole(value: float) -> int | None:
    # Negative or not finite: no such amount exists. The edges refuse it; whatever still gets here is not recorded.
    if isinstance(value, int):
        return value if value >= 0 else None
    return math.floor(value + 0.5) if 0 <= value < math.inf else None


def _sum(before: int | None, amount: int | None) -> int | None:
    return before if amount is None else amount if before is None else before + amount


def _most(before: int | None, amount: int | None) -> int | None:
    return before if amount is None else amount if before is None or amount > before else before


def _least(before: int | None, amount: int | None) -> int | None:
    return before if amount is None else amount if before is None or amount < before else before
