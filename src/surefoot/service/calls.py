"""Every call of a run, to executors and judges alike: reserved, throttled, watched, repeated, settled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar, cast

from ..errors import ExecutorFailed, SurefootError
from ..ports.clock import Clock
from ..ports.judge import Usage
from .budget import Budget
from .throttle import Throttle

__all__ = ["Calls", "Failure", "Lane", "PaidFailure", "own_task", "pause"]

T = TypeVar("T")

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_LOOKS: Final = 8
"""How often a call is looked at within its time-out: it ends at most an eighth late."""

_HOPELESS: Final = 5
"""Attempts in a row whose transport failed to the end, after which an endpoint is given up."""


class Failure(NamedTuple):
    """Why a call gave nothing, for the record."""

    reason: str


class Lane:
    """An endpoint: what shares a throttle, and fails together."""

    def __init__(self, endpoint: str, most: int) -> None:
        self.endpoint = endpoint
        self.throttle = Throttle(most)
        self.failed_in_a_row = 0


class PaidFailure(Exception):
    """A call that failed after it had used something. For `Calls.make`: nobody else sees it."""

    def __init__(self, failed: ExecutorFailed, usage: Usage) -> None:
        super().__init__(failed.message)
        self.failed = failed
        self.usage = usage


def pause(nth: int, failed: ExecutorFailed, *, jitter: float) -> float:
    """
    Seconds to wait after the `nth` attempt, from 1: longer each time, and as long as the endpoint asks.

    At most a minute, whatever it asks: who has to wait for longer than that is better told so. `jitter` shortens the
    wait, so that those that failed together do not come back together.
    """
    longest: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (nth - 1))
    return max(longest * jitter, min(failed.retry_after or 0.0, 2 * _LONGEST_WAIT_S))


def own_task() -> asyncio.Task[object]:
    """The task that asks. To be asked once a worker and not once a call: until Python 3.12 it is slow."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that is awaited runs in a task
    return cast("asyncio.Task[object]", task)


class _TooLong(ExecutorFailed):
    """A call was ended by the watch. It may have been paid for."""


class Calls:
    """The one way out of a run. For one event loop; `watch` has to run beside it."""

    def __init__(self, *, budget: Budget, clock: Clock, timeout: float, tries: int, seed: int) -> None:
        self._budget = budget
        self._clock = clock
        self._timeout = timeout
        self._tries = tries
        self._chance = random.Random(seed)  # noqa: S311 - jitter, not secrets
        self._look = 0
        self._began: dict[asyncio.Task[object], int] = {}
        self._too_long: set[asyncio.Task[object]] = set()

    async def watch(self) -> None:
        """End whatever takes longer than the time-out. Runs until it is cancelled."""
        while True:
            await self._clock.sleep(self._timeout / _LOOKS)
            self._look += 1
            for task, began in list(self._began.items()):
                if self._look - began > _LOOKS and task not in self._too_long:
                    self._too_long.add(task)
                    task.cancel()

    async def make(
        self,
        task: asyncio.Task[object],
        lane: Lane,
        payer: str,
        call: Callable[..., Awaitable[T]],
        usage: Callable[[T], Usage],
        *given: object,
    ) -> T | Failure | None:
        """
        What `call(*given)` gives, or why it gave nothing; None if it was not made, because the run stops.

        `task` is the one that awaits this (`own_task`): the watch ends what it waits for.

        A transport that fails is tried again, later each time and by chance a little earlier or later still; anything
        else is an answer, however bad.
        """
        for nth in range(1, self._tries + 1):
            place = lane.throttle.try_acquire()
            if place is None:
                place = await lane.throttle.acquire()
            if not (self._budget.try_reserve(payer) or await self._budget.reserve(payer)):
                lane.throttle.release(place)
                return None
            self._began[task] = self._look
            try:
                answer = await call(*given)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it raises is its result
                failed = self._explained(task, error)
                self._settle_failed(payer, error, failed)
            else:
                lane.throttle.release(place)
                lane.failed_in_a_row = 0
                self._budget.settle(payer, usage(answer))
                return answer
            finally:
                del self._began[task]
                if task in self._too_long:
                    self._too_long.remove(task)
                    task.uncancel()
            lane.throttle.release(place, overloaded=failed.overloaded)
            if not failed.transient:
                return Failure(failed.message)
            if nth == self._tries:
                return self._gave_up(lane, failed)
            await self._wait(nth, failed)
        return None

    def _settle_failed(self, payer: str, error: BaseException, failed: ExecutorFailed) -> None:
        """What a failed call cost: what it says it used, else nothing, unless it was ended and may have been paid."""
        if isinstance(error, PaidFailure):
            self._budget.settle(payer, error.usage)
        else:
            self._budget.settle_failed(payer, charged=isinstance(failed, _TooLong))

    def _explained(self, task: asyncio.Task[object], error: BaseException) -> ExecutorFailed:
        """What went wrong as one kind of error. A cancellation that the watch did not order is raised again."""
        if isinstance(error, asyncio.CancelledError):
            if task not in self._too_long or task.cancelling() > 1:  # the second one is whoever ends the run
                raise error
            return _TooLong(f"no answer within {self._timeout:g} s", hint="", overloaded=True)
        if isinstance(error, PaidFailure):
            return error.failed
        if isinstance(error, ExecutorFailed):
            return error
        said = error.message if isinstance(error, SurefootError) else f"{type(error).__name__}: {error}"
        return ExecutorFailed(said, hint="")

    async def _wait(self, nth: int, failed: ExecutorFailed) -> None:
        await self._clock.sleep(pause(nth, failed, jitter=self._chance.uniform(0.5, 1.0)))

    def _gave_up(self, lane: Lane, failed: ExecutorFailed) -> Failure:
        lane.failed_in_a_row += 1
        if lane.failed_in_a_row >= _HOPELESS:
            self._budget.stop(f"{_HOPELESS} attempts in a row failed at {lane.endpoint}: {failed.message}")
        return Failure(f"{failed.message} ({self._tries} tries)")
