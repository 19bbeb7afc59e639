"""A command's hold on the running system: the project's store, opened for one command and closed behind it."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ..app.control import Control
from ..config.project import holds_project, wrong_folder
from ..config.settings import STORE_VARIABLE
from ..errors import UsageError
from .project import project_of

__all__ = ["ByOption", "controlled", "whoever"]

T = TypeVar("T")

ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who orders it. Default: your login name.", show_default=False),
]


def controlled(ctx: typer.Context, body: Callable[[Control], Awaitable[T]], *, creates: bool = False) -> T:
    """
    Run a command's body with the project's store. Raises what the store raises, such as StoreUnavailable.

    Only a command that `creates` makes one, in a project with agents, and not where one was seen before: that one is
    lost, and a new one would hide it.
    """
    return asyncio.run(_with_store(project_of(ctx), body, creates=creates))


async def _with_store(project: Path, body: Callable[[Control], Awaitable[T]], *, creates: bool) -> T:
    from ..adapters.clock import SystemClock, SystemIds
    from ..app import store_of
    from ..app.recovery import was_seen
    from ..config.agents import list_agents
    from ..service.cases import Cases

    if not holds_project(project) and not os.environ.get(STORE_VARIABLE):
        raise wrong_folder(project)  # before anybody is told how to make a store in it
    store = store_of(project)
    try:
        await store.migrate(create=creates and bool(list_agents(project)) and not was_seen(project))
        return await body(
            Control(project=project, store=store, clock=SystemClock(), ids=SystemIds(), cases=Cases(store))
        )
    finally:
        await store.close()


def whoever(by: str | None) -> str:
    """The name that was given, else the login name: the audit trail always has one. Raises UsageError for blanks."""
    if by is not None:
        if not by.strip():
            raise UsageError("an order without a name", hint="say who orders it: --by NAME, or leave --by out")
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no login name in a container without one
        return "unknown"
