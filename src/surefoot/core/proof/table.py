"""Results as counts: what gates read, baselines keep and reports show. Counts add up; means do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..units import Digest
from .score import Result, Score, Status

__all__ = ["Column", "Sample", "ScoreTable", "table_of"]


class Sample(NamedTuple):
    """All trials of one case under one metric."""

    n: int = 0
    """Trials that were scored."""

    total: float = 0.0
    """Sum of the values; for a metric that passes or fails, the number that passed."""

    squares: float = 0.0
    """Sum of the squared values."""

    errors: int = 0
    """Trials that gave no score because something failed. They are in no mean and in every denominator of trust."""

    skipped: int = 0

    @property
    def mean(self) -> float | None:
        """None without a scored trial."""
        return self.total / self.n if self.n else None

    def plus(self, other: Sample) -> Sample:
        """Both together."""
        return Sample(
            n=self.n + other.n,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            errors=self.errors + other.errors,
            skipped=self.skipped + other.skipped,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One metric of one version over the cases of a suite."""

    samples: Mapping[str, Sample]
    """By case id, every case that was attempted, in the order of the suite."""

    is_rate: bool
    """Values are 0 or 1: passed or not."""

    judges: tuple[str, ...] = ()
    """Fingerprints of the judges that scored it, sorted. Scores of other judges cannot be compared with it."""

    @property
    def n(self) -> int:
        """Scored trials."""
        return sum(sample.n for sample in self.samples.values())

    @property
    def errors(self) -> int:
        """Failed trials."""
        return sum(sample.errors for sample in self.samples.values())

    @property
    def mean(self) -> float | None:
        """Of the per-case means, so that a case tried more often does not weigh more. None where nothing was scored."""
        means = [mean for sample in self.samples.values() if (mean := sample.mean) is not None]
        return math.fsum(means) / len(means) if means else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """All that is known of one version under one suite."""

    suite: str
    """Name and digest of the suite (`support@sha256:...`): tables of other suites cannot be compared with it."""

    version: Digest
    columns: Mapping[str, Column] = field(default_factory=dict[str, Column])
    """By metric."""


_COUNTED: Final = (Sample(1, 0.0, 0.0), Sample(1, 1.0, 1.0))
"""One trial that failed, and one that passed."""


def table_of(suite: str, version: Digest, results: Iterable[Result], *, metrics: Iterable[str]) -> ScoreTable:
    """
    The table of one version. `metrics` are those that should be there: a run that failed counts as an error of each.

    A metric whose every score passed or failed is a rate, whatever its values: what is counted is the passing.
    """
    wanted = tuple(dict.fromkeys(metrics))
    scores: dict[str, list[tuple[str, Score]]] = {metric: [] for metric in wanted}
    for result in results:
        if result.attempt.version != version:
            continue
        case = result.attempt.case
        said = {score.metric: score for score in result.scores}
        for metric, score in said.items():
            scores.setdefault(metric, []).append((case, score))
        for metric in wanted:
            if metric not in said:
                scores[metric].append((case, Score.failed(metric, result.error or "the evaluator said nothing")))
    return ScoreTable(
        suite=suite, version=version, columns={metric: _column(found) for metric, found in scores.items()}
    )


def _column(found: list[tuple[str, Score]]) -> Column:
    scored = [score for _, score in found if score.status is Status.SCORED]
    is_rate = bool(scored) and all(score.passed is not None for score in scored)
    samples: dict[str, Sample] = {}
    for case, score in found:
        counted = is_rate and score.status is Status.SCORED
        sample = _COUNTED[bool(score.passed)] if counted else _sample(score)
        before = samples.get(case)
        samples[case] = sample if before is None else before.plus(sample)
    return Column(samples=samples, is_rate=is_rate, judges=tuple(sorted({score.judge for score in scored} - {""})))


def _sample(score: Score) -> Sample:
    if score.status is Status.SKIPPED:
        return Sample(skipped=1)
    if score.status is Status.ERROR or score.value is None:
        return Sample(errors=1)
    return Sample(1, score.value, score.value * score.value)
