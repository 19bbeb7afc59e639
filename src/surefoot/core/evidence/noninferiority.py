"""Evidence that the candidate is not worse than stable by the margin or more: what a promotion needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .eprocess import USUAL_BASELINE, Baseline, StableRate, clip_rate, log_sum_exp, log_weights
from .projection import ln_e_factor, null_rate

if TYPE_CHECKING:
    from .eprocess import Binary

__all__ = ["BinaryNonInferiority"]

_FRACTIONS: Final = (0.0, 0.5)
_LN_WEIGHTS: Final = tuple(log_weights((0.8, 0.2), 2))


class BinaryNonInferiority:
    """
    Grows when the candidate is proven better than "worse by the margin". Null: p_candidate >= p_stable + margin in
    every tick.

    Validity: as for `BinaryHarm` with the signs turned: the stakes lambda_c < 0 < lambda_s cancel and the expectation
    of a tick is at most exp(lambda_c n s (p_c - p_s - margin)) <= 1. Exact for rare events, where intervals with
    plugged-in variance promote in 26-82 %.

    Defaults: the alternative bets on no difference (weight 0.8, fastest for a healthy candidate) and on half the margin
    (0.2, without which a candidate truly worse by half the margin is never promoted). No restarts and nothing sticky: a
    claim of safety must hold for the whole rollout so far, so the *current* ln_e must reach the bar when the decision
    is taken.
    Edge cases: a tick without one of the arms only teaches the baseline. Feed the stream of *resolved* units, never
    first failures.
    Mutable: the state of a fold over closed ticks in order.

    Turner, Ly and Gruenwald (2024), arXiv 2106.02693 (a margin makes the null convex).
    """

    __slots__ = ("_levels", "_margin", "_rate")

    def __init__(self, margin: float, *, baseline: Baseline = USUAL_BASELINE) -> None:
        """`margin` is a difference of rates strictly between 0 and 1."""
        if not 0.0 < margin < 1.0:
            raise ValueError(f"margin is a difference of rates strictly between 0 and 1, got {margin}")
        self._margin = margin
        self._rate = StableRate(baseline)
        self._levels = [0.0, 0.0]

    def update(self, tick: Binary) -> None:
        """Bet on one closed tick, then learn the stable rate from it. Raises ValueError on impossible counts."""
        n_c, _, n_s, k_s = tick.checked()
        if n_c and n_s:
            p = self._rate.value
            share = n_c / (n_c + n_s)
            margin = self._margin
            for i, fraction in enumerate(_FRACTIONS):
                candidate = clip_rate(p + fraction * margin)
                q = null_rate(candidate, p, margin, share)
                self._levels[i] += ln_e_factor(tick, candidate, p, q + margin, q)
        self._rate.learn(n_s, k_s)

    @property
    def ln_e(self) -> float:
        """The current ln E; promotion needs it at the bar now, not once."""
        return log_sum_exp([weight + level for weight, level in zip(_LN_WEIGHTS, self._levels, strict=True)])

    @property
    def levels(self) -> tuple[float, ...]:
        """ln E of the two alternatives: no difference, half the margin."""
        return tuple(self._levels)

    @property
    def margin(self) -> float:
        """The difference of rates that is ruled out once ln_e reaches the bar."""
        return self._margin
