"""Recorded requests as cases, and which run of a version belongs to which of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .case import Case
from .trace import Trace

__all__ = ["Task", "case_of", "tasks"]


class Task(NamedTuple):
    """What a run was asked to do, and which of several runs of the same request it is."""

    name: str
    trial: int


def case_of(trace: Trace) -> Case:
    """The recorded request as a case, with what the recorded run did as a reference."""
    return Case(
        id=trace.trace_id,
        request=trace.request,
        expected=trace.response,
        expected_calls=trace.tool_calls,
        allowed_tools=trace.allowed_tools,
    )


def tasks(traces: Iterable[Trace]) -> Iterator[tuple[Task, Trace]]:
    """
    Each run with its task: `task_id` where there is one, else the request.

    The trial is the recorded one, else the order in which runs of one task by one agent and version stand.
    """
    counts: Counter[tuple[str | None, str | None, str]] = Counter()
    for trace in traces:
        name = (
            f"task:{trace.task_id}"
            if trace.task_id is not None
            else "request:" + json.dumps(trace.request, sort_keys=True, ensure_ascii=False, default=str)
        )
        by = (trace.agent, trace.version, name)
        nth = counts[by]
        counts[by] += 1
        yield Task(name, nth if trace.trial is None else trace.trial), trace
