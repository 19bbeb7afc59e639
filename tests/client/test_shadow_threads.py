"""Threads that no exit waits for: bounded in number, and replaced where they hang."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from surefoot.client.shadow_threads import MOST_HUNG, Threads


class Work:
    """Items say when they begin, and go on when they may."""

    def __init__(self, size):
        self.begun, self.done, self.go = SimpleQueue(), SimpleQueue(), threading.Event()
        self.threads = Threads(size, self.work)

    def work(self, item):
        self.begun.put(item)
        if item != "quick":
            self.go.wait(30)
        self.done.put(item)

    def next(self):
        """The item that begins next."""
        return self.begun.get(timeout=10)


@pytest.fixture
def work():
    """One thread."""
    made = Work(1)
    yield made
    made.go.set()
    made.threads.close()


def test_no_more_items_are_at_work_than_there_are_threads():
    """The others wait for their turn, in order."""
    work = Work(2)
    for item in range(4):
        work.threads.put(item)
    assert {work.next(), work.next()} == {0, 1}
    assert work.begun.empty()
    work.go.set()
    assert {work.next(), work.next()} == {2, 3}
    work.threads.close()


def test_a_thread_that_hangs_is_replaced(work):
    """What waits behind it gets its turn, and no thread is left over when it comes back."""
    work.threads.put("hung")
    assert work.next() == "hung"
    work.threads.put("quick")
    assert work.begun.empty()
    assert work.threads.replace("hung")
    assert work.next() == "quick"
    assert work.done.get(timeout=10) == "quick"
    work.go.set()
    assert work.done.get(timeout=10) == "hung"
    work.threads.put("quick")
    assert work.next() == "quick"


def test_only_so_many_may_hang(work):
    """A candidate that always hangs does not fill the machine with threads."""
    for item in range(MOST_HUNG):
        work.threads.put(item)
        assert work.next() == item
        assert work.threads.replace(item)
    work.threads.put("last")
    assert work.next() == "last"
    assert not work.threads.replace("last")


def test_an_item_that_has_ended_is_not_replaced(work):
    """It may end in the moment in which somebody finds that it hangs."""
    work.threads.put("quick")
    assert work.done.get(timeout=10) == "quick"
    work.threads.close()
    before = threading.active_count()
    assert work.threads.replace("never seen")
    assert threading.active_count() <= before


def test_closed_threads_begin_nothing(work):
    """Neither what waited nor what comes."""
    work.threads.put("first")
    assert work.next() == "first"
    work.threads.put("waits")
    work.threads.close()
    work.go.set()
    work.threads.put("late")
    assert work.done.get(timeout=10) == "first"
    assert work.begun.empty()
