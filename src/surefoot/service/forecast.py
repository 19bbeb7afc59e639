"""What a plan will do, told before it starts: how often it errs, how soon it notices, how many users that costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

from ..core.evidence.metrics import MetricKind, metric_named
from ..core.evidence.observation import Observation
from ..core.proof.rates import wilson
from ..core.traffic.plan import Plan
from ..core.units import MicroUsd, Millis
from ..errors import UsageError
from .simulate import Behaviour, End, Ended, Traffic, behaviour, refuse_undecidable, simulate, with_drop

__all__ = [
    "Batch",
    "Case",
    "Course",
    "Forecast",
    "Recorded",
    "Spread",
    "cases",
    "forecast",
    "run_batch",
    "synthetic",
]

_RUNS = 2000


class Recorded(NamedTuple):
    """A version's recorded runs, and the task of each where known."""

    seen: Sequence[Observation]
    tasks: Sequence[str] = ()


class Case(NamedTuple):
    """One question to the plan: what if the candidate were like this?"""

    name: str
    stable: Behaviour
    candidate: Behaviour


class Batch(NamedTuple):
    """Some rollouts of one case, as one job for a worker."""

    plan: Plan
    case: Case
    traffic: Traffic
    seeds: range


class Spread(NamedTuple):
    """A middle and a tail."""

    median: float
    p90: float


class Course(NamedTuple):
    """How long rollouts took from their start to their end, and whom that cost."""

    requests: Spread
    """All requests, stable's too."""

    hours: Spread
    exposed: Spread
    """Users (requests) that the candidate answered."""

    failures: Spread
    """Of those, how many failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What became of all rollouts of one case."""

    case: str
    rollouts: int
    promoted: int
    rolled_back: int
    undecided: int
    rollback_low: float
    rollback_high: float
    """A 95 % interval of the chance of a rollback (Wilson)."""

    detection: Course | None
    """Of those rolled back alone, until the rollback. None where none was: a rollback that never came took no time."""

    promotion: Course | None
    """Of those promoted alone, until the promotion. None where none was."""

    requests: Spread
    """Of all, however they ended; so are the three below. What is undecided ends with the traffic."""

    exposed: Spread
    failures: Spread
    hours: Spread
    culprits: tuple[str, ...]
    """Metrics that were named in rollbacks, most often first."""


def cases(
    plan: Plan, stable: Recorded, candidate: Recorded | None, *, metric: str, sizes: Sequence[float], seed: int
) -> list[Case]:
    """
    No change, a regression of the metric for each size, and the candidate's own recorded runs if there are any.

    Sizes are percentage points for rates and per cent for amounts. Raises UsageError for a plan of which no evidence
    decides, for a metric that was not recorded or cannot get that much worse, and UnknownName for an unknown one.
    """
    refuse_undecidable(plan)
    chance = Random(seed)  # noqa: S311  # a simulation is drawn again from its seed
    before = behaviour(stable.seen, stable.tasks, plan=plan)
    asked = [Case("no change", before, before)]
    for size in sizes:
        if metric_named(metric).kind is MetricKind.BINARY:
            worse, unit = with_drop(before, metric, size, chance=chance), "points worse"
        else:
            worse, unit = behaviour(_grown(stable.seen, metric, size), stable.tasks, plan=plan), "% more"
        asked.append(Case(f"{metric} {size:g} {unit}", before, worse))
    if candidate is not None:
        asked.append(Case("the recorded candidate", before, behaviour(candidate.seen, candidate.tasks, plan=plan)))
    return asked


def _grown(seen: Sequence[Observation], metric: str, percent: float) -> list[Observation]:
    field = metric_named(metric).field
    grown: list[Observation] = []
    for one in seen:
        value: float | None = getattr(one, field)
        more: dict[str, Any] = {} if value is None else {field: round(value * (1 + percent / 100))}
        grown.append(replace(one, **more))
    if grown == list(seen):
        raise UsageError(f"{metric} was never recorded", hint="simulate a metric that the traces record")
    return grown


def run_batch(batch: Batch) -> tuple[str, list[End]]:
    """All rollouts of a batch, with the name of their case."""
    case = batch.case
    return case.name, [
        simulate(batch.plan, case.stable, case.candidate, batch.traffic, seed=seed) for seed in batch.seeds
    ]


def forecast(case: str, ends: Iterable[End]) -> Forecast:
    """Sum up. Raises ValueError without a single rollout."""
    seen = list(ends)
    how = Counter(end.how for end in seen)
    if not seen:
        raise ValueError("a forecast needs at least one rollout")
    low, high = wilson(how[Ended.ROLLED_BACK], len(seen))
    culprits = Counter(culprit for end in seen if end.how is Ended.ROLLED_BACK for culprit in end.culprits)
    requests, hours, exposed, failures = _course(seen)
    return Forecast(
        case=case,
        rollouts=len(seen),
        promoted=how[Ended.PROMOTED],
        rolled_back=how[Ended.ROLLED_BACK],
        undecided=how[Ended.UNDECIDED],
        rollback_low=low,
        rollback_high=high,
        detection=_course_of(Ended.ROLLED_BACK, seen),
        promotion=_course_of(Ended.PROMOTED, seen),
        requests=requests,
        exposed=exposed,
        failures=failures,
        hours=hours,
        culprits=tuple(name for name, _ in culprits.most_common()),
    )


def synthetic(seed: int) -> Recorded:
    """
    A made-up agent for whoever has no traces yet: 5 % failures, 0.2 % unsafe, 0.2 % against policy, quality mostly 4
    and 5, log-normal latency (median 2 s) and tokens (median 800), one cent per 2,000 tokens.
    """
    chance = Random(seed)  # noqa: S311  # a simulation is drawn again from its seed
    order = list(range(_RUNS))
    chance.shuffle(order)
    return Recorded([_made_up(place, chance) for place in order])


def _made_up(place: int, chance: Random) -> Observation:
    tokens = round(800 * math.exp(chance.gauss(0, 0.5)))
    latency = round(2000 * math.exp(chance.gauss(0, 0.6)))
    return Observation(
        success=place % 20 != 0,
        safety_violation=place % 500 == 1,
        policy_violation=place % 500 == 2,
        quality=chance.choices((1, 2, 3, 4, 5), (2, 5, 13, 40, 40))[0],
        tokens=tokens,
        cost=MicroUsd(tokens * 5),
        model_calls=1 + min(9, int(chance.expovariate(0.7))),
        latency_ms=Millis(latency),
        ttft_ms=Millis(latency // 5),
        complaint=place % 200 == 3,
        checkpoint=place % 50 == 4,
        tool_rollback=place % 100 == 5,
        feedback=float(place % 12 != 6),
        unresolved=place % 100 == 7,
    )


def _course_of(how: Ended, ends: Sequence[End]) -> Course | None:
    """A median over several kinds of end says nothing about any of them."""
    those = [end for end in ends if end.how is how]
    return _course(those) if those else None


def _course(ends: Sequence[End]) -> Course:
    return Course(
        requests=_spread(end.requests for end in ends),
        hours=_spread(end.seconds / 3600 for end in ends),
        exposed=_spread(end.exposed for end in ends),
        failures=_spread(end.failures for end in ends),
    )


def _spread(values: Iterable[float]) -> Spread:
    ordered = sorted(values)
    return Spread(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))])
