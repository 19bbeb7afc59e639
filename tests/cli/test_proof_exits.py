"""Commands that prove keep 1 for failed and 2 for not decided: whatever goes wrong ends with another code."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import typer

from surefoot.cli.main import Command, main
from surefoot.errors import NothingToJudge, StoreUnavailable, UsageError

RAISED = {
    "usage": (UsageError("no such suite", hint="write one"), 3, 2),
    "nothing executed": (NothingToJudge("no run", hint="record one"), 2, 2),
    "infrastructure": (StoreUnavailable("locked", hint="wait"), 4, 2),
    "disk": (OSError(28, "No space left on device", "evals.db"), 4, 2),
    "undecided": (typer.Exit(2), 2, 2),
    "failed": (typer.Exit(1), 1, 1),
    "passed": (typer.Exit(0), 0, 0),
}


@pytest.fixture
def module(monkeypatch):
    """A command's module that nobody has installed."""
    made = ModuleType("made_up_command")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def ended(module, error, *words, proves):
    """The exit code of a command that raises."""
    command = typer.Typer(add_completion=False)

    @command.command()
    def _run(ctx: typer.Context) -> None:
        raise error

    module.app = command
    return main([*words, "prove"], commands=[Command("prove", "made_up_command:app", "Prove it.", proves)])


@pytest.mark.parametrize("name", RAISED)
def test_errors_are_neither_failed_nor_undecided(module, name, capsys):
    """Wrong usage is 3 and infrastructure 4 for a proof; other commands keep 2; gates keep their own codes."""
    error, of_proof, of_others = RAISED[name]
    assert ended(module, error, proves=True) == of_proof
    assert ended(module, error, proves=False) == of_others


def test_a_crash_is_no_failed_gate(module, capsys):
    """What nobody expected ends a proof with 4 and its traceback; elsewhere it stays what Python makes of it."""
    assert ended(module, ZeroDivisionError("oh"), proves=True) == 4
    assert "ZeroDivisionError: oh" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        ended(module, ZeroDivisionError("oh"), proves=False)


def test_an_interrupted_proof_says_that_nothing_is_decided(module, capsys):
    """Silence could be read as a pass; what is no proof ends without a word."""
    assert ended(module, KeyboardInterrupt(), proves=True) == 130
    assert "nothing is decided" in capsys.readouterr().err
    assert ended(module, KeyboardInterrupt(), proves=False) == 130
    assert capsys.readouterr().err == ""


def test_wrong_words_are_wrong_usage(module, capsys):
    """An option that is not there is usage; the value of --project is not taken for a command."""
    module.app = typer.Typer(add_completion=False)
    module.app.command()(lambda: None)
    commands = [Command("prove", "made_up_command:app", "Prove it.", proves=True)]
    assert main(["prove", "--nonsense"], commands=commands) == 3
    assert main(["--project", "prove", "--nonsense"], commands=commands) == 2
