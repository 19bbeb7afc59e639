"""A store in dictionaries: the fake for tests, held to the same contract as the real ones. Gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from ..core.artifact.version import AgentVersion
from ..core.evidence.tally import Delta, History, PairTotals, Tick
from ..core.lifecycle.audit import AuditRecord, chained
from ..core.lifecycle.rollout import Effect, Phase, Rollout, Transition
from ..core.traffic.kill import KillSwitch
from ..core.traffic.orders import TrafficOrder
from ..core.traffic.route import AgentTraffic, Snapshot
from ..core.units import AgentName, Digest, Revision, RolloutId
from ..errors import AlreadyExists, StoreUnavailable, UnknownName
from ..ports.feed import Changes
from ..ports.store import DueEffect, GateVerdict, OpenTick, ShadowPair, Stored
from .accumulate import NO_PAIRS, Gathering, NewFailures, closed, gathered, looked_at, remembered, with_pairs
from .rules import (
    after_commit,
    check_created,
    check_switch,
    effect_key,
    gap,
    label_taken,
    moved_on,
    tick_moved,
    traffic_moved,
    why_denied,
)

__all__ = ["MemoryFeed", "MemorySink", "MemoryStore"]


@dataclass(slots=True)
class _Waiting:
    """An effect in the outbox. State, hence not frozen."""

    rollout: RolloutId
    effect: Effect
    attempts: int = 0
    next_at: datetime | None = None


class MemoryStore:
    """
    Safe for many threads and loops of one process; every method is atomic.

    Set `unavailable` to an error and every call raises it until it is None again: a store that is away.
    """

    def __init__(self) -> None:
        self.unavailable: StoreUnavailable | None = None
        self._lock = threading.RLock()
        self.bell = [0]
        """The revision, where a router can see it without a call."""

        self._rings: list[Callable[[], None]] = []
        self._versions: dict[Digest, AgentVersion] = {}
        self._traffic: dict[AgentName, AgentTraffic] = {}
        self._orders: list[TrafficOrder] = []
        self._rollouts: dict[RolloutId, Stored] = {}
        self._audit: dict[RolloutId, list[AuditRecord]] = {}
        self._denied: dict[AgentName, dict[Digest, str]] = {}
        self._sources: dict[str, int] = {}
        self._open: dict[RolloutId, dict[int, Gathering]] = {}
        self._failed: set[tuple[RolloutId, int, str, str]] = set()
        self._ticks: dict[RolloutId, list[Tick]] = {}
        self._history: dict[Digest, History] = {}
        self._kills: dict[str, KillSwitch] = {}
        self._lifted: set[str] = set()
        self._kills_revision = 0
        self._outbox: dict[str, _Waiting] = {}
        self._pairs: dict[RolloutId, dict[str, ShadowPair]] = {}
        self._paired: set[tuple[RolloutId, str]] = set()
        self._totals: dict[RolloutId, PairTotals] = {}
        self._gates: dict[Digest, list[GateVerdict]] = {}

    @contextmanager
    def _reading(self) -> Generator[None]:
        with self._lock:
            if self.unavailable is not None:
                raise self.unavailable
            yield

    @contextmanager
    def _writing(self) -> Generator[Revision]:
        """Yields the revision this write will have. It counts only if nothing is raised."""
        with self._reading():
            yield Revision(self.bell[0] + 1)
            self.bell[0] += 1
            rings = tuple(self._rings)
        for ring in rings:
            ring()

    # --- Catalog

    async def put_version(self, version: AgentVersion) -> Digest:
        with self._reading():
            if version.digest in self._versions:
                return version.digest
            for kept in self._versions.values():
                if (kept.agent, kept.label) == (version.agent, version.label):
                    raise label_taken(version, kept.digest)
            self._versions[version.digest] = version
            return version.digest

    async def version(self, digest: Digest) -> AgentVersion:
        with self._reading():
            if digest not in self._versions:
                raise UnknownName("version", digest, tuple(self._versions))
            return self._versions[digest]

    async def versions(self, agent: AgentName) -> Sequence[AgentVersion]:
        with self._reading():
            return tuple(version for version in self._versions.values() if version.agent == agent)

    async def traffic(self, agent: AgentName) -> AgentTraffic:
        with self._reading():
            if agent not in self._traffic:
                raise UnknownName("agent", agent, tuple(self._traffic))
            return self._traffic[agent]

    async def set_traffic(
        self, traffic: AgentTraffic, *, order: TrafficOrder | None = None, expected: Revision | None = None
    ) -> Revision:
        with self._writing() as revision:
            kept = self._traffic.get(traffic.agent)
            if moved := traffic_moved(kept, traffic, expected):
                raise moved
            if order is not None:
                self._orders.append(replace(order, revision=revision))
            split = kept.split if kept else None
            self._traffic[traffic.agent] = replace(traffic, split=split, revision=revision)
            return revision

    async def traffic_orders(self, agent: AgentName) -> Sequence[TrafficOrder]:
        with self._reading():
            return tuple(order for order in self._orders if order.agent == agent)

    async def snapshot(self) -> Snapshot:
        with self._reading():
            return Snapshot(
                revision=Revision(self.bell[0]),
                agents=dict(self._traffic),
                kills=self._up(),
            )

    # --- Rollouts

    async def create(self, rollout: Rollout) -> Revision:
        check_created(rollout)
        with self._writing() as revision:
            if rollout.id in self._rollouts:
                raise AlreadyExists(f"rollout {rollout.id} exists", hint="mint a fresh id")
            self._rollouts[rollout.id] = Stored(rollout, revision)
            self._audit[rollout.id] = []
            return revision

    async def rollout(self, id: RolloutId) -> Stored:
        with self._reading():
            return self._stored(id)

    async def rollouts(
        self, *, agent: AgentName | None = None, phases: Sequence[Phase] | None = None
    ) -> Sequence[Stored]:
        with self._reading():
            return tuple(
                stored
                for stored in self._rollouts.values()
                if agent in (None, stored.rollout.agent) and (phases is None or stored.rollout.phase in phases)
            )

    async def ids(self, *, phases: Sequence[Phase]) -> Sequence[RolloutId]:
        with self._reading():
            return tuple(key for key, stored in self._rollouts.items() if stored.rollout.phase in phases)

    async def commit(self, transition: Transition, *, expected: Revision) -> Revision:
        after = transition.after
        with self._writing() as revision:
            stored = self._stored(after.id)
            if stored.revision != expected:
                raise moved_on(after.id, expected)
            kept = self._traffic.get(after.agent)
            traffic = after_commit(kept, transition)
            records = self._audit[after.id]
            record = chained(transition, records[-1] if records else None)
            records.append(record)
            self._rollouts[after.id] = Stored(after, revision)
            if traffic is not None:
                self._traffic[after.agent] = replace(traffic, revision=revision)
            if transition.deny is not None:
                self._denied.setdefault(after.agent, {})[transition.deny] = why_denied(transition)
            for position, effect in enumerate(transition.effects):
                self._outbox[effect_key(after.id, record.sequence, position)] = _Waiting(after.id, effect)
            return revision

    async def audit(self, id: RolloutId) -> Sequence[AuditRecord]:
        with self._reading():
            self._stored(id)
            return tuple(self._audit[id])

    async def denied(self, agent: AgentName) -> Mapping[Digest, str]:
        with self._reading():
            return dict(self._denied.get(agent, {}))

    async def reopen(self, agent: AgentName, digest: Digest, *, by: str, at: datetime) -> None:
        with self._writing():
            self._denied.get(agent, {}).pop(digest, None)

    def _stored(self, id: RolloutId) -> Stored:
        if id not in self._rollouts:
            raise UnknownName("rollout", id, tuple(self._rollouts))
        return self._rollouts[id]

    # --- Evidence

    async def absorb(self, delta: Delta) -> bool:
        return self.absorb_now(delta)

    def absorb_now(self, delta: Delta) -> bool:
        """`absorb` for a thread without a loop."""
        with self._reading():
            last = self._sources.get(delta.source, 0)
            if delta.sequence <= last:
                return False
            if delta.sequence != last + 1:
                raise gap(delta, last)
            self._sources[delta.source] = delta.sequence
            for key, counts in delta.counts.items():
                if key.rollout is None:
                    self._history[key.version] = remembered(self._history.get(key.version, History()), counts)
                    continue
                new = NewFailures({}, {})
                for found, named in ((new.failed, counts.failed), (new.late, counts.late)):
                    for metric, units in named.items():
                        fresh = {(key.rollout, key.epoch, metric, unit) for unit in units} - self._failed
                        self._failed |= fresh
                        found[metric] = len(fresh)
                ticks = self._open.setdefault(key.rollout, {})
                ticks[key.epoch] = gathered(ticks.get(key.epoch), key, counts, new, delta.at)
            return True

    async def applied(self, source: str) -> int:
        return self.applied_now(source)

    def applied_now(self, source: str) -> int:
        """`applied` for a thread without a loop."""
        with self._reading():
            return self._sources.get(source, 0)

    async def open_ticks(self, rollout: RolloutId) -> Sequence[OpenTick]:
        with self._reading():
            return tuple(looked_at(epoch, tick) for epoch, tick in sorted(self._open.get(rollout, {}).items()))

    async def close_tick(self, rollout: RolloutId, epoch: int, *, sequence: int, at: datetime) -> Tick:
        with self._reading():
            ticks, gathering = self._ticks.setdefault(rollout, []), self._open.get(rollout, {})
            if sequence != len(ticks) + 1 or epoch not in gathering:
                raise tick_moved(rollout, epoch, sequence)
            tick = closed(rollout, epoch, gathering.pop(epoch), sequence=sequence, at=at)
            ticks.append(tick)
            return tick

    async def ticks(self, rollout: RolloutId, *, after: int = 0) -> Sequence[Tick]:
        with self._reading():
            return tuple(self._ticks.get(rollout, ())[after:])

    async def history(self, version: Digest) -> History:
        with self._reading():
            return self._history.get(version, History())

    # --- Switches

    async def kill(self, switch: KillSwitch) -> Revision:
        with self._reading():
            known = self._kills.get(switch.id)
            if known is not None or switch.id in self._lifted:
                check_switch(switch, known or switch, lifted=switch.id in self._lifted)
                return Revision(self.bell[0])
            with self._writing() as revision:
                self._kills[switch.id] = switch
                self._kills_revision = revision
                return revision

    async def unkill(self, id: str, *, by: str, at: datetime, lost: bool = False) -> Revision:
        with self._writing() as revision:
            if id in self._lifted or (id not in self._kills and not lost):
                raise UnknownName("kill switch", id, tuple(switch.id for switch in self._up()))
            self._lifted.add(id)
            self._kills_revision = revision
            return revision

    async def kills(self) -> Sequence[KillSwitch]:
        with self._reading():
            return self._up()

    async def lifted(self) -> frozenset[str]:
        with self._reading():
            return frozenset(self._lifted)

    def _up(self) -> tuple[KillSwitch, ...]:
        up = (switch for switch in self._kills.values() if switch.id not in self._lifted)
        return tuple(sorted(up, key=lambda switch: (switch.raised_at, switch.id)))

    # --- Outbox

    async def due(self, *, at: datetime, limit: int = 100) -> Sequence[DueEffect]:
        with self._reading():
            due = (
                DueEffect(key, waiting.rollout, waiting.effect, waiting.attempts)
                for key, waiting in self._outbox.items()
                if waiting.next_at is None or waiting.next_at <= at
            )
            return tuple(effect for effect, _ in zip(due, range(limit), strict=False))

    async def done(self, key: str) -> None:
        with self._reading():
            self._outbox.pop(key, None)

    async def retry(self, key: str, *, at: datetime, error: str) -> None:
        with self._reading():
            if (waiting := self._outbox.get(key)) is not None:
                waiting.attempts += 1
                waiting.next_at = at

    # --- Shadow

    async def put_pairs(self, pairs: Sequence[ShadowPair], *, dropped: int, rollout: RolloutId) -> None:
        with self._reading():
            kept = self._pairs.setdefault(rollout, {})
            fresh: dict[str, ShadowPair] = {}
            for pair in pairs:
                if pair.run_id not in kept:
                    fresh.setdefault(pair.run_id, pair)
            counted: list[ShadowPair] = []
            for pair in fresh.values():
                if (rollout, pair.unit) not in self._paired:
                    self._paired.add((rollout, pair.unit))
                    counted.append(pair)
            kept.update(fresh)
            is_repeat = bool(pairs) and not fresh
            totals = self._totals.get(rollout, NO_PAIRS)
            self._totals[rollout] = with_pairs(totals, counted, 0 if is_repeat else dropped)

    async def pair_totals(self, rollout: RolloutId) -> PairTotals:
        with self._reading():
            return self._totals.get(rollout, NO_PAIRS)

    async def pairs(self, rollout: RolloutId, *, limit: int = 100) -> Sequence[ShadowPair]:
        with self._reading():
            kept = self._pairs.get(rollout, {}).values()
            newest = sorted(kept, key=lambda pair: (pair.at, pair.run_id), reverse=True)
            return tuple(newest[:limit])

    # --- GateReports

    async def put_gate(self, verdict: GateVerdict) -> Revision:
        with self._writing() as at:
            self._gates.setdefault(verdict.report.version, []).append(verdict)
        return at

    async def gates(self, version: Digest) -> Sequence[GateVerdict]:
        with self._reading():
            return tuple(self._gates.get(version, ()))

    # --- Store

    async def migrate(self, *, create: bool = True) -> None:
        """There is nothing to migrate: it is there as soon as somebody has it."""

    async def close(self) -> None:
        """Keeps what it has: whoever holds the object may go on."""

    # --- for the feed

    def changes_now(self, since: Revision) -> Changes:
        """See `Feed.changes`."""
        with self._reading():
            floor = since if since <= self.bell[0] else 0
            is_switched = floor == 0 or self._kills_revision > floor
            return Changes(
                Revision(self.bell[0]),
                {agent: traffic for agent, traffic in self._traffic.items() if traffic.revision > floor},
                self._up() if is_switched else None,
                frozenset(self._lifted) if is_switched else frozenset(),
                f"memory-{id(self)}",
            )

    def listen_now(self, ring: Callable[[], None]) -> Callable[[], None]:
        """Have `ring` called after every write that routers see; the answer ends that."""
        with self._lock:
            self._rings.append(ring)
        return lambda: self._rings.remove(ring) if ring in self._rings else None


class MemoryFeed:
    """Reads a `MemoryStore` of the same process."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._stops: list[Callable[[], None]] = []
        self.bell = store.bell

    def epoch(self) -> int:
        return self.bell[0]

    def changes(self, since: Revision) -> Changes:
        return self._store.changes_now(since)

    def listen(self, ring: Callable[[], None]) -> None:
        self._stops.append(self._store.listen_now(ring))

    def close(self) -> None:
        while self._stops:
            self._stops.pop()()


class MemorySink:
    """Ships deltas to a `MemoryStore` of the same process."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def absorb(self, delta: Delta) -> bool:
        return self._store.absorb_now(delta)

    def applied(self, source: str) -> int:
        return self._store.applied_now(source)

    def close(self) -> None:
        """There is nothing to let go of."""
