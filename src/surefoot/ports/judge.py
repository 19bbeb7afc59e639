"""Evaluators that have to ask somebody: a model, most of all. They cost, they may fail, and they may be busy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from ..core.proof.case import Case
from ..core.proof.score import Score
from ..core.proof.trace import Trace

__all__ = ["NOT_ASKED", "Judge", "Judged", "Usage"]


class Usage(NamedTuple):
    """What one call used. None is not known, and not zero."""

    usd: float | None = None
    tokens: int | None = None
    calls: int = 1
    """0: it was answered without asking anybody, and no limit of calls counts it."""


NOT_ASKED: Final = Usage(0.0, 0, 0)
"""Of a score that needed no call."""


class Judged(NamedTuple):
    """A score, and what it cost to get."""

    score: Score
    usage: Usage = Usage()
    then: Callable[[], Awaitable[Judged]] | None = None
    """A further call that the score still hangs on (a repair, another vote), to be paid for like the first. Until it is
    made, `score` says why there is none."""


class Judge(Protocol):
    """
    One metric that a model scores.

    Duties: an answer outside of its vocabulary is `Score.failed`, never a pass or a fail; what is missing is
    `Score.skipped`. A transport that fails raises ExecutorFailed with `transient` or `overloaded` set: the caller
    repeats, waits and slows down for all judges of one `endpoint` together.
    """

    @property
    def metric(self) -> str:
        """The name of the metric, unique within a suite."""
        ...

    @property
    def endpoint(self) -> str:
        """What is shared with others: an address."""
        ...

    @property
    def fingerprint(self) -> str:
        """Model, prompt and parameters, so that scores of another judge are never taken for its own."""
        ...

    async def judge(self, case: Case, trace: Trace) -> Judged:
        """Score one run."""
        ...
