"""Paths that cannot be written are said before anything runs: wrong usage, with a code and a hint."""

from __future__ import annotations

import pytest

from surefoot.cli.writable import refuse_unwritable, refuse_unwritable_folder
from surefoot.errors import UsageError
from tests.cli.terminal import surefoot
from tests.config.permissions import locked
from tests.config.projects import put

COMMANDS = {
    "replay": "replay --traces t.jsonl --baseline v1 --candidate v1",
    "redteam run": "redteam run --version v1",
    "redteam poison": "redteam poison t.jsonl --version v1",
    "redteam tape": "redteam tape t.jsonl --candidate v1",
    "eval run": "eval run smoke --version v1",
    "eval gate": "eval gate smoke --version v1",
    "eval import": "eval import results.json --from promptfoo",
    "behaviour run": "behaviour run --version v1",
    "gate check": "gate check --metrics counts.json",
    "judge run": "judge run t.jsonl --rubric helpfulness --model m --base-url http://127.0.0.1:1",
    "ci run": "ci run --base HEAD",
}
OPTIONS = {
    "replay": ("--out", "--junit", "--html"),
    "eval run": ("--scores", "--junit"),
    "behaviour run": ("--out", "--scores"),
    "redteam run": ("--out", "--scores"),
    "redteam poison": ("--out", "--scores"),
    "redteam tape": ("--out", "--scores"),
}
CASES = [(command, option) for command in COMMANDS for option in OPTIONS.get(command, ("--out",))]
FUNCTION = "def answer(version, request, ctx):\n    open('ran.txt', 'a').close()\n    return 'no'\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A version that leaves a file where it ran, and what each command reads."""
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "writable_bot.py", FUNCTION)
    executor = "executor: {kind: python, callable: 'writable_bot:answer'}"
    put(tmp_path, "agents/bot/v1.yaml", f"model: test/m\nprompt: x\n{executor}\n")
    put(tmp_path, "evals/smoke.yaml", "cases: [{id: a, request: hi, expected: hi}]\nevaluators: [{kind: exact}]\n")
    put(tmp_path, "gates/quality_gates.yaml", "gates: [{kind: regression, metric: exact}]\n")
    put(tmp_path, "counts.json", '{"exact": {"passed": 9, "n": 10}}')
    put(tmp_path, "t.jsonl", '{"trace_id": "t", "request": "hi", "agent": "v1"}\n')
    put(tmp_path, "file", "mine")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("command", "option"), CASES)
def test_what_cannot_be_written_ends_a_command_before_it_runs(project, command, option):
    """A path below a file is refused by every option that names a file to write: 3, nothing shown, nothing run."""
    ended = surefoot(project, *COMMANDS[command].split(), option, "file/below/it.json")
    assert (ended.code, ended.out) == (3, ""), ended.err
    assert "it.json cannot be written" in ended.err
    assert "hint: " in ended.err
    assert not (project / "ran.txt").exists()


def test_a_verdict_that_goes_beside_is_looked_at_too(project):
    """`--out a.json` writes a.gate.json as well."""
    (project / "a.gate.json").mkdir()
    for command in ("replay", "redteam run"):
        ended = surefoot(project, *COMMANDS[command].split(), "--out", "a.json")
        assert (ended.code, "a.gate.json cannot be written: it is a folder" in ended.err) == (3, True)


@pytest.mark.parametrize("makes_folders", [False, True])
def test_only_files_that_can_be_written_are_let_through(tmp_path, makes_folders):
    """A folder, a locked folder and a locked file are refused; a missing folder is unless it will be made."""
    put(tmp_path, "file", "mine")
    (tmp_path / "folder").mkdir()
    refuse_unwritable(None, tmp_path / "new", tmp_path / "file", makes_folders=makes_folders)
    for name in ("folder", "file/new"):
        with pytest.raises(UsageError, match="cannot be written"):
            refuse_unwritable(tmp_path / name, makes_folders=makes_folders)
    for name, wanted in (("folder", "folder/new"), ("file", "file")):
        with locked(tmp_path / name), pytest.raises(UsageError, match="permission denied"):
            refuse_unwritable(tmp_path / wanted, makes_folders=makes_folders)
    if makes_folders:
        refuse_unwritable(tmp_path / "none" / "new", makes_folders=True)
    else:
        with pytest.raises(UsageError, match="there is no folder"):
            refuse_unwritable(tmp_path / "none" / "new")


def test_a_folder_of_results_is_there_or_can_be_made(tmp_path):
    """A file in its place, or above it, is refused."""
    put(tmp_path, "file", "mine")
    refuse_unwritable_folder(tmp_path)
    refuse_unwritable_folder(tmp_path / "a" / "b")
    for name in ("file", "file/below"):
        with pytest.raises(UsageError, match="is a file"):
            refuse_unwritable_folder(tmp_path / name)
