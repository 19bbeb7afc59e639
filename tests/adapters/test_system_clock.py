"""Real time and real ids."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.testing.clock import ManualClock


def test_now_is_in_utc_and_says_so():
    """A naive instant would be compared with the wrong one."""
    assert SystemClock().now().tzinfo is UTC


def test_sleeping_gives_way_to_others():
    """It waits on the event loop."""

    async def play():
        order = []
        sleeper = asyncio.create_task(SystemClock().sleep(0))
        order.append("before")
        await sleeper
        order.append("after")
        return order

    assert asyncio.run(play()) == ["before", "after"]


def test_ids_ascend_with_time_and_within_a_millisecond():
    """Also when the clock jumps back: an id made later sorts later."""
    clock = ManualClock()
    ids = SystemIds(clock)
    made = []
    for jump in (0, 0, 0, 5, -3_600_000, 0, 1):
        clock.jump(timedelta(milliseconds=jump))
        made.append(ids.new())
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {26}


def test_ids_of_several_processes_sort_by_time():
    """The first ten characters are the time alone."""
    clock = ManualClock()
    first = SystemIds(clock).new()
    clock.advance(timedelta(milliseconds=1))
    assert first < SystemIds(clock).new()


def test_threads_never_share_an_id():
    """One instance serves a whole process."""
    ids = SystemIds(ManualClock())
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ids.new(), range(400)))
    assert len(set(made)) == 400


def test_seeds_have_64_bits():
    """None is out of range, and no two of a hundred are equal."""
    seeds = {SystemIds().seed() for _ in range(100)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**64 for seed in seeds)
