"""Recorded runs for a forecast: those of the agents asked for, and what is doubtful about them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..adapters.traces import TraceLine, read_lines
from ..core.proof.trace import observation_of
from ..core.proof.trace_lint import impossible_numbers
from ..core.proof.trace_outcomes import OutcomeWords
from ..errors import TraceError, UsageError, nearest
from ..service.forecast import Recorded, synthetic
from .output import visible
from .traces_reading import doubts_about

__all__ = ["Recordings", "recordings"]

_TOLD: Final = 3


class Recordings(NamedTuple):
    """What a forecast is made of."""

    stable: Recorded
    candidate: Recorded | None
    warnings: list[str]
    """What was said on standard error: runs that count otherwise than they were meant."""


def recordings(stable: Path | None, candidate: Path | None, agent: str | None, seed: int) -> Recordings:
    """
    Recorded runs of both versions, or a made-up agent.

    Raises TraceError for a line that is no trace and for an id that two runs of a version have, UsageError where
    there is no run.
    """
    if stable is None:
        if candidate is not None:
            raise UsageError("--candidate without --stable", hint="give the present version's recorded runs too")
        return Recordings(synthetic(seed), None, [])
    mine, _, other = (agent or "").partition(",")
    warnings: list[str] = []
    before = _read(stable, mine, warnings)
    return Recordings(before, _read(candidate or stable, other, warnings) if candidate or other else None, warnings)


def _read(path: Path, agent: str, warnings: list[str]) -> Recorded:
    there: set[str | None] = set()
    lines: list[TraceLine] = []
    for line in read_lines(path, distinct=False):  # one file may hold two versions, whose runs are called alike
        there.add(line.trace.agent)
        if not agent or line.trace.agent == agent:
            lines.append(line)
    if not there:
        raise UsageError(f"{path} holds no run", hint="record runs into it, one JSON object a line")
    if not lines:
        raise UsageError(
            f"{path} holds no run of {agent}", hint=nearest(agent, [name for name in there if name is not None])
        )
    _check_ids(path, lines)
    for warning in _doubtful(path, lines):
        warnings.append(warning)
        print(visible(f"warning: {warning}"), file=sys.stderr)
    tasks = [line.trace.task_id for line in lines]
    known = [task for task in tasks if task is not None]
    return Recorded([observation_of(line.trace) for line in lines], known if len(known) == len(tasks) else ())


def _check_ids(path: Path, lines: list[TraceLine]) -> None:
    first: dict[str, int] = {}
    for line in lines:
        before = first.setdefault(line.trace.trace_id, line.number)
        if before != line.number:
            raise TraceError(
                f"{path}:{line.number}:trace_id: {line.trace.trace_id!r} stands in line {before} too",
                hint="give every run an id of its own, or name whose runs to take with --agent",
            )


def _doubtful(path: Path, lines: list[TraceLine]) -> Iterator[str]:
    words = OutcomeWords()
    for line in lines:
        words.add(line.number, line.trace)
    yield from (f"{doubt.problem.message}; {doubt.problem.hint}" for doubt in doubts_about(path, words))
    wrong = [(line, name) for line in lines for name in impossible_numbers(line.trace)]
    for line, name in wrong[:_TOLD]:
        value = getattr(line.trace, name)
        yield f"{path}:{line.number}:{name}: {value} cannot be, so it counts as not recorded"
    if len(wrong) > _TOLD:
        yield f"{path}: {len(wrong) - _TOLD:,} more numbers that cannot be (`surefoot traces lint` says where)"
