"""
Intervals to look at. They are approximate, drawn for people, and no decision may read them.

Stratified by epoch, so that a base rate that changed between stages cannot pass for a difference between versions
(Simpson). Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and asymptotic
confidence sequences, Annals of Statistics 52(6), arXiv 2103.06476.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .eprocess import Binary

__all__ = ["Difference", "asymptotic_half_width", "asymptotic_one_sided_width", "stratified_difference"]


class Difference(NamedTuple):
    """Candidate rate minus stable rate, with a half-width that holds approximately at all looks together."""

    estimate: float
    standard_error: float
    effective_units: float
    """Sum over epochs of n_c n_s / (n_c + n_s): the size that carries information when shares are unequal."""
    half_width: float

    @property
    def low(self) -> float:
        """The lower end, inclusive."""
        return self.estimate - self.half_width

    @property
    def high(self) -> float:
        """The upper end, inclusive."""
        return self.estimate + self.half_width


def stratified_difference(
    epochs: Iterable[Binary], *, alpha: float = 0.05, tightest_at: float = 500.0
) -> Difference | None:
    """
    The difference of bad rates over epochs, weighted by effective size; None if no epoch has both arms.

    The spread uses (k+1)/(n+2), so that an arm without failures does not claim certainty. `tightest_at` = 500 effective
    units: intrinsic time is the effective size, not the request count, and 500 is where a default rollout decides
    (STATISTICS 3.10).
    """
    total = weighted = variance = 0.0
    for n_c, k_c, n_s, k_s in epochs:
        if not (n_c and n_s):
            continue
        size = n_c * n_s / (n_c + n_s)
        shrunk_c = (k_c + 1) / (n_c + 2)
        shrunk_s = (k_s + 1) / (n_s + 2)
        total += size
        weighted += size * (k_c / n_c - k_s / n_s)
        variance += size * size * (shrunk_c * (1 - shrunk_c) / n_c + shrunk_s * (1 - shrunk_s) / n_s)
    if total == 0.0:
        return None
    error = math.sqrt(variance) / total
    half = asymptotic_half_width(error, total, alpha=alpha, tightest_at=tightest_at)
    return Difference(weighted / total, error, total, half)


def asymptotic_half_width(standard_error: float, units: float, *, alpha: float, tightest_at: float) -> float:
    """
    Half-width of the two-sided asymptotic confidence sequence after `units`, tightest near `tightest_at`
    of them.
    """
    rho2 = _rho_squared(alpha, tightest_at)
    grown = units * rho2 + 1.0
    return standard_error * math.sqrt(units) * _boundary(grown, units, rho2, 0.5 * math.log(grown) - math.log(alpha))


def asymptotic_one_sided_width(standard_error: float, units: float, *, alpha: float, tightest_at: float) -> float:
    """Distance of the one-sided asymptotic confidence sequence's bound from the estimate."""
    rho2 = _rho_squared(2.0 * alpha, tightest_at)
    grown = units * rho2 + 1.0
    return (
        standard_error * math.sqrt(units) * _boundary(grown, units, rho2, math.log1p(math.sqrt(grown) / (2.0 * alpha)))
    )


def _rho_squared(alpha: float, tightest_at: float) -> float:
    if not 0.0 < alpha < 1.0 or tightest_at <= 0.0:
        raise ValueError(f"need 0 < alpha < 1 and tightest_at > 0, got {alpha} and {tightest_at}")
    ln_alpha = math.log(alpha)
    return (-2.0 * ln_alpha + math.log(1.0 - 2.0 * ln_alpha)) / tightest_at


def _boundary(grown: float, units: float, rho2: float, ln_term: float) -> float:
    return math.sqrt(2.0 * grown / (units * units * rho2) * ln_term)
