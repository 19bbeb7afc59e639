"""What every bridge makes of a file: results of cases under metrics, of one version, with nothing lost on the way."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from ...core.proof.redteam.outcome import Arm, AttackOutcome, attack_report, attack_table, suite_of
from ...core.proof.redteam.report import AttackReport
from ...core.proof.score import Attempt, Result, Score
from ...core.proof.table import ScoreTable, table_of
from ...core.units import Digest
from ...errors import NothingToJudge, UsageError
from ..converters.untyped import decoded

__all__ = [
    "RUN_ENDED",
    "UNKNOWN",
    "Case",
    "Imported",
    "attacked",
    "measured",
    "parsed",
    "passed",
    "raw",
    "refused",
    "tabled",
]

UNKNOWN: Final = Digest("")
"""The version of results that do not say whose they are."""

RUN_ENDED: Final = "(the run itself)"
"""The case that stands for a run that did not come to its end."""

_MOST_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A file of results, counted."""

    table: ScoreTable
    attacks: AttackReport | None = None
    """Of a red team."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a file, once."""

    id: str
    scores: Mapping[str, Score] = field(default_factory=dict[str, Score])
    error: str | None = None
    """Why there are no scores."""


def raw(path: Path) -> bytes:
    """The file's content. Raises UsageError for none, an empty one and one that is too large."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path}: larger than {_MOST_BYTES:,} bytes", hint="split the run")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="name the file that the run left") from error
    if not content.strip():
        refused(path, "the file is empty")
    return content


def parsed(path: Path, content: bytes, *, lines: bool = False) -> object:
    """The JSON of a file, or its lines as a list. Raises UsageError naming the line."""
    if not lines:
        return _decoded(path, content, "")
    return [_decoded(path, line, f":{number}") for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]


def refused(path: Path, what: str) -> NoReturn:
    """The file holds nothing that could be counted."""
    raise NothingToJudge(f"{path}: {what}", hint="name the results file of that program, see docs/judges.md")


def passed(metric: str, value: object, reason: str = "") -> Score:
    """A verdict; anything but true and false is an error."""
    if not isinstance(value, bool):
        return Score.failed(metric, f"{value!r} is no verdict")
    return Score.scored(metric, float(value), passed=value, reason=reason)


def measured(metric: str, value: object) -> Score:
    """A number that decides nothing; anything else, and NaN, is an error."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return Score.failed(metric, f"{value!r} is no number")
    return Score.scored(metric, float(value), passed=None)


def tabled(path: Path, name: str, cases: Sequence[Case], *, metric: str) -> Imported:
    """
    The table of all cases under all metrics, at least under `metric`.

    What a case does not say of a metric is an error there, not a gap.
    """
    if not cases:
        refused(path, "no result in it")
    metrics = tuple(dict.fromkeys(name for case in cases for name in case.scores)) or (metric,)
    seen: dict[str, int] = {}
    results: list[Result] = []
    for case in cases:
        trial = seen[case.id] = seen.get(case.id, -1) + 1
        scores = tuple(case.scores.values())
        results.append(Result(attempt=Attempt(case.id, UNKNOWN, trial), scores=scores, error=case.error))
    return Imported(table=table_of(_suite(name, seen, metrics), UNKNOWN, results, metrics=metrics))


def attacked(path: Path, name: str, outcomes: Sequence[AttackOutcome]) -> Imported:
    """The table and the report of a red team."""
    if not outcomes:
        refused(path, "no attack in it")
    arm = Arm(version=UNKNOWN, outcomes=tuple(outcomes), benign={})
    suite = suite_of(name, [arm])
    return Imported(table=attack_table(suite, arm), attacks=attack_report(suite, arm))


def _suite(name: str, cases: Iterable[str], metrics: Iterable[str]) -> str:
    """The same cases under the same metrics are the same suite, so that two runs of it can be compared."""
    text = "\n".join([*sorted(cases), "", *sorted(metrics)])
    return f"{name}@sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _decoded(path: Path, content: bytes, where: str) -> object:
    try:
        return decoded(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}{where}: no JSON: {error}", hint="is the file whole? write it again") from None
