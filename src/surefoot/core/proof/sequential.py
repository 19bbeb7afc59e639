"""How many runs it takes to trust an agent, or not to: as few as its answers allow, and never more than a cap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Look", "Sprt", "SprtOdds"]


class Look(StrEnum):
    """What a look at the runs so far says."""

    ACCEPT = "accept"
    REJECT = "reject"
    CONTINUE = "continue"
    UNDECIDED = "undecided"
    """The cap is reached and neither is shown. Never an acceptance."""


class SprtOdds(NamedTuple):
    """What the test does with an agent of a known rate."""

    accept: float
    reject: float
    undecided: float
    runs: float
    """On average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprt:
    """
    Wald's sequential probability ratio test of a pass rate, with a cap. Raises ValueError for impossible settings.

    An agent at `low` is accepted with chance `alpha` at most, one at `high` rejected with `beta` at most (Wald's bounds
    alpha / (1 - beta) and beta / (1 - alpha), which the overshoot only makes safer; the cap only adds UNDECIDED).
    Wald (1945), Annals of Mathematical Statistics 16.
    """

    low: float = 0.75
    """A rate that must not get through."""

    high: float = 0.92
    """A rate that should."""

    alpha: float = 0.05
    beta: float = 0.05
    cap: int = 60
    """Runs after which it ends in any case."""

    def __post_init__(self) -> None:
        if not 0.0 < self.low < self.high < 1.0:
            raise ValueError(f"need 0 < low < high < 1, got {self.low} and {self.high}")
        if not (self.alpha > 0.0 and self.beta > 0.0 and self.alpha + self.beta < 1.0):
            raise ValueError(f"alpha and beta are above 0 and below 1 together, got {self.alpha} and {self.beta}")
        if self.cap < 1:
            raise ValueError(f"a cap is at least 1, got {self.cap}")

    def evidence(self, passed: int, n: int) -> float:
        """The log-likelihood ratio of `high` over `low`. Raises ValueError for impossible counts."""
        if not 0 <= passed <= n:
            raise ValueError(f"no such counts: {passed} of {n}")
        failed = n - passed
        return passed * math.log(self.high / self.low) + failed * math.log((1.0 - self.high) / (1.0 - self.low))

    def look(self, passed: int, n: int) -> Look:
        """What `passed` of n runs say. No runs say nothing."""
        ratio = self.evidence(passed, n)
        if ratio >= math.log((1.0 - self.beta) / self.alpha):
            return Look.ACCEPT
        if ratio <= math.log(self.beta / (1.0 - self.alpha)):
            return Look.REJECT
        return Look.UNDECIDED if n >= self.cap else Look.CONTINUE

    def odds(self, rate: float) -> SprtOdds:
        """What becomes of an agent of this rate: exact, by adding up all ways to get there."""
        going = {0: 1.0}
        accept = reject = undecided = runs = 0.0
        for n in range(1, self.cap + 1):
            runs += math.fsum(going.values())
            following: dict[int, float] = {}
            for passed, chance in going.items():
                following[passed] = following.get(passed, 0.0) + chance * (1.0 - rate)
                following[passed + 1] = following.get(passed + 1, 0.0) + chance * rate
            going = {}
            for passed, chance in following.items():
                match self.look(passed, n):
                    case Look.ACCEPT:
                        accept += chance
                    case Look.REJECT:
                        reject += chance
                    case Look.UNDECIDED:
                        undecided += chance
                    case Look.CONTINUE:
                        going[passed] = chance
        return SprtOdds(accept, reject, undecided, runs)
