"""A user's function run again on a recording: its tools are answered, and none of them is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar, cast

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..core.proof.tape import Answering
from ..errors import Diverged
from ..ports.executor import Answer
from .direct import DirectRun, called

__all__ = ["Ended", "Rerun", "ToolFailed", "rerun"]

T = TypeVar("T")


class ToolFailed(Exception):
    """A tool failed when this was recorded, or nothing was recorded for a read. As any tool's error: catch it."""


class Rerun(DirectRun):
    """
    The `ctx` of a replayed run. It is recorded nowhere.

    `ctx.tool` never calls the function it is given. A recorded failure, and a read that was not recorded, raise
    ToolFailed; a write that was not recorded raises Diverged, and the run is over whoever catches it.
    """

    __slots__ = ("_answering",)

    _answering: Answering

    @classmethod
    def of(cls, version: AgentVersion, answering: Answering, *, key: str) -> Rerun:
        """A run of a version whose calls are answered by a tape, or by a fake world."""
        run = cls.ordered(version, key=key)
        run._answering = answering  # noqa: SLF001 - its own: `run` is of this class
        return run

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

        async def awaited() -> T:
            return handed()

        return cast("T", awaited())


class Ended(NamedTuple):
    """How a function ended."""

    output: object
    error: BaseException | None
    seen: Observation
    took_ms: float
    """Of the run itself: its tools took none."""

    input_tokens: int | None = None
    output_tokens: int | None = None


async def rerun(
    function: Callable[..., object],
    version: AgentVersion,
    request: object,
    answering: Answering,
    *,
    key: str,
) -> Ended:
    """
    Run a function of any of the four kinds (see `functions`) to its end. Its exceptions are in what is returned.

    Calls that an `Answer` reports are held against the recording. A stream is read to its end; its pieces, if they are
    texts, are one text.
    """
    run = Rerun.of(version, answering, key=key)
    output: object = None
    error: BaseException | None = None
    answer: Answer | None = None
    try:
        output = await called(function, version, request, run)
        if isinstance(output, Answer):
            answer = output
            output = answer.output
            run.answered(answer)
            for call in answer.tool_calls:
                answering(call.name, call.arguments)
    except (Exception, SystemExit) as raised:  # noqa: BLE001  # the code under test may raise anything: that is its result
        error = raised
    seen = run.over()
    return Ended(
        output,
        error,
        seen,
        float(seen.latency_ms) if seen.latency_ms is not None else run.took_ms,
        None if answer is None else answer.input_tokens,
        None if answer is None else answer.output_tokens,
    )
