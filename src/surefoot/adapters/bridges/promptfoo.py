"""promptfoo: the JSON or JSON Lines that `promptfoo eval -o FILE` writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...core.proof.score import Score
from ...errors import UsageError
from ..converters.untyped import as_count, as_list, as_mapping, as_text, at, is_array, is_object
from .imported import RUN_ENDED, Case, Imported, measured, parsed, passed, raw, refused, tabled

__all__ = ["promptfoo_results"]

_ERROR: Final = 2
"""`failureReason` of a test that did not run to its end; 1 is an assertion that failed."""

_COUNTED: Final = ("successes", "failures", "errors")
"""Of `stats`; beside them it has tokens and durations, which are whole numbers too."""


def promptfoo_results(path: Path, arm: str | None = None) -> Imported:
    """
    `success` per test, `latency_ms` and `cost_usd` where recorded, and each named score as a measure.

    A file with several providers or prompts needs `arm`: `PROVIDER`, or `PROVIDER/PROMPT`. Tests that promptfoo counts
    in `stats` and that are not in the file are errors. Tests that are equal (`--repeat`) are trials of one case. A cost
    of 0 counts only where the provider reported it: promptfoo writes 0 for "unknown", too.
    """
    content = raw(path)
    whole = parsed(path, content, lines=path.suffix == ".jsonl")
    found = whole if path.suffix == ".jsonl" else at(whole, "results", "results")
    if not is_array(found):
        refused(path, "no results of promptfoo")
    rows = [as_mapping(row) for row in found]
    if any("success" not in row or "vars" not in row for row in rows):
        refused(path, "a result without `success` and `vars`: not promptfoo's")
    chosen = _chosen(path, rows, arm)
    names = _names(rows, chosen)
    named = tuple(dict.fromkeys(metric for row in chosen for metric in as_mapping(row.get("namedScores"))))
    cases = [_case(row, name, named) for row, name in zip(chosen, names, strict=True)]
    stats = as_mapping(at(whole, "results", "stats") if is_object(whole) else None)
    wanted = sum(as_count(stats.get(name)) or 0 for name in _COUNTED)
    if len(rows) < wanted:
        cases.append(Case(id=RUN_ENDED, error=f"{wanted} tests were counted and {len(rows)} are in the file"))
    return tabled(path, "promptfoo", cases, metric="success")


def _arm(row: dict[str, object]) -> tuple[str, str]:
    provider = row.get("provider")
    name = as_text(provider) or as_text(at(provider, "label")) or as_text(at(provider, "id")) or "?"
    return name, as_text(at(row, "prompt", "label")) or str(row.get("promptIdx", ""))


def _chosen(path: Path, rows: Sequence[dict[str, object]], arm: str | None) -> list[dict[str, object]]:
    arms = dict.fromkeys(map(_arm, rows))
    if arm is None and len(arms) > 1:
        shown = ", ".join(f"{provider}/{prompt}" for provider, prompt in arms)
        raise UsageError(
            f"{path}: {len(arms)} arms: {shown}", hint="one version is judged at a time: --arm PROVIDER/PROMPT"
        )
    chosen = [row for row in rows if arm is None or arm in (_arm(row)[0], "/".join(_arm(row)))]
    if arm is not None and len(dict.fromkeys(map(_arm, chosen))) != 1:
        shown = ", ".join(f"{provider}/{prompt}" for provider, prompt in arms)
        raise UsageError(f"{path}: {arm!r} is not one of the arms: {shown}", hint="write --arm PROVIDER/PROMPT")
    return chosen


def _names(rows: Sequence[dict[str, object]], chosen: Sequence[dict[str, object]]) -> list[str]:
    """The description where it names one test only, else the test's number, not counting repetitions before it."""
    numbers: dict[str, int] = {}
    repeated: set[int] = set()
    for place, row in sorted(enumerate(rows), key=lambda one: _number(*one)):
        number = _number(place, row)
        if numbers.setdefault(_test(row), number) != number:
            repeated.add(number)
    shared = Counter(as_text(at(json.loads(test), "description")) for test in numbers)
    names: list[str] = []
    for row in chosen:
        described, first = as_text(at(row, "testCase", "description")), numbers[_test(row)]
        number = first - sum(one < first for one in repeated)
        names.append(described if described and shared[described] == 1 else f"test {number}")
    return names


def _number(place: int, row: dict[str, object]) -> int:
    number = as_count(row.get("testIdx"))
    return place if number is None else number


def _test(row: dict[str, object]) -> str:
    """What is asked and checked, in one spelling: `--repeat` gives each repetition a number of its own."""
    test = as_mapping(row.get("testCase"))
    asked = {"description": test.get("description"), "vars": row.get("vars"), "assert": test.get("assert")}
    return json.dumps(asked, sort_keys=True)


def _case(row: dict[str, object], name: str, named: Sequence[str]) -> Case:
    error = as_text(row.get("error"))
    if row.get("failureReason") == _ERROR or (
        error and row.get("failureReason") is None and row["success"] is not True
    ):
        return Case(id=name, error=error or "promptfoo recorded an error")
    scores: list[Score] = [passed("success", row["success"], as_text(at(row, "gradingResult", "reason")) or "")]
    if row.get("latencyMs") is not None:
        scores.append(measured("latency_ms", row["latencyMs"]))
    if row.get("cost") or (row.get("cost") is not None and at(row, "response", "cost") is not None):
        scores.append(measured("cost_usd", row["cost"]))
    given = as_mapping(row.get("namedScores"))
    scores += [
        measured(metric, given[metric]) if metric in given else Score.skipped(metric, "not asked of this test")
        for metric in named
    ]
    if not as_list(at(row, "testCase", "assert")) and not as_list(at(row, "gradingResult", "componentResults")):
        scores[0] = Score.skipped("success", "no assertion was checked")
    return Case(id=name, scores={score.metric: score for score in scores})
