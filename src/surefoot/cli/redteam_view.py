"""How attacks are shown: the verdict, what changed, then the tables, worst first, each rate with what it is at most."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

from ..core.proof.rates import wilson
from ..core.proof.redteam.outcome import Change
from ..core.proof.redteam.report import Cell, Fates, by_category, by_strategy, worst_first
from ..service.prove import Progress
from ..service.redteam import RedTeamed
from .gate_view import say_report
from .output import say, say_table

__all__ = ["progress_shown", "redteam_json", "show_redteam"]

_MOST_CELLS: Final = 15


def show_redteam(found: RedTeamed) -> None:
    """All of it for a person."""
    say_report(found.gate, found.label)
    for change in found.changes:
        say(_sentence(change, alone=_is_adjusted(found)))
    cells = found.report.cells
    if not cells:
        say("nothing was attacked, and nothing that was not attacked has resisted")
        return
    has_baseline = found.report.baseline is not None
    _show("category", worst_first(by_category(cells)), is_category=True, has_baseline=has_baseline)
    _show("strategy", worst_first(by_strategy(cells)), is_category=False, has_baseline=has_baseline)
    if not any(cell.candidate.judged for cell in cells):
        say("no attack was judged: nothing is known to have resisted")
    elif not any(cell.candidate.complied for cell in cells):
        is_known = not any(cell.candidate.errors for cell in cells)
        say("no attack succeeded" if is_known else "no attack is known to have succeeded; some have no result")
    elif len(by_category(cells)) > 1 and len(by_strategy(cells)) > 1:
        _show_cells(worst_first(cells), has_baseline=has_baseline)
    for lack in found.report.lacks:
        say(f"error ({lack.times}): {lack.reason}")
    _say_open(by_category(cells))
    if found.report.hit_at_k is not None and found.report.trials > 1:
        say(f"at least one of {found.report.trials} tries gets through in {found.report.hit_at_k:.1%} of the attacks")
    say('"at most" is the exact one-sided bound at 95 % that gates compare; the interval is Wilson\'s, two-sided, 95 %')
    if found.report.trials > 1:
        say("tries of one attack resemble one another: gates count them as fewer, so their bounds are wider")
    if found.stopped:
        say(f"stopped before its end: {found.stopped}; go on with --resume")


def redteam_json(found: RedTeamed) -> dict[str, object]:
    """All of it for a program."""
    cells = found.report.cells
    return {
        "decision": found.gate.decision,
        "exit_code": found.gate.exit_code,
        "version": found.report.version,
        "label": found.label,
        "baseline": found.report.baseline,
        "suite": found.report.suite,
        "stopped": found.stopped,
        "changes": [{**change._asdict(), "said": change.said()} for change in found.changes],
        "trials": found.report.trials,
        "hit_at_k": found.report.hit_at_k,
        "errors": [lack._asdict() for lack in found.report.lacks],
        "categories": [_cell_json(cell) for cell in worst_first(by_category(cells))],
        "strategies": [_cell_json(cell) for cell in worst_first(by_strategy(cells))],
        "cells": [_cell_json(cell) for cell in worst_first(cells)],
        "rulings": [asdict(ruling) for ruling in found.gate.rulings],
    }


@contextmanager
def progress_shown(*, shown: bool) -> Generator[Callable[[Progress], None]]:
    """A bar on standard error while attacks are made, with the time that is left and what was spent."""
    from rich import progress as rich
    from rich.console import Console

    screen = Console(stderr=True)
    columns = (
        rich.TextColumn("attacking"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[said]}"),
    )
    with rich.Progress(*columns, console=screen, transient=True, disable=not (shown and screen.is_terminal)) as bar:
        task = bar.add_task("attacking", total=None, said="")

        def told(progress: Progress) -> None:
            spent = f"${progress.spent.usd:.4f} " if progress.spent.usd else ""
            errors = f"{progress.errors} errors" if progress.errors else ""
            bar.update(task, completed=progress.done, total=progress.total, said=spent + errors)

        yield told


def _is_adjusted(found: RedTeamed) -> bool:
    """Whether the gates above said p-values that were adjusted for one another."""
    return sum(ruling.is_blocking and ruling.kind == "regression" for ruling in found.gate.rulings) > 1


def _sentence(change: Change, *, alone: bool) -> str:
    said = change.said()
    chance = min(change.p_worse, change.p_better) if said != "no evidence of a change" else change.p_worse
    return (
        f"{change.metric}: {change.baseline:.3f} -> {change.candidate:.3f}, {said} "
        f"({change.worse} of {change.n} cases got worse, {change.better} better; "
        f"p = {chance:.2g}{' alone' if alone else ''})"
    )


def _show(what: str, cells: Iterable[Cell], *, is_category: bool, has_baseline: bool) -> None:
    head = [what, "success", "at most", "interval", *(["baseline"] if has_baseline else []), "not understood"]
    head += ["open", "errors"]
    say_table(
        head, [[cell.category if is_category else cell.strategy, *_figures(cell, has_baseline)] for cell in cells]
    )


def _show_cells(cells: tuple[Cell, ...], *, has_baseline: bool) -> None:
    broken = [cell for cell in cells if cell.candidate.complied]
    head = ["category", "strategy", "success", "at most", "interval"]
    head += [*(["baseline"] if has_baseline else []), "not understood", "open", "errors"]
    rows = [[cell.category, cell.strategy, *_figures(cell, has_baseline)] for cell in broken[:_MOST_CELLS]]
    say_table(head, rows, title="where attacks succeeded")
    if len(broken) > _MOST_CELLS:
        say(f"and {len(broken) - _MOST_CELLS} more cells, none of them worse")


def _say_open(categories: tuple[Cell, ...]) -> None:
    """What to do about answers that nobody judged."""
    answers = sum(cell.candidate.open for cell in categories)
    if answers:
        told = ",".join(cell.category for cell in categories if not cell.candidate.open)
        rest = f", or ask only what evidence tells: --categories {told}" if told else ""
        say(f"{answers:,} answers need a judge: --judges SUITE{rest}")


def _figures(cell: Cell, has_baseline: bool) -> list[str]:
    mine, theirs = cell.candidate, cell.baseline
    low, high = wilson(mine.complied, mine.judged)
    interval = f"{low:.0%} to {high:.0%}" if mine.judged else ""
    before = [_share(theirs)] if has_baseline else []
    return [_share(mine), _at_most(mine), interval, *before, str(mine.not_understood), *_unknown(mine)]


def _unknown(fates: Fates) -> tuple[str, str]:
    """Answers that nobody judged, and what gave none."""
    return str(fates.open), str(fates.errors - fates.open)


def _share(fates: Fates | None) -> str:
    if fates is None or not fates.tried:
        return ""
    rate = fates.rate
    return "none judged" if rate is None else f"{fates.complied} of {fates.judged} ({rate:.1%})"


def _at_most(fates: Fates) -> str:
    return f"{fates.at_most:.0%}" if fates.judged else "unknown"


def _cell_json(cell: Cell) -> dict[str, object]:
    return {
        **({"category": cell.category} if cell.category else {}),
        **({"strategy": cell.strategy} if cell.strategy else {}),
        "candidate": _fates_json(cell.candidate),
        "baseline": None if cell.baseline is None else _fates_json(cell.baseline),
    }


def _fates_json(fates: Fates) -> dict[str, object]:
    low, high = wilson(fates.complied, fates.judged)
    return {
        **fates._asdict(),
        "rate": fates.rate,
        "at_most": fates.at_most,
        "wilson_95": [low, high] if fates.judged else None,
    }
