"""One process that asks a router every millisecond and prints when its answer changed: `nanoseconds 0|1 revision`."""

from __future__ import annotations

import mmap
import sys
import time
from collections.abc import Callable
from pathlib import Path

from surefoot.client.router import Router
from surefoot.core.units import Revision
from surefoot.ports.feed import Changes, Feed
from surefoot.store import open_feed

AGENT = "agent-5"


class Deaf:
    """A feed whose bell never rings: what is left is the poll, once a second, as most flag clients do it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.bell = [0]

    def epoch(self) -> int:
        return 0

    def changes(self, since: Revision) -> Changes:
        return self._feed.changes(since)

    def listen(self, ring: Callable[[], None]) -> None:
        """Nobody calls."""

    def close(self) -> None:
        self._feed.close()


def router_question(url: str, *, deaf: bool) -> Callable[[], bool]:
    feed = open_feed(url)
    router = Router(Deaf(feed) if deaf else feed)
    router.start(1.0)
    return lambda: router.decide(AGENT, "user-1", "acme").serve is None


def floor_question(path: str) -> Callable[[], bool]:
    """The least there could be: a number in shared memory, and nothing behind it."""
    with Path(path).open("r+b") as file:
        cell = memoryview(mmap.mmap(file.fileno(), mmap.PAGESIZE)).cast("Q")
    return lambda: cell[0] == 1


def main(kind: str, place: str) -> None:
    is_killed = floor_question(place) if kind == "floor" else router_question(place, deaf=kind == "deaf")
    last = is_killed()
    print("ready", flush=True)
    while True:
        now = is_killed()
        if now != last:
            last = now
            sys.stdout.write(f"{time.monotonic_ns()} {int(now)}\n")
            sys.stdout.flush()
        time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
