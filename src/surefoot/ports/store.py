"""
Where versions, rollouts, evidence and switches are kept.

Every method is atomic: a write either happened whole or raised. `Conflict` means nothing was written. Whatever the
engine below raises (locked, read-only, full, gone) arrives as `StoreUnavailable` with a hint, and nothing was written.
`surefoot.testing.store_contract` holds the tests every implementation has to pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from ..core.artifact.version import AgentVersion
from ..core.evidence.tally import Delta, History, PairTotals, Tick
from ..core.lifecycle.audit import AuditRecord
from ..core.lifecycle.rollout import Effect, Phase, Rollout, Transition
from ..core.proof.gate import GateReport
from ..core.traffic.kill import KillSwitch
from ..core.traffic.orders import TrafficOrder
from ..core.traffic.route import AgentTraffic, Snapshot
from ..core.units import AgentName, Digest, Revision, RolloutId

__all__ = [
    "AuditRecord",
    "Catalog",
    "DueEffect",
    "Evidence",
    "GateReports",
    "GateVerdict",
    "OpenTick",
    "Outbox",
    "Rollouts",
    "Shadow",
    "ShadowPair",
    "Store",
    "Stored",
    "Switches",
]


class Stored(NamedTuple):
    """A rollout and the revision it was last written at, for compare-and-swap."""

    rollout: Rollout
    revision: Revision


class DueEffect(NamedTuple):
    """A committed effect that nobody has confirmed yet."""

    key: str
    """Idempotency key: `<rollout>/<audit sequence>/<position>`. The same effect may be handed out twice."""

    rollout: RolloutId
    effect: Effect
    attempts: int


class OpenTick(NamedTuple):
    """What has arrived in one epoch since its last closed tick. Closing may depend on time and exposure only."""

    epoch: int
    opened_at: datetime
    n_stable: int
    """Exposed units (or requests, where no binary metric is recorded)."""

    n_candidate: int
    bad_candidate: Mapping[str, int]
    """Candidate units whose first failure waits in here, per binary metric: for count limits, which do not wait."""

    assigned_stable: int = 0
    """Units that were given stable anew: people ask for them when a rollout is over and no tick closes."""

    assigned_candidate: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPair:
    """The same request answered by both versions."""

    rollout: RolloutId
    run_id: str
    unit: str
    at: datetime
    stable_bad: Mapping[str, bool]
    """Per binary metric recorded on both sides."""

    candidate_bad: Mapping[str, bool]
    divergences: tuple[str, ...] = ()
    similarity: float | None = None
    """Of the two answers, 0 to 1."""

    detail: Mapping[str, object] | None = None
    """For people: answers (redacted), tool calls, latencies, tokens, costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """A gate's report, and who had it made."""

    report: GateReport
    at: datetime
    by: str


class Catalog(Protocol):
    """Versions and which of them is stable."""

    async def put_version(self, version: AgentVersion) -> Digest:
        """Keep a version. Idempotent by digest; a label that names another digest raises AlreadyExists."""
        ...

    async def version(self, digest: Digest) -> AgentVersion:
        """Raises UnknownName."""
        ...

    async def versions(self, agent: AgentName) -> Sequence[AgentVersion]:
        """All kept versions of an agent, oldest first. Empty for an unknown agent."""
        ...

    async def traffic(self, agent: AgentName) -> AgentTraffic:
        """What routers know of the agent. Raises UnknownName before the first `set_traffic`."""
        ...

    async def set_traffic(
        self, traffic: AgentTraffic, *, order: TrafficOrder | None = None, expected: Revision | None = None
    ) -> Revision:
        """
        Set stable version, tenant pins and opt-outs, and keep the order that said so, in one transaction.

        The split belongs to the rollout and is left as it is. Raises Conflict if `expected` is given and is not the
        revision at which the agent's traffic was last written, by anybody; 0 expects that it never was.
        """
        ...

    async def traffic_orders(self, agent: AgentName) -> Sequence[TrafficOrder]:
        """All that was ever ordered for tenants of the agent, oldest first. Empty for an unknown agent."""
        ...

    async def snapshot(self) -> Snapshot:
        """What routing depends on, at the newest revision."""
        ...


class Rollouts(Protocol):
    """Rollouts, their audit trail and the deny list."""

    async def create(self, rollout: Rollout) -> Revision:
        """Write a new row (phase QUEUED, no traffic). Raises AlreadyExists."""
        ...

    async def rollout(self, id: RolloutId) -> Stored:
        """Raises UnknownName."""
        ...

    async def rollouts(
        self, *, agent: AgentName | None = None, phases: Sequence[Phase] | None = None
    ) -> Sequence[Stored]:
        """Oldest first. Raises Unreadable if one of them is."""
        ...

    async def ids(self, *, phases: Sequence[Phase]) -> Sequence[RolloutId]:
        """Oldest first, those that cannot be read among them."""
        ...

    async def commit(self, transition: Transition, *, expected: Revision) -> Revision:
        """
        Write row, audit record, effects, stable version, deny list and the routers' view in one transaction.

        The routers' view is `traffic_of(transition.after)`; where that is None, a split of another rollout of the same
        agent stays as it is (a queued rollout that is aborted takes nobody's traffic away). Raises Conflict if
        `expected` is not the row's revision, or if this would replace another rollout's split: one agent, one split.
        """
        ...

    async def audit(self, id: RolloutId) -> Sequence[AuditRecord]:
        """All steps in order. Raises UnknownName."""
        ...

    async def denied(self, agent: AgentName) -> Mapping[Digest, str]:
        """Digests that were rolled back, and why."""
        ...

    async def reopen(self, agent: AgentName, digest: Digest, *, by: str, at: datetime) -> None:
        """Take a digest off the deny list, on a person's word. No-op if it is not on it."""
        ...


class Evidence(Protocol):
    """Deltas in, ticks out."""

    async def absorb(self, delta: Delta) -> bool:
        """
        Add a delta to the open ticks, each (source, sequence) once. False: it was already there.

        A unit's failure counts once per (rollout, epoch, metric, unit), whoever reports it. Counts of a closed epoch
        open a new tick of that epoch. Raises Conflict on a gap: the sequence before has not been applied.
        """
        ...

    async def applied(self, source: str) -> int:
        """The last sequence applied for a source; 0 for an unknown one."""
        ...

    async def open_ticks(self, rollout: RolloutId) -> Sequence[OpenTick]:
        """Ascending epoch. Empty when nothing has arrived since the last close."""
        ...

    async def close_tick(self, rollout: RolloutId, epoch: int, *, sequence: int, at: datetime) -> Tick:
        """
        Freeze the epoch's open tick under that number.

        Raises Conflict if `sequence` is not the last plus one, or nothing is open: somebody else closed it.
        """
        ...

    async def ticks(self, rollout: RolloutId, *, after: int = 0) -> Sequence[Tick]:
        """Closed ticks with a greater sequence, in order."""
        ...

    async def history(self, version: Digest) -> History:
        """What was recorded of a version outside rollouts. Empty mappings when nothing was."""
        ...


class Switches(Protocol):
    """Kill switches."""

    async def kill(self, switch: KillSwitch) -> Revision:
        """Durable when it returns. Idempotent by id."""
        ...

    async def unkill(self, id: str, *, by: str, at: datetime, lost: bool = False) -> Revision:
        """
        Raises UnknownName if no such switch is up.

        With `lost`, one that this store has never had is written down as lifted: routers that saw it, in a store that
        was lost, go on obeying it until then.
        """
        ...

    async def lifted(self) -> frozenset[str]:
        """Ids of all that were ever lifted."""
        ...

    async def kills(self) -> Sequence[KillSwitch]:
        """Those that are up, oldest first."""
        ...


class Outbox(Protocol):
    """Effects that were committed and have yet to happen."""

    async def due(self, *, at: datetime, limit: int = 100) -> Sequence[DueEffect]:
        """Unconfirmed effects whose next try has come, oldest first."""
        ...

    async def done(self, key: str) -> None:
        """It happened. Idempotent."""
        ...

    async def retry(self, key: str, *, at: datetime, error: str) -> None:
        """It did not; try again at that time."""
        ...


class Shadow(Protocol):
    """Pairs of answers to the same request."""

    async def put_pairs(self, pairs: Sequence[ShadowPair], *, dropped: int, rollout: RolloutId) -> None:
        """Idempotent by (rollout, run_id); one pair a unit counts, later ones are kept for people only."""
        ...

    async def pair_totals(self, rollout: RolloutId) -> PairTotals:
        """Zeros when there are none."""
        ...

    async def pairs(self, rollout: RolloutId, *, limit: int = 100) -> Sequence[ShadowPair]:
        """Newest first."""
        ...


class GateReports(Protocol):
    """What gates said, bound to the version they judged."""

    async def put_gate(self, verdict: GateVerdict) -> Revision:
        """Keep what a gate said. Nothing is replaced: what counts is the newest of each suite."""
        ...

    async def gates(self, version: Digest) -> Sequence[GateVerdict]:
        """All that was said of a version, in the order it was written. Empty for an unknown one."""
        ...


class Store(Catalog, Rollouts, Evidence, Switches, Outbox, Shadow, GateReports, Protocol):
    """All of it behind one transaction boundary; parts of surefoot ask for the small protocols they need."""

    async def migrate(self, *, create: bool = True) -> None:
        """
        Bring the schema up to date. Idempotent, safe from several processes.

        Without `create` a store that is missing, empty or somebody else's stays so, and StoreUnavailable is raised.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...
