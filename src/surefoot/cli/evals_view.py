"""What `surefoot eval` shows, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from ..core.artifact.version import AgentVersion
from ..core.proof.flakiness import Flake
from ..core.proof.gate import Decision, GateReport, Ruling
from ..core.proof.score import Result, Score, Status
from ..core.proof.suite import Suite
from ..core.proof.table import Column, ScoreTable, lacks_of
from ..ports.results import ProofRun
from ..service.prove import Proof
from .bar import said_spending
from .output import say, say_table

__all__ = [
    "Shown",
    "calibration_json",
    "lacks_json",
    "proof_json",
    "show_calibration",
    "show_proof",
    "show_suite",
    "suite_json",
]

_MOST_NAMED: Final = 10
_MOST_SKIPS: Final = 3
_ONLY_MEASURED: Final = (
    "nothing here can pass or fail: every metric is only measured; give one a `threshold`, or hold it in a gate"
)
_WORDS: Final = {Decision.PASSED: "passed", Decision.FAILED: "FAILED", Decision.UNDECIDED: "not decided"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A finished run, and who ran."""

    suite: Suite
    proof: Proof
    report: GateReport
    version: AgentVersion
    baseline: AgentVersion | None = None


def show_proof(shown: Shown) -> None:
    """Verdict first, then what failed, then the table, side by side with a baseline."""
    suite, proof, report = shown.suite, shown.proof, shown.report
    say(f"{_WORDS[report.decision]}: {suite.name}, {shown.version.agent} {shown.version.label}")
    for ruling in report.rulings:
        if ruling.decision is not Decision.PASSED:
            said = "not decided" if ruling.decision is Decision.UNDECIDED else "failed"
            aside = "" if ruling.is_blocking else " (decides nothing)"
            say(f"  {ruling.metric} {said}: {ruling.reason}{aside}", *_named(ruling))
    if not any(ruling.is_blocking for ruling in report.rulings):
        say(f"  {_ONLY_MEASURED}")
    say("")
    _table(shown)
    _errors(proof)
    counted = f"{proof.made} runs made, {proof.resumed} there before, {proof.remembered} from known answers"
    say(f"{counted}; {proof.errors} errors; {said_spending(proof.spent)}")
    _ended(proof)


def show_calibration(shown: Shown, found: Sequence[Flake], trials: int) -> None:
    """What a comparison of this suite can see, and the cases that blur it."""
    suite, version = shown.suite, shown.version
    say(f"{version.agent} {version.label} against itself: {len(suite.cases)} cases, {trials} trials on each side", "")
    say_table(
        ("metric", "mean", "blocks without a change", "smallest drop it finds", "why not"),
        [_seen(ruling) for ruling in shown.report.rulings],
        title=f"the default gate on {suite.name}",
    )
    if found:
        rows = [(flake.case, flake.metric, f"{flake.passed} of {flake.n}", f"{flake.rate:.0%}") for flake in found]
        say_table(("case", "metric", "passed", "two runs disagree"), rows, title=f"{len(found)} flaky")
    else:
        say("no case contradicted itself")
    _errors(shown.proof)
    _ended(shown.proof)


def _ended(proof: Proof) -> None:
    if proof.anew:
        say(f"begun anew: {proof.anew}")
    if proof.stopped:
        say(f"stopped: {proof.stopped}", "go on with --resume")


def show_suite(suite: Suite, runs: Sequence[ProofRun], newest: Sequence[Result] = ()) -> None:
    """What it asks and what judges it, the runs there were, and why evaluators failed in the newest one."""
    say(f"{suite.name} {suite.digest[:19]}", *([suite.description] if suite.description else []), "")
    say_table(
        ("metric", "evaluator", "with", "has to pass"),
        [
            (spec.metric, spec.kind, str(spec.parameters), "" if spec.measures else f"{spec.has_to_pass:.0%}")
            for spec in suite.evaluators
        ],
    )
    say_table(
        ("case", "request", "tags"), [(case.id, _short(case.request), ", ".join(case.tags)) for case in suite.cases]
    )
    limits = suite_json(suite)["limits"]
    say(f"trials: {suite.trials}; limits: {limits}", f"runs: {', '.join(run.id for run in runs) or 'none'}")
    _say_lacks(newest)


def suite_json(suite: Suite) -> dict[str, object]:
    """A suite without its cases' contents."""
    return {
        "name": suite.name,
        "digest": suite.digest,
        "description": suite.description,
        "agent": suite.agent,
        "tags": list(suite.tags),
        "cases": [case.id for case in suite.cases],
        "evaluators": [asdict(spec) for spec in suite.evaluators],
        "trials": suite.trials,
        "limits": {
            "max_cost_usd": None if suite.limits.usd is None else suite.limits.usd / 1_000_000,
            "max_tokens": suite.limits.tokens,
            "max_calls": suite.limits.calls,
            "max_time_ms": suite.limits.time,
        },
    }


def proof_json(shown: Shown) -> dict[str, object]:
    """The run and its verdict."""
    tables = shown.proof.tables
    return {
        **_run_json(shown),
        "decision": shown.report.decision.value,
        "rulings": [_ruling_json(ruling) for ruling in shown.report.rulings],
        "metrics": _columns_json(tables[shown.version.digest]),
        "baseline": None
        if shown.baseline is None
        else {
            "label": shown.baseline.label,
            "version": shown.baseline.digest,
            "metrics": _columns_json(tables[shown.baseline.digest]),
        },
    }


def lacks_json(results: Iterable[Result]) -> list[dict[str, object]]:
    """Why evaluators gave no score: by metric at most three reasons, each with how often it was the reason."""
    scores: dict[str, list[Score]] = {}
    for result in results:
        for score in result.scores:
            scores.setdefault(score.metric, []).append(score)
    return [
        {"metric": metric, "reason": lack.reason, "count": lack.times}
        for metric, found in scores.items()
        for lack in lacks_of(found)
    ]


def calibration_json(shown: Shown, found: Sequence[Flake], trials: int) -> dict[str, object]:
    """What the gate can see."""
    return {
        **_run_json(shown),
        "trials": trials,
        "gates": [_ruling_json(ruling) for ruling in shown.report.rulings],
        "flaky": [{**flake._asdict(), "rate": flake.rate} for flake in found],
    }


def _run_json(shown: Shown) -> dict[str, object]:
    proof = shown.proof
    return {
        "suite": shown.suite.identity,
        "run": proof.run.id,
        "agent": shown.version.agent,
        "label": shown.version.label,
        "version": shown.version.digest,
        "stopped": proof.stopped,
        "anew": proof.anew,
        "made": proof.made,
        "resumed": proof.resumed,
        "remembered": proof.remembered,
        "errors": proof.errors,
        "evaluator_errors": lacks_json(proof.results),
        "skipped": _skips_json(proof.results),
        "spent": asdict(proof.spent),
    }


def _ruling_json(ruling: Ruling) -> dict[str, object]:
    return {**asdict(ruling), "decision": ruling.decision.value}


def _columns_json(table: ScoreTable) -> dict[str, object]:
    return {
        metric: {
            "mean": column.mean,
            "is_rate": column.is_rate,
            "n": column.n,
            "errors": column.errors,
            "skipped": sum(sample.skipped for sample in column.samples.values()),
            "cases": {case: sample._asdict() for case, sample in column.samples.items()},
        }
        for metric, column in table.columns.items()
    }


def _table(shown: Shown) -> None:
    table = shown.proof.tables[shown.version.digest]
    before = None if shown.baseline is None else shown.proof.tables[shown.baseline.digest]
    if shown.baseline is None or before is None:
        alone = [(metric, *_cells(column)) for metric, column in table.columns.items()]
        say_table(("metric", _what(table), "scored", "errors", "skipped"), alone)
        return
    rows = [
        (metric, _mean(before.columns[metric]), *_cells(column), _moved(before.columns[metric], column))
        for metric, column in table.columns.items()
    ]
    say_table(("metric", shown.baseline.label, shown.version.label, "scored", "errors", "skipped", "difference"), rows)


def _cells(column: Column) -> tuple[str, str, str, str]:
    skipped = sum(sample.skipped for sample in column.samples.values())
    return _mean(column), str(column.n), str(column.errors), str(skipped)


def _what(table: ScoreTable) -> str:
    """What the numbers are: of a metric that passes or fails the share of cases that pass, not a mean of values."""
    kinds = {"passed" if column.is_rate else "mean" for column in table.columns.values() if column.mean is not None}
    return " or ".join(sorted(kinds, reverse=True)) or "mean"


def _mean(column: Column) -> str:
    if column.mean is None:
        return "-"
    return f"{column.mean:.1%}" if column.is_rate else f"{column.mean:.4g}"


def _moved(before: Column, after: Column) -> str:
    if before.mean is None or after.mean is None:
        return ""
    change = after.mean - before.mean
    return f"{100 * change:+.1f} points" if before.is_rate and after.is_rate else f"{change:+.4g}"


def _seen(ruling: Ruling) -> tuple[str, str, str, str, str]:
    alarms = "-" if ruling.false_alarms is None else f"{ruling.false_alarms:.1%}"
    drop = "-" if ruling.smallest_drop is None else f"{ruling.smallest_drop:.4g}"
    mean = "-" if ruling.candidate is None else f"{ruling.candidate:.4g}"
    return ruling.metric, mean, alarms, drop, "" if ruling.smallest_drop is not None else ruling.reason


def _named(ruling: Ruling) -> list[str]:
    if not ruling.cases:
        return []
    more = f" and {len(ruling.cases) - _MOST_NAMED} more" if len(ruling.cases) > _MOST_NAMED else ""
    return [f"    cases: {', '.join(ruling.cases[:_MOST_NAMED])}{more}"]


def _errors(proof: Proof) -> None:
    reasons: dict[str, int] = {}
    for result in proof.results:
        if result.error is not None:
            reasons[result.error] = reasons.get(result.error, 0) + 1
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:_MOST_NAMED]:
        say(f"error ({count}): {reason}")
    _say_lacks(proof.results)


def _say_lacks(results: Sequence[Result]) -> None:
    for lack in lacks_json(results):
        say(f"error ({lack['count']}): {lack['metric']}: {lack['reason']}")
    for skip in _skips_json(results):
        say(f"skipped ({skip['count']}): {skip['metric']}: {skip['reason']}")


def _skips_json(results: Iterable[Result]) -> list[dict[str, object]]:
    """Why scores were skipped: by metric the three most frequent reasons."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        for score in result.scores:
            if score.status is Status.SKIPPED:
                counts.setdefault(score.metric, Counter())[score.reason] += 1
    return [
        {"metric": metric, "reason": reason, "count": count}
        for metric, found in counts.items()
        for reason, count in found.most_common(_MOST_SKIPS)
    ]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:79] + "\u2026"
