"""A project, opened in a process: its agents, and everything that runs for them."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from time import monotonic
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar, Unpack
from weakref import WeakSet

from ..adapters.clock import SystemClock, SystemIds
from ..client.agent import Agent
from ..client.last_seen import LastSeen
from ..client.recorder import EXIT_SECONDS, Recorder
from ..client.recorder import Health as RecorderHealth
from ..client.report import late_outcome
from ..client.router import AfterLease, Lease, Router, RouterHealth
from ..client.seen import Outcome
from ..config.settings import ControllerMode, Settings
from ..core.artifact.version import AgentVersion
from ..core.evidence.tally import Delta
from ..core.units import AgentName, Digest, RolloutId
from ..errors import SettingsError, StoreUnavailable, SurefootError, Unavailable, UnknownName, UsageError
from ..ports.clock import Clock
from ..ports.flags import Flags
from ..ports.sink import ClosingSink
from ..store.registry import open_feed, open_sink
from .engine import Engine

if TYPE_CHECKING:
    from openfeature.client import OpenFeatureClient

    from ..client.shadow import Shadow, ShadowHealth, ShadowLimits
    from ..client.traces import TraceHealth, TraceRecorder, Traces
    from ..ports.store import ShadowPair
    from ..service.controller import Health as ControllerHealth
    from .control import Control

__all__ = ["Health", "Surefoot"]

T = TypeVar("T")

_MOST_KEY: Final = 64
"""Bytes of a key that BLAKE2b takes."""

_FIRST_SECONDS: Final = 30.0
"""How long the first start of a project may wait for its store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How everything that runs for the project in this process is doing."""

    recorder: RecorderHealth
    router: RouterHealth
    controller: ControllerHealth | None
    """None where none runs: `controller: external`, or the store has not answered yet."""

    shadows: Mapping[AgentName, ShadowHealth]
    """Of the agents that may be mirrored."""

    traces: Mapping[AgentName, TraceHealth]
    """Of the agents whose runs are recorded as traces."""

    trouble: Mapping[AgentName, str]
    """Agents whose files could not be taken over into the store, and why."""


class _Parts:
    """What belongs to one process and cannot be carried through a fork."""

    def __init__(self, settings: Settings, engine: Engine, flags: Mapping[AgentName, Flags]) -> None:
        self.engine = engine
        self.sink: ClosingSink = open_sink(settings.store.url)
        lease = settings.lease
        self.router = Router(
            open_feed(settings.store.url),
            disk=settings.snapshot,
            lease=Lease(lease.after.total_seconds(), AfterLease(lease.then)) if lease else None,
            flags=flags,
        )
        self.router.start()


class _CurrentSink:
    """The sink of the process that asks."""

    def __init__(self, owner: Surefoot) -> None:
        self._owner = owner

    def absorb(self, delta: Delta) -> bool:
        return self._owner.parts.sink.absorb(delta)

    def applied(self, source: str) -> int:
        return self._owner.parts.sink.applied(source)


class Surefoot:
    """
    A project. Made by `surefoot.open()`; thread-safe; a forked child goes on with connections and threads of its own.

    `close` it, or use it in `with`: the last evidence is shipped then. What is not shipped when a process ends, the
    next start ships.
    """

    def __init__(
        self,
        settings: Settings,
        versions: Iterable[AgentVersion],
        *,
        clock: Clock | None = None,
        broken: Mapping[AgentName, SurefootError] = MappingProxyType({}),
    ) -> None:
        self.settings = settings
        self._broken = broken
        self._clock, self._ids = clock or SystemClock(), SystemIds()
        self._versions: dict[AgentName, list[AgentVersion]] = {}
        for version in versions:
            self._versions.setdefault(version.agent, []).append(version)
        self._by_digest = {version.digest: version for known in self._versions.values() for version in known}
        self._agents: dict[AgentName, Agent] = {}
        self._flags: dict[AgentName, Flags] = {}
        self._opened_with: dict[AgentName, Mapping[str, object]] = {}
        self._shadows: dict[AgentName, Shadow] = {}
        self._traces: dict[AgentName, TraceRecorder] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        _survive_forks().add(self)  # before the recorder's: its thread needs the sink of its own process
        self.parts = _Parts(settings, self._engine(), self._flags)
        self.parts.router.polled = self._seek_versions
        self._recorder = Recorder(
            sink=_CurrentSink(self),
            clock=self._clock,
            ids=self._ids,
            spools=settings.spool,
            durable=settings.durable,
        )
        atexit.register(self.close)

    def agent(
        self,
        name: str,
        *,
        assume_success: bool | None = None,
        shadow: ShadowLimits | None = None,
        flags: OpenFeatureClient | None = None,
        traces: Traces | None = None,
    ) -> Agent:
        """
        An agent of the project, always the same object. It is opened by the first who asks for it: give the same
        options everywhere, or none later.

        `shadow`: in a shadow stage the candidate may answer too, within these limits. Give it only if everything with
        an effect is called through `ctx.tool`: nothing else keeps a shadow run from doing it. Without it nothing is
        mirrored, and a shadow stage holds for want of pairs.

        `assume_success`: a run that ends without an error counts as a success unless it says otherwise. That is so
        unless the first who asks for the agent says False; then success has to be shown or reported.

        `traces`: runs are recorded as traces too, within these limits; personal data is replaced first. Without it
        surefoot.yaml decides (`traces:`).

        `flags`: an OpenFeature client, asked for the arm where an experiment's plan says `cohort: {flag: NAME}`.

        Raises UnknownName, UsageError for `flags` that is no such client and for options that differ from those the
        agent is open with, and at the very first start whatever keeps the agent from being served: no version is known
        to be stable, the store is away (StoreUnavailable).
        """
        known = _agent_name(name)
        with self._lock:
            if self._is_closed:
                raise UsageError("this project is closed", hint="open it again: surefoot.open()")
            if known not in self._agents:
                self._take_flags(known, flags)
                self._wait_for(known)
                traces = self._traces_of(known) if traces is None else traces
                self._agents[known] = self._opened(known, shadow, traces, assumes_success=assume_success is not False)
                self._opened_with[known] = {"shadow": shadow, "traces": traces, "flags": flags}
            agent = self._agents[known]
            if assume_success not in (None, agent.assumes_success):
                raise UsageError(
                    f"{known} is open with assume_success={agent.assumes_success}", hint="say the same, or nothing"
                )
            self._refuse_others(known, {"shadow": shadow, "traces": traces, "flags": flags})
            return agent

    def _refuse_others(self, name: AgentName, given: Mapping[str, object]) -> None:
        """An agent is opened once. What is asked for later, and is not so, would be missed in silence."""
        for what, held in self._opened_with[name].items():
            if given[what] is not None and not _are_alike(given[what], held):
                # the values themselves may hold a key
                how = f"without {what}" if held is None else f"with other {what}"
                raise UsageError(
                    f"{name} is open {how}", hint=f"give {what} where {name} is first asked for, or the same everywhere"
                )

    def _opened(
        self, name: AgentName, shadow: ShadowLimits | None, traces: Traces | None, *, assumes_success: bool
    ) -> Agent:
        agent = Agent(
            name,
            router=self.parts.router,
            recorder=self._recorder,
            versions=self._version,
            known=self._by_digest,
            assumes_success=assumes_success,
            shadow=self._shadow_within(name, shadow),
            traces=self._traces_within(name, traces),
        )
        self._give_executor(agent)
        return agent

    def feedback(self, run_id: str, **outcome: Unpack[Outcome]) -> None:
        """What became known of a run of any agent: see `Agent.feedback`."""
        report = late_outcome(run_id, outcome)
        if report is not None:
            self._recorder.put(report)

    def control(self, body: Callable[[Control], Awaitable[T]], *, timeout: float = _FIRST_SECONDS) -> T:
        """
        Give an order, and wait for it: `sf.control(lambda control: control.start("bot", "v2", by="ann"))`.

        Raises what the order raises, and StoreUnavailable if that takes longer than `timeout` seconds. From a
        coroutine, call it with `asyncio.to_thread`.
        """
        return self.parts.engine.control(body, self.settings.root, self._ids, timeout)

    def flush(self, timeout: float = EXIT_SECONDS) -> bool:
        """
        Wait until all that was recorded or mirrored is in the store. False: not within that many seconds.

        From a coroutine call it with `asyncio.to_thread` where coroutines are mirrored: their loop has to go on.
        """
        last = monotonic() + timeout
        is_done = self._recorder.flush(timeout)
        for traces in list(self._traces.values()):
            is_done = traces.flush(max(0.0, last - monotonic())) and is_done
        if self._shadows:  # a process that has just begun, or was just forked, opens the store meanwhile
            wait([self.parts.engine.first_try], max(0.0, last - monotonic()))
        for shadow in list(self._shadows.values()):
            try:
                is_done = shadow.flush(max(0.0, last - monotonic())) and is_done
            except Unavailable:
                is_done = False
        return is_done

    @property
    def health(self) -> Health:
        """How everything is doing, now."""
        return Health(
            recorder=self._recorder.health,
            router=self.parts.router.health(),
            controller=self.parts.engine.health,
            shadows={agent: shadow.health for agent, shadow in list(self._shadows.items())},
            traces={agent: traces.health for agent, traces in list(self._traces.items())},
            trouble={agent: error.message for agent, error in {**self._broken, **self.parts.engine.trouble}.items()},
        )

    def close(self, timeout: float = EXIT_SECONDS) -> None:
        """Ship the last evidence, within that many seconds, and stop. Idempotent."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        atexit.unregister(self.close)
        last = monotonic() + timeout
        self._recorder.close(timeout)
        for shadow in self._shadows.values():
            shadow.close(max(0.0, last - monotonic()))
        for traces in self._traces.values():
            traces.close(max(0.0, last - monotonic()))
        self.parts.router.close()
        self.parts.sink.close()
        self.parts.engine.close(max(0.0, last - monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def after_fork(self) -> None:
        """In the child: nothing of the parent's is touched, not even to close it."""
        if self._is_closed:
            return
        _inherited.append(self.parts)
        self._lock = threading.Lock()
        self.parts = _Parts(self.settings, self._engine(), self._flags)
        self.parts.router.polled = self._seek_versions
        for agent in self._agents.values():
            agent.router = self.parts.router
            agent.versions.after_fork()
        for shadow in self._shadows.values():
            shadow.after_fork()

    def _engine(self) -> Engine:
        return Engine(
            self.settings.store.url,
            self._versions,
            self.settings.stable,
            clock=self._clock,
            controls=self.settings.controller is ControllerMode.EMBEDDED,
            # Where one has been seen before, a store that is not there is lost, and a new one would hide that.
            creates=self.settings.snapshot is None or not LastSeen(self.settings.snapshot).is_there,
            broken=self._broken,
            project=self.settings.root,
        )

    def _give_executor(self, agent: Agent) -> None:
        """Versions that name an executor or a function are run by it, until the program registers one of its own."""
        if any(version.executor.says_how for version in self._versions.get(agent.name, [])):
            from .executing import executed

            whole, pieces = executed(self.settings.root)
            agent.runs(whole)
            agent.streams_by(pieces)

    def _take_flags(self, agent: AgentName, client: OpenFeatureClient | None) -> None:
        if client is not None:
            from ..adapters.flags.openfeature import OpenFeatureFlags

            self._flags[agent] = OpenFeatureFlags(client)

    def _shadow_within(self, agent: AgentName, limits: ShadowLimits | None) -> Shadow | None:
        if limits is None:
            return None
        from ..client.shadow import Shadow

        shadow = Shadow(limits, ships=self._ship_pairs, clock=self._clock)
        self._shadows[agent] = shadow
        return shadow

    def _traces_within(self, agent: AgentName, limits: Traces | None) -> TraceRecorder | None:
        if limits is None:
            return None
        from ..client.traces import TraceRecorder

        self._traces[agent] = TraceRecorder(agent, limits, clock=self._clock)
        return self._traces[agent]

    def _traces_of(self, agent: AgentName) -> Traces | None:
        """What surefoot.yaml says. Raises SettingsError for a key that is not in the environment."""
        found = self.settings.traces.of(agent)
        if found is None:
            return None
        from ..client.traces import Traces

        key = os.environ.get(found.key_env, "").encode() if found.key_env else b""
        if found.key_env and not 1 <= len(key) <= _MOST_KEY:
            raise SettingsError(
                f"traces of {agent}: the environment variable {found.key_env} holds no key",
                hint=f"set {found.key_env} to a secret of 1 to {_MOST_KEY} bytes",
            )
        return Traces(
            folder=found.folder,
            share=found.sample,
            redacts=found.redact,
            key=key,
            file_bytes=found.file_mb << 20,
            files=found.files,
        )

    def _ship_pairs(self, rollout: RolloutId, pairs: Sequence[ShadowPair], dropped: int) -> None:
        self.parts.engine.ship_pairs(rollout, pairs, dropped)

    def _wait_for(self, agent: AgentName) -> None:
        """Only at the first start of a project, or of an agent in it, is there anything to wait for."""
        router, engine = self.parts.router, self.parts.engine
        if agent in router.snapshot.agents:
            return
        try:
            engine.first_try.result(_FIRST_SECONDS)
        except TimeoutError:
            raise StoreUnavailable(
                f"{self.settings.store} did not get ready within {_FIRST_SECONDS:g} s", hint="look at the store"
            ) from None
        router.poll()
        if agent in router.snapshot.agents:
            return
        if agent in engine.trouble:
            raise engine.trouble[agent]
        if agent in self._broken:
            raise self._broken[agent]
        known = tuple({*router.snapshot.agents, *self._versions})
        raise UnknownName("agent", agent, known, where=f"looked in {self.settings.root / 'agents'}")

    def _seek_versions(self) -> None:
        """What traffic has just come to need is read from the store before a request asks for it."""
        for agent in list(self._agents.values()):
            agent.seek()

    def _version(self, digest: Digest) -> AgentVersion:
        found = self._by_digest.get(digest)
        return self.parts.engine.version(digest) if found is None else found


def _agent_name(name: object) -> AgentName:
    if not isinstance(name, str):
        raise UsageError(f"the agent is {name!r}", hint='say its name, as in agents/: sf.agent("support-agent")')
    return AgentName(name)


def _are_alike(one: object, other: object) -> bool:
    """Limits are compared as values, clients of OpenFeature by what they hold: each `get_client()` makes a new one."""
    if one is other or one == other:
        return True
    return type(one) is type(other) and getattr(one, "__dict__", 1) == getattr(other, "__dict__", 2)


_inherited: Final[list[_Parts]] = []
"""Connections of a parent: to be closed by nobody in this process, not even by the garbage collector."""


@cache
def _survive_forks() -> WeakSet[Surefoot]:
    """All projects that this process has open; a child's begin anew."""
    # Its hook makes a lock anew in the child, and has to do so before a thread of ours waits for that lock: hooks run
    # in the order in which they were registered, this one when the module is loaded.
    import_module("concurrent.futures.thread")

    projects: WeakSet[Surefoot] = WeakSet()

    def in_child() -> None:
        for project in projects:
            project.after_fork()

    os.register_at_fork(after_in_child=in_child)
    return projects
