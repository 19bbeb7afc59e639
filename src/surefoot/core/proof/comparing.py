"""Gates that look at the candidate beside its baseline: tests, and simple rules with the false alarms they raise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .baseline import EVERYTHING
from .distributions import student_quantile
from .gate import Decision, Ruling
from .gate_kinds import RegressionGate, RuleGate, SimpleRule, Test
from .judged import Judged, Scored, draft, is_finite, percent, scored, settled, worst_case
from .significance import fisher, holm, mcnemar, paired_permutation, paired_t, smallest_drop
from .table import Column, Sample
from .unchanged import Pair, Rule, degraded_rule, false_alarm_rate, mean_drop_rule, paired_t_rule

__all__ = ["Compared", "compared", "decided", "simple"]

_Gate = RegressionGate | RuleGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A regression gate with its p-value, waiting for those of the others (Holm)."""

    gate: RegressionGate
    ruling: Ruling
    p_value: float
    worst: float
    """The p-value if every trial without a score had gone against the candidate."""

    better: float
    """The p-value of the other direction: whether it improved."""

    lowest: float
    """One-sided confidence bound of the mean difference; negative is worse."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Both columns of a metric, and the cases that both have scored."""

    pairs: tuple[Pair, ...]
    worst: tuple[Pair, ...]
    candidate: Column
    baseline: Column
    sign: float
    """1 where more is better, -1 where less is."""

    note: str

    @property
    def has_unknown_worst(self) -> bool:
        """Whether trials of the candidate have no amount: a lost one may be as bad as any."""
        return not self.candidate.is_rate and self.candidate.errors > 0

    @property
    def differences(self) -> list[float]:
        """Per case; negative is worse."""
        return [self.sign * pair.difference for pair in self.pairs]


def compared(gate: RegressionGate, judged: Judged, *, among: int = 1) -> Ruling | Compared:
    """
    The test of one regression gate, or why there is none.

    `among`: how many block. Each of them may have to keep to that part of alpha, so what it can see is told for that.
    """
    sides = _sides(gate, judged)
    if isinstance(sides, Ruling):
        return sides
    alpha = judged.gates.alpha / max(1, among) if gate.is_blocking else judged.gates.alpha
    if not judged.has_cases:
        return _unpaired(gate, sides, judged, alpha)
    differences = sides.differences
    n, is_rate = len(differences), sides.candidate.is_rate
    mean, lowest = math.fsum(differences) / n, -math.inf
    if (spread := paired_t(differences)) is not None:
        least = student_quantile(1.0 - judged.gates.alpha, n - 1)
        lowest = mean - least * max(spread.error, _floor(sides) / math.sqrt(n))
    ruling = replace(
        _measured(gate, sides, judged),
        cases=_fell(sides, by=0.5 if is_rate else 0.0),
        smallest_drop=smallest_drop(_spread(sides), n, alpha=alpha, power=judged.gates.power, is_rate=is_rate),
        false_alarms=_false_alarms(sides, paired_t_rule(alpha, n), judged) if gate.test is Test.T else None,
    )
    p_value, worst = (_p_value(gate.test, pairs, sides.sign, judged.seed) for pairs in (sides.pairs, sides.worst))
    if sides.has_unknown_worst:
        worst = 0.0
    better = _p_value(gate.test, sides.pairs, -sides.sign, judged.seed)
    return Compared(
        gate=gate, ruling=ruling, p_value=p_value, worst=worst, better=better, lowest=lowest, note=sides.note
    )


def decided(found: Sequence[Ruling | Compared], judged: Judged) -> tuple[Ruling, ...]:
    """All of them, their p-values held against alpha together: one in twenty of many would always be found."""
    tested = [one for one in found if isinstance(one, Compared)]
    blocking = [one for one in tested if one.gate.is_blocking]
    adjusted = dict(zip(map(id, blocking), holm([one.p_value for one in blocking]), strict=True))
    worst = dict(zip(map(id, blocking), holm([one.worst for one in blocking]), strict=True))
    return tuple(
        one
        if isinstance(one, Ruling)
        else _decision(
            one, adjusted.get(id(one), one.p_value), worst.get(id(one), one.worst), judged, among=len(blocking)
        )
        for one in found
    )


def simple(gate: RuleGate, judged: Judged) -> Ruling:
    """A rule that somebody asked for by name, and how often it blocks a version that did not change."""
    sides = _sides(gate, judged)
    if isinstance(sides, Ruling):
        return sides
    if not judged.has_cases and gate.rule is SimpleRule.DEGRADED_CASES:
        return draft(gate, Decision.UNDECIDED, "single cases are not known, so none can be counted")
    differences = sides.differences
    if gate.rule is SimpleRule.MEAN_DROP:
        rule, seen = mean_drop_rule(gate.limit), -math.fsum(differences) / len(differences)
        said = f"the mean {_moved(-sides.sign * seen)}, a {_harm(gate)} of at most {gate.limit:g} is allowed"
    else:
        rule = degraded_rule(gate.limit, gate.by)
        seen = float(sum(value < -gate.by - 1e-12 for value in differences))
        said = f"{seen:g} cases fell by more than {gate.by:g}, at most {gate.limit:g} may"
    alarms = _false_alarms(sides, rule, judged) if judged.has_cases else None
    ruling = replace(
        _measured(gate, sides, judged),
        threshold=gate.limit,
        false_alarms=alarms,
        smallest_drop=smallest_drop(_spread(sides), len(differences), is_rate=sides.candidate.is_rate),
        cases=_fell(sides, by=gate.by),
    )
    known = (
        "how often it blocks an unchanged version is not known"
        if alarms is None
        else (f"blocks an unchanged version {percent(alarms)} of the time")
    )
    said = f"{said}; this rule {known}" if alarms is not None else f"{said}; {known}"
    if rule([value for value in differences if value], len(differences)):
        return settled(ruling, Decision.FAILED, said)
    if sides.has_unknown_worst:
        reason = f"{said}; {sides.candidate.errors} trials have no amount, and the worst one is not known"
        return settled(ruling, Decision.UNDECIDED, reason)
    if rule([value for pair in sides.worst if (value := sides.sign * pair.difference)], len(differences)):
        return settled(ruling, Decision.UNDECIDED, f"{said}; trials without a score would break it")
    return settled(ruling, Decision.PASSED, said + sides.note)


def _decision(one: Compared, p_value: float, worst: float, judged: Judged, *, among: int) -> Ruling:
    """What the p-values say; a blocking one was adjusted for all `among` that block."""
    ruling, alpha = replace(one.ruling, p_value=p_value), judged.gates.alpha
    change = (ruling.candidate or 0.0) - (ruling.baseline or 0.0)
    went = f"{ruling.baseline or 0.0:.4g} -> {ruling.candidate or 0.0:.4g} ({change:+.4g}"
    adjusted, alone = (f", adjusted for {among} gates", " alone") if among > 1 else ("", "")
    seen = f"{went}, p = {p_value:.3g}{adjusted if one.gate.is_blocking else alone})"
    drop = ruling.smallest_drop
    sees = (
        ""
        if not drop  # amounts that never moved say nothing of what could be seen
        else f"; a {_harm(one.gate)} of {drop:.3g} would be found {percent(judged.gates.power)} of the time"
    )
    if p_value <= alpha:
        return settled(ruling, Decision.FAILED, f"worse than the baseline: {seen}{one.note}")
    if worst <= alpha:
        lost = "worse if the trials without a score had failed"
        if one.worst == 0.0:
            lost = "trials have no amount, and the worst one is not known"
        return settled(ruling, Decision.UNDECIDED, f"{seen}, but {lost}")
    margin = one.gate.prove_within
    if margin is not None:
        ruling = replace(ruling, bound=one.lowest, threshold=-margin)
        if one.lowest <= -margin:
            reason = f"{seen}: it may be worse by {-one.lowest:.3g}, and {margin:g} has to be ruled out{sees}"
            return settled(ruling, Decision.UNDECIDED, reason)
        return settled(ruling, Decision.PASSED, f"not worse by more than {margin:g}: {seen}{one.note}")
    if one.better <= alpha:
        better = f"{went}, p = {one.better:.3g}{alone})"
        return settled(ruling, Decision.PASSED, f"better than the baseline: {better}{one.note}")
    return settled(ruling, Decision.PASSED, f"no evidence that it is worse: {seen}{sees}{one.note}")


def _moved(change: float) -> str:
    """Which way a mean went, and how far."""
    if abs(change) < 1e-12:
        return "did not change"
    return f"{'rose' if change > 0.0 else 'fell'} by {abs(change):.4g}"


def _harm(gate: _Gate) -> str:
    """Which way is worse."""
    return "rise" if gate.is_lower_better else "drop"


def _sides(gate: _Gate, judged: Judged) -> Ruling | _Sides:
    """Both columns, if they can be compared at all."""
    found = scored(gate, judged)
    if isinstance(found, Ruling):
        return found
    before = None if judged.baseline is None else judged.baseline.columns.get(gate.metric)
    if before is None:
        return draft(gate, Decision.UNDECIDED, judged.no_baseline or f"the baseline has no {gate.metric}")
    held = judged.quarantined(gate.metric)
    before = replace(before, samples={case: one for case, one in before.samples.items() if case not in held})
    why = _incomparable(found, before, judged)
    if why:
        return draft(gate, Decision.UNDECIDED, why)
    sign = -1.0 if gate.is_lower_better else 1.0
    pairs = _pairs(before.samples, found.column.samples)
    if judged.has_cases and len(pairs) < judged.gates.min_cases:
        reason = f"{len(pairs)} cases on both sides are too few ({judged.gates.min_cases} are asked)"
        return draft(gate, Decision.UNDECIDED, reason)
    missing = [
        case for case, sample in before.samples.items() if sample.n and not _tried(found.column.samples.get(case))
    ]
    if len(missing) > judged.diverged or any(case not in found.column.samples for case in missing):
        reason = f"{len(missing)} cases of the baseline have no score now, and a missing case is not a pass"
        return replace(draft(gate, Decision.UNDECIDED, reason), cases=tuple(missing), n=len(pairs))
    worst = _pairs(_worst(before, passed=sign > 0), _worst(found.column, passed=sign < 0))
    note = found.note + _of_fresh(pairs, judged)
    return _Sides(pairs=pairs, worst=worst, candidate=found.column, baseline=before, sign=sign, note=note)


def _of_fresh(pairs: Sequence[Pair], judged: Judged) -> str:
    """What the fresh trials show by themselves: over all cases, those that never flipped thin it out."""
    again = [pair for pair in pairs if pair.case in judged.renewed]
    if not again:
        return ""
    before = math.fsum(pair.before.mean or 0.0 for pair in again) / len(again)
    after = math.fsum(pair.after.mean or 0.0 for pair in again) / len(again)
    return f"; {len(again)} cases flipped and count by their fresh trials, which went {before:.4g} -> {after:.4g}"


def _incomparable(found: Scored, before: Column, judged: Judged) -> str:
    """Why the two columns cannot be compared; empty if they can."""
    column = found.column
    if column.judges != before.judges:
        return (
            f"scored by another judge ({', '.join(column.judges) or 'none'}) than the baseline "
            f"({', '.join(before.judges) or 'none'}): score the baseline's answers again"
        )
    if column.is_rate != before.is_rate:
        return "passes on one side and values on the other: score both in the same way"
    if not before.n:
        return "the baseline has no scored trial"
    if not is_finite(before):
        return "the baseline's values do not add up to a finite number"
    if judged.has_cases:
        return ""
    if not column.is_rate:
        return "means without cases cannot be tested: give n and passed, or a table with its cases"
    if min(column.n, before.n) < judged.gates.min_cases:
        return f"{min(column.n, before.n)} trials are too few ({judged.gates.min_cases} are asked)"
    return ""


def _unpaired(gate: RegressionGate, sides: _Sides, judged: Judged, alpha: float) -> Compared:
    """Totals only: Fisher's test, which sees less than a paired one."""
    new, old = sides.candidate.samples[EVERYTHING], sides.baseline.samples[EVERYTHING]
    passed, passed_before = round(new.total), round(old.total)
    fell = fisher(passed, new.n, passed_before, old.n)
    rose = fisher(new.n - passed, new.n, old.n - passed_before, old.n)
    p_value, better = (fell, rose) if sides.sign > 0 else (rose, fell)
    # what has no score as it would be worst: against the candidate, and for the baseline
    tried, tried_before = new.n + new.errors, old.n + old.errors
    worst = (
        fisher(passed, tried, passed_before + old.errors, tried_before)
        if sides.sign > 0
        else fisher(tried - passed - new.errors, tried, tried_before - passed_before, tried_before)
    )
    rate = (new.total + old.total) / (new.n + old.n)
    size = max(1, round(new.n * old.n / (new.n + old.n)))
    # rates of 0 or 1 have no spread to measure with: at least as if one of so many trials had gone the other way
    deviation = max(math.sqrt(rate * (1.0 - rate)), 1.0 / math.sqrt(new.n + old.n))
    drop = sides.sign * ((new.mean or 0.0) - (old.mean or 0.0))
    ruling = replace(
        _measured(gate, sides, judged),
        n=min(new.n, old.n),
        smallest_drop=smallest_drop(deviation, size, alpha=alpha, power=judged.gates.power),
    )
    note = f"; totals only: cases would see more{sides.note}"
    lowest = drop - student_quantile(1.0 - judged.gates.alpha, size) * deviation / math.sqrt(size)
    return Compared(gate=gate, ruling=ruling, p_value=p_value, worst=worst, better=better, lowest=lowest, note=note)


def _measured(gate: _Gate, sides: _Sides, judged: Judged) -> Ruling:
    """A ruling with what was seen on the cases that both sides have."""
    count = len(sides.pairs)
    return replace(
        draft(gate, Decision.UNDECIDED, ""),
        baseline=math.fsum(pair.before.mean or 0.0 for pair in sides.pairs) / count,
        candidate=math.fsum(pair.after.mean or 0.0 for pair in sides.pairs) / count,
        n=count,
    )


def _p_value(test: Test, pairs: Sequence[Pair], sign: float, seed: int) -> float:
    differences = [sign * pair.difference for pair in pairs]
    match test:
        case Test.T:
            found = paired_t(differences)
            return 1.0 if found is None else found.p_value
        case Test.PERMUTATION:
            return paired_permutation(differences, seed=seed)
        case Test.MCNEMAR:
            votes = [(_vote(pair.before), _vote(pair.after)) for pair in pairs]
            fell, rose = (sum(one and not other for one, other in side) for side in (votes, [v[::-1] for v in votes]))
            return mcnemar(fell, rose) if sign > 0 else mcnemar(rose, fell)


def _vote(sample: Sample) -> bool:
    return (sample.mean or 0.0) >= 0.5


def _pairs(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> tuple[Pair, ...]:
    return tuple(
        Pair(case, one, other)
        for case, one in before.items()
        if one.n and (other := after.get(case)) is not None and other.n
    )


def _worst(column: Column, *, passed: bool) -> Mapping[str, Sample]:
    """Trials without a score as passed or as failed, of rates; amounts stay as they are."""
    if not column.is_rate:
        return column.samples
    if not passed:
        return worst_case(column)
    return {
        case: sample._replace(n=sample.n + sample.errors, total=sample.total + sample.errors, errors=0)
        for case, sample in column.samples.items()
    }


def _tried(sample: Sample | None) -> bool:
    """Whether a case has a score, or an error that counts as one: what was only skipped shows nothing."""
    return sample is not None and bool(sample.n or sample.errors)


def _fell(sides: _Sides, *, by: float) -> tuple[str, ...]:
    """The cases that fell by at least that much, the deepest first."""
    fell = [(sides.sign * pair.difference, pair.case) for pair in sides.pairs]
    return tuple(case for change, case in sorted(fell, key=lambda one: one[0]) if change < 0.0 and -change >= by)


def _floor(sides: _Sides) -> float:
    """
    The least standard deviation that so few cases can rule out: as if one of them had gone the whole way.

    Without it, cases that all came out alike would claim to see any drop.
    """
    values = [mean for pair in sides.pairs for mean in (pair.before.mean or 0.0, pair.after.mean or 0.0)]
    whole = 1.0 if sides.candidate.is_rate else max(values) - min(values) or abs(max(values))
    return whole / math.sqrt(len(sides.pairs))


def _spread(sides: _Sides) -> float:
    differences = sides.differences
    mean = math.fsum(differences) / len(differences)
    square = math.fsum((value - mean) ** 2 for value in differences) / max(1, len(differences) - 1)
    return max(math.sqrt(square), _floor(sides))


def _false_alarms(sides: _Sides, rule: Rule, judged: Judged) -> float | None:
    return false_alarm_rate(
        sides.pairs,
        rule,
        seed=judged.seed,
        is_rate=sides.candidate.is_rate,
        sign=sides.sign,
        repetitions=judged.shuffles,
    )
