"""One run of an agent while it lasts: what was decided, what it shows of itself, when it began and how it ended."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import lru_cache
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, Unpack, cast

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation, Record
from ..core.evidence.run_id import run_id
from ..core.traffic.route import Reason, Route, still_mirrors
from ..core.units import AgentName, Digest, Millis, Nanos, RolloutId, UnitKey
from ..errors import Killed, UsageError
from ..ports.executor import Answer, ToolCall
from .counting import Counting, assignment_of, counted_as
from .recorder import Recorder
from .router import Router
from .seen import Shown, Span, Values, add, said_by
from .timeouts import is_timeout
from .who import Who, no_text

__all__ = [
    "Host",
    "Run",
    "current_run",
    "leave",
]

T = TypeVar("T")

_MILLISECOND: Final = 1_000_000
_NO_UNIT: Final = Reason.NO_UNIT


class Host(Protocol):
    """What a run needs of its agent: to be decided, to last, and to be recorded."""

    name: AgentName
    assumes_success: bool
    """A run that ends without an error counts as a success unless it says otherwise."""

    router: Router
    recorder: Recorder
    rollout: RolloutId | None
    """The one that was met with last."""

    def meet(self, rollout: RolloutId | None) -> None:
        """Learn by what another rollout than the last one counts."""
        ...

    def counting(self, rollout: RolloutId | None) -> Counting:
        """By what a rollout that was met with counts; without one, by what history counts."""
        ...

    def version(self, digest: Digest) -> AgentVersion:
        """Raises UnknownName and StoreUnavailable."""
        ...

    def stand_in(self, route: Route, tenant: str) -> AgentVersion | None:
        """Stable's version for a route whose own cannot be loaded, if stable is another one and may answer."""
        ...

    async def arrived(self, digest: Digest) -> None:
        """Wait for a version that is being read from the store; not for long. Raises nothing."""
        ...


class _Call:
    """A tool call while it lasts."""

    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result: object = None


class _Seen:
    """What a run has shown so far."""

    __slots__ = ("spans", "stand_in", "tools", "values")

    def __init__(self) -> None:
        self.stand_in: AgentVersion | None = None
        """Who answers for a version that cannot be loaded."""

        self.values: Values = {}
        self.tools: list[ToolCall] = []
        self.spans: list[Span] = []


class Run:
    """
    One run: decided when it is made, timed and recorded as a context manager, sync or async.

    An exception is a failure and is raised unchanged; where it is a timeout, the run exceeds every latency. A
    cancellation is not a failure: the run is recorded as unresolved, with its duration so far.
    """

    # Without a constructor, and with the ids as a bare tuple: together a fifth of what a run costs.
    __slots__ = (
        "_ended", "_error", "_host", "_ids", "_number", "_recorder", "_seen", "_started", "_token", "route",
    )  # fmt: skip

    route: Route
    _host: Host
    _ids: tuple[str, str, str, str]
    """User, session, tenant, request: for whom the run is, as far as it is counted by that."""

    _recorder: Recorder
    _number: int
    _seen: _Seen | None
    _started: int
    _ended: int
    _error: type[BaseException] | None
    _token: Token[Run | None]

    # By name, as `Agent.observing` is declared. Without the star here: defaults of what can only be given by name are
    # looked up one by one, and that costs what the check of the ids does.
    @staticmethod
    def observing(
        host: Host,
        user: str = "",
        session: str = "",
        tenant: str = "",
        feature: str = "",
        segment: str = "",
        request_id: str = "",
        pin: str = "",
    ) -> Run:
        """What `Agent.observing` is: one call from the user's code to the run, for a tenth of what a run costs."""
        try:  # that they are text; a sum with nothing copies nothing, and no other way to ask costs as little
            _ = "" + user
            _ = "" + session
            _ = "" + tenant
            _ = "" + request_id + feature + segment + pin
        except TypeError:
            known = Who(
                user=user, session=session, tenant=tenant, request_id=request_id, feature=feature, segment=segment,
                pin=pin,
            )  # fmt: skip
            raise no_text(known) from None
        recorder, router = host.recorder, host.router
        number = next(recorder.numbers)
        route = router.decide(host.name, user, tenant, session, feature, segment, request_id, pin)
        if route.reason is _NO_UNIT and not request_id:
            # The plan counts requests, or this one is outside any session: then it is a unit of its own.
            request_id = recorder.serial(number)
            route = router.decide(host.name, user, tenant, session, feature, segment, request_id, pin)
        if route.serve is None:
            raise _killed(route)
        if route.rollout is not host.rollout:
            host.meet(route.rollout)
        run = Run()
        run.route = route
        run._host = host
        run._recorder = recorder
        run._ids = (user, session, tenant, request_id)
        run._number = number
        run._seen = None
        run._ended = 0
        return run

    # --- what was decided

    @property
    def version(self) -> AgentVersion:
        """
        The version that answers. Where it cannot be loaded, stable answers in its place.

        Such a run stays in its arm and is its failure, whatever came of it (intention to treat): a candidate that
        cannot be served must not look like one that nobody asked. Raises UnknownName or StoreUnavailable if there is no
        stable to answer either.
        """
        if self._seen is not None and self._seen.stand_in is not None:
            return self._seen.stand_in
        try:
            return self._host.version(assignment_of(self.route).version)
        except Exception:
            stable = self._host.stand_in(self.route, self._ids[2])
            if stable is None:
                raise
            self._shown().stand_in = stable
            return stable

    async def ready(self) -> AgentVersion:
        """`version`, without holding up the event loop where it has to be read from the store first."""
        await self._host.arrived(assignment_of(self.route).version)
        return self.version

    @property
    def reason(self) -> Reason:
        """Why this version."""
        return self.route.reason

    @property
    def pin(self) -> str:
        """To be passed with the conversation's next turn, where that may reach another process."""
        return self.route.pin

    @property
    def run_id(self) -> str:
        """With this, an outcome finds the run days later, in any process."""
        serial = self._serial()
        unit = counted_as(self._host.counting(self.route.rollout), self._ids, serial).unit
        return run_id(assignment_of(self.route), unit, serial, success_assumed=self._host.assumes_success)

    # --- what it shows

    def observe(self, **shown: Unpack[Shown]) -> None:
        """
        Show something. May be called often: amounts add up, violations stay, of anything else the last word counts.

        Raises UsageError for a value that means nothing, and after the end (then `agent.feedback` is the way).
        """
        if self._ended:
            raise UsageError("the run has ended", hint="tell agent.feedback(run_id, ...) what became known later")
        add(self._shown().values, shown)

    def first_token(self) -> None:
        """The first piece of the answer is there. Only the first call counts."""
        self._shown().values.setdefault("ttft_ms", _millis(perf_counter_ns() - self._started))

    def tool_called(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result: object = None,
        success: bool | None = None,
    ) -> None:
        """A tool was called. Kept with the reply, for comparison with other versions."""
        self._shown().tools.append(ToolCall(name=name, arguments=arguments or {}, result=result, success=success))

    def tool(self, name: str, arguments: Mapping[str, object], function: Callable[..., T], /) -> T:
        """
        Call `function(**arguments)` as the tool of that name, and report the call with its result.

        In a shadow run nothing happens that stable's run did not do: there, the recorded result is handed over. So a
        function whose tools are all called this way may be mirrored. Of a coroutine function, the result is awaitable.
        """
        if not inspect.iscoroutinefunction(function):
            with self._calling(name, arguments) as call:
                result = call.result = function(**arguments)
            return result

        async def awaited() -> Any:
            with self._calling(name, arguments) as call:
                result = call.result = await cast("Awaitable[Any]", function(**arguments))
            return result

        return cast("T", awaited())

    @contextmanager
    def _calling(self, name: str, arguments: Mapping[str, object]) -> Generator[_Call]:
        call, began = _Call(), perf_counter_ns()
        try:
            yield call
        except Exception as error:
            self._took(began, ToolCall(name=name, arguments=arguments, result=repr(error), success=False))
            raise
        self._took(began, ToolCall(name=name, arguments=arguments, result=call.result, success=True))

    def _took(self, began: int, what: ToolCall) -> None:
        shown = self._shown()
        shown.tools.append(what)
        shown.spans.append(Span(what, began, perf_counter_ns()))

    def answered(self, answer: Answer) -> None:
        """An executor answered: what it saw is what is recorded, its latency too."""
        shown, now = self._shown(), perf_counter_ns()
        add(shown.values, said_by(answer.seen))
        shown.tools.extend(answer.tool_calls)
        if answer.seen.model_calls == 1 and answer.seen.latency_ms is not None:
            shown.spans.append(Span(answer, now - answer.seen.latency_ms * _MILLISECOND, now))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """As they were reported, in order."""
        return tuple(self._seen.tools) if self._seen else ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """When its tools and its model were at work, as nanoseconds before its end: after that, by when they began."""
        known, end = self._seen.spans if self._seen else [], self._ended
        return tuple(sorted((Span(what, end - began, end - ended) for what, began, ended in known), key=_by_beginning))

    # --- while it lasts

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._started = perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = perf_counter_ns()
        self._error = kind
        token = self._token
        del self._token  # what waits to be recorded should be as little as possible for the garbage collector to visit
        self._recorder.put(self)
        try:  # as `leave`, without the call
            _current.reset(token)
        except ValueError:
            return

    async def __aenter__(self) -> Self:
        self._token = _current.set(self)
        self._started = perf_counter_ns()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def resume(self) -> Token[Run | None]:
        """The run of a stream is current only while its next piece is made. To be given to `leave`."""
        return _current.set(self)

    @contextmanager
    def current(self) -> Generator[None]:
        """Current for a while, without beginning or ending."""
        token = _current.set(self)
        try:
            yield
        finally:
            leave(token)

    def finish(self, error: type[BaseException] | None, *, waited: int, first: int | None) -> None:
        """The end of a stream: how long its pieces, and the first of them, were waited for, in nanoseconds."""
        if first is not None:
            self._shown().values.setdefault("ttft_ms", _millis(first))
        self._ended = perf_counter_ns()
        self._started = self._ended - waited
        self._error = error
        self._recorder.put(self)

    # --- when it is over

    @property
    def session(self) -> str:
        """The session it belongs to, as it was given; empty outside of any."""
        return self._ids[1]

    @property
    def tenant(self) -> str:
        """The tenant it was for, as it was given; empty where none was."""
        return self._ids[2]

    @property
    def is_still_mirrored(self) -> bool:
        """Whether the candidate may still answer unseen: since the decision, a kill or an order may have ended that."""
        return still_mirrors(self._host.router.newest, self.route, self._ids[2])

    @property
    def failed_by(self) -> str | None:
        """The name of the exception that ended it, after its end."""
        return None if self._error is None else self._error.__name__

    @property
    def unit(self) -> UnitKey:
        """What the run counts as, hashed."""
        return counted_as(self._host.counting(self.route.rollout), self._ids, self._serial()).unit

    @property
    def observation(self) -> Observation:
        """What it showed, after its end."""
        return self._observation()

    def record(self, wall: int) -> Record:
        """What there is to count, once, after the end; on the recorder's thread unless it is durable."""
        host, route = self._host, self.route
        serial = self._recorder.serial(self._number)
        assignment = assignment_of(route)
        unit, idle = counted_as(host.counting(route.rollout), self._ids, serial)
        name = run_id(assignment, unit, serial, success_assumed=host.assumes_success)
        at, is_late = Nanos(self._ended + wall), False  # by position: by name it takes twice as long, for every run
        return Record(name, assignment, unit, at, self._observation(), is_late, idle)

    def _serial(self) -> str:
        return self._recorder.serial(self._number)

    def _shown(self) -> _Seen:
        if self._seen is None:
            self._seen = _Seen()
        return self._seen

    def _observation(self) -> Observation:
        took = _millis(self._ended - self._started)
        if self._seen is None and self._error is None:
            return _uneventful(took, self._host.assumes_success or None)
        seen: Values = dict(self._seen.values) if self._seen else {}
        if self._error is None:
            if self._host.assumes_success:
                seen.setdefault("success", True)
        elif issubclass(self._error, Exception):
            seen["success"] = False
            if is_timeout(self._error):
                seen["timed_out"] = True
        elif "success" not in seen:
            seen["unresolved"] = True  # cancelled, closed early, interrupted: nobody knows how it would have ended
        if self._seen and self._seen.stand_in is not None:
            seen["success"] = False
        if "success" in seen:
            seen["unresolved"] = False
        seen.setdefault("latency_ms", took)
        return Observation(**seen)  # type: ignore[arg-type]  # `seen.add` made every value what its field says


_current: ContextVar[Run | None] = ContextVar("surefoot_run", default=None)


def current_run() -> Run | None:
    """The run this code is part of, however deep below the agent's function; None outside of any."""
    return _current.get()


def leave(token: Token[Run | None]) -> None:
    """The run before is current again."""
    try:
        _current.reset(token)
    except ValueError:
        return  # left in another context than it was entered in: there it was never current


@lru_cache(maxsize=8192)
def _uneventful(latency_ms: int, success: bool | None) -> Observation:  # noqa: FBT001 - a cache is asked by position
    """Most runs show nothing but how long they took; such an observation need not be made each time (1.5 us)."""
    return Observation(success=success, unresolved=False if success else None, latency_ms=Millis(latency_ms))


def _by_beginning(span: Span) -> int:
    return -span.began


def _millis(nanos: int) -> int:
    return (nanos + _MILLISECOND // 2) // _MILLISECOND


def _killed(route: Route) -> Killed:
    switch = route.kill
    if switch is None:
        return Killed(f"{route.agent} is stopped", hint="`surefoot kills` lists what is stopped")
    return Killed(
        f"{route.agent} is stopped by {switch.author}: {switch.reason} (kill switch {switch.id})",
        hint=f"`surefoot unkill {switch.id}` when it may run again; pass fallback= to answer something else meanwhile",
    )
