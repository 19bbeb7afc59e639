"""What the parts of the store contract share: where a store is, and how a story about it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from ..core.lifecycle.machine import transition
from ..core.lifecycle.rollout import Event, Start
from ..core.units import RolloutId
from ..errors import SurefootError
from ..ports.feed import Feed
from ..ports.sink import ClosingSink
from ..ports.store import Store, Stored
from .samples import NOON, rollout

__all__ = ["StoreUnderTest", "Story", "moved", "opened", "refused", "started", "told"]

Story = Callable[[Store], Awaitable[None]]


class StoreUnderTest(Protocol):
    """One empty database, and any number of ways into it."""

    def store(self) -> Store:
        """One more store on this database, as another process would open it."""
        ...

    def feed(self) -> Feed:
        """One more feed."""
        ...

    def sink(self) -> ClosingSink:
        """One more sink."""
        ...


@asynccontextmanager
async def opened(where: StoreUnderTest) -> AsyncGenerator[Store]:
    """One more store, up to date, closed in the end."""
    store = where.store()
    try:
        await store.migrate()
        yield store
    finally:
        await store.close()


def told(where: StoreUnderTest, story: Story) -> None:
    """Live through a story in a loop of its own."""

    async def whole() -> None:
        async with opened(where) as store:
            await story(store)

    asyncio.run(whole())


@contextmanager
def refused(kind: type[Exception]) -> Generator[None]:
    """What happens inside has to raise an error of that kind; one of ours has to say what to do next."""
    try:
        yield
    except kind as error:
        if isinstance(error, SurefootError) and not error.hint:
            raise AssertionError(f"{error!r} has no hint") from error
        return
    raise AssertionError(f"nothing raised {kind.__name__}")


async def started(store: Store, id: str = "r-1") -> Stored:
    """A rollout in its first stage."""
    await store.create(rollout(id))
    return await moved(store, id, Start(by="ada"))


async def moved(store: Store, id: str, event: Event) -> Stored:
    """The rollout after one more step."""
    before = await store.rollout(RolloutId(id))
    step = transition(before.rollout, event, at=NOON)
    revision = await store.commit(step, expected=before.revision)
    return Stored(step.after, revision)
