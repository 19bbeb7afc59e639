"""
How many runs a second are recorded into a SQLite store, and what the event loop that makes them feels of it.

An event loop makes runs of a rollout at a steady rate, sessions of eight turns, one in twenty a failure. Beside it one
task measures how late it wakes from sleeping a millisecond: first in an idle loop (the floor), then while the runs are
made, recorded, folded, spooled and shipped. Then everything has to be in the store. Targets: 50,000 runs a second, none
of them lost, at a lag of at most 1 ms (p99), or twice the idle loop's where the machine is busy with other things.

    python benchmarks/recorder.py              ten seconds
    python benchmarks/recorder.py --quick      three
    python benchmarks/recorder.py --rate N     at another rate
    python benchmarks/recorder.py --json FILE  the same figures there
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.client.agent import Agent
from surefoot.client.recorder import Recorder
from surefoot.client.router import Router
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.traffic.route import AgentTraffic, Split
from surefoot.store.sinks import SqliteSink
from surefoot.store.sqlite import prepare
from surefoot.testing.feed import ManualFeed
from surefoot.testing.samples import version

LEAST_RATE, MOST_LAG_MS, MOST_IDLE = 50_000, 1.0, 2.0
OLD, NEW = version("v1"), version("v2", system="another")
TRAFFIC = AgentTraffic(
    agent=OLD.agent,
    stable=OLD.digest,
    split=Split(
        rollout="rollout-1", stage="10%", candidate=NEW.digest, share=1_000, epoch=2, seed=7, unit=UnitKind.SESSION
    ),
)


async def lag(seconds: float) -> list[float]:
    """How late one wakes from sleeping a millisecond, in milliseconds, ascending."""
    late = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - begin) * 1e3 - 1)
    return sorted(late)


async def make(agent: Agent, rate: int, seconds: float) -> int:
    """Runs at that rate, in handfuls: what is due at each turn of the loop."""
    made, begin = 0, time.perf_counter()
    while (now := time.perf_counter() - begin) < seconds:
        # After a stall it catches up, but never with more than five milliseconds' worth at once.
        for number in range(made, min(int(now * rate), made + rate // 200)):
            with agent.observing(session=f"s-{number // 8}") as run:
                if not number % 20:
                    run.observe(success=False)
            made = number + 1
        await asyncio.sleep(0.000_5)
    return made


async def measured(agent: Agent, rate: int, seconds: float) -> dict[str, object]:
    idle = await lag(seconds / 2)
    cpu, begin = time.process_time(), time.perf_counter()
    late, made = await asyncio.gather(lag(seconds), make(agent, rate, seconds))
    took = time.perf_counter() - begin
    return {"idle": idle, "busy": late, "made": made, "rate": made / took, "cpu": (time.process_time() - cpu) / took}


def quantiles(late: list[float]) -> dict[str, float]:
    return {"p50": late[len(late) // 2], "p99": late[int(len(late) * 0.99)], "max": late[-1]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rate", type=int, default=int(LEAST_RATE * 1.02))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "surefoot.db"
        prepare(store)
        sink = SqliteSink(store)
        recorder = Recorder(sink=sink, clock=SystemClock(), ids=SystemIds(), spools=Path(folder) / "spool")
        agent = Agent(
            OLD.agent,
            router=Router(ManualFeed(TRAFFIC)),
            recorder=recorder,
            versions={known.digest: known for known in (OLD, NEW)}.__getitem__,
        )
        found = asyncio.run(measured(agent, options.rate, 3 if options.quick else 10))
        begin = time.perf_counter()
        assert recorder.flush(60), recorder.health
        behind = time.perf_counter() - begin
        recorder.close(60)
        health = recorder.health
        sink.close()
        with closing(sqlite3.connect(store)) as connection:
            ticks = [json.loads(body) for (body,) in connection.execute("SELECT body FROM open_ticks")]
    stored = sum(tick[arm]["requests"] for tick in ticks for arm in ("stable", "candidate"))
    assert stored == health.recorded == found["made"] - health.lost, (stored, health, found["made"])
    return report(found, health.lost, behind, options)


def report(found, lost: int, behind: float, options: argparse.Namespace) -> int:
    lags = {"an idle loop": quantiles(found["idle"]), "a loop that makes runs": quantiles(found["busy"])}
    print(f"{'lag of the event loop, ms':30}{'p50':>10}{'p99':>10}{'max':>10}")
    for name, row in lags.items():
        print(f"{name:30}{row['p50']:10.3f}{row['p99']:10.3f}{row['max']:10.3f}")
    kept = f"{lost:,} of them lost, and counted as such" if lost else "all of them in the store, none lost"
    print(f"{found['made']:,} runs made, {found['rate']:,.0f} a second; {kept}.")
    print(f"{found['cpu']:.2f} cores in all; {behind:.2f} s from the last run to the store.")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    idle, busy = (row["p99"] for row in lags.values())
    broken = []
    if found["rate"] < LEAST_RATE <= options.rate:
        broken.append(f"{found['rate']:,.0f} runs a second, at least {LEAST_RATE:,}")
    if lost:
        broken.append(f"{lost:,} runs lost: this machine is too slow, or too busy, for so many")
    if busy > max(MOST_LAG_MS, MOST_IDLE * idle):
        broken.append(f"a lag of {busy:.2f} ms, at most {max(MOST_LAG_MS, MOST_IDLE * idle):.2f}")
    if options.json:
        figures = {"lag": lags, "rate": found["rate"], "cores": found["cpu"], "behind_s": behind, "missed": broken}
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    for promise in broken:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
