"""The one way out of a run: what is tried again and after how long, what it costs, and when an endpoint is given up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from surefoot.app.replay_jobs import Patient
from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.suite import NO_LIMITS, Limits
from surefoot.errors import ExecutorFailed
from surefoot.ports.executor import Answer
from surefoot.ports.judge import Usage
from surefoot.service.budget import Budget
from surefoot.service.calls import Calls, Failure, Lane, PaidFailure, own_task, pause
from surefoot.testing.clock import ManualClock
from surefoot.testing.samples import version
from tests.service.proofs import busy

BROKEN = ExecutorFailed("answered 502", hint="later", transient=True)
WRONG = ExecutorFailed("answered 400", hint="look")


class Endpoint:
    """Answers with what comes next in its script; the last one for ever."""

    def __init__(self, *script: object) -> None:
        self.script, self.asked = script, 0

    async def call(self) -> object:
        self.asked += 1
        found = self.script[min(self.asked, len(self.script)) - 1]
        if isinstance(found, Exception):
            raise found
        return found


async def passing(clock: ManualClock, running: asyncio.Task[object], step: float = 0.25) -> float:
    """Seconds of the manual clock until it is done."""
    seconds = 0.0
    await clock.settle()
    while not running.done():
        await clock.run(timedelta(seconds=step))
        seconds += step
        assert seconds < 1_000, "it hangs"
    return seconds


def made(endpoint: Endpoint, *, tries: int = 4, limits: Limits = NO_LIMITS, times: int = 1):
    """What came of calls one after the other, the budget they share, and the seconds they took."""

    async def story():
        clock, budget, lane = ManualClock(), Budget(limits), Lane("http://model", 8)
        calls = Calls(budget=budget, clock=clock, timeout=60, tries=tries, seed=1)

        async def all_of_them():
            return [
                await calls.make(own_task(), lane, "v1", endpoint.call, lambda found: Usage(0.5, 10))
                for _ in range(times)
            ]

        running = asyncio.create_task(all_of_them())
        seconds = await passing(clock, running)
        return running.result(), budget, seconds

    return asyncio.run(story())


@given(st.integers(1, 40), st.floats(0.5, 1.0), st.one_of(st.none(), st.floats(0, 1e9)))
def test_a_wait_is_as_long_as_the_endpoint_asks_and_never_longer_than_a_minute(nth, jitter, asked):
    """It grows from half a second to half a minute, and an hour of Retry-After is not slept through."""
    wait = pause(nth, busy(asked), jitter=jitter)
    assert 0.25 <= wait <= 60.0
    assert wait >= min(asked or 0.0, 60.0)
    assert wait <= pause(nth + 1, busy(asked), jitter=1.0)


def test_a_replay_waits_no_longer_either():
    """A model's run in a replay is tried again by the same rule, and its last failure is its result."""

    class Model:
        stream = None

        def __init__(self, endpoint: Endpoint) -> None:
            self.endpoint = endpoint

        async def run(self, version, request, *, key):
            return await self.endpoint.call()

    async def story(endpoint: Endpoint):
        clock = ManualClock()
        running = asyncio.create_task(Patient(Model(endpoint), clock).run(version(), "hi", key="k"))
        seconds = await passing(clock, running)
        return running, seconds

    answer = Answer(output="good", seen=Observation())
    running, seconds = asyncio.run(story(Endpoint(busy(86_400.0), answer)))
    assert (running.result(), 60.0 <= seconds <= 60.5) == (answer, True)
    running, seconds = asyncio.run(story(Endpoint(BROKEN)))
    assert (running.exception(), 3.5 <= seconds <= 4.25) == (BROKEN, True)
    running, _ = asyncio.run(story(Endpoint(WRONG, answer)))
    assert running.exception() is WRONG


def test_what_a_failed_call_had_used_is_paid_for():
    """A run of several calls whose last one failed is settled at what the others used; a refusal costs nothing."""
    (found,), budget, _ = made(Endpoint(PaidFailure(WRONG, Usage(0.25, 7))))
    assert found == Failure("answered 400")
    assert (budget.spent.usd, budget.spent.tokens, budget.spent.calls) == (0.25, 7, 1)
    _, budget, _ = made(Endpoint(WRONG))
    assert (budget.spent.usd, budget.spent.tokens, budget.spent.calls) == (0.0, 0, 1)
