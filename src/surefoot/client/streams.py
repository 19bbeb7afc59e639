"""Answers that come in pieces: handed on as they come, timed by what was waited for them, recorded at their end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from time import perf_counter_ns
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..core.traffic.route import Reason
from ..errors import Killed
from .run import Run, leave
from .whole import Whole

__all__ = ["AsyncStream", "Stream"]

C = TypeVar("C")


class _Timed:
    """What both kinds of stream know and measure. Time that the reader spends between two pieces is not the agent's."""

    def __init__(self, run: Run | None, version: str, killed: Killed | None, whole: Whole | None) -> None:
        self.version = version
        """The label of the version that answers; empty for a fallback."""

        self.killed = killed
        """Why the fallback is given."""

        self._run = run
        self._whole = whole
        self._waited = 0
        self._first: int | None = None
        self._has_begun = False
        self._has_ended = run is None

    @property
    def run_id(self) -> str:
        """As in a reply; known from the beginning."""
        return self._run.run_id if self._run else ""

    @property
    def reason(self) -> Reason:
        """Why this version."""
        return self._run.reason if self._run else Reason.KILLED

    @property
    def pin(self) -> str:
        """To be passed with the conversation's next turn, where that may reach another process."""
        return self._run.pin if self._run else ""

    def _came(self, piece: object, since: int) -> None:
        self._waited += perf_counter_ns() - since
        if self._first is None:
            self._first = self._waited
        if self._whole is not None:
            self._whole.add(piece)

    def _end(self, error: type[BaseException] | None, since: int | None = None) -> None:
        """Record the run, once. A stream that nobody began to read was no run."""
        if self._has_ended or self._run is None:
            return
        self._has_ended = True
        if since is not None:
            self._waited += perf_counter_ns() - since
        if self._has_begun:
            self._run.finish(error, waited=self._waited, first=self._first)
            if self._whole is not None:
                self._whole.over(error)

    def __del__(self) -> None:
        self._end(GeneratorExit)  # left unread: closed early, only less politely


class Stream(_Timed, Iterator[C], Generic[C]):
    """The pieces of one answer. Whoever stops early closes it (or uses `with`): the run is recorded as unresolved."""

    def __init__(
        self,
        pieces: Iterator[C],
        *,
        run: Run | None,
        version: str,
        killed: Killed | None = None,
        whole: Whole | None = None,
    ) -> None:
        super().__init__(run, version, killed, whole)
        self._pieces = pieces

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> C:
        if self._run is None or self._has_ended:
            return next(self._pieces)
        self._has_begun = True
        token = self._run.resume()
        since = perf_counter_ns()
        try:
            piece = next(self._pieces)
            self._came(piece, since)
            return piece
        except StopIteration:
            self._end(None, since)
            raise
        except BaseException as error:
            self._end(type(error), since)
            raise
        finally:
            leave(token)

    def close(self) -> None:
        """Enough: the function is told (GeneratorExit), and the run recorded. Idempotent."""
        close = getattr(self._pieces, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._end(GeneratorExit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(_Timed, AsyncIterator[C], Generic[C]):
    """The pieces of one answer, awaited. Whoever stops early closes it (`aclose`, or `async with`)."""

    def __init__(
        self,
        pieces: AsyncIterator[C],
        *,
        run: Run | None,
        version: str,
        killed: Killed | None = None,
        whole: Whole | None = None,
    ) -> None:
        super().__init__(run, version, killed, whole)
        self._awaited = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> C:
        if self._run is None or self._has_ended:
            return await anext(self._awaited)
        self._has_begun = True
        token = self._run.resume()
        since = perf_counter_ns()
        try:
            piece = await anext(self._awaited)
            self._came(piece, since)
            return piece
        except StopAsyncIteration:
            self._end(None, since)
            raise
        except BaseException as error:
            self._end(type(error), since)
            raise
        finally:
            leave(token)

    async def aclose(self) -> None:
        """Enough: the function is told (GeneratorExit), and the run recorded. Idempotent."""
        close = getattr(self._awaited, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            self._end(GeneratorExit)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
