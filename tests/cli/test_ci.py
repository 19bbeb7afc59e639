"""`surefoot ci`: a change is proved as a whole, reported once, and nothing that did not run has passed."""

from __future__ import annotations

import json
import subprocess
from xml.etree import ElementTree as ET

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import put

VERSION = """\
model: test/m
prompt: {system: be kind}
executor: {kind: tape, path: ../../traces/%s.jsonl}
"""
TRACE = '{"trace_id": "%s", "request": "%s", "response": "%s", "latency_ms": 5}\n'
CASES = [f"case-{number}" for number in range(40)]


def git(root, *words):
    """A command of git's in that folder, by an author of the test's own."""
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True)


def add_version(root, label, *, right):
    """A version that answers that many of the cases as it should, from its tape."""
    put(root, f"agents/bot/{label}.yaml", VERSION % label)
    lines = [TRACE % (case, case, "yes" if i < right else "no") for i, case in enumerate(CASES)]
    put(root, f"traces/{label}.jsonl", "".join(lines))


@pytest.fixture
def project(tmp_path):
    """A repository whose first commit holds v1 (38 of 40 right), blessed as the baseline."""
    put(tmp_path, "surefoot.yaml", "")
    cases = "".join(f"- {{id: {case}, request: {case}, expected: 'yes'}}\n" for case in CASES)
    put(tmp_path, "evals/smoke.yaml", f"cases:\n{cases}evaluators: [{{kind: exact, pass_rate: 0.5}}]\n")
    put(tmp_path, "gates/quality_gates.yaml", "gates: [{kind: regression, metric: exact}]\n")
    put(tmp_path, ".gitignore", ".surefoot/\nsurefoot-results/\n")
    add_version(tmp_path, "v1", right=38)
    assert surefoot(tmp_path, "eval", "run", "smoke", "--version", "v1").code == 0
    assert surefoot(tmp_path, "eval", "bless", "smoke", "--version", "v1", "--why", "first", "--by", "t").code == 0
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_worse_version_fails_the_change_and_the_report_says_which_cases(project):
    """The verdict is the exit code of both commands; the report names what regressed."""
    add_version(project, "v2", right=24)
    ran = surefoot(project, "ci", "run", "--base", "HEAD")
    assert ran.code == 1, ran.out + ran.err
    reported = surefoot(project, "ci", "report", "surefoot-results")
    assert reported.code == 1
    assert "## Surefoot: ❌ failed" in reported.out
    assert "case\\-30" in reported.out or "case-30" in reported.out
    assert (project / "surefoot-results" / "report.md").read_text(encoding="utf-8").strip() == reported.out.strip()
    suites = ET.parse(project / "surefoot-results" / "junit.xml").getroot()  # noqa: S314  # our own output
    assert any(int(suite.get("failures")) for suite in suites)


def test_a_version_that_is_no_worse_passes(project):
    """Only what changed is proved."""
    add_version(project, "v2", right=38)
    put(project, "agents/bot/v2.yaml", (VERSION % "v2").replace("kind}", "kind and brief}"))
    ran = surefoot(project, "ci", "run", "--base", "HEAD", "--json")
    assert ran.code == 0, ran.out + ran.err
    assert json.loads(ran.out)["versions"] == ["bot v2"]
    assert surefoot(project, "ci", "report", "surefoot-results").code == 0


def test_each_version_is_told_with_its_own_verdict(project):
    """One that passed is not named beside `FAILED`."""
    add_version(project, "v2", right=24)
    add_version(project, "v3", right=38)
    put(project, "agents/bot/v3.yaml", (VERSION % "v3").replace("kind}", "kind and brief}"))
    ran = surefoot(project, "ci", "run", "--base", "HEAD")
    assert ran.code == 1, ran.out + ran.err
    assert "FAILED: bot v2\n" in ran.out
    assert "passed: bot v3\n" in ran.out
    told = json.loads(surefoot(project, "ci", "run", "--base", "HEAD", "--json").out)
    assert told["decisions"] == {"bot v2": "failed", "bot v3": "passed"}


def test_a_renamed_version_is_no_change_and_then_the_newest_is_proved(project):
    """The content decides, not the label; and never is nothing proved."""
    (project / "agents/bot/v1.yaml").rename(project / "agents/bot/v9.yaml")
    ran = surefoot(project, "ci", "run", "--base", "HEAD")
    assert ran.code == 0, ran.out + ran.err
    assert "no version changed" in ran.out
    assert "bot v9" in ran.out


def test_a_changed_prompt_file_changes_its_versions(project):
    """What a version takes from another file is part of it."""
    put(project, "prompts/p.md", "be brief")
    put(project, "agents/bot/v2.yaml", (VERSION % "v1").replace("be kind", "{file: ../../prompts/p.md}"))
    git(project, "add", ".")
    git(project, "commit", "-qm", "second")
    put(project, "prompts/p.md", "be long")
    ran = surefoot(project, "ci", "run", "--base", "HEAD", "--json")
    assert ran.code == 0, ran.out + ran.err
    assert json.loads(ran.out)["versions"] == ["bot v2"]


def test_a_file_in_the_folders_place_is_said_before_anything_runs(project):
    """Nobody pays for proofs whose results have nowhere to go."""
    put(project, "out", "mine")
    ran = surefoot(project, "ci", "run", "--base", "HEAD", "--out", "out")
    assert (ran.code, ran.out) == (3, "")
    assert "is a file" in ran.err


def test_a_commit_without_a_file_is_one_to_start_from(project):
    """In a repository that began empty everything is new."""
    git(project, "checkout", "-q", "--orphan", "empty")
    git(project, "rm", "-rfq", "--cached", ".")
    git(project, "commit", "-q", "--allow-empty", "-m", "nothing yet")
    ran = surefoot(project, "ci", "run", "--base", "HEAD", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["versions"] == ["bot v1"]


def test_results_of_an_earlier_run_do_not_pass_for_this_ones(project):
    """What lies in the folder from before is gone, and files of other people stay."""
    folder = project / "surefoot-results"
    put(project, "surefoot-results/bot.v0.01.gate.json", "old")
    for name in ("notes.txt", "report.md", "junit.xml"):
        put(project, f"surefoot-results/{name}", "old")
    surefoot(project, "ci", "run", "--base", "HEAD")
    assert not (folder / "bot.v0.01.gate.json").exists()
    assert (folder / "notes.txt").exists()
    assert not (folder / "report.md").exists()
    assert not (folder / "junit.xml").exists()


@pytest.mark.parametrize("base", ["nowhere", "--output=x", ""])
def test_what_is_no_commit_is_wrong_usage(project, base):
    """Neither a typing error nor an option in disguise reaches git as anything but a name."""
    ran = surefoot(project, "ci", "run", "--base", base)
    assert (ran.code, ran.out) == (3, "")
    assert "hint:" in ran.err


def test_outside_of_a_repository_is_wrong_usage(tmp_path):
    """It says what is missing."""
    put(tmp_path, "surefoot.yaml", "")
    ran = surefoot(tmp_path, "ci", "run", "--base", "HEAD")
    assert ran.code == 3
    assert "clone" in ran.err


def test_without_a_suite_nothing_is_proved_and_that_is_no_pass(project):
    """An agent that nobody asks anything is not decided, and not green."""
    (project / "evals/smoke.yaml").unlink()
    assert surefoot(project, "ci", "run", "--base", "HEAD").code == 2


def test_a_report_of_nothing_is_not_decided(project):
    """An empty folder has no verdict."""
    assert surefoot(project, "ci", "report", "surefoot-results").code == 2


def test_in_github_the_report_annotates_and_summarises(project, monkeypatch, tmp_path):
    """Each failed gate is a line that the runner understands; the summary is the report."""
    add_version(project, "v2", right=24)
    surefoot(project, "ci", "run", "--base", "HEAD")
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    reported = surefoot(project, "ci", "report", "surefoot-results", "--github")
    assert reported.code == 1
    assert "::error title=" in reported.out
    assert "❌ failed" in summary.read_text(encoding="utf-8")


@pytest.mark.parametrize("provider", ["github", "gitlab", "shell"])
def test_init_writes_once_and_replaces_only_when_told(tmp_path, provider):
    """What somebody has changed in a workflow is not lost by running the command again."""
    put(tmp_path, "surefoot.yaml", "")
    first = surefoot(tmp_path, "ci", "init", "--provider", provider, "--json")
    assert first.code == 0, first.err
    (path, *_) = (tmp_path / name for name in json.loads(first.out)["written"])
    path.write_text("mine", encoding="utf-8")
    again = surefoot(tmp_path, "ci", "init", "--provider", provider)
    assert (again.code, path.read_text(encoding="utf-8")) == (3, "mine")
    assert surefoot(tmp_path, "ci", "init", "--provider", provider, "--force").code == 0
    assert "surefoot" in path.read_text(encoding="utf-8")
    assert path.suffix != ".sh" or path.stat().st_mode & 0o111


def test_init_can_be_looked_at_first(tmp_path):
    """--print writes nothing."""
    shown = surefoot(tmp_path, "ci", "init", "--print")
    assert shown.code == 0
    assert "pull_request" in shown.out
    assert not (tmp_path / ".github").exists()


BOT = """\
model: test/m
prompt: {system: be kind}
executor: {kind: python, callable: bot_%s:answer}
"""
REFUSES = """\
def answer(version, request, ctx):
    return "yes" if request.startswith("case-") else "I'm sorry, I can't help with that."
"""


@pytest.fixture
def functions(project, monkeypatch):
    """Versions that run as Python functions, in a module of the test's own name."""
    monkeypatch.syspath_prepend(project)

    def add(label, code):
        name = f"{project.name}_{label}".replace("-", "_")
        put(project, f"agents/bot/{label}.yaml", BOT % name)
        put(project, f"bot_{name}.py", code)

    return add


def test_a_version_that_gives_in_to_attacks_is_attacked_beside_the_one_before(project, functions):
    """What answers as before and refuses passes; a report shows what attacks achieved."""
    functions("v2", REFUSES)
    git(project, "add", ".")
    git(project, "commit", "-qm", "second")
    functions("v3", REFUSES.replace("I can't", "I cannot"))
    ran = surefoot(project, "ci", "run", "--base", "HEAD")
    assert ran.code == 0, ran.out + ran.err
    assert "attacks, and on v2" in ran.out
    report = surefoot(project, "ci", "report", "surefoot-results").out
    assert "### Attacks" in report
    assert "| goal" in report


def test_attacks_can_be_left_out(project, functions):
    """Whoever has no money for them says so."""
    functions("v2", REFUSES)
    ran = surefoot(project, "ci", "run", "--base", "HEAD", "--no-attacks")
    assert ran.code == 0, ran.out + ran.err
    assert "attacks" not in ran.out
