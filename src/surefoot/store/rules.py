"""What every store does alike: what a commit makes of an agent's traffic, and which writes are refused."""

from __future__ import annotations

from dataclasses import replace

from ..core.artifact.version import AgentVersion
from ..core.evidence.tally import Delta
from ..core.lifecycle.rollout import Phase, Rollout, Transition, traffic_of
from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import AgentTraffic
from ..core.units import Digest, Revision, RolloutId
from ..errors import AlreadyExists, Conflict

__all__ = [
    "after_commit",
    "check_created",
    "check_switch",
    "effect_key",
    "gap",
    "label_taken",
    "moved_on",
    "tick_moved",
    "traffic_moved",
    "why_denied",
]


def after_commit(before: AgentTraffic | None, transition: Transition) -> AgentTraffic | None:
    """
    What routers know of the agent once the transition is written. None: what they know already.

    Raises Conflict if another rollout of the agent has the traffic: two at once would be compared with each other.
    """
    after = transition.after
    split = traffic_of(after)
    known = before or AgentTraffic(agent=after.agent, stable=after.stable)
    foreign = known.split is not None and known.split.rollout != after.id
    if foreign and split is not None:
        raise Conflict(
            f"rollout {known.split.rollout if known.split else ''} of {after.agent} has the traffic",
            hint="end it first, or plan with on_new_candidate: queue or supersede",
        )
    now = replace(
        known,
        stable=known.stable if transition.stable is None else transition.stable,
        split=known.split if foreign else split,
    )
    return None if now == before else now


def why_denied(transition: Transition) -> str:
    """What the deny list says of the digest."""
    return transition.after.note or type(transition.event).__name__


def effect_key(rollout: RolloutId, sequence: int, position: int) -> str:
    """The idempotency key of one effect of one audit record."""
    return f"{rollout}/{sequence}/{position}"


def check_created(rollout: Rollout) -> None:
    """Refuse a new row that is under way already: its traffic would be in no audit record."""
    if rollout.phase is not Phase.QUEUED or rollout.opened:
        raise ValueError(f"a rollout is created QUEUED, not {rollout.phase} with {rollout.opened} stages opened")


def check_switch(switch: KillSwitch, known: KillSwitch, *, lifted: bool) -> None:
    """A repeated order is no error; the same id for something else, or for a switch that was lifted, is one."""
    if lifted:
        raise AlreadyExists(f"kill switch {switch.id!r} was lifted", hint="a new switch takes a new id")
    scope = (switch.agent, switch.version, switch.feature, switch.tenant)
    if scope != (known.agent, known.version, known.feature, known.tenant):
        raise AlreadyExists(f"kill switch {switch.id!r} is up for something else", hint="a new switch takes a new id")


def label_taken(version: AgentVersion, digest: Digest) -> AlreadyExists:
    """The label names another digest."""
    return AlreadyExists(
        f"{version.agent} {version.label} is {digest}, not {version.digest}",
        hint="a label never changes its meaning: give the changed version a new label",
    )


def moved_on(rollout: RolloutId, expected: Revision) -> Conflict:
    """Somebody else has committed a step."""
    return Conflict(f"rollout {rollout} is no longer at revision {expected}", hint="read it again and decide again")


def traffic_moved(known: AgentTraffic | None, traffic: AgentTraffic, expected: Revision | None) -> Conflict | None:
    """Somebody else has written the agent's traffic since it was read. None: nobody has, or nobody asks."""
    found = Revision(0) if known is None else known.revision
    if expected is None or found == expected:
        return None
    return Conflict(
        f"traffic of {traffic.agent} is at revision {found}, no longer at {expected}",
        hint="read it again and decide again",
    )


def gap(delta: Delta, last: int) -> Conflict:
    """A delta is missing before this one."""
    return Conflict(
        f"delta {delta.sequence} of {delta.source} came, but the last one applied is {last}",
        hint=f"send {last + 1} first; the spool has it",
    )


def tick_moved(rollout: RolloutId, epoch: int, sequence: int) -> Conflict:
    """Somebody else has closed a tick, or there is nothing to close."""
    return Conflict(
        f"tick {sequence} of rollout {rollout} cannot be closed from epoch {epoch}",
        hint="somebody else closed it, or nothing is open; read ticks and open_ticks again",
    )
