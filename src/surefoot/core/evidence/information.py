"""How fast evidence can grow: the information bound, and how many units a proof still needs."""

from __future__ import annotations

import math

from .eprocess import clip_rate, threshold
from .projection import null_rate

__all__ = ["divergence", "least_units_to_detect", "non_inferiority_growth", "units_still_needed"]

_LN_WEIGHT_LOSS = -math.log(0.8)
"""What the weight 0.8 of the no-difference alternative costs on top of the bar."""


def divergence(rate: float, other: float) -> float:
    """
    Kullback-Leibler divergence in nats of a coin with `rate` from one with `other`, both strictly between 0 and 1.
    """
    return rate * math.log(rate / other) + (1.0 - rate) * math.log((1.0 - rate) / (1.0 - other))


def least_units_to_detect(candidate: float, stable: float, share: float, *, alpha: float = 0.05) -> float:
    """
    The mean number of units (both arms) no valid sequential test can undercut, even one told both rates.

    ln(1/alpha) over the growth of the best e-value, w KL(p_c, q) + (1-w) KL(p_s, q) with q = w p_c + (1-w) p_s (Wald
    1945). Infinite if the rates are equal.
    """
    if candidate == stable:
        return math.inf
    pooled = share * candidate + (1.0 - share) * stable
    growth = share * divergence(candidate, pooled) + (1.0 - share) * divergence(stable, pooled)
    return threshold(alpha) / growth if growth > 0.0 else math.inf


def non_inferiority_growth(rate: float, margin: float, share: float) -> float:
    """Nats of non-inferiority evidence a unit brings on average when both arms truly have `rate`."""
    p = clip_rate(rate)
    q = null_rate(p, p, margin, share)
    return share * divergence(p, q + margin) + (1.0 - share) * divergence(p, q)


def units_still_needed(ln_e: float, growth: float, *, alpha: float = 0.05) -> int | None:
    """
    A forecast, never a rule: units (both arms) until the proof is expected to be complete if the candidate is as good
    as stable.

    None if evidence does not grow; 0 if the bar has been reached.
    """
    bar = threshold(alpha)
    if ln_e >= bar:
        return 0
    return math.ceil((bar + _LN_WEIGHT_LOSS - ln_e) / growth) if growth > 0.0 else None
