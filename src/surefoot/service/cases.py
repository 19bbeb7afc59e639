"""Evidence brought up to date: closed ticks folded once and kept, and folded again from nothing on any doubt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from ..core.evidence.tally import History, Tick
from ..core.evidence.verdict import Look, Verdict
from ..core.lifecycle.audit import GENESIS, AuditRecord, epochs_of, tick_hash
from ..core.lifecycle.judge import Case, EpochInfo
from ..core.lifecycle.rollout import Rollout, Start
from ..core.traffic.plan import Plan
from ..core.units import RolloutId
from ..ports.store import Evidence, Rollouts

__all__ = ["Cases", "Fold", "Folds", "Judge", "history_of"]

_A_MINUTE: Final = timedelta(minutes=1)


class Judge(Protocol):
    """What a case must be able to do. `core.lifecycle.judge.Case` does it; a scripted one serves tests."""

    @property
    def tick(self) -> int:
        """Sequence of the newest tick it has seen."""
        ...

    def add(self, tick: Tick, during: EpochInfo) -> None:
        """Take in the next closed tick. Raises ValueError on a gap."""
        ...

    def judge(self, look: Look, *, detailed: bool = True) -> Verdict:
        """Look at the rollout."""
        ...


class Folds(Protocol):
    """Makes an empty case: `core.lifecycle.judge.Case` itself."""

    def __call__(self, plan: Plan, history: History | None, /) -> Judge:
        """A case that has seen nothing."""
        ...


class _Store(Evidence, Rollouts, Protocol):
    """What folding reads."""


class Fold:
    """A case, and what it takes to go on with it. Mutable: it grows with every closed tick."""

    def __init__(self, rollout: Rollout, records: Sequence[AuditRecord], folds: Folds) -> None:
        self.case = folds(rollout.plan, history_of(records))
        self.upto_epoch = max((record.transition.after.epoch for record in records), default=0)
        """The newest epoch of the trail it was made with."""

        self.ticks_hash = GENESIS
        """Stands for every tick it has seen."""

        self._closed: list[datetime] = []
        self._epochs = epochs_of(record.transition for record in records)

    def has_epoch(self, epoch: int) -> bool:
        """Whether the trail knows an epoch of that number in which the candidate had traffic."""
        return epoch in self._epochs

    def last_tick_at(self, at: datetime) -> datetime | None:
        """
        Closing time of the newest tick closed at or before `at`; None if there is none.

        A tick closed by a clock that ran ahead says nothing about how long it has been quiet.
        """
        found = bisect_right(self._closed, at)
        return self._closed[found - 1] if found else None

    def knows(self, ticks: Iterable[Tick]) -> bool:
        """Whether the ticks follow without a gap, all in epochs it has heard of."""
        following = enumerate(ticks, start=self.case.tick + 1)
        return all(tick.sequence == expected and tick.epoch in self._epochs for expected, tick in following)

    def add(self, ticks: Iterable[Tick]) -> None:
        """Take them in."""
        for tick in ticks:
            self.case.add(tick, self._epochs[tick.epoch])
            self.ticks_hash = tick_hash(tick, previous=self.ticks_hash)
            self._note_closing(tick.closed_at)

    def _note_closing(self, at: datetime) -> None:
        """Kept in rising order, one a minute: what a newer tick was closed before was closed in the future."""
        while self._closed and self._closed[-1] >= at:
            self._closed.pop()
        if len(self._closed) > 1 and at - self._closed[-2] < _A_MINUTE:
            self._closed.pop()
        self._closed.append(at)


class Cases:
    """The folds of all rollouts that one controller looks at. Lost in a crash without loss: ticks are what is kept."""

    def __init__(self, store: _Store, *, folds: Folds = Case) -> None:
        self._store = store
        self._folds = folds
        self._kept: dict[RolloutId, Fold] = {}

    @property
    def kept(self) -> Collection[RolloutId]:
        """The rollouts whose folds are kept."""
        return self._kept.keys()

    async def of(self, rollout: Rollout) -> Fold:
        """
        The fold of all ticks that are closed now.

        A kept one goes on where it stopped, if what is new follows on it. If not (a gap, an epoch it has not heard of,
        a store that was restored) everything is read and folded again. Raises ValueError if even that does not fit.
        """
        kept = self._kept.get(rollout.id)
        if kept is not None and kept.upto_epoch >= rollout.epoch:
            ticks = await self._store.ticks(rollout.id, after=kept.case.tick)
            # Somebody else may have used the same fold while this one waited: what it has seen by now is not new.
            fresh = [tick for tick in ticks if tick.sequence > kept.case.tick]
            if kept.knows(fresh):
                kept.add(fresh)
                return kept
        return await self._anew(rollout)

    def forget(self, id: RolloutId) -> None:
        """Drop what is kept of a rollout: it is over, or in doubt."""
        self._kept.pop(id, None)

    def keep_only(self, live: Collection[RolloutId]) -> None:
        """Drop the folds of all other rollouts: those are over."""
        for over in self._kept.keys() - set(live):
            del self._kept[over]

    async def _anew(self, rollout: Rollout) -> Fold:
        # Ticks first: the trail read after them knows every epoch they may belong to.
        ticks = await self._store.ticks(rollout.id)
        fold = Fold(rollout, await self._store.audit(rollout.id), self._folds)
        if not fold.knows(ticks):
            self.forget(rollout.id)
            raise ValueError(f"ticks of rollout {rollout.id} are missing, or in epochs its trail does not know")
        fold.add(ticks)
        self._kept[rollout.id] = fold
        return fold


def history_of(records: Iterable[AuditRecord]) -> History | None:
    """What stable had shown before the rollout, frozen by the Start that went through: the last one."""
    starts = [record.transition.event for record in records if isinstance(record.transition.event, Start)]
    return starts[-1].history if starts else None
