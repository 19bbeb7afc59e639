"""Judges at work: every call they make reserved, throttled, repeated and settled like any other."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ..core.proof.case import Case
from ..core.proof.score import Score
from ..core.proof.suite import NO_LIMITS, Limits
from ..core.proof.trace import Trace
from ..ports.clock import Clock
from ..ports.judge import Judge, Judged, Usage
from .budget import Budget, Spending
from .calls import Calls, Failure, Lane, own_task
from .limited import limited

__all__ = ["Pace", "Run", "RunsJudged", "judge_runs", "judged"]


class Run(NamedTuple):
    """A finished run, and the case it is judged by."""

    case: Case
    trace: Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast judges may be asked, and what that may use."""

    limits: Limits = NO_LIMITS
    concurrency: int = 8
    timeout: float = 120.0
    """Seconds of one call."""

    tries: int = 5
    """Calls for one question, at most, where the transport fails."""


class RunsJudged(NamedTuple):
    """What judges said of runs."""

    scores: tuple[tuple[Score, ...] | None, ...]
    """By run, then by judge. None for a run that was not reached."""

    spent: Spending
    stopped: str
    """Why not every run was reached; empty if all were."""


async def judged(calls: Calls, lane: Lane, judge: Judge, case: Case, trace: Trace) -> Score | None:
    """One score, by as many calls as it takes, each paid for by itself; None if the budget ends before there is one."""
    task = own_task()
    call: Callable[[], Awaitable[Judged]] = partial(judge.judge, case, trace)
    while True:
        said = await calls.make(task, lane, judge.metric, call, _used)
        if said is None:
            return None
        if isinstance(said, Failure):
            return Score.failed(judge.metric, said.reason, judge=judge.fingerprint)
        if said.then is None:
            return said.score
        call = said.then


async def judge_runs(
    judges: tuple[Judge, ...],
    runs: Iterable[Run],
    *,
    clock: Clock,
    seed: int,
    pace: Pace | None = None,
    told: Callable[[int], None] | None = None,
) -> RunsJudged:
    """
    Judge runs that are there already. `told` hears how many are done; what it raises is raised here.

    What cannot be judged is an error score.
    """
    asked = pace or Pace()
    budget = Budget(asked.limits)
    calls = Calls(budget=budget, clock=clock, timeout=asked.timeout, tries=asked.tries, seed=seed)
    lanes = {judge.endpoint: Lane(judge.endpoint, asked.concurrency) for judge in judges}
    waiting = deque(enumerate(runs))
    scores: list[tuple[Score, ...] | None] = [None] * len(waiting)
    done = 0

    async def work() -> None:
        nonlocal done
        while waiting and not budget.stopped:
            place, run = waiting.popleft()
            found: list[Score] = []
            for judge in judges:
                score = await judged(calls, lanes[judge.endpoint], judge, run.case, run.trace)
                if score is None:
                    return
                found.append(score)
            scores[place] = tuple(found)
            done += 1
            if told is not None:
                told(done)

    async with limited(calls, budget, clock, asked.limits) as group:
        for _ in range(min(asked.concurrency, len(waiting))):
            group.create_task(work())
    return RunsJudged(tuple(scores), budget.spent, budget.stopped if done < len(scores) else "")


def _used(said: Judged) -> Usage:
    return said.usage
