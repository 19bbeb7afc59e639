"""`baselines/*.json` and other tables of scores as JSON: strict to read, whole or not at all to write."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from ..core.proof.baseline import COUNTS_SUITE, Baseline, plain_column, suite_name
from ..core.proof.table import Column, Sample, ScoreTable
from ..core.repeated_keys import repeated_keys
from ..core.units import AgentName, Digest
from ..errors import GateError, NothingToJudge
from .files import NewFile, write_all

__all__ = [
    "BASELINES_FOLDER",
    "baseline_path",
    "baseline_text",
    "checked_table",
    "load_baseline",
    "load_table",
    "parse_baseline",
    "parse_table",
    "table_text",
    "write_baseline",
]

BASELINES_FOLDER: Final = "baselines"

T = TypeVar("T")

_FORMAT: Final = 1
_LARGEST: Final = 256 * 1024 * 1024
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_NAMED: Final = 3
_UNKNOWN: Final = Digest("")
"""The version of a table that does not say whose it is. Nothing can be bound to it."""


class _Column(msgspec.Struct, forbid_unknown_fields=True):
    is_rate: bool
    samples: dict[str, list[float]]
    """By case: n, total, squares, errors, skipped."""

    judges: list[str] = []


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal[1]
    suite: str
    version: str
    columns: dict[str, _Column]


class _Baseline(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal[1]
    suite: str
    version: str
    blessed_by: str
    blessed_at: datetime
    columns: dict[str, _Column]
    agent: str | None = None
    label: str = ""
    why: str = ""


class _Counts(msgspec.Struct, forbid_unknown_fields=True):
    """One metric of a plain file."""

    n: int
    passed: int | None = None
    mean: float | None = None
    sd: float | None = None
    errors: int = 0


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    metrics: dict[str, _Counts | float]
    version: str = ""


def load_table(path: Path) -> ScoreTable:
    """The table in a file, see `parse_table`. Raises GateError for no file, too."""
    return parse_table(_read(path), source=path.name)


def parse_table(raw: bytes, *, source: str) -> ScoreTable:
    """
    A table of scores: one that `table_text` wrote, a baseline, or plain counts by metric.

    Plain is `{"metrics": {"exact": {"n": 100, "passed": 95}, "quality": {"n": 50, "mean": 4.1, "sd": 0.6}, ...}}`, or
    the inner object alone; a bare number in the place of counts is a mean of which nothing else is known. Raises
    GateError, also for a name that is repeated in its object.
    """
    kind = _kind(raw, source)
    if kind == "plain":
        return _plain(_decoded(raw, _Plain, source), source)
    if kind == "flat":
        return _plain(_Plain(metrics=_decoded(raw, dict[str, _Counts | float], source)), source)
    if kind == "baseline":
        return _baseline(raw, source).table
    found = _decoded(raw, _Table, source)
    # Results of another program may not say whose they are; what is blessed has to.
    return _table(found.suite, found.version, found.columns, source, may_be_unknown=True)


def load_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises GateError for a file that is not there, or is no baseline."""
    return parse_baseline(_read(path), source=path.name)


def parse_baseline(raw: bytes, *, source: str) -> Baseline:
    """What `baseline_text` wrote. Raises GateError naming what is wrong, NaN and impossible counts included."""
    if _kind(raw, source) != "baseline":
        raise GateError(f"{source} is no baseline", hint="`surefoot eval bless` writes one")
    return _baseline(raw, source)


def _baseline(raw: bytes, source: str) -> Baseline:
    found = _decoded(raw, _Baseline, source)
    return Baseline(
        table=_table(found.suite, found.version, found.columns, source),
        blessed_by=found.blessed_by,
        blessed_at=found.blessed_at,
        agent=None if found.agent is None else AgentName(found.agent),
        label=found.label,
        why=found.why,
    )


def checked_table(table: ScoreTable, *, source: str) -> ScoreTable:
    """The table, its counts looked at as those of a file are. Raises GateError naming what is impossible."""
    return parse_table(table_text(table).encode(), source=source)


def table_text(table: ScoreTable) -> str:
    """A table as JSON, one line a case, so that a diff of two shows the cases that changed."""
    return _written({"format": _FORMAT, "suite": table.suite, "version": table.version}, table)


def baseline_text(baseline: Baseline) -> str:
    """A baseline as JSON, one line a case: counts, digests and judges, never means."""
    head = {
        "format": _FORMAT,
        "suite": baseline.table.suite,
        "version": baseline.table.version,
        "agent": baseline.agent,
        "label": baseline.label,
        "blessed_by": baseline.blessed_by,
        "blessed_at": baseline.blessed_at.isoformat(),
        "why": baseline.why,
    }
    return _written(head, baseline.table)


def baseline_path(root: Path, suite: str, agent: str | None = None) -> Path:
    """Where the baseline of a suite is kept: `baselines/SUITE.json`, or `baselines/AGENT/SUITE.json`."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", suite_name(suite)).strip(".-") or "suite"
    folder = root / BASELINES_FOLDER
    return (folder / agent if agent else folder) / f"{name}.json"


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Put a baseline into the place of what was there, whole or not at all. Raises UsageError for a full disk."""
    write_all([NewFile(path=path, text=baseline_text(baseline), replaces=True)])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise GateError(f"{path}: no such file", hint="name a file with results, or write one first") from None
    except OSError as error:
        raise GateError(f"{path}: cannot be read: {error.strerror}", hint="check its permissions") from None
    if len(raw) > _LARGEST:
        raise GateError(f"{path} is larger than {_LARGEST} bytes", hint="counts of a million cases are not; split it")
    return raw


def _kind(raw: bytes, source: str) -> str:
    if not raw.strip():
        raise NothingToJudge(f"{source} is empty: it holds no result", hint="write the results into it first")
    found = _decoded(raw, dict[str, msgspec.Raw], source)
    if not found:
        raise NothingToJudge(f"{source} holds no result", hint='{"metrics": {"NAME": {"n": 50, "passed": 48}}}')
    _refuse_repeated(raw, source)
    if "metrics" in found:
        return "plain"
    if "blessed_by" in found:
        return "baseline"
    return "table" if "columns" in found or "format" in found or not found else "flat"


def _decoded(raw: bytes, kind: type[T], source: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GateError(
            f"{source}: {error}",
            hint='a table of scores, a baseline, or {"metrics": {"NAME": {"n": 50, "passed": 48}}}',
        ) from None


def _refuse_repeated(raw: bytes, source: str) -> None:
    """Two numbers under one name: to take either is to make up which of them was measured."""
    try:
        again = repeated_keys(raw)
    except (ValueError, RecursionError) as error:
        raise GateError(f"{source}: {error}", hint="one JSON object, in UTF-8 and not nested deeply") from None
    if again:
        named = ", ".join(again[:_NAMED]) + (" ..." if len(again) > _NAMED else "")
        raise GateError(f"{source}: stands twice: {named}", hint="leave one of the two, the one that was measured")


def _table(
    suite: str, version: str, columns: Mapping[str, _Column], source: str, *, may_be_unknown: bool = False
) -> ScoreTable:
    if _DIGEST.fullmatch(version) is None and not (may_be_unknown and version == _UNKNOWN):
        raise GateError(f"{source}: version {version!r} is no digest", hint="sha256: and 64 hexadecimal digits")
    return ScoreTable(
        suite=suite,
        version=Digest(version),
        columns={
            metric: Column(
                samples={
                    case: _sample(values, column.is_rate, f"{source}: {metric}, case {case!r}")
                    for case, values in column.samples.items()
                },
                is_rate=column.is_rate,
                judges=tuple(sorted(set(column.judges))),
            )
            for metric, column in columns.items()
        },
    )


def _sample(values: list[float], is_rate: bool, where: str) -> Sample:  # noqa: FBT001 - a column's own word
    if len(values) != 5:
        raise GateError(f"{where}: {len(values)} numbers", hint="n, total, squares, errors, skipped")
    n, total, squares, errors, skipped = values
    counts = (n, errors, skipped)
    if any(count < 0 or count != int(count) for count in counts) or not math.isfinite(total + squares):
        raise GateError(f"{where}: impossible counts {values}", hint="counts are whole numbers, sums are finite")
    if squares < 0 or (not n and (total or squares)) or total * total > n * squares * (1 + 1e-9) + 1e-9:
        raise GateError(f"{where}: sums that no {n:g} values have", hint="was it edited by hand? measure again")
    if is_rate and not (total == int(total) and 0 <= total <= n):
        raise GateError(f"{where}: {total:g} of {n:g} passed", hint="no more can pass than were tried")
    return Sample(n=int(n), total=total, squares=squares, errors=int(errors), skipped=int(skipped))


def _plain(found: _Plain, source: str) -> ScoreTable:
    if found.version and _DIGEST.fullmatch(found.version) is None:
        raise GateError(f"{source}: version {found.version!r} is no digest", hint="sha256: and 64 hexadecimal digits")
    columns = {metric: _plain_column(value, f"{source}: {metric}") for metric, value in found.metrics.items()}
    return ScoreTable(suite=COUNTS_SUITE, version=Digest(found.version) or _UNKNOWN, columns=columns)


def _plain_column(value: _Counts | float, where: str) -> Column:
    if not isinstance(value, _Counts):
        return plain_column(_sample([1, value, value * value, 0, 0], is_rate=False, where=where), is_rate=False)
    if value.passed is not None:
        if value.mean is not None or value.sd is not None:
            raise GateError(f"{where}: passed and mean at once", hint="a rate has n and passed; a value n, mean and sd")
        return plain_column(
            _sample([value.n, value.passed, value.passed, value.errors, 0], is_rate=True, where=where), is_rate=True
        )
    if value.mean is None:
        if value.n:
            raise GateError(f"{where}: n alone", hint="a rate has n and passed; a value has n, mean and sd")
        return plain_column(Sample(errors=value.errors), is_rate=False)
    if value.sd is None or value.sd < 0 or value.n < 1:
        raise GateError(f"{where}: a mean needs n and sd", hint='write {"n": 50, "mean": 4.1, "sd": 0.6}')
    squares = value.sd**2 * (value.n - 1) + value.n * value.mean**2
    values = [value.n, value.mean * value.n, squares, value.errors, 0]
    return plain_column(_sample(values, is_rate=False, where=where), is_rate=False)


def _written(head: Mapping[str, object], table: ScoreTable) -> str:
    columns = ",\n".join(
        f"  {_json(metric)}: {{\n"
        f'   "is_rate": {_json(column.is_rate)},\n'
        f'   "judges": {_json(list(column.judges))},\n'
        f'   "samples": {{\n'
        + ",\n".join(f"    {_json(case)}: {_json(list(one))}" for case, one in column.samples.items())
        + "\n   }\n  }"
        for metric, column in table.columns.items()
    )
    lines = "".join(f" {_json(key)}: {_json(value)},\n" for key, value in head.items())
    return f'{{\n{lines} "columns": {{\n{columns}\n }}\n}}\n'


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
