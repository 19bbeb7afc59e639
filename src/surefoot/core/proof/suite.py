"""A suite: cases, what judges them, how often each is tried and what it may cost. What it says of one version."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, cast

from ..artifact.canonical import EMPTY, CanonicalJson, Json, canonical
from ..units import Digest, MicroUsd, Millis
from .case import Case
from .chance import seed_of
from .gate import Decision, GateReport, Ruling, decision_of
from .rates import Cluster, bootstrap_means
from .table import Column, ScoreTable, said_lacks

__all__ = ["JUDGE", "NO_LIMITS", "EvaluatorSpec", "Limits", "Suite", "case_digest", "lost_runs", "rule_suite"]

JUDGE: Final = "judge"
"""The `kind` of evaluators that ask a model."""

_SHOWN_CASES: Final = 20
_ROUNDING: Final = 1e-9

_REDRAWN: Final = 500
"""Samples of the cases behind how often a suite's own rule would miss."""

_MOST_LOST: Final = 0.05
"""Share of the runs that may be skipped although others like them were scored."""

_OF_SOME_RUNS: Final = frozenset({"tool_call_accuracy"})
"""Evaluators that are not about every run: one that called no tool called none wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run of a suite may use, all versions and trials together. None is no limit."""

    usd: MicroUsd | None = None
    """Money in micro-dollars. What a version costs has to be known for it."""

    tokens: int | None = None
    calls: int | None = None
    """Calls of an executor or a judge, repeated ones included."""

    time: Millis | None = None
    """From the first call on, in milliseconds."""


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec:
    """An evaluator as a suite names it."""

    kind: str
    metric: str
    parameters: CanonicalJson = EMPTY
    """An object: thresholds included, because they decide who passes."""

    pass_rate: float | None = None
    """The share of cases that has to pass for the suite to pass, 0 to 1. None: nobody wrote one, and it is all."""

    measures: bool = False
    """It has no threshold: what it finds is told and decides nothing."""

    @property
    def has_to_pass(self) -> float:
        """The share of cases, 0 to 1, written or not."""
        return 1.0 if self.pass_rate is None else self.pass_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Everything that is asked of a version. Made by `config.suites`, or in Python."""

    name: str
    cases: tuple[Case, ...]
    """At least one, in the order of the file, with distinct ids."""

    evaluators: tuple[EvaluatorSpec, ...]
    """At least one, with distinct metrics."""

    description: str = ""
    agent: str = ""
    """Whose versions it is for; empty: any."""

    tags: tuple[str, ...] = ()
    """`smoke`, `integration`, `regression`, ..."""

    trials: int = 1
    limits: Limits = NO_LIMITS
    concurrency: int = 8
    """Calls under way at once, at most; fewer while the endpoint is busy."""

    timeout: Millis = Millis(120_000)
    """What one call may take, in milliseconds."""

    tries: int = 5
    """Calls for one attempt, at most, where the transport fails."""

    digest: Digest = field(init=False)
    """Of the cases and the evaluators. Trials, limits and pace change how well a version is known, not the question."""

    def __post_init__(self) -> None:
        if not self.cases or not self.evaluators:
            raise ValueError("a suite without cases or evaluators proves nothing")
        if len({case.id for case in self.cases}) < len(self.cases):
            raise ValueError("two cases have one id")
        if len({spec.metric for spec in self.evaluators}) < len(self.evaluators):
            raise ValueError("two evaluators have one metric")
        asked = [
            *(case_digest(case) for case in self.cases),
            *(f"{spec.kind} {spec.metric} {spec.parameters}" for spec in self.evaluators),
        ]
        object.__setattr__(self, "digest", Digest("sha256:" + _sha("\n".join(asked))))

    @property
    def identity(self) -> str:
        """Name and digest: what tables, runs and baselines belong to."""
        return f"{self.name}@{self.digest}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(spec.metric for spec in self.evaluators)

    @property
    def judges(self) -> tuple[EvaluatorSpec, ...]:
        """The evaluators that ask a model."""
        return tuple(spec for spec in self.evaluators if spec.kind == JUDGE)

    def only(self, tag: str) -> Suite | None:
        """The suite of the cases with a tag, another suite by its digest; None where no case has it."""
        chosen = tuple(case for case in self.cases if tag in case.tags)
        return replace(self, cases=chosen) if chosen else None


def case_digest(case: Case) -> str:
    """The content of a case as 64 hexadecimal digits. Raises ArtifactError for anything that JSON cannot hold."""
    calls = (
        None if case.expected_calls is None else [{"name": c.name, "args": _json(c.args)} for c in case.expected_calls]
    )
    content: Mapping[str, Json] = {
        "id": case.id,
        "request": _json(case.request),
        "expected": _json(case.expected),
        "expected_calls": calls,
        "allowed_tools": case.allowed_tools,
        "context": case.context,
        "criteria": _json(case.criteria),
    }
    return _sha(canonical(content))


def rule_suite(suite: Suite, table: ScoreTable, *, stopped: str = "", is_gated: bool = False) -> GateReport:
    """
    What a suite by itself says of a version: each metric that can pass has to, in its `pass_rate` of the cases.

    A plain rule on the point: a metric fails if it would even had every error been a pass, is undecided while an error
    or `stopped` (why the run ended early) leaves it open, and passes with every case accounted for. Metrics that only
    measure are told and decide nothing. For a verdict on a change, compare with a baseline in a gate: where one does
    (`is_gated`), a `pass_rate` that nobody wrote is told and does not block, as long as something was scored.
    """
    rulings = tuple(_ruling(suite, spec, table.columns.get(spec.metric), stopped) for spec in suite.evaluators)
    if is_gated:
        rulings = tuple(
            _told_only(ruling) if spec.pass_rate is None and ruling.is_blocking and ruling.n and not stopped else ruling
            for spec, ruling in zip(suite.evaluators, rulings, strict=True)
        )
    return GateReport(decision=decision_of(rulings), version=table.version, suite=suite.identity, rulings=rulings)


def _ruling(suite: Suite, spec: EvaluatorSpec, column: Column | None, stopped: str) -> Ruling:
    found = _found(suite, spec, column, stopped)
    alarms = None if column is None or spec.measures else _miss_rate(suite, spec, column)
    said = "" if not alarms else f"; the same version would miss it {alarms:.0%} of the time on cases drawn anew"
    return Ruling(
        gate=f"{suite.name}: {spec.metric}",
        kind="suite",
        metric=spec.metric,
        decision=found.decision,
        reason=found.reason + said,
        is_blocking=not spec.measures,
        threshold=None if spec.measures else spec.has_to_pass,
        candidate=None if column is None else column.mean,
        n=0 if column is None else sum(sample.n > 0 for sample in column.samples.values()),
        false_alarms=alarms,
        cases=() if column is None or not column.is_rate else _failed(column),
    )


def _told_only(ruling: Ruling) -> Ruling:
    """All cases have to pass is what nobody asked for: it would block nearly every agent that did not change."""
    why = "; no pass_rate is written, so gates decide"
    return replace(
        ruling, is_blocking=False, reason=ruling.reason + ("" if ruling.decision is Decision.PASSED else why)
    )


def _miss_rate(suite: Suite, spec: EvaluatorSpec, column: Column) -> float | None:
    """How often a rule on the point fails the same version if the cases were drawn anew; None for a single case."""
    rates = [Cluster(rate, 1) for sample in column.samples.values() if (rate := sample.mean) is not None]
    if not column.is_rate or len(rates) < 2:
        return None
    means = bootstrap_means(rates, seed=seed_of(suite.identity, spec.metric), resamples=_REDRAWN)
    return sum(mean < spec.has_to_pass - _ROUNDING for mean in means) / len(means)


class _Found(NamedTuple):
    decision: Decision
    reason: str


def _found(suite: Suite, spec: EvaluatorSpec, column: Column | None, stopped: str) -> _Found:
    unseen = len(suite.cases) - (0 if column is None else len(column.samples))
    why_not = stopped or (f"{unseen} cases were not attempted" if unseen else "")
    if column is None or column.n == 0:
        errors, why = (0, "") if column is None else (column.errors, said_lacks(column.lacks))
        nothing = f"all {errors} runs ended in an error{why}" if errors else "no run was scored: all were skipped"
        return _Found(Decision.UNDECIDED, why_not or nothing)
    if why_not:
        return _Found(Decision.UNDECIDED, why_not)
    rate = column.mean or 0.0
    says = f"{rate:.1%} of the cases pass, {spec.has_to_pass:.1%} have to" if column.is_rate else f"measured: {rate:g}"
    if column.is_rate and _rate_at_best(column) < spec.has_to_pass - _ROUNDING:
        return _Found(Decision.FAILED, says)
    if column.errors:
        return _Found(Decision.UNDECIDED, f"{column.errors} runs ended in an error{said_lacks(column.lacks)}")
    if lost := lost_runs(suite, spec, column):
        return _Found(Decision.UNDECIDED, f"{says}; but {lost} runs were skipped where others like them were scored")
    return _Found(Decision.PASSED, says)


def lost_runs(suite: Suite, spec: EvaluatorSpec, column: Column) -> int:
    """
    Runs that were skipped for what the run lacked and not for what the case lacks; 0 up to a twentieth of all.

    A case lacks something if none that says as much was scored; a case that says as much as a scored one does not.
    """
    if spec.kind in _OF_SOME_RUNS:
        return 0
    shapes = {case.id: _shape(case, spec.metric) for case in suite.cases}
    able = {shapes[case] for case, sample in column.samples.items() if sample.n and case in shapes}
    alike = [sample for case, sample in column.samples.items() if shapes.get(case) in able]
    lost = sum(sample.skipped for sample in alike)
    return lost if lost > _MOST_LOST * sum(sample.n + sample.errors + sample.skipped for sample in alike) else 0


def _shape(case: Case, metric: str) -> tuple[bool, ...]:
    """Which of the things that an evaluator may need the case has."""
    asked = (case.expected, case.expected_calls, case.allowed_tools, case.context, case.criteria.get(metric))
    return tuple(one is not None for one in asked)


def _rate_at_best(column: Column) -> float:
    """The mean of the cases' rates, had every error been a pass."""
    rates = [
        (sample.total + sample.errors) / (sample.n + sample.errors)
        for sample in column.samples.values()
        if sample.n + sample.errors
    ]
    return math.fsum(rates) / len(rates)


def _failed(column: Column) -> tuple[str, ...]:
    return tuple(case for case, sample in column.samples.items() if sample.n and sample.total < sample.n)[:_SHOWN_CASES]


def _json(value: object) -> Json:
    """What came out of JSON or YAML is JSON; whatever else is refused where it is written."""
    return cast("Json", value)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
