"""`surefoot eval import`: what other programs found, as scores that our gates count."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.proof.table import ScoreTable
from ..errors import UsageError
from .output import JsonOption, say, say_json, say_table
from .project import project_of
from .writable import refuse_unwritable

if TYPE_CHECKING:
    from ..adapters.bridges.imported import Imported

__all__ = ["Source", "import_results"]


class Source(StrEnum):
    """Programs whose results can be read."""

    PROMPTFOO = "promptfoo"
    JUNIT = "junit"
    INSPECT = "inspect"
    GARAK = "garak"
    PYRIT = "pyrit"


def import_results(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What the program wrote.", show_default=False)],
    *,
    source: Annotated[Source, typer.Option("--from", help="The program; junit for pytest, DeepEval and most runners.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Write the scores there, for `gate check`.", show_default=False)
    ],
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="AGENT@LABEL", help="Whose results these are.", show_default=False),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(
            help="Of several providers, suites, scorers or detectors the one that counts.", show_default=False
        ),
    ] = None,
    attacks: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the attacks there (garak, PyRIT).", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn another program's results into scores. 0 says that they were read: what they mean the gates say.

    Whatever did not run, was cut off or cannot be read counts as an error, and an empty file is refused.
    """
    refuse_unwritable(out, attacks, makes_folders=True)
    found = _owned(_reader(source)(file, arm), project_of(ctx), version)
    _write(found, out, attacks, source=source, label=version or "")
    rows = _rows(found.table)
    if as_json:
        keys = ("metric", "cases", "mean", "errors", "skipped")
        metrics = [dict(zip(keys, row, strict=True)) for row in rows]
        say_json({"suite": found.table.suite, "version": found.table.version, "metrics": metrics})
    else:
        say_table(("metric", "cases", "mean", "errors", "skipped"), [tuple(map(_shown, row)) for row in rows])
        say(f"{out}: {found.table.suite}")


def _owned(found: Imported, root: Path, version: str | None) -> Imported:
    """The results, with whose they are."""
    if version is None:
        return found
    from ..app.gating import version_named

    digest = version_named(root, version).digest
    report = None if found.attacks is None else replace(found.attacks, version=digest)
    return replace(found, table=replace(found.table, version=digest), attacks=report)


def _write(found: Imported, out: Path, attacks: Path | None, *, source: Source, label: str) -> None:
    """Both files or neither."""
    from ..config.baselines import table_text
    from ..config.files import NewFile, write_all

    files = [NewFile(path=out, text=table_text(found.table), replaces=True)]
    if attacks is not None:
        from ..adapters.reports.documents import AttacksDocument, written

        if found.attacks is None:
            raise UsageError(f"{source} results hold no attacks", hint="leave --attacks away")
        text = written(AttacksDocument(attacks=found.attacks, label=label)).decode()
        files.append(NewFile(path=attacks, text=text, replaces=True))
    write_all(files)


def _reader(source: Source) -> Callable[[Path, str | None], Imported]:
    module = importlib.import_module(f"surefoot.adapters.bridges.{source.value}")
    read: Callable[[Path, str | None], Imported] = getattr(module, f"{source.value}_results")
    return read


def _rows(table: ScoreTable) -> list[tuple[str, int, float | None, int, int]]:
    return [
        (metric, len(column.samples), column.mean, column.errors, sum(one.skipped for one in column.samples.values()))
        for metric, column in table.columns.items()
    ]


def _shown(value: str | float | None) -> str:
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
