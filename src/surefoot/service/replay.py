"""A replay from its first trace to its verdict: spread over workers, kept as it goes, resumed where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final, NamedTuple, Protocol, Self, TypeVar

from ..core.proof.gate_kinds import Gates
from ..core.proof.replay import Level, Limits
from ..core.proof.replay_verdict import Arm, Replayed, verdict
from ..core.proof.score import Attempt, Result
from ..core.units import Digest
from ..ports.results import ProofRun, Results
from ..ports.workers import Lost, Workers

__all__ = ["Batch", "ReplayOrder", "ReplayProgress", "Side", "replay"]


class Batch(Protocol):
    """Some replays that one worker makes in one go."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """What will have a result when it is done."""
        ...

    def apart(self) -> Sequence[Self]:
        """The same replays, each in a batch of its own."""
        ...

    def lost(self, why: str) -> Sequence[Result]:
        """What it comes to where the worker died of it, for this reason."""
        ...


B = TypeVar("B", bound=Batch)
_NO_LIMITS: Final = Limits()


class Side(NamedTuple):
    """A version, and the trial that its attempts have: a version against itself has two."""

    label: str
    version: Digest
    trial: int = 0
    doubt: str = ""
    """Why its recorded outcomes cannot be taken as they are; empty where they can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """What to replay."""

    run: ProofRun
    baseline: Side
    candidate: Side
    level: Level
    limits: Limits = _NO_LIMITS
    gates: Gates | None = None
    """None: the ones that follow from level and limits."""

    tasks: Mapping[str, str] = field(default_factory=dict[str, str])
    """The task of each trace that shares one with another."""

    uncompared: int = 0
    """Recorded runs of the candidate without one of the baseline."""


class ReplayProgress(NamedTuple):
    """How far it is, in replays of this process."""

    done: int
    errors: int


def replay(
    order: ReplayOrder,
    batches: Callable[[frozenset[Attempt]], Iterable[B]],
    play: Callable[[B], Sequence[Result]],
    *,
    workers: Workers,
    results: Results,
    told: Callable[[ReplayProgress], None] | None = None,
) -> Replayed:
    """
    Make every replay that is not kept yet, keep it, and judge all of them.

    `batches` is given the attempts that are finished and makes the others. Raises StoreUnavailable where a result
    cannot be kept: what was kept before stays, and nothing is judged. The replays of a batch whose worker died are made
    again one by one: only the one that its worker dies of has died.
    """
    results.begin(order.run)
    done = errors = 0
    before = results.finished(order.run.id)
    for found in _made(batches(before), play, workers):
        results.append(order.run.id, found)
        done += len(found)
        errors += sum(result.error is not None for result in found)
        if told is not None:
            told(ReplayProgress(done, errors))
    kept = list(results.results(order.run.id))
    whole = verdict(
        order.run.suite,
        _arm(order.baseline, kept),
        _arm(order.candidate, kept),
        level=order.level,
        limits=order.limits,
        gates=order.gates,
        tasks=order.tasks,
        uncompared=order.uncompared,
    )
    return replace(whole, made=done, before=len(before))


def _arm(side: Side, kept: Iterable[Result]) -> Arm:
    mine = (one for one in kept if one.attempt.version == side.version and one.attempt.trial == side.trial)
    return Arm(side.label, side.version, tuple(mine), side.doubt)


def _made(batches: Iterable[B], play: Callable[[B], Sequence[Result]], workers: Workers) -> Iterator[Sequence[Result]]:
    lost: list[B] = []
    for finished in workers.run(play, batches):
        if not isinstance(finished.answer, Lost):
            yield finished.answer
        elif len(finished.job.attempts) == 1:
            yield finished.job.lost(finished.answer.why)
        else:
            lost.append(finished.job)
    if lost:
        yield from _made(chain.from_iterable(batch.apart() for batch in lost), play, workers)
