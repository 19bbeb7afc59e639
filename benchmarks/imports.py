"""
What importing costs: CPU time and memory above a bare interpreter, each in fresh processes.

`import surefoot` loads nothing else; a name is loaded when it is first used. So beside the import there is what
deciding needs (the router), what answering and recording needs (the agent and the recorder), and what `surefoot.open()`
needs; as peers the standard library's asyncio, and OpenTelemetry's SDK where it is installed. Targets: 60 ms (2.6 times
asyncio's, on a slower machine) and 10 MB for the import, and for what decides.

    python benchmarks/imports.py               nine processes each (10 s)
    python benchmarks/imports.py --quick       three
    python benchmarks/imports.py --json FILE   the same figures there
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

MOST_MS, MOST_PEERS, MOST_MB = 60.0, 2.6, 10.0
BARE = "a bare interpreter"
IMPORT, DECIDE = "import surefoot", "what decides"
PEER = "peer: asyncio of the standard library"
CASES = {
    BARE: "pass",
    IMPORT: "import surefoot",
    DECIDE: "import surefoot.client.router",
    "what answers and records": "import surefoot; surefoot.Agent",
    "what opens a project": "import surefoot; surefoot.open",
    PEER: "import asyncio",
    "peer: OpenTelemetry's SDK": "import opentelemetry.sdk.trace",
}
LOOK = """
import time
began = time.process_time()
{statement}
took = time.process_time() - began
import os
pages = int(open("/proc/self/statm").read().split()[1]) if os.path.exists("/proc/self/statm") else 0
print(took * 1e3, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
"""


def look(statement: str) -> tuple[float, float]:
    """CPU milliseconds of the statement, and the process's memory in MB after it. Compiled files are there already."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(statement=statement)], check=True, capture_output=True, text=True
    )
    took, memory = map(float, done.stdout.split())
    return took, memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    cases = dict(CASES)
    if not (importlib.util.find_spec("opentelemetry") and importlib.util.find_spec("opentelemetry.sdk")):
        del cases["peer: OpenTelemetry's SDK"]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for statement in cases.values():
        look(statement)
    for _ in range(3 if options.quick else 9):
        for name, statement in cases.items():
            taken[name].append(look(statement))
    bare = statistics.median(memory for _, memory in taken[BARE])
    found = {
        name: {
            "ms": statistics.median(took for took, _ in seen),
            "MB": statistics.median(memory for _, memory in seen) - bare,
        }
        for name, seen in taken.items()
    }
    print(f"{'':42}{'CPU ms':>10}{'MB more':>10}")
    for name, row in found.items():
        print(f"{name:42}{row['ms']:10.1f}{row['MB']:10.1f}")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; medians.")
    most_ms = max(MOST_MS, MOST_PEERS * found[PEER]["ms"])
    broken = [
        f"{name}: {found[name]['ms']:.0f} ms and {found[name]['MB']:.1f} MB, at most {most_ms:.0f} and {MOST_MB:g}"
        for name in (IMPORT, DECIDE)
        if found[name]["ms"] > most_ms or found[name]["MB"] > MOST_MB
    ]
    if options.json:
        options.json.write_text(json.dumps({"imports": found, "missed": broken}, indent=1), encoding="utf-8")
    for promise in broken:
        print(f"MISSED: {promise}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
