"""
Evidence that units are not being assigned in the shares that were ordered: broken plumbing, not a worse candidate.
"""

from __future__ import annotations

from math import lgamma, log
from typing import Final

__all__ = ["CERTAIN", "mismatch"]

CERTAIN: Final = 700.0
"""
ln E when a unit got an arm that has no share: beyond every bar, yet finite, so that it can be stored and compared.
"""


def mismatch(candidate_units: float, stable_units: float, share: float, *, concentration: float = 1000.0) -> float:
    """
    ln E against "each unit went to the candidate with probability `share`", for the units assigned in one epoch; add
    epochs up. Counts need not be whole: they may be estimates.

    Null: the assigned units are independent with exactly that share. Validity: a Bayes factor with a Beta(k w, k (1-w))
    alternative around the share w is a likelihood ratio with mean 1 under the null, whenever one looks. Concentration
    1000 looks for shares off by a tenth or so of themselves: an assignment of 6 instead of 5 % is found after 8,400
    units (median). Compare with LN_1000: one false alarm in a thousand rollouts. Edge cases: no units, 0; a share of 0
    or 1 and a unit in the arm without share, CERTAIN. Lindon and Malek (2022), Anytime-valid inference for multinomial
    count data, NeurIPS, arXiv 2011.03567.
    """
    if candidate_units < 0 or stable_units < 0 or not 0.0 <= share <= 1.0 or concentration <= 0.0:
        raise ValueError(
            "need counts >= 0, a share in [0, 1] and a positive concentration, "
            f"got {candidate_units}, {stable_units}, {share}, {concentration}"
        )
    if share in {0.0, 1.0}:
        return CERTAIN if (candidate_units if share == 0.0 else stable_units) else 0.0
    prior_c = concentration * share
    prior_s = concentration * (1.0 - share)
    return (
        _ln_beta(prior_c + candidate_units, prior_s + stable_units)
        - _ln_beta(prior_c, prior_s)
        - candidate_units * log(share)
        - stable_units * log(1.0 - share)
    )


def _ln_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
