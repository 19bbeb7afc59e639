"""Whose turn it is: one agent has one rollout under way, and a plan says what its candidate does when it finds one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ..traffic.plan import OnNewCandidate
from ..units import Digest
from .rollout import Abort, Event, Phase, Rollout, Start, Supersede

__all__ = ["SUREFOOT", "Turn", "take_turn"]

SUREFOOT: Final = "surefoot"
"""Who is named where a rule acted and no person did."""


class Turn(NamedTuple):
    """What is to be done next so that a queued rollout gets, or loses, its turn."""

    rollout: Rollout
    """The one it is done to: the queued one itself, or the one before it."""

    event: Event


def take_turn(
    queued: Rollout, others: Iterable[Rollout], *, stable: Digest, denied: Mapping[Digest, str]
) -> Turn | None:
    """
    What a queued rollout does about its agent's other rollouts. None: it waits.

    Before it are those under way, and those queued earlier (equals by id); never two of them at the same time. A
    candidate that was rolled back, or became stable, while it queued is taken out: nothing starts it by itself.
    """
    if queued.candidate in denied:
        return Turn(queued, Abort(by=SUREFOOT, why=f"the candidate is denied: {denied[queued.candidate]}"))
    if queued.candidate == stable:
        return Turn(queued, Abort(by=SUREFOOT, why="the candidate has become the stable version"))
    before = sorted((other for other in others if _is_before(other, queued)), key=_age)
    if not before:
        return Turn(queued, Start(by=queued.author, stable=stable))
    match queued.plan.on_new_candidate:
        case OnNewCandidate.QUEUE:
            return None
        case OnNewCandidate.SUPERSEDE:
            return Turn(before[0], Supersede(by=queued.author, candidate=queued.candidate))
        case OnNewCandidate.REJECT:
            why = f"rollout {before[0].id} of {before[0].candidate} is under way ({before[0].phase})"
            return Turn(queued, Abort(by=SUREFOOT, why=why))


def _is_before(other: Rollout, queued: Rollout) -> bool:
    if other.phase.is_final or other.id == queued.id or other.agent != queued.agent:
        return False
    return other.phase is not Phase.QUEUED or _age(other) < _age(queued)


def _age(rollout: Rollout) -> tuple[object, str]:
    return rollout.created_at, rollout.id
