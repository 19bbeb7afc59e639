"""A project whose agent has three versions, users who come to it, and its store looked at beside the command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from surefoot.adapters.clock import SystemClock
from surefoot.app import store_of
from surefoot.core.units import RolloutId
from surefoot.testing.clock import ManualClock
from surefoot.testing.scenario import Scenario
from tests.cli.terminal import surefoot
from tests.config.projects import put

__all__ = ["asked", "bot_project", "process", "started", "stored", "users_come"]

T = TypeVar("T")

PLAN = """\
checks: [{metric: success, margin: 0.1}]
stages:
  - {share: 50%}
  - {share: 100%, approval: true}
"""


def bot_project(root: Path, *, stable: str | None = None) -> Path:
    """Agent `bot` with v1, v2 and v3, and with `stable` in its settings if given."""
    put(root, "surefoot.yaml", f"stable: {{bot: {stable}}}\n" if stable else "")
    put(root, "rollouts/bot.yaml", PLAN)
    for label in ("v1", "v2", "v3"):
        put(root, f"agents/bot/{label}.yaml", f"model: openai/gpt-4o-2024-08-06\nprompt: You are {label}.\n")
    return root


def started(root: Path, candidate: str = "v2") -> str:
    """The id of a rollout that was started from the command line."""
    done = surefoot(root, "rollout", "start", "bot", candidate, "--by", "ann", "--json")
    assert done.code == 0, done.err
    return done.json["id"]


def asked(root: Path) -> str:
    """The id of a rollout that waits for somebody's approval."""
    plan = put(root, "ask.yaml", "preset: manual\n")
    words = ("rollout", "start", "bot", "v2", "--plan", str(plan), "--json")
    return surefoot(root, *words).json["id"]


def stored(root: Path, read: Callable[..., Awaitable[T]]) -> T:
    """What somebody beside the command line sees in the project's store."""

    async def whole():
        store = store_of(root)
        try:
            return await read(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def users_come(root: Path, rollout: str, users: int, *, candidate_fails: float) -> None:
    """So many users have been answered a minute ago; of the stable version's one in twenty failed."""

    async def come(store):
        scene = Scenario(store)
        scene.clock = ManualClock(SystemClock().now() - timedelta(minutes=1))
        rates = {"stable_fails": {"success": 0.05}, "candidate_fails": {"success": candidate_fails}}
        await scene.when_users_come(RolloutId(rollout), users, **rates)

    stored(root, come)


@contextmanager
def process(root: Path, *words: str, shows: str) -> Generator[subprocess.Popen[str]]:
    """`surefoot words...` as a process of its own at a terminal, from the moment that it has shown that text."""
    seen, shown = os.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "surefoot.cli", "--project", str(root), *words],
        stdin=subprocess.DEVNULL,
        stdout=shown,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(shown)
    try:
        text = ""
        while shows not in text:
            text += os.read(seen, 4096).decode(errors="replace")
        yield running
    finally:
        running.kill()
        running.wait()
        os.close(seen)
