"""A user's function run again on a recording: its tools are answered, and none of them is called."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from time import perf_counter_ns
from typing import Any, Final, NamedTuple, TypeVar, cast

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..core.proof.tape import Answering
from ..core.traffic.route import Reason
from ..errors import Diverged
from ..ports.executor import Answer
from .run import Run

__all__ = ["Ended", "Rerun", "ToolFailed", "rerun"]

T = TypeVar("T")

_MILLISECOND: Final = 1_000_000


class ToolFailed(Exception):
    """A tool failed when this was recorded, or nothing was recorded for a read. As any tool's error: catch it."""


class _Alone:
    """What a run needs of its agent, where there is none."""

    assumes_success = False


class Rerun(Run):
    """
    The `ctx` of a replayed run. It is recorded nowhere.

    `ctx.tool` never calls the function it is given. A recorded failure, and a read that was not recorded, raise
    ToolFailed; a write that was not recorded raises Diverged, and the run is over whoever catches it.
    """

    __slots__ = ("_answering", "_key", "_version")

    _answering: Answering
    _key: str
    _version: AgentVersion

    @classmethod
    def of(cls, version: AgentVersion, answering: Answering, *, key: str) -> Rerun:
        """A run of a version whose calls are answered by a tape, or by a fake world."""
        run = cls()
        run._host = cast("Any", _Alone())
        run._seen = None
        run._error = None
        run._ended = 0
        run._started = perf_counter_ns()
        run._answering = answering
        run._key = key
        run._version = version
        return run

    @property
    def version(self) -> AgentVersion:
        """The version that is replayed."""
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
        """Stable for one trace and version."""
        return self._key

    async def ready(self) -> AgentVersion:
        """The version: there is nothing to wait for."""
        return self._version

    def tool(self, name: str, arguments: Mapping[str, object], function: Callable[..., T], /) -> T:
        """Answer the call. Raises ToolFailed and Diverged; see the class."""
        served = self._answering(name, arguments)
        self.tool_called(name, arguments, result=served.result, success=served.success)

        def handed() -> T:
            if served.stops:
                raise Diverged(f"{name} was not recorded and is not made", hint="the replay ends here")
            if served.success is False:
                raise ToolFailed(str(served.result))
            return cast("T", served.result)

        if not inspect.iscoroutinefunction(function):
            return handed()

        async def awaited() -> Any:
            return handed()

        return cast("T", awaited())

    def over(self) -> Observation:
        """What the run showed; called once, when it has ended."""
        self._ended = perf_counter_ns()
        return self._observation()

    @property
    def took_ms(self) -> float:
        """Milliseconds of the run itself: its tools took none."""
        return (self._ended - self._started) / _MILLISECOND


class Ended(NamedTuple):
    """How a function ended."""

    output: object
    error: BaseException | None
    seen: Observation
    took_ms: float


async def rerun(
    function: Callable[..., Any],
    version: AgentVersion,
    request: object,
    answering: Answering,
    *,
    key: str,
) -> Ended:
    """
    Run a function of any of the four kinds (see `functions`) to its end. Its exceptions are in what is returned.

    One that takes only the request, or request and version, finds its run by `current_run()`; calls that an `Answer`
    reports are held against the recording. A stream is read to its end; its pieces, if they are texts, are one text.
    """
    plain: Callable[..., Any] = getattr(function, "function", function)
    run = Rerun.of(version, answering, key=key)
    output: object = None
    error: BaseException | None = None
    with run.current():
        try:
            output = await _whole(plain(*_given(plain, version, request, run)))
            if isinstance(output, Answer):
                output = _told(run, output, answering)
        except (Exception, SystemExit) as raised:  # noqa: BLE001  # the code under test may raise anything: that is its result
            error = raised
    seen = run.over()
    return Ended(output, error, seen, float(seen.latency_ms) if seen.latency_ms is not None else run.took_ms)


def _given(function: Callable[..., Any], version: AgentVersion, request: object, run: Rerun) -> tuple[object, ...]:
    """What the function takes: all three, or what a function that is named in a version's file takes."""
    try:
        inspect.signature(function).bind(version, request, run)
    except TypeError:
        with suppress(TypeError):
            inspect.signature(function).bind(request, version)
            return request, version
        return (request,)
    except ValueError:  # a function without a signature
        pass
    return version, request, run


def _told(run: Rerun, answer: Answer, answering: Answering) -> object:
    run.answered(answer)
    for call in answer.tool_calls:
        answering(call.name, call.arguments)
    return answer.output


async def _whole(answer: object) -> object:
    if inspect.isawaitable(answer):
        return await answer
    pieces: list[object]
    if isinstance(answer, AsyncIterator):
        pieces = [piece async for piece in cast("AsyncIterator[object]", answer)]
    elif isinstance(answer, Iterator):
        pieces = list(cast("Iterator[object]", answer))
    else:
        return answer
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else pieces
