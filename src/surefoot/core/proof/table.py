"""Results as counts: what gates read, baselines keep and reports show. Counts add up; means do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..units import Digest
from .score import ANSWERED, Result, Score, Status

__all__ = ["Column", "Lack", "Sample", "ScoreTable", "lacks_of", "said_lacks", "table_of"]

_MOST_LACKS: Final = 3


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


class Lack(NamedTuple):
    """Why there was no score, and how often."""

    reason: str
    """The first one that was said so; others may quote another answer of the judge."""

    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One metric of one version over the cases of a suite."""

    samples: Mapping[str, Sample]
    """By case id, every case that was attempted, in the order of the suite."""

    is_rate: bool
    """Values are 0 or 1: passed or not."""

    judges: tuple[str, ...] = ()
    """Fingerprints of the judges that scored it, sorted. Scores of other judges cannot be compared with it."""

    lacks: tuple[Lack, ...] = field(default=(), compare=False)
    """Why runs or their evaluator failed, at most three reasons, the most frequent first. In no decision."""

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
    wrong: dict[str, list[Score]] = {}
    for result in results:
        if result.attempt.version != version:
            continue
        case = result.attempt.case
        said = {score.metric: score for score in result.scores}
        for metric, score in said.items():
            scores.setdefault(metric, []).append((case, score))
            if score.status is Status.ERROR:
                wrong.setdefault(metric, []).append(score)
        for metric in wanted:
            if metric not in said:
                failed = Score.failed(metric, result.error or "the evaluator said nothing")
                scores[metric].append((case, failed))
                wrong.setdefault(metric, []).append(failed)
    columns = {metric: _column(found, lacks_of(wrong.get(metric, ()))) for metric, found in scores.items()}
    return ScoreTable(suite=suite, version=version, columns=columns)


def lacks_of(scores: Iterable[Score]) -> tuple[Lack, ...]:
    """The distinct reasons of scores that went wrong, at most three, the most frequent first."""
    kinds: dict[str, Lack] = {}
    for score in scores:
        if score.status is Status.ERROR:
            kind = score.reason.partition(ANSWERED)[0]
            before = kinds.get(kind, Lack(score.reason, 0))
            kinds[kind] = before._replace(times=before.times + 1)
    return tuple(sorted(kinds.values(), key=lambda lack: -lack.times)[:_MOST_LACKS])


def said_lacks(lacks: Iterable[Lack]) -> str:
    """The reasons as the end of a sentence, `: REASON (2); REASON (1)`; empty where there is none."""
    said = "; ".join(f"{lack.reason} ({lack.times})" for lack in lacks)
    return f": {said}" if said else ""


def _column(found: list[tuple[str, Score]], lacks: tuple[Lack, ...]) -> Column:
    scored = [score for _, score in found if score.status is Status.SCORED]
    is_rate = bool(scored) and all(score.passed is not None for score in scored)
    samples: dict[str, Sample] = {}
    for case, score in found:
        counted = is_rate and score.status is Status.SCORED
        sample = _COUNTED[bool(score.passed)] if counted else _sample(score)
        before = samples.get(case)
        samples[case] = sample if before is None else before.plus(sample)
    judges = tuple(sorted({score.judge for score in scored} - {""}))
    return Column(samples=samples, is_rate=is_rate, judges=judges, lacks=lacks)


def _sample(score: Score) -> Sample:
    if score.status is Status.SKIPPED:
        return Sample(skipped=1)
    if score.status is Status.ERROR or score.value is None:
        return Sample(errors=1)
    return Sample(1, score.value, score.value * score.value)
