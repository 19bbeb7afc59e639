"""A replay in rows of words, the same ones on a screen and on a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ...core.proof.replay import Outcome
from ...core.proof.replay_refused import REFUSED
from ...core.proof.replay_verdict import Ratio, Replayed
from ...core.proof.score import Result

__all__ = ["TotalRow", "total_rows", "why_it_ended"]

_ALWAYS: Final = (Outcome.PASS, Outcome.FAIL, Outcome.DIVERGED)
_TOLD: Final = (REFUSED, "diverged", "raised", "tool_misuse", "success")


class TotalRow(NamedTuple):
    """One thing that was counted, on both sides."""

    name: str
    baseline: str
    candidate: str
    is_part: bool = False
    """Of the row above it."""


def total_rows(found: Replayed) -> Iterator[TotalRow]:
    """Both versions side by side: how runs ended, what was misused, what it took."""
    before, after = found.baseline_totals, found.candidate_totals
    yield TotalRow("traces", str(before.traces), str(after.traces))
    yield TotalRow("success", _share(before.success), _share(after.success))
    for outcome in Outcome:
        one, other = before.outcomes.get(outcome, 0), after.outcomes.get(outcome, 0)
        if one or other or outcome in _ALWAYS:
            yield TotalRow(outcome, str(one), str(other), is_part=True)
    yield TotalRow("traces with tool misuse", str(before.misused), str(after.misused))
    for kind in dict.fromkeys((*before.misuse, *after.misuse)):
        yield TotalRow(kind, str(before.misuse.get(kind, 0)), str(after.misuse.get(kind, 0)), is_part=True)
    if before.refused or after.refused:
        yield TotalRow("effects refused", str(before.refused), str(after.refused))
    if before.fidelity is not None or after.fidelity is not None:
        yield TotalRow("answered as recorded", _share(before.fidelity), _share(after.fidelity))
    yield TotalRow("latency, median", _amount(before.latency_ms, " ms"), _amount(after.latency_ms, " ms"))
    yield TotalRow("tokens, median", _amount(before.tokens), _amount(after.tokens))
    yield from _overruns(found)
    for ratio in found.ratios:
        yield TotalRow(f"{ratio.metric}: median ratio", "", _told(ratio))


def why_it_ended(result: Result | None) -> str:
    """As it did: left the tape, broke, misused a tool, failed. Empty for a run with nothing to say."""
    if result is None:
        return "it did not run"
    if result.error is not None:
        return result.error
    said = {score.metric: score.reason for score in result.scores if score.reason}
    return "; ".join(dict.fromkeys(said[metric] for metric in _TOLD if metric in said))


def _overruns(found: Replayed) -> Iterator[TotalRow]:
    before, after, limits = found.baseline_totals, found.candidate_totals, found.limits
    if limits.max_latency_ms is not None:
        name = f"latency overruns (over {limits.max_latency_ms:,.0f})"
        yield TotalRow(name, str(before.latency_overruns), str(after.latency_overruns))
        yield from _unknown(before.latency_unknown, after.latency_unknown)
    if limits.max_cost_tokens is not None:
        name = f"token overruns (over {limits.max_cost_tokens:,.0f})"
        yield TotalRow(name, str(before.token_overruns), str(after.token_overruns))
        yield from _unknown(before.tokens_unknown, after.tokens_unknown)


def _unknown(before: int, after: int) -> Iterator[TotalRow]:
    if before or after:
        yield TotalRow("not recorded", str(before), str(after), is_part=True)


def _told(ratio: Ratio) -> str:
    if ratio.median is None:
        return f"none: {ratio.why}"
    return f"{ratio.median:.2f} (p = {ratio.p_value:.2g}, n = {ratio.n}{ratio.why and f'; {ratio.why}'})"


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"


def _amount(value: float | None, unit: str = "") -> str:
    return "not recorded" if value is None else f"{value:,.0f}{unit}"
