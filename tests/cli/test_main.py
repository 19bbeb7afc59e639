"""The root command: it finds the project, loads what is asked for, and lets every error out the same way."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType

import pytest
import typer

from surefoot.cli.main import COMMANDS, Command, main
from tests.cli.terminal import surefoot

HEAVY = {"aiohttp", "alembic", "asyncpg", "matplotlib", "msgspec", "sqlalchemy"}


def test_each_command_is_registered_once():
    """A name is one command, and every one of them can be loaded and explains itself with an example."""
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_each_command_explains_itself(name, tmp_path):
    """Help shows an example and offers no shell completion of its own."""
    ended = surefoot(tmp_path, name, "--help")
    assert ended.code == 0
    assert "xample: surefoot" in ended.out
    assert "completion" not in ended.out


def test_help_lists_every_command_without_loading_it(tmp_path):
    """The root's help names all commands; a command that is not used is not imported."""
    seen = run("--help")
    for command in COMMANDS:
        assert f" {command.name} " in seen.stdout
    assert not {command.target.partition(":")[0] for command in COMMANDS} & modules(seen)


def test_a_command_loads_only_itself(tmp_path):
    """Starting `agents` imports no other command, no store, no network."""
    seen = modules(run("agents", "--help"))
    assert "surefoot.cli.agents" in seen
    assert "surefoot.cli.models" not in seen
    assert not {name.split(".")[0] for name in seen} & HEAVY
    assert not {name for name in seen if name.startswith(("surefoot.store", "surefoot.service", "surefoot.api"))}


def run(*words):
    """The command in a process of its own, which names its modules at the end."""
    script = (
        "import atexit, sys, json; from surefoot.cli.main import main;"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True, timeout=60
    )


def modules(finished):
    """What the process had imported."""
    return set(json.loads(finished.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agent"], "Did you mean 'agents'?"),
        (["start"], "Did you mean 'rollout start'?"),
        (["agents", "shw"], "No such command 'shw'"),
        (["agents", "show"], "Missing argument 'AGENT'"),
        (["agents", "list", "--jsn"], "No such option"),
        (["agents", "show", "nobody", "v1"], "unknown agent 'nobody'"),
    ],
)
def test_a_mistake_on_the_command_line_is_code_2_with_a_hint(words, message, tmp_path):
    """Whatever cannot work ends with code 2, one line of error and one line of hint on standard error."""
    ended = surefoot(tmp_path, *words)
    assert ended.code == 2
    assert ended.out == ""
    error, hint = ended.err.splitlines()
    assert error.startswith("error[")
    assert message in error
    assert hint.startswith("hint: ")


def test_errors_are_json_where_json_was_asked_for(tmp_path):
    """A program that reads JSON gets its errors as JSON too."""
    ended = surefoot(tmp_path, "agents", "show", "nobody", "--json")
    assert ended.code == 2
    assert json.loads(ended.err)["error"] == {
        "code": "unknown_name",
        "message": "unknown agent 'nobody'",
        "hint": "known: none",
    }


def test_without_a_command_the_help_is_shown(tmp_path, capsys):
    """`surefoot` alone shows what there is, and is no success."""
    assert main([]) == 2
    assert "Usage: surefoot" in capsys.readouterr().out
    ended = surefoot(tmp_path, "agents")
    assert ended.code == 2
    assert "Usage: surefoot" in ended.out
    assert surefoot(tmp_path).err.startswith("error[usage]: Missing command")
    assert surefoot(tmp_path, "--version").out.startswith("surefoot ")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, typer.Abort])
def test_an_interrupt_is_code_130(raised, tmp_path, capsys, monkeypatch):
    """Ctrl-C ends a command as every shell expects, without a traceback."""

    def interrupted() -> None:
        raise raised

    module = ModuleType("surefoot_test_stopping")
    module.app = typer.Typer(add_completion=False)
    module.app.command()(interrupted)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    stop = Command(name="stop", target=f"{module.__name__}:app", summary="Stops.")
    assert main(["--project", str(tmp_path), "stop"], commands=[stop]) == 130
    assert capsys.readouterr().err == ""
