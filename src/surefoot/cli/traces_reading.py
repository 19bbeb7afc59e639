"""What the commands on trace files share: a bar while they read, and broken lines left out only when that is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from ..adapters.traces import Broken, TraceLine
from ..core.proof.trace_outcomes import OutcomeWords
from ..errors import TraceError
from .output import visible

__all__ = ["Doubt", "Left", "SkipOption", "doubts_about", "followed", "no_trace"]

SkipOption = Annotated[bool, typer.Option("--skip-broken", help="Leave out lines that are no trace, and count them.")]

_TOLD: Final = 3


class Doubt(NamedTuple):
    """Something about the outcomes of a file that is not as it was meant, certainly or probably."""

    problem: TraceError
    is_certain: bool


class Left:
    """Lines that were left out: counted, the first ones shown."""

    def __init__(self, *, goes_on: bool) -> None:
        self._goes_on = goes_on
        self._first: list[TraceError] = []
        self.count = 0

    def teller(self) -> Broken:
        """For a reader."""
        return self.add

    def add(self, problem: TraceError) -> None:
        """Leave something out; where nothing may be left out, raises it and names the option that allows it."""
        if not self._goes_on:
            raise TraceError(problem.message, hint=f"{problem.hint}; or leave such lines out with --skip-broken")
        self.count += 1
        if len(self._first) < _TOLD:
            self._first.append(problem)

    def say(self) -> None:
        """On standard error, so that it is seen beside an answer that is piped away."""
        for problem in self._first:
            print(visible(f"left out: {problem.message}"), file=sys.stderr)
        if self.count:
            print(f"{self.count:,} broken line(s) left out", file=sys.stderr)


def no_trace(path: Path) -> TraceError:
    """The error for a file without a run: nothing was counted, copied or changed."""
    return TraceError(f"{path}: holds no trace", hint="one JSON object a line; see docs/traces.md")


def doubts_about(path: Path, words: OutcomeWords) -> Iterator[Doubt]:
    """Outcomes that count as failures because of how they are spelt, and a file without one success."""
    for one in words.written_otherwise():
        yield Doubt(TraceError(f"{path}:{one.line}:outcome: {one.what}", hint=one.hint), one.is_certain)
    failed = words.never_succeeded
    if failed:
        yield Doubt(
            TraceError(
                f"{path}: not one success: all {failed:,} run(s) with an outcome count as failed",
                hint="if some did succeed, write `success`, or write in `expected_outcome` what a success is called",
            ),
            is_certain=False,
        )


def followed(path: Path, lines: Iterable[TraceLine], what: str, *, shown: bool) -> Iterator[TraceLine]:
    """The same lines, with a bar on standard error that says how fast and how long still, where somebody is looking."""
    if not (shown and sys.stderr.isatty() and path.is_file()):
        yield from lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{what} {path.name}", total=path.stat().st_size)
        for line in lines:
            yield line
            bar.update(task, completed=line.end)
