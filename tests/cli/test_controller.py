"""`surefoot controller`: rounds that are counted, and an end that harms nothing."""

from __future__ import annotations

import signal

import pytest

from surefoot.core.lifecycle.rollout import Phase
from tests.cli.projects_with_rollouts import bot_project, process, started, stored
from tests.cli.terminal import surefoot


def test_rounds_are_counted(tmp_path):
    """So many rounds as asked, over every rollout under way, and then the end."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    assert surefoot(root, "controller", "--rounds", "2").out == "rounds: 2; looks at rollouts: 2; steps taken: 0\n"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_controller_that_is_stopped_leaves_the_store_whole(how, code, tmp_path):
    """Ctrl-C is code 130 and SIGTERM a proper end; no traceback, and the rollout stands where it stood."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    with process(root, "controller", "--every", "0.1", shows="Ctrl-C") as running:
        running.send_signal(how)
        _, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (code, "")
    assert surefoot(root, "rollout", "status", "bot", "--json").json["phase"] == Phase.RUNNING

    async def check(store):
        async with store.db.reading() as connection:
            return (await connection.exec_driver_sql("PRAGMA integrity_check")).scalar_one()

    assert stored(root, check) == "ok"


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--every", "0"], ["--every", "soon"], ["now"]])
def test_a_controller_that_cannot_run_says_so(words, tmp_path):
    """Wrong numbers and words are code 2 with a hint."""
    ended = surefoot(bot_project(tmp_path), "controller", *words)
    assert (ended.code, "hint: " in ended.err) == (2, True)
