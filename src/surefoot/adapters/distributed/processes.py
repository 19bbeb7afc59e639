"""Independent jobs on this machine's processors, each answer handed over as soon as it is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

__all__ = ["run_all", "usable_processors"]

J = TypeVar("J")
A = TypeVar("A")


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(function: Callable[[J], A], jobs: Iterable[J], *, workers: int) -> Iterator[A]:
    """
    The answers in the order in which they finish. An exception of a job is raised, and the jobs not begun are dropped.

    Function and jobs must be picklable; with one worker nothing leaves this process. Workers are spawned, not forked:
    a fork would copy threads and database connections that it cannot use.
    """
    if workers <= 1:
        yield from map(function, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(function, job) for job in jobs]
        try:
            for done in as_completed(pending):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
