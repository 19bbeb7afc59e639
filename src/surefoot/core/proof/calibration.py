"""How far a judge may be believed: what it said about cases whose truth is known, and what follows for its rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from .rates import Bounds, Corrected, JudgeErrors, rogan_gladen, wilson

__all__ = ["MOST_OUTSIDE", "WIDEST", "Assessment", "Calibration", "Labelled", "Trust", "calibrate"]

MOST_OUTSIDE: Final = 0.10
"""Share of answers outside the vocabulary above which a judge is of no use: what it leaves out is not left out by
chance, and no correction knows it. The default of a gate's `max_errors`."""

WIDEST: Final = 0.50
"""Width of the corrected rate's interval on a judge's own labelled cases above which no gate is decided by it: most of
the scale is then as likely as the rest, whatever the judge said."""

_GOOD: Final = 0.80
_MOST_TIMES: Final = 2**16


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

    @property
    def own_bounds(self) -> Bounds:
        """Interval of the corrected rate of its own labelled cases; all of [0, 1] for one no better than chance."""
        return _own(self.errors, self.confidence)

    @property
    def cases_needed(self) -> int | None:
        """
        About how many labelled cases would make that interval no wider than `WIDEST`, were it to go on judging as it
        did on the same mix of cases. None where it is narrow enough, and where no number of them is known to do.
        """
        if not self.answered or _width(self.own_bounds) <= WIDEST:
            return None
        enough = 2
        while _width(_own(_times(self.errors, enough), self.confidence)) > WIDEST:
            enough *= 2
            if enough > _MOST_TIMES:
                return None
        low, high = enough // 2 * self.answered, enough * self.answered
        while high - low > 1:
            middle = (low + high) // 2
            wide = _width(_own(_times(self.errors, middle / self.answered), self.confidence)) > WIDEST
            low, high = (middle, high) if wide else (low, middle)
        return high

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
        own = self.own_bounds
        if _width(own) > WIDEST:
            needed = self.cases_needed
            more = "" if needed is None else f"; about {_rounded_up(needed):,} like them would narrow it to {WIDEST:g}"
            rule = f"no gate could be decided by it: corrected on its {self.answered} labelled cases, the rate is"
            return Assessment(Trust.UNUSABLE, f"{rule} anything from {own.low:.3f} to {own.high:.3f}{more}")
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


def _own(errors: JudgeErrors, confidence: float) -> Bounds:
    """Of the labelled cases themselves, as if their truth were not known."""
    passed = errors.passed + errors.true_fails - errors.failed
    fixed = rogan_gladen(passed, errors.true_passes + errors.true_fails, errors, confidence=confidence)
    return Bounds(0.0, 1.0) if fixed is None else fixed.bounds


def _times(errors: JudgeErrors, factor: float) -> JudgeErrors:
    """As many cases, judged as well; rounded to whole cases."""
    return JudgeErrors(
        true_passes=round(errors.true_passes * factor),
        passed=round(errors.passed * factor),
        true_fails=round(errors.true_fails * factor),
        failed=round(errors.failed * factor),
    )


def _width(bounds: Bounds) -> float:
    return bounds.high - bounds.low


def _rounded_up(count: int) -> int:
    """To two digits: it is an estimate."""
    step = int("1" + "0" * max(0, len(str(count)) - 2))
    return -(-count // step) * step


def _second(pair: tuple[str, float]) -> float:
    return pair[1]
