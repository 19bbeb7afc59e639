"""Counts added up: what an open tick, a version's history and a rollout's shadow totals become when more arrives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from ..core.evidence.observation import Arm
from ..core.evidence.tally import PRESENCE, ArmCounts, ArmTick, Buckets, Count, DeltaKey, History, PairTotals, Tick
from ..core.units import RolloutId
from ..ports.store import OpenTick, ShadowPair

__all__ = [
    "NOTHING",
    "NO_PAIRS",
    "Gathering",
    "NewFailures",
    "closed",
    "gathered",
    "looked_at",
    "remembered",
    "with_pairs",
]

NOTHING: Final = ArmTick()
NO_PAIRS: Final = PairTotals()
_NO_COUNT: Final = Count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """A tick that is still open: what has arrived in one epoch since the last close."""

    opened_at: datetime
    """The earliest time any source gave, so that a source with a fast clock cannot keep the tick open."""

    stable: ArmTick = NOTHING
    candidate: ArmTick = NOTHING


class NewFailures(NamedTuple):
    """Per metric, of how many failed units of a delta nobody had reported a failure before."""

    failed: dict[str, int]
    late: dict[str, int]
    """Of those in `ArmCounts.late`, which are looked at last."""


def gathered(so_far: Gathering | None, key: DeltaKey, counts: ArmCounts, new: NewFailures, at: datetime) -> Gathering:
    """The open tick with one more arm's counts."""
    before = so_far or Gathering(opened_at=at)
    stable, candidate = before.stable, before.candidate
    if key.arm is Arm.STABLE:
        stable = _plus(stable, counts, new)
    else:
        candidate = _plus(candidate, counts, new)
    return Gathering(opened_at=min(before.opened_at, at), stable=stable, candidate=candidate)


def looked_at(epoch: int, tick: Gathering) -> OpenTick:
    """What closing may depend on, and what count limits are held against."""
    return OpenTick(
        epoch=epoch,
        opened_at=tick.opened_at,
        n_stable=_exposed(tick.stable),
        n_candidate=_exposed(tick.candidate),
        bad_candidate={
            metric: count.k for metric, count in tick.candidate.first.items() if count.k and metric != PRESENCE
        },
        assigned_stable=tick.stable.assigned,
        assigned_candidate=tick.candidate.assigned,
    )


def closed(rollout: RolloutId, epoch: int, tick: Gathering, *, sequence: int, at: datetime) -> Tick:
    """The tick as it is frozen. A clock that jumped back closes it at that time; it never opened later than that."""
    return Tick(
        rollout=rollout,
        sequence=sequence,
        epoch=epoch,
        opened_at=min(tick.opened_at, at),
        closed_at=at,
        stable=tick.stable,
        candidate=tick.candidate,
    )


def remembered(history: History, counts: ArmCounts) -> History:
    """
    A version's history with what one more delta recorded outside any rollout.

    No names of units are kept there, so a failure that two processes report counts twice: on the bad side.
    """
    late = {metric: Count(0, len(set(units))) for metric, units in counts.late.items()}
    return History(
        counts=_counts(_counts(history.counts, counts.resolved), late),
        amounts=_amounts(history.amounts, counts.amounts),
    )


def with_pairs(totals: PairTotals, pairs: Iterable[ShadowPair], dropped: int) -> PairTotals:
    """The totals with pairs of units that had none before. Only what both sides recorded is compared."""
    only_candidate, only_stable, compared = (
        Counter(of) for of in (totals.only_candidate_bad, totals.only_stable_bad, totals.compared)
    )
    count, diverged = totals.pairs, totals.diverged
    for pair in pairs:
        count += 1
        diverged += bool(pair.divergences)
        for metric in pair.stable_bad.keys() & pair.candidate_bad.keys():
            stable, candidate = pair.stable_bad[metric], pair.candidate_bad[metric]
            compared[metric] += 1
            if candidate and not stable:
                only_candidate[metric] += 1
            elif stable and not candidate:
                only_stable[metric] += 1
    return PairTotals(
        pairs=count,
        only_candidate_bad=dict(only_candidate),
        only_stable_bad=dict(only_stable),
        compared=dict(compared),
        diverged=diverged,
        dropped=totals.dropped + dropped,
    )


def _plus(arm: ArmTick, counts: ArmCounts, new: NewFailures) -> ArmTick:
    first = {
        metric: Count(counts.exposed.get(metric, 0), new.failed.get(metric, 0))
        for metric in {**counts.exposed, **new.failed}
    }
    late = {metric: Count(0, units) for metric, units in new.late.items() if units}
    return ArmTick(
        requests=arm.requests + counts.requests,
        assigned=arm.assigned + counts.assigned,
        first=_counts(_counts(arm.first, first), late),
        resolved=_counts(_counts(arm.resolved, counts.resolved), late),
        amounts=_amounts(arm.amounts, counts.amounts),
    )


def _counts(left: Mapping[str, Count], right: Mapping[str, Count]) -> dict[str, Count]:
    total = dict(left)
    for name, more in right.items():
        had = total.get(name, _NO_COUNT)
        total[name] = Count(had.n + more.n, had.k + more.k)
    return total


def _amounts(left: Mapping[str, Buckets], right: Mapping[str, Buckets]) -> dict[str, Buckets]:
    total = dict(left)
    for name, buckets in right.items():
        merged = dict(total.get(name, {}))
        for bucket, count in buckets.items():
            merged[bucket] = merged.get(bucket, 0) + count
        total[name] = merged
    return total


def _exposed(arm: ArmTick) -> int:
    """The largest of the metrics' exposures: one whose units failed counts fewer, which must not hold a tick open."""
    return max((count.n for metric, count in arm.first.items() if metric != PRESENCE), default=arm.requests)
