"""What a replayed run was refused, and what that makes of it: a run whose code wanted out has left its tape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from .replay import Played
from .score import Result, Score

__all__ = ["REFUSED", "left_by_refusal", "told_of_refusals"]

REFUSED: Final = "refused"
"""How many effects a run was refused, whether or not its code caught the error. Only of runs that were."""

_LONGEST: Final = 2_000


def left_by_refusal(played: Played, refused: Mapping[str, int]) -> Played:
    """
    The run as one that left its tape, if it was refused anything.

    Without the refusal it might have failed, succeeded or done harm: nobody knows, so it is no success and no failure.
    """
    if not refused or played.first_divergence is not None:
        return played
    return replace(played, first_divergence=len(played.run.tool_calls), why="an effect was refused", is_refused=True)


def told_of_refusals(result: Result, refused: Mapping[str, int]) -> Result:
    """The result with the refusals in it: what, how often, and what would allow it."""
    if not refused:
        return result
    text = "; ".join(f"{what}, {count} times" if count > 1 else what for what, count in refused.items())[:_LONGEST]
    said = Score.scored(REFUSED, float(sum(refused.values())), passed=None, reason=text)
    error = None if result.error is None else f"{text}; {result.error}"
    return replace(result, scores=(*result.scores, said), error=error)
