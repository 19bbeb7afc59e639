"""What a unit's runs add up to: one amount per observation field of a scalar, quantile or score metric."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

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

_JOIN: Final[MappingProxyType[str, Callable[[int, int], int]]] = MappingProxyType(
    {
        "cost": operator.add,
        "tokens": operator.add,
        "model_calls": operator.add,
        "latency_ms": max,  # the longest a user waited
        "ttft_ms": max,
        "quality": min,  # the worst score anybody got
    }
)
_SCALE_OF: Final = tuple(_SCALES[field] for field in AMOUNT_FIELDS)
_JOIN_OF: Final = tuple(_JOIN[field] for field in AMOUNT_FIELDS)
_read: Final[Callable[[Observation], tuple[float | None, ...]]] = operator.attrgetter(*AMOUNT_FIELDS)


def scale_of(field: str) -> Scale:
    """How the amounts of a field are bucketed. Raises KeyError for a field that has none."""
    return _SCALES[field]


def amounts_of(seen: Observation) -> Amounts:
    """The amounts an observation recorded: scores rounded to the nearest integer, half up; nonsense is not recorded."""
    return tuple(
        [value if value is None or (type(value) is int and value >= 0) else _whole(value) for value in _read(seen)]
    )


def joined(total: Amounts, amounts: Amounts) -> Amounts:
    """With one more run of a unit: costs, tokens, calls add up; of latencies and qualities the worse one stays."""
    if total is NO_AMOUNTS:
        return amounts
    return tuple(
        [
            before if amount is None else amount if before is None else join(before, amount)
            for before, amount, join in zip(total, amounts, _JOIN_OF, strict=True)
        ]
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
