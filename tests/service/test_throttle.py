"""The pace of an endpoint, and the budget of a run: laws that hold whatever happens in whatever order."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.suite import Limits
from surefoot.core.units import MicroUsd
from surefoot.ports.judge import Usage
from surefoot.service.budget import Budget
from surefoot.service.throttle import Throttle


@settings(max_examples=60)
@given(most=st.integers(1, 40), ends=st.lists(st.booleans(), max_size=80))
def test_the_pace_stays_between_one_and_the_most(most, ends):
    """Whatever the endpoint says, at least one call goes on and never more than allowed."""
    throttle = Throttle(most)
    for overloaded in ends:
        place = throttle.try_acquire()
        assert place is not None
        throttle.release(place, overloaded=overloaded)
        assert 1 <= throttle.limit <= most


def test_one_round_of_overload_halves_once():
    """Calls that were made together say the same thing: the pace is halved once, not once for each of them."""
    throttle = Throttle(64)
    for _ in range(60):
        place = throttle.try_acquire()
        assert place is not None
        throttle.release(place)
    places = [throttle.try_acquire() for _ in range(20)]
    before = throttle.limit
    for place in places:
        throttle.release(place or 0, overloaded=True)
    assert throttle.limit == before // 2


def test_a_place_given_to_whoever_left_is_not_lost():
    """A waiter that is cancelled as its turn comes hands the place on."""

    async def story():
        throttle, asked = Throttle(1), asyncio.Event()
        first = await throttle.acquire()

        async def stays():
            asked.set()
            return await throttle.acquire()

        leaving, staying = asyncio.create_task(throttle.acquire()), asyncio.create_task(stays())
        await asked.wait()
        throttle.release(first)
        leaving.cancel()
        await asyncio.wait_for(staying, 10)
        assert leaving.cancelled()
        assert throttle.try_acquire() is None

    asyncio.run(story())


CALLS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 50_000)), min_size=1, max_size=60)


@settings(max_examples=60)
@given(cap=st.integers(1, 300_000), calls=CALLS)
def test_a_cap_is_passed_by_one_call_at_most_when_calls_come_one_by_one(cap, calls):
    """What was spent before the last call is below the cap, and once it is reached nothing more is launched."""

    async def story():
        budget = Budget(Limits(usd=MicroUsd(cap)))
        spent = 0
        for payer, micro in calls:
            if not await budget.reserve(payer):
                assert budget.stopped
                break
            assert spent < cap
            spent += micro
            budget.settle(payer, Usage(micro / 1e6, 1))
        assert abs(budget.spent.usd - spent / 1e6) < 1e-9

    asyncio.run(story())


@settings(max_examples=60)
@given(price=st.integers(1, 40_000), cap=st.integers(1, 400_000), at_once=st.integers(1, 20))
def test_calls_of_one_price_never_pass_the_cap_together(price, cap, at_once):
    """Once a price was seen, no more is launched than can be paid for; only a first, unknown call can be too dear."""

    async def story():
        budget = Budget(Limits(usd=MicroUsd(cap)))

        async def call():
            return Usage(price / 1e6, 0)

        async def worker():
            while await budget.reserve("p"):
                budget.settle("p", await asyncio.create_task(call()))

        await asyncio.gather(*(worker() for _ in range(at_once)))
        assert budget.spent.calls == max(1, cap // price)

    asyncio.run(story())
