"""Two versions on the same tape, side by side: per trace, in total, and what the gates say to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from types import MappingProxyType
from typing import Final, NamedTuple

from ..units import Digest
from .gate import Decision, GateReport, Ruling, decision_of
from .gate_kinds import BudgetGate, Gate, Gates, RegressionGate
from .gating import Conduct, rule
from .judged import readable
from .replay import CALLS_MADE_AGAIN, DIED, METRICS, RAISED, SUCCEEDED_THEN, Level, Limits, Outcome, outcome_of
from .replay_refused import REFUSED
from .score import Result, Score
from .significance import mcnemar
from .table import ScoreTable, table_of

__all__ = ["Arm", "Ratio", "Replayed", "Row", "Totals", "replay_gates", "verdict"]

_KEPT: Final = frozenset({*METRICS, "step_agreement"})
"""What is known of a run that left its tape."""

_NOT_COUNTED: Final = frozenset({CALLS_MADE_AGAIN, DIED, RAISED, REFUSED, SUCCEEDED_THEN})
"""What says how a run ended, and what it is held against: nothing that one version has more of than another."""

_LEAST_AGREEMENT: Final = 0.5
"""Mean share of the recorded decisions below which a baseline does not do what was recorded, at the step level."""

_NOISE: Final = {"latency_ms": 1.0}
"""Below it an amount, and a difference, is of the clock and the scheduler and not of the version."""

_NOT_FAILED: Final = frozenset({"diverged"})
"""To leave the tape more often than before is no failure: nobody knows what would have come of it."""


class Arm(NamedTuple):
    """One version's results."""

    label: str
    version: Digest
    results: tuple[Result, ...]
    doubt: str = ""
    """Why its recorded outcomes cannot be taken as they are; empty where they can."""


class Totals(NamedTuple):
    """One version over all traces."""

    traces: int
    outcomes: Mapping[Outcome, int]
    success: float | None
    """Share of passes among those that passed, failed or raised; None where none did."""

    misused: int
    """Traces with at least one misuse of a tool."""

    misuse: Mapping[str, int]
    """Findings by kind."""

    latency_ms: float | None
    """Median of those recorded."""

    tokens: float | None
    latency_overruns: int
    latency_unknown: int
    """Traces without a recorded latency: not within the limit, not over it."""

    token_overruns: int
    tokens_unknown: int
    fidelity: float | None
    refused: int = 0
    """Effects that runs wanted to have and were refused."""


class Row(NamedTuple):
    """One trace, both versions."""

    case: str
    baseline: Result | None
    candidate: Result | None

    @property
    def outcomes(self) -> tuple[Outcome | None, Outcome | None]:
        """Baseline's and candidate's; None where it did not run."""
        one, other = self.baseline, self.candidate
        return None if one is None else outcome_of(one), None if other is None else outcome_of(other)

    @property
    def is_changed(self) -> bool:
        """Whether the two differ in outcome or in misuse."""
        before, after = self.outcomes
        return before is not after or _value(self.baseline, "tool_misuse") != _value(self.candidate, "tool_misuse")

    @property
    def is_same(self) -> bool:
        """Whether nothing tells the two apart: neither how they ended nor which of the recorded calls they made."""
        calls = ("unconsumed", "extra_calls")
        same = all(_value(self.baseline, metric) == _value(self.candidate, metric) for metric in calls)
        return same and not self.is_changed


class Ratio(NamedTuple):
    """An amount of the candidate over the baseline's, on traces where both are known."""

    metric: str
    median: float | None
    """None where no trace could be compared."""

    n: int
    p_value: float | None
    """Two-sided sign test that one is as often dearer as the other; differences in the noise are ties."""

    why: str = ""
    """Why traces on which both are known were not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """All that a replay found."""

    suite: str
    level: Level
    limits: Limits
    baseline: ScoreTable
    candidate: ScoreTable
    baseline_label: str
    candidate_label: str
    rows: tuple[Row, ...]
    baseline_totals: Totals
    candidate_totals: Totals
    ratios: tuple[Ratio, ...]
    gates: GateReport
    uncompared: int = 0
    """Recorded runs of the candidate whose task the baseline has no run of: they are in no number."""

    made: int = 0
    """Replays that were made for it; the others were there already (`before`)."""

    before: int = 0

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 2 not decided."""
        return self.gates.exit_code


def replay_gates(level: Level, limits: Limits) -> Gates:
    """What a replay is held against where nobody wrote gates."""
    metrics = ["step_agreement"] if level is Level.STEP else ["success"]
    gates: list[Gate] = [RegressionGate(name=f"{metric} is no worse", metric=metric) for metric in metrics]
    lower = ["tool_misuse"] if level is Level.STEP else ["tool_misuse", "diverged"]
    for limit, overrun, metric in (
        (limits.max_latency_ms, "latency_overrun", "latency_ms"),
        (limits.max_cost_tokens, "token_overrun", "tokens"),
    ):
        if limit is not None:
            lower.append(overrun)
            gates.append(BudgetGate(name=f"{metric} within budget", metric=metric, limit=float(limit)))
    gates += [RegressionGate(name=f"{metric} is no worse", metric=metric, is_lower_better=True) for metric in lower]
    return Gates(gates=tuple(gates))


def verdict(
    suite: str,
    baseline: Arm,
    candidate: Arm,
    *,
    level: Level,
    limits: Limits,
    gates: Gates | None = None,
    tasks: Mapping[str, str] = MappingProxyType({}),
    uncompared: int = 0,
) -> Replayed:
    """
    Put both side by side and hold the candidate against the gates. No trace at all is not decided.

    `tasks` names the task of traces that share one: gates count them as trials of one case, because runs of one task
    resemble each other and would otherwise prove more than they do. `uncompared` are recorded runs of the candidate
    without one of the baseline; where they are many, what is left need not be like the whole.
    """
    held = gates or replay_gates(level, limits)
    left = _left(candidate) | _left(baseline)
    judged = _with_unknown_successes(baseline, candidate)
    tables = [_table(suite, arm, left, tasks) for arm in (candidate, judged)]
    totals = [_totals(arm.results) for arm in (candidate, baseline)]
    report = rule(held, tables[0], tables[1], conduct=_conduct(level, *totals))
    strict = [
        _table(suite, arm._replace(results=tuple(map(_as_failure, arm.results))), left, tasks)
        for arm in (candidate, judged)
    ]
    report = _readable(_sensitive(report, rule(held, strict[0], strict[1])), (baseline, candidate))
    report = _with_a_baseline_that_works(report, held, baseline, level)
    rows = _side_by_side(baseline, candidate)
    report = _with_a_candidate_that_runs(_with_processes_that_live(report, rows), candidate)
    report = _with_the_same_tasks(report, len(rows), uncompared, most=held.max_errors)
    return Replayed(
        suite=suite,
        level=level,
        limits=limits,
        baseline=tables[1],
        candidate=tables[0],
        baseline_label=baseline.label,
        candidate_label=candidate.label,
        rows=rows,
        baseline_totals=totals[1],
        candidate_totals=totals[0],
        ratios=tuple(ratio for metric in ("latency_ms", "tokens") if (ratio := _ratio(metric, rows)) is not None),
        gates=report,
        uncompared=uncompared,
    )


def _side_by_side(baseline: Arm, candidate: Arm) -> tuple[Row, ...]:
    known = {result.attempt.case: result for result in baseline.results}
    others = {result.attempt.case: result for result in candidate.results}
    return tuple(Row(case, known.get(case), others.get(case)) for case in dict.fromkeys((*known, *others)))


def _left(arm: Arm) -> frozenset[str]:
    """Cases that left the tape, or whose tape could not be used."""
    off = (Outcome.DIVERGED, Outcome.STALE)
    return frozenset(result.attempt.case for result in arm.results if outcome_of(result) in off)


def _table(suite: str, arm: Arm, left: frozenset[str], tasks: Mapping[str, str]) -> ScoreTable:
    """The counts. What a run took is compared only where both stayed on the tape: half a run is cheap."""
    return table_of(suite, arm.version, (_counted(one, left, tasks) for one in arm.results), metrics=METRICS)


def _counted(result: Result, left: frozenset[str], tasks: Mapping[str, str]) -> Result:
    case = result.attempt.case
    scores = tuple(score for score in result.scores if score.metric not in _NOT_COUNTED)
    if case in left:
        scores = tuple(score for score in scores if score.metric in _KEPT)
    if case not in tasks:
        return replace(result, scores=scores)
    return replace(result, scores=scores, attempt=result.attempt._replace(case=tasks[case]))


def _with_unknown_successes(baseline: Arm, candidate: Arm) -> Arm:
    """The baseline, its unjudged runs as errors where the candidate's were judged: they are not known."""
    judged = {one.attempt.case for one in candidate.results if outcome_of(one) in (Outcome.PASS, Outcome.FAIL)}

    def told(result: Result) -> Result:
        if result.attempt.case not in judged or outcome_of(result) is not Outcome.UNJUDGED:
            return result
        others = tuple(score for score in result.scores if score.metric != "success")
        return replace(result, scores=(Score.failed("success", "nothing says whether it succeeded"), *others))

    return baseline._replace(results=tuple(map(told, baseline.results)))


def _readable(report: GateReport, arms: Iterable[Arm]) -> GateReport:
    """Nothing is decided on successes that nobody can read, and nothing lost where there were none."""
    doubts = [f"{arm.label}: {doubt}" for arm in arms if (doubt := arm.doubt or _unjudged(arm))]
    rulings = tuple(readable(ruling, "success", doubts) for ruling in report.rulings)
    return replace(report, rulings=rulings, decision=decision_of(rulings))


def _unjudged(arm: Arm) -> str:
    """Why nothing is known of any run's success; empty where something is."""
    if not arm.results or any(outcome_of(one) is not Outcome.UNJUDGED for one in arm.results):
        return ""
    said = _score(arm.results[0], "success")
    return f"nothing says whether one of its {len(arm.results)} runs succeeded ({said.reason if said else ''})"


def _conduct(level: Level, candidate: Totals, baseline: Totals) -> Conduct:
    return Conduct(
        replays=0 if level is Level.STEP else candidate.traces,  # a step cannot lead the next one astray
        diverged=candidate.outcomes.get(Outcome.DIVERGED, 0),
        baseline_diverged=baseline.outcomes.get(Outcome.DIVERGED, 0),
    )


def _with_a_baseline_that_works(report: GateReport, held: Gates, baseline: Arm, level: Level) -> GateReport:
    """Undecided beside a baseline that does not do what it did, wherever the level shows that."""
    if level is Level.STEP:
        return _with_a_baseline_that_agrees(report, baseline)
    if level is Level.POLICY or not any(isinstance(gate, RegressionGate) for gate in held.gates):
        return report
    return _with_a_sound_baseline(report, baseline)


def _with_a_sound_baseline(report: GateReport, baseline: Arm) -> GateReport:
    """Undecided against a baseline that does not do what was recorded: next to a broken one nothing is worse."""
    outcomes = [outcome_of(one) for one in baseline.results]
    then = [
        outcome is Outcome.PASS
        for one, outcome in zip(baseline.results, outcomes, strict=True)
        if _value(one, SUCCEEDED_THEN) and outcome in (Outcome.PASS, Outcome.FAIL, Outcome.ERROR)
    ]
    if outcomes and all(outcome is Outcome.ERROR for outcome in outcomes):
        first = next((reason for one in baseline.results if (reason := _raised(one))), "")
        reason = f"every run of the baseline ended in an error, so nothing can be worse{first and f': {first}'}"
    elif 2 * sum(then) < len(then):
        reason = (
            f"the baseline succeeds in {sum(then)} of the {len(then)} runs that succeeded when they were recorded: "
            "it does not do what it did, so nothing can be worse"
        )
    else:
        return report
    return _undecided(report, "the baseline works", "success", reason, len(then))


def _with_processes_that_live(report: GateReport, rows: Sequence[Row]) -> GateReport:
    """Undecided where the candidate takes its process along and the baseline does not: no rate makes up for that."""
    dead = [row for row in rows if _score(row.candidate, DIED) and not _score(row.baseline, DIED)]
    if not dead:
        return report
    first = dead[0]
    reason = (
        f"in {len(dead)} of {len(rows)} traces the candidate ended or held up its process, and the baseline did not "
        f"({first.case}: {_raised(first.candidate)})"
    )
    return _undecided(report, "the process survives", "success", reason, len(dead))


def _with_a_candidate_that_runs(report: GateReport, candidate: Arm) -> GateReport:
    """Undecided where every run of the candidate ended in an error, which may be the machine's fault."""
    if not candidate.results or any(outcome_of(one) is not Outcome.ERROR for one in candidate.results):
        return report
    first = next((reason for one in candidate.results if (reason := _raised(one))), "")
    reason = f"every run of the candidate ended in an error, so nothing was compared{first and f': {first}'}"
    rulings = tuple(
        replace(one, decision=Decision.UNDECIDED) if one.decision is Decision.FAILED else one for one in report.rulings
    )
    return _undecided(
        replace(report, rulings=rulings), "the candidate works", "success", reason, len(candidate.results)
    )


def _with_the_same_tasks(report: GateReport, compared: int, uncompared: int, *, most: float) -> GateReport:
    """Undecided where too many runs of the candidate have none beside them: what is left need not be like the whole."""
    if uncompared <= most * (uncompared + compared):
        return report
    reason = f"{uncompared} of the candidate's {uncompared + compared} runs have none of the baseline beside them"
    return _undecided(report, "the same tasks on both sides", "success", reason, compared)


def _with_a_baseline_that_agrees(report: GateReport, baseline: Arm) -> GateReport:
    """Undecided against a baseline that hardly decides as was recorded: its steps say nothing about anybody's."""
    shares, again = (_values(baseline.results, metric) for metric in ("step_agreement", CALLS_MADE_AGAIN))
    if again and not any(again):
        what = f"the baseline makes not one of the recorded tool calls again, in {len(again)} traces"
    elif shares and (mean := sum(shares) / len(shares)) < _LEAST_AGREEMENT:
        what = f"the baseline makes {100 * mean:.0f} % of the recorded decisions again, which is less than half"
    else:
        return report
    reason = (
        f"{what}, so nothing can be worse: look whether the endpoint passes tools on to its model, "
        "and whether this version made the tape"
    )
    return _undecided(report, "the baseline agrees with its tape", "step_agreement", reason, len(again or shares))


def _undecided(report: GateReport, gate: str, metric: str, reason: str, n: int) -> GateReport:
    said = Ruling(gate=gate, kind="rule", metric=metric, decision=Decision.UNDECIDED, reason=reason, n=n)
    rulings = (*report.rulings, said)
    return replace(report, rulings=rulings, decision=decision_of(rulings))


def _raised(result: Result | None) -> str:
    said = _score(result, RAISED)
    return said.reason if said is not None else "" if result is None else result.error or ""


def _sensitive(report: GateReport, strict: GateReport) -> GateReport:
    """What holds only as long as those that left the tape are left out, or counted, is not decided."""
    others = {ruling.gate: ruling for ruling in strict.rulings}
    rulings = tuple(_settled(ruling, others.get(ruling.gate)) for ruling in report.rulings)
    return replace(report, rulings=rulings, decision=decision_of(rulings))


def _settled(ruling: Ruling, strict: Ruling | None) -> Ruling:
    if ruling.metric in _NOT_FAILED and ruling.decision is Decision.FAILED:
        reason = f"it leaves the tape more often than its baseline, so the rest is not known: {ruling.reason}"
        return replace(ruling, decision=Decision.UNDECIDED, reason=reason)
    decided = {Decision.PASSED, Decision.FAILED}
    if (
        strict is None
        or ruling.metric != "success"
        or strict.decision is ruling.decision
        or not decided >= {strict.decision, ruling.decision}
    ):
        return ruling
    reason = f"{ruling.reason}; {strict.decision} if runs that left the tape count as failures, so it is not decided"
    return replace(ruling, decision=Decision.UNDECIDED, reason=reason)


def _as_failure(result: Result) -> Result:
    if outcome_of(result) is not Outcome.DIVERGED:
        return result
    failed = Score.scored("success", 0.0, passed=False, reason="it left its tape")
    return replace(result, scores=(failed, *(score for score in result.scores if score.metric != "success")))


def _totals(results: Sequence[Result]) -> Totals:
    outcomes = Counter(map(outcome_of, results))
    judged = sum((score := _score(one, "success")) is not None and score.passed is not None for one in results)
    kinds: Counter[str] = Counter()
    for result in results:
        said = _score(result, "tool_misuse")
        if said is not None:
            kinds.update(said.kinds)
    fidelity = _values(results, "fidelity")
    return Totals(
        traces=len(results),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        success=outcomes[Outcome.PASS] / judged if judged else None,
        misused=sum(value > 0 for value in _values(results, "tool_misuse")),
        misuse=dict(sorted(kinds.items())),
        latency_ms=_median(_values(results, "latency_ms")),
        tokens=_median(_values(results, "tokens")),
        latency_overruns=sum(value > 0 for value in _values(results, "latency_overrun")),
        latency_unknown=_unknown(results, "latency_ms"),
        token_overruns=sum(value > 0 for value in _values(results, "token_overrun")),
        tokens_unknown=_unknown(results, "tokens"),
        fidelity=sum(fidelity) / len(fidelity) if fidelity else None,
        refused=round(sum(_values(results, REFUSED))),
    )


def _ratio(metric: str, rows: Sequence[Row]) -> Ratio | None:
    noise = _NOISE.get(metric, 0.0)
    both = [
        (max(mine, noise), max(theirs, noise))
        for row in rows
        if (mine := _value(row.candidate, metric)) is not None
        and (theirs := _value(row.baseline, metric)) is not None
        and (theirs > 0 or noise > 0)
    ]
    if not both:
        return None
    compared = [pair for pair in both if max(pair) > noise]
    tiny = len(both) - len(compared)
    why = f"{tiny} of {len(both)} traces took both versions {noise:g} ms or less, which is noise" if tiny else ""
    if not compared:
        return Ratio(metric, None, 0, None, why)
    dearer, cheaper = (sum(sign * (a - b) > noise for a, b in compared) for sign in (1, -1))
    middle = median(a / b for a, b in compared)
    return Ratio(metric, middle, len(compared), mcnemar(dearer, cheaper, two_sided=True), why)


def _score(result: Result | None, metric: str) -> Score | None:
    return None if result is None else next((score for score in result.scores if score.metric == metric), None)


def _value(result: Result | None, metric: str) -> float | None:
    score = _score(result, metric)
    return None if score is None else score.value


def _values(results: Sequence[Result], metric: str) -> list[float]:
    return [value for result in results if (value := _value(result, metric)) is not None]


def _unknown(results: Sequence[Result], metric: str) -> int:
    return sum((score := _score(result, metric)) is not None and score.value is None for result in results)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
