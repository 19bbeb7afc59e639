"""
What the tape costs: three-call traces replayed, every call through the match ladder, with the report of each run.

Beside it, on the same traces in the same run: decoding them from JSON with the standard library (the floor: nobody can
replay what was not read), and a whole replay at the policy level, from lines of a file to scored results. Calls are in
recorded order, out of order, and written differently (the second rung). Figures are CPU time, medians of interleaved
repeats. Target: at least 20,000 three-call traces a CPU second.

    python benchmarks/replay.py               20 s
    python benchmarks/replay.py --quick       a fifth of the traces
    python benchmarks/replay.py --json FILE   the same figures there
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from surefoot.adapters.traces import trace_of
from surefoot.core.artifact.version import Effect
from surefoot.core.proof.misuse import ToolRules
from surefoot.core.proof.replay import Level, Limits, Outcome, Played, outcome_of, result_of
from surefoot.core.proof.score import Attempt
from surefoot.core.proof.tape import Tape, TapeRules
from surefoot.core.proof.trace import Trace, TracedCall
from surefoot.core.units import Digest

LEAST = 20_000.0
FLOOR = "floor: json.loads of the same lines"
EXACT, TURNED, LOOSE = "tape, exact", "tape, calls in another order", "tape, written differently"
SCORED = "line of a file to scored result, policy level"
REPEATS = 5
RULES = TapeRules(effects={"find_user": Effect.READ, "get_order": Effect.READ, "refund": Effect.WRITE})
TOOLS = ToolRules(known=frozenset(RULES.effects), effects=RULES.effects)
VERSION = Digest("sha256:" + "0" * 64)


def line_of(number: int) -> bytes:
    order = f"#W{number:07}"
    calls = [
        {"name": "find_user", "args": {"email": f"ann.{number}@example.com", "exact": True}},
        {"name": "get_order", "args": {"order_id": order, "fields": ["status", "items"]}},
        {"name": "refund", "args": {"order_id": order, "amount": number % 90, "reason": "no longer needed"}},
    ]
    results = [{"success": True, "result": f"result {place} of {order}", "latency_ms": 40.5} for place in range(3)]
    trace = {
        "trace_id": f"t{number}",
        "request": f"Please refund my order {order}.",
        "tool_calls": calls,
        "tool_results": results,
        "response": f"Your order {order} has been refunded.",
        "outcome": "success",
        "latency_ms": 2100,
        "cost_tokens": 840,
    }
    return json.dumps(trace).encode()


def decoded(lines: Sequence[bytes]) -> None:
    for line in lines:
        assert json.loads(line)["trace_id"]


def replayed(traces: Sequence[Trace], calls: Sequence[Sequence[TracedCall]]) -> None:
    for trace, wanted in zip(traces, calls, strict=True):
        tape = Tape(trace, RULES)
        for call in wanted:
            tape.call(call.name, call.args)
        assert tape.report().fidelity == 1.0


def scored(lines: Sequence[bytes]) -> None:
    for line in lines:
        trace = trace_of(line)
        found = result_of(
            Played(run=trace, recorded=trace),
            Attempt(trace.trace_id, VERSION),
            rules=TOOLS,
            limits=Limits(max_cost_tokens=1000),
            level=Level.POLICY,
        )
        assert outcome_of(found) is Outcome.PASS


def loosely(call: TracedCall) -> TracedCall:
    args = {name: f" {value.upper()} " if isinstance(value, str) else value for name, value in call.args.items()}
    return TracedCall(name=call.name, args=args)


def measure(count: int) -> dict[str, float]:
    """Traces a CPU second: medians."""
    lines = [line_of(number) for number in range(count)]
    traces = [trace_of(line) for line in lines]
    calls = [trace.tool_calls for trace in traces]
    turned = [tuple(reversed(wanted)) for wanted in calls]
    loose = [tuple(map(loosely, wanted)) for wanted in calls]
    work: dict[str, Callable[[], object]] = {
        FLOOR: lambda: decoded(lines),
        EXACT: lambda: replayed(traces, calls),
        TURNED: lambda: replayed(traces, turned),
        LOOSE: lambda: replayed(traces, loose),
        SCORED: lambda: scored(lines),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(REPEATS + 1):
        for name, once in work.items():
            gc.collect()
            begin = time.process_time_ns()
            once()
            if repeat:  # the first one warms up
                taken[name].append(1e9 * count / (time.process_time_ns() - begin))
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found = measure(4_000 if options.quick else 20_000)
    print(f"{'':48} {'traces/s':>10} {'of floor':>9}")
    for name, value in found.items():
        print(f"{name:48} {value:10,.0f} {value / found[FLOOR]:9.2f}")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; three calls a trace, {REPEATS} repeats.")
    missed = [f"{name}: {found[name]:,.0f}, at least {LEAST:,.0f}" for name in (EXACT, TURNED) if found[name] < LEAST]
    if options.json:
        options.json.write_text(json.dumps({"traces_per_s": found, "missed": missed}, indent=1), encoding="utf-8")
    for promise in missed:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
