"""What a run counts as: which unit it belongs to, and in which arm of which epoch."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from ..core.evidence.observation import Assignment
from ..core.evidence.run_id import unit_hash
from ..core.traffic.plan import UnitKind
from ..core.traffic.route import Route
from ..core.units import Nanos, UnitKey

__all__ = ["CountedAs", "Counting", "assignment_of", "counted_as"]

_MOST_ASSIGNMENTS: Final = 1024
_AT_ONCE: Final = Nanos(0)
_REQUEST: Final = 3
_PLACES: Final = MappingProxyType(
    {UnitKind.USER: 0, UnitKind.SESSION: 1, UnitKind.TENANT: 2, UnitKind.REQUEST: _REQUEST}
)
"""Where among the ids of a run (user, session, tenant, request) that stands by which is counted."""


class Counting(NamedTuple):
    """By what the runs of a rollout are counted."""

    unit: UnitKind
    idle: Nanos
    """How long a unit has to be silent until its outcome is final."""


class CountedAs(NamedTuple):
    """What a run counts as."""

    unit: UnitKey
    idle: Nanos


def counted_as(counting: Counting, ids: tuple[str, str, str, str], serial: str) -> CountedAs:
    """The unit of a run. Without the id that is counted by, and for `unit: request`, it is a unit of its own."""
    place = _PLACES[counting.unit]
    if place != _REQUEST and ids[place]:
        return CountedAs(unit_hash(ids[place]), counting.idle)
    return CountedAs(unit_hash(ids[_REQUEST] or serial), _AT_ONCE)


def assignment_of(route: Route) -> Assignment:
    """Where a run on this route is counted. Raises ValueError for a route that serves nothing."""
    known = _assignments.get(id(route))
    if known is not None and known[0] is route:
        return known[1]
    if route.serve is None:
        raise ValueError("nothing was served, so there is nothing to count")
    made = Assignment(route.agent, route.serve, route.rollout, route.epoch, route.arm, route.randomised)
    if len(_assignments) >= _MOST_ASSIGNMENTS:
        _assignments.clear()
    _assignments[id(route)] = (route, made)
    return made


_assignments: Final[dict[int, tuple[Route, Assignment]]] = {}
"""Routes are ready-made, and so are the assignments to them. By identity: to hash a route takes longer."""
