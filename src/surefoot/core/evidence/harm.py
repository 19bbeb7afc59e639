"""Evidence that the candidate fails more often than stable: the safe two-proportion test, tick by tick."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from .eprocess import (
    ODDS_RATIOS,
    USUAL_BASELINE,
    USUAL_WEIGHTS,
    Baseline,
    StableRate,
    StartMixture,
    clip_rate,
    log_weights,
)
from .projection import ln_e_factor, null_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .eprocess import Binary

__all__ = ["BinaryHarm"]

_EXCESS: Final = tuple(ratio - 1.0 for ratio in ODDS_RATIOS)
_LN_RATIO: Final = tuple(math.log(ratio) for ratio in ODDS_RATIOS)


class BinaryHarm:
    """
    Grows when the candidate's bad units are too many. Null: in every tick p_candidate <= p_stable + tolerance, averaged
    over the units.

    Validity: given the past, a tick's factor is a product over units of 1 + lambda_arm (Y - q) with stakes that cancel,
    s lambda_c + (1-s) lambda_s = 0, so its expectation is at most exp(lambda_c n s (p_c - p_s - tolerance)) <= 1
    (AM-GM). The true rates may drift, shares may change, the nominal share is not used. Units must be independent given
    the past: count a session once.

    Defaults: odds ratios and weights of `eprocess`; tolerance 0; a new start every 2000 units, 30 at most, plus
    `restart()` at each stage entry (halves the delay on late regressions, costs 2 to 5 % otherwise; STATISTICS 5.9).
    Edge cases: a tick without one of the arms only teaches the baseline; a tick without units changes nothing; where
    the stable rate plus the tolerance reaches 1 there is no bet.
    Mutable: the state of a fold over closed ticks in order.

    Turner, Ly and Gruenwald (2024), arXiv 2106.02693; the mixture over a grid replaces their plug-in alternative.
    """

    __slots__ = ("_mixture", "_rate", "_tolerance")

    def __init__(
        self,
        *,
        weights: Sequence[float] = USUAL_WEIGHTS,
        baseline: Baseline = USUAL_BASELINE,
        tolerance: float = 0.0,
        restart_every: int = 2000,
        max_starts: int = 30,
    ) -> None:
        """`tolerance` is a difference of rates in [0, 1); `baseline` may come from `Baseline.from_history`."""
        if not 0.0 <= tolerance < 1.0:
            raise ValueError(f"tolerance is a difference of rates in [0, 1), got {tolerance}")
        self._mixture = StartMixture(
            log_weights(weights, len(ODDS_RATIOS)), restart_every=restart_every, max_starts=max_starts
        )
        self._rate = StableRate(baseline)
        self._tolerance = tolerance

    def update(self, tick: Binary) -> None:
        """Bet on one closed tick, then learn the stable rate from it. Raises ValueError on impossible counts."""
        n_c, _, n_s, k_s = tick.checked()
        if n_c and n_s:
            levels = self._tolerant(tick) if self._tolerance else self._plain(tick)
            self._mixture.advance(levels, n_c + n_s)
        self._rate.learn(n_s, k_s)

    def restart(self) -> None:
        """Let a new bettor start: call it at each stage entry, never because of an outcome."""
        self._mixture.restart()

    @property
    def ln_e(self) -> float:
        """ln E, mixed over starts; the number the rollback average uses."""
        return self._mixture.ln_e

    @property
    def ln_e_from_start(self) -> float:
        """ln E of the bettor that began with the rollout, without restarts."""
        return self._mixture.ln_e_from_start

    @property
    def levels(self) -> tuple[float, ...]:
        """ln E of each odds ratio since the rollout began, in the order of ODDS_RATIOS."""
        return tuple(self._mixture.levels)

    @property
    def stable_rate(self) -> float:
        """The rate the next tick will be bet with."""
        return self._rate.value

    def _plain(self, tick: Binary) -> list[float]:
        # With d = 1 + (r-1)p the alternative is p_c = rp/d and the null is q = s p_c + (1-s) p. Every ln p and ln(1-p)
        # cancels: ln factor = k_c ln r + n_s ln d - k ln(qd/p) - (n-k) ln((1-q)d/(1-p)), three log1p for each ratio r.
        n_c, k_c, n_s, k_s = tick
        p = self._rate.value
        n = n_c + n_s
        bad = k_c + k_s
        good = n - bad
        fine = n_s / n * p
        hurt = n_c / n + fine
        log1p = math.log1p
        if not bad:
            return [
                level + n_s * log1p(x * p) - good * log1p(x * fine)
                for level, x in zip(self._mixture.levels, _EXCESS, strict=True)
            ]
        return [
            level + k_c * ln_ratio + n_s * log1p(x * p) - bad * log1p(x * hurt) - good * log1p(x * fine)
            for level, x, ln_ratio in zip(self._mixture.levels, _EXCESS, _LN_RATIO, strict=True)
        ]

    def _tolerant(self, tick: Binary) -> list[float]:
        p = self._rate.value
        share = tick.n_c / (tick.n_c + tick.n_s)
        border = clip_rate(p + self._tolerance)
        levels: list[float] = []
        for level, ratio in zip(self._mixture.levels, ODDS_RATIOS, strict=True):
            ok = (1.0 - border) / (1.0 - border + ratio * border)
            if 1.0 - ok <= p + self._tolerance:
                # Stable fails so often that nothing can be worse by more than the tolerance: such an "alternative" lies
                # inside the null, and betting on it would let evidence grow for a candidate that is better.
                levels.append(level)
                continue
            q = null_rate(1.0 - ok, p, self._tolerance, share)
            levels.append(level + ln_e_factor(tick, 1.0 - ok, p, q + self._tolerance, q))
        return levels
