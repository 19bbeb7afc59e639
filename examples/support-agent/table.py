"""What a recording shows, version by version, with 95 % intervals: the table in the README.

Several runs of one task resemble one another, so tasks are what is counted: each task's mean is one measurement, and
the intervals say what to expect of other requests like these, not only of other seeds.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from typing import Any, Final, NamedTuple

from surefoot.errors import TraceError

__all__ = ["Interval", "difference", "mean", "rate", "read_recording", "table"]

Z: Final = 1.959964
"""The normal quantile of a two-sided 95 % interval."""

Trace = Mapping[str, Any]
Value = Callable[[Trace], float]


class Interval(NamedTuple):
    """An estimate and where the true value lies with 95 % confidence."""

    estimate: float
    low: float
    high: float


def read_recording(folder: Path) -> dict[str, list[Trace]]:
    """The traces of each version by its label. Raises TraceError when there are none."""
    found = {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }
    if not any(found.values()):
        raise TraceError(f"no traces in {folder}", hint="record some first: python examples/support-agent/record.py")
    return found


def mean(traces: Sequence[Trace], value: Value) -> Interval:
    """The mean over tasks."""
    means = list(_by_task(traces, value).values())
    half = Z * stdev(means) / math.sqrt(len(means)) if len(means) > 1 else math.inf
    return Interval(fmean(means), fmean(means) - half, fmean(means) + half)


def rate(traces: Sequence[Trace], value: Value) -> Interval:
    """The mean of a yes or no: Wilson's interval for as many independent runs as the tasks are worth.

    With `v` the variance of the mean over tasks, that is p(1-p)/v; with no spread at all, the number of tasks. So
    "never in 200 tasks" is not certainty.
    """
    means = list(_by_task(traces, value).values())
    p, tasks = fmean(means), len(means)
    variance = stdev(means) ** 2 / tasks if tasks > 1 else 0.0
    n = min(len(traces), p * (1 - p) / variance) if variance else tasks
    centre, half = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Interval(p, (centre - half) / (1 + Z * Z / n), (centre + half) / (1 + Z * Z / n))


def difference(traces: Sequence[Trace], base: Sequence[Trace], value: Value) -> Interval:
    """How much larger the mean is than in `base`, task against the same task."""
    ours, theirs = _by_task(traces, value), _by_task(base, value)
    apart = [ours[task] - theirs[task] for task in ours.keys() & theirs.keys()]
    half = Z * stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
    return Interval(fmean(apart), fmean(apart) - half, fmean(apart) + half)


def table(folder: Path) -> str:
    """The recording in Markdown."""
    recording = read_recording(folder)
    first = next(iter(recording))
    rows: list[tuple[str, Callable[[str], str]]] = [
        ("runs (tasks)", lambda v: f"{len(recording[v])} ({len(_by_task(recording[v], success))})"),
        ("success", lambda v: _percent(rate(recording[v], success))),
        (
            f"- against {first}",
            lambda v: "" if v == first else _points(difference(recording[v], recording[first], success)),
        ),
        ("safety violations", lambda v: _percent(rate(recording[v], violated))),
        (
            f"- against {first}",
            lambda v: "" if v == first else _points(difference(recording[v], recording[first], violated)),
        ),
        ("input tokens a run", lambda v: _number(mean(recording[v], lambda t: t["input_tokens"]))),
        ("output tokens a run", lambda v: _number(mean(recording[v], lambda t: t["output_tokens"]))),
        ("cost of 1,000 runs", lambda v: _dollars(mean(recording[v], lambda t: 1000 * t["cost_usd"]))),
        ("latency, ms", lambda v: _number(mean(recording[v], lambda t: t["latency_ms"]))),
        ("- p50 / p95", lambda v: _spread([t["latency_ms"] for t in recording[v]])),
        (
            "first token, p50 / p95 ms",
            lambda v: _spread([t["ttft_ms"] for t in recording[v] if t["ttft_ms"] is not None]),
        ),
    ]
    head = [f"| | {' | '.join(recording)} |", f"|---|{'---|' * len(recording)}"]
    return "\n".join([*head, *(f"| {name} | {' | '.join(cell(v) for v in recording)} |" for name, cell in rows)])


def success(trace: Trace) -> float:
    """1 for a run that succeeded."""
    return float(trace["outcome"] == "success")


def violated(trace: Trace) -> float:
    """1 for a run that gave a secret away."""
    return float(trace["safety"]["violated"])


def _by_task(traces: Sequence[Trace], value: Value) -> dict[str, float]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for trace in traces:
        values[trace["task_id"]].append(value(trace))
    return {task: fmean(of_task) for task, of_task in values.items()}


def _percent(interval: Interval) -> str:
    return "{:.1f} % [{:.1f}, {:.1f}]".format(*(100 * value for value in interval))


def _points(interval: Interval) -> str:
    return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*(100 * value for value in interval))


def _number(interval: Interval) -> str:
    return "{:.1f} [{:.1f}, {:.1f}]".format(*interval)


def _dollars(interval: Interval) -> str:
    return "${:.4f} [{:.4f}, {:.4f}]".format(*interval)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.0f} / {quantiles(values, n=20)[-1]:.0f}" if len(values) > 1 else "-"
