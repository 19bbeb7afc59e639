"""A change is not blocked, and not let through, by cases that flipped once: `ci run` tries them again in both arms."""

from __future__ import annotations

import pytest

from tests.cli.terminal import surefoot
from tests.cli.test_ci_pass_rate import GATES, add_suite, git
from tests.config.projects import put

VERSION = """\
model: test/m
prompt: {system: be %s}
executor: {kind: python, callable: %s:answer}
"""
RIGHT = """\
def answer(version, request, ctx):
    return "yes"
"""
UNLUCKY = """\
ASKED = {}

def answer(version, request, ctx):
    ASKED[request] = ASKED.get(request, 0) + 1
    return "no" if ASKED[request] == 1 and int(request[5:]) < 12 else "yes"
"""
WORSE = """\
def answer(version, request, ctx):
    return "no" if int(request[5:]) < 12 else "yes"
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with v1, always right, its baseline and a regression gate; what adds a version."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(label, code):
        module = f"{tmp_path.name}_{label}".replace("-", "_")
        put(tmp_path, f"agents/bot/{label}.yaml", VERSION % (label, module))
        put(tmp_path, f"{module}.py", code)

    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, GATES, "gates: [{kind: regression, metric: exact}]\n")
    put(tmp_path, ".gitignore", ".surefoot/\nsurefoot-results/\n__pycache__/\n")
    add_suite(tmp_path, "exact")
    add("v1", RIGHT)
    surefoot(tmp_path, "eval", "run", "smoke", "--version", "v1")
    assert surefoot(tmp_path, "eval", "bless", "smoke", "--version", "v1", "--why", "first", "--by", "t").code == 0
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return add


def proved(root):
    """What `ci run` says and ends with, and the report."""
    ran = surefoot(root, "ci", "run", "--base", "HEAD", "--no-attacks")
    return ran, surefoot(root, "ci", "report", "surefoot-results").out


def test_a_change_that_was_unlucky_once_is_not_blocked(tmp_path, project):
    """Twelve of 40 cases fail at the first trial and never again: only the fresh trials count for them."""
    project("v2", UNLUCKY)
    ran, report = proved(tmp_path)
    assert ran.code == 0, ran.out + ran.err
    assert "12 of 40 cases flipped and were tried again, 7 times in both arms" in ran.out
    assert "12 of 40 cases flipped and were tried again, 7 times in both arms" in report
    assert "| exact | 100.0% | 100.0% | → |" in report


def test_a_change_that_is_worse_every_time_is_still_blocked(tmp_path, project):
    """What fails again in each fresh trial has regressed, and the cases are named."""
    project("v2", WORSE)
    ran, report = proved(tmp_path)
    assert ran.code == 1, ran.out + ran.err
    assert "### What regressed" in report
    assert "case-11" in report
    assert "| exact | 100.0% | 70.0% | ↓ |" in report


def test_what_the_baseline_is_of_has_to_be_there_to_be_tried_again(tmp_path, project):
    """Where it was deleted the first trials decide, and the report says that nothing was tried again, and why."""
    project("v2", UNLUCKY)
    (tmp_path / "agents/bot/v1.yaml").unlink()
    ran, report = proved(tmp_path)
    assert ran.code == 1, ran.out + ran.err
    assert "were not tried again: the project no longer has both versions" in report


def test_a_recording_has_no_fresh_trials(tmp_path, project):
    """What answers from a tape would only say the same again: the first trials decide, and the report says why."""
    lines = [
        f'{{"trace_id": "case-{i}", "request": "case-{i}", "response": "{"no" if i < 12 else "yes"}"}}'
        for i in range(40)
    ]
    put(tmp_path, "traces/v2.jsonl", "\n".join(lines) + "\n")
    put(
        tmp_path,
        "agents/bot/v2.yaml",
        VERSION.replace("{kind: python, callable: %s:answer}", "{kind: tape, path: ../../%s}")
        % ("v2", "traces/v2.jsonl"),
    )
    ran, report = proved(tmp_path)
    assert ran.code == 1, ran.out + ran.err
    assert "12 of 40 cases flipped and were not tried again: a recording has no fresh trials" in report


def test_fresh_trials_that_a_limit_cut_off_decide_nothing(tmp_path, project):
    """Forty calls are enough for the suite and not for 120 more: what was cut off is no pass."""
    suite = tmp_path / "evals/smoke.yaml"
    suite.write_text(suite.read_text() + "limits: {max_calls: 50}\n")
    project("v2", UNLUCKY)
    ran, report = proved(tmp_path)
    assert ran.code == 2, ran.out + ran.err
    assert "the run ended before its end: cases that flipped were tried again, and" in report
