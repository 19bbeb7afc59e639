"""
The user's function, wrapped: what `@agent.runs` puts in its place. Four kinds, told apart by how it is written:

    def answer(version, request, ctx) -> O: return ...               answer.run(request) -> Reply[O]
    async def answer(version, request, ctx) -> O: return ...         await answer.run(request) -> Reply[O]
    def answer(version, request, ctx) -> Iterator[C]: yield ...      for piece in answer.stream(request)
    async def answer(...) -> AsyncIterator[C]: yield ...             async for piece in answer.stream(request)

The function itself stays reachable as `answer.function`, and `answer(version, request, ctx)` calls it unrecorded.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, Unpack, final

from ..core.artifact.version import AgentVersion
from ..core.traffic.route import Reason
from ..errors import Killed, UsageError
from .reply import Reply
from .run import Run
from .streams import AsyncStream, Stream
from .who import Who
from .whole import Gathered, Whole, gathered, gathered_async

__all__ = [
    "NO_FALLBACK",
    "Answers",
    "AsyncAnswers",
    "AsyncStreams",
    "Begins",
    "NoFallback",
    "Streams",
    "Wrapped",
    "Written",
    "check_shape",
    "is_awaited",
    "wrapped",
]

Q = TypeVar("Q")
O = TypeVar("O")  # noqa: E741 - output, as Q is the request and C a piece
C = TypeVar("C")

Written: TypeAlias = Callable[[AgentVersion, Any, Run], Any]
"""A function as its user wrote it. What it is asked and what it answers is the user's own."""


@final
class NoFallback:
    """The type of a fallback that was not given: None may be one."""

    __slots__ = ()


NO_FALLBACK: Final = NoFallback()


class Begins(Protocol):
    """What a wrapped function needs of its agent."""

    def begin(self, who: Who) -> Run:
        """Decide. Raises Killed."""
        ...

    def kept(self, run: Run, request: object) -> object:
        """The request as it is before the function sees it, for `mirror`: a copy, where the function may change it."""
        ...

    def mirror(self, run: Run, request: object, output: object, function: Written) -> None:
        """
        The run is over: where its route says so, have the candidate answer too. Never raises, never waits.

        `request` is what `kept` returned.
        """
        ...

    def gathering(self, run: Run, request: object, function: Gathered) -> Whole | None:
        """Where a stream is to be mirrored: what keeps its pieces until it is over."""
        ...


class Answers(Generic[Q, O]):
    """A function that answers in one piece."""

    def __init__(self, agent: Begins, function: Callable[[AgentVersion, Q, Run], O]) -> None:
        self.function = function
        self._agent = agent

    def __call__(self, version: AgentVersion, request: Q, ctx: Run) -> O:
        """The function as it was written."""
        return self.function(version, request, ctx)

    def run(self, request: Q, *, fallback: O | NoFallback = NO_FALLBACK, **who: Unpack[Who]) -> Reply[O]:
        """
        Let the version that is this request's answer it, and record how it went.

        Raises what the function raises, and Killed where a switch leaves no version and there is no `fallback`.
        """
        try:
            run = self._agent.begin(who)
        except Killed as killed:
            return _instead(fallback, killed)
        asked = self._agent.kept(run, request)
        try:
            with run:
                version = run.version
                output = _whole(self.function(version, request, run))
        except Exception:
            self._agent.mirror(run, asked, None, self.function)
            raise
        self._agent.mirror(run, asked, output, self.function)
        return _reply(run, version, output)


class AsyncAnswers(Generic[Q, O]):
    """A coroutine function that answers in one piece."""

    def __init__(self, agent: Begins, function: Callable[[AgentVersion, Q, Run], Awaitable[O]]) -> None:
        self.function = function
        self._agent = agent

    def __call__(self, version: AgentVersion, request: Q, ctx: Run) -> Awaitable[O]:
        """The function as it was written."""
        return self.function(version, request, ctx)

    async def run(self, request: Q, *, fallback: O | NoFallback = NO_FALLBACK, **who: Unpack[Who]) -> Reply[O]:
        """As `Answers.run`. To be cancelled is no failure: it is recorded as unresolved."""
        try:
            run = self._agent.begin(who)
        except Killed as killed:
            return _instead(fallback, killed)
        asked = self._agent.kept(run, request)
        try:
            with run:
                version = await run.ready()
                output = _whole(await self.function(version, request, run))
        except Exception:
            self._agent.mirror(run, asked, None, self.function)
            raise
        self._agent.mirror(run, asked, output, self.function)
        return _reply(run, version, output)


class Streams(Generic[Q, C]):
    """A generator function: its answer comes in pieces."""

    def __init__(self, agent: Begins, function: Callable[[AgentVersion, Q, Run], Iterator[C]]) -> None:
        self.function = function
        self._agent = agent

    def __call__(self, version: AgentVersion, request: Q, ctx: Run) -> Iterator[C]:
        """The function as it was written."""
        return self.function(version, request, ctx)

    def stream(self, request: Q, *, fallback: C | NoFallback = NO_FALLBACK, **who: Unpack[Who]) -> Stream[C]:
        """The pieces. Decided now, run as they are read. Raises Killed, unless there is one piece as `fallback`."""
        try:
            run = self._agent.begin(who)
        except Killed as killed:
            return Stream(iter((_instead(fallback, killed).output,)), run=None, version="", killed=killed)
        version = _chosen(run)
        whole = self._agent.gathering(run, request, gathered(self.function))
        return Stream(self.function(version, request, run), run=run, version=version.label, whole=whole)


class AsyncStreams(Generic[Q, C]):
    """An asynchronous generator function."""

    def __init__(self, agent: Begins, function: Callable[[AgentVersion, Q, Run], AsyncIterator[C]]) -> None:
        self.function = function
        self._agent = agent

    def __call__(self, version: AgentVersion, request: Q, ctx: Run) -> AsyncIterator[C]:
        """The function as it was written."""
        return self.function(version, request, ctx)

    def stream(self, request: Q, *, fallback: C | NoFallback = NO_FALLBACK, **who: Unpack[Who]) -> AsyncStream[C]:
        """As `Streams.stream`."""
        try:
            run = self._agent.begin(who)
        except Killed as killed:
            return AsyncStream(_only(_instead(fallback, killed).output), run=None, version="", killed=killed)
        version = _chosen(run)
        whole = self._agent.gathering(run, request, gathered_async(self.function))
        return AsyncStream(self.function(version, request, run), run=run, version=version.label, whole=whole)


Wrapped: TypeAlias = Answers[Any, Any] | AsyncAnswers[Any, Any] | Streams[Any, Any] | AsyncStreams[Any, Any]
"""Any of the four kinds."""


def wrapped(agent: Begins, function: Written) -> Wrapped:
    """
    The function as one of the four kinds. An object with `__call__` is told apart by that.

    What another agent made of a function stands for the function: two decorators above one give it to two agents.
    """
    inner: Written | None = getattr(function, "function", None)
    if inner is not None and isinstance(function, Answers | AsyncAnswers | Streams | AsyncStreams):
        function = inner
    check_shape(function)
    if _is(inspect.isasyncgenfunction, function):
        return AsyncStreams(agent, function)
    if is_awaited(function):
        return AsyncAnswers(agent, function)
    if _is(inspect.isgeneratorfunction, function):
        return Streams(agent, function)
    return Answers(agent, function)


def check_shape(function: Callable[..., object]) -> None:
    """Refuse a function that every request would fail on. Raises UsageError."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # one that does not say
        return
    try:
        signature.bind(None, None, None)
    except TypeError:
        name = getattr(function, "__name__", type(function).__name__)
        raise UsageError(
            f"{name}{signature} cannot be called with version, request and ctx",
            hint=f"write it with these three: def {name}(version, request, ctx)",
        ) from None


def is_awaited(function: Callable[..., object]) -> bool:
    """Whether what the function returns has to be awaited."""
    return _is(inspect.iscoroutinefunction, function)


def _is(kind: Callable[[object], bool], function: Callable[..., object]) -> bool:
    return kind(function) or kind(type(function).__call__)


def _whole(output: O) -> O:
    """Refuse an answer that has only been promised: recorded now, it would count as a success of no time at all."""
    if inspect.isgenerator(output) or inspect.isasyncgen(output):
        raise UsageError(
            "the function returned a generator, which has not run yet",
            hint="write `yield` in the function itself and use agent.stream, or return the answer put together",
        )
    if not inspect.isawaitable(output):
        return output
    if isinstance(output, Coroutine):
        output.close()
    raise UsageError("the function returned something to be awaited", hint="write it as `async def`, and await the run")


def _chosen(run: Run) -> AgentVersion:
    """The version of a stream, known before the first piece. If it cannot be loaded, the run is recorded as failed."""
    try:
        return run.version
    except Exception:
        with run:
            raise


def _instead(fallback: O | NoFallback, killed: Killed) -> Reply[O]:
    if isinstance(fallback, NoFallback):
        raise killed
    return Reply(output=fallback, version="", digest=None, run_id="", reason=Reason.KILLED, killed=killed)


def _reply(run: Run, version: AgentVersion, output: O) -> Reply[O]:
    return Reply(
        output=output,
        version=version.label,
        digest=version.digest,
        run_id=run.run_id,
        reason=run.reason,
        pin=run.pin,
        tool_calls=run.tool_calls,
    )


async def _only(piece: C) -> AsyncIterator[C]:
    yield piece
