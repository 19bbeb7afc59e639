"""One agent in the user's process: runs its function with the version a request should get, and records how it went."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, Unpack, cast, overload

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..core.evidence.run_id import run_id as id_of
from ..core.traffic.plan import UnitKind
from ..core.traffic.route import Route
from ..core.units import AgentName, Digest, Nanos, RolloutId
from ..errors import UsageError
from .counting import Counting, assignment_of, counted_as
from .functions import NO_FALLBACK, Answers, AsyncAnswers, AsyncStreams, Streams, Wrapped, Written, is_awaited, wrapped
from .mirrored import Mirrored
from .recorder import Recorder
from .reply import Reply
from .report import Reported, late_outcome
from .router import Router
from .run import Run
from .seen import Outcome, Shown, Values, add
from .streams import AsyncStream, Stream
from .versions import Versions
from .who import Who, no_such_id, no_text
from .whole import Gathered, Whole

if TYPE_CHECKING:
    from .shadow import Shadow
    from .traces import TraceRecorder

__all__ = ["HISTORY_IDLE", "Agent", "Answering", "Streaming"]

Q = TypeVar("Q")
O = TypeVar("O")  # noqa: E741 - output, as Q is the request and C a piece
C = TypeVar("C")

_log: Final = logging.getLogger("surefoot")

HISTORY_IDLE: Final = Nanos(30 * 60 * 1_000_000_000)
"""Without a rollout there is no plan to say when a session is over."""

_HISTORY: Final = Counting(UnitKind.SESSION, HISTORY_IDLE)


class _Uncopied(NamedTuple):
    """A request of which there is no copy: whatever the function does to it, it is the only one."""

    request: object


class Answering(Reply[Any], Coroutine[Any, Any, Reply[Any]]):
    """
    What `agent.run` returns, for type checkers: a reply, or for an `async def` the coroutine of one.

    There is no such object. An agent's type cannot know which function `@agent.runs` will be given, so both uses have
    to check; what the decorator returns does know, and `answer.run(...)` is typed exactly.
    """


class Streaming(Stream[Any], AsyncStream[Any]):
    """What `agent.stream` returns, for type checkers: a `Stream`, or for an `async def` an `AsyncStream`."""


class Agent:
    """One agent. Thread-safe. Made by `Surefoot.agent(name)`."""

    def __init__(
        self,
        name: AgentName,
        *,
        router: Router,
        recorder: Recorder,
        versions: Callable[[Digest], AgentVersion],
        known: Mapping[Digest, AgentVersion] | None = None,
        assumes_success: bool = True,
        shadow: Shadow | None = None,
        traces: TraceRecorder | None = None,
    ) -> None:
        self.name = name
        self.assumes_success = assumes_success
        """A run that ends without an error counts as a success unless it says otherwise."""

        self.router = router
        self.recorder = recorder
        self.versions = Versions(name, versions, known or {})
        self.rollout: RolloutId | None = None
        """The one last met with."""

        self._countings: dict[RolloutId | None, Counting] = {None: _HISTORY}
        self._function: Wrapped | None = None
        self._pieces: Wrapped | None = None
        self._shadow = shadow
        self._traces = traces
        self._warned = False
        self.seek()

    # --- the function that answers
    # The overloads overlap: what returns an iterator or a coroutine returns something. The first that fits is meant.

    @overload
    def runs(self, function: Callable[[AgentVersion, Q, Run], AsyncIterator[C]], /) -> AsyncStreams[Q, C]: ...  # type: ignore[overload-overlap]
    @overload
    def runs(  # type: ignore[overload-overlap]
        self, function: Callable[[AgentVersion, Q, Run], Coroutine[Any, Any, O]], /
    ) -> AsyncAnswers[Q, O]: ...
    @overload
    def runs(self, function: Callable[[AgentVersion, Q, Run], Iterator[C]], /) -> Streams[Q, C]: ...  # type: ignore[overload-overlap]
    @overload
    def runs(self, function: Callable[[AgentVersion, Q, Run], O], /) -> Answers[Q, O]: ...
    def runs(self, function: Written, /) -> Wrapped:
        """
        As a decorator: this function answers, called with the version that was chosen, the request, and the run.

        What it returns has `run` (or `stream`), typed by the function; `agent.run` (or `agent.stream`) does the same.
        """
        self._function, self._pieces = wrapped(self, function), None
        return self._function

    def streams_by(self, function: Callable[[AgentVersion, Q, Run], AsyncIterator[C]], /) -> None:
        """The same agent in pieces: what `stream` uses, where `run` has a function that answers whole."""
        self._pieces = AsyncStreams(self, function)

    def run(self, request: object, *, fallback: object = NO_FALLBACK, **who: Unpack[Who]) -> Answering:
        """
        Let the version that is this request's answer it, and record how it went. Awaited for an `async def`.

        Raises what the function raises, and Killed where a switch leaves no version and there is no `fallback`.
        """
        function = self._function
        if isinstance(function, Answers | AsyncAnswers):
            # Which of the two it is, only the user knows: see `Answering`.
            return cast("Answering", function.run(request, fallback=fallback, **who))
        raise self._unfit("run", function)

    def stream(self, request: object, *, fallback: object = NO_FALLBACK, **who: Unpack[Who]) -> Streaming:
        """The answer piece by piece, for a function that yields. Decided now, run as it is read. Raises Killed."""
        function = self._pieces or self._function
        if isinstance(function, Streams | AsyncStreams):
            return cast("Streaming", function.stream(request, fallback=fallback, **who))
        raise self._unfit("stream", function)

    # --- for those who call the model themselves

    if TYPE_CHECKING:

        def observing(
            self,
            *,
            user: str = "",
            session: str = "",
            tenant: str = "",
            feature: str = "",
            segment: str = "",
            request_id: str = "",
            pin: str = "",
        ) -> Run:
            """
            A run as a context manager, sync or async: decided now, timed from `with` on, recorded at its end.

            Raises Killed where a switch leaves no version, and UsageError for an id that is no text.
            """
            ...
    else:
        observing = Run.observing

    def begin(self, who: Who) -> Run:
        """`observing`, with the ids as one value."""
        try:
            return self.observing(**who)
        except TypeError:
            if strange := [name for name in who if name not in Who.__annotations__]:
                raise no_such_id(strange[0]) from None
            raise

    def kept(self, run: Run, request: object) -> object:
        """
        The request as it was asked. A function may add its answer to it, as to a list of messages, and then another
        request would be traced, and answered by the candidate.
        """
        is_needed = self._traces is not None or (run.route.shadow is not None and self._shadow is not None)
        if not is_needed or isinstance(request, str | bytes | int | float | None):
            return request
        try:
            return deepcopy(request)
        except Exception:  # noqa: BLE001 - the user's object; the user's answer does not depend on it
            return _Uncopied(request)

    def mirror(self, run: Run, request: object, output: object, function: Written) -> None:
        """Record the run's trace, and have the candidate answer too, where that was asked for."""
        asked = request.request if isinstance(request, _Uncopied) else request
        if self._traces is not None:
            self._traces.put(run, asked, output)
        candidate, shadow = run.route.shadow, self._mirroring(run)
        if candidate is None or shadow is None:
            return
        if asked is not request:
            shadow.drop(run, "broken")
            return
        try:
            version = self.versions.get(candidate, in_a_hurry=True)
        except Exception:  # noqa: BLE001 - the user has the answer already; who reads versions has said what is wrong
            shadow.drop(run, "unknown")
            return
        job = Mirrored(run, version, request, output, function)
        if is_awaited(function):
            shadow.offer_async(job)
        else:
            shadow.offer(job)

    def gathering(self, run: Run, request: object, function: Gathered) -> Whole | None:
        """Where a stream is to be mirrored or traced: what keeps its pieces until it is over."""
        shadow, traces = self._mirroring(run), self._traces
        if shadow is None and traces is None:
            return None

        def too_long() -> None:
            if shadow is not None:
                shadow.drop(run, "long")
            if traces is not None:
                traces.lose()

        asked = self.kept(run, request)
        return Whole(lambda output: self.mirror(run, asked, output, function), too_long)

    def trace(self, run: Run, request: object, response: object) -> None:
        """
        Record what a finished run was asked and what it answered, where the agent was opened with `traces`.

        Functions given to `runs` are traced by themselves; this is for `observing`. Never waits, never raises.
        """
        if self._traces is not None:
            self._traces.put(run, request, response)

    def route(self, **who: Unpack[Who]) -> Route:
        """
        The decision alone: nothing is run or recorded. `serve` is None where a switch leaves no version.

        Raises UsageError for an id that is no text, as every other way to ask does.
        """
        _texts(who)
        return self.router.decide(
            self.name,
            who.get("user", ""),
            who.get("tenant", ""),
            who.get("session", ""),
            who.get("feature", ""),
            who.get("segment", ""),
            who.get("request_id", ""),
            who.get("pin", ""),
        )

    def observe(
        self,
        route: Route,
        *,
        user: str = "",
        session: str = "",
        tenant: str = "",
        request_id: str = "",
        latency_ms: float | None = None,
        ttft_ms: float | None = None,
        **shown: Unpack[Shown],
    ) -> str:
        """
        Count a run that somebody else made on that route; its run id. Nothing is assumed: success, too, is said.

        The ids are those the route was decided for. Raises UsageError for a value that means nothing.
        """
        if route.serve is None:
            raise UsageError("nothing was served on this route", hint="count only what was answered")
        _texts({"user": user, "session": session, "tenant": tenant, "request_id": request_id})
        self.meet(route.rollout)
        values: Values = {}
        add(values, shown)
        add(values, {"latency_ms": latency_ms, "ttft_ms": ttft_ms})
        if values.get("timed_out") and latency_ms is None:
            raise UsageError("a run timed out, and after how long is not said", hint="pass latency_ms, too")
        if "success" in values:
            values["unresolved"] = False
        serial = self.recorder.serial(next(self.recorder.numbers))
        unit, idle = counted_as(self.counting(route.rollout), (user, session, tenant, request_id), serial)
        assignment = assignment_of(route)
        run_id = id_of(assignment, unit, serial)
        seen = Observation(**values)  # type: ignore[arg-type]  # `add` made every value what its field says
        self.recorder.put(Reported(run_id, assignment, unit, seen, idle=idle, late=False))
        return run_id

    def feedback(self, run_id: str, **outcome: Unpack[Outcome]) -> None:
        """
        What became known of a run, seconds or days later, in any process.

        Raises UsageError for anything but a run id of this agent, and for a missing or meaningless outcome.
        """
        report = late_outcome(run_id, outcome, agent=self.name)
        if report is not None:
            self.recorder.put(report)

    # --- what runs ask for

    def version(self, digest: Digest) -> AgentVersion:
        """The version of that digest. Raises UnknownName if it is neither in the project nor in the store."""
        return self.versions.get(digest)

    async def arrived(self, digest: Digest) -> None:
        """Wait for a version that is being read from the store, while the event loop goes on. Raises nothing."""
        await self.versions.arrived(digest)

    def seek(self) -> None:
        """Have every version read that requests may need from now on, before one does. Never waits."""
        traffic = self.router.snapshot.agents.get(self.name)
        if traffic is not None:
            candidate = {traffic.split.candidate} if traffic.split else set[Digest]()
            self.versions.seek({traffic.stable, *candidate, *traffic.pins.values()})

    def stand_in(self, route: Route, tenant: str) -> AgentVersion | None:
        """Stable's version for a route whose own cannot be loaded, if stable is another one and may answer."""
        snapshot = self.router.snapshot
        traffic = snapshot.agents.get(self.name)
        if traffic is None or traffic.stable == route.serve:
            return None
        # Of switches on whatever version the decision knew already. One on a feature may or may not cover this run.
        if any(kill.version == traffic.stable and kill.tenant in (None, tenant) for kill in snapshot.kills):
            return None
        try:
            return self.version(traffic.stable)
        except Exception:  # noqa: BLE001 - then the error to raise is that of the version that was to answer
            return None

    def counting(self, rollout: RolloutId | None) -> Counting:
        """By what a rollout counts. One that ended before anybody here met it counts as history does."""
        return self._countings.get(rollout, _HISTORY)

    def meet(self, rollout: RolloutId | None) -> None:
        """Learn by what another rollout than the last one counts, while routers are certain to know it."""
        self.rollout = rollout
        self.seek()
        if rollout in self._countings:
            return
        traffic = self.router.snapshot.agents.get(self.name)
        if traffic is not None and traffic.split is not None and traffic.split.rollout == rollout:
            idle = Nanos(int(traffic.split.session_idle.total_seconds() * 1_000_000_000))
            self._countings[rollout] = Counting(traffic.split.unit, idle)

    def _mirroring(self, run: Run) -> Shadow | None:
        """What mirrors the run; None, said once, if its route wants that and nobody has declared it safe."""
        if run.route.shadow is None:
            return None
        if self._shadow is None and not self._warned:
            self._warned = True
            _log.warning(
                "%s is in a shadow stage, and nothing is mirrored: if its tools are called through ctx.tool, "
                "open it with sf.agent(%r, shadow=ShadowLimits())",
                self.name,
                self.name,
            )
        return self._shadow

    def _unfit(self, verb: str, function: object) -> UsageError:
        if function is None:
            return UsageError(
                f"{self.name} has no function to {verb}", hint="decorate yours with @agent.runs, or use agent.observing"
            )
        if verb == "run":
            return UsageError(f"{self.name} answers in pieces", hint="use agent.stream")
        return UsageError(f"{self.name} answers in one piece", hint="use agent.run, or let the function yield pieces")


def _texts(who: Mapping[str, object]) -> None:
    if not all(isinstance(value, str) for value in who.values()):
        raise no_text(who)
