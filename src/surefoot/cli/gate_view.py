"""How a gate's report looks: the verdict first, then each gate with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..core.proof.gate import Decision, GateReport, Ruling
from ..core.proof.regression import CaseChange, Change, summary
from .output import say, say_table

__all__ = ["say_changes", "say_report"]

_WORDS: Final = {Decision.PASSED: "passed", Decision.FAILED: "FAILED", Decision.UNDECIDED: "not decided"}
_SHOWN_CASES: Final = 5
_SHOWN_NAMES: Final = 20


def say_report(report: GateReport, label: str = "") -> None:
    """The whole report for a person."""
    whose = label or report.version[:19] or "a version without a digest"
    say(f"{_WORDS[report.decision]}: {whose} under {report.suite.partition('@')[0]}")
    say_table(
        ("gate", "says", "baseline", "candidate", "n", "smallest drop", "false alarms", "why"),
        [_row(ruling) for ruling in report.rulings],
    )
    if not report.rulings:
        say("no gate looks at this suite, and nothing executed is not a pass")


def say_changes(changes: Sequence[CaseChange]) -> None:
    """How many cases became what, metric by metric, and which did."""
    for metric in dict.fromkeys(one.metric for one in changes):
        of_metric = [one for one in changes if one.metric == metric]
        counts = summary(of_metric)
        say(f"{metric}: " + ", ".join(f"{count} {change}" for change, count in counts.items() if count))
        for change in (Change.DEGRADED, Change.IMPROVED, Change.FLAKY, Change.NEW, Change.MISSING):
            names = [f"{one.case} ({one.tier})" if one.tier else one.case for one in of_metric if one.change is change]
            if names:
                more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
                say(f"  {change}: {', '.join(names[:_SHOWN_NAMES])}{more}")


def _row(ruling: Ruling) -> tuple[str, ...]:
    why = ruling.reason
    if ruling.cases:
        more = f" and {len(ruling.cases) - _SHOWN_CASES} more" if len(ruling.cases) > _SHOWN_CASES else ""
        why = f"{why} [{', '.join(ruling.cases[:_SHOWN_CASES])}{more}]"
    says = _WORDS[ruling.decision] + ("" if ruling.is_blocking else " (told only)")
    return (
        ruling.gate,
        says,
        _number(ruling.baseline),
        _number(ruling.candidate),
        str(ruling.n) if ruling.n else "",
        _number(ruling.smallest_drop),
        "" if ruling.false_alarms is None else f"{100 * ruling.false_alarms:.1f} %",
        why,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
