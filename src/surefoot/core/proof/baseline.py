"""What a version once showed and somebody found good: what later versions are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..units import AgentName
from .table import Column, Sample, ScoreTable

__all__ = ["COUNTS_SUITE", "EVERYTHING", "Baseline", "judges_of", "plain_column", "suite_name"]

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


def judges_of(table: ScoreTable) -> tuple[str, ...]:
    """Fingerprints of all judges that scored it, sorted."""
    return tuple(sorted({judge for column in table.columns.values() for judge in column.judges}))


def suite_name(suite: str) -> str:
    """The name people gave it, without the digest: `support` of `support@sha256:...`."""
    return suite.partition("@")[0]


def plain_column(sample: Sample, *, is_rate: bool) -> Column:
    """A metric of which only totals are known."""
    return Column(samples={EVERYTHING: sample}, is_rate=is_rate)
