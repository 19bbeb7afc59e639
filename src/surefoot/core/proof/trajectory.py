"""Whether an agent called the tools that a reference run called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from .call_keys import arguments_key
from .trace import TracedCall

__all__ = ["ArgumentsMatch", "Order", "SameCall", "TrajectoryMatch", "equal_arguments", "match_calls", "same_call"]

SameCall: TypeAlias = Callable[[TracedCall, TracedCall], bool]
"""Whether a call (first) is the expected one (second). Called for calls of the same tool only."""


class Order(StrEnum):
    """What "the same calls" means."""

    EXACT = "exact"
    """The same calls, in the same order, and no others."""

    IN_ORDER = "in_order"
    """F1 of the longest common subsequence: extra and missing calls cost, a changed order costs."""

    ANY_ORDER = "any_order"
    """F1 of the calls, in whatever order."""

    SUBSET = "subset"
    """Every call was expected; expected ones may be missing."""

    SUPERSET = "superset"
    """Every expected call was made; others may be there."""


class ArgumentsMatch(StrEnum):
    """When two calls of one tool are the same."""

    EXACT = "exact"
    """Equal arguments, whatever their order; null is as good as absent."""

    IGNORE = "ignore"
    """Always."""

    SUBSET = "subset"
    """Every argument that was expected is there with its value; others may be too."""


class TrajectoryMatch(NamedTuple):
    """How far the calls are those expected, and where they first are not."""

    value: float
    """0 to 1."""

    missing: tuple[str, ...]
    """Names of expected calls that were not made."""

    extra: tuple[str, ...]
    """Names of calls that were not expected."""


def same_call(arguments: ArgumentsMatch) -> SameCall:
    """One of the three ways to compare arguments, as a function; write your own for anything finer."""
    match arguments:
        case ArgumentsMatch.EXACT:
            return equal_arguments
        case ArgumentsMatch.IGNORE:
            return _any_arguments
        case ArgumentsMatch.SUBSET:
            return _expected_arguments


def equal_arguments(one: TracedCall, other: TracedCall) -> bool:
    """Both calls were given the same arguments, as `arguments_key` compares them: 1 is 1.0 and not True."""
    return arguments_key(one.args) == arguments_key(other.args)


def match_calls(
    calls: Sequence[TracedCall], expected: Sequence[TracedCall], *, order: Order, same: SameCall
) -> TrajectoryMatch:
    """
    Put the calls beside those expected. Two empty sequences match fully.

    Out of order, each call is matched with at most one expected call so that as many as possible are (a maximum
    matching, so a custom `same` need not be an equivalence).
    """
    table = [[one.name == other.name and same(one, other) for other in expected] for one in calls]
    sequential = order in {Order.EXACT, Order.IN_ORDER}
    pairs = _in_order(table, len(expected)) if sequential else _any_order(table)
    found = len(pairs)
    matched = set(pairs.values())
    missing = tuple(call.name for place, call in enumerate(expected) if place not in matched)
    extra = tuple(call.name for place, call in enumerate(calls) if place not in pairs)
    return TrajectoryMatch(_value(order, found, len(calls), len(expected)), missing, extra)


def _any_arguments(one: TracedCall, other: TracedCall) -> bool:
    return True


def _expected_arguments(one: TracedCall, other: TracedCall) -> bool:
    return all(arguments_key(one.args.get(name)) == arguments_key(value) for name, value in other.args.items())


def _value(order: Order, found: int, calls: int, expected: int) -> float:
    match order:
        case Order.EXACT:
            return float(found == calls == expected)
        case Order.SUBSET:
            return found / calls if calls else 1.0
        case Order.SUPERSET:
            return found / expected if expected else 1.0
        case Order.IN_ORDER | Order.ANY_ORDER:
            return 2 * found / (calls + expected) if calls or expected else 1.0


def _in_order(table: Sequence[Sequence[bool]], width: int) -> dict[int, int]:
    """The longest common subsequence: place of the call to place of the expected one."""
    best = [[0] * (width + 1) for _ in range(len(table) + 1)]
    for row in reversed(range(len(table))):
        for column in reversed(range(width)):
            best[row][column] = (
                best[row + 1][column + 1] + 1
                if table[row][column]
                else max(best[row + 1][column], best[row][column + 1])
            )
    pairs: dict[int, int] = {}
    row = column = 0
    while row < len(table) and column < width:
        if table[row][column]:
            pairs[row] = column
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return pairs


def _any_order(table: Sequence[Sequence[bool]]) -> dict[int, int]:
    """A maximum matching by augmenting paths (Kuhn), found without recursion."""
    owner: dict[int, int] = {}
    for start in range(len(table)):
        _augment(table, start, owner)
    return {call: place for place, call in owner.items()}


def _augment(table: Sequence[Sequence[bool]], start: int, owner: dict[int, int]) -> None:
    came_from: dict[int, int] = {}
    waiting = [start]
    while waiting:
        call = waiting.pop()
        for place, fits in enumerate(table[call]):
            if not fits or place in came_from:
                continue
            came_from[place] = call
            if place in owner:
                waiting.append(owner[place])
                continue
            _swap(place, came_from, owner)
            return


def _swap(place: int, came_from: Mapping[int, int], owner: dict[int, int]) -> None:
    """Give every place on the path to the call it was reached from."""
    had = {call: held for held, call in owner.items()}
    while True:
        call = came_from[place]
        before = had.get(call)
        owner[place] = call
        if before is None:
            return
        place = before
