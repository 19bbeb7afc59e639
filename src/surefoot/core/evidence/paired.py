"""Evidence from shadow pairs: the same request answered by both versions, so that hard requests cancel."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from .eprocess import ODDS_RATIOS, USUAL_WEIGHTS, log_sum_exp, log_weights

__all__ = ["Pairs", "paired_harm", "paired_non_inferiority"]

_STAKES: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
_LN_USUAL: Final = tuple(log_weights(USUAL_WEIGHTS, len(ODDS_RATIOS)))
_LN_WIN: Final = tuple(math.log(2.0 * ratio / (1.0 + ratio)) for ratio in ODDS_RATIOS)
_LN_LOSS: Final = tuple(math.log(2.0 / (1.0 + ratio)) for ratio in ODDS_RATIOS)


class Pairs(NamedTuple):
    """
    Totals of paired outcomes so far; one pair for each session. A judge's preference: lost is `worse`, won is `better`,
    ties are `same`.
    """

    worse: int
    """Only the candidate's answer was bad."""
    same: int
    """Both or neither were bad."""
    better: int
    """Only stable's answer was bad."""


def paired_harm(pairs: Pairs) -> float:
    """
    ln E against "of the pairs that differ, at most half are worse".

    Null: the chance that a differing pair is worse is <= 1/2. Validity: each differing pair multiplies E by 2r/(1+r) or
    2/(1+r), whose mean under the null is at most 1, and a fixed mixture over r of such products stays an e-process;
    order does not matter, so totals do. Grid and weights as for `BinaryHarm`. Agreeing pairs say nothing. Against
    separate requests it needs a third to a fifth of the sample, because what makes a request hard strikes both
    (STATISTICS 5.10). McNemar (1947) made anytime-valid; Gruenwald et al. 2024.
    """
    _check(pairs)
    return log_sum_exp(
        [
            weight + pairs.worse * win + pairs.better * loss
            for weight, win, loss in zip(_LN_USUAL, _LN_WIN, _LN_LOSS, strict=True)
        ]
    )


def paired_non_inferiority(pairs: Pairs, margin: float) -> float:
    """
    ln E for "worse pairs exceed better pairs by less than `margin` of all pairs".

    Null: E[y_c - y_s] >= margin, y in {0, 1} bad. Validity: a pair's factor 1 - lambda (y_c - y_s - margin) is positive
    for lambda <= 0.7 and has mean <= 1 under the null; equal mixture over lambda in (.05, .1, .2, .35, .5, .7), because
    the best stake depends on how often the versions differ, which nobody knows before. Margin strictly between 0 and 1.
    Waudby-Smith and Ramdas (2024).
    """
    _check(pairs)
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin is a difference of rates strictly between 0 and 1, got {margin}")
    log1p = math.log1p
    return log_sum_exp(
        [
            pairs.worse * log1p(-stake * (1.0 - margin))
            + pairs.same * log1p(stake * margin)
            + pairs.better * log1p(stake * (1.0 + margin))
            for stake in _STAKES
        ]
    ) - math.log(len(_STAKES))


def _check(pairs: Pairs) -> None:
    if min(pairs) < 0:
        raise ValueError(f"counts of pairs cannot be negative, got {pairs}")
