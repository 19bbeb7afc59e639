"""What `eval gate` says about entries of the quarantine that hold nothing back."""

from __future__ import annotations

import json

import pytest

from surefoot.config.suites import load_suite
from surefoot.core.proof.score import Attempt, Result, Score
from surefoot.ports.results import ProofRun
from surefoot.store.results import SqliteResults
from tests.cli.projects_with_rollouts import bot_project
from tests.cli.terminal import surefoot
from tests.config.projects import put

CASES = "".join(f"  - {{id: c{n}, request: hi, expected: hello}}\n" for n in range(20))
ENTRY = "  - {{case: {case}, until: '{until}', reason: flaky}}\n"


@pytest.fixture
def root(tmp_path):
    """A suite that ran, another one beside it, one that cannot be read, and four entries."""
    root = bot_project(tmp_path, stable="v1")
    put(root, "evals/support.yaml", f"cases:\n{CASES}evaluators: [exact]\n")
    put(root, "evals/other.yaml", "cases: [{id: elsewhere, request: hi, expected: hi}]\nevaluators: [exact]\n")
    put(root, "evals/broken.yaml", "cases: 3\n")
    put(root, "gates/quality_gates.yaml", "gates: [{metric: exact, operator: '>=', threshold: 0.5}]\n")
    listed = (("c1", "2999-01-01"), ("elsewhere", "2999-01-01"), ("c77", "2999-01-01"), ("c2", "2020-01-31"))
    entries = "".join(ENTRY.format(case=case, until=until) for case, until in listed)
    put(root, "gates/quarantine.yaml", f"quarantine:\n{entries}")
    digest = surefoot(root, "agents", "digest", "bot", "v1").out.strip()
    results = SqliteResults(root / ".surefoot/results.db")
    results.begin(ProofRun(id="r1", suite=load_suite(root, "support").identity))
    passed = (Score.scored("exact", 1.0, passed=True),)
    results.append("r1", [Result(attempt=Attempt(f"c{n}", digest), scores=passed) for n in range(20)])
    results.close()
    return root


def test_an_entry_that_holds_nothing_back_is_named(root):
    """A misspelt case and a day that is over have one line each; an entry at work, or of another suite, has none."""
    ended = surefoot(root, "eval", "gate", "support", "--version", "bot@v1")
    said = [line for line in ended.out.splitlines() if line.startswith("quarantine: ")]
    assert said == [
        "quarantine: no suite has a case 'c77', so its entry holds nothing back: correct or remove it",
        "quarantine: the entry of 'c2' ended on 2020-01-31, and the case counts again: remove it",
    ], ended.out + ended.err


def test_programs_do_not_stumble_over_them(root):
    """With --json they stand on standard error, beside one document."""
    ended = surefoot(root, "eval", "gate", "support", "--version", "bot@v1", "--json")
    assert json.loads(ended.out)["decision"] == "passed", ended.err
    assert ended.err.count("quarantine: ") == 2
