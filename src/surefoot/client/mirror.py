"""A candidate's run beside a user's: nobody sees its answer, and its tools touch nothing."""

from __future__ import annotations

import inspect
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import TypeVar, cast

from ..core.artifact.version import AgentVersion, Effect
from ..core.evidence.observation import Observation
from ..core.proof.pair import Answered, Call, called
from ..errors import Diverged
from ..ports.executor import ToolCall
from .run import Run

__all__ = ["MirrorRun"]

T = TypeVar("T")


class MirrorRun(Run):
    """
    The `ctx` of a shadow run. It is recorded nowhere; what it showed is compared with the user's run.

    Tools called through `ctx.tool` are answered from what stable's run got for the same call, in the same order. A call
    that stable did not make is executed only if the version declares the tool as `read`; any other is not: it is a
    recorded divergence, and `Diverged` ends the shadow run.
    """

    __slots__ = ("_divergences", "_recorded", "_version")

    _version: AgentVersion
    _recorded: defaultdict[Call, deque[ToolCall]]
    _divergences: list[str]

    @classmethod
    def beside(cls, of: Run, version: AgentVersion) -> MirrorRun:
        """A shadow of a user's run that is over, for the candidate."""
        run = cls()
        for name in ("_host", "_ids", "_number", "_recorder", "route"):
            setattr(run, name, getattr(of, name))
        run._seen = None
        run._ended = 0
        run._started = perf_counter_ns()
        run._version = version
        run._divergences = []
        run._recorded = defaultdict(deque)
        for call in of.tool_calls:
            run._recorded[called(call.name, call.arguments)].append(call)
        return run

    @property
    def version(self) -> AgentVersion:
        """The candidate."""
        return self._version

    def tool(self, name: str, arguments: Mapping[str, object], function: Callable[..., T], /) -> T:
        """Answer the call without an effect. Raises Diverged where no recorded result answers it."""
        results = self._recorded[called(name, arguments)]
        if results:
            found = results.popleft()
            self.tool_called(name, arguments, result=found.result, success=found.success)
            if found.success is False:
                self._divergences.append(f"failed for stable: {name}")
                raise Diverged(f"{name} failed in stable's run", hint="its error is not replayed")
            return cast("T", _as(function, found.result))
        declared = self._version.tool(name)
        effect = declared.effect if declared else Effect.WRITE
        if effect.is_safe:
            return super().tool(name, arguments, function)
        self._divergences.append(f"not recorded: {name}")
        raise Diverged(
            f"the shadow run wanted to call {name} ({effect}), which stable's run did not do",
            hint="nothing was executed; the divergence is in the pair",
        )

    def outcome(self, output: object, error: BaseException | None) -> Answered:
        """
        What came of it, for the comparison. A run that diverged proves nothing, so it has no outcome.

        Not even where its own code caught `Diverged`, as tool loops do, and went on: in a world that never was.
        """
        seen = self._observation()
        if self._divergences or isinstance(error, Diverged):
            seen = Observation(latency_ms=seen.latency_ms, cost=seen.cost, tokens=seen.tokens)
        calls = tuple(called(call.name, call.arguments) for call in self.tool_calls)
        return Answered(output=output, seen=seen, calls=calls, divergences=tuple(self._divergences))

    def ended(self, error: BaseException | None) -> None:
        """The run is over."""
        self._ended = perf_counter_ns()
        self._error = type(error) if error is not None else None


def _as(function: Callable[..., object], result: object) -> object:
    """The recorded result the way the function would have handed it over."""
    if not inspect.iscoroutinefunction(function):
        return result

    async def handed() -> object:
        return result

    return handed()
