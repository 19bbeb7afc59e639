"""The loop that keeps an eye on all rollouts. Run as many of them as you like, anywhere, beside one store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..core.lifecycle.rollout import Phase
from ..core.units import RolloutId
from ..errors import SurefootError, Unavailable
from ..ports.clock import Clock
from ..ports.notifier import Notifier
from ..ports.store import Store
from .act import act, backoff
from .cases import Cases
from .reconcile import reconcile

__all__ = ["LIVE", "Controller", "Health"]

LIVE: Final = tuple(phase for phase in Phase if not phase.is_final)

_LAST_WORDS: Final = 1.0
"""Seconds that a channel in the middle of an effect is given when the controller ends. It is told again if need be."""

_LONGEST_PAUSE: Final = 5.0
"""Seconds: how long after a store has come back protection may still be asleep."""


@dataclass(slots=True)
class Health:
    """What a controller has been through. Counters only grow. State, hence not frozen."""

    rounds: int = 0
    looks: int = 0
    steps: int = 0
    effects_done: int = 0
    effects_failed: int = 0
    effects_error: str = ""
    """Why the outbox could not be worked through, the last time it could not. Empty: it can be."""

    store_away: int = 0
    """Rounds that were cut short because the store was away."""

    away_since_round: int = 0
    """How many rounds in a row the store has been away. 0: it is there."""

    troubled: dict[RolloutId, str] = field(default_factory=dict[RolloutId, str])
    """Rollouts that could not be looked at in the last round, and why. They hold, and never advance."""


class Controller:
    """
    Looks at every live rollout once per `every` seconds, and does what is in the outbox.

    It keeps nothing that matters: a crash, a cancellation or a second controller loses no step and makes none twice.
    Effects are done beside the looks: whoever is told of a rollout, and however slowly, protection does not wait.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        notifiers: Sequence[Notifier] = (),
        every: float = 1.0,
        cases: Cases | None = None,
    ) -> None:
        self.health = Health()
        self._store = store
        self._clock = clock
        self._notifiers = notifiers
        self._every = every
        self._cases = cases or Cases(store)

    async def run(self) -> None:
        """Until cancelled. A store that is away is waited for, longer and longer, and counted."""
        acting: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    await self._look_at_all()
                except Unavailable:
                    self.health.store_away += 1
                    self.health.away_since_round += 1
                else:
                    self.health.away_since_round = 0
                    if acting is None or acting.done():
                        acting = asyncio.create_task(self._act_beside())
                await self._clock.sleep(self._pause())
        finally:
            if acting is not None:
                await asyncio.wait([acting], timeout=_LAST_WORDS)
                acting.cancel()
                await asyncio.wait([acting], timeout=_LAST_WORDS)

    async def round(self) -> None:
        """One look at every live rollout, then the outbox, to its end. Raises StoreUnavailable."""
        await self._look_at_all()
        await self._act()

    async def _look_at_all(self) -> None:
        self.health.rounds += 1
        live = await self._store.ids(phases=LIVE)
        for gone in self.health.troubled.keys() - set(live):
            del self.health.troubled[gone]
        self._cases.keep_only(live)
        for rollout in live:
            await self._look(rollout)

    async def _act_beside(self) -> None:
        """Whatever goes wrong with the outbox, it is tried again next time; the looks go on."""
        try:
            await self._act()
        except Exception as error:  # noqa: BLE001 - a task of its own: nobody else would hear of it
            self.health.effects_error = f"{type(error).__name__}: {error}"
        else:
            self.health.effects_error = ""

    async def _act(self) -> None:
        acted = await act(store=self._store, notifiers=self._notifiers, clock=self._clock)
        self.health.effects_done += acted.done
        self.health.effects_failed += acted.failed

    async def _look(self, id: RolloutId) -> None:
        self.health.looks += 1
        try:
            moved = await reconcile(id, store=self._store, clock=self._clock, cases=self._cases)
        except Unavailable:
            raise
        except (SurefootError, ValueError, ArithmeticError, LookupError) as error:
            # One rollout whose evidence is damaged must not keep the others unprotected. It holds, visibly.
            self._cases.forget(id)
            self.health.troubled[id] = f"{type(error).__name__}: {error}"
            return
        self.health.troubled.pop(id, None)
        self.health.steps += moved is not None

    def _pause(self) -> float:
        """Seconds until the next round: the usual ones, or up to 5 while the store is away."""
        if not self.health.away_since_round:
            return self._every
        return min(self._every * backoff(self.health.away_since_round - 1).total_seconds(), _LONGEST_PAUSE)
