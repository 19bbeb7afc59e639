"""Why an agent gave no answers is told wherever the missing scores are: in the log, the report, and JUnit."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from tests.cli.terminal import surefoot
from tests.cli.test_ci import git
from tests.config.projects import put

RAISES = "def answer(version, request, ctx):\n    raise RuntimeError('boom')\n"


@pytest.fixture
def project(tmp_path):
    """A repository with a version that raises whatever it is asked."""
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "raising_bot.py", RAISES)
    executor = "executor: {kind: python, callable: 'raising_bot:answer'}"
    put(tmp_path, "agents/bot/v1.yaml", f"model: test/m\nprompt: x\n{executor}\n")
    cases = "".join(f"- {{id: c{number}, request: hi, expected: hi}}\n" for number in range(3))
    put(tmp_path, "evals/smoke.yaml", f"cases:\n{cases}evaluators: [{{kind: exact}}, {{kind: contains}}]\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_what_an_agent_raised_is_in_the_report_and_in_junit(project):
    """Once for its scores with its count, in the reasons of gates, and in each case of JUnit."""
    assert surefoot(project, "ci", "run", "--base", "HEAD").code == 2
    reported = surefoot(project, "ci", "report", "surefoot-results")
    assert reported.code == 2
    assert reported.out.count("- 3 without a score: RuntimeError: boom") == 1
    assert "RuntimeError: boom (3)" in reported.out.replace("\\", "").split("| metric |")[0]
    suites = ET.parse(project / "surefoot-results" / "junit.xml").getroot()  # noqa: S314  # our own output
    errors = [error.get("message") for error in suites.iter("error")]
    assert sum("boom" in message for message in errors) >= 6


def test_what_an_agent_raised_under_attack_is_told(project):
    """An agent that crashed is told from one whose answers nobody judged: with the reason and its count."""
    ended = surefoot(project, "redteam", "run", "--version", "v1", "--categories", "goal_hijack")
    assert ended.code == 2, ended.err
    assert "RuntimeError: boom" in ended.out
    told = surefoot(project, "redteam", "run", "--version", "v1", "--categories", "goal_hijack", "--json")
    (error,) = json.loads(told.out)["errors"]
    assert "RuntimeError: boom" in error["reason"]
    assert error["times"] > 1
