"""The versions a process has at hand, and the reading of those that only the store has, off the answer path."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from time import monotonic
from types import MappingProxyType
from typing import Final

from ..core.artifact.version import AgentVersion
from ..core.units import AgentName, Digest
from ..errors import StoreUnavailable

__all__ = ["RETRY_SECONDS", "Versions"]

_log: Final = logging.getLogger("surefoot")
_NONE: Final[Mapping[Digest, AgentVersion]] = MappingProxyType({})

RETRY_SECONDS: Final = 5.0
"""Between two readings of a version that was not to be found."""

_PATIENCE: Final = 2.0
"""Seconds that requests wait for the first reading of a version."""

_GLANCE: Final = 0.1
"""The same where waiting would hold up an event loop: for a store that is there it is enough."""

_OVERDUE: Final = 30.0
"""Seconds after which a reading is given up that neither succeeds nor fails."""


class _Reading:
    """One reading of a version."""

    __slots__ = ("before", "began", "found", "is_waited_out")

    def __init__(self, began: float, before: BaseException | None) -> None:
        self.began = began
        self.before = before
        """What came of the reading before this one."""

        self.found: Future[AgentVersion] = Future()
        self.is_waited_out = before is not None
        """Somebody's patience has ended, so that nobody else need wait."""


class Versions:
    """
    The versions of one agent by their digests. Thread-safe without a lock, so that a fork finds none taken.

    What is not `known` is read by `find` in a thread, best before anybody asks (`seek`). Whoever asks earlier waits for
    the first reading, once and not for long; one that failed is repeated every few seconds, and nobody waits for that.
    """

    def __init__(
        self,
        agent: AgentName,
        find: Callable[[Digest], AgentVersion],
        known: Mapping[Digest, AgentVersion] = _NONE,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._agent = agent
        self._find = find
        self._known = dict(known)
        self._clock = clock
        self._readings: dict[Digest, _Reading] = {}
        self._missed: set[Digest] = set()

    def seek(self, digests: Iterable[Digest]) -> None:
        """Have those read that are not at hand. Never waits."""
        for digest in digests:
            if digest not in self._known:
                self._reading(digest)

    def get(self, digest: Digest, *, in_a_hurry: bool = False) -> AgentVersion:
        """The version. Raises what its last reading raised (UnknownName, StoreUnavailable ...)."""
        found = self._known.get(digest)
        if found is not None:
            return found
        reading = self._reading(digest)
        patience = 0.0 if reading.is_waited_out else _GLANCE if in_a_hurry or _is_in_a_loop() else _PATIENCE
        try:
            error = reading.found.exception(patience)
        except TimeoutError:
            reading.is_waited_out = True
            error = reading.before
        if error is not None:
            raise error.with_traceback(None)
        found = self._known.get(digest)
        if found is None:
            raise StoreUnavailable(
                f"version {digest} of {self._agent} has not been read from the store yet",
                hint="look at the store; the version is tried again by itself",
            )
        return found

    async def arrived(self, digest: Digest) -> None:
        """Wait for the first reading as `get` does in a thread, while the event loop goes on. Raises nothing."""
        if digest in self._known:
            return
        reading = self._reading(digest)
        if not reading.is_waited_out:
            found = asyncio.wrap_future(reading.found)
            found.add_done_callback(lambda done: done.cancelled() or done.exception())  # `get` is who raises it
            await asyncio.wait({found}, timeout=_PATIENCE)
            reading.is_waited_out = True

    def after_fork(self) -> None:
        """In the child: no thread reads anything."""
        self._readings = {}

    def _reading(self, digest: Digest) -> _Reading:
        """The one under way; the last one while it is too early for another."""
        last, now = self._readings.get(digest), self._clock()
        if last is None:
            mine = _Reading(now, None)
            last = self._readings.setdefault(digest, mine)
            if last is not mine:
                return last
        elif now - last.began < (RETRY_SECONDS if last.found.done() else _OVERDUE):
            return last
        else:
            # Two threads may both get here: the version is read twice, and that is all.
            last = self._readings[digest] = _Reading(now, last.found.exception() if last.found.done() else last.before)
        try:
            threading.Thread(target=self._read, args=(digest, last), name="surefoot-version", daemon=True).start()
        except RuntimeError as error:  # no more threads: the program is ending
            last.found.set_exception(error)
        return last

    def _read(self, digest: Digest, reading: _Reading) -> None:
        try:
            found = self._find(digest)
        except BaseException as error:  # noqa: BLE001 - whoever asks for the version gets it
            if digest not in self._missed:
                self._missed.add(digest)
                _log.warning(
                    "%s: version %s cannot be loaded: %s. Where it is the candidate, stable answers in its place "
                    "and the run counts as its failure. It is tried again every %g s",
                    self._agent, digest, error, RETRY_SECONDS,
                )  # fmt: skip
            reading.found.set_exception(error)
        else:
            self._known[digest] = found
            reading.found.set_result(found)


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
