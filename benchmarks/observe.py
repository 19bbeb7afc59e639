"""
What watching a run costs the code that is watched: the whole `with agent.observing(...)`, on the caller's thread.

Decision, kill check, two clocks, the context variable and the hand-over are in it; the recorder's thread works
meanwhile on what it was handed, into a real spool, as in production. Beside it in the same process: an empty function
of two arguments (the floor), and, where OpenTelemetry is installed, its span. Figures are CPU time of the calling
thread, medians of interleaved repeats; ratios are what counts, since nanoseconds belong to the machine and to what else
it does. Targets: at most 48 floors, 67 with `async with`, which is 1.0 and 1.4 us where the floor takes 21 ns.

    python benchmarks/observe.py               ours, and OpenTelemetry where it is installed (10 s)
    python benchmarks/observe.py --peers       installs OpenTelemetry into build/peers first (the network)
    python benchmarks/observe.py --quick       a fifth of the repeats
    python benchmarks/observe.py --json FILE   the same figures there
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _decision_world import PAIRS, PERCENT, TARGETED, empty, loop
from _peer_environment import interpreter_with

from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.client.agent import Agent
from surefoot.client.recorder import Recorder
from surefoot.client.router import Router
from surefoot.core.evidence.tally import Delta
from surefoot.core.traffic.plan import Targeting, UnitKind
from surefoot.core.traffic.route import AgentTraffic, Split
from surefoot.testing.feed import ManualFeed
from surefoot.testing.samples import version

FLOOR = "empty function of two arguments"
SYNC, ASYNC = "with agent.observing(user, tenant)", "async with agent.observing(user, tenant)"
MOST_FLOORS = {SYNC: 48.0, ASYNC: 67.0}
PACKAGE = "opentelemetry-sdk"
OLD, NEW = version("v1"), version("v2", system="another")


class Nowhere:
    """A store that takes everything."""

    def absorb(self, delta: Delta) -> bool:
        return True

    def applied(self, source: str) -> int:
        return 0


def agent_under_rollout(folder: Path) -> tuple[Agent, Recorder]:
    """10 % of the users of five tenants."""
    split = Split(
        rollout="rollout-1", stage="10%", candidate=NEW.digest, share=PERCENT * 100, epoch=2, seed=7,
        unit=UnitKind.USER, targeting=Targeting(tenants=frozenset(TARGETED)),
    )  # fmt: skip
    router = Router(ManualFeed(AgentTraffic(agent=OLD.agent, stable=OLD.digest, split=split)))
    recorder = Recorder(sink=Nowhere(), clock=SystemClock(), ids=SystemIds(), spools=folder)
    known = {version.digest: version for version in (OLD, NEW)}
    return Agent(OLD.agent, router=router, recorder=recorder, versions=known.__getitem__), recorder


def ours(agent: Agent) -> dict[str, Callable[[], None]]:
    """One pass each: a run per pair."""
    observing = agent.observing

    def sync() -> None:
        for user, tenant in PAIRS:
            with observing(user=user, tenant=tenant):
                pass

    async def asynchronous() -> None:
        for user, tenant in PAIRS:
            async with observing(user=user, tenant=tenant):
                pass

    def in_sessions() -> None:
        for user, tenant in PAIRS:
            with observing(user=user, tenant=tenant, session=user):
                pass

    def showing() -> None:
        for user, tenant in PAIRS:
            with observing(user=user, tenant=tenant) as run:
                run.observe(tokens=120, cost_usd=0.002)

    return {
        SYNC: sync,
        ASYNC: lambda: asyncio.run(asynchronous()),
        "the same in a session, whose version is kept": in_sessions,
        "the same, showing tokens and cost": showing,
    }


def telemetry() -> dict[str, Callable[[], None]]:
    """An OpenTelemetry span with ten attributes, batched to an exporter that throws it away. Nothing if not there."""
    if not _has_telemetry():
        return {}
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Away(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Away()))
    tracer = provider.get_tracer("benchmark")

    def spans() -> None:
        for user, tenant in PAIRS:
            with tracer.start_as_current_span("run") as span:
                span.set_attribute("user", user)
                span.set_attribute("tenant", tenant)
                for i in range(8):
                    span.set_attribute(f"gen_ai.usage.{i}", i)

    def bare() -> None:
        for _ in PAIRS:
            with tracer.start_as_current_span("run"):
                pass

    return {"OpenTelemetry span with ten attributes": spans, "OpenTelemetry span without any": bare}


def _has_telemetry() -> bool:
    # The programming interface alone comes with other packages; what costs is the SDK.
    return bool(importlib.util.find_spec("opentelemetry") and importlib.util.find_spec("opentelemetry.sdk"))


def measure(
    cases: dict[str, Callable[[], None]], *, repeats: int, settle: Callable[[], object]
) -> dict[str, tuple[float, float]]:
    """Per case the nanoseconds of one run on this thread, and how often the floor fits into them: medians."""
    for once in cases.values():
        once()
        settle()
    gc.collect()
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, once in cases.items():
            begin = time.thread_time_ns()
            once()
            taken[name].append((time.thread_time_ns() - begin) / len(PAIRS))
            settle()
    floors = taken[FLOOR]
    return {
        name: (statistics.median(ns), statistics.median(one / least for one, least in zip(ns, floors, strict=True)))
        for name, ns in taken.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="install and measure OpenTelemetry too")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.peers and not _has_telemetry():
        arguments = [argument for argument in sys.argv[1:] if argument != "--peers"]
        return subprocess.run([interpreter_with(PACKAGE), __file__, *arguments], check=False).returncode
    repeats = 10 if options.quick else 50
    with tempfile.TemporaryDirectory() as folder:
        agent, recorder = agent_under_rollout(Path(folder))
        cases = {FLOOR: loop(empty), **ours(agent), **telemetry()}
        found = measure(cases, repeats=repeats, settle=lambda: recorder.flush(30))
        assert recorder.health.lost == 0, recorder.health
        recorder.close()
    print(f"{'':58} {'ns':>10} {'floors':>8}")
    for name, (ns, ratio) in found.items():
        print(f"{name:58} {ns:10,.1f} {ratio:8.1f}")
    if not _has_telemetry():
        print(f"{PACKAGE} is not installed; --peers installs it beside")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; medians of {repeats} interleaved repeats.")
    broken = [
        f"{name}: {found[name][1]:.1f} floors, at most {most:g}"
        for name, most in MOST_FLOORS.items()
        if found[name][1] > most
    ]
    if options.json:
        options.json.write_text(json.dumps({"runs": found, "missed": broken}, indent=1), encoding="utf-8")
    for promise in broken:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
