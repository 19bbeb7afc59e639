"""A promoted version's results become baselines: once, from whole runs, and without holding up anything."""

from __future__ import annotations

import asyncio

import pytest

from surefoot.app.blessing import Blessing
from surefoot.config.agents import load_version
from surefoot.config.baselines import load_baseline
from surefoot.config.suites import load_suite
from surefoot.core.lifecycle.rollout import Bless, Notify
from surefoot.core.proof.score import Attempt, Result, Score
from surefoot.core.units import RolloutId
from surefoot.ports.results import ProofRun
from surefoot.store.results import SqliteResults
from surefoot.testing.clock import ManualClock
from surefoot.testing.samples import NOON
from tests.cli.projects_with_rollouts import bot_project
from tests.config.projects import put


@pytest.fixture
def project(tmp_path):
    """A bot with a suite of two cases."""
    root = bot_project(tmp_path, stable="v1")
    cases = "cases:\n  - {id: a, request: hi, expected: hi}\n  - {id: b, request: ho, expected: ho}\n"
    put(root, "evals/greetings.yaml", cases + "evaluators: [exact]\n")
    return root


def blessed(root, cases):
    """What the effect leaves behind after a run of these cases."""
    version, suite = load_version(root, "bot", "v2"), load_suite(root, "greetings")
    results = SqliteResults(root / ".surefoot/results.db")
    results.begin(ProofRun(id="r", suite=suite.identity))
    score = (Score.scored("exact", 1.0, passed=True),)
    results.append("r", [Result(attempt=Attempt(case, version.digest), scores=score) for case in cases])
    results.close()
    blessing = Blessing(project=root, clock=ManualClock(NOON))
    effect = Bless(agent=version.agent, version=version.digest)
    for _ in range(2):
        asyncio.run(blessing.notify(RolloutId("r-1"), effect, key="r-1/5/1"))
    asyncio.run(blessing.notify(RolloutId("r-1"), Notify(what="hello"), key="r-1/5/2"))
    return root / "baselines/greetings.json"


def test_a_whole_run_is_blessed(project):
    """The baseline names the rollout, the version and the moment; done twice it is the same."""
    found = load_baseline(blessed(project, "ab"))
    assert (found.blessed_by, found.blessed_at, found.agent) == ("rollout r-1", NOON, "bot")
    assert found.table.columns["exact"].mean == 1.0


@pytest.mark.parametrize("cases", ["a", ""])
def test_a_run_with_holes_is_not(project, cases):
    """A version whose run is incomplete, or that never ran, leaves the baseline alone and is not tried for ever."""
    assert not blessed(project, cases).exists()
