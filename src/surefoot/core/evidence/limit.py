"""Evidence that one arm breaks an absolute limit, with nothing to compare it to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .eprocess import ODDS_RATIOS, USUAL_WEIGHTS, log_sum_exp, log_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["limit"]


def limit(bad: int, units: int, allowed: float, *, weights: Sequence[float] = USUAL_WEIGHTS) -> float:
    """
    ln E against "the arm's rate is at most `allowed`". Totals suffice.

    Null: p <= allowed in every unit given the past. Validity: each unit's factor is r/d if bad and 1/d if not, with d =
    1 + (r-1) allowed, whose mean is at most 1 for every p <= allowed; a fixed mixture over r keeps that. Grid and
    weights as for `BinaryHarm`. `allowed` strictly between 0 and 1: a thing that may never happen is a count limit, not
    a test. An outage of a provider will trip this one; where a stable arm runs beside, compare with it. Wald (1945),
    mixed over alternatives.
    """
    if not 0.0 < allowed < 1.0:
        raise ValueError(f"the allowed rate must lie strictly between 0 and 1, got {allowed}")
    if not 0 <= bad <= units:
        raise ValueError(f"counts must satisfy 0 <= bad <= units, got bad={bad}, units={units}")
    ln_weights = log_weights(weights, len(ODDS_RATIOS))
    return log_sum_exp(
        [
            weight + bad * math.log(ratio) - units * math.log1p((ratio - 1.0) * allowed)
            for weight, ratio in zip(ln_weights, ODDS_RATIOS, strict=True)
        ]
    )
