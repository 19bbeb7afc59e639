"""What a unit's runs add up to: one amount per observation field of a scalar, quantile or score metric."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from .histogram import MAX_VALUE, Scale, bucket_of, censored
from .metrics import METRICS, MetricKind
from .observation import Observation

__all__ = ["AMOUNT_FIELDS", "NO_AMOUNTS", "Amounts", "amounts_of", "bucket_for", "joined", "scale_of"]

Amounts: TypeAlias = tuple[int | None, ...]
"""
One entry for each of `AMOUNT_FIELDS`; None is not recorded. A wait that timed out is what it took until then, and
`_TIMED_OUT` more: longer than any that ended.
"""

_TIMED_OUT: Final = 10 * MAX_VALUE
"""Fields' own amounts are at most MAX_VALUE. Written into spools, so it never changes."""

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
_WAITS: Final = tuple(AMOUNT_FIELDS.index(field) for field in ("latency_ms", "ttft_ms"))
_read: Final[Callable[[Observation], tuple[float | None, ...]]] = operator.attrgetter(*AMOUNT_FIELDS)


def scale_of(field: str) -> Scale:
    """How the amounts of a field are bucketed. Raises KeyError for a field that has none."""
    return _SCALES[field]


def amounts_of(seen: Observation) -> Amounts:
    """
    The amounts an observation recorded: scores rounded to the nearest integer, half up; nonsense is not recorded.

    A run that timed out waited for longer than any that did not; so did whoever had not even seen its first token.
    """
    values = _read(seen)
    for value in values:
        if value is not None and (type(value) is not int or not 0 <= value <= MAX_VALUE):
            values = tuple([None if value is None else _whole(value) for value in values])
            break
    return _cut_off(cast("Amounts", values)) if seen.timed_out else cast("Amounts", values)


def joined(total: Amounts, amounts: Amounts) -> Amounts:
    """With one more run of a unit: costs, tokens, calls add up; of latencies and qualities the worse one stays."""
    if total is NO_AMOUNTS:
        return amounts
    # Field by field, in the order of AMOUNT_FIELDS: a loop takes three times as long, and that for each turn.
    latency, cost, tokens, calls, ttft, quality = total
    next_latency, next_cost, next_tokens, next_calls, next_ttft, next_quality = amounts
    return (
        _longest(latency, next_latency),  # that a user waited
        _sum(cost, next_cost),
        _sum(tokens, next_tokens),
        _sum(calls, next_calls),
        _longest(ttft, next_ttft),
        _least(quality, next_quality),  # the worst score anybody got
    )


@lru_cache(maxsize=8192)
def bucket_for(position: int, amount: int) -> int:
    """The histogram bucket of an amount of the field at that position of `AMOUNT_FIELDS`."""
    if amount >= _TIMED_OUT and position in _WAITS:
        return censored(bucket_of(amount - _TIMED_OUT))
    return bucket_of(amount, _SCALE_OF[position])


def _whole(value: float) -> int | None:
    # Negative or not finite: no such amount exists. The edges refuse it; whatever still gets here is not recorded.
    if not 0 <= value < math.inf:
        return None
    return min(value if isinstance(value, int) else math.floor(value + 0.5), MAX_VALUE)


def _cut_off(amounts: Amounts) -> Amounts:
    latency, cost, tokens, calls, ttft, quality = amounts
    if latency is None:  # nobody knows after how long: not recorded, as without the timeout
        return amounts
    waited = _TIMED_OUT + latency
    return (waited, cost, tokens, calls, waited if ttft is None else ttft, quality)


def _sum(before: int | None, amount: int | None) -> int | None:
    return before if amount is None else amount if before is None else before + amount


def _longest(before: int | None, amount: int | None) -> int | None:
    if amount is None:
        return before
    if before is None:
        return amount
    if amount <= before < _TIMED_OUT:
        return before
    if before < amount < _TIMED_OUT:
        return amount
    # One of them timed out, so the unit did; and the longest that it is known to have waited is not forgotten.
    return _TIMED_OUT + max(amount % _TIMED_OUT, before % _TIMED_OUT)


def _least(before: int | None, amount: int | None) -> int | None:
    return before if amount is None else amount if before is None or amount < before else before
