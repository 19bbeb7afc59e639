"""Budgets against the baseline: blocked is what is shown to cost more, and not what chance made dearer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from .chance import coins
from .gate import Decision, Ruling
from .gate_kinds import BudgetGate
from .judged import Judged, Scored, draft, is_finite, settled
from .significance import paired_t, smallest_drop
from .table import Column, Sample

__all__ = ["increase"]

_FEWEST_ROUNDS: Final = 250
_MOST_DRAWS: Final = 50_000


class _Cost(NamedTuple):
    """What one case cost on both sides."""

    new: float
    old: float


def increase(gate: BudgetGate, most: float, found: Scored, judged: Judged) -> Ruling:
    """
    Failed if it is shown to cost more than `most` over the baseline; what is neither shown nor excluded passes.

    A mean above the limit is noise as often as not where nothing changed, so it blocks nothing by itself: beside it
    stands the increase that so many cases would show. Of totals nothing is shown, so a mean above the limit is open.
    """
    before = None if judged.baseline is None else judged.baseline.columns.get(gate.metric)
    if before is None:
        return draft(gate, Decision.UNDECIDED, judged.no_baseline or f"the baseline has no {gate.metric}")
    costs = _costs(found.column, before)
    if not is_finite(before):
        return draft(gate, Decision.UNDECIDED, f"the baseline's {gate.metric} does not add up to a finite number")
    if not costs or math.fsum(cost.old for cost in costs) <= 0.0:
        return draft(gate, Decision.UNDECIDED, f"the baseline has no {gate.metric} to compare with")
    n = len(costs)
    new_mean, old_mean = (math.fsum(side) / n for side in zip(*costs, strict=True))
    over = paired_t([(1.0 + most) * cost.old - cost.new for cost in costs])
    said = f"{gate.metric} went from {old_mean:g} to {new_mean:g} ({_signed(new_mean / old_mean - 1.0)})"
    ruling = replace(
        draft(gate, Decision.PASSED, f"{said}, at most {_signed(most)} is allowed"),
        threshold=most,
        baseline=old_mean,
        candidate=new_mean,
        n=n if judged.has_cases else found.column.n,
        p_value=None if over is None else over.p_value,
        false_alarms=_false_alarms(costs, most, judged),
    )
    if over is not None and n >= judged.gates.min_cases and over.p_value <= judged.gates.alpha:
        return settled(ruling, Decision.FAILED, f"{said}, more than {_signed(most)} (p = {over.p_value:.3g})")
    if n < len(before.samples) or any(sample.errors or sample.skipped for sample in found.column.samples.values()):
        return settled(ruling, Decision.UNDECIDED, f"{said}, but not known of every case, and unknown is not 0")
    if new_mean <= (1.0 + most) * old_mean:
        return ruling
    if over is None:
        return settled(ruling, Decision.UNDECIDED, f"{said}, and totals cannot tell more than {_signed(most)}")
    shows = most + _smallest(costs, most, judged) / old_mean
    return replace(
        ruling,
        reason=f"{said}: not shown to cost more than {_signed(most)}; so many cases would show {_signed(shows)}",
    )


def _costs(after: Column, before: Column) -> list[_Cost]:
    """Of the cases that both sides know."""
    return [
        _Cost(new, old)
        for case, sample in after.samples.items()
        if (new := sample.mean) is not None and (old := before.samples.get(case, Sample()).mean) is not None
    ]


def _smallest(costs: Sequence[_Cost], most: float, judged: Judged) -> float:
    """What the mean has to lie above the limit by, to be found as often as `power` says."""
    n = len(costs)
    over = [cost.new - (1.0 + most) * cost.old for cost in costs]
    mean = math.fsum(over) / n
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in over) / (n - 1))
    return smallest_drop(deviation, n, alpha=judged.gates.alpha, power=judged.gates.power, is_rate=False) or 0.0


def _false_alarms(costs: Sequence[_Cost], most: float, judged: Judged) -> float | None:
    """How often an unchanged version is blocked: which side a cost was on is a coin."""
    if not judged.has_cases or not judged.shuffles or len(costs) < 2:
        return None
    toss, alpha = coins(judged.seed), judged.gates.alpha
    blocked = 0
    rounds = max(_FEWEST_ROUNDS, min(judged.shuffles, _MOST_DRAWS // len(costs)))
    for _ in range(rounds):
        sides = [cost if next(toss) else _Cost(cost.old, cost.new) for cost in costs]
        over = paired_t([(1.0 + most) * cost.old - cost.new for cost in sides])
        blocked += over is not None and over.p_value <= alpha
    return blocked / rounds


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"
