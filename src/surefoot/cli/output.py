"""How a command answers: a table for people or JSON for programs, and errors that say what to do next."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["JsonOption", "console", "say", "say_changed_lines", "say_error", "say_json", "say_table", "visible"]

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

_WIDTH_WITHOUT_TERMINAL: Final = 160
"""Columns when the output is a pipe or a file: wide enough that no label or digest is cut."""

_LEAST_WRAPPED: Final = 24
"""A column that is narrower than this is hard to read when it wraps."""

_COLOURS: Final = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
_NO_COLOUR: Final = "\x1b[0m"

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What makes a terminal do something instead of showing something, and what turns the direction of writing."""


def visible(text: str) -> str:
    """The text with its control characters spelled out: a prompt or a trace must not be able to write on the screen."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def console() -> Console:
    """The terminal, or plain text in a fixed width when nobody is looking."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, soft_wrap=False)


def say(*lines: str) -> None:
    """Plain lines on standard output."""
    for line in lines:
        print(visible(line))


def say_changed_lines(lines: Iterable[str]) -> None:
    """A unified diff, indented, in colours where somebody is looking."""
    looking = sys.stdout.isatty()
    for line in lines:
        colour = _COLOURS.get(line[:1]) if looking else None
        print(f"    {colour}{visible(line)}{_NO_COLOUR}" if colour else f"    {visible(line)}")


def say_json(value: object) -> None:
    """One JSON document on standard output."""
    print(visible(json.dumps(value, ensure_ascii=False, indent=2)))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """
    A table, of which the widest column may wrap; where even that is too narrow, one block for each row.

    Nothing is cut. Cells are plain text: brackets in them mean nothing.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    screen = console()
    widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
    widest = max(range(len(widths)), key=widths.__getitem__)
    left = screen.width - 2 - sum(widths[:widest] + widths[widest + 1 :]) - 3 * (len(widths) - 1)
    if left >= min(widths[widest], _LEAST_WRAPPED):
        screen.print(_table(columns, shown, wraps=widest, title=title))
    else:
        _say_blocks(screen, columns, shown, title)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, wraps: int, title: str | None) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place != wraps)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _say_blocks(screen: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None) -> None:
    """The first cell as a heading, the others below it with their names."""
    from rich.table import Table
    from rich.text import Text

    if title is not None:
        screen.print(Text(title, style="italic"))
    for row in rows:
        screen.print()
        screen.print(Text(row[0], style="bold"))
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                block.add_row(Text(f"  {name}", style="dim"), Text(cell))
        screen.print(block)
    screen.print()


def say_error(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """One error on standard error: two lines for people, or one JSON object for programs."""
    if as_json:
        text = json.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False)
    else:
        text = f"error[{code}]: {message}" + (f"\nhint: {hint}" if hint else "")
    print(visible(text), file=sys.stderr)
