"""Threads for shadow runs: no exit waits for them, and one that hangs is replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

__all__ = ["MOST_HUNG", "Threads"]

T = TypeVar("T", bound=Hashable)

MOST_HUNG: Final = 32
"""Threads that may hang at a time. They cannot be stopped, so each one that is replaced is memory lost meanwhile."""


class Threads(Generic[T]):
    """At most `size` items at work at a time, each in a daemon thread. Thread-safe."""

    def __init__(self, size: int, work: Callable[[T], None]) -> None:
        """`work` must not raise."""
        self._size = size
        self._work = work
        self._items: SimpleQueue[T | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._at_work: set[T] = set()
        self._replaced: set[T] = set()
        self._is_closed = False

    def put(self, item: T) -> None:
        """Have it worked on when its turn comes. Ignored once closed."""
        self._items.put(item)
        if self._count < self._size:
            with self._lock:
                if self._count < self._size and not self._is_closed:
                    self._count += 1
                    self._start()

    def replace(self, item: T) -> bool:
        """The thread that works on this item hangs: start another in its place. False: too many hang already."""
        with self._lock:
            if item not in self._at_work:  # it has just ended
                return True
            if len(self._replaced) >= MOST_HUNG:
                return False
            self._replaced.add(item)
            if not self._is_closed:
                self._start()
            return True

    def close(self) -> None:
        """Begin nothing more. What is at work goes on, and ends with the process at the latest."""
        with self._lock:
            self._is_closed = True
            for _ in range(self._count):
                self._items.put(None)

    def _start(self) -> None:
        threading.Thread(target=self._run, name="surefoot-shadow", daemon=True).start()

    def _run(self) -> None:
        while (item := self._items.get()) is not None and not self._is_closed:
            with self._lock:
                self._at_work.add(item)
            self._work(item)
            with self._lock:
                self._at_work.discard(item)
                if item in self._replaced:
                    self._replaced.discard(item)
                    return
            del item  # an idle thread keeps nobody's answer in memory
