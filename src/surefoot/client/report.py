"""Records that are made at once: of runs that somebody else timed, and of what becomes known later."""

from __future__ import annotations

from time import perf_counter_ns

from ..core.evidence.observation import NOTHING_SEEN, Assignment, Observation, Record
from ..core.evidence.run_id import parse_run_id
from ..core.units import AgentName, Nanos, UnitKey
from ..errors import UsageError
from .seen import Outcome, Values, add

__all__ = ["Reported", "late_outcome"]


class Reported:
    """Something to count that is complete but for the wall-clock time."""

    __slots__ = ("_at", "_record")

    def __init__(
        self,
        run_id: str,
        assignment: Assignment,
        unit: UnitKey,
        seen: Observation,
        *,
        idle: Nanos,
        late: bool,
        assumed: bool = False,
    ) -> None:
        self._at = perf_counter_ns()
        self._record = Record(run_id, assignment, unit, Nanos(0), seen, late=late, idle=idle, assumed=assumed)

    def record(self, wall: int) -> Record:
        """The record, as of when it was reported."""
        return self._record._replace(at=Nanos(self._at + wall))


def late_outcome(run_id: str, outcome: Outcome, *, agent: AgentName | None = None) -> Reported | None:
    """
    What became known of a run, to be counted where the run was. None if it says nothing new.

    Raises UsageError for an invalid run id or one of another agent, and for a missing or meaningless outcome.
    """
    if not isinstance(run_id, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a Reply is passed all too easily
        raise UsageError(f"the run id is a {type(run_id).__name__}, and it is text", hint="pass reply.run_id")
    run = parse_run_id(run_id)
    if agent not in (None, run.assignment.agent):
        raise UsageError(
            f"this is a run of {run.assignment.agent}, not of {agent}", hint="report it through its own agent"
        )
    values: Values = {}
    add(values, outcome)
    if not values:
        raise UsageError("no outcome to report", hint="say what became known, such as score=1.0 or success=False")
    if "success" in values:
        if not run.success_assumed:
            values.setdefault("unresolved", False)
        elif values["success"]:
            del values["success"]  # it counted as one when it ended; to count it again would double the evidence
    seen = Observation(**values)  # type: ignore[arg-type]  # `add` made every value what its field says
    if seen == NOTHING_SEEN:
        return None
    return Reported(run_id, run.assignment, run.unit, seen, idle=Nanos(0), late=True, assumed=run.success_assumed)
