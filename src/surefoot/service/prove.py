"""A suite run: cases x trials x versions, each answered, scored and kept, whatever stops it and whenever."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from ..core.artifact.version import AgentVersion
from ..core.proof.case import Case
from ..core.proof.draft import draft_of
from ..core.proof.evaluator import Evaluator
from ..core.proof.score import Attempt, Result, Score, Status
from ..core.proof.suite import Suite, case_digest
from ..core.proof.table import ScoreTable, table_of
from ..core.proof.text import answer_text
from ..core.proof.trace import Trace
from ..core.units import Digest
from ..errors import SurefootError, UsageError
from ..ports.answers import Answers
from ..ports.clock import Clock
from ..ports.executor import Answer, Executor, Unfinished
from ..ports.judge import Judge, Usage
from ..ports.results import ProofRun, Results
from .budget import Budget, Spending
from .calls import Calls, Failure, Lane, PaidFailure, own_task
from .judge import judged
from .limited import limited
from .run_trace import trace_of

__all__ = ["Contender", "Order", "Progress", "Proof", "prove", "recorded_cost"]

_BATCH: Final = 100
_TURN: Final = _BATCH
"""Attempts after which a worker lets the others have their turn, however fast it is: at the end of a batch."""

_LONGEST_OUTPUT: Final = 2_000
_MICRO: Final = 1_000_000
_NOTHING: Final = Usage(0.0, 0)
_Draft: Final = draft_of(Result)


def recorded_cost(answer: Answer) -> float | None:
    """What the executor itself says it cost, in US dollars."""
    return None if answer.seen.cost is None else answer.seen.cost / _MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A version, and what it takes to run and judge it."""

    version: AgentVersion
    executor: Executor
    evaluators: tuple[Evaluator, ...]
    judges: tuple[Judge, ...] = ()
    endpoint: str = "local"
    """Contenders and judges of one endpoint share its pace."""

    price: Callable[[Answer], float | None] = recorded_cost
    """US dollars of one answer; None where it is not known."""

    is_priced: bool | None = None
    """False: no price is known for it, which a cap on money does not accept. None: its answers say."""

    is_free: bool = False
    """Running it spends nothing, whatever its answers say they cost: a tape."""

    remembers: bool = False
    """Its digest says all that its answers depend on, so they may be used again in another run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run."""

    suite: Suite
    contenders: tuple[Contender, ...]
    run: ProofRun
    """Resumed if its id is known; its suite is `suite.identity`."""

    first_trial: int = 0
    """Where trials start: fresh ones have numbers that none had before."""

    trials: int | None = None
    """None: as many as the suite says."""

    only: frozenset[str] | None = None
    """Ids of the cases to run; None: all."""

    most: int | None = None
    """Attempts to make at most, the first of those planned; None: all of them."""

    enough: Callable[[Result], bool] | None = None
    """Told every result as it is made. True: what was asked is known, so nothing more is launched."""


class Progress(NamedTuple):
    """How far a run is."""

    done: int
    total: int
    errors: int
    spent: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a run found."""

    run: ProofRun
    # Neither is shown: asyncio writes down what a program's last task returned, and that may be a million results.
    tables: Mapping[Digest, ScoreTable] = field(repr=False)
    """By version, of everything the run has kept, resumed attempts included."""

    results: tuple[Result, ...] = field(repr=False)
    """By version, then as in the suite, then by trial."""

    stopped: str
    """Why it ended before its end; empty if it did not. What is missing then is not decided."""

    made: int
    """Attempts of this process. Others were there already (`resumed`)."""

    resumed: int
    remembered: int
    """Of those made, the ones whose answer was known from another run."""

    errors: int
    """Of those made, the ones without a run, or with a score that went wrong."""

    spent: Spending
    anew: str = ""
    """Why it is a new run although an earlier one was to be gone on with; empty if it is not."""


async def prove(
    order: Order,
    *,
    results: Results,
    clock: Clock,
    seed: int,
    answers: Answers | None = None,
    told: Callable[[Progress], None] | None = None,
) -> Proof:
    """
    Run it. Raises UsageError for what can be known to be impossible before, StoreUnavailable where results cannot be
    kept (what was kept before stays); anything else that goes wrong is a result with an error.
    """
    _refuse(order)
    results.begin(order.run)
    run = _Run(order, results, clock, seed, answers, told)
    await run.through()
    return run.proof()


class _Job(NamedTuple):
    attempt: Attempt
    case: Case
    contender: Contender


class _Run:
    """One run under way."""

    def __init__(
        self,
        order: Order,
        results: Results,
        clock: Clock,
        seed: int,
        answers: Answers | None,
        told: Callable[[Progress], None] | None,
    ) -> None:
        suite = order.suite
        self._order = order
        self._clock = clock
        self._budget = Budget(suite.limits)
        self._calls = Calls(
            budget=self._budget, clock=clock, timeout=suite.timeout / 1000, tries=suite.tries, seed=seed
        )
        self._lanes: dict[str, Lane] = {}
        self._finished = results.finished(order.run.id)
        self._log = _Log(order.run.id, results, answers, self._budget, self._tell)
        self._told = told
        self._jobs = self._planned()
        self._keys: Mapping[Attempt, str] = {} if answers is None else self._named()
        self._known: Mapping[str, Trace] = {} if answers is None else answers.find(list(self._keys.values()))
        self._total = sum(map(len, self._jobs.values()))
        self._done = self._errors = self._reused = 0

    async def through(self) -> None:
        """Until everything is done, or something stops it."""
        suite = self._order.suite
        try:
            async with limited(self._calls, self._budget, self._clock, suite.limits) as group:
                for endpoint, jobs in self._jobs.items():
                    for _ in range(min(suite.concurrency, len(jobs))):
                        group.create_task(self._work(self._lane(endpoint), jobs))
        finally:
            self._log.flush()
        if self._log.failure is not None:
            raise self._log.failure

    def proof(self) -> Proof:
        """Everything the run has, this process's part and those before."""
        suite, run = self._order.suite, self._order.run
        places = {case.id: place for place, case in enumerate(suite.cases)}
        # What this process made is at hand; what was there before is read.
        kept = self._log.results.results(run.id) if self._finished else self._log.written
        found = sorted(kept, key=lambda one: (one.attempt.version, places[one.attempt.case], one.attempt.trial))
        metrics = suite.metrics
        tables = {
            contender.version.digest: table_of(suite.identity, contender.version.digest, found, metrics=metrics)
            for contender in self._order.contenders
        }
        return Proof(
            run=run,
            tables=tables,
            results=tuple(found),
            stopped=self._budget.stopped if self._done < self._total else "",
            made=self._done,
            resumed=len(self._finished),
            remembered=self._reused,
            errors=self._errors,
            spent=self._budget.spent,
        )

    def _planned(self) -> dict[str, deque[_Job]]:
        """By endpoint: trial by trial, case by case, the versions side by side, so that time treats them alike."""
        order, finished, planned = self._order, self._finished, dict[str, deque[_Job]]()
        trials = order.suite.trials if order.trials is None else order.trials
        wanted = -1 if order.most is None else order.most
        asked = [case for case in order.suite.cases if order.only is None or case.id in order.only]
        sides = [
            (contender.version.digest, contender, planned.setdefault(contender.endpoint, deque()))
            for contender in order.contenders
        ]
        for trial in range(order.first_trial, order.first_trial + trials):
            for case in asked:
                for digest, contender, jobs in sides:
                    attempt = Attempt(case.id, digest, trial)
                    if not finished or attempt not in finished:
                        jobs.append(_Job(attempt, case, contender))
                    wanted -= 1
                    if not wanted:
                        return planned
        return planned

    def _named(self) -> Mapping[Attempt, str]:
        """The keys of answers that may be used again."""
        if not any(contender.remembers for contender in self._order.contenders):
            return {}
        digests = {case.id: case_digest(case) for case in self._order.suite.cases}
        return {
            job.attempt: _key(job, digests) for jobs in self._jobs.values() for job in jobs if job.contender.remembers
        }

    def _lane(self, endpoint: str) -> Lane:
        lane = self._lanes.get(endpoint)
        if lane is None:
            lane = self._lanes[endpoint] = Lane(endpoint, self._order.suite.concurrency)
        return lane

    async def _work(self, lane: Lane, jobs: deque[_Job]) -> None:
        turn, task = 0, own_task()
        while jobs and not self._budget.stopped:
            result = await self._attempt(task, lane, jobs.popleft())
            if result is None:
                return
            self._done += 1
            self._errors += _went_wrong(result)
            self._log.keep(result)
            if self._order.enough is not None and self._order.enough(result):
                self._budget.stop("enough is known")
            turn += 1
            if turn % _TURN == 0:
                await asyncio.sleep(0)

    async def _attempt(self, task: asyncio.Task[object], lane: Lane, job: _Job) -> Result | None:
        """The result of one attempt; None if the run stops before there is one."""
        attempt, case, contender = job
        remembered = self._keys.get(attempt) if self._keys else None
        trace = self._known.get(remembered) if remembered is not None else None
        if trace is not None:
            self._reused += 1
        else:
            used = _free if contender.is_free else _paid
            key = f"{attempt.version}:{attempt.case}:{attempt.trial}"
            found = await self._calls.make(task, lane, contender.version.label, _asked, used, contender, case, key)
            if found is None:
                return None
            if isinstance(found, Failure):
                return Result(attempt=attempt, error=_clean(found.reason))
            trace = found
            if remembered is not None:
                self._log.answers[remembered] = trace
        scores = [_scored(evaluator, case, trace) for evaluator in contender.evaluators]
        for judge in contender.judges:
            score = await self._judged(judge, case, trace)
            if score is None:
                return None
            scores.append(score)
        result = _Draft(
            attempt=attempt,
            scores=tuple(scores),
            output=_clean(answer_text(trace.response) or ""),
            latency_ms=trace.latency_ms,
            tokens=trace.cost_tokens,
            cost_usd=trace.cost_usd,
        )
        result.__class__ = Result
        return result

    async def _judged(self, judge: Judge, case: Case, trace: Trace) -> Score | None:
        score = await judged(self._calls, self._lane(judge.endpoint), judge, case, trace)
        return score and replace(score, reason=_clean(score.reason))

    def _tell(self) -> None:
        if self._told is not None:
            self._told(Progress(self._done, self._total, self._errors, self._budget.spent))


class _Log:
    """What is finished, on its way into the store: at once where calls are slow, in batches where they are not."""

    def __init__(
        self, run: str, results: Results, answers: Answers | None, budget: Budget, tell: Callable[[], None]
    ) -> None:
        self.results = results
        self.answers: dict[str, Trace] = {}
        self.failure: SurefootError | None = None
        self._run = run
        self._kept = answers
        self._budget = budget
        self._tell = tell
        self._waiting: list[Result] = []
        self.written: list[Result] = []

    def keep(self, result: Result) -> None:
        """Keep it before the event loop turns again, or with the next 99."""
        self._waiting.append(result)
        if len(self._waiting) >= _BATCH:
            self.flush()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """
        Into the store: results, and answers that were paid for, whether or not they were judged before the end.

        What cannot be kept stops the run: paying for results that are lost helps nobody.
        """
        if self.failure is not None or not (self._waiting or self.answers):
            return
        results, self._waiting = self._waiting, []
        answers, self.answers = self.answers, {}
        try:
            if answers and self._kept is not None:
                self._kept.keep(answers)
            if results:
                self.results.append(self._run, results)
        except SurefootError as error:
            self.failure = error
            self._budget.stop(error.message)
        else:
            self.written += results
            self._tell()


def _refuse(order: Order) -> None:
    if not order.contenders:
        raise UsageError("no version to run", hint="name one with --version")
    labels = [contender.version.digest for contender in order.contenders]
    if len(set(labels)) < len(labels):
        raise UsageError("two versions are the same", hint="a version against itself is `surefoot eval calibrate`")
    if order.suite.limits.usd is not None:
        for contender in order.contenders:
            if contender.is_priced is False and not contender.is_free:
                model = contender.version.model.id
                raise UsageError(
                    f"the suite caps the cost, and the price of {model} is not known",
                    hint=f"write prices: {{{model}: {{input: ..., output: ...}}}} into surefoot.yaml (USD per million)",
                )


async def _asked(contender: Contender, case: Case, key: str) -> Trace:
    version = contender.version
    try:
        answer = await contender.executor.run(version, case.request, key=key)
    except Unfinished as failed:
        so_far = trace_of(failed.so_far, case, version, key, contender.price(failed.so_far))
        raise PaidFailure(failed, _NOTHING if contender.is_free else _paid(so_far)) from failed
    return trace_of(answer, case, version, key, contender.price(answer))


def _paid(trace: Trace) -> Usage:
    return Usage(trace.cost_usd, trace.cost_tokens)


def _free(trace: Trace) -> Usage:
    return _NOTHING


def _scored(evaluator: Evaluator, case: Case, trace: Trace) -> Score:
    try:
        return evaluator.evaluate(case, trace)
    except Exception as error:  # noqa: BLE001 - an evaluator of the user's may raise anything: that is no score
        return Score.failed(evaluator.metric, _clean(f"{type(error).__name__}: {error}"))


def _went_wrong(result: Result) -> bool:
    """Whether there was no run to score, or a score of it that failed."""
    return result.error is not None or any(score.status is Status.ERROR for score in result.scores)


def _key(job: _Job, digests: Mapping[str, str]) -> str:
    """What an answer depends on: version (with its parameters), case, trial."""
    text = f"{job.attempt.version} {digests[job.attempt.case]} {job.attempt.trial}"
    return hashlib.sha256(text.encode()).hexdigest()


def _clean(text: str) -> str:
    """Cut to what a person would read, and without half characters, which no file takes."""
    cut = text if len(text) <= _LONGEST_OUTPUT else text[: _LONGEST_OUTPUT - 1] + "\u2026"
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode("utf-8")
