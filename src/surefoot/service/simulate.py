"""
A plan tried out before the first real user: thousands of rollouts over recorded behaviour, in virtual time.

Traffic is drawn with replacement from recorded runs; ticks, verdicts and steps are made by the very code that decides
live (`Case`, `transition`). What differs from live traffic is said in docs/simulate.md: units are independent requests,
arrivals are even, approvals come at once.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from ..core.evidence.amount import AMOUNT_FIELDS, amounts_of, bucket_for
from ..core.evidence.metrics import MetricKind, metric_named
from ..core.evidence.observation import Observation
from ..core.evidence.outcome import bad_outcomes
from ..core.evidence.tally import (
    CLOSED_AT_EARLIEST,
    CLOSED_AT_LATEST,
    CLOSED_FROM_UNITS,
    ArmTick,
    Count,
    PairTotals,
    Tick,
)
from ..core.evidence.verdict import Judgement, Look
from ..core.lifecycle.judge import Case, EpochInfo
from ..core.lifecycle.machine import transition
from ..core.lifecycle.rollout import Approve, Judged, Phase, Rollout, Start
from ..core.traffic.plan import Control, Plan, Strategy
from ..core.units import ALL_TRAFFIC, AgentName, Digest, RolloutId
from ..errors import UsageError

__all__ = [
    "Behaviour",
    "End",
    "Ended",
    "Run",
    "Traffic",
    "behaviour",
    "refuse_undecidable",
    "simulate",
    "with_drop",
]

_START: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday at midnight, so that freeze windows mean the same in every simulation."""

_LEAST_AGE: Final = CLOSED_AT_EARLIEST.total_seconds()
_MOST_AGE: Final = CLOSED_AT_LATEST.total_seconds()
_LEAST_POPULATION: Final = 2000
"""Runs in a population after a drop was added: a hundredth of a point is then a fifth of a run off at most."""


class Run(NamedTuple):
    """What one recorded run adds to a tick. Runs that add the same are equal."""

    bad: tuple[tuple[str, bool], ...]
    """Binary metrics that were recorded, and whether the outcome is bad."""

    amounts: tuple[tuple[str, int], ...]
    """Observation fields that were recorded, and the histogram bucket."""


class Behaviour(NamedTuple):
    """A version as its recorded runs, each as likely as the others; runs of one task stand at the same task index."""

    runs: tuple[Run, ...]
    tasks: tuple[str, ...] = ()
    """The task of each run, where recorded: shadow pairs are then drawn within a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How much comes, and how fast."""

    requests: int = 20_000
    """When a simulated rollout stops undecided."""

    per_second: float = 1.0


class Ended(StrEnum):
    """How a simulated rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    UNDECIDED = "undecided"


class End(NamedTuple):
    """One simulated rollout."""

    how: Ended
    requests: int
    exposed: int
    """Requests that the candidate answered."""

    failures: int
    """Of those, how many failed their task."""

    seconds: float
    culprits: tuple[str, ...] = ()


def behaviour(seen: Iterable[Observation], tasks: Sequence[str] = (), *, plan: Plan) -> Behaviour:
    """
    A version's recorded runs, reduced to what the plan looks at. Raises UsageError if there are none.

    Success is kept even if no check asks for it: the report counts failures.
    """
    metrics = [metric_named(name) for name in {check.metric for stage in plan.stages for check in stage.checks}]
    rates = {metric.name for metric in metrics if metric.kind is MetricKind.BINARY} | {"success"}
    fields = {metric.field for metric in metrics if metric.kind is not MetricKind.BINARY}
    runs = tuple(
        Run(
            tuple((name, bad) for name, bad in bad_outcomes(one).items() if name in rates),
            tuple(
                (name, bucket_for(position, amount))
                for position, (name, amount) in enumerate(zip(AMOUNT_FIELDS, amounts_of(one), strict=True))
                if name in fields and amount is not None
            ),
        )
        for one in seen
    )
    if not runs:
        raise UsageError("there is no recorded run to draw from", hint="give a trace file with at least one run")
    return Behaviour(runs, tuple(tasks))


def with_drop(of: Behaviour, metric: str, points: float, *, chance: Random) -> Behaviour:
    """
    The same behaviour, failing `points` percentage points more often on a binary metric, whichever run it is.

    Raises UsageError where the metric was never recorded, or cannot get that much worse.
    """
    copies = -(-_LEAST_POPULATION // len(of.runs))
    runs = list(of.runs * copies)
    recorded = [i for i, run in enumerate(runs) if metric in dict(run.bad)]
    good = [i for i in recorded if not dict(runs[i].bad)[metric]]
    more = round(points / 100 * len(recorded))
    if not recorded or more > len(good):
        raise UsageError(
            f"{metric} cannot drop by {points:g} points: "
            f"{len(good) // copies} of {len(recorded) // copies} recorded runs are good",
            hint="simulate a metric that the traces record, or a smaller drop",
        )
    for i in chance.sample(good, more):
        runs[i] = Run(tuple((name, bad or name == metric) for name, bad in runs[i].bad), runs[i].amounts)
    return Behaviour(tuple(runs), of.tasks * copies)


def refuse_undecidable(plan: Plan) -> None:
    """Raise UsageError for a plan that gives the candidate all traffic before any evidence is looked at."""
    if len(plan.stages) == 1 and plan.strategy is not Strategy.EXPERIMENT:
        raise UsageError(
            "nothing to simulate: this plan gives the candidate all traffic at once, so no evidence decides its start",
            hint="give it steps, such as `shares: [10%, 100%]`, and what leads from one to the next is simulated",
        )


def simulate(plan: Plan, stable: Behaviour, candidate: Behaviour, traffic: Traffic, *, seed: int) -> End:
    """
    One rollout of the plan. The same arguments give the same end.

    Raises UsageError where no evidence decides (`refuse_undecidable`).
    """
    refuse_undecidable(plan)
    return _Simulation(plan, stable, candidate, traffic, Random(seed)).run()  # noqa: S311  # a simulation is drawn again from its seed


class _Simulation:
    """One rollout in virtual time. State of a walk."""

    def __init__(self, plan: Plan, stable: Behaviour, candidate: Behaviour, traffic: Traffic, chance: Random) -> None:
        self._stable = stable.runs
        self._candidate = candidate.runs
        self._pairing = _Pairing(stable, candidate)
        self._traffic = traffic
        self._chance = chance
        self._case = Case(plan)
        self._now = _START
        self._requests = 0
        self._exposed = 0
        self._failures = 0
        self._pairs = PairTotals()
        self._rollout = _row(plan)
        self._move(Start(by="simulation"))

    def run(self) -> End:
        """Walk until the rollout ends or the traffic does."""
        plan = self._rollout.plan
        culprits: tuple[str, ...] = ()
        while self._requests < self._traffic.requests:
            index = self._rollout.opened - 1
            stage = plan.stages[index]
            if stage.shadow:
                self._mirror()
            else:
                self._case.add(self._tick(), EpochInfo(index, stage.share))
            look = Look(
                at=self._now,
                stage=index,
                entered_at=self._rollout.entered_at,
                last_tick_at=self._now,
                pairs=self._pairs if stage.shadow else None,
                last_pair_at=self._now if stage.shadow else None,
            )
            verdict = self._case.judge(look, detailed=False)
            if verdict.judgement is Judgement.HOLD:
                continue
            culprits = verdict.culprits
            self._move(Judged(verdict=verdict, look=look))
            if self._rollout.phase in _ENDS:
                return self._end(_ENDS[self._rollout.phase], culprits)
        return self._end(Ended.UNDECIDED)

    def _move(self, event: Start | Judged) -> None:
        """Take a step, and agree to whatever it then waits for."""
        self._rollout = transition(self._rollout, event, at=self._now).after
        if self._rollout.phase is Phase.WAITING:
            yes = Approve(by="simulation", candidate=self._rollout.candidate)
            self._rollout = transition(self._rollout, yes, at=self._now).after

    def _end(self, how: Ended, culprits: tuple[str, ...] = ()) -> End:
        seconds = (self._now - _START).total_seconds()
        return End(how, self._requests, self._exposed, self._failures, seconds, culprits)

    def _arrivals(self) -> int:
        """Units of one tick by time and number alone: ten seconds' worth, or fifty, or five minutes' worth."""
        rate = self._traffic.per_second
        units = max(rate * _LEAST_AGE, min(CLOSED_FROM_UNITS, rate * _MOST_AGE))
        whole = max(1, math.ceil(units))
        self._now += timedelta(seconds=whole / rate)
        self._requests += whole
        return whole

    def _tick(self) -> Tick:
        opened, plan = self._now, self._rollout.plan
        share = self._rollout.share / ALL_TRAFFIC
        mine = others = 0
        while not mine and (self._now - opened).total_seconds() < _MOST_AGE:
            arrived = self._arrivals()
            drawn = _binomial(arrived, share, self._chance.random())
            mine += drawn
            others += arrived - drawn
        if plan.control is Control.MIRRORED:
            others = _binomial(others, min(1.0, share / (1.0 - share)) if share < 1.0 else 0.0, self._chance.random())
        candidate = _arm(self._chance.choices(self._candidate, k=mine))
        self._exposed += mine
        self._failures += candidate.first.get("success", Count()).k
        return Tick(
            rollout=self._rollout.id,
            sequence=self._case.tick + 1,
            epoch=self._rollout.epoch,
            opened_at=opened,
            closed_at=self._now,
            stable=_arm(self._chance.choices(self._stable, k=others)),
            candidate=candidate,
        )

    def _mirror(self) -> None:
        compared, worse, better = (
            Counter(self._pairs.compared),
            Counter(self._pairs.only_candidate_bad),
            Counter(self._pairs.only_stable_bad),
        )
        arrived = self._arrivals()
        for _ in range(arrived):
            mine, other = self._pairing.draw(self._chance)
            theirs = dict(other.bad)
            for name, bad in mine.bad:
                if name in theirs:
                    compared[name] += 1
                    worse[name] += bad and not theirs[name]
                    better[name] += theirs[name] and not bad
        self._pairs = PairTotals(
            pairs=self._pairs.pairs + arrived,
            compared=compared,
            only_candidate_bad=worse,
            only_stable_bad=better,
        )


_ENDS: Final[Mapping[Phase, Ended]] = {
    Phase.WARM: Ended.PROMOTED,
    Phase.PROMOTED: Ended.PROMOTED,
    Phase.ROLLED_BACK: Ended.ROLLED_BACK,
    Phase.ABORTED: Ended.ROLLED_BACK,
}


def _row(plan: Plan) -> Rollout:
    return Rollout(
        id=RolloutId("simulated"),
        agent=AgentName("simulated"),
        stable=Digest("stable"),
        candidate=Digest("candidate"),
        plan=replace(plan, freeze=()),
        seed=0,
        author="simulation",
        created_at=_START,
        entered_at=_START,
    )


def _arm(runs: Sequence[Run]) -> ArmTick:
    units: dict[str, int] = {}
    bad_units: dict[str, int] = {}
    amounts: dict[str, dict[int, int]] = {}
    for run, times in Counter(runs).items():
        for name, bad in run.bad:
            units[name] = units.get(name, 0) + times
            if bad:
                bad_units[name] = bad_units.get(name, 0) + times
        for field, bucket in run.amounts:
            buckets = amounts.setdefault(field, {})
            buckets[bucket] = buckets.get(bucket, 0) + times
    counts = {name: Count(n, bad_units.get(name, 0)) for name, n in units.items()}
    return ArmTick(requests=len(runs), assigned=len(runs), first=counts, resolved=counts, amounts=amounts)


class _Pairing:
    """Draws the two runs of a mirrored request: of one task where tasks are known, else independently."""

    def __init__(self, stable: Behaviour, candidate: Behaviour) -> None:
        self._stable, self._candidate = stable.runs, candidate.runs
        mine, theirs = _by_task(candidate), _by_task(stable)
        self._tasks = [(mine[task], theirs[task]) for task in mine if task in theirs]

    def draw(self, chance: Random) -> tuple[Run, Run]:
        if self._tasks:
            mine, theirs = chance.choice(self._tasks)
            return chance.choice(mine), chance.choice(theirs)
        return chance.choice(self._candidate), chance.choice(self._stable)


def _by_task(of: Behaviour) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for task, run in zip(of.tasks, of.runs, strict=False):
        found.setdefault(task, []).append(run)
    return found


def _binomial(n: int, share: float, uniform: float) -> int:
    """How many of n units fall into a share, by inversion of the exact distribution."""
    if share <= 0.0 or n == 0:
        return 0
    return n if share >= 1.0 else min(n, bisect_right(_cumulated(n, share), uniform))


@lru_cache(maxsize=256)
def _cumulated(n: int, share: float) -> list[float]:
    log_odds = math.log(share) - math.log1p(-share)
    start = n * math.log1p(-share)
    return list(
        accumulate(
            math.exp(start + k * log_odds + math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1))
            for k in range(n + 1)
        )
    )
