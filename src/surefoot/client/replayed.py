"""A user's function run again on a recording: its tools are answered, and none of them is called."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from time import perf_counter_ns
from typing import Any, Final, NamedTuple, TypeVar, cast

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..core.proof.tape import Answering
from ..core.traffic.route import Reason
from ..errors import Diverged
from .run import Run

__all__ = ["Rerun", "ToolFailed", "rerun"]

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
    function: Callable[[AgentVersion, Any, Run], Any],
    version: AgentVersion,
    request: object,
    answering: Answering,
    *,
    key: str,
) -> Ended:
    """
    Run a function of any of the four kinds (see `functions`) to its end. Its exceptions are in what is returned.

    A stream is read to its end; its pieces, if they are texts, are one text.
    """
    plain: Callable[[AgentVersion, Any, Run], Any] = getattr(function, "function", function)
    run = Rerun.of(version, answering, key=key)
    output: object = None
    error: BaseException | None = None
    with run.current():
        try:
            output = await _whole(plain(version, request, run))
        except Exception as raised:  # noqa: BLE001  # the code under test may raise anything: that is its result
            error = raised
    seen = run.over()
    return Ended(output, error, seen, float(seen.latency_ms) if seen.latency_ms is not None else run.took_ms)


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
