"""A replay as JSON for programs: the totals of both versions, what changed, what the gates say, every trace."""

from __future__ import annotations

from ...core.proof.replay import outcome_of
from ...core.proof.replay_verdict import Replayed, Row, Totals
from ...core.proof.score import Result, Status

__all__ = ["replay_json"]


def replay_json(found: Replayed) -> dict[str, object]:
    """Null is not recorded. Each trace has its outcome and every score with its reason, for both versions."""
    return {
        "surefoot": "replay/1",
        "suite": found.suite,
        "level": found.level.value,
        "decision": found.gates.decision.value,
        "exit_code": found.exit_code,
        "made": found.made,
        "before": found.before,
        "limits": {
            "max_latency_ms": found.limits.max_latency_ms,
            "max_cost_tokens": found.limits.max_cost_tokens,
        },
        "baseline": _side(found.baseline_label, found.baseline.version, found.baseline_totals),
        "candidate": _side(found.candidate_label, found.candidate.version, found.candidate_totals),
        "ratios": [ratio._asdict() for ratio in found.ratios],
        "gates": [
            {
                "gate": ruling.gate,
                "metric": ruling.metric,
                "decision": ruling.decision.value,
                "reason": ruling.reason,
                "cases": list(ruling.cases),
            }
            for ruling in found.gates.rulings
        ],
        "traces": [_row(row) for row in found.rows],
    }


def _side(label: str, version: str, totals: Totals) -> dict[str, object]:
    return {
        "label": label,
        "version": version,
        **totals._asdict(),
        "outcomes": {outcome.value: count for outcome, count in totals.outcomes.items()},
        "misuse": dict(totals.misuse),
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "trace_id": row.case,
        "changed": row.is_changed,
        "baseline": _result(row.baseline),
        "candidate": _result(row.candidate),
    }


def _result(result: Result | None) -> dict[str, object] | None:
    if result is None:
        return None
    return {
        "outcome": outcome_of(result).value,
        "error": result.error,
        "latency_ms": result.latency_ms,
        "tokens": result.tokens,
        "scores": {
            score.metric: {
                "value": score.value,
                **({} if score.passed is None else {"passed": score.passed}),
                **({} if score.status is Status.SCORED else {"status": score.status.value}),
                **({"reason": score.reason} if score.reason else {}),
            }
            for score in result.scores
        },
    }
