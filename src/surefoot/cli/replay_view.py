"""How a replay is shown to people: totals side by side, what changed, and what the gates say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..core.proof.gate import Decision
from ..core.proof.replay import Outcome
from ..core.proof.replay_verdict import Replayed, Row
from ..core.proof.score import Result
from .output import say, say_table

__all__ = ["show_replay"]

_MOST_ROWS: Final = 20
_SAID: Final = {Decision.PASSED: "passed", Decision.FAILED: "FAILED", Decision.UNDECIDED: "NOT DECIDED"}


def show_replay(found: Replayed) -> None:
    """The totals, the traces that changed, the gates, and the verdict last, where it is seen."""
    name, _, digest = found.suite.partition("@")
    title = f"{name} ({digest[:19]}), level {found.level}"
    say_table(("", found.baseline_label, found.candidate_label), list(_totals(found)), title=title)
    changed = [row for row in found.rows if row.is_changed]
    if changed:
        rows = [_row(row) for row in changed[:_MOST_ROWS]]
        say_table(("trace", "baseline", "candidate", "why"), rows, title="what changed")
        if len(changed) > _MOST_ROWS:
            say(f"and {len(changed) - _MOST_ROWS} more: --json and --html list them", "")
    rulings = [(ruling.gate, _SAID[ruling.decision], ruling.reason) for ruling in found.gates.rulings]
    say_table(("gate", "verdict", "why"), rulings, title="gates")
    if not changed and found.gates.decision is Decision.PASSED:
        say("nothing to report: both versions did the same")
    say(f"{found.made:,} replayed, {found.before:,} there before")
    say(f"{_SAID[found.gates.decision]}: {found.candidate_label} against {found.baseline_label}")


def _totals(found: Replayed) -> Iterator[tuple[str, str, str]]:
    before, after = found.baseline_totals, found.candidate_totals
    yield "traces", str(before.traces), str(after.traces)
    yield "success", _share(before.success), _share(after.success)
    for outcome in Outcome:
        one, other = before.outcomes.get(outcome, 0), after.outcomes.get(outcome, 0)
        if one or other or outcome in (Outcome.PASS, Outcome.FAIL, Outcome.DIVERGED):
            yield f"  {outcome}", str(one), str(other)
    yield "traces with tool misuse", str(before.misused), str(after.misused)
    for kind in dict.fromkeys((*before.misuse, *after.misuse)):
        yield f"  {kind}", str(before.misuse.get(kind, 0)), str(after.misuse.get(kind, 0))
    if before.fidelity is not None or after.fidelity is not None:
        yield "answered as recorded", _share(before.fidelity), _share(after.fidelity)
    yield "latency, median", _amount(before.latency_ms, " ms"), _amount(after.latency_ms, " ms")
    yield "tokens, median", _amount(before.tokens), _amount(after.tokens)
    for name, limit, one, other, unknown in (
        (
            "latency",
            found.limits.max_latency_ms,
            before.latency_overruns,
            after.latency_overruns,
            (before.latency_unknown, after.latency_unknown),
        ),
        (
            "token",
            found.limits.max_cost_tokens,
            before.token_overruns,
            after.token_overruns,
            (before.tokens_unknown, after.tokens_unknown),
        ),
    ):
        if limit is not None:
            yield f"{name} overruns (over {limit:,.0f})", str(one), str(other)
            if any(unknown):
                yield "  not recorded", str(unknown[0]), str(unknown[1])
    for ratio in found.ratios:
        yield f"{ratio.metric}: median ratio", "", f"{ratio.median:.2f} (p = {ratio.p_value:.2g}, n = {ratio.n})"


def _row(row: Row) -> tuple[str, str, str, str]:
    before, after = (outcome.value if outcome is not None else "-" for outcome in row.outcomes)
    return row.case, before, after, _why(row.candidate)


def _why(result: Result | None) -> str:
    if result is None:
        return "it did not run"
    if result.error is not None:
        return result.error
    said = {score.metric: score.reason for score in result.scores if score.reason}
    return "; ".join(said[metric] for metric in ("diverged", "raised", "tool_misuse", "success") if metric in said)


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"


def _amount(value: float | None, unit: str = "") -> str:
    return "not recorded" if value is None else f"{value:,.0f}{unit}"
