"""A test function run again and again, until it is decided how often it passes. What the pytest plugin is made of."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.proof.behaviour import (
    DEFAULT_AT_MOST,
    DEFAULT_KEEPS,
    DEFAULT_THRESHOLD,
    FixedRuns,
    Observed,
    Outcome,
    Trial,
    Until,
    sequential,
)

__all__ = ["Plan", "TrialNotes", "observed", "plan_of", "told"]

_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a marker asks for."""

    how: Until | FixedRuns
    samples: int


@dataclass(slots=True)
class TrialNotes:
    """One run of a test, for the test itself."""

    number: int = 0
    """From 0."""

    answer: str = field(default="", init=False)

    def said(self, answer: object) -> None:
        """Note what the agent answered, to be shown if the behaviour does not hold. The last one counts."""
        self.answer = str(answer)[:_LONGEST]


def plan_of(args: Sequence[object], given: Mapping[str, Any]) -> Plan:
    """The plan in a marker's arguments. Raises TypeError for an unknown one, ValueError for what never could hold."""
    if args:
        raise TypeError("name its arguments: behaviour(threshold=0.9)")
    known = list(inspect.signature(_plan).parameters)
    for name in given:
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}; it takes {', '.join(known)}")
    return _plan(**given)


def _plan(
    *,
    threshold: float = DEFAULT_THRESHOLD,
    at_most: int | None = None,
    acceptable: float | None = None,
    unacceptable: float | None = None,
    confidence: float | None = None,
    runs: int | None = None,
    samples: int = DEFAULT_KEEPS,
) -> Plan:
    if runs is not None:
        if (at_most, acceptable, unacceptable, confidence) != (None, None, None, None):
            raise ValueError(f"runs={runs} is a fixed number; the other bounds are for runs that decide")
        return Plan(how=FixedRuns(threshold=threshold, runs=runs), samples=samples)
    how = sequential(
        threshold,
        at_most=DEFAULT_AT_MOST if at_most is None else at_most,
        acceptable=acceptable,
        unacceptable=unacceptable,
        confidence=0.95 if confidence is None else confidence,
    )
    return Plan(how=how, samples=samples)


def observed(
    function: Callable[..., object],
    given: Mapping[str, object],
    plan: Plan,
    notes: TrialNotes,
    *,
    failures: tuple[type[BaseException], ...] = (AssertionError,),
    through: tuple[type[BaseException], ...] = (),
) -> Observed:
    """
    Call it until it is decided: what it asserts is the expectation, and any other exception is an error, never a pass.

    A coroutine function is awaited, every run in one event loop. What is no Exception (KeyboardInterrupt, a test
    runner's skipping) goes through, unless it is one of `failures`; and so does whatever is in `through`.
    """
    seen = Observed(how=plan.how, keeps=plan.samples)
    with asyncio.Runner() as runner:
        while seen.outcome is Outcome.OPEN:
            notes.number, notes.answer = seen.trials, ""
            try:
                found = function(**given)
                if inspect.iscoroutine(found):
                    runner.run(found)
            except through:
                raise
            except failures as error:
                seen = seen.after(Trial(passed=False, said=notes.answer, why=_reason(error)))
            except Exception as error:  # noqa: BLE001 - an agent may raise anything: that is no run to judge
                why = f"{type(error).__name__}: {_reason(error)}"
                seen = seen.after(Trial(passed=None, said=notes.answer, why=why))
            else:
                seen = seen.after(Trial(passed=True, said=notes.answer))
    return seen


def told(seen: Observed, expectation: str | None) -> str:
    """What became of it, for whoever reads the failure: numbers first, then what was answered."""
    says = (expectation or "").strip().partition("\n")[0]
    low, high = seen.bounds
    rate = "" if seen.rate is None else f"rate {seen.rate:.1%}, 95 % interval {low:.1%} to {high:.1%}"
    lines = [f"the behaviour {seen.outcome}" if seen.outcome is Outcome.BROKEN else str(seen.outcome)]
    lines += [f"expected: {says}"] if says else []
    lines += [f"{seen.trials} trials: {seen.reason}", rate]
    for trial in seen.samples:
        kind = "passed" if trial.passed else "failed" if trial.passed is False else "error"
        lines.append(f"- {kind}" + (f": {trial.why}" if trial.why else ""))
        lines += [f"  answered: {trial.said}"] if trial.said else []
    return "\n".join(line for line in lines if line)


def _reason(error: BaseException) -> str:
    """The first line of an assertion says what was expected; pytest's further lines compare it in full."""
    text = str(error).strip()
    return (text.partition("\n")[0] if text else type(error).__name__)[:_LONGEST]
