"""Additive integer counts: deltas that gateways ship, ticks that verdicts are made of (STATISTICS.md section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ..units import AgentName, Digest, RolloutId
from .observation import Arm

__all__ = [
    "CLOSED_AT_EARLIEST",
    "CLOSED_AT_LATEST",
    "CLOSED_FROM_UNITS",
    "PRESENCE",
    "ArmCounts",
    "ArmTick",
    "Buckets",
    "Count",
    "Delta",
    "DeltaKey",
    "History",
    "PairTotals",
    "Tick",
]

CLOSED_AT_EARLIEST: Final = timedelta(seconds=10)
"""How old a tick is before it closes (STATISTICS.md section 2): by age and exposure, never by outcomes."""

CLOSED_FROM_UNITS: Final = 50
"""How many units close a tick that is old enough; at least one of them is the candidate's."""

CLOSED_AT_LATEST: Final = timedelta(seconds=300)
"""A tick of this age closes with whatever it holds."""

PRESENCE: Final = "(presence)"
"""
Not a metric, though stored beside those of `exposed`, `failed` and `first`: how often units are assigned. Every process
names the units it assigned that belong to a fixed sample; the store keeps each name once, as it does with failures. So
in a tick's `Count`, `n` is how often units of the sample were assigned, and `k` is how many they were.
"""

Buckets = Mapping[int, int]
"""A sparse histogram: bucket index to how many (see `histogram`)."""


class Count(NamedTuple):
    """
    Of `n` units, `k` were bad. Within one tick or one delta there may be more of them than units: a failure that comes
    after its unit was counted adds no unit (`fold`).
    """

    n: int = 0
    k: int = 0


class DeltaKey(NamedTuple):
    """Where counts belong. Without a rollout they are the history of `version`."""

    agent: AgentName
    version: Digest
    rollout: RolloutId | None
    epoch: int
    arm: Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """What one source saw on one arm since its last delta."""

    requests: int = 0
    assigned: int = 0
    """Distinct units seen for the first time in this epoch by this source."""

    exposed: Mapping[str, int] = field(default_factory=dict[str, int])
    """Per binary metric: distinct units seen in this slot that had not failed before."""

    failed: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Per binary metric: hashes of units that failed for the first time here; the store keeps each once."""

    late: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """
    Per binary metric: hashes of units that failed for the first time here, after their outcome was final: they are
    missing in `resolved`. The store adds each to both streams, if nobody has reported a failure of that unit.
    """

    resolved: Mapping[str, Count] = field(default_factory=dict[str, Count])
    """Per binary metric: units whose outcome became final, and how many of them had any failure."""

    amounts: Mapping[str, Buckets] = field(default_factory=dict[str, Buckets])
    """Per observation field of a scalar, quantile or score metric: histogram over resolved units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One numbered shipment of one source. A store applies each (source, sequence) once, in order."""

    source: str
    sequence: int
    """1, 2, 3 ... without a gap."""

    at: datetime
    counts: Mapping[DeltaKey, ArmCounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTick:
    """One arm within one closed tick, merged over all sources."""

    requests: int = 0
    assigned: int = 0
    first: Mapping[str, Count] = field(default_factory=dict[str, Count])
    """Per binary metric: the first-failure stream (harm)."""

    resolved: Mapping[str, Count] = field(default_factory=dict[str, Count])
    """Per binary metric: the resolved stream (non-inferiority)."""

    amounts: Mapping[str, Buckets] = field(default_factory=dict[str, Buckets])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What arrived between two looks, in one epoch. Closed ticks never change: they are the audit trail."""

    rollout: RolloutId
    sequence: int
    """1, 2, 3 ... in the order of closing, over all epochs of the rollout: the order in which ticks are judged."""

    epoch: int
    opened_at: datetime
    closed_at: datetime
    stable: ArmTick
    candidate: ArmTick


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTotals:
    """Sums over all shadow pairs of a rollout, one pair a unit: the same request, answered by both versions."""

    pairs: int = 0
    only_candidate_bad: Mapping[str, int] = field(default_factory=dict[str, int])
    only_stable_bad: Mapping[str, int] = field(default_factory=dict[str, int])
    compared: Mapping[str, int] = field(default_factory=dict[str, int])
    """Pairs in which the metric was recorded on both sides."""

    diverged: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a version showed before the rollout: it seeds the tests' baselines, which makes them faster, never wrong."""

    counts: Mapping[str, Count] = field(default_factory=dict[str, Count])
    amounts: Mapping[str, Buckets] = field(default_factory=dict[str, Buckets])
