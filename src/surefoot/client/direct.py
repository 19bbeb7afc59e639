"""A user's function asked for one answer outside of traffic: nobody routed the run, and it is recorded nowhere."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter_ns
from typing import Any, Final, Self, cast

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..core.traffic.route import Reason
from ..errors import ExecutorFailed
from ..ports.executor import Answer
from .run import Run

__all__ = ["DirectRun", "FunctionExecutor", "called"]

_MILLISECOND: Final = 1_000_000


class _Alone:
    """What a run needs of its agent, where there is none."""

    assumes_success = False


class DirectRun(Run):
    """
    The `ctx` of a run that was ordered for one version. `ctx.tool` calls the tool, as in any run.

    It belongs to no user, session or tenant, and its id is the key it was ordered under.
    """

    __slots__ = ("_key", "_version")

    _key: str
    _version: AgentVersion

    @classmethod
    def ordered(cls, version: AgentVersion, *, key: str) -> Self:
        """A run of this version that begins now."""
        run = cls()
        run._host = cast("Any", _Alone())
        run._ids = ("", "", "", "")
        run._seen = None
        run._error = None
        run._ended = 0
        run._started = perf_counter_ns()
        run._key = key
        run._version = version
        return run

    @property
    def version(self) -> AgentVersion:
        """The version that is asked."""
        return self._version

    @property
    def reason(self) -> Reason:
        """Nothing was decided: this version was asked for."""
        return Reason.PINNED

    @property
    def pin(self) -> str:
        """There is no next turn."""
        return ""

    @property
    def run_id(self) -> str:
        """Stable for one case and version."""
        return self._key

    async def ready(self) -> AgentVersion:
        """The version: there is nothing to wait for."""
        return self._version

    def over(self) -> Observation:
        """What the run showed; called once, when it has ended."""
        self._ended = perf_counter_ns()
        return self._observation()

    @property
    def took_ms(self) -> float:
        """Milliseconds of the run itself."""
        return (self._ended - self._started) / _MILLISECOND


class FunctionExecutor:
    """
    A function of any of the four kinds (see `functions`) as an executor. Its tools run as it calls them.

    What it shows by its `ctx` is in the answer; it may return an `Answer` where it knows more. How long it took is
    measured unless it says so. What it raises is passed on as it is, except that leaving the program is a failed run.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Answer once. Raises ExecutorFailed for a function that would end the program."""
        run = DirectRun.ordered(version, key=key)
        try:
            found = await called(self._function, version, request, run)
        except SystemExit as left:
            raise ExecutorFailed(
                f"the function left by {left!r}", hint="raise an exception other than SystemExit"
            ) from None
        answer = found if isinstance(found, Answer) else Answer(output=found, seen=Observation())
        run.answered(answer)
        return Answer(
            output=answer.output,
            seen=run.over(),
            tool_calls=run.tool_calls,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )

    async def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """The whole answer at once: it is judged as a whole."""
        answer = await self.run(version, request, key=key)
        if isinstance(answer.output, str):
            yield answer.output
        yield answer


async def called(function: Callable[..., Any], version: AgentVersion, request: object, run: Run) -> object:
    """
    What `function(version, request, run)` answers, whole: pieces that are texts are one text.

    One that is not written as `async` has a thread of its own, so that others go on; it cannot be stopped, and when its
    caller gives up the thread goes on and ends with the process. Raises what the function raises.
    """
    with run.current():
        if _is(inspect.iscoroutinefunction, function) or _is(inspect.isasyncgenfunction, function):
            found = function(version, request, run)
        else:
            found = await _in_thread(lambda: _read(function(version, request, run)))
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, AsyncIterator):
            return _joined([piece async for piece in cast("AsyncIterator[object]", found)])
        return found


async def _in_thread(work: Callable[[], object]) -> Any:
    """In a thread that no exit waits for, unlike those of asyncio: a function that hangs must not hang the program."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[object] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: object, error: BaseException | None) -> None:
        if waiting.done():
            return
        if error is None:
            waiting.set_result(value)
        else:
            waiting.set_exception(error)

    def run() -> None:
        try:
            value, error = context.run(work), None
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits, a thread has nobody else
            value, error = None, raised
        if isinstance(error, StopIteration):  # the one exception that no future can hold
            error = RuntimeError("the function raised StopIteration")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, daemon=True, name="surefoot-callable").start()
    return await waiting


def _is(kind: Callable[[object], bool], function: Callable[..., object]) -> bool:
    return kind(function) or kind(type(function).__call__)


def _read(found: object) -> object:
    return _joined(list(cast("Iterator[object]", found))) if isinstance(found, Iterator) else found


def _joined(pieces: list[object]) -> object:
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else pieces
