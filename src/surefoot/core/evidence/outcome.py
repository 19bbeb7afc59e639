"""What an observation says about each binary metric: good, bad, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from .metrics import METRICS, MetricKind
from .observation import BAD_QUALITY, Observation

__all__ = ["BINARY_METRICS", "SUCCESS", "Outcomes", "bad_outcomes", "outcomes", "positions"]

_Value: TypeAlias = float | bool

BINARY_METRICS: Final = tuple(metric.name for metric in METRICS.values() if metric.kind is MetricKind.BINARY)
"""Names of the binary metrics. A metric's position here is its bit in `Outcomes`."""

SUCCESS: Final = 1 << BINARY_METRICS.index("success")
"""The bit of the one metric that may be assumed."""

_IS_BAD: Final[MappingProxyType[str, Callable[[_Value], bool]]] = MappingProxyType(
    {
        "success": lambda value: not value,
        "policy": bool,
        "safety": bool,
        "quality": lambda value: value <= BAD_QUALITY,
        "checkpoint": bool,
        "tool_rollback": bool,
        "feedback": lambda value: value < 0.5,
        "complaint": bool,
        "unresolved": bool,
    }
)
_TESTS: Final = tuple((1 << bit, _IS_BAD[name]) for bit, name in enumerate(BINARY_METRICS))
_read: Final[Callable[[Observation], tuple[_Value | None, ...]]] = attrgetter(
    *(METRICS[name].field for name in BINARY_METRICS)
)
_POSITIONS: Final = tuple(
    tuple(bit for bit in range(len(BINARY_METRICS)) if mask >> bit & 1) for mask in range(1 << len(BINARY_METRICS))
)


class Outcomes(NamedTuple):
    """Two sets of binary metrics as bit masks over `BINARY_METRICS`; `bad` is a subset of `recorded`."""

    recorded: int
    bad: int


def outcomes(seen: Observation) -> Outcomes:
    """Which binary metrics an observation recorded, and which of them are bad. NaN and infinity are not recorded."""
    return _judged(_read(seen))


def bad_outcomes(seen: Observation) -> dict[str, bool]:
    """The same by name, recorded metrics only: True where the outcome is bad."""
    found = outcomes(seen)
    return {BINARY_METRICS[bit]: bool(found.bad >> bit & 1) for bit in positions(found.recorded)}


def positions(mask: int) -> tuple[int, ...]:
    """The bits that are set, ascending."""
    return _POSITIONS[mask]


# Most runs of an agent record the same few flags, so the answer is mostly known already (0.1 us instead of 0.6).
@lru_cache(maxsize=4096)
def _judged(values: tuple[_Value | None, ...]) -> Outcomes:
    recorded = bad = 0
    for (bit, is_bad), value in zip(_TESTS, values, strict=True):
        if value is None or not math.isfinite(value):
            continue
        recorded |= bit
        if is_bad(value):
            bad |= bit
    return Outcomes(recorded, bad)
