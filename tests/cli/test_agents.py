"""`surefoot agents`: what an engineer sees of versions, and what a script gets."""

from __future__ import annotations

import json

import pytest

from surefoot.config.agents import load_version
from tests.cli.terminal import surefoot
from tests.config.projects import VERSION, contents, make_project, put

LOOSE = VERSION.replace("max_steps: 12", "max_steps: 20").replace("Translates.", "Translates all.")


@pytest.fixture
def project(tmp_path):
    """Two versions of one agent."""
    return make_project(tmp_path / "project", **{"v1.9": VERSION, "v1.10": LOOSE})


def test_list_shows_every_version(project):
    """One row a version, oldest first, with model, tools and digest; JSON has the whole digest."""
    rows = surefoot(project, "agents", "list", "--json").json
    assert [row["label"] for row in rows] == ["v1.9", "v1.10"]
    assert rows[0]["digest"] == load_version(project, "support", "v1.9").digest
    table = surefoot(project, "agents", "list", "support").out
    assert table.index("v1.9 ") < table.index("v1.10")
    assert rows[0]["digest"][:19] in table
    assert "no versions yet" in surefoot(project.parent, "agents", "list").out


def test_a_list_in_the_wrong_folder_says_where_it_looked(project):
    """Inside agents/ there are none: where it looked is named, and the folder above that has some."""
    said = surefoot(project / "agents", "agents", "list").out
    assert f"looked in {project.resolve() / 'agents' / 'agents'}, found none" in said
    assert f"--project {project.resolve()}" in said


def test_list_shows_the_readable_ones_beside_a_broken_one(project):
    """A file that cannot be read does not hide the others, and is still an error."""
    put(project, "agents/support/v2.yaml", "model: [\n")
    ended = surefoot(project, "agents", "list")
    assert ended.code == 2
    assert "v1.10" in ended.out
    assert "cannot be read" in ended.out
    assert "error[artifact]: agents/support/v2.yaml:2:1" in ended.err


def test_show_is_the_version_on_a_page(project):
    """Without a label it is the newest; JSON is the hashed content."""
    ended = surefoot(project, "agents", "show", "support")
    assert ended.code == 0
    for word in (
        "v1.10",
        "openai/gpt-4o-2024-08-06 (role planning)",
        "20 steps; 0.05 USD",
        "refund (write)",
        "Be kind.",
    ):
        assert word in ended.out
    shown = surefoot(project, "agents", "show", "support", "v1.9", "--json").json
    assert shown["tools"][0]["effect"] == "read"
    assert shown["digest"] == load_version(project, "support", "v1.9").digest


def test_a_prompt_cannot_write_on_the_screen(project):
    """Control characters of a version are spelled out, in text and in JSON, and JSON still holds them."""
    put(project, "agents/support/v2.yaml", VERSION.replace("{file: prompts/support.md}", '"\\e[2J\\x9b2J\\u202ehi"'))
    shown = surefoot(project, "agents", "show", "support", "v2").out
    assert "\\u001b[2J\\u009b2J\\u202ehi" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(surefoot(project, "agents", "diff", "support", "v1.9", "v2").out)
    as_json = surefoot(project, "agents", "show", "support", "v2", "--json")
    assert not {"\x1b", "\x9b", "\u202e"} & set(as_json.out)
    assert as_json.json["prompt"]["instructions"] == "\x1b[2J\x9b2J\u202ehi"


def test_digest_prints_the_digest_and_nothing_else(project):
    """A script can take the output as it is."""
    expected = load_version(project, "support", "v1.9").digest
    assert surefoot(project, "agents", "digest", "support", "v1.9").out == f"{expected}\n"
    assert surefoot(project, "agents", "digest", "support", "v1.9", "--json").json["digest"] == expected


def test_diff_names_parts_and_risk(project):
    """Each change is a line with its risk, a changed text is a unified diff, and the worst risk is on top."""
    put(project, "agents/support/v2.yaml", LOOSE.replace("{file: prompts/support.md}", "Be quick."))
    ended = surefoot(project, "agents", "diff", "support", "v1.9", "v2")
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "risk: high"
    assert "[high] policies: max_steps loosened, 12 -> 20" in ended.out
    assert "    -Be kind." in ended.out
    assert "    +Be quick." in ended.out
    assert "same" in surefoot(project, "agents", "diff", "support", "v1.9", "v1.9").out


def test_diff_in_json_is_typed(project):
    """Every change has its kind, part, risk, sentence and its own fields."""
    found = surefoot(project, "agents", "diff", "support", "v1.9", "v1.10", "--json").json
    assert found["risk"] == "high"
    assert [(change["kind"], change["part"], change["risk"]) for change in found["changes"]] == [
        ("policy_loosened", "policies", "high"),
        ("prompt_changed", "sub_agents", "medium"),
    ]
    assert found["changes"][0]["new"] == "20"
    assert surefoot(project, "agents", "diff", "support", "v1.9", "v1.9", "--json").json["risk"] is None


@pytest.mark.parametrize(("limit", "old", "code"), [("high", "v1.9", 1), ("low", "v1.9", 1), ("high", "v1.10", 0)])
def test_diff_can_stop_a_pipeline(limit, old, code, project):
    """With --fail-on, a change at that risk or above ends with 1, and no change with 0."""
    assert surefoot(project, "agents", "diff", "support", old, "v1.10", "--fail-on", limit).code == code


def test_diff_knows_its_risks(project):
    """A misspelt risk is a mistake, not a limit that nothing reaches."""
    ended = surefoot(project, "agents", "diff", "support", "v1.9", "v1.10", "--fail-on", "hihg")
    assert ended.code == 2
    assert "did you mean 'high'?" in ended.err


def test_lint_ends_with_1_when_something_is_wrong(project):
    """Warnings are told and pass; errors, and warnings under --strict, do not."""
    warned = surefoot(project, "agents", "lint")
    assert warned.code == 0
    assert "agents/support/v1.9.yaml:2:8: model: warning[role-floats]" in warned.out
    assert surefoot(project, "agents", "lint", "support", "v1.9", "--strict").code == 1
    put(project, "agents/support/v2.yaml", "model: [\n")
    failed = surefoot(project, "agents", "lint", "support", "v2", "--json")
    assert failed.code == 1
    assert failed.json[0]["severity"] == "error"
    assert surefoot(project, "agents", "lint", "support", "v3").code == 2


DOCKER = """\
agents:
  root: {model: openai/gpt-4o, instruction: Help., commands: {hi: Hello}}
metadata: {author: me}
"""


def test_import_writes_a_version_and_says_what_became_of_the_rest(project, tmp_path):
    """The written file is the imported version; what was kept or dropped is listed."""
    source = put(tmp_path, "gopher.yaml", DOCKER)
    dry = surefoot(project, "agents", "import", str(source), "--agent", "gopher", "--dry-run")
    assert "prompt:\n  instructions: Help.\n" in dry.out
    assert not (project / "agents/gopher").exists()
    ended = surefoot(project, "agents", "import", str(source), "--agent", "gopher", "--json")
    assert ended.json["path"] == "agents/gopher/v1.yaml"
    assert load_version(project, "gopher", "v1").digest == ended.json["digest"]
    notes = {note["path"]: note["treatment"] for note in ended.json["notes"]}
    assert notes == {"agents.root.commands": "kept", "metadata": "dropped"}


def test_import_never_overwrites(project, tmp_path):
    """A label that is taken, in either spelling of the ending, is refused and nothing is changed."""
    source = put(tmp_path, "gopher.yaml", DOCKER)
    put(project, "agents/gopher/v1.yml", "model: a/b\nprompt: x\n")
    before = contents(project)
    ended = surefoot(project, "agents", "import", str(source), "--agent", "gopher")
    assert ended.code == 2
    assert "error[already_exists]: gopher has a version v1" in ended.err
    assert contents(project) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["policy.md", "--agent", "a"], "names no model"),
        (["policy.md", "--agent", "../a", "--model", "a/b"], "cannot name an agent"),
        (["policy.md", "--agent", "a", "--format", "dokcer"], "unknown format 'dokcer'"),
        (["none.yaml", "--agent", "a"], "no such file"),
    ],
)
def test_import_refuses_what_it_cannot_bring(words, message, project, tmp_path):
    """A bad name, a bad format, a missing file or model is code 2 and leaves the project as it was."""
    put(tmp_path, "policy.md", "Be kind.")
    before = contents(project)
    ended = surefoot(project, "agents", "import", str(tmp_path / words[0]), *words[1:])
    assert ended.code == 2
    assert message in ended.err
    assert contents(project) == before


@pytest.mark.real_data
def test_the_newest_gopher_imports_from_the_command_line(project, shared_data):
    """A real agent with sub-agents and tool servers becomes a version that lint can read."""
    source = shared_data / "agent_configs" / "docker-agent" / "gopher.yaml"
    ended = surefoot(project, "agents", "import", str(source), "--agent", "gopher", "--label", "2026.1")
    assert ended.code == 0
    shown = surefoot(project, "agents", "show", "gopher", "--json").json
    assert [agent["name"] for agent in shown["sub_agents"]] == ["librarian", "planner", "reviewer"]
    assert json.loads(surefoot(project, "agents", "lint", "gopher", "--json").out)
