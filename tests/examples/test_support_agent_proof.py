"""The example proves its versions before traffic: the better one passes and the worse one is stopped, offline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.config.baselines import load_baseline
from surefoot.config.suites import load_suite
from tests.cli.terminal import surefoot

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "support-agent"
README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ surefoot (.+) # exit (\d)$", README, re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the example, as it was committed."""
    root = tmp_path_factory.mktemp("support-agent") / "project"
    shutil.copytree(PROJECT, root, ignore=shutil.ignore_patterns(".surefoot", "__pycache__"))
    return root


def test_the_readme_shows_a_version_that_passes_and_one_that_does_not() -> None:
    """Both verdicts of the gate are among the commands, so that the test below cannot run empty."""
    assert ("eval gate support --version v2", "0") in COMMANDS
    assert ("eval gate support --version v3", "1") in COMMANDS
    assert len(COMMANDS) == 7


def test_the_commands_of_the_readme_end_as_it_says(project) -> None:
    """In order, in one folder: runs, gates and behaviours with the exit codes that stand beside them."""
    for words, code in COMMANDS:
        ended = surefoot(project, *words.split())
        assert (str(ended.code), ended.err) == (code, ""), (words, ended.out)


def test_the_figures_of_the_readme_are_those_of_a_run(project) -> None:
    """Rates of success, and how many runs the behaviour takes to be decided."""
    rates = [
        surefoot(project, "eval", "run", "support", "--version", label, "--json").json["metrics"]["success"]["mean"]
        for label in ("v1", "v2", "v3")
    ]
    v1, v2, v3 = (f"{100 * rate:.1f} %" for rate in rates)
    assert f"Success goes from {v1} to {v2} with v2" in README
    assert f"to {v3} with v3" in README
    runs = []
    for label in ("v2", "v1", "v3"):
        (found,) = surefoot(project, "behaviour", "run", "--version", label, "--json").json["behaviours"]
        runs.append(found["passed"] + found["failed"])
    assert runs == [39, 6, 5]


def test_what_stops_the_worse_version_is_its_success(project) -> None:
    """Not a limit, not an error, not the notes: v3 answers fewer tasks right, significantly."""
    told = surefoot(project, "eval", "run", "support", "--version", "v3", "--json").json
    assert (told["errors"], told["stopped"], told["made"]) == (0, "", 600)
    rulings = surefoot(project, "eval", "gate", "support", "--version", "v3", "--json").json["rulings"]
    failed = [ruling for ruling in rulings if ruling["decision"] == "failed" and ruling["is_blocking"]]
    assert [ruling["metric"] for ruling in failed] == ["success"]
    assert failed[0]["p_value"] < 1e-5


def test_the_baseline_is_v1_as_it_runs_today(project, tmp_path) -> None:
    """Running v1 again gives the committed counts: the baseline is no invention."""
    scores = tmp_path / "v1.json"
    assert surefoot(project, "eval", "run", "support", "--version", "v1", "--scores", str(scores)).code == 0
    baseline = load_baseline(PROJECT / "baselines" / "support.json")
    now = json.loads(scores.read_text(encoding="utf-8"))
    committed = json.loads((PROJECT / "baselines" / "support.json").read_text(encoding="utf-8"))
    assert (baseline.label, baseline.table.suite) == ("v1", load_suite(PROJECT, "support").identity)
    assert (now["version"], now["columns"]) == (committed["version"], committed["columns"])


def test_the_cases_are_the_tasks(tmp_path) -> None:
    """cases.py makes the committed files from tasks.jsonl, byte for byte."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("cases.py", "score.py", "tasks.jsonl"):
        shutil.copy(PROJECT / name, root)
    subprocess.run([sys.executable, root / "cases.py"], check=True, capture_output=True, timeout=60)
    for name in ("evals/tasks.jsonl", "behaviours/notes.jsonl"):
        assert (root / name).read_text(encoding="utf-8") == (PROJECT / name).read_text(encoding="utf-8"), name
