"""Telling people and programs what happened."""

from __future__ import annotations

from typing import Protocol

from ..core.lifecycle.rollout import Effect
from ..core.units import RolloutId

__all__ = ["Notifier"]


class Notifier(Protocol):
    """One channel."""

    async def notify(self, rollout: RolloutId, effect: Effect, *, key: str) -> None:
        """Deliver once per `key`; called again with the same key after a crash. Raises to be retried."""
        ...
