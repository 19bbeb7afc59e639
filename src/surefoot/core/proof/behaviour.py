"""What an agent is expected to do, how often, and when enough runs were seen to say whether it does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from .case import Case
from .evaluator import said_or_skipped
from .gate import Decision, Ruling
from .rates import Bounds, wilson
from .score import Result, Score, Status
from .sequential import Look, Sprt, SprtOdds
from .trace import Trace

__all__ = [
    "DEFAULT_AT_MOST",
    "DEFAULT_KEEPS",
    "DEFAULT_THRESHOLD",
    "PREDICATE",
    "FixedRuns",
    "InOrder",
    "Observed",
    "Outcome",
    "Predicate",
    "Trial",
    "Until",
    "ruling_of",
    "sequential",
    "trial_of",
]

DEFAULT_THRESHOLD: Final = 0.9
DEFAULT_AT_MOST: Final = 60

PREDICATE: Final = "python"
"""The `kind` of validators that are a function of the user's."""

_ODDS: Final = 2.0
"""How far the two rates that have to be told apart lie from the threshold, in odds. See `sequential`."""

DEFAULT_KEEPS: Final = 3
_MOST_ERRORS: Final = 5
_ROUNDING: Final = 1e-9


class Outcome(StrEnum):
    """What is known about a behaviour."""

    HOLDS = "holds"
    BROKEN = "does not hold"
    UNDECIDED = "not decided"
    """Too many errors, the cap reached, or stopped from outside. Never a pass."""

    OPEN = "open"
    """More runs are needed, and may be made."""

    @property
    def decision(self) -> Decision:
        """What a gate makes of it."""
        match self:
            case Outcome.HOLDS:
                return Decision.PASSED
            case Outcome.BROKEN:
                return Decision.FAILED
            case Outcome.UNDECIDED | Outcome.OPEN:
                return Decision.UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of the agent, held against the expectation."""

    passed: bool | None
    """None: it could not be told, because the run or what judges it failed. Neither a pass nor a failure."""

    said: str = ""
    """What the agent answered, cut to what a person would read."""

    why: str = ""
    """Why it did not pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Run until the runs decide, `at_most` so many. Made by `sequential`; ValueError for what never could hold."""

    threshold: float
    test: Sprt

    def __post_init__(self) -> None:
        needed = next((n for n in range(1, self.at_most + 1) if self.test.look(n, n) is Look.ACCEPT), None)
        if needed is None:
            per_pass = self.test.evidence(1, 1)
            most = math.ceil(math.log((1.0 - self.test.beta) / self.test.alpha) / per_pass)
            raise ValueError(
                f"at most {self.at_most} runs cannot show it: {most} without a failure are needed to tell "
                f"{self.test.high:.1%} from {self.test.low:.1%}"
            )

    @property
    def at_most(self) -> int:
        """Runs after which it ends in any case, errors included."""
        return self.test.cap

    def outcome(self, passed: int, failed: int, errors: int) -> Outcome:
        """
        What so many runs say, whatever the errors would have been: it holds had each of them failed, and it is broken
        had each of them passed. Ends early where neither can be reached any more.
        """
        n, left = passed + failed + errors, self.at_most - passed - failed - errors
        if self.test.look(passed, n) is Look.ACCEPT:
            return Outcome.HOLDS
        if self.test.look(passed + errors, n) is Look.REJECT:
            return Outcome.BROKEN
        can_hold = self.test.look(passed + left, n + left) is Look.ACCEPT
        can_break = self.test.look(passed + errors, n + left) is Look.REJECT
        return Outcome.OPEN if left > 0 and (can_hold or can_break) else Outcome.UNDECIDED

    def odds(self, rate: float) -> SprtOdds:
        """What becomes of an agent that does it at this rate."""
        return self.test.odds(rate)

    def __str__(self) -> str:
        low, high = self.test.low, self.test.high
        return f"at least {self.threshold:.0%}: {high:.1%} told from {low:.1%} in at most {self.at_most} runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRuns:
    """
    Exactly so many runs, and the share of passes against the threshold. Simple, and often wrong: see `odds`.

    Raises ValueError for a threshold outside of (0, 1] and for no run.
    """

    threshold: float
    runs: int = 20

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"a threshold is above 0 and at most 1, got {self.threshold}")
        if self.runs < 1:
            raise ValueError(f"at least one run, got {self.runs}")

    @property
    def at_most(self) -> int:
        """All of them."""
        return self.runs

    @property
    def needed(self) -> int:
        """Passes from which on it holds."""
        return math.ceil(self.threshold * self.runs - _ROUNDING)

    def outcome(self, passed: int, failed: int, errors: int) -> Outcome:
        """Open until all runs were made; then decided, unless the errors decide it."""
        if passed + failed + errors < self.runs:
            return Outcome.OPEN
        if passed >= self.needed:
            return Outcome.HOLDS
        return Outcome.BROKEN if passed + errors < self.needed else Outcome.UNDECIDED

    def odds(self, rate: float) -> SprtOdds:
        """What becomes of an agent that does it at this rate."""
        n = self.runs
        holds = math.fsum(math.comb(n, k) * rate**k * (1.0 - rate) ** (n - k) for k in range(self.needed, n + 1))
        return SprtOdds(holds, 1.0 - holds, 0.0, float(n))

    def __str__(self) -> str:
        return f"at least {self.needed} of {self.runs} runs"


def sequential(
    threshold: float = DEFAULT_THRESHOLD,
    *,
    at_most: int = DEFAULT_AT_MOST,
    unacceptable: float | None = None,
    acceptable: float | None = None,
    confidence: float = 0.95,
) -> Until:
    """
    A test around a threshold: which of two rates on its two sides explains the runs better (Wald's, see `Sprt`).

    Not written, `acceptable` has twice the threshold's odds and `unacceptable` half of them: 94.7 % and 81.8 % around
    90 %. An agent at or below `unacceptable` passes with chance 1 - confidence at most, one at or above `acceptable`
    is called broken as rarely. In between either may come out, or neither within the cap. Raises ValueError for rates
    in another order than unacceptable <= threshold <= acceptable, and for a cap under which nothing could hold.
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError(
            f"a threshold is between 0 and 1, got {threshold}; that it always holds needs a number of runs"
        )
    odds = threshold / (1.0 - threshold)
    low = odds / _ODDS / (1.0 + odds / _ODDS) if unacceptable is None else unacceptable
    high = odds * _ODDS / (1.0 + odds * _ODDS) if acceptable is None else acceptable
    if not low <= threshold <= high:
        raise ValueError(f"need unacceptable <= threshold <= acceptable, got {low}, {threshold} and {high}")
    if not 0.5 < confidence < 1.0:
        raise ValueError(f"a confidence is above 0.5 and below 1, got {confidence}")
    error = 1.0 - confidence
    return Until(threshold=threshold, test=Sprt(low=low, high=high, alpha=error, beta=error, cap=at_most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A behaviour so far. Give it one trial at a time: `seen = seen.after(trial)`, until `seen.outcome` is not open."""

    how: Until | FixedRuns
    passed: int = 0
    failed: int = 0
    errors: int = 0
    errors_in_a_row: int = 0
    stopped: str = ""
    """Why it ended from outside; empty if it did not."""

    samples: tuple[Trial, ...] = ()
    """The first of each kind, failures and errors before passes."""

    keeps: int = DEFAULT_KEEPS
    """How many of each kind are kept."""

    outcome: Outcome = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcome", self._outcome())

    @property
    def trials(self) -> int:
        """Runs, errors included."""
        return self.passed + self.failed + self.errors

    @property
    def rate(self) -> float | None:
        """
        Share of passes among the runs that could be told; None without any.

        Where the runs decided when to stop it leans to the side that was decided. A fixed number of runs leans nowhere.
        """
        told = self.passed + self.failed
        return self.passed / told if told else None

    @property
    def bounds(self) -> Bounds:
        """Wilson's 95 % interval of the rate, as if the number of runs had been fixed before."""
        return wilson(self.passed, self.passed + self.failed)

    def after(self, trial: Trial) -> Observed:
        """With one more trial. What is decided stays: a trial that comes later changes nothing."""
        if self.outcome is not Outcome.OPEN:
            return self
        kept = (*self.samples, trial) if self._lacks(trial) else self.samples
        return replace(
            self,
            passed=self.passed + (trial.passed is True),
            failed=self.failed + (trial.passed is False),
            errors=self.errors + (trial.passed is None),
            errors_in_a_row=self.errors_in_a_row + 1 if trial.passed is None else 0,
            samples=tuple(sorted(kept, key=_interest)),
        )

    def ended(self, why: str) -> Observed:
        """Stopped from outside: undecided, unless it was decided before."""
        return replace(self, stopped=why) if self.outcome is Outcome.OPEN else self

    @property
    def reason(self) -> str:
        """One sentence with the numbers."""
        told = self.passed + self.failed
        failed = f", {self.errors} could not be told" if self.errors else ""
        numbers = f"{self.passed} of {told} runs did it{failed}; {self.how}"
        if self.outcome is not Outcome.UNDECIDED:
            return numbers
        if self.stopped:
            return f"{numbers}; stopped: {self.stopped}"
        if self.errors_in_a_row >= _MOST_ERRORS:
            return f"{numbers}; given up after {self.errors_in_a_row} errors in a row"
        return f"{numbers}; that decides neither way"

    def _lacks(self, trial: Trial) -> bool:
        return sum(kept.passed is trial.passed for kept in self.samples) < self.keeps

    def _outcome(self) -> Outcome:
        found = self.how.outcome(self.passed, self.failed, self.errors)
        if found is Outcome.OPEN and (self.stopped or self.errors_in_a_row >= _MOST_ERRORS):
            return Outcome.UNDECIDED
        return found


def ruling_of(name: str, seen: Observed) -> Ruling:
    """What a behaviour says in a gate's report."""
    return Ruling(
        gate=name,
        kind="behaviour",
        metric=name,
        decision=seen.outcome.decision,
        reason=seen.reason,
        threshold=seen.how.threshold,
        candidate=seen.rate,
        bound=seen.bounds.low if seen.rate is not None else None,
        n=seen.passed + seen.failed,
    )


def trial_of(result: Result) -> Trial:
    """
    A result as a trial: it passes if every validator says so, and fails if one says so.

    Otherwise it could not be told: the run failed, a validator failed or skipped it, or none of them decides.
    """
    said = result.output or ""
    if result.error is not None:
        return Trial(passed=None, said=said, why=result.error)
    failures = [score for score in result.scores if score.status is Status.SCORED and score.passed is False]
    if failures:
        return Trial(passed=False, said=said, why=_reasons(failures))
    unsaid = [score for score in result.scores if score.passed is None]
    if unsaid or not result.scores:
        return Trial(passed=None, said=said, why=_reasons(unsaid) or "nothing judged it")
    return Trial(passed=True, said=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """A function of the user's as an evaluator: True for an answer that is as expected. See `Evaluator`."""

    metric: str
    holds: Callable[[str], object]

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """1 where it holds. What is neither True nor False is an error; a run without an answer is skipped."""
        said = said_or_skipped(self.metric, trace.response)
        if isinstance(said, Score):
            return said
        found = self.holds(said)
        if not isinstance(found, bool):
            return Score.failed(self.metric, f"a predicate says True or False, not {type(found).__name__}")
        return Score.scored(self.metric, float(found), passed=found)


class InOrder:
    """
    Gives trials back in their planned order, whatever order they end in.

    Quick answers are often the short ones and the refusals: taken as they come, they would decide before the others.
    """

    __slots__ = ("_next", "_waiting")

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, Trial] = {}

    def ended(self, number: int, trial: Trial) -> Sequence[Trial]:
        """The trials whose turn it is now that this one ended. Numbers begin with 0 and have no gap."""
        self._waiting[number] = trial
        ready: list[Trial] = []
        while self._next in self._waiting:
            ready.append(self._waiting.pop(self._next))
            self._next += 1
        return ready


def _interest(trial: Trial) -> int:
    return 0 if trial.passed is False else 1 if trial.passed is None else 2


def _reasons(scores: Iterable[Score]) -> str:
    return "; ".join(f"{score.metric}: {score.reason}" if score.reason else score.metric for score in scores)
