"""Evidence that an arm's mean breaks an absolute limit, with nothing to compare it to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from .eprocess import log_sum_exp

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["mean_limit"]

_STAKES: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_LN_WEIGHT: Final = -math.log(len(_STAKES))


def mean_limit(values: Mapping[float, int], allowed: float) -> float:
    """
    ln E against "the arm's mean is at most `allowed`". Totals suffice: value to how many units.

    Null: E[y] <= allowed in every unit given the past, y >= 0. Validity: a unit's factor 1 + f (y/allowed - 1) is at
    least 1 - f > 0 and has mean at most 1 under the null, without any bound on y; a fixed mixture over the stakes f
    keeps that. Equal weights, because nobody knows beforehand by how much a limit will be broken.
    Waudby-Smith and Ramdas (2024), arXiv 2010.09686 (betting on a bounded-below variable).
    """
    if not 0.0 < allowed < math.inf:
        raise ValueError(f"the allowed mean must be positive and finite, got {allowed}")
    if any(value < 0 or count < 0 for value, count in values.items()):
        raise ValueError("values and counts must be at least 0")
    excess = [(value / allowed - 1.0, count) for value, count in values.items()]
    return log_sum_exp(
        [_LN_WEIGHT + sum([count * math.log1p(stake * over) for over, count in excess]) for stake in _STAKES]
    )
