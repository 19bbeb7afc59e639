"""Folders and files that nobody lets us read are an error with a hint, and no traceback."""

from __future__ import annotations

import pytest

from tests.cli.projects_with_rollouts import bot_project
from tests.cli.terminal import surefoot
from tests.config.permissions import locked
from tests.config.projects import contents, put

START = ["rollout", "start", "bot", "v2"]
CASES = {
    "an agent's folder": ("agents/bot", ["agents", "list"]),
    "an agent's folder, lint": ("agents/bot", ["agents", "lint", "bot", "v1"]),
    "the agents": ("agents", ["agents", "list"]),
    "the agents, at a start": ("agents", START),
    "the plans": ("rollouts", START),
    "the plans, lint": ("rollouts", ["agents", "lint"]),
    "a version": ("agents/bot/v1.yaml", ["models", "update", "planning", "openai/gpt-4.1-2025-04-14"]),
    "a plan": ("rollouts/bot.yaml", START),
    "the settings": ("surefoot.yaml", START),
    "a file to import": ("x.yaml", ["agents", "import", "x.yaml", "--agent", "x"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_read_is_named(case, tmp_path, monkeypatch):
    """Exit code 2, the file or folder by name, a hint; and nothing was changed."""
    place, words = CASES[case]
    root = bot_project(tmp_path, stable="v1")
    put(root, "models.yaml", "roles: {planning: openai/gpt-4o-2024-08-06}\n")
    put(root, "agents/bot/v0.yaml", "model: {role: planning}\nprompt: x\n")
    put(root, "x.yaml", "agents: {root: {model: openai/gpt-4o-2024-08-06}}\n")
    monkeypatch.chdir(root)
    before = contents(root)
    with locked(root / place):
        ended = surefoot(root, *words)
    assert (ended.code, place.split("/")[-1] in ended.err, "Permission denied" in ended.err) == (2, True, True), ended
    assert "hint: " in ended.err
    assert before.items() <= contents(root).items()


def test_a_switch_does_not_need_the_projects_files(tmp_path):
    """At two in the morning what is in the store is enough."""
    root = bot_project(tmp_path, stable="v1")
    assert surefoot(root, *START).code == 0
    with locked(root / "agents"):
        for words in (["--agent", "bot"], ["--agent", "bot", "--version", "v2"], ["--everything"]):
            ended = surefoot(root, "kill", *words, "--reason", "leaks")
            assert ended.code == 0, ended.err
