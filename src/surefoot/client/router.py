"""
Decisions inside the user's process: the newest snapshot in memory, no network and no lock per request.

Every decision looks at the feed's bell (one number in shared memory). If it has rung, what is newer is read and the
snapshot is replaced by one assignment; readers in flight keep the one they took. `poll`, once a second, makes up for a
bell that was not heard. A feed that fails changes nothing: the last snapshot goes on serving, and `health` says so.

A kill switch that was seen is obeyed until the store says that it was lifted. A store that was lost and made anew, or
restored from before the switch, says nothing of the kind, so the switch stays; `health` and the log name it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from ..core.traffic.closure import Decide
from ..core.traffic.compiled import Compiled
from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import AgentTraffic, Reason, Route, Snapshot
from ..core.units import AgentName, Revision
from ..errors import StoreUnavailable, UsageError
from ..ports.feed import Bell, Belled, Changes, Feed
from ..ports.flags import Flags
from .conversations import Conversations
from .flags import FlagArms
from .last_seen import LastSeen

__all__ = ["AfterLease", "Lease", "Router", "RouterHealth"]

_log: Final = logging.getLogger("surefoot")
_NOTHING: Final = Revision(0)
_LONGEST_BACKOFF: Final = 5.0
_SAVE_EVERY: Final = 5.0
"""Seconds between two writes of the whole snapshot, which may be megabytes. Switches do not wait for it."""


class AfterLease(StrEnum):
    """What is served when the feed has been silent for too long."""

    STABLE = "stable"
    """Nobody gets a candidate whose harm nobody could report any more."""

    NOBODY = "nobody"
    """Nothing is served."""


class Lease(NamedTuple):
    """How long a snapshot may be trusted without hearing from the feed. No lease: for ever (fail static)."""

    seconds: float
    then: AfterLease


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterHealth:
    """How the router is doing, for health pages and alerts."""

    revision: Revision
    agents: int
    conversations: int
    is_connected: bool
    """The last reading of the feed succeeded."""

    is_from_disk: bool
    """Nothing but the disk has been heard from since the start."""

    is_expired: bool
    """The lease has run out, and its rule applies."""

    silent_seconds: float
    """Since the last successful reading, or since the start."""

    failed_reads: int
    failed_writes: int
    """Snapshots that could not be kept on disk."""

    last_error: str
    """What is wrong now, in words; empty when all is well."""

    unknown_kills: tuple[str, ...] = ()
    """Ids of switches that were seen and go on being obeyed, although the store has never heard of them."""

    unassigned: int = 0
    """Runs that an experiment's flag should have assigned and did not: stable answered them, unanalysed."""


@dataclass(frozen=True, slots=True)
class _State:
    """What one decision takes, all of it at once. Slots, because a named tuple's fields are twice as slow to read."""

    epoch: int
    compiled: Compiled
    table: Mapping[AgentName, Decide]


class _Asked:
    """The bell of a feed that has to be called for it."""

    __slots__ = ("_epoch",)

    def __init__(self, epoch: Callable[[], int]) -> None:
        self._epoch = epoch

    def __getitem__(self, index: int, /) -> int:
        return self._epoch()


class Router:
    """
    One per process, made after a fork. `decide` from any thread; `poll` once a second, by `start` or by somebody else.

    It is ready when it is made: from the feed, else from the folder `disk`, else it raises StoreUnavailable when asked.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        disk: Path | None = None,
        lease: Lease | None = None,
        flags: Mapping[AgentName, Flags] | None = None,
        most_conversations: int = 50_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._feed = feed
        self._disk = LastSeen(disk) if disk else None
        self._lease = lease
        self._clock = clock
        self._conversations = Conversations(most_conversations)
        self._flags = FlagArms({} if flags is None else flags)
        self._reading = threading.Lock()
        self._wake = threading.Event()
        self.polled: Callable[[], None] | None = None
        """Called after every poll, on its thread; may neither wait nor raise."""

        self._thread: threading.Thread | None = None
        self._closed = False
        self._heard_at = self._saved_at = self._retry_at = clock()
        self._failures_in_a_row = self._failed_reads = self._failed_writes = 0
        self._last_error = ""
        self._is_from_disk = self._is_expired = False
        self._identity = ""
        self._unknown: tuple[str, ...] = ()
        self._unsaved = self._unsynced = False
        self._bell: Bell = _Asked(feed.epoch)
        self._compiled = Compiled(snapshot=Snapshot())
        self._state = _State(-1, self._compiled, self._compiled.table)
        with self._reading:
            self._recall()
            self._read()
        feed.listen(self._wake.set)

    @property
    def snapshot(self) -> Snapshot:
        """What decisions are made on right now."""
        return self._state.compiled.snapshot

    @property
    def newest(self) -> Snapshot:
        """What the next decision would be made on: what has been announced since the last one is read first."""
        state = self._state
        return (self._refresh() if self._bell[0] != state.epoch else state).compiled.snapshot

    # The fields of a Request without making one: this is the hot path.
    def decide(
        self,
        agent: AgentName,
        user: str = "",
        tenant: str = "",
        session: str = "",
        feature: str = "",
        segment: str = "",
        request: str = "",
        pin: str = "",
    ) -> Route:
        """
        The route of one request (see `core.traffic.route`). An empty text is something the caller does not know.

        A session's later turns keep the arm and epoch of its first: by `pin` (the `Route.pin` of an earlier turn, which
        works across processes), else from this router's memory. Raises UnknownName for an agent without traffic,
        StoreUnavailable when neither feed nor disk have ever been heard from, and UsageError once it is closed.
        """
        state = self._state
        if self._bell[0] != state.epoch:
            state = self._refresh()
        try:
            decide = state.table[agent]
        except KeyError:
            decide = self._decider(state, agent)
        if session and not pin:
            return self._converse(decide, agent, user, tenant, session, feature, segment, request)
        return decide(user, tenant, session, feature, segment, request, pin)

    def poll(self) -> None:
        """Once a second: read what is newer, rung or not; watch the lease; write what waits to disk."""
        with self._reading:
            if not self._read():
                self._watch_lease()
            self._save(at_once=False)
        if self.polled is not None:
            self.polled()

    def start(self, every: float = 1.0) -> None:
        """Poll every so many seconds, and at once when the feed calls, from a thread that ends with the process."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, args=(every,), name="surefoot-router", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """
        Stop polling and keep the snapshot on disk. Idempotent.

        Decisions raise UsageError from then on: nobody would hear of a switch any more.
        """
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._reading:
            self._save(at_once=True)
            self._state = _State(self._state.epoch, self._state.compiled, {})
        self._feed.close()

    def health(self) -> RouterHealth:
        """How it is doing, now."""
        snapshot = self._compiled.snapshot
        return RouterHealth(
            revision=snapshot.revision,
            agents=len(snapshot.agents),
            conversations=len(self._conversations),
            is_connected=self._failures_in_a_row == 0,
            is_from_disk=self._is_from_disk,
            is_expired=self._is_expired,
            silent_seconds=self._clock() - self._heard_at,
            failed_reads=self._failed_reads,
            failed_writes=self._failed_writes,
            last_error=self._last_error,
            unknown_kills=self._unknown,
            unassigned=self._flags.unassigned,
        )

    # --- deciding

    def _converse(
        self,
        decide: Decide,
        agent: AgentName,
        user: str,
        tenant: str,
        session: str,
        feature: str,
        segment: str,
        request: str,
    ) -> Route:
        """A turn of a conversation that this router may remember."""
        now = decide(user, tenant, session, feature, segment, request, "")
        conversation = (agent, session)
        first = self._conversations.first(conversation)
        if first is now:
            # Routes are ready-made, so the same object means that nothing has changed since the first turn.
            return now
        if first is not None:
            now = decide(user, tenant, session, feature, segment, request, first.pin)
            if now.reason is Reason.CONVERSATION:
                return now
        if now.serve is None or now.reason is Reason.NO_UNIT:
            # Nobody was assigned to anything: with an id, the next turn may be.
            self._conversations.forget(conversation)
        else:
            self._conversations.keep(conversation, now)
        return now

    def _decider(self, state: _State, agent: AgentName) -> Decide:
        if self._closed:
            raise UsageError("this project is closed", hint="open it again: surefoot.open()")
        if not state.compiled.snapshot.revision and not state.compiled.snapshot.agents and self._failures_in_a_row:
            raise StoreUnavailable(
                f"no traffic is known yet: {self._last_error}", hint="start once with the store, or give a disk folder"
            )
        return state.compiled.decider(agent, self._flags.around)

    # --- listening

    def _refresh(self) -> _State:
        """The newest state; the present one while another thread reads, or while the feed is failing."""
        if self._reading.acquire(blocking=False):
            try:
                if self._clock() >= self._retry_at and not self._closed:
                    self._read()
            finally:
                self._reading.release()
        return self._state

    def _read(self) -> bool:
        """Read what is newer and decide by it from now on. False if the feed failed, which is counted."""
        epoch = self._state.epoch
        try:
            # Looked at before reading, so that what is written meanwhile is noticed with the next decision.
            self._bell = _bell_of(self._feed)
            epoch = self._bell[0]
            known = self._compiled.snapshot.revision
            # What an earlier process kept may be of any history: it is never added to, only compared with the whole.
            news = self._feed.changes(_NOTHING if self._is_from_disk else known)
            is_other = news.revision < known or bool(self._identity and news.identity not in ("", self._identity))
            if is_other and not self._is_from_disk:
                news = self._feed.changes(_NOTHING)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with a store, a request must not fail for it
            self._failed(error)
            return False
        if self._failures_in_a_row:
            self._failures_in_a_row, self._last_error = 0, ""
        self._heard_at = self._retry_at = self._clock()
        self._identity = news.identity
        self._take(epoch, news, is_other=is_other)
        return True

    def _failed(self, error: Exception) -> None:
        self._failed_reads += 1
        self._failures_in_a_row += 1
        self._last_error = str(error) or type(error).__name__
        backoff = min(0.05 * 2 ** min(self._failures_in_a_row, 10), _LONGEST_BACKOFF)
        self._retry_at = self._clock() + backoff

    def _take(self, epoch: int, news: Changes, *, is_other: bool) -> None:
        old, kills = self._compiled, news.kills
        if kills is not None:
            unknown = _unknown(old.snapshot.kills, kills, news.lifted)
            kills = (*kills, *unknown)
            self._name_unknown(tuple(kill.id for kill in unknown))
        is_whole = is_other or self._is_from_disk
        if is_whole:
            old = Compiled(snapshot=_without_store(old.snapshot, news.agents))
        is_new = is_whole or bool(news.agents) or kills is not None or news.revision != old.snapshot.revision
        if is_new:
            self._compiled = old.apply(revision=news.revision, agents=news.agents, kills=kills)
        if is_new or self._is_expired or epoch != self._state.epoch:
            self._state = _State(epoch, self._compiled, self._compiled.table)
        self._is_from_disk = self._is_expired = False
        if is_new:
            # After the new state: it is obeyed first and written second, yet before this request is answered.
            self._unsaved = True
            self._keep_news(is_other=is_other, is_switched=kills is not None)

    def _name_unknown(self, ids: tuple[str, ...]) -> None:
        if ids and ids != self._unknown:
            _log.warning(
                "the store has never heard of the kill switches %s, which were seen here: they go on being obeyed "
                "until somebody lifts them with `surefoot unkill --lost ID`",
                ", ".join(ids),
            )
        self._unknown = ids

    def _watch_lease(self) -> None:
        lease = self._lease
        if lease is None or self._is_expired or self._clock() - self._heard_at < lease.seconds:
            return
        self._is_expired = True
        guarded = Compiled(snapshot=_after(lease, self._compiled.snapshot))
        self._state = _State(self._state.epoch, guarded, guarded.table)

    def _run(self, every: float) -> None:
        while not self._closed:
            self._wake.wait(every)
            self._wake.clear()
            if not self._closed:
                self.poll()

    # --- the disk

    def _recall(self) -> None:
        """What was kept by an earlier process, until the feed answers."""
        kept = self._disk.load() if self._disk else None
        if kept is not None:
            self._compiled = Compiled(snapshot=kept)
            self._state = _State(self._state.epoch, self._compiled, self._compiled.table)
            self._is_from_disk = True

    def _keep_news(self, *, is_other: bool, is_switched: bool) -> None:
        if self._disk is None:
            return
        snapshot = self._compiled.snapshot
        try:
            if is_other:  # at once, or the highest revision of the other history would be believed again
                self._disk.keep(snapshot, alone=True)
            if is_switched:
                self._unsynced = True
                self._disk.keep_switches(snapshot.revision, snapshot.kills, durable=False, alone=is_other)
        except (OSError, ValueError) as error:
            self._not_written(error)

    def _save(self, *, at_once: bool) -> None:
        """Write what waits: switches so that they survive a loss of power, and, now and then, the whole."""
        if self._disk is None:
            return
        snapshot = self._compiled.snapshot
        try:
            if self._unsynced:
                self._disk.keep_switches(snapshot.revision, snapshot.kills, durable=True)
                self._unsynced = False
            if self._unsaved and (at_once or self._clock() - self._saved_at >= _SAVE_EVERY):
                self._saved_at = self._clock()
                self._disk.keep(snapshot)
                self._unsaved = False
        except (OSError, ValueError) as error:
            self._not_written(error)

    def _not_written(self, error: Exception) -> None:
        self._failed_writes += 1
        self._last_error = f"the snapshot cannot be kept on disk: {error}"


def _unknown(seen: Iterable[KillSwitch], up: Iterable[KillSwitch], lifted: frozenset[str]) -> tuple[KillSwitch, ...]:
    """Switches that were seen, of which the store says neither that they are up nor that they were lifted."""
    known = lifted.union(kill.id for kill in up)
    return tuple(kill for kill in seen if kill.id not in known)


def _without_store(seen: Snapshot, known: Mapping[AgentName, AgentTraffic]) -> Snapshot:
    """
    What stays of a snapshot beside a store with another history.

    An agent of which that store knows nothing keeps its stable version. Its candidate has nobody who would take it
    back, so nobody gets it.
    """
    agents = {name: replace(traffic, split=None) for name, traffic in seen.agents.items() if name not in known}
    return Snapshot(agents=agents, kills=seen.kills)


def _bell_of(feed: Feed) -> Bell:
    return feed.bell if isinstance(feed, Belled) else _Asked(feed.epoch)


def _after(lease: Lease, snapshot: Snapshot) -> Snapshot:
    """What is left of a snapshot that nobody vouches for any more."""
    match lease.then:
        case AfterLease.STABLE:
            agents: dict[AgentName, AgentTraffic] = {
                name: replace(traffic, split=None) for name, traffic in snapshot.agents.items()
            }
            return replace(snapshot, agents=agents)
        case AfterLease.NOBODY:
            everything = KillSwitch(
                id="lease",
                reason=f"the store has not been heard from for {lease.seconds:g} s",
                author="lease",
                raised_at=datetime(1970, 1, 1, tzinfo=UTC),
            )
            return replace(snapshot, kills=(*snapshot.kills, everything))
