"""How a replay is shown to people: totals side by side, what changed, and what the gates say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..adapters.reports.replay_rows import total_rows, why_it_ended
from ..core.proof.gate import Decision
from ..core.proof.replay_verdict import Replayed, Row
from .output import say, say_table

__all__ = ["show_replay"]

_MOST_ROWS: Final = 20
_SAID: Final = {Decision.PASSED: "passed", Decision.FAILED: "FAILED", Decision.UNDECIDED: "NOT DECIDED"}


def show_replay(found: Replayed) -> None:
    """The totals, the traces that changed, the gates, and the verdict last, where it is seen."""
    name, _, digest = found.suite.partition("@")
    title = f"{name} ({digest[:19]}), level {found.level}"
    say_table(("", found.baseline_label, found.candidate_label), [*_totals(found)], title=title)
    changed = [row for row in found.rows if row.is_changed]
    if changed:
        rows = [_row(row) for row in changed[:_MOST_ROWS]]
        say_table(("trace", "baseline", "candidate", "why"), rows, title="what changed")
        if len(changed) > _MOST_ROWS:
            say(f"and {len(changed) - _MOST_ROWS} more: --json and --html list them", "")
    rulings = [(one.gate, _SAID[one.decision], str(one.n or ""), one.reason) for one in found.gates.rulings]
    say_table(("gate", "verdict", "n", "why"), rulings, title="gates")
    if not changed and found.gates.decision is Decision.PASSED:
        others = sum(not row.is_same for row in found.rows)
        say(
            f"no outcome changed, but in {others} traces the two made other calls"
            if others
            else "nothing to report: both versions did the same"
        )
    if found.uncompared:
        say(f"{found.uncompared:,} runs of the candidate have none of the baseline beside them: not compared")
    say(f"{found.made:,} replayed, {found.before:,} there before")
    say(f"{_SAID[found.gates.decision]}: {found.candidate_label} against {found.baseline_label}")


def _totals(found: Replayed) -> Iterator[tuple[str, str, str]]:
    for row in total_rows(found):
        yield f"  {row.name}" if row.is_part else row.name, row.baseline, row.candidate


def _row(row: Row) -> tuple[str, str, str, str]:
    before, after = (outcome.value if outcome is not None else "-" for outcome in row.outcomes)
    return row.case, before, after, why_it_ended(row.candidate)
