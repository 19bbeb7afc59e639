"""What one run showed. Every field may be missing, and missing is never zero."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from ..units import AgentName, Digest, MicroUsd, Millis, Nanos, RolloutId, UnitKey

__all__ = ["BAD_QUALITY", "NOTHING_SEEN", "Arm", "Assignment", "Observation", "Record"]

BAD_QUALITY: Final = 2
"""A quality score of this or less, out of 5, counts as bad."""


class Arm(StrEnum):
    """Which side of the comparison a unit is on."""

    STABLE = "stable"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One finished run, or what became known about it later. None means not recorded."""

    success: bool | None = None
    policy_violation: bool | None = None
    safety_violation: bool | None = None
    quality: float | None = None
    """1 (worst) to 5."""

    cost: MicroUsd | None = None
    tokens: int | None = None
    model_calls: int | None = None
    checkpoint: bool | None = None
    """A human was asked."""

    tool_rollback: bool | None = None
    """A tool's effect had to be undone."""

    latency_ms: Millis | None = None
    ttft_ms: Millis | None = None
    """Time to the first token."""

    timed_out: bool | None = None
    """
    It was given up after `latency_ms`: how long it would have taken is not known. Not None for "in time": most runs do
    not say, and that is what it means.
    """

    feedback: float | None = None
    """0 (bad) to 1, from the user."""

    complaint: bool | None = None
    unresolved: bool | None = None
    """The outcome was awaited and never came."""


NOTHING_SEEN: Final = Observation()


class Assignment(NamedTuple):
    """To which arm, and in which epoch, a unit was assigned. It belongs there for ever."""

    agent: AgentName
    version: Digest
    rollout: RolloutId | None
    """None while no rollout is under way: the run is history of the stable version."""

    epoch: int
    arm: Arm
    randomised: bool
    """False for pinned, listed, forced and killed requests: they are served but never analysed."""


class Record(NamedTuple):
    """One line of the spool: an observation with everything needed to count it, in any process, at any later time."""

    run_id: str
    assignment: Assignment
    unit: UnitKey
    """Its hash (`unit_hash`), never the id itself."""

    at: Nanos
    """When it was recorded, nanoseconds since 1970 UTC."""

    seen: Observation
    late: bool = False
    """An outcome that joins an earlier run: it adds evidence but no new request."""

    idle: Nanos = Nanos(0)
    """A unit silent for this long is over and its outcome final. 0: a unit of its own, final at once."""

    assumed: bool = False
    """Of an outcome that is late: the run it joins was counted as a success, so a failure corrects one."""
