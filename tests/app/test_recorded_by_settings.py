"""`traces:` in surefoot.yaml records an agent's runs without a word in its code, and the code's own word goes first."""

from __future__ import annotations

import json

import pytest

import surefoot
from surefoot.client.traces import Traces
from surefoot.errors import SettingsError
from tests.config.projects import put

V1 = "model: {provider: test, name: model-1}\nprompt: {system: You answer questions about orders.}\n"


def served(root, text, **options):
    """One run of an agent in a project with that surefoot.yaml."""
    put(root, "surefoot.yaml", f"controller: external\nstable: {{bot: v1}}\n{text}")
    put(root, "agents/bot/v1.yaml", V1)
    sf = surefoot.open(root)
    try:
        agent = sf.agent("bot", **options)
        agent.runs(lambda version, request, ctx: ctx.tool("look", {"who": request}, lambda who: f"found {who}"))
        agent.run("bob@example.com")
    finally:
        sf.close()


def lines(folder):
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_the_file_switches_recording_on(tmp_path):
    """Into the folder it names, without personal data, with what its tools did and when."""
    served(tmp_path, "traces: {folder: recorded}\n")
    [line] = lines(tmp_path / "recorded")
    assert "bob@example.com" not in json.dumps(line)
    assert [step["kind"] for step in line["steps"]] == ["tool"]


def test_redaction_is_switched_off_by_name_only(tmp_path):
    """`redact: false` keeps what people wrote."""
    served(tmp_path, "traces: {folder: recorded, redact: false}\n")
    assert lines(tmp_path / "recorded")[0]["request"] == "bob@example.com"


def test_a_sample_of_nothing_records_nothing(tmp_path):
    """And no file is made."""
    served(tmp_path, "traces: {folder: recorded, sample: 0}\n")
    assert not (tmp_path / "recorded").exists()


def test_the_code_goes_before_the_file(tmp_path):
    """Who gives `traces=` has decided for this process."""
    served(tmp_path, "traces: {folder: recorded}\n", traces=Traces(folder=tmp_path / "mine"))
    assert len(lines(tmp_path / "mine")) == 1
    assert not (tmp_path / "recorded").exists()


def test_tokens_are_made_with_the_key_of_the_environment(tmp_path, monkeypatch):
    """Another key, other tokens; a key that is not there is an error and not no key."""
    seen = []
    for key in ("one", "two"):
        monkeypatch.setenv("TRACES_KEY", key)
        served(tmp_path, f"traces: {{folder: {key}, key_env: TRACES_KEY}}\n")
        seen.append(lines(tmp_path / key)[0]["request"])
    assert seen[0] != seen[1]
    for key in ("", "k" * 65):
        monkeypatch.setenv("TRACES_KEY", key)
        with pytest.raises(SettingsError, match="TRACES_KEY holds no key"):
            served(tmp_path, "traces: {folder: recorded, key_env: TRACES_KEY}\n")
