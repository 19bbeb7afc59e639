"""
Worker processes on this machine. One that dies takes down its own job and nothing else.

They are interpreters of their own: multiprocessing's would run the caller's script again in each, and a script that
replays without asking whether it is `__main__` would replay for ever.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from time import monotonic
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

from ...errors import SurefootError, Unavailable, UsageError
from ...ports.workers import Finished, Lost
from .isolation import Isolation, new_home

__all__ = ["InProcess", "ProcessWorkers", "Raised", "answered", "serve"]

J = TypeVar("J")
A = TypeVar("A")
_Line: TypeAlias = "Connection[Any, Any]"
"""To a worker: jobs go one way, answers come back."""

_PROGRAM: Final = """\
import os, sys
from multiprocessing.connection import Connection
os.dup2(2, 1)  # standard output belongs to whoever asked
number = int(sys.argv[1])
connection = Connection(os.dup(number))
sys.path[:] = connection.recv()
connection.close()
from surefoot.adapters.distributed.process_workers import serve
serve(number)
"""
"""The path comes first: what is asked for may stand anywhere on it."""

_START_S: Final = 60.0
"""How long a worker may take to start, beyond the time of its job."""

_PATIENCE_S: Final = 2.0
"""How long a worker may take to end when there is nothing left to do."""


class Raised(NamedTuple):
    """An error on its way between processes: errors with a hint cannot be pickled as they are."""

    is_usage: bool
    message: str
    hint: str

    def error(self) -> SurefootError:
        """The error again, of the nearest kind."""
        return (UsageError if self.is_usage else Unavailable)(self.message, hint=self.hint)


def answered(function: Callable[[J], A], job: J) -> A | Raised:
    """What the function gives; what it raises is turned into something that can travel."""
    try:
        return function(job)
    except SurefootError as error:
        return Raised(isinstance(error, UsageError), error.message, error.hint)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other process has to be told
        return Raised(is_usage=False, message=f"{type(error).__name__}: {error}", hint="this is a defect: report it")


class _Ready(NamedTuple):
    """The first thing a worker says: from here on its job's time counts, and not that of starting a process."""


class InProcess:
    """
    No other process: for jobs that are shorter than starting one.

    Nothing is isolated, because what a guard does to a process is not undone: for jobs without any code of the user's.
    """

    def run(self, function: Callable[[J], A], jobs: Iterable[J], /) -> Iterator[Finished[J, A]]:
        """One after the other."""
        for job in jobs:
            yield Finished(job, function(job))


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    connection: _Line
    home: Path | None
    """Of one that is isolated."""

    def clear(self) -> None:
        """What it left, once it has ended."""
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)


class _Try(NamedTuple, Generic[J]):
    """A job, how often it was begun, and when it has taken too long."""

    job: J
    nth: int
    until: float | None = None


class ProcessWorkers:
    """
    `Workers` as processes of this machine; not forked, because a fork would copy threads and connections.

    What they print goes to standard error. A job that takes longer than its `patience`, in seconds, is lost with its
    process. One whose process dies is begun anew, twice in all or as often as `tries` says.
    With an `isolation` they see and reach what it allows, from before anything of the job's is imported.
    """

    def __init__(
        self,
        count: int,
        *,
        patience: Callable[[Any], float] | None = None,
        tries: Callable[[Any], int] | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        self._count = max(1, count)
        self._patience = patience
        self._tries = tries or _twice
        self._isolation = isolation

    def run(self, function: Callable[[J], A], jobs: Iterable[J], /) -> Iterator[Finished[J, A]]:
        """Every job with its answer. Raises what the function raised, as UsageError or Unavailable."""
        waiting, again = iter(jobs), deque[_Try[J]]()
        busy: dict[_Line, tuple[_Worker, _Try[J]]] = {}
        idle: list[_Worker] = []
        try:
            while True:
                self._feed(function, waiting, again, busy, idle)
                if not busy:
                    return
                for ready in wait(list(busy), timeout=self._left(busy)) or self._too_long(busy):
                    worker, attempt = busy.pop(cast("_Line", ready))
                    try:
                        answer: A | Raised | _Ready = worker.connection.recv()
                    except (EOFError, OSError):
                        yield from self._buried(worker, attempt, again)
                        continue
                    if isinstance(answer, _Ready):
                        busy[worker.connection] = (worker, attempt._replace(until=self._until(attempt.job)))
                        continue
                    idle.append(worker)
                    if isinstance(answer, Raised):
                        raise answer.error()
                    yield Finished(attempt.job, answer)
        finally:
            _end([*idle, *(worker for worker, _ in busy.values())])

    def _feed(
        self,
        function: Callable[[J], A],
        waiting: Iterator[J],
        again: deque[_Try[J]],
        busy: dict[_Line, tuple[_Worker, _Try[J]]],
        idle: list[_Worker],
    ) -> None:
        while len(busy) < self._count:
            attempt = again.popleft() if again else next((_Try(job, 1) for job in waiting), None)
            if attempt is None:
                return
            until = self._until(attempt.job, ready_in=0.0 if idle else _START_S)
            worker = idle.pop() if idle else _started(function, self._isolation)
            busy[worker.connection] = (worker, attempt._replace(until=until))
            with suppress(OSError):  # a worker that died meanwhile is found when it is listened to
                worker.connection.send(attempt.job)

    def _until(self, job: object, *, ready_in: float = 0.0) -> float | None:
        return None if self._patience is None else monotonic() + ready_in + self._patience(job)

    def _left(self, busy: Mapping[_Line, tuple[_Worker, _Try[J]]]) -> float | None:
        """Seconds until the next job has taken too long."""
        ends = [attempt.until for _, attempt in busy.values() if attempt.until is not None]
        return max(0.0, min(ends) - monotonic()) if ends else None

    def _too_long(self, busy: Mapping[_Line, tuple[_Worker, _Try[J]]]) -> list[_Line]:
        """Those that have, ended: their pipes are closed then, as when they die by themselves."""
        late = [worker for worker, attempt in busy.values() if _is_late(attempt)]
        for worker in late:
            worker.process.kill()
            worker.process.wait()
        return [worker.connection for worker in late]

    def _buried(self, worker: _Worker, attempt: _Try[J], again: deque[_Try[J]]) -> Iterator[Finished[J, Any]]:
        worker.connection.close()
        worker.process.wait()
        worker.clear()
        if self._patience is not None and _is_late(attempt):
            yield Finished(attempt.job, Lost(f"it was not done after {self._patience(attempt.job):g} s"))
        elif attempt.nth < self._tries(attempt.job):
            again.append(_Try(attempt.job, attempt.nth + 1))
        else:
            often = f" {attempt.nth} times" if attempt.nth > 1 else ""
            yield Finished(attempt.job, Lost(f"its process died{often} (exit code {worker.process.returncode})"))


def _twice(job: object) -> int:
    return 2


def _is_late(attempt: _Try[J]) -> bool:
    return attempt.until is not None and monotonic() >= attempt.until


def _started(function: Callable[[J], object], isolation: Isolation | None) -> _Worker:
    mine, theirs = Pipe()
    number = theirs.fileno()
    home = None if isolation is None else new_home()
    process = subprocess.Popen(  # noqa: S603  # this interpreter, and nothing that anybody typed
        [sys.executable, "-c", _PROGRAM, str(number)],
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
        # not taken away later, when /proc would still show them
        env=None if isolation is None or home is None else isolation.environment(os.environ, home),
    )
    theirs.close()
    with suppress(OSError):  # as above
        mine.send(sys.path)
        mine.send(isolation)
        mine.send(home)
        mine.send(function)
    return _Worker(process, mine, home)


def serve(number: int) -> None:
    """The life of a worker: what it does, then job after job. It ends with its parent, however that ended."""
    connection: _Line = Connection(number)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and says when to stop
    home: Path | None = None
    with suppress(EOFError, OSError):
        isolation: Isolation | None = connection.recv()
        home = connection.recv()
        if isolation is not None:
            isolation.guard()
        function = connection.recv()
        connection.send(_Ready())
        while True:
            connection.send(answered(function, connection.recv()))
    if home is not None:  # the parent takes it away where it still can
        shutil.rmtree(home, ignore_errors=True)


def _end(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    for worker in workers:
        try:
            worker.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.clear()
