"""
What running a suite costs besides the agent: per case, with its full record kept in SQLite so that it can be resumed.

The agent answers at once, an evaluator compares the answer with what was expected, and every attempt goes through the
budget, the throttle, the watch and the log, as in production; the table is made at the end. What the agent itself
takes is measured in the same repeat and taken off. Beside it, where it is installed, pydantic-evals with an agent that
returns a text and an evaluator of its own; it keeps its report in memory and resumes nothing. Figures are CPU time of
the process, the least of interleaved repeats: on a machine that others use the rest is theirs. Target: at most 20 us.

    python benchmarks/runner.py               ours, and pydantic-evals where it is installed (20 s)
    python benchmarks/runner.py --peers       installs pydantic-evals into build/peers first (the network)
    python benchmarks/runner.py --quick       a fifth of the cases
    python benchmarks/runner.py --json FILE   the same figures there
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _peer_environment import interpreter_with

from surefoot.adapters.clock import SystemClock
from surefoot.core.artifact.version import AgentVersion
from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.case import Case
from surefoot.core.proof.suite import EvaluatorSpec, Suite
from surefoot.core.proof.text_evaluators import Exact
from surefoot.core.units import Millis
from surefoot.ports.executor import Answer
from surefoot.ports.results import ProofRun
from surefoot.service.prove import Contender, Order, Proof, prove
from surefoot.store.results import SqliteResults
from surefoot.testing.samples import version

MOST_US = 20.0
OURS, PEER = "surefoot, every result kept and resumable", "pydantic-evals, report in memory"
AGENT = "the agent alone (taken off above)"
RESUMED = "surefoot, the same run resumed when it is done"
PACKAGE = "pydantic-evals"
REPEATS = 7


class Echo:
    """An agent that answers at once."""

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        return Answer(output=f"your order {request}", seen=Observation(success=True, latency_ms=Millis(3), tokens=7))

    def stream(self, version: AgentVersion, request: object, *, key: str):
        raise NotImplementedError


async def answers(count: int) -> None:
    """The agent without anybody who asks."""
    agent, of = Echo(), version()
    for i in range(count):
        await agent.run(of, str(i), key="")


def suite_of(count: int) -> Suite:
    return Suite(
        name="bench",
        cases=tuple(Case(id=f"case-{i}", request=str(i), expected=f"your order {i}") for i in range(count)),
        evaluators=(EvaluatorSpec(kind="exact", metric="exact"),),
    )


def ours(suite: Suite, path: Path) -> Proof:
    """One run into a file of its own."""
    results = SqliteResults(path)
    contender = Contender(version=version(), executor=Echo(), evaluators=(Exact(),))
    order = Order(suite=suite, contenders=(contender,), run=ProofRun(id="run", suite=suite.identity))
    proof = asyncio.run(prove(order, results=results, clock=SystemClock(), seed=1))
    results.close()
    return proof


def peer(count: int) -> Callable[[], None] | None:
    """The same with pydantic-evals; None where it is not installed."""
    if not _has_peer():
        return None
    from pydantic_evals import Case as PeerCase
    from pydantic_evals import Dataset
    from pydantic_evals.evaluators import EqualsExpected

    dataset = Dataset(
        name="bench",
        cases=[PeerCase(name=f"case-{i}", inputs=str(i), expected_output=f"your order {i}") for i in range(count)],
        evaluators=[EqualsExpected()],
    )

    async def answer(request: str) -> str:
        return f"your order {request}"

    def once() -> None:
        report = asyncio.run(dataset.evaluate(answer, progress=False))
        assert len(report.cases) == count

    return once


def _has_peer() -> bool:
    return importlib.util.find_spec("pydantic_evals") is not None


def cpu_us(once: Callable[[], object], count: int) -> float:
    gc.collect()
    begin = time.process_time_ns()
    once()
    return (time.process_time_ns() - begin) / count / 1000


def measure(count: int, peer_count: int, folder: Path) -> dict[str, float]:
    """Microseconds of CPU a case: the least of the repeats."""
    suite, theirs = suite_of(count), peer(peer_count)
    taken: dict[str, list[float]] = {OURS: [], AGENT: [], RESUMED: [], **({} if theirs is None else {PEER: []})}
    for repeat in range(REPEATS + 1):
        path = folder / f"{repeat}.db"
        found: list[Proof] = []
        fresh = cpu_us(lambda path=path, found=found: found.append(ours(suite, path)), count)
        again = cpu_us(lambda path=path, found=found: found.append(ours(suite, path)), count)
        whole = [proof.tables[version().digest].columns["exact"].n for proof in found]
        assert whole == [count, count]
        assert [proof.made for proof in found] == [count, 0]
        rest = None if theirs is None else cpu_us(theirs, peer_count)
        if repeat == 0:  # the first one warms up
            continue
        alone = cpu_us(lambda: asyncio.run(answers(count)), count)
        taken[OURS].append(fresh - alone)
        taken[AGENT].append(alone)
        taken[RESUMED].append(again)
        if rest is not None:
            taken[PEER].append(rest)
    return {name: min(values) for name, values in taken.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="install and measure pydantic-evals too")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.peers and not _has_peer():
        arguments = [argument for argument in sys.argv[1:] if argument != "--peers"]
        return subprocess.run([interpreter_with(PACKAGE), __file__, *arguments], check=False).returncode
    count = 2_000 if options.quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        found = measure(count, count // 10, Path(folder))
    print(f"{'':48} {'us a case':>10} {'ratio':>8}")
    for name, value in found.items():
        print(f"{name:48} {value:10.1f} {value / found[OURS]:8.1f}")
    if PEER not in found:
        print(f"{PACKAGE} is not installed; --peers installs it beside")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; CPU of the process, {REPEATS} repeats.")
    missed = [f"{OURS}: {found[OURS]:.1f} us, at most {MOST_US:g}"] if found[OURS] > MOST_US else []
    if options.json:
        options.json.write_text(json.dumps({"us": found, "missed": missed}, indent=1), encoding="utf-8")
    for promise in missed:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
