"""kill -9 at any moment: nothing counts twice, and what is lost is what was promised to be lost at most."""

from __future__ import annotations

import mmap
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import pytest

from surefoot.client.adoption import adopt_all
from surefoot.core.evidence.run_id import unit_hash
from surefoot.core.units import Nanos
from tests.chaos.recording_process import MOST, FileSink

KILLS = 6
PROGRAM = Path(__file__).with_name("recording_process.py")


def killed(folder, mode, number, chance):
    """Run the process, kill it at a random moment; when each run was acknowledged, and when the kill came."""
    acknowledged = folder / f"acknowledged-{number}"
    acknowledged.write_bytes(bytes(8 * MOST))
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), mode, str(number), str(acknowledged)],
        cwd=PROGRAM.parent.parent.parent,
        env={"PYTHONPATH": "."},
        stderr=subprocess.PIPE,
    )
    with acknowledged.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        times = memoryview(shared).cast("Q")
        until = chance.randrange(1, 400)
        while not times[until] and process.poll() is None:
            Event().wait(0.001)
        at = time.monotonic_ns()
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        found = [moment for moment in times[:MOST] if moment]
        times.release()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    return found, at


def missing(sink, number, count):
    """Which acknowledged runs of a process the store never saw."""
    units = sink.units()
    return [i for i in range(count) if unit_hash(str(number * 1_000_000 + i)) not in units]


@pytest.mark.parametrize("mode", ["durable", "default"])
def test_a_killed_process_loses_no_more_than_promised_and_counts_nothing_twice(tmp_path, mode):
    """Durable: not one run. Default: only the newest, those that were not written yet when it was killed."""
    chance = random.Random(mode)
    sink = FileSink(tmp_path)
    runs = [killed(tmp_path, mode, number, chance) for number in range(KILLS)]
    adopt_all(tmp_path / "spool", sink, at=Nanos(2 * 10**18), pause=lambda: None)
    # FileSink fails on a unit that comes twice; requests are counted apart from units.
    assert sink.requests() == len(sink.units())
    for number, (times, _) in enumerate(runs):
        lost = missing(sink, number, len(times))
        if mode == "durable":
            assert lost == []
        elif lost:
            assert lost == list(range(lost[0], len(times))), "only the newest may be lost"
    assert sum(len(times) for times, _ in runs) > KILLS


def test_a_successor_adopts_while_it_records_itself(tmp_path):
    """Without anybody's help: the next process ships what the one before left, besides its own runs."""
    chance = random.Random(7)
    sink = FileSink(tmp_path)
    first, _ = killed(tmp_path, "durable", 0, chance)
    killed(tmp_path, "durable", 1, random.Random(1))
    for number in range(2, 40):  # on a busy machine a process may be killed before it has found anything
        killed(tmp_path, "durable", number, random.Random(3))
        if not missing(sink, 0, len(first)):
            break
    assert missing(sink, 0, len(first)) == []
