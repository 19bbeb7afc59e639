"""Values of metrics as people read them: with their unit, and money in dollars though it is counted in millionths."""

from __future__ import annotations

import math
from typing import Final

from ..evidence.metrics import MetricKind, metric_named

__all__ = ["dollars", "is_amount", "percent", "quantity", "unit_of"]

_UNITS: Final = {
    "latency_ms": "ms",
    "ttft_ms": "ms",
    "cost": "micro-dollars",
    "tokens": "tokens",
    "model_calls": "calls",
    "quality": "of 5",
}
_BEST: Final = 5
_MICRO: Final = 1_000_000
_ROUND: Final = 1_000


def is_amount(metric: str) -> bool:
    """Whether its units have amounts of which a mean is taken; the others are counted as good or bad."""
    return metric_named(metric).kind in (MetricKind.SCALAR, MetricKind.SCORE)


def unit_of(metric: str) -> str:
    """What one unit of the metric's amounts is, as they are stored; empty where runs are only good or bad."""
    known = metric_named(metric)
    return "" if known.kind is MetricKind.BINARY else _UNITS[known.field]


def quantity(metric: str, amount: float, *, is_distance: bool = False) -> str:
    """
    An amount of the metric, as stored, in words: "812 tokens", "US$0.0000277", "4.2 of 5".

    `is_distance`: of a score, how far it stays under the best one, as a fraction, which is what is weighed.
    """
    unit = unit_of(metric)
    if unit == "micro-dollars":
        return dollars(amount)
    if unit == "of 5" and is_distance:
        amount = _BEST - (_BEST - 1) * amount
    return f"{_number(amount)} {unit}"


def percent(share: float) -> str:
    """A share of one: "7.5%"."""
    return f"{100 * share:.4g}%"


def dollars(micro: float) -> str:
    """Micro-dollars as US dollars, to three digits where a run costs less than a cent."""
    amount = micro / _MICRO
    if amount >= 1 or amount <= 0:
        return f"US${amount:,.2f}"
    return f"US${amount:.{2 - math.floor(math.log10(amount))}f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _ROUND else f"{value:.4g}"
