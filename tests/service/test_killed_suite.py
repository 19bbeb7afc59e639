"""A suite that is killed with -9 goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from surefoot.store.results import SqliteResults
from tests.conftest import REPOSITORY
from tests.service.killed_suite import AT_ONCE, CASES
from tests.service.proofs import Agent, contender, order, proven, suite_of

ANSWERED = 17


def test_a_kill_loses_at_most_what_was_in_flight(tmp_path):
    """Whatever was finished before the kill is there after it; resumed, only the rest is asked."""
    path = tmp_path / "results.db"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.service.killed_suite", str(path), str(ANSWERED)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "hanging\n"
        running.send_signal(signal.SIGKILL)
    results = SqliteResults(path)
    kept = {attempt.case for attempt in results.finished("r")}
    assert len(kept) == ANSWERED
    agent = Agent()
    proof = proven(order(suite_of(CASES, concurrency=AT_ONCE), contender(agent)), results=results)
    assert {f"c{request}" for request in agent.asked} == {f"c{i}" for i in range(CASES)} - kept
    assert (proof.made, proof.resumed, proof.stopped) == (CASES - ANSWERED, ANSWERED, "")
    assert len(list(results.results("r"))) == CASES
    results.close()
