"""Every call of a run: repeated where the transport fails, never for ever, and nothing it took is kept afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.suite import NO_LIMITS, Limits
from surefoot.core.units import MicroUsd
from surefoot.errors import ExecutorFailed, UsageError
from surefoot.ports.judge import Usage
from surefoot.service.budget import Budget
from surefoot.service.calls import Calls, Failure, Lane, PaidFailure, own_task
from surefoot.testing.clock import ManualClock
from tests.service.proofs import busy

TIMEOUT = 8.0
DENIED = ExecutorFailed("answered 401", hint="check the key")
CUT = ExecutorFailed("connection reset", hint="again", transient=True)
DOLLAR = Usage(1.0, 10)


class NoWaiting:
    """A clock that writes down for how long it was to wait, and does not."""

    def __init__(self):
        self.waits = []

    async def sleep(self, seconds):
        self.waits.append(seconds)


class Desk:
    """One endpoint, one budget, and a call that does one thing after the other."""

    def __init__(self, *does, tries=3, limits=NO_LIMITS, most=4, seed=1, clock=None):
        self.does = list(does)
        self.asked = 0
        self.clock = clock or NoWaiting()
        self.budget = Budget(limits)
        self.lane = Lane("test endpoint", most)
        self.calls = Calls(budget=self.budget, clock=self.clock, timeout=TIMEOUT, tries=tries, seed=seed)

    async def call(self):
        """The next thing: an error is raised, what can be waited for is, anything else is the answer."""
        does = self.does[min(self.asked, len(self.does) - 1)]
        self.asked += 1
        if isinstance(does, BaseException):
            raise does
        return await does if isinstance(does, Awaitable) else does

    async def make(self):
        """One call, by the task that asks for it."""
        return await self.calls.make(own_task(), self.lane, "agent", self.call, lambda answer: DOLLAR)

    def made(self, times=1):
        """What so many calls gave, one after the other."""

        async def story():
            return [await self.make() for _ in range(times)]

        found = asyncio.run(story())
        return found[0] if times == 1 else found

    @property
    def places(self):
        """How many places are free."""
        free = 0
        while self.lane.throttle.try_acquire() is not None:
            free += 1
        return free


def test_an_answer_needs_one_call():
    """It is asked once, waits for nothing, and costs what it says."""
    desk = Desk("yes")
    assert desk.made() == "yes"
    assert (desk.asked, desk.clock.waits, desk.budget.spent.usd) == (1, [], 1.0)


@pytest.mark.parametrize("error", [CUT, busy()], ids=["cut off", "busy"])
def test_a_transport_that_fails_is_tried_again(error):
    """Until it answers: twice for nothing, then with an answer, and only that one is paid."""
    desk = Desk(error, error, "yes")
    assert desk.made() == "yes"
    assert (desk.asked, len(desk.clock.waits), desk.budget.spent.usd) == (3, 2, 1.0)


def test_not_for_ever():
    """After all its tries it says why, and how often it tried."""
    desk = Desk(CUT, tries=4)
    assert desk.made() == Failure("connection reset (4 tries)")
    assert (desk.asked, len(desk.clock.waits)) == (4, 3)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DENIED, "answered 401"),
        (KeyError("city"), "KeyError: 'city'"),
        (UsageError("no such tool", hint="name another"), "no such tool"),
    ],
    ids=["refused", "its own code", "a mistake"],
)
def test_what_would_fail_again_is_not_tried_again(error, reason):
    """An answer, however bad, is an answer; what the agent's own code raises is its result."""
    desk = Desk(error)
    assert desk.made() == Failure(reason)
    assert (desk.asked, desk.clock.waits) == (1, [])


@given(st.integers(0, 2**32), st.integers(2, 12))
def test_each_wait_is_twice_as_long_give_or_take(seed, tries):
    """Half a second at first, half a minute at most, and by chance up to half of it less: nobody keeps in step."""
    desk = Desk(CUT, tries=tries, seed=seed)
    desk.made()
    longest = [min(30.0, 0.5 * 2**nth) for nth in range(tries - 1)]
    assert all(most / 2 <= wait <= most for wait, most in zip(desk.clock.waits, longest, strict=True))


def test_the_same_seed_waits_alike():
    """A run can be made again; another run does not wait in step with it."""

    def waits(seed):
        desk = Desk(CUT, tries=6, seed=seed)
        desk.made()
        return desk.clock.waits

    assert waits(1) == waits(1) != waits(2)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (None, 0.25, 0.5),
        (0.0, 0.25, 0.5),
        (-5.0, 0.25, 0.5),
        (0.1, 0.25, 0.5),
        (20.0, 20.0, 20.0),
        (3_600.0, 60.0, 60.0),
    ],
)
def test_an_endpoint_may_ask_for_a_longer_wait(asked, least, most):
    """What it asks for is waited, up to a minute; less than the usual wait is not."""
    desk = Desk(busy(retry_after=asked), "yes")
    desk.made()
    (wait,) = desk.clock.waits
    assert least <= wait <= most


def test_an_endpoint_that_fails_all_the_time_is_given_up():
    """Five attempts in a row whose transport failed to the end: the run stops, and says at which endpoint."""
    desk = Desk(CUT, tries=2)
    assert desk.made(5) == [Failure("connection reset (2 tries)")] * 5
    assert desk.budget.stopped == "5 attempts in a row failed at test endpoint: connection reset"
    assert desk.made() is None
    assert desk.asked == 10


def test_one_answer_among_them_is_a_sign_of_life():
    """Four lost, one answered and four lost again are no reason to give up."""
    desk = Desk(*[CUT] * 4, "yes", *[CUT] * 4, tries=1)
    desk.made(9)
    assert desk.budget.stopped == ""


def test_refusals_in_a_row_are_no_dead_endpoint():
    """Who answers is there, even if every answer is a refusal."""
    desk = Desk(DENIED)
    assert desk.made(9) == [Failure("answered 401")] * 9
    assert desk.budget.stopped == ""


@pytest.mark.parametrize(
    ("limits", "answers"),
    [
        (Limits(calls=2), 2),
        (Limits(usd=MicroUsd(3_000_000)), 3),
        (Limits(tokens=40), 4),
        (NO_LIMITS, 6),
    ],
    ids=["calls", "money", "tokens", "none"],
)
def test_a_cap_is_kept(limits, answers):
    """Calls of a dollar and ten tokens: as many as fit are made, and those after them are not."""
    desk = Desk("yes", limits=limits)
    assert desk.made(6) == ["yes"] * answers + [None] * (6 - answers)
    assert (desk.asked, bool(desk.budget.stopped)) == (answers, answers < 6)


def test_each_try_counts_as_a_call():
    """A cap on calls is one on what is sent: the third try of one attempt is not made."""
    desk = Desk(CUT, limits=Limits(calls=2), tries=5)
    assert desk.made() is None
    assert (desk.asked, desk.budget.spent.calls) == (2, 2)


def test_a_run_that_has_stopped_asks_nothing():
    """Whatever stopped it, no further call is made."""
    desk = Desk("yes")
    desk.budget.stop("enough is known")
    assert desk.made() is None
    assert desk.asked == 0


@pytest.mark.parametrize(
    ("error", "spent"),
    [(DENIED, 0.0), (KeyError("city"), 0.0), (PaidFailure(DENIED, Usage(0.25, 3)), 0.25)],
    ids=["refused", "raised", "paid"],
)
def test_a_failed_call_costs_what_it_says(error, spent):
    """Nothing, unless it says what it used before it failed."""
    desk = Desk(error)
    assert desk.made() == Failure("KeyError: 'city'" if isinstance(error, KeyError) else "answered 401")
    assert desk.budget.spent.usd == spent


def test_a_paid_failure_is_the_failure_that_was_paid():
    """Whether it may be tried again, and after how long, is not lost when its cost is added."""
    desk = Desk(PaidFailure(busy(retry_after=7), Usage(0.25, 3)), "yes")
    assert desk.made() == "yes"
    assert (desk.clock.waits, desk.budget.spent.usd) == ([7], 1.25)


@given(st.lists(st.sampled_from(["yes", CUT, busy(), DENIED, ValueError("no")]), min_size=1, max_size=30))
def test_whatever_happens_every_place_is_given_back(does):
    """After any run of answers and failures, all places of the endpoint are free, as many as its pace allows."""
    desk = Desk(*does, tries=2, most=8)
    desk.made(len(does))
    assert desk.places == desk.lane.throttle.limit >= 1


@pytest.mark.parametrize(("error", "is_slower"), [(busy(), True), (CUT, False), (DENIED, False)])
def test_only_an_endpoint_with_too_much_to_do_gets_less(error, is_slower):
    """A reset connection and a refusal say nothing about its load."""
    desk = Desk(error, tries=1)
    before = desk.lane.throttle.limit
    desk.made()
    assert (desk.lane.throttle.limit < before) is is_slower


def lived(story):
    """A story with a manual clock and the watch beside it."""

    async def whole():
        clock = ManualClock()
        desk = Desk(clock=clock, tries=1)
        watch = asyncio.create_task(desk.calls.watch())
        try:
            await story(desk, clock)
        finally:
            watch.cancel()

    asyncio.run(whole())


def silence():
    """An answer that never comes."""
    return asyncio.get_running_loop().create_future()


async def passed(clock, seconds):
    """So much later."""
    await clock.run(timedelta(seconds=seconds))


def test_a_call_that_takes_too_long_is_ended():
    """Not before its time-out and at most an eighth after it; it may have been paid for, and its task goes on."""

    async def story(desk, clock):
        desk.does = ["yes", silence()]
        assert await desk.make() == "yes"
        task = asyncio.create_task(desk.make())
        await passed(clock, TIMEOUT)
        assert not task.done()
        await passed(clock, TIMEOUT / 8 + 0.001)
        assert task.result() == Failure("no answer within 8 s (1 tries)")
        assert task.cancelling() == 0
        assert desk.lane.throttle.limit < 4

    lived(story)


def test_a_call_that_was_ended_is_charged_like_the_dearest():
    """Under a cap nobody knows what it used: at most what a call has cost so far."""

    async def story(desk, clock):
        desk.budget = Budget(Limits(usd=MicroUsd(9_000_000)))
        desk.calls = Calls(budget=desk.budget, clock=clock, timeout=TIMEOUT, tries=1, seed=1)
        watch = asyncio.create_task(desk.calls.watch())
        desk.does = ["yes", silence()]
        await desk.make()
        task = asyncio.create_task(desk.make())
        await passed(clock, 2 * TIMEOUT)
        assert task.result() == Failure("no answer within 8 s (1 tries)")
        assert desk.budget.spent.usd == 2.0
        watch.cancel()

    lived(story)


def test_time_spent_waiting_for_a_place_is_no_time_of_the_call():
    """The watch looks at calls that are made, not at those that wait for their turn."""

    async def story(desk, clock):
        desk.lane = Lane("test endpoint", 1)
        first, second = silence(), silence()
        desk.does = [first, second]
        tasks = [asyncio.create_task(desk.make()) for _ in range(2)]
        await passed(clock, TIMEOUT / 2)
        first.set_result("one")
        await passed(clock, TIMEOUT / 2 + 1)
        second.set_result("two")
        assert await asyncio.gather(*tasks) == ["one", "two"]

    lived(story)


def test_who_waits_to_try_again_keeps_nobody_else_waiting():
    """The place is free between two tries."""

    async def story(desk, clock):
        desk.lane = Lane("test endpoint", 1)
        desk.calls = Calls(budget=desk.budget, clock=clock, timeout=TIMEOUT, tries=2, seed=1)
        desk.does = [busy(retry_after=30), "other", "again"]
        patient = asyncio.create_task(desk.make())
        await clock.settle()
        assert await desk.make() == "other"
        assert not patient.done()
        await passed(clock, 30)
        assert patient.result() == "again"

    lived(story)


def test_whoever_ends_the_run_ends_the_call():
    """A cancellation that the watch did not order is no failure of the endpoint: it is raised."""

    async def story(desk, clock):
        desk.does = [silence()]
        task = asyncio.create_task(desk.make())
        await clock.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert desk.lane.failed_in_a_row == 0

    lived(story)


def test_an_answer_after_the_time_out_leaves_no_trace_of_it():
    """A call that does not let itself be ended and answers all the same has answered, and the next one has its time."""

    async def story(desk, clock):
        async def stubborn():
            try:
                await never
            except asyncio.CancelledError:
                return "late"

        async def twice():
            return [await desk.make(), await desk.make()]

        never = silence()
        desk.does = [stubborn(), silence()]
        task = asyncio.create_task(twice())
        await passed(clock, 3 * TIMEOUT)
        assert task.result() == ["late", Failure("no answer within 8 s (1 tries)")]
        assert task.cancelling() == 0

    lived(story)


def test_whoever_ends_the_run_at_the_moment_of_a_time_out_ends_it():
    """Two cancellations arrive as one: the watch's own does not swallow the other, and nothing is tried again."""

    async def story(desk, clock):
        never = silence()
        desk.does = [never, "again"]
        desk.calls = Calls(budget=desk.budget, clock=clock, timeout=TIMEOUT, tries=2, seed=1)
        watch = asyncio.create_task(desk.calls.watch())
        task = asyncio.create_task(desk.make())
        never.add_done_callback(lambda _: task.cancel())
        await passed(clock, 3 * TIMEOUT)
        assert task.cancelled()
        assert desk.asked == 1
        watch.cancel()

    lived(story)
