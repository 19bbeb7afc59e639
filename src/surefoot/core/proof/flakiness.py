"""How often a version contradicts itself: what a comparison of two versions has to be seen against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .score import Result
from .table import ScoreTable

__all__ = ["Flake", "Halves", "flakes", "halves"]


class Flake(NamedTuple):
    """A case that one version sometimes passes and sometimes fails."""

    case: str
    metric: str
    n: int
    passed: int

    @property
    def rate(self) -> float:
        """The chance that two runs disagree, without bias: 2 p (1 - p) n / (n - 1). 0.5 and a bit is a coin."""
        return 2 * self.passed * (self.n - self.passed) / (self.n * (self.n - 1))


class Halves(NamedTuple):
    """The results of one version as if they were of two."""

    first: tuple[Result, ...]
    second: tuple[Result, ...]


def flakes(table: ScoreTable) -> tuple[Flake, ...]:
    """The cases that disagree with themselves under a metric that passes or fails, the flakiest first."""
    found = [
        Flake(case, metric, sample.n, round(sample.total))
        for metric, column in table.columns.items()
        if column.is_rate
        for case, sample in column.samples.items()
        if 0 < sample.total < sample.n
    ]
    return tuple(sorted(found, key=lambda flake: (-flake.rate, flake.metric, flake.case)))


def halves(results: Iterable[Result]) -> Halves:
    """
    Trials 0, 2, 4 ... and trials 1, 3, 5 ...: made side by side, so that nothing but chance is between them.
    """
    sides: Mapping[int, list[Result]] = {0: [], 1: []}
    for result in results:
        sides[result.attempt.trial % 2].append(result)
    return Halves(tuple(sides[0]), tuple(sides[1]))
