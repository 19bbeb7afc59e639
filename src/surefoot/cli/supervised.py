"""A command's exit code, kept from the code that the command runs: a process that just ends has proved nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Final

from .output import say_error

__all__ = ["supervised"]

_NO_VERDICT: Final = 4
_INTERRUPTED: Final = 130
_FORWARDED: Final = ("SIGTERM", "SIGHUP", "SIGINT")


def supervised(work: Callable[[], int], *, as_json: bool) -> int:
    """
    The exit code that `work` returned, made in a process of its own; 4 where that process ended without returning one.

    An agent's function may call `os._exit(0)`, crash the interpreter, or be killed for its memory: without a parent
    that waits for the verdict, all of these look like some exit code of a proof, and the first like a success. Both
    processes return from here, each once. Where a system has no fork, `work` is run as it is.
    """
    if not hasattr(os, "fork"):
        return work()
    sys.stdout.flush()
    sys.stderr.flush()
    verdict, says = os.pipe()
    lives, lifeline = os.pipe()
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # in the parent, until it knows whom to tell
    child = os.fork()
    if child == 0:
        os.close(verdict)
        os.close(lifeline)
        threading.Thread(target=_die_with, args=(lives,), daemon=True, name="surefoot-supervised").start()
        signal.signal(signal.SIGINT, interrupt)
        code = work()
        with contextlib.suppress(OSError, ValueError):  # whoever reads may be gone; the verdict stands
            sys.stdout.flush()
        os.write(says, bytes([code]))
        return code
    os.close(says)
    os.close(lives)
    with _passing_on(child):
        _, status = os.waitpid(child, 0)
    said = _said(verdict)
    if said:
        return said[0]
    return _ended_without(os.waitstatus_to_exitcode(status), as_json=as_json)


def _ended_without(status: int, *, as_json: bool) -> int:
    if status in (-signal.SIGTERM, -signal.SIGHUP):  # asked for: whoever asked expects this process to end so, too
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    if status == -signal.SIGINT:
        return _INTERRUPTED
    how = f"code {status}" if status >= 0 else signal.strsignal(-status) or f"signal {-status}"
    say_error(
        "no_verdict",
        f"the process ended before its verdict ({how})",
        "look for os._exit, a crash of a native library, or too little memory in what the version runs",
        as_json=as_json,
    )
    return _NO_VERDICT


def _said(pipe: int) -> bytes:
    """The verdict, if there is one: what the work left behind may hold the pipe open for ever, so nothing waits."""
    os.set_blocking(pipe, False)
    try:
        return os.read(pipe, 1)
    except BlockingIOError:
        return b""


def _die_with(lives: int) -> None:
    """End when the parent is gone, even one that was killed: nobody waits for the answer any more."""
    os.read(lives, 1)
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def _passing_on(child: int) -> Generator[None]:
    """Signals that only the parent was sent reach the child; Ctrl-C in a terminal reaches both of itself."""

    def pass_on(number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT or not _is_in_a_terminal():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    before = {number: signal.signal(number, pass_on) for name in _FORWARDED if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if number == signal.SIGINT else handler)


def _is_in_a_terminal() -> bool:
    """Whether this process is in the foreground of its terminal, which then sends Ctrl-C to all of its group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
