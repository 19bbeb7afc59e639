"""
What a decision costs: kill check, tenant targeting, 10 % of the users, and a route that says why.

The floor is an empty Python function of two arguments in the same run; figures are medians of interleaved repeats, in
CPU time. Ratios are what counts: nanoseconds belong to the machine. Targets: at most 9 floors, the same from 1 to
10,000 rollouts; 10,000 rollouts in at most 25 MB and 150 ms, one change of them in at most 0.5 ms.

    python benchmarks/decision.py              ours, and OpenFeature where it is installed (20 s)
    python benchmarks/decision.py --peers      GrowthBook, Eppo, LaunchDarkly and Unleash too, each installed into its
                                               own environment under build/peers (a minute, and the network)
    python benchmarks/decision.py --quick      a tenth of the repeats
    python benchmarks/decision.py --json FILE  the same figures there
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from _decision_peers import PEERS
from _decision_world import PAIRS, PERCENT, TARGETED, empty, loop, measure, resident_mib, wrong_split

from surefoot.client.router import Router
from surefoot.core.traffic.closure import compile_agent
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import Targeting, UnitKind
from surefoot.core.traffic.route import AgentTraffic, Reason, Request, Split, route
from surefoot.core.units import Revision
from surefoot.errors import StoreUnavailable
from surefoot.ports.feed import Changes

HERE = Path(__file__).resolve().parent
FLOOR = "empty function of two arguments"
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = (1, 100, 10_000)
MOST_FLOORS, MOST_MIB, MOST_LOAD_MS, MOST_CHANGE_MS, FLAT = 9.0, 25e6 / 2**20, 150.0, 0.5, 0.15


class LeanFeed:
    """Hands over what it is given and keeps nothing; its bell is in shared memory, as a store's on this machine is."""

    def __init__(self, *agents: AgentTraffic) -> None:
        self.bell = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self.is_down = False
        self._news = Changes(Revision(1), {each.agent: each for each in agents}, ())

    def put(self, *agents: AgentTraffic, kills: tuple[KillSwitch, ...] | None = None) -> None:
        self._news = Changes(Revision(self._news.revision + 1), {each.agent: each for each in agents}, kills)
        self.bell[0] += 1

    def epoch(self) -> int:
        return self.bell[0]

    def changes(self, since: Revision) -> Changes:
        if self.is_down:
            raise StoreUnavailable("down", hint="the benchmark says so")
        news, self._news = self._news, Changes(self._news.revision, {}, None)
        return news

    def listen(self, ring: object) -> None: ...

    def close(self) -> None: ...


def traffic(number: int) -> AgentTraffic:
    """One agent with a rollout, as a store hands it over: agents share nothing but the tenants' names."""
    split = Split(
        rollout=f"rollout-{number}",
        stage=f"{PERCENT}%",
        candidate=f"sha256:{number:063x}b",
        share=PERCENT * 100,
        epoch=2,
        seed=0x9E3779B97F4A7C15 ^ (number << 20),
        unit=UnitKind.USER,
        targeting=Targeting(tenants=frozenset(TARGETED)),
    )
    return AgentTraffic(agent=f"agent-{number}", stable=f"sha256:{number:063x}a", split=split)


def decisions(repeats: int) -> dict[str, tuple[float, float]]:
    """Ours at several sizes, and what costs extra, beside the floor."""
    cases = {FLOOR: loop(empty)}
    routers = {size: Router(LeanFeed(*map(traffic, range(size)))) for size in SIZES}
    for size, router in routers.items():
        agent = f"agent-{size // 2}"
        wrong = wrong_split(lambda u, t, r=router, a=agent: r.decide(a, u, t).reason is Reason.CANDIDATE)
        assert not wrong, wrong
        cases[f"decide, {size:,} rollouts"] = asked(router.decide, agent)
    router = routers[100]
    agents = [f"agent-{i * 7919 % SIZES[-1]}" for i in range(len(PAIRS))]
    cases[f"decide, {SIZES[-1]:,} rollouts, another agent each time"] = asked_about(routers[SIZES[-1]].decide, agents)
    feed = LeanFeed(traffic(0))
    killed = Router(feed)
    feed.put(kills=(KillSwitch(id="k", reason="r", author="a", raised_at=SOME_DAY),))
    assert killed.decide("agent-0", "u").serve is None
    cases["decide, everything killed"] = asked(killed.decide, "agent-0")
    cases["decide, conversations kept in the router's memory"] = in_sessions(router.decide, "agent-5")
    pin = router.decide("agent-5", "u", TARGETED[0]).pin
    cases["decide, conversations kept by a pin handed in"] = with_pin(router.decide, "agent-5", pin)
    cases["the agent's closure alone"] = closure(router.snapshot.agents["agent-5"])
    cases["the pure route() that it has to equal"] = pure(router.snapshot, "agent-5")
    return measure(cases, floor=FLOOR, repeats=repeats)


def asked(decide, agent):
    def once() -> None:
        for user, tenant in PAIRS:
            decide(agent, user, tenant)

    return once


def asked_about(decide, agents):
    triples = [(agent, *pair) for agent, pair in zip(agents, PAIRS, strict=True)]

    def once() -> None:
        for agent, user, tenant in triples:
            decide(agent, user, tenant)

    return once


def in_sessions(decide, agent):
    def once() -> None:
        for user, tenant in PAIRS:
            decide(agent, user, tenant, user)

    return once


def with_pin(decide, agent, pin):
    def once() -> None:
        for user, tenant in PAIRS:
            decide(agent, user, tenant, "", "", "", "", pin)

    return once


def closure(one):
    decide = compile_agent(one, ())

    def once() -> None:
        for user, tenant in PAIRS:
            decide(user, tenant, "", "", "", "", "")

    return once


def pure(snapshot, agent):
    def once() -> None:
        for user, tenant in PAIRS:
            route(snapshot, Request(agent=agent, user=user, tenant=tenant))

    return once


def loaded(size: int) -> dict[str, float]:
    """In a fresh process: memory and CPU time of that many rollouts, each asked once, and of one change of them."""
    Router(LeanFeed(traffic(0))).decide("agent-0", *PAIRS[0])  # what a first use imports and caches is there already
    gc.collect()
    before = resident_mib()
    feed = LeanFeed(*map(traffic, range(size)))
    user, tenant = PAIRS[1]
    begin = time.process_time()
    router = Router(feed)
    ready_ms = (time.process_time() - begin) * 1e3
    for number in range(size):
        router.decide(f"agent-{number}", user, tenant)
    load_ms = (time.process_time() - begin) * 1e3
    gc.collect()
    memory = resident_mib() - before
    changes = [change(router, feed, number * 31 % size, kill=False) for number in range(200)]
    kills = [change(router, feed, number * 31 % size, kill=True) for number in range(200)]
    with tempfile.TemporaryDirectory() as folder:
        Router(LeanFeed(*map(traffic, range(size))), disk=Path(folder)).close()
        feed.is_down = True
        begin = time.process_time()
        again = Router(feed, disk=Path(folder))
        again.decide("agent-0", user, tenant)
        disk_ms = (time.process_time() - begin) * 1e3
    return {
        "MiB": memory,
        "ms until the first decision": ready_ms,
        "ms until every agent has decided": load_ms,
        "ms for a change": statistics.median(changes),
        "ms for a kill": statistics.median(kills),
        "ms from disk without a store": disk_ms,
    }


def change(router: Router, feed: LeanFeed, number: int, *, kill: bool) -> float:
    """Milliseconds of the decision that finds a change, reads it and obeys it."""
    agent, (user, tenant) = f"agent-{number}", PAIRS[1]
    if kill:
        feed.put(kills=(KillSwitch(id="k", agent=agent, reason="r", author="a", raised_at=SOME_DAY),))
    else:
        old = router.snapshot.agents[agent]
        feed.put(replace(old, split=replace(old.split, share=10_000 - old.split.share)))
    begin = time.process_time()
    answer = router.decide(agent, user, tenant)
    taken = (time.process_time() - begin) * 1e3
    assert (answer.serve is None) == kill
    return taken


def in_fresh_process(size: int) -> dict[str, float]:
    """The medians of three."""
    runs = [
        json.loads(subprocess.run([sys.executable, __file__, "--load", str(size)], check=True, stdout=-1).stdout)
        for _ in range(3)
    ]
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def peer(name: str, repeats: int, *, install: bool) -> dict[str, object]:
    """A peer's figures from a process of its own, or why there are none."""
    package = PEERS[name][1]
    python = sys.executable
    if importlib.util.find_spec("openfeature" if name == "openfeature" else name) is None:
        python = str(HERE.parent / "build" / "peers" / name / "bin" / "python")
        if not Path(python).exists():
            if not install:
                return {"skipped": f"{package} is not installed; --peers installs it"}
            venv.create(Path(python).parents[1], with_pip=True)
        if install:
            done = subprocess.run(
                [python, "-m", "pip", "install", "-q", package], check=False, capture_output=True, text=True
            )
            if done.returncode:
                return {"skipped": f"{package} cannot be installed: {done.stderr.strip().splitlines()[-1:]}"}
    done = subprocess.run(
        [python, str(HERE / "_decision_peers.py"), name, str(repeats)], check=False, capture_output=True, text=True
    )
    if done.returncode or not done.stdout.strip():
        return {"skipped": f"{package} failed: {done.stderr.strip().splitlines()[-1:]}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def missed(ours: dict[str, tuple[float, float]], load: dict[str, float]) -> list[str]:
    """The targets that were not met."""
    ratios = {size: ours[f"decide, {size:,} rollouts"][1] for size in SIZES}
    flat = max(ratios.values()) / min(ratios.values()) - 1
    found = [
        f"a decision among {size:,} costs {ratio:.1f} floors" for size, ratio in ratios.items() if ratio > MOST_FLOORS
    ]
    if flat > FLAT:
        found.append(f"decisions differ by {flat:.0%} between sizes")
    limits = {
        "MiB": MOST_MIB,
        "ms until every agent has decided": MOST_LOAD_MS,
        "ms for a change": MOST_CHANGE_MS,
        "ms for a kill": MOST_CHANGE_MS,
    }
    for key, most in limits.items():
        if load[key] > most:
            found.append(f"{SIZES[-1]:,} rollouts: {key} is {load[key]:.2f}, at most {most:.2f}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="install and ask the others too")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(loaded(options.load)))
        return 0
    repeats = 5 if options.quick else 25
    ours = decisions(repeats)
    load = in_fresh_process(SIZES[-1])
    peers = {name: peer(name, repeats, install=options.peers) for name in PEERS}
    print(f"{'':58} {'ns':>10} {'floors':>8}")
    for name, (ns, ratio) in ours.items():
        print(f"{name:58} {ns:10,.1f} {ratio:8.2f}")
    for name, found in peers.items():
        if "ns" in found:
            print(f"{name + ' ' + str(found['version']):58} {found['ns']:10,.1f} {found['ratio']:8.2f}")
        else:
            print(f"{name:58} {found.get('skipped') or found.get('wrong')}")
    print(f"\n{SIZES[-1]:,} rollouts, in a process of their own")
    for key, value in load.items():
        print(f"{key:58} {value:10.2f}")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; medians of {repeats} interleaved repeats.")
    broken = missed(ours, load)
    if options.json:
        everything = {"decisions": ours, "peers": peers, "load": load, "missed": broken}
        options.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    for promise in broken:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
