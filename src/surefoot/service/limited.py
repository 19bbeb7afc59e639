"""The tasks of a run, with what ends them beside them: the watch over calls, and the limit on time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from ..core.proof.suite import Limits
from ..ports.clock import Clock
from .budget import Budget
from .calls import Calls

__all__ = ["limited"]


@asynccontextmanager
async def limited(calls: Calls, budget: Budget, clock: Clock, limits: Limits) -> AsyncGenerator[asyncio.TaskGroup]:
    """
    A group for the tasks of a run; leaving it waits for them. The first error among them is raised as itself.

    When the time of `limits` is over, the budget launches nothing more.
    """
    beside = [asyncio.create_task(calls.watch())]
    if limits.time is not None:
        beside.append(asyncio.create_task(_ended(clock, budget, limits.time / 1000)))
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _ended(clock: Clock, budget: Budget, seconds: float) -> None:
    await clock.sleep(seconds)
    budget.stop(f"the limit of {seconds:g} s is reached")


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    for error in errors.exceptions:
        return (
            _first(cast("BaseExceptionGroup[BaseException]", error)) if isinstance(error, BaseExceptionGroup) else error
        )
    return errors
