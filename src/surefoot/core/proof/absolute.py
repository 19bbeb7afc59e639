"""Gates that look at the candidate alone: thresholds, suites, invariants and budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from .corrected import corrected_mean, told, unfit
from .distributions import student_quantile
from .gate import Decision, Ruling
from .gate_kinds import Amount, BudgetGate, InvariantGate, On, SuiteGate, ThresholdGate
from .increase import increase
from .judged import Judged, Scored, draft, percent, scored, settled, worst_case
from .rates import Bounds, Cluster, bootstrap_means, clopper_pearson, rogan_gladen, wilson
from .table import Column, Sample

__all__ = ["budget", "invariant", "rate_bounds", "suite", "threshold"]


def threshold(gate: ThresholdGate, judged: Judged) -> Ruling:
    """
    Passed if the confidence bound is on the right side, failed if the mean is not, and otherwise not decided.

    Rates at least something: Wilson's bound; rates at most something: the exact one, because harm is rare and Wilson's
    is too short there. Amounts: Student's, over per-case means. Trials without a score count as failed if that matters.
    """
    found = scored(gate, judged)
    if isinstance(found, Ruling):
        return found
    column = found.column
    if gate.judge_errors is not None:
        if why := unfit(gate, gate.judge_errors, column):
            return draft(gate, Decision.UNDECIDED, why)
        found = found._replace(note=found.note + told(gate.judge_errors, column))
    mean = _mean(gate, column)
    if mean is None:
        return draft(gate, Decision.UNDECIDED, "nothing ran")
    bounds = _bounds(column, gate, judged)
    ruling = replace(
        draft(gate, Decision.UNDECIDED, ""),
        threshold=gate.threshold,
        candidate=mean,
        n=_cases(column, judged),
        bound=None if bounds is None else bounds.low if gate.operator.wants_more else bounds.high,
    )
    if gate.on is On.MEAN:
        return _on_mean(gate, ruling, found, judged)
    if bounds is None:
        return settled(ruling, Decision.UNDECIDED, "a mean without n has no bound: give n and passed, or mean and sd")
    return _on_bound(gate, ruling, found, bounds, judged)


def suite(gate: SuiteGate, judged: Judged) -> Ruling:
    """Passed if at most `max_failed` cases failed a trial; a case without a score is no pass."""
    found = scored(gate, judged)
    if isinstance(found, Ruling):
        return found
    if not found.column.is_rate:
        return draft(gate, Decision.UNDECIDED, f"{gate.metric} only measures: nothing in it passes or fails")
    samples = found.column.samples
    if judged.has_cases:
        broken = tuple(case for case, sample in samples.items() if sample.n and sample.total < sample.n)
        failed, count = len(broken), sum(1 for sample in samples.values() if sample.n)
        unknown = sum(1 for sample in samples.values() if sample.errors and sample.total >= sample.n)
    else:
        broken, count = (), found.column.n
        failed, unknown = count - round(sum(sample.total for sample in samples.values())), found.column.errors
    ruling = replace(
        draft(gate, Decision.PASSED, f"{count - failed} of {count} cases passed{found.note}"),
        threshold=float(gate.max_failed),
        candidate=found.column.mean,
        n=count,
        cases=broken,
    )
    if failed > gate.max_failed:
        return settled(ruling, Decision.FAILED, f"{failed} of {count} cases failed, at most {gate.max_failed} may")
    if failed + unknown > gate.max_failed:
        return settled(ruling, Decision.UNDECIDED, f"{unknown} cases have trials without a score, which are no passes")
    return ruling


def invariant(gate: InvariantGate, judged: Judged) -> Ruling:
    """Failed by a single trial that did not pass; passed only if every trial that applied has a score."""
    found = scored(gate, judged, counts_all=True)
    if isinstance(found, Ruling):
        return found
    column = found.column
    if not column.is_rate:
        return draft(gate, Decision.UNDECIDED, f"{gate.metric} only measures: nothing in it passes or fails")
    broken = tuple(case for case, sample in column.samples.items() if sample.total < sample.n)
    times = column.n - round(sum(sample.total for sample in column.samples.values()))
    limit = clopper_pearson(times, column.n, confidence=0.90).high
    ruling = replace(
        draft(gate, Decision.PASSED, f"not once in {column.n} trials, which allows at most {percent(limit)}"),
        threshold=0.0,
        candidate=times / column.n,
        bound=limit,
        n=_cases(column, judged),
    )
    if times:
        where = f" ({_named(broken)})" if judged.has_cases else ""
        return replace(
            settled(ruling, Decision.FAILED, f"{times} of {column.n} trials broke it{where}"),
            cases=broken if judged.has_cases else (),
        )
    if column.errors:
        return settled(ruling, Decision.UNDECIDED, f"{column.errors} trials ended without a score; never means never")
    return ruling


def budget(gate: BudgetGate, judged: Judged) -> Ruling:
    """Passed within the limit; what was not recorded is not free, so it can only fail or leave it undecided."""
    found = scored(gate, judged, counts_all=True)
    if isinstance(found, Ruling):
        return found
    column = found.column
    if column.is_rate:
        return draft(gate, Decision.UNDECIDED, f"{gate.metric} counts passes, and a budget is for amounts")
    if gate.max_increase is not None:
        return increase(gate, gate.max_increase, found, judged)
    unknown = sum(sample.errors + sample.skipped for sample in column.samples.values())
    limit, spent = gate.limit or 0.0, _amount(gate.of, column)
    said = f"{gate.of} {gate.metric} is {spent:g}, the limit is {limit:g}"
    ruling = replace(draft(gate, Decision.PASSED, said), threshold=limit, candidate=spent, n=_cases(column, judged))
    if spent > limit and (gate.of is not Amount.MEAN or not unknown):
        dear = tuple(case for case, sample in column.samples.items() if (sample.mean or 0.0) > limit)
        return replace(ruling, decision=Decision.FAILED, cases=dear if gate.of is Amount.EACH else ())
    if unknown:
        return settled(ruling, Decision.UNDECIDED, f"{said}; of {unknown} trials it is not known, and unknown is not 0")
    if gate.of is Amount.EACH and not judged.has_cases:
        return settled(ruling, Decision.UNDECIDED, f"{said}, but single cases are not known")
    return ruling


def rate_bounds(column: Column, *, has_cases: bool, confidence: float, exact: bool) -> Bounds:
    """
    Two-sided bounds of a rate whose trials come in cases.

    Trials of a case resemble one another, so they count as many independent ones as their spread between cases says,
    but at least one a case: Korn and Graubard (1998), Survey Methodology 24.
    """
    interval = clopper_pearson if exact else wilson
    counted = _independent(column, has_cases=has_cases)
    return interval(counted.total, counted.n, confidence=confidence)


class _Independent(NamedTuple):
    """As many independent trials as there would be with the same uncertainty."""

    total: float
    n: float


def _independent(column: Column, *, has_cases: bool) -> _Independent:
    sizes = [sample.n for sample in column.samples.values() if sample.n]
    mean, trials = column.mean or 0.0, sum(sizes)
    if not has_cases or trials == len(sizes):
        return _Independent(sum(sample.total for sample in column.samples.values()), trials)
    count = len(sizes)
    means = [sample.mean for sample in column.samples.values() if sample.mean is not None]
    spread = math.fsum((value - mean) ** 2 for value in means) / max(1, count - 1) / count
    effective = mean * (1.0 - mean) / spread if spread > 0.0 else float(count)
    effective = min(max(effective, float(count)), float(trials))
    return _Independent(min(mean, 1.0) * effective, effective)


def _mean(gate: ThresholdGate, column: Column) -> float | None:
    """What was seen; where the judge's errors are known, what that means."""
    mean = column.mean
    return mean if mean is None or gate.judge_errors is None else corrected_mean(mean, gate.judge_errors)


def _bounds(column: Column, gate: ThresholdGate, judged: Judged) -> Bounds | None:
    two_sided = 2.0 * gate.confidence - 1.0
    if two_sided <= 0.0:
        mean = _mean(gate, column) or 0.0
        return Bounds(mean, mean)
    if column.is_rate and gate.judge_errors is not None:
        counted = _independent(column, has_cases=judged.has_cases)
        fixed = rogan_gladen(counted.total, counted.n, gate.judge_errors, confidence=two_sided)
        return None if fixed is None else fixed.bounds
    if column.is_rate:
        exact = not gate.operator.wants_more
        return rate_bounds(column, has_cases=judged.has_cases, confidence=two_sided, exact=exact)
    if judged.has_cases:
        values = [average for sample in column.samples.values() if (average := sample.mean) is not None]
        n, mean = len(values), column.mean or 0.0
        square, whole = math.fsum((value - mean) ** 2 for value in values), max(values) - min(values)
    else:
        n, square, mean = _moments(column.samples.values())
        whole = 0.0
    if n < 2:
        return None
    # values that are all alike claim no certainty: at least as if one of them had gone the whole way
    spread = max(math.sqrt(square / (n - 1)), (whole or (abs(mean) if square <= 0.0 else 0.0)) / math.sqrt(n))
    half = student_quantile(gate.confidence, n - 1) * spread / math.sqrt(n)
    return Bounds(mean - half, mean + half)


def _moments(samples: Iterable[Sample]) -> tuple[int, float, float]:
    """n, sum of squared deviations and mean of a metric whose totals are all that is known."""
    whole = Sample()
    for sample in samples:
        whole = whole.plus(sample)
    mean = whole.mean or 0.0
    return whole.n, max(0.0, whole.squares - whole.n * mean * mean), mean


def _on_mean(gate: ThresholdGate, ruling: Ruling, found: Scored, judged: Judged) -> Ruling:
    mean, column = ruling.candidate or 0.0, found.column
    holds = gate.operator.holds(mean, gate.threshold)
    said = f"the mean {mean:.4g} is {'' if holds else 'not '}{gate.operator} {gate.threshold:g}{found.note}"
    ruling = replace(ruling, false_alarms=_miss_rate(gate, column, judged))
    if not holds:
        return settled(ruling, Decision.FAILED, said)
    if judged.has_cases and ruling.n < judged.gates.min_cases:
        return settled(ruling, Decision.UNDECIDED, f"{said}, but {ruling.n} cases are too few")
    if column.errors and not _holds_at_worst(gate, column):
        return settled(ruling, Decision.UNDECIDED, f"{said}, but not if the {column.errors} errors were failures")
    return settled(ruling, Decision.PASSED, said)


def _on_bound(gate: ThresholdGate, ruling: Ruling, found: Scored, bounds: Bounds, judged: Judged) -> Ruling:
    mean, wants_more = ruling.candidate or 0.0, gate.operator.wants_more
    bound, other = (bounds.low, bounds.high) if wants_more else (bounds.high, bounds.low)
    word = "at least" if wants_more else "at most"
    said = f"{mean:.4g} on {ruling.n} cases, {word} {bound:.4g} at {percent(gate.confidence)}{found.note}"
    if not gate.operator.holds(other, gate.threshold):
        return settled(ruling, Decision.FAILED, f"{said}: surely not {gate.operator} {gate.threshold:g}")
    if ruling.n < judged.gates.min_cases:
        return settled(ruling, Decision.UNDECIDED, f"{ruling.n} cases are too few ({judged.gates.min_cases} are asked)")
    if not gate.operator.holds(mean, gate.threshold):
        return settled(ruling, Decision.FAILED, f"{said}: not {gate.operator} {gate.threshold:g}")
    if not gate.operator.holds(bound, gate.threshold):
        reason = f"{said}: the mean is {gate.operator} {gate.threshold:g}, too few cases to prove it"
        return settled(ruling, Decision.UNDECIDED, reason)
    if found.column.errors and not found.column.is_rate:
        reason = f"{said}, but {found.column.errors} trials have no amount, and the worst one is not known"
        return settled(ruling, Decision.UNDECIDED, reason)
    if found.column.errors:
        worst = _bounds(replace(found.column, samples=_worst(gate, found.column)), gate, judged)
        low = None if worst is None else worst.low if wants_more else worst.high
        if low is None or not gate.operator.holds(low, gate.threshold):
            reason = f"{said}, but not if the {found.column.errors} trials without a score had failed"
            return settled(ruling, Decision.UNDECIDED, reason)
    return settled(ruling, Decision.PASSED, said)


def _worst(gate: ThresholdGate, column: Column) -> Mapping[str, Sample]:
    """Trials without a score as the worse of both answers: not passed where more is better, passed where less is."""
    if gate.operator.wants_more:
        return worst_case(column)
    return {
        case: sample._replace(n=sample.n + sample.errors, total=sample.total + sample.errors, errors=0)
        for case, sample in column.samples.items()
    }


def _holds_at_worst(gate: ThresholdGate, column: Column) -> bool:
    if not column.is_rate:
        return False
    mean = _mean(gate, replace(column, samples=_worst(gate, column)))
    return mean is not None and gate.operator.holds(mean, gate.threshold)


def _miss_rate(gate: ThresholdGate, column: Column, judged: Judged) -> float | None:
    """How often the same version would miss the threshold if the cases were drawn anew."""
    clusters = [Cluster(sample.mean, 1) for sample in column.samples.values() if sample.mean is not None]
    if not judged.has_cases or len(clusters) < 2 or not judged.shuffles:
        return None
    means = bootstrap_means(clusters, seed=judged.seed, resamples=judged.shuffles)
    if gate.judge_errors is not None:
        means = [corrected_mean(mean, gate.judge_errors) for mean in means]
    return sum(not gate.operator.holds(mean, gate.threshold) for mean in means) / len(means)


def _amount(of: Amount, column: Column) -> float:
    match of:
        case Amount.MEAN:
            return column.mean or 0.0
        case Amount.EACH:
            return max(mean for sample in column.samples.values() if (mean := sample.mean) is not None)
        case Amount.TOTAL:
            return math.fsum(sample.total for sample in column.samples.values())


def _cases(column: Column, judged: Judged) -> int:
    return sum(1 for sample in column.samples.values() if sample.n) if judged.has_cases else column.n


def _named(cases: tuple[str, ...], shown: int = 3) -> str:
    more = f" and {len(cases) - shown} more" if len(cases) > shown else ""
    return ", ".join(cases[:shown]) + more
