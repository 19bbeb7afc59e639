"""A share of passes that nobody wrote blocks no agent that did not change; one that somebody wrote does."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import put

VERSION = """\
model: test/m
prompt: {system: be %s}
executor: {kind: tape, path: ../../traces/%s.jsonl}
"""
TRACE = '{"trace_id": "%s", "request": "%s", "response": "%s", "latency_ms": 5}\n'
CASES = [f"case-{number}" for number in range(40)]
GATES = "gates/quality_gates.yaml"


def git(root, *words):
    """A command of git's in that folder, by an author of the test's own."""
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True)


def add_version(root, label, *, right):
    """A version that answers that many of the cases as it should, from its tape."""
    put(root, f"agents/bot/{label}.yaml", VERSION % (label, label))
    lines = [TRACE % (case, case, "yes" if i < right else "no") for i, case in enumerate(CASES)]
    put(root, f"traces/{label}.jsonl", "".join(lines))


def add_suite(root, evaluators):
    cases = "".join(f"- {{id: {case}, request: {case}, expected: 'yes'}}\n" for case in CASES)
    put(root, "evals/smoke.yaml", f"cases:\n{cases}evaluators: [{evaluators}]\n")


def bless(root):
    surefoot(root, "eval", "run", "smoke", "--version", "v1")
    assert surefoot(root, "eval", "bless", "smoke", "--version", "v1", "--why", "first", "--by", "t").code == 0


def proved(root, *, right):
    """The exit code of a change to a version with that many right answers, and its report."""
    add_version(root, "v2", right=right)
    ran = surefoot(root, "ci", "run", "--base", "HEAD", "--no-attacks")
    reported = surefoot(root, "ci", "report", "surefoot-results")
    assert reported.code == ran.code, ran.out + ran.err
    return ran.code, reported.out


@pytest.fixture
def project(tmp_path):
    """A repository whose first commit holds v1 (26 of 40 right), a suite without a pass_rate and a regression gate."""
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, GATES, "gates: [{kind: regression, metric: exact}]\n")
    put(tmp_path, ".gitignore", ".surefoot/\nsurefoot-results/\n")
    add_suite(tmp_path, "exact, contains")
    add_version(tmp_path, "v1", right=26)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


@pytest.mark.parametrize("has_gates", [True, False])
@pytest.mark.parametrize(("right", "code"), [(26, 0), (12, 1)])
def test_only_a_worse_agent_is_blocked_where_gates_or_a_baseline_decide(project, has_gates, right, code):
    """26 of 40 before and after passes, under a file of gates as without one; 12 of 40 does not."""
    bless(project)
    if not has_gates:
        (project / GATES).unlink()
    ended, report = proved(project, right=right)
    assert ended == code, report
    assert ("### What regressed" in report) is (code == 1)
    absolute = report.split("### What misses its threshold")[1].split("###")[0]
    assert "**smoke: exact** (bot v2, smoke, told only)" in absolute
    assert "no pass\\_rate is written" in absolute
    assert "| smoke: exact | ❌ failed, told only |" in report


def test_a_written_pass_rate_blocks_beside_gates_and_is_no_regression(project):
    """Who writes a share down is held to it; that it is missed as before is no regression."""
    add_suite(project, "{kind: exact, pass_rate: 0.9}, contains")
    bless(project)
    code, report = proved(project, right=26)
    assert code == 1, report
    assert "### What regressed" not in report
    assert "**smoke: exact** (bot v2, smoke)" in report.split("### What misses its threshold")[1].split("###")[0]


@pytest.mark.parametrize("gates", ["", "gates: [{kind: regression, metric: exact, blocking: false}]\n"])
def test_where_nothing_else_decides_every_case_has_to_pass(project, gates):
    """Without a baseline, and beside gates of which none blocks, the default share is what is left to block."""
    if gates:
        put(project, GATES, gates)
    else:
        (project / GATES).unlink()
    code, report = proved(project, right=26)
    assert code == 1, report
    assert "no pass\\_rate is written" not in report


def test_a_metric_of_which_nothing_is_known_still_holds(project):
    """What every run skipped was not shown by anybody, whatever gates say of other metrics."""
    add_suite(project, "exact, tool_call_accuracy")
    put(project, GATES, "gates: [{metric: exact, operator: '>=', threshold: 0.3}]\n")
    code, report = proved(project, right=26)
    assert code == 2, report
    assert "smoke: tool\\_call\\_accuracy" in report.split("### What could not be decided")[1].split("###")[0]


@pytest.mark.parametrize("has_gates", [True, False])
def test_a_suite_is_not_held_to_what_only_another_one_measures(project, has_gates):
    """Two suites with a metric each, nothing changed: neither is undecided because the other's metric is missing."""
    put(
        project, GATES, "gates: [{kind: regression, metric: exact}, {metric: length, operator: '>=', threshold: 0.1}]\n"
    )
    put(
        project,
        "evals/short.yaml",
        (project / "evals/smoke.yaml").read_text().replace("exact, contains", "{kind: length, most: 9}"),
    )
    add_suite(project, "exact")
    for suite in ("smoke", "short"):
        surefoot(project, "eval", "run", suite, "--version", "v1")
        assert surefoot(project, "eval", "bless", suite, "--version", "v1", "--why", "first", "--by", "t").code == 0
    if not has_gates:
        (project / GATES).unlink()
    code, report = proved(project, right=26)
    assert code == 0, report
    assert "not measured" not in report
