"""What benchmarks/decision.py asks, and how it is timed. Standard library only: peers run it in their own venvs."""

from __future__ import annotations

import gc
import os
import random
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["OTHERS", "PAIRS", "PERCENT", "TARGETED", "Call", "empty", "loop", "measure", "resident_mib", "wrong_split"]

TARGETED = ("acme", "globex", "initech", "umbrella", "hooli")
OTHERS = ("wayne", "stark", "tyrell", "cyberdyne", "soylent")
PERCENT = 10

_draw = random.Random(7)
PAIRS = [(f"user-{_draw.randrange(10**7):07d}", (OTHERS, TARGETED)[i % 2][_draw.randrange(5)]) for i in range(4096)]
"""Users and their tenants; every second tenant takes part in the rollout, 10 % of whose users get the new version."""

Call = Callable[[str, str], object]
"""(user, tenant) -> whatever the decision is."""

_LEAST_PASS_NS = 15_000_000


def empty(user: str, tenant: str) -> None:
    """The floor: a Python function of two arguments that does nothing."""


def loop(call: Call) -> Callable[[], None]:
    """One pass: a call per pair."""

    def once() -> None:
        for user, tenant in PAIRS:
            call(user, tenant)

    return once


def measure(cases: dict[str, Callable[[], None]], *, floor: str, repeats: int) -> dict[str, tuple[float, float]]:
    """
    Per case the CPU nanoseconds of a call, and how often the floor fits into them: medians of interleaved repeats.

    CPU time, since the machine may be shared; the ratio is taken within each repeat, so a slow one is slow for both.
    """
    passes = {}
    for name, once in cases.items():
        once()
        begin = time.process_time_ns()
        once()
        passes[name] = max(1, _LEAST_PASS_NS // max(1, time.process_time_ns() - begin))
    gc.collect()
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, once in cases.items():
            begin = time.process_time_ns()
            for _ in range(passes[name]):
                once()
            taken[name].append((time.process_time_ns() - begin) / passes[name] / len(PAIRS))
    floors = taken[floor]
    return {
        name: (statistics.median(ns), statistics.median(one / least for one, least in zip(ns, floors, strict=True)))
        for name, ns in taken.items()
    }


def wrong_split(is_new: Callable[[str, str], bool]) -> str:
    """What is wrong with the answers, or nothing: 10 % of the targeted users, within five deviations, and no others."""
    targeted = [pair for pair in PAIRS if pair[1] in TARGETED]
    new = sum(is_new(*pair) for pair in targeted)
    expected = len(targeted) * PERCENT / 100
    if abs(new - expected) > 5 * (expected * 0.9) ** 0.5:
        return f"{new} of {len(targeted)} targeted users get the new version, expected about {expected:.0f}"
    if strays := sum(is_new(*pair) for pair in PAIRS if pair[1] not in TARGETED):
        return f"{strays} users of other tenants get the new version"
    return ""


def resident_mib() -> float:
    """Memory of this process that is in RAM now; where the system does not say, the most it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
