"""What a project does in the background: makes the store ready, tells it of versions, and controls rollouts."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..core.artifact.version import AgentVersion
from ..core.units import AgentName, Digest, RolloutId
from ..errors import StoreUnavailable, SurefootError, Unavailable, UnknownName, UsageError
from ..ports.clock import Clock, Ids
from .pauses import Pauses
from .stable import first_stable

if TYPE_CHECKING:  # loaded in the thread: whoever opens a project need not wait for the machinery of rollouts
    from ..ports.store import ShadowPair, Store
    from ..service.cases import Cases
    from ..service.controller import Health
    from .control import Control

__all__ = ["Engine"]

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_VERSION_SECONDS: Final = 5.0
_log: Final = logging.getLogger("surefoot")


class Engine:
    """One event loop in a thread of its own. The heavy store libraries are loaded there, while the caller goes on."""

    def __init__(
        self,
        url: str,
        versions: Mapping[AgentName, Sequence[AgentVersion]],
        stable: Mapping[AgentName, str],
        *,
        clock: Clock,
        controls: bool,
        creates: bool = True,
        broken: Mapping[AgentName, SurefootError] = MappingProxyType({}),
        project: Path | None = None,
    ) -> None:
        """
        `creates`: where there is no store, make one. `broken`: agents with an invalid file, and the error.
        `project`: whose baselines a promoted version's results become, where its plan says so.
        """
        self.first_try: Future[None] = Future()
        """Done when the store was made ready, or could not be at first; it is tried again and again."""

        self.trouble: dict[AgentName, SurefootError] = {}
        """Agents that could not be set up, and why."""

        self.health: Health | None = None
        """The controller's, once there is one."""

        self._url = url
        self._versions = versions
        self._stable = stable
        self._clock = clock
        self._controls = controls
        self._creates = creates
        self._broken = broken
        self._project = project
        self._closing = False
        self._running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
        self._store: Store | None = None
        self._cases: Cases | None = None
        self._ready = asyncio.Event()
        self._pauses: Pauses
        self._thread = threading.Thread(target=self._run, name="surefoot-engine", daemon=True)
        self._thread.start()

    def version(self, digest: Digest) -> AgentVersion:
        """A version that only the store has. Raises UnknownName and StoreUnavailable."""
        late = StoreUnavailable(
            f"the store did not answer within {_VERSION_SECONDS:g} s", hint="look at the store, and try again"
        )
        return self._done(lambda: self._read(digest), _VERSION_SECONDS, late)

    def control(self, body: Callable[[Control], Awaitable[T]], project: Path, ids: Ids, timeout: float) -> T:
        """Carry out an order in the engine's loop. Raises what it raises, and StoreUnavailable after `timeout`."""
        late = StoreUnavailable(
            f"the order took longer than {timeout:g} s", hint="look at the store; the order may have been carried out"
        )
        return self._done(lambda: self._ordered(body, project, ids), timeout, late)

    def ship_pairs(self, rollout: RolloutId, pairs: Sequence[ShadowPair], dropped: int) -> None:
        """Put shadow pairs into the store. Raises StoreUnavailable; nothing is lost, they may be given again."""
        late = StoreUnavailable("the store did not take the shadow pairs", hint="they are tried again")
        self._done(lambda: self._write(rollout, pairs, dropped), _VERSION_SECONDS, late)

    def _done(self, work: Callable[[], Coroutine[Any, Any, T]], seconds: float, late: StoreUnavailable) -> T:
        """Have it done in the engine's loop, from any other thread. Raises `late` if that takes too long."""
        running: Future[T] | None = None
        try:
            loop, _ = self._running.result(seconds)
            running = asyncio.run_coroutine_threadsafe(work(), loop)
            return running.result(seconds)
        except TimeoutError:
            if running is not None:
                running.cancel()
            raise late from None

    def close(self, timeout: float) -> None:
        """Stop, within that many seconds if the store lets it. Idempotent."""
        self._closing = True
        if self._running.done():
            loop, task = self._running.result()
            for stop in (self._pauses.stop, task.cancel):  # between two steps, and at once if that takes too long
                if self._thread.is_alive():
                    with suppress(RuntimeError):  # it ended by itself meanwhile
                        loop.call_soon_threadsafe(stop)
                    self._thread.join(timeout / 2)
        self._thread.join(timeout / 2)

    # --- in the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001 - a thread that ends must say so, to whoever waits for it too
            if self._closing or _is_process_ending(error):
                if not self.first_try.done():
                    self.first_try.cancel()
                return
            _log.exception("the background work of surefoot has ended; rollouts are not watched by this process")
            if not self.first_try.done():
                self.first_try.set_exception(error)

    async def _main(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a coroutine without a task")
        self._pauses = Pauses(self._clock, task)
        self._running.set_result((asyncio.get_running_loop(), task))
        from ..service.controller import Controller
        from ..store.registry import open_store

        if self._closing:
            return
        try:
            self._store = store = open_store(self._url)
        except SurefootError as error:
            self.first_try.set_exception(error)
            return
        try:
            await self._until_ready(store)
            self._ready.set()
            if self._controls:
                from .blessing import Blessing

                told = [] if self._project is None else [Blessing(project=self._project, clock=self._clock)]
                controller = Controller(store=store, clock=self._pauses, notifiers=told)
                self.health = controller.health
                await controller.run()
            else:
                await self._pauses.sleep(math.inf)
        finally:
            await store.close()

    async def _until_ready(self, store: Store) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._set_up(store)
            except Unavailable as error:
                if not self.first_try.done():
                    self.first_try.set_exception(error)
                await self._pauses.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if not self.first_try.done():
                    self.first_try.set_result(None)
                return

    async def _set_up(self, store: Store) -> None:
        await store.migrate(create=self._creates)
        self.trouble.update(self._broken)
        for agent, versions in self._versions.items():
            try:
                await self._tell(store, agent, versions)
            except Unavailable:
                raise
            except SurefootError as error:
                self.trouble[agent] = error
                _log.warning("%s: %s (%s)", agent, error.message, error.hint)

    async def _tell(self, store: Store, agent: AgentName, versions: Sequence[AgentVersion]) -> None:
        """The store learns of the project's versions and, the first time, of the one that is stable."""
        known = [known.digest for known in await store.versions(agent)]
        refused: SurefootError | None = None
        for version in versions:
            if version.digest not in known:
                try:
                    await store.put_version(version)
                except UsageError as error:
                    refused = error
        if not await self._is_served(store, agent):
            from ..service.rollouts import set_stable

            if agent in self._broken and agent not in self._stable:
                # The file that cannot be read may be the one that users have: the rest of them is no answer.
                raise self._broken[agent]
            agents = {*self._versions, *self._broken}
            stable = first_stable(agent, versions, self._stable, agents=agents)
            await set_stable(agent, stable, by="surefoot.open", store=store)
        if refused is not None:
            raise refused

    @staticmethod
    async def _is_served(store: Store, agent: AgentName) -> bool:
        try:
            await store.traffic(agent)
        except UnknownName:
            return False
        return True

    async def _ordered(self, body: Callable[[Control], Awaitable[T]], project: Path, ids: Ids) -> T:
        from ..service.cases import Cases
        from .control import Control

        await self._ready.wait()
        if self._store is None:
            raise StoreUnavailable("the store is not open", hint="look at the store, and try again")
        if self._cases is None:  # not the controller's: what somebody looks at must not disturb who decides
            self._cases = Cases(self._store)
        return await body(Control(project=project, store=self._store, clock=self._clock, ids=ids, cases=self._cases))

    async def _write(self, rollout: RolloutId, pairs: Sequence[ShadowPair], dropped: int) -> None:
        if self._store is None:
            raise StoreUnavailable("the store is not open", hint="look at the store, and try again")
        await self._store.put_pairs(pairs, dropped=dropped, rollout=rollout)

    async def _read(self, digest: Digest) -> AgentVersion:
        with suppress(TimeoutError):  # a process that has just begun; a store that cannot be made ready may be readable
            async with asyncio.timeout(_VERSION_SECONDS / 2):
                await self._ready.wait()
        if self._store is None:
            raise StoreUnavailable("the store is not open", hint="look at the store, and try again")
        return await self._store.version(digest)


def _is_process_ending(error: Exception) -> bool:
    """Once the program has ended, threads cannot be started any more, and nothing is wrong with that."""
    return not threading.main_thread().is_alive() or (isinstance(error, RuntimeError) and "shutdown" in str(error))
