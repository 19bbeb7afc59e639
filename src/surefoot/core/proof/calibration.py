"""How far a judge may be believed: what it said about cases whose truth is known, and what follows for its rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from .rates import Bounds, Corrected, JudgeErrors, rogan_gladen, wilson

__all__ = ["MOST_OUTSIDE", "Assessment", "Calibration", "Labelled", "Trust", "calibrate"]

MOST_OUTSIDE: Final = 0.10
"""Share of answers outside the vocabulary above which a judge is of no use: what it leaves out is not left out by
chance, and no correction knows it. The default of a gate's `max_errors`."""

_GOOD: Final = 0.80


class Labelled(NamedTuple):
    """A case whose truth is known, and what the judge said of it."""

    truth: bool
    """Whether it should pass."""

    said: bool | None
    """Whether the judge passed it; None for an answer outside its vocabulary."""


class Trust(StrEnum):
    """What a judge may be used for."""

    USABLE = "usable"
    CORRECTED = "usable with correction"
    """It tells good from bad, but not well enough for its rates to be taken as they are."""

    UNUSABLE = "unusable"


class Assessment(NamedTuple):
    """What a judge may be used for, and the rule that says so."""

    trust: Trust
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Counts of one judge against known truth; everything else follows from them."""

    errors: JudgeErrors
    """Only of answers inside the vocabulary."""

    outside: int
    """Answers that were neither a pass nor a fail. They are in no rate but their own."""

    confidence: float = 0.95
    """Of the intervals, two-sided."""

    @property
    def n(self) -> int:
        """Labelled cases."""
        return self.answered + self.outside

    @property
    def answered(self) -> int:
        """Cases with an answer inside the vocabulary."""
        return self.errors.true_passes + self.errors.true_fails

    @property
    def passed(self) -> int:
        """Cases that the judge passed."""
        return self.errors.passed + self.errors.true_fails - self.errors.failed

    @property
    def agreed(self) -> int:
        """Cases in which the judge said what is true."""
        return self.errors.passed + self.errors.failed

    @property
    def sensitivity(self) -> Bounds:
        """Interval of the share of true passes that it passes."""
        return wilson(self.errors.passed, self.errors.true_passes, confidence=self.confidence)

    @property
    def specificity(self) -> Bounds:
        """Interval of the share of true failures that it fails."""
        return wilson(self.errors.failed, self.errors.true_fails, confidence=self.confidence)

    @property
    def agreement(self) -> Bounds:
        """Interval of the share of answers that are true. Flattered where most cases are of one kind: see `kappa`."""
        return wilson(self.agreed, self.answered, confidence=self.confidence)

    @property
    def outside_share(self) -> float:
        """Share of answers outside the vocabulary; 1 where there is no case."""
        return self.outside / self.n if self.n else 1.0

    @property
    def outside_bounds(self) -> Bounds:
        """Its interval."""
        return wilson(self.outside, self.n, confidence=self.confidence)

    @property
    def kappa(self) -> float | None:
        """
        Agreement beyond chance: 1 is all, 0 is none, below 0 is worse than guessing. None where chance explains all.

        Cohen (1960), Educational and Psychological Measurement 20.
        """
        n = self.answered
        if not n:
            return None
        both = self.errors.true_passes * self.passed + self.errors.true_fails * (n - self.passed)
        chance = both / (n * n)
        return None if chance >= 1.0 else (self.agreed / n - chance) / (1.0 - chance)

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1: 0 for a judge that says the same whatever it sees. Youden (1950), Cancer 3."""
        return self.errors.sensitivity + self.errors.specificity - 1.0

    @property
    def youden_bounds(self) -> Bounds:
        """Its interval, from those of both shares: the MOVER of Zou and Donner (2008), Statistics in Medicine 27."""
        se, sp = self.errors.sensitivity, self.errors.specificity
        low = math.hypot(se - self.sensitivity.low, sp - self.specificity.low)
        high = math.hypot(self.sensitivity.high - se, self.specificity.high - sp)
        return Bounds(max(-1.0, self.youden - low), min(1.0, self.youden + high))

    def corrected(self, passed: float, n: float) -> Corrected | None:
        """The rate of true passes behind a rate that this judge found; None for a judge that must not be used."""
        if self.assessment.trust is Trust.UNUSABLE:
            return None
        return rogan_gladen(passed, n, self.errors, confidence=self.confidence)

    @property
    def assessment(self) -> Assessment:
        """What it may be used for, by the first rule that applies."""
        if not self.n:
            return Assessment(Trust.UNUSABLE, "there is no labelled case")
        if self.outside_share > MOST_OUTSIDE:
            rule = f"{self.outside} of {self.n} answers are outside the vocabulary, more than {MOST_OUTSIDE:.0%}"
            return Assessment(Trust.UNUSABLE, rule)
        for count, kind in ((self.errors.true_passes, "passes"), (self.errors.true_fails, "failures")):
            if not count:
                return Assessment(Trust.UNUSABLE, f"no labelled case is one of the true {kind}")
        low = self.youden_bounds.low
        if low <= 0.0:
            rule = f"it is not shown to be better than chance: Youden's J is {self.youden:.3f}, at least {low:.3f}"
            return Assessment(Trust.UNUSABLE, rule)
        if min(self.sensitivity.low, self.specificity.low) >= _GOOD:
            return Assessment(Trust.USABLE, f"sensitivity and specificity are both at least {_GOOD:.2f}")
        worse, bound = min(("sensitivity", self.sensitivity.low), ("specificity", self.specificity.low), key=_second)
        return Assessment(Trust.CORRECTED, f"better than chance, but {worse} may be as low as {bound:.3f}")


def calibrate(labelled: Iterable[Labelled], *, confidence: float = 0.95) -> Calibration:
    """Count what a judge said about cases whose truth is known."""
    counts = {(truth, said): 0 for truth in (True, False) for said in (True, False, None)}
    for case in labelled:
        counts[case] += 1
    return Calibration(
        errors=JudgeErrors(
            true_passes=counts[True, True] + counts[True, False],
            passed=counts[True, True],
            true_fails=counts[False, True] + counts[False, False],
            failed=counts[False, False],
        ),
        outside=counts[True, None] + counts[False, None],
        confidence=confidence,
    )


def _second(pair: tuple[str, float]) -> float:
    return pair[1]
