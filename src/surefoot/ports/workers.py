"""Where many independent jobs run: in this process, in others on this machine, or on others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

__all__ = ["Finished", "Lost", "Workers"]

J = TypeVar("J")
A = TypeVar("A")


class Lost(NamedTuple):
    """A job whose worker died, every time it was tried."""

    why: str


class Finished(NamedTuple, Generic[J, A]):
    """A job and what came of it."""

    job: J
    answer: A | Lost


class Workers(Protocol):
    """
    Runs a function on jobs, several at a time.

    Duties: each job is answered exactly once, in the order in which they finish; jobs are taken from the iterable only
    as they are needed; a worker that dies is replaced, and its job may be tried again before it is lost. What the
    function raises is raised here, after which nothing new begins. Function, jobs and answers can be pickled.
    """

    def run(self, function: Callable[[J], A], jobs: Iterable[J], /) -> Iterator[Finished[J, A]]:
        """Every job with its answer."""
        ...
