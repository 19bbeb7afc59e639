"""Inspect: a log of an evaluation as JSON (`inspect eval --log-format json`, or `inspect log convert --to json`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ...core.proof.score import Score
from ..converters.untyped import as_count, as_list, as_mapping, as_text, at, is_object
from .imported import RUN_ENDED, Case, Imported, measured, parsed, passed, raw, refused, tabled

__all__ = ["inspect_results"]

_ZIP: Final = b"PK\x03\x04"
_PARTIAL: Final = 0.5
_GRADES: Final = MappingProxyType({"C": True, "I": False, "N": False})
"""Correct, incorrect, no answer. `P` is partial: half a point, and no verdict."""


def inspect_results(path: Path, arm: str | None = None) -> Imported:
    """
    One metric per scorer (`scorer.key` where it scores several things); grades and booleans pass or fail.

    Samples and epochs that the log announces and does not hold are errors, and so is a run that did not end as a
    success. `arm` chooses one scorer.
    """
    content = raw(path)
    if content.startswith(_ZIP):
        refused(path, "an .eval file, which is packed: convert it first, `inspect log convert --to json`")
    log = as_mapping(parsed(path, content))
    if "eval" not in log or "status" not in log:
        refused(path, "no log of Inspect")
    samples = [as_mapping(sample) for sample in as_list(log.get("samples"))]
    cases = [_case(sample, arm) for sample in samples]
    if not cases and arm is None and not _announced(log):
        refused(path, "no sample in it")
    cases += _missing(log, samples)
    name = as_text(at(log, "eval", "task")) or "inspect"
    return tabled(path, f"inspect {name}", cases, metric=arm or _scorer(log))


def _scorer(log: dict[str, object]) -> str:
    """The first scorer, for a log without a score."""
    return next((name for one in as_list(at(log, "eval", "scorers")) if (name := as_text(at(one, "name")))), "score")


def _announced(log: dict[str, object]) -> list[str]:
    return [str(name) for name in as_list(at(log, "eval", "dataset", "sample_ids"))]


def _missing(log: dict[str, object], samples: list[dict[str, object]]) -> Iterator[Case]:
    epochs = as_count(at(log, "eval", "config", "epochs")) or 1
    held = [str(sample.get("id")) for sample in samples]
    for name in _announced(log):
        for _ in range(epochs - held.count(name)):
            yield Case(id=name, error="the log does not hold it")
    if log["status"] != "success":
        why = as_text(at(log, "error", "message")) or ""
        yield Case(id=RUN_ENDED, error=f"the run ended as {log['status']!r} {why}".strip())


def _case(sample: dict[str, object], arm: str | None) -> Case:
    name = str(sample.get("id"))
    if sample.get("error"):
        return Case(id=name, error=as_text(at(sample, "error", "message")) or "the sample ended with an error")
    scores: dict[str, Score] = {}
    for scorer, score in as_mapping(sample.get("scores")).items():
        if arm in (None, scorer):
            value, why = at(score, "value"), as_text(at(score, "explanation")) or ""
            for metric, one in _values(scorer, value):
                scores[metric] = _score(metric, one, why)
    return Case(id=name, scores=scores, error=None if scores else "no scorer scored it")


def _values(scorer: str, value: object) -> Iterator[tuple[str, object]]:
    if is_object(value):
        for key, one in value.items():
            yield f"{scorer}.{key}", one
    else:
        yield scorer, value


def _score(metric: str, value: object, why: str) -> Score:
    if isinstance(value, str):
        if value == "P":
            return measured(metric, _PARTIAL)
        return passed(metric, _GRADES.get(value, value), why)
    return passed(metric, value, why) if isinstance(value, bool) else measured(metric, value)
