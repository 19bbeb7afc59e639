"""`traces:` in surefoot.yaml: what is recorded is what somebody wrote down, and a mistake there names its line."""

from __future__ import annotations

import pytest

from surefoot.config.recording import Recording
from surefoot.config.settings import load_settings
from surefoot.errors import SettingsError
from tests.config.projects import put


def load(root, text):
    """The settings of a project with two agents."""
    for agent in ("support", "batch"):
        put(root, f"agents/{agent}/v1.yaml", "")
    put(root, "surefoot.yaml", text)
    return load_settings(root, {})


def test_without_the_key_nothing_is_recorded(tmp_path):
    """Recording is only ever asked for."""
    assert load(tmp_path, "").traces.of("support") is None


def test_what_is_written_holds_for_every_agent_but_those_that_differ(tmp_path):
    """A share as a number or in percent; an agent takes over what it does not say, or is left alone."""
    found = load(
        tmp_path,
        "traces:\n  folder: recorded\n  sample: 10%\n  files: 3\n"
        "  agents:\n    support: {sample: 1, redact: false}\n    batch: false\n",
    ).traces
    usual = Recording(folder=tmp_path / "recorded", sample=0.1, files=3)
    assert found.usual == usual
    assert found.of("support") == Recording(folder=tmp_path / "recorded", sample=1.0, redact=False, files=3)
    assert found.of("batch") is None
    assert found.of("another") == usual


def test_only_the_agents_that_are_named_where_there_is_no_folder_for_all(tmp_path):
    """A folder of an agent's own records that agent and no other."""
    found = load(tmp_path, "traces: {sample: 0.5, agents: {support: {folder: s}}}").traces
    assert found.of("support") == Recording(folder=tmp_path / "s", sample=0.5)
    assert found.of("batch") is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("traces: {folder: t, sample: 1.5}", 1, "sample of 1.5"),
        ("traces:\n  folder: t\n  sample: -0.1", 3, "less than 0"),
        ("traces:\n  folder: t\n  sample: half", 3, "fraction"),
        ("traces:\n  folder: t\n  sample: .nan", 3, "sample"),
        ("traces:\n  folder: t\n  redact: maybe", 3, "redact"),
        ("traces:\n  folder: t\n  files: 0", 3, "files"),
        ("traces:\n  folder: t\n  file_mb: -1", 3, "file_mb"),
        ("traces:\n  folder: t\n  key_env: a key", 3, "no name of an environment variable"),
        ("traces:\n  folder: t\n  smaple: 0.1", 3, "smaple"),
        ("traces:\n  folder: surefoot.yaml", 2, "is a file"),
        ("traces:\n  sample: 0.1", 2, "folder"),
        ("traces: true", 1, "traces"),
        ("traces:\n  agents:\n    support: true", 3, "nothing says where"),
        ("traces:\n  agents:\n    support: {sample: 1}", 3, "folder"),
        ("traces:\n  folder: t\n  agents:\n    suport: false", 4, "no agent 'suport'"),
        ("traces:\n  folder: t\n  agents:\n    support: {agents: {}}", 4, "agents"),
    ],
)
def test_a_mistake_names_its_line(tmp_path, text, line, said):
    """File, line, key and what to write instead; a misspelt agent would be recorded although it was left out."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert f"surefoot.yaml:{line}:" in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint
