"""The `surefoot` command: which words it knows, which project it works on, and how every error leaves it.

A command's module is imported only when its name is on the command line, so that `surefoot --help` and every single
command start without the others. To add a command, add one line to `COMMANDS`; its typer app says
`add_completion=False`, because completion belongs to the root.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple, cast

import typer
import typer.core
import typer.main

from ..config.project import find_project
from ..errors import NothingToJudge, SurefootError, Unavailable
from .output import say, say_error

__all__ = ["COMMANDS", "Command", "app", "main"]

_INTERRUPTED_EXIT: Final = 130
"""Ctrl-C, as shells count it: 128 + SIGINT."""


class _Exits(NamedTuple):
    """Exit codes of errors."""

    usage: int = 2
    """The request cannot work as it was made, and nothing was changed."""

    undecided: int = 2
    """Nothing was executed."""

    infrastructure: int = 2
    """A store, an endpoint or a disk failed."""

    unread: int = 0
    """Whoever read the answer closed the pipe before its end."""


_PROOF_EXITS: Final = _Exits(usage=3, infrastructure=4, unread=4)
"""Where 1 means failed and 2 not decided, errors are neither: CI must be able to tell them apart."""


class Command(NamedTuple):
    """A word after `surefoot`, and the `module:attribute` of the typer app behind it."""

    name: str
    target: str
    summary: str
    proves: bool = False
    """Its exit codes are 0 passed, 1 failed, 2 not decided, 3 wrong usage, 4 infrastructure; of others 0, 1 and 2."""


COMMANDS: Final = (
    Command("agents", "surefoot.cli.agents:app", "Versions of your agents: list, show, diff, lint, digest, import."),
    Command("kill", "surefoot.cli.kill:kill_app", "Stop an agent, a version, a feature, a tenant, or everything, now."),
    Command("unkill", "surefoot.cli.kill:unkill_app", "Lift a kill switch."),
    Command("kills", "surefoot.cli.kill:kills_app", "The kill switches that are up."),
    Command("rollout", "surefoot.cli.rollout:app", "Candidates on their way: start, watch, explain, simulate."),
    Command("traffic", "surefoot.cli.traffic:app", "Tenants kept out of rollouts, and tenants pinned to a version."),
    Command("controller", "surefoot.cli.controller:app", "Advance rollouts and take them back."),
    Command("store", "surefoot.cli.store:app", "Make a store where one was lost."),
    Command("traces", "surefoot.cli.traces:app", "Recorded runs: lint, stats, convert, sample, redact."),
    Command("models", "surefoot.cli.models:app", "Which model plays which role, and updating it everywhere at once."),
    Command("replay", "surefoot.cli.replay:app", "Two versions on the same recorded runs.", proves=True),
    Command("redteam", "surefoot.cli.redteam:app", "Attack a version before others do.", proves=True),
    Command(
        "gate", "surefoot.cli.gate:app", "Hold results against the gates: passed, failed, or not decided.", proves=True
    ),
    Command(
        "judge", "surefoot.cli.judge:app", "Judges: what they are asked, and how far one may be believed.", proves=True
    ),
    Command(
        "behaviour", "surefoot.cli.behaviours:app", "What an agent does, as often as it takes to be sure.", proves=True
    ),
    Command("eval", "surefoot.cli.evals:app", "Suites of cases: run, calibrate, gate, bless.", proves=True),
    Command("ci", "surefoot.cli.ci:app", "In CI: prove what a pull request changes, and report it.", proves=True),
)

app = typer.Typer(
    name="surefoot",
    help="Progressive delivery for AI agents: move traffic step by step, and take it back when a version does harm.",
    epilog="Example: surefoot agents diff support-agent v1.3.2 v1.3.3",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main(argv: Sequence[str] | None = None, *, commands: Sequence[Command] = COMMANDS) -> int:
    """
    Run one command line and return its exit code: 0 done, 1 found something, 2 cannot be done, 130 interrupted.

    Commands that prove (`Command.proves`) have codes of their own for what cannot be done. Without `argv` this is the
    program itself, and such a command works in a process that is waited for, see `supervised`.
    """
    if argv is not None or not _proves(sys.argv[1:], commands) or "--help" in sys.argv:
        return _ended(sys.argv[1:] if argv is None else argv, commands)
    from .supervised import supervised

    return supervised(lambda: _ended(sys.argv[1:], commands), as_json="--json" in sys.argv)


def _ended(argv: Sequence[str], commands: Sequence[Command]) -> int:
    arguments = list(argv)
    as_json = "--json" in arguments
    proves = _proves(arguments, commands)
    exits = _PROOF_EXITS if proves else _Exits()
    try:
        outcome: object = _command_tree(arguments, commands).main(
            args=arguments, prog_name="surefoot", standalone_mode=False
        )
    except SurefootError as error:
        say_error(error.code, error.message, error.hint, as_json=as_json)
        return _code_of(error, exits)
    except typer.TyperException as error:
        _say_misused(error, as_json=as_json)
        return exits.usage
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted(proves=proves)
    except (BrokenPipeError, SystemExit) as ended:
        # typer makes of the first an exit with 1, which is a verdict
        if isinstance(ended, SystemExit) and not isinstance(ended.__context__, BrokenPipeError):
            raise
        return _unread(exits, proves=proves, as_json=as_json)
    except OSError as error:
        say_error(Unavailable.code, _foreign(error), "check that it is there, and its permissions", as_json=as_json)
        return exits.infrastructure
    except Exception:
        if not proves:
            raise
        traceback.print_exc()  # Python would end with 1, which says that a gate failed
        return exits.infrastructure
    if outcome == _INTERRUPTED_EXIT:  # what typer makes of Ctrl-C
        return _interrupted(proves=proves)
    return outcome if isinstance(outcome, int) else 0


def _code_of(error: SurefootError, exits: _Exits) -> int:
    if isinstance(error, NothingToJudge):
        return exits.undecided
    return exits.infrastructure if isinstance(error, Unavailable) else exits.usage


def _unread(exits: _Exits, *, proves: bool, as_json: bool) -> int:
    """Whoever read the answer has read enough, as in `surefoot kills | head -1`; a proof says that it says nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    if proves:
        try:
            say_error(
                "unread",
                "whoever read the answer closed it before its end: the exit code is no verdict",
                "let the whole answer be read: write it to a file, and look at that",
                as_json=as_json,
            )
        except BrokenPipeError:  # both go to the same reader, as in `2>&1 | head -1`
            os.dup2(nowhere, sys.stderr.fileno())
    return exits.unread


def _interrupted(*, proves: bool) -> int:
    """Code 130; a proof says that it found nothing, because silence could be read as a pass."""
    if proves:
        print("interrupted: nothing is decided; a command that has --resume goes on with it", file=sys.stderr)
    return _INTERRUPTED_EXIT


def _command_tree(arguments: Sequence[str], commands: Sequence[Command]) -> typer.core.TyperGroup:
    """The root with every command: those named on the command line loaded, the others as a name with a summary."""
    root = cast("typer.core.TyperGroup", typer.main.get_command(app))
    # the shell asks for completions with the words in the environment instead of the arguments
    words = frozenset(arguments) | frozenset(os.environ.get("COMP_WORDS", "").split())
    for command in commands:
        if command.name in words:
            module, _, attribute = command.target.partition(":")
            loaded: typer.Typer = getattr(importlib.import_module(module), attribute)
            root.add_command(typer.main.get_command(loaded), name=command.name)
        else:
            root.add_command(typer.core.TyperCommand(name=command.name, help=command.summary))
    return root


def _foreign(error: OSError) -> str:
    """What the system says, with the file it is about: the last net, for what nobody has given a better name."""
    said = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {said}" if error.filename else said


def _proves(arguments: Sequence[str], commands: Sequence[Command]) -> bool:
    """Whether the first word that names a command names one that proves; the value of --project is no command."""
    proofs = {command.name: command.proves for command in commands}
    words = (
        word
        for before, word in zip(["", *arguments], arguments, strict=False)
        if word in proofs and before != "--project"
    )
    return proofs.get(next(words, ""), False)


def _say_misused(error: typer.TyperException, *, as_json: bool) -> None:
    message = error.format_message()
    if message:  # without one the help was asked for and is already printed
        context: object = getattr(error, "ctx", None)
        path: str = getattr(context, "command_path", "surefoot")
        wanted = _MISSED.match(message)
        if wanted and path == "surefoot" and wanted[1] in _ROLLOUT_WORDS:
            path = f"surefoot rollout {wanted[1]}"
            message = f"No such command {wanted[1]!r}. Did you mean 'rollout {wanted[1]}'?"
        say_error("usage", message, f"run `{path} --help`", as_json=as_json)


_MISSED: Final = re.compile(r"No such command '([\w-]+)'")
_ROLLOUT_WORDS: Final = frozenset(
    {"start", "status", "watch", "approve", "reject", "pause", "resume", "promote", "abort", "reopen", "explain"}
)
"""What is said without its `rollout` before it; the nearest single word would be another command altogether."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as installed_version

        say(f"surefoot {installed_version('surefoot')}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The project's folder. Default: here, or the nearest folder above with surefoot.yaml."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find the project before any command runs."""
    ctx.obj = find_project(project, Path.cwd())
