"""
A forecast's speed: rollouts of 20,000 requests each, beside the floor of drawing those requests at all.

The floor draws the same number of runs from the same population with `random.choices` and counts them, on the same
number of processes, in the same run. The candidate equals stable, so that no rollout ends early by a rollback.

    python benchmarks/simulate.py            1,000 rollouts (about a minute)
    python benchmarks/simulate.py --quick    100 rollouts
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from random import Random

from surefoot.adapters.distributed.processes import run_all, usable_processors
from surefoot.core.traffic.presets import canary
from surefoot.service.forecast import Batch, cases, run_batch, synthetic
from surefoot.service.simulate import Traffic

REQUESTS = 20_000
BATCH = 5


def draw(batch: Batch) -> int:
    seen = 0
    for seed in batch.seeds:
        chance = Random(seed)
        for _ in range(REQUESTS // 50):
            seen += len(Counter(chance.choices(batch.case.stable.runs, k=50)))
    return seen


def timed(function, jobs: list[Batch], workers: int):
    started = time.perf_counter()
    answers = list(run_all(function, jobs, workers=workers))
    return time.perf_counter() - started, answers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rollouts = 100 if chosen.quick else 1000
    workers = usable_processors()
    plan = canary()
    same = cases(plan, synthetic(1), None, metric="success", sizes=(), seed=1)[0]
    jobs = [Batch(plan, same, Traffic(requests=REQUESTS), range(i, i + BATCH)) for i in range(0, rollouts, BATCH)]
    sample = jobs[:: max(1, len(jobs) // 10)]
    ratios = []
    for repeat in range(3):
        print(f"ratio to the floor, {repeat + 1} of 3", file=sys.stderr)
        floor, _ = timed(draw, sample, workers)
        ours, _ = timed(run_batch, sample, workers)
        ratios.append(ours / floor)
    print(f"{rollouts} rollouts on {workers} processes", file=sys.stderr)
    seconds, answers = timed(run_batch, jobs, workers)
    ends = [end for _, batch in answers for end in batch]
    requests = sum(end.requests for end in ends)
    found = {
        "rollouts": rollouts,
        "seconds": round(seconds, 1),
        "requests": requests,
        "us_per_request": round(seconds * workers / requests * 1e6, 2),
        "ratio_to_drawing_alone": round(statistics.median(ratios), 1),
        "ends": dict(Counter(end.how.value for end in ends)),
    }
    if chosen.json:
        print(json.dumps(found))
    else:
        print(f"{rollouts} rollouts, {requests:,} requests: {seconds:.1f} s on {workers} processes")
        print(f"{found['us_per_request']} us a request and process, {found['ratio_to_drawing_alone']}x drawing alone")
        print(f"ends: {found['ends']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
