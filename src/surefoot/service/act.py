"""The outbox: what a rollout asked of the world is done at least once, also across crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from ..ports.clock import Clock
from ..ports.notifier import Notifier
from ..ports.store import DueEffect, Outbox

__all__ = ["PATIENCE", "Acted", "act", "backoff"]

PATIENCE: Final = 30.0
"""Seconds a channel may take over one effect; then it has failed and is tried again."""

_IN_HAND: Final = timedelta(seconds=60)
"""How long a crash may delay an effect: longer than a channel may take, so nobody does it meanwhile."""

_RETRIES_PER_TRY: Final = 2
"""Taking it in hand and failing both count as an attempt in the store."""

_LONGEST: Final = timedelta(minutes=10)
_SAID: Final = 500


class Acted(NamedTuple):
    """How one round went."""

    done: int
    failed: int


async def act(*, store: Outbox, notifiers: Sequence[Notifier], clock: Clock, patience: float = PATIENCE) -> Acted:
    """
    Do what is due, oldest first, on every channel, and confirm it only then.

    Who takes an effect in hand puts its next try off first, so that other controllers leave it alone. A crash before
    the confirmation repeats the effect after that time, with the same key, by which a channel knows it again. An effect
    that failed on one channel, or took it more than `patience` seconds, is tried again on all, later and later; it
    holds up no other. Raises StoreUnavailable.
    """
    failed = 0
    due = await store.due(at=clock.now())
    for effect in due:
        await store.retry(effect.key, at=clock.now() + _IN_HAND, error="in hand")
        errors = [error for notifier in notifiers if (error := await _told(notifier, effect, patience)) is not None]
        if errors:
            failed += 1
            pause = backoff(effect.attempts // _RETRIES_PER_TRY)
            await store.retry(effect.key, at=clock.now() + pause, error="; ".join(errors)[:_SAID])
        else:
            await store.done(effect.key)
    return Acted(len(due) - failed, failed)


def backoff(attempts: int) -> timedelta:
    """How long to wait after that many failures before: 1 s, 2 s, 4 s ... and never more than ten minutes."""
    return min(timedelta(seconds=2 ** min(attempts, 16)), _LONGEST)


async def _told(notifier: Notifier, due: DueEffect, patience: float) -> str | None:
    """None if the channel took it, else what went wrong."""
    try:
        async with asyncio.timeout(patience):
            await notifier.notify(due.rollout, due.effect, key=due.key)
    except Exception as error:  # noqa: BLE001 - a channel is somebody else's code; whatever it raises, it is tried again
        return f"{type(notifier).__name__}: {type(error).__name__}: {error}"
    return None
