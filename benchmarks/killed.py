"""
What a `kill -9` costs: how old the oldest lost run was, over many kills, beside the longest pause the machine made.

A process records runs as fast as it can and is killed at a random moment; a successor adopts its spool. Lost runs are
the newest ones, not yet written. The goal is 20 ms; with `durable` nothing at all. The floor is the longest gap between
two runs of the same process: where the machine stood still that long, nobody could have written anything.

    python benchmarks/killed.py            40 kills of each kind
    python benchmarks/killed.py --quick    10 kills of each kind
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from surefoot.client.adoption import adopt_all
from surefoot.core.units import Nanos
from tests.chaos.test_killed_recorder import FileSink, killed, missing

MILLISECOND = 1_000_000
GOAL_MS = 20.0


def kills(mode: str, count: int) -> dict[str, float]:
    chance = random.Random(mode)
    with tempfile.TemporaryDirectory() as folder:
        sink = FileSink(Path(folder))
        runs = []
        for number in range(count):
            print(f"{mode}: kill {number + 1} of {count}", end="\r", file=sys.stderr)
            runs.append(killed(Path(folder), mode, number, chance))
        adopt_all(Path(folder) / "spool", sink, at=Nanos(2 * 10**18), pause=lambda: None)
        ages, pauses, lost_runs = [], [], 0
        for number, (times, at) in enumerate(runs):
            lost = missing(sink, number, len(times))
            lost_runs += len(lost)
            ages.append((at - times[lost[0]]) / MILLISECOND if lost else 0.0)
            pauses.append(max((after - before for before, after in pairwise(times)), default=0) / MILLISECOND)
        twice = sink.requests() - len(sink.units())
    return {
        "kills": count,
        "runs": sum(len(times) for times, _ in runs),
        "lost_runs": lost_runs,
        "counted_twice": twice,
        "lost_ms_median": round(statistics.median(ages), 2),
        "lost_ms_max": round(max(ages), 2),
        "longest_pause_ms": round(max(pauses), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = {mode: kills(mode, 10 if chosen.quick else 40) for mode in ("default", "durable")}
    missed = (
        found["default"]["lost_ms_max"] > GOAL_MS
        or found["durable"]["lost_runs"] > 0
        or any(row["counted_twice"] for row in found.values())
    )
    if chosen.json:
        print(json.dumps(found))
        return int(missed)
    for mode, row in found.items():
        print(
            f"{mode}: {row['kills']} kills, {row['runs']:,} runs, {row['lost_runs']} lost, {row['counted_twice']} twice"
        )
        print(f"  oldest lost run: median {row['lost_ms_median']} ms, at most {row['lost_ms_max']} ms before the kill")
        print(f"  the machine itself stood still for up to {row['longest_pause_ms']} ms")
    print(f"goal: at most {GOAL_MS:g} ms lost, nothing with durable, nothing twice: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
