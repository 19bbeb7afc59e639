"""`surefoot models`: roles, their models, and one command that updates every agent."""

from __future__ import annotations

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import VERSION, contents, make_project

NEW = "openai/gpt-4.1-2025-04-14"


@pytest.fixture
def project(tmp_path):
    """One agent whose only version uses two roles."""
    return make_project(tmp_path, v1=VERSION)


def test_list_shows_who_uses_a_role(project):
    """One row a role, with its model, how firm its name is, and the newest versions that use it."""
    rows = surefoot(project, "models", "list", "--json").json
    assert rows[1] == {
        "role": "planning",
        "model": "openai/gpt-4o-2024-08-06",
        "pinning": "pinned",
        "used_by": ["support v1"],
    }
    assert "support v1" in surefoot(project, "models", "list").out


def test_update_writes_candidates(project):
    """After one command the role has the model and the agent a candidate; the old version is pinned."""
    ended = surefoot(project, "models", "update", "planning", NEW)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"set planning: openai/gpt-4o-2024-08-06 -> {NEW}",
        "pinned    agents/support/v1.yaml (its digest stays)",
        f"candidate agents/support/v2.yaml from v1: model: openai/gpt-4o-2024-08-06 -> {NEW}",
    ]
    assert (project / "agents/support/v2.yaml").is_file()


def test_a_candidate_is_built_on_what_users_have(project):
    """A newer version that was taken back is not brought again under another digest, unless somebody asks for it."""
    (project / "agents/support/v2.yaml").write_text(VERSION.replace("You are the", "You are the worst"))
    assert surefoot(project, "rollout", "start", "support", "v2", "--stable", "v1", "--by", "ann").code == 0
    assert surefoot(project, "rollout", "abort", "support", "--by", "ann", "--why", "worse").code == 0
    tried = ("models", "update", "planning", NEW, "--dry-run", "--json")
    assert [made["old"] for made in surefoot(project, *tried).json["candidates"]] == ["v1"]
    assert [made["old"] for made in surefoot(project, *tried, "--from", "v2").json["candidates"]] == ["v2"]
    assert "v9" in surefoot(project, *tried, "--from", "v9").err


def test_update_can_be_tried(project):
    """A dry run says all that would be written and writes nothing."""
    before = contents(project)
    planned = surefoot(project, "models", "update", "planning", NEW, "--dry-run", "--json").json
    assert planned["written"] is False
    assert [candidate["path"] for candidate in planned["candidates"]] == ["agents/support/v2.yaml"]
    assert planned["pinned"] == ["agents/support/v1.yaml"]
    assert "would set" in surefoot(project, "models", "update", "planning", NEW, "--dry-run").out
    assert contents(project) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["planing", NEW], "did you mean 'planning'?"),
        (["planning", "openai/gpt-4o-latest"], "alias that can move"),
        (["planning", "openai/gpt-4o"], "--allow-undated"),
        (["planning", "gpt-4o"], "names no model"),
        (["planning", NEW, "--agent", "nobody"], "unknown agent 'nobody'"),
    ],
)
def test_update_refuses_what_is_not_pinned_or_not_known(words, message, project):
    """A misspelt role, an alias, half a model and an unknown agent are code 2, and nothing is written."""
    before = contents(project)
    ended = surefoot(project, "models", "update", *words)
    assert ended.code == 2
    assert message in ended.err
    assert contents(project) == before


def test_an_empty_registry_says_how_to_begin(tmp_path):
    """Without roles the list says how the first one is made, and that works."""
    assert "--new" in surefoot(tmp_path, "models", "list").out
    ended = surefoot(tmp_path, "models", "update", "judging", NEW, "--new")
    assert ended.code == 0
    assert "no agent needs a candidate" in ended.out
    assert surefoot(tmp_path, "models", "list", "--json").json[0]["role"] == "judging"
