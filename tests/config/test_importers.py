"""Agents that other systems define become versions, and nothing is lost without a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

import pytest

from surefoot.config.agents import VersionFile, parse_version
from surefoot.config.importers import Format, Treatment, import_agent, recognise
from surefoot.config.version_text import version_text
from surefoot.config.yaml import read_yaml
from surefoot.core.artifact.change import Part
from surefoot.core.artifact.decode import encode
from surefoot.core.artifact.diff import RiskClass, diff, risk
from surefoot.core.artifact.models import parse_model
from surefoot.core.artifact.version import Effect, normal_text
from surefoot.errors import ArtifactError
from tests.config.projects import put

MODEL = parse_model("openai/gpt-4.1-2025-04-14")
EVERY = ["docker-agent/*.yaml", "version_history/*/*.yaml", "letta_af/*.af", "tau/*.md"]


def imported(path, agent="imported", label="v1"):
    """The file as a version; the model is used only where the file names none."""
    return import_agent(path, agent=agent, label=label, model=MODEL)


def every_file(shared_data):
    """All real definitions."""
    folder = shared_data / "agent_configs"
    return [path for pattern in EVERY for path in sorted(folder.glob(pattern))]


@pytest.mark.real_data
def test_every_real_definition_imports_and_can_be_written(shared_data, tmp_path):
    """All of them become versions, and the version file written from each says exactly the same."""
    paths = every_file(shared_data)
    assert len(paths) == 125
    for path in paths:
        version = imported(path).version
        file = VersionFile(agent=version.agent, label="v1", path=tmp_path / "agents/imported/v1.yaml")
        assert parse_version(tmp_path, file, version_text(version)) == version, path
        assert imported(path).version.digest == version.digest, path


def leaves(value, path=""):
    """Every text and number of a document with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from leaves(inner, path)
    elif value not in (None, "", False):
        yield path, value


def is_in(value, text):
    """Whether a canonical text holds the value."""
    spelled = json.dumps(normal_text(value) if isinstance(value, str) else value, ensure_ascii=False).strip('"')
    return spelled in text or f"{value:g}" in text if isinstance(value, float) else spelled in text


@pytest.mark.real_data
def test_no_value_of_a_real_definition_disappears(shared_data):
    """Every text and number of a file is in the version, or a note says that it was dropped and why."""
    for path in sorted((shared_data / "agent_configs").glob("docker-agent/*.yaml")):
        found = imported(path)
        text = encode(found.version)
        dropped = tuple(note.path for note in found.notes if note.treatment is Treatment.DROPPED)
        for where, value in leaves(read_yaml(path).json()):
            is_name = where.endswith(".model") and where.startswith("agents.")  # stands for the model it names
            assert is_name or where.startswith(dropped) or is_in(value, text) or value is True, f"{path.name}: {where}"
        assert all(note.why for note in found.notes)


@pytest.mark.real_data
@pytest.mark.parametrize(("agent", "revisions", "changed"), [("gopher", 64, 54), ("writer", 15, 4)])
def test_the_history_of_an_agent_is_told_by_its_diffs(agent, revisions, changed, shared_data):
    """Each real revision differs from the one before exactly when its digest does, and the diff names the parts."""
    folder = shared_data / "agent_configs" / "version_history" / agent
    versions = [imported(path, agent, path.stem).version for path in sorted(folder.glob("*.yaml"))]
    assert len(versions) == revisions
    diffs = [diff(old, new) for old, new in pairwise(versions)]
    for (old, new), found in zip(pairwise(versions), diffs, strict=True):
        assert (found.changes == ()) == (old.digest == new.digest)
        expected = {
            name
            for name in ("model", "prompt", "tools", "sub_agents", "policies")
            if parts(old, name) != parts(new, name)
        }
        seen = {"model" if part is Part.PARAMETERS else part.value for part in found.parts} - {Part.EXECUTOR.value}
        assert seen == expected, new.label
    assert sum(bool(found.changes) for found in diffs) == changed


def parts(version, name):
    """One part of a version, compared by Python."""
    return getattr(version, name)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("agent", "label", "part", "expected"),
    [
        ("gopher", "009", Part.TOOLS, RiskClass.LOW),
        ("gopher", "013", Part.PROMPT, RiskClass.MEDIUM),
        ("gopher", "034", Part.MODEL, RiskClass.MEDIUM),
        ("gopher", "053", Part.EXECUTOR, RiskClass.HIGH),
        ("gopher", "061", Part.SUB_AGENTS, RiskClass.HIGH),
        ("gopher", "063", Part.TOOLS, RiskClass.HIGH),
        ("writer", "002", Part.PROMPT, RiskClass.MEDIUM),
    ],
)
def test_known_revisions_are_judged_as_a_person_would(agent, label, part, expected, shared_data):
    """A removed tool, a prompt edit, a model bump, new permissions, a new external tool, another tool server."""
    folder = shared_data / "agent_configs" / "version_history" / agent
    old, new = (imported(folder / f"{number:03}.yaml", agent).version for number in (int(label) - 1, int(label)))
    found = diff(old, new)
    assert part in found.parts
    assert risk(found) is expected


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("agent", "label"), [("gopher", "010"), ("gopher", "023"), ("writer", "007"), ("writer", "013")]
)
def test_revisions_that_change_only_the_spelling_are_the_same_version(agent, label, shared_data):
    """A comment, `todo: true` written as a toolset, `type` renamed to `provider`, a model renamed: the same agent."""
    folder = shared_data / "agent_configs" / "version_history" / agent
    old, new = (imported(folder / f"{number:03}.yaml", agent).version for number in (int(label) - 1, int(label)))
    assert old.digest == new.digest
    assert (folder / f"{label}.yaml").read_bytes() != (folder / f"{int(label) - 1:03}.yaml").read_bytes()


@pytest.mark.real_data
def test_a_letta_agent_brings_its_tools_and_leaves_its_conversation(shared_data):
    """Tools come with schema and source code, memory as a setting; messages and secrets stay behind, and are named."""
    found = imported(shared_data / "agent_configs/letta_af/customer_service.af")
    tool = found.version.tool("cancel_order")
    assert tool is not None
    assert tool.effect is Effect.WRITE
    assert "order_number" in tool.arguments
    assert "def cancel_order" in tool.source
    assert found.version.tool("conversation_search").effect is Effect.READ
    assert found.version.executor.setting("memory_blocks")[1]["label"] == "persona"
    dropped = {note.path for note in found.notes if note.treatment is Treatment.DROPPED}
    assert {"messages", "tool_exec_environment_variables", "tools.cancel_order.id"} <= dropped


DOCKER = """\
version: "2"
models:
  big: {provider: anthropic, model: claude-latest, temperature: 0.5}
  spare: {provider: openai, model: gpt-4o}
  unused: {provider: openai, model: gpt-5}
agents:
  first:
    model: big, openai/gpt-4o
    instruction: Help.
    max_iterations: 9
    think: true
    todo: false
    fallback: {models: [spare]}
    toolsets:
      - {type: mcp, command: npx, args: [a]}
      - {type: mcp, command: npx, args: [b]}
      - {type: shell, instruction: Be careful.}
"""


def test_docker_agents_keep_what_surefoot_does_not_read(tmp_path):
    """Aliases are accepted and noted, unknown keys are settings, models that somebody names stay, others are named."""
    found = imported(put(tmp_path, "a.yaml", DOCKER))
    version, notes = found.version, {note.path: note.treatment for note in found.notes}
    assert version.model.may_move
    assert version.policies.max_steps == 9
    assert version.executor.setting("alternates_with") == ["openai/gpt-4o"]
    assert version.executor.setting("models") == {"spare": {"model": "gpt-4o", "provider": "openai"}}
    assert [tool.name for tool in version.tools] == ["mcp:npx", "mcp:npx.2", "shell", "think"]
    assert version.tool("shell").description == "Be careful."
    assert notes["models.unused"] is notes["version"] is notes["agents.first.todo"] is Treatment.DROPPED
    assert notes["models.big"] is notes["agents.first.toolsets[0].effect"] is Treatment.ASSUMED
    assert notes["agents.first.fallback"] is Treatment.KEPT


LETTA = {
    "agents": [
        {"system": "x", "tool_ids": [], "block_ids": [], "llm_config": {"model_endpoint_type": "a", "model": "b"}}
    ],
    "tools": [],
    "blocks": [],
}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "agents: {}\n", "a.yaml:1:9: agents: no agent in the file"),
        ("a.yaml", "agents: {root: {model: mine}}\n", "a.yaml:1:24: agents.root.model: 'mine' names no model"),
        ("a.yaml", "agents: {root: {}}\n", "a.yaml:1:16: agents.root: the key 'model' is missing"),
        ("a.yaml", "agents: [\n", "a.yaml:2:1: this is no YAML"),
        ("a.af", "{", "a.af:1:2: this is no JSON"),
        ("a.af", "[]", "a.af: no agent file"),
        ("a.af", '"{}"', "a.af: no list 'agents'"),
        ("a.af", json.dumps(LETTA | {"agents": LETTA["agents"] * 2}), "a.af: 2 agents in the file"),
        (
            "a.af",
            json.dumps(LETTA | {"agents": [LETTA["agents"][0] | {"tool_ids": ["t"]}]}),
            "a.af: no entry 't' in tools",
        ),
        ("a.af", json.dumps(LETTA | {"tools": [1]}), "a.af: tools holds something that is no object"),
        ("a.af", json.dumps(LETTA | {"agents": [LETTA["agents"][0] | {"system": None}]}), "a.af: system is no text"),
        ("a.af", '{"agents": [], "agents": []}', "the key 'agents' is written twice"),
        ("a.md", " \n", "a.md: empty"),
        ("a.md", b"\xff", "a.md: not UTF-8"),
        ("a.toml", "", "a.toml: no format has files like this"),
    ],
)
def test_a_file_that_is_no_definition_is_refused(name, text, message, tmp_path):
    """What cannot be imported is an error that names the file, its line where there is one, and what to do."""
    with pytest.raises(ArtifactError) as caught:
        imported(put(tmp_path, name, text))
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_a_policy_needs_a_model(tmp_path):
    """A policy in Markdown names no model, so somebody has to."""
    path = put(tmp_path, "retail.md", "# Policy\n\nBe kind.\n")
    with pytest.raises(ArtifactError, match="names no model"):
        import_agent(path, agent="retail", label="v1")
    assert imported(path).version.prompt.text == "# Policy\n\nBe kind."
    assert recognise(path) is Format.POLICY
