"""`surefoot store`: making one where one was lost, which nothing else does in passing."""

from __future__ import annotations

import asyncio

import msgspec
import typer

from .output import JsonOption, say, say_json
from .project import project_of

__all__ = ["app"]

app = typer.Typer(
    name="store",
    help="Where rollouts, evidence and kill switches are kept.",
    epilog="Example: surefoot store create",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _group() -> None:
    """A group even while it has one command."""


@app.command("create", epilog="Example: surefoot store create")
def _create(ctx: typer.Context, *, as_json: JsonOption = False) -> None:
    """
    Make an empty store, with the stable versions and the kill switches that were last seen on this machine.

    For when a store was lost: running processes go on by themselves and take the new one as it is. Put a backup back
    instead if you have one, because rollouts and evidence cannot be made again.
    """
    from ..app.recovery import make_store

    made = asyncio.run(make_store(project_of(ctx)))
    if as_json:
        say_json(msgspec.to_builtins(made))
        return
    say(f"made: {made.store}")
    if made.agents:
        say(f"as they were last seen here: {', '.join(made.agents)}")
    for kill in made.kills:
        say(f"up again: kill switch {kill.id} by {kill.author}: {kill.reason}")
