"""What a version once showed and somebody found good: what later versions are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ...errors import GateError
from ..units import AgentName
from .table import Column, Sample, ScoreTable

__all__ = ["COUNTS_SUITE", "EVERYTHING", "Baseline", "plain_column", "refuse_unfit", "suite_name"]

COUNTS_SUITE: Final = "counts"
"""The suite of a table that holds totals without cases: nothing in it can be paired."""

EVERYTHING: Final = "(all)"
"""The one row of such a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A table that was blessed, by whom and when. Nothing blesses by itself, so a baseline never drifts."""

    table: ScoreTable
    blessed_by: str
    blessed_at: datetime
    agent: AgentName | None = None
    label: str = ""
    """What people call the version; its digest is in the table."""

    why: str = ""


def suite_name(suite: str) -> str:
    """The name people gave it, without the digest: `support` of `support@sha256:...`."""
    return suite.partition("@")[0]


def plain_column(sample: Sample, *, is_rate: bool) -> Column:
    """A metric of which only totals are known."""
    return Column(samples={EVERYTHING: sample}, is_rate=is_rate)


def refuse_unfit(table: ScoreTable, *, stopped: str = "", changed: str = "") -> None:
    """Raise GateError for results that later versions cannot be compared with: incomplete, empty, or without scores."""
    hint = "run the suite to its end, then bless it"
    if changed:
        raise GateError(f"what ran is not known to be what is there now: {changed}", hint=hint)
    if stopped:
        raise GateError(f"the run is not complete: {stopped}", hint=hint)
    if not table.columns or not table.version or table.suite == COUNTS_SUITE:
        raise GateError("a baseline needs cases, and the digest of a version", hint=hint)
    for metric, column in table.columns.items():
        if not column.n:
            raise GateError(f"{metric} has no scored trial", hint=hint)
        if column.errors * 10 > column.n + column.errors:
            tried = column.n + column.errors
            raise GateError(f"{metric}: {column.errors} of {tried} trials ended without a score", hint=hint)
