"""A command that proves owns its exit code, whatever the code that it runs does to its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.config.projects import put

SUITE = """\
cases: [{id: a, request: one, expected: one}]
evaluators: [exact]
"""
UNBUFFERED = {**os.environ, "PYTHONUNBUFFERED": "1"}
BOT = "model: test/m\nprompt: x\nexecutor: {kind: python, callable: bot:answer}\n"


def project(root, body, top=""):
    """An agent whose function does one thing."""
    put(root, "surefoot.yaml", "")
    put(root, "evals/smoke.yaml", SUITE)
    put(root, "agents/bot/v1.yaml", BOT)
    put(root, "bot.py", f"import os, sys, threading, signal\n{top}\ndef answer(version, request, ctx):\n    {body}\n")
    return root


def command(root, *words):
    """The command line that a shell would start."""
    return [sys.executable, "-m", "surefoot.cli", "--project", str(root), *words]


def ended(root, *words):
    """A finished `eval run`."""
    words = command(root, "eval", *words, "smoke", "--version", "v1")
    return subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=root, check=False)


@pytest.mark.parametrize("verb", ["run", "calibrate"])
@pytest.mark.parametrize(
    ("body", "top"),
    [("os._exit(0)", ""), ("os._exit(1)", ""), ("os.kill(os.getpid(), signal.SIGKILL)", ""), ("pass", "sys.exit(0)")],
)
def test_a_process_that_ends_without_a_verdict_is_4(tmp_path, verb, body, top):
    """What the agent's function makes of its process is neither passed, nor failed, nor not decided."""
    found = ended(project(tmp_path, body, top), verb)
    assert found.returncode in {3, 4} if top else found.returncode == 4
    assert "error[" in found.stderr


@pytest.mark.parametrize("is_same", [False, True])
def test_an_answer_that_nobody_reads_is_4_and_no_crash(tmp_path, is_same):
    """As in `| head -1`: the verdict did not reach whoever asked, and only that is said."""
    reader, writer = os.pipe()
    os.close(reader)
    words = command(project(tmp_path, "return 'one'"), "eval", "run", "smoke", "--version", "v1")
    errors = writer if is_same else subprocess.PIPE
    with subprocess.Popen(words, stdout=writer, stderr=errors, text=True, cwd=tmp_path, env=UNBUFFERED) as running:
        os.close(writer)
        said = running.communicate(timeout=60)[1] or ""
    assert running.returncode == 4
    assert is_same or said.startswith("error[unread]: whoever read the answer closed it before its end"), said
    assert "Traceback" not in said
    assert "no_verdict" not in said


def test_a_verdict_stands_whatever_the_process_does_at_its_end(tmp_path):
    """The exit code is the verdict that was printed, once."""
    top = "import atexit; atexit.register(lambda: os._exit(0))"
    found = ended(project(tmp_path, "return 'wrong'", top), "run")
    assert (found.returncode, found.stdout.count("FAILED: smoke")) == (1, 1)
    assert ended(project(tmp_path / "right", "return 'one'"), "run").returncode == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, {130}), (signal.SIGTERM, {-signal.SIGTERM}), (signal.SIGKILL, {-signal.SIGKILL})],
)
def test_a_signal_ends_both_processes(tmp_path, number, code):
    """Ctrl-C is 130 and SIGTERM ends as ever; a parent that is killed leaves no child that goes on."""
    body = "print(os.getpid(), flush=True); threading.Event().wait()"
    with subprocess.Popen(
        command(project(tmp_path, body), "eval", "run", "smoke", "--version", "v1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
    ) as running:  # fmt: skip
        child = int(running.stdout.readline())
        assert child != running.pid
        os.kill(running.pid, number)
        running.communicate(timeout=60)  # both have closed it
        assert running.returncode in code
