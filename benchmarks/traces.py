"""
How fast trace files are read, beside `json.loads` on the lines of the same file, and how much memory that takes.

Every reading is a process-CPU time, best of several rounds in which the two take turns; the ratio is the median of the
rounds' own. The file is every recorded run in ../shared/data, or 4,000 made-up ones where those are absent, and beside
it one of very short lines, where what is made of a line takes longer than its bytes. Memory is the peak of a process
that reads the same runs repeated up to the given size (Linux: VmHWM). Targets: 400 MB per CPU second of recorded runs
and 2.5 times json.loads of either; 40 MB for a file of any size.

    python benchmarks/traces.py              nine rounds, a file of 400 MB
    python benchmarks/traces.py --quick      five, 100 MB
    python benchmarks/traces.py --json FILE  the same figures there
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from surefoot.adapters.traces import read_lines, read_traces

LEAST_MB_S, LEAST_RATIO, MOST_MB = 400.0, 2.5, 40.0
SHARED = Path(__file__).resolve().parents[2] / "shared/data"


def corpus() -> tuple[bytes, str]:
    files = sorted([*SHARED.glob("*/traces/*.jsonl"), *SHARED.glob("agentdojo/redteam/*.jsonl")])
    if files:
        return b"".join(file.read_bytes() for file in files), "recorded runs"
    chance = random.Random(1)
    words = [f"word{number}" for number in range(500)]
    return b"".join(
        json.dumps(made_up(number, chance, words)).encode() + b"\n" for number in range(4000)
    ), "made-up runs"


def made_up(number: int, chance: random.Random, words: list[str]) -> dict[str, object]:
    calls = [{"name": chance.choice(words), "args": {"id": chance.randrange(10**9)}} for _ in range(5)]
    results = [{"success": True, "result": " ".join(chance.choices(words, k=60))} for _ in calls]
    return {
        "trace_id": f"t-{number}",
        "request": " ".join(chance.choices(words, k=30)),
        "tool_calls": calls,
        "tool_results": results,
        "response": " ".join(chance.choices(words, k=50)),
        "outcome": "success",
        "latency_ms": chance.random() * 1e4,
        "cost_tokens": None,
    }


def short_line(number: int) -> bytes:
    """The fields of every line and little in them: 173 bytes."""
    text = {"trace_id": f"t{number:06}", "request": f"question {number}", "tool_calls": [], "tool_results": []}
    line = text | {"response": "ok", "outcome": "success", "latency_ms": 100 + number, "cost_tokens": None}
    return json.dumps(line).encode() + b"\n"


def with_json(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if json.loads(line))


def with_traces(path: Path) -> int:
    return sum(1 for _ in read_traces(path))


def with_lines(path: Path) -> int:
    return sum(1 for _ in read_lines(path))


def seconds(read, path: Path) -> float:
    begin = time.process_time()
    read(path)
    return time.process_time() - begin


def peak_mb(path: Path, *, reads: bool) -> float:
    """Peak memory of a process of its own that has read the file, or has only imported what reads it."""
    command = [sys.executable, __file__, "--peak", str(path), *(["--only-import"] if not reads else [])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def say_peak(path: Path, *, reads: bool) -> int:
    if reads:
        with_traces(path)
    # `getrusage` would count what the parent held when it forked; the kernel's own mark begins anew with the program.
    marks = [line.split() for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(int(marks[0][1]) / 1000)
    return 0


WAYS = {"json.loads": with_json, "read_traces": with_traces, "read_lines (bytes too, ids distinct)": with_lines}


def rates_of(file: Path, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """MB per CPU second by way, and how many times json.loads that is."""
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, read in WAYS.items():
            took[name].append(seconds(read, file))
    size = file.stat().st_size / 1e6
    ratios = {
        name: statistics.median(base / mine for base, mine in zip(took["json.loads"], times, strict=True))
        for name, times in took.items()
    }
    return {name: size / min(times) for name, times in took.items()}, ratios


def measured(folder: Path, rounds: int, megabytes: int) -> dict[str, object]:
    data, what = corpus()
    file, large, short = folder / "runs.jsonl", folder / "large.jsonl", folder / "short.jsonl"
    file.write_bytes(data)
    short.write_bytes(b"".join(map(short_line, range(60_000))))
    with large.open("wb") as out:
        for _ in range(max(1, megabytes * 10**6 // len(data))):
            out.write(data)
    count = with_json(file)
    assert with_traces(file) == count, "not every line was read"
    rates, ratios = rates_of(file, rounds)
    short_rates, short_ratios = rates_of(short, rounds)
    return {
        "what": what,
        "traces": count,
        "mb": len(data) / 1e6,
        "large_mb": large.stat().st_size / 1e6,
        "mb_s": rates,
        "ratios": ratios,
        "short_mb_s": short_rates,
        "short_ratios": short_ratios,
        "peak_mb": {"after the import": peak_mb(large, reads=False), "after reading": peak_mb(large, reads=True)},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only-import", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return say_peak(options.peak, reads=not options.only_import)
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), 5 if options.quick else 9, 100 if options.quick else 400)
    return report(found, options.json)


def report(found: dict, path: Path | None) -> int:
    rates, ratios, peaks = found["mb_s"], found["ratios"], found["peak_mb"]
    show(f"{found['traces']:,} {found['what']}, {found['mb']:.1f} MB", rates, ratios)
    show("very short lines", found["short_mb_s"], found["short_ratios"])
    print(f"peak memory, {found['large_mb']:.0f} MB read:")
    for name, peak in peaks.items():
        print(f"  {name:38}{peak:14.1f} MB")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    rate = rates["read_traces"]
    missed = []
    if rate < LEAST_MB_S:
        missed.append(f"{rate:.0f} MB per CPU second, at least {LEAST_MB_S:.0f}")
    for lines, times in (("recorded runs", ratios), ("short lines", found["short_ratios"])):
        if times["read_traces"] < LEAST_RATIO:
            missed.append(f"{lines}: {times['read_traces']:.2f} times json.loads, at least {LEAST_RATIO}")
    if peaks["after reading"] > MOST_MB:
        missed.append(f"{peaks['after reading']:.1f} MB of memory, at most {MOST_MB:.0f}")
    if path:
        path.write_text(json.dumps(found | {"missed": missed}, indent=1), encoding="utf-8")
    for promise in missed:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if missed else 0


def show(title: str, rates: dict[str, float], ratios: dict[str, float]) -> None:
    print(f"{title:40}{'MB per CPU s':>14}{'x json.loads':>14}")
    for name, rate in rates.items():
        print(f"  {name:38}{rate:14.0f}{ratios[name]:14.2f}")


if __name__ == "__main__":
    sys.exit(main())
