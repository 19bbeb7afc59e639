"""How much worse a candidate may still be at a stage, so that the harm to all traffic stays the same at every stage."""

from __future__ import annotations

__all__ = ["relative_stage_margin", "stage_margin"]


def stage_margin(margin: float, next_share: float) -> float:
    """
    The difference of rates to rule out before `next_share` of traffic is given: min(0.4, margin / next_share).

    A constant risk budget: next_share times the stage margin, the excess failures over all traffic, is at most
    `margin`. For 0.02 on the ladder 1, 5, 25, 50, 100 % it asks for 0.40, 0.08, 0.04, 0.02. At most 0.4, so that an
    outright broken candidate never advances. Share in (0, 1], margin in (0, 1). Entering a stage whose margin is
    breached has probability <= alpha per metric over the whole rollout, because every stage needs all the proof of that
    margin (gatekeeping; no correction for the number of stages).
    """
    _check(margin, next_share)
    return min(0.4, margin / next_share)


def relative_stage_margin(margin: float, next_share: float) -> float:
    """The same for a margin relative to the stable mean: min(3, margin / next_share), at most four times the cost."""
    _check(margin, next_share)
    return min(3.0, margin / next_share)


def _check(margin: float, next_share: float) -> None:
    if not 0.0 < next_share <= 1.0 or not margin > 0.0:
        raise ValueError(f"need 0 < next_share <= 1 and a margin above 0, got {next_share} and {margin}")
