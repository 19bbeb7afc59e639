"""The manual clock: time passes when told to, and sleepers wake at their own instant."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.testing.clock import MONDAY_NOON, ManualClock, SequentialIds


@settings(max_examples=30)
@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 60))
def test_sleepers_wake_in_order_at_their_own_instant(naps, run):
    """And not before their time, however far the clock is run at once."""

    async def play():
        clock, woken = ManualClock(), []

        async def nap(seconds):
            await clock.sleep(seconds)
            woken.append((seconds, (clock.now() - MONDAY_NOON).total_seconds()))

        tasks = [asyncio.create_task(nap(seconds)) for seconds in naps]
        await clock.run(timedelta(seconds=run))
        for task in tasks:
            task.cancel()
        return woken

    assert asyncio.run(play()) == [(nap, float(nap)) for nap in sorted(naps) if nap <= run]


def test_a_jump_of_the_wall_clock_wakes_nobody_and_delays_nobody():
    """Waiting is measured in passed time, as on a real machine."""

    async def play():
        clock = ManualClock()
        sleeper = asyncio.create_task(clock.sleep(10))
        await clock.settle()
        clock.jump(timedelta(hours=5))
        await clock.settle()
        early = sleeper.done()
        clock.jump(timedelta(hours=-9))
        await clock.run(timedelta(seconds=10))
        return early, sleeper.done(), clock.now()

    assert asyncio.run(play()) == (False, True, MONDAY_NOON - timedelta(hours=4) + timedelta(seconds=10))


def test_a_cancelled_sleeper_is_forgotten():
    """It neither wakes nor stands in the way of others."""

    async def play():
        clock = ManualClock()
        gone, stays = asyncio.create_task(clock.sleep(5)), asyncio.create_task(clock.sleep(6))
        await clock.settle()
        gone.cancel()
        await clock.run(timedelta(seconds=6))
        return gone.cancelled(), stays.done()

    assert asyncio.run(play()) == (True, True)


def test_ids_and_seeds_are_the_same_in_every_run_and_never_twice():
    """Ids ascend; seeds are 64-bit numbers far apart."""
    one, two = SequentialIds("x"), SequentialIds("x")
    ids = [one.new() for _ in range(100)]
    seeds = [one.seed() for _ in range(100)]
    assert ids == sorted(set(ids)) == [two.new() for _ in range(100)]
    assert seeds == [two.seed() for _ in range(100)]
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**64 for seed in seeds)
