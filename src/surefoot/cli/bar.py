"""How far a run of cases is, on standard error where somebody is looking: how fast, how long still, what it cost."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..service.budget import Spending
from ..service.prove import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["bar", "said_spending"]


@contextmanager
def bar(*, shown: bool, title: str = "running") -> Generator[Callable[[Progress], None]]:
    """What tells how far a run is: a bar on a terminal, nothing elsewhere."""
    with _progress(shown=shown) as screen:
        task = screen.add_task(title, total=None, said="")

        def told(progress: Progress) -> None:
            spent = f"${progress.spent.usd:.4f} " if progress.spent.usd else ""
            failed = f"{progress.errors} errors" if progress.errors else ""
            screen.update(task, completed=progress.done, total=progress.total, said=spent + failed)

        yield told


def said_spending(spent: Spending) -> str:
    """What was used, as far as it is known: what nobody said is not zero."""
    tokens = _known(f"{spent.tokens:,} tokens", spent.uncounted, spent.calls, "token count")
    return f"{spent.calls:,} calls, {tokens}, {_known(f'${spent.usd:.6g}', spent.unpriced, spent.calls, 'price')}"


def _known(said: str, unknown: int, calls: int, what: str) -> str:
    if not unknown:
        return said
    return f"{what} not known" if unknown >= calls else f"{said} and {unknown:,} calls whose {what} is not known"


def _progress(*, shown: bool) -> Bar:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class _Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    screen = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
        console=screen,
        transient=True,
        disable=not (shown and screen.is_terminal),
    )
