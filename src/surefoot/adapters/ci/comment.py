"""
The comment under a pull request: the verdict first, then what regressed or misses a threshold, numbers, and attacks.

Everything that came out of a model or a file is made harmless before it stands in Markdown: no mention, no link, no
HTML of theirs. Long lists are cut with a count, because a comment holds 65,536 characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ...core.proof.gate import Decision, GateReport, Ruling, decision_of
from ...core.proof.redteam.report import Fates
from ...core.proof.table import Column, Lack, ScoreTable
from ..reports.documents import AttacksDocument, Document, GateDocument, ScoresDocument

__all__ = ["MARKER", "comment", "plain", "shortened"]

MARKER: Final = "<!-- surefoot-report -->"
"""The first line. By it an earlier comment is found, and updated instead of joined by another."""

_COMPARING: Final = frozenset({"regression", "rule"})
_MOST_CASES: Final = 10
_MOST_ROWS: Final = 40
_MOST_TEXT: Final = 300
_ARROWS: Final = {True: "↑", False: "↓", None: "→"}
_SAID: Final = {Decision.PASSED: "✅ passed", Decision.FAILED: "❌ failed", Decision.UNDECIDED: "⚠️ not decided"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()+!|~]|#(?!8203;)|^[-=])")
_NUMBERED: Final = re.compile(r"^(\d+)\.")
_ACTS: Final = re.compile(r"@|#(?=\d)|\bGH-(?=\d)|\bwww(?=\.)|:(?=//)", re.IGNORECASE)
"""
What GitHub makes a mention, a reference or a link of. It looks at what was rendered, where an entity or a backslash is
gone, so a space without width goes between.
"""


def plain(text: str) -> str:
    """Somebody's text as text: nothing in it is Markdown, HTML or a mention; one line, and not endless."""
    line = " ".join(text.split())
    if len(line) > _MOST_TEXT:
        line = line[:_MOST_TEXT] + "…"
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _NUMBERED.sub(r"\1\\.", _SPECIAL.sub(r"\\\1", _ACTS.sub("\\g<0>&#8203;", line)))


def shortened(text: str, most: int) -> str:
    """The comment in at most so many characters, cut at the end of a line, and saying so where people see it."""
    if len(text) <= most:
        return text
    end = "\n\n… cut: the whole report is in the step's summary.\n"
    closing = "\n\n</details>"
    room = text[: most - len(end) - len(closing)]
    kept = room.rpartition("\n")[0] or room
    return kept + closing * (kept.count("<details>") - kept.count("</details>")) + end


class _Said(NamedTuple):
    """What a gate said, of which version and under which suite."""

    version: str
    """As people call it."""

    suite: str
    ruling: Ruling


def comment(documents: Sequence[Document]) -> str:
    """The whole comment. Without a gate among the documents nothing was decided, and it says so."""
    gates = [document for document in documents if isinstance(document, GateDocument)]
    said = [
        _Said(_called(document), document.gate.suite, ruling) for document in gates for ruling in document.gate.rulings
    ]
    scored = {_judged(document.candidate) for document in documents if isinstance(document, ScoresDocument)}
    decision = decision_of(tuple(one.ruling for one in said))
    failed = [one for one in said if one.ruling.decision is Decision.FAILED]
    sections = [
        [MARKER, f"## Surefoot: {_SAID[decision]}", *_about(gates)],
        _rulings("What regressed", [one for one in failed if _is_compared(one.ruling)]),
        _rulings("What misses its threshold", [one for one in failed if not _is_compared(one.ruling)]),
        _rulings("What could not be decided", [one for one in said if one.ruling.decision is Decision.UNDECIDED]),
        *[_numbers(document, gates) for document in documents if isinstance(document, ScoresDocument)],
        *[_compared(document) for document in gates if _judged(document.gate) not in scored],
        *[_attacks(document) for document in documents if isinstance(document, AttacksDocument)],
        _all_gates(said),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _is_compared(ruling: Ruling) -> bool:
    """Whether it was held against a baseline. What misses a limit of its own may be as good as ever."""
    return ruling.kind in _COMPARING or ruling.p_value is not None


def _told(ruling: Ruling) -> str:
    return "" if ruling.is_blocking else ", told only"


def _called(document: GateDocument) -> str:
    return document.label or _short(document.gate.version)


def _about(gates: Sequence[GateDocument]) -> list[str]:
    """A line for each version: what it was asked, and what came of it."""
    if not gates:
        return ["No gate ran. Nothing that did not run has passed."]
    by_version: dict[str, list[GateDocument]] = {}
    for document in gates:
        by_version.setdefault(document.gate.version, []).append(document)
    lines: list[str] = []
    for version, known in by_version.items():
        before = next((document.gate.baseline for document in known if document.gate.baseline), None)
        beside = f" beside `{_short(before)}`" if before else ""
        suites = dict.fromkeys(document.gate.suite for document in known)
        told = [f"{_suite(suite)} {_SAID[_verdict(suite, known)]}" for suite in suites]
        lines.append(f"- **{plain(_called(known[0]))}** `{_short(version)}`{beside}: {', '.join(told)}")
    return lines


def _verdict(suite: str, known: Sequence[GateDocument]) -> Decision:
    return decision_of(tuple(r for document in known if document.gate.suite == suite for r in document.gate.rulings))


def _rulings(title: str, said: Sequence[_Said]) -> list[str]:
    if not said:
        return []
    lines = [f"### {title}", ""]
    for version, suite, ruling in said:
        about = f"{plain(version)}, {_suite(suite)}{_told(ruling)}"
        lines.append(f"- **{plain(ruling.gate)}** ({about}): {plain(ruling.reason)}")
        lines += [f"  - {plain(case)}" for case in ruling.cases[:_MOST_CASES]]
        if len(ruling.cases) > _MOST_CASES:
            lines.append(f"  - and {len(ruling.cases) - _MOST_CASES} more")
    return lines


def _numbers(document: ScoresDocument, gates: Sequence[GateDocument]) -> list[str]:
    table, beside = document.candidate, document.baseline
    by_metric = {
        ruling.metric: ruling
        for gate in gates
        if (gate.gate.suite, gate.gate.version) == (table.suite, table.version)
        for ruling in gate.gate.rulings
    }
    lines = [
        f"### {_suite(table.suite)}: {plain(document.label) or _short(table.version)}",
        *[line for note in document.notes for line in ("", plain(note))],
        "",
        "| metric | baseline | candidate | | cases | could see a drop of |",
    ]
    lines.append("|---|---:|---:|:---:|---:|---:|")
    for metric, column in table.columns.items():
        before = beside.columns.get(metric) if beside else None
        ruling = by_metric.get(metric)
        seen = "" if ruling is None or ruling.smallest_drop is None else f"{ruling.smallest_drop:.3g}"
        arrow = _arrow(before, column)
        cells = (plain(metric), _mean(before), _mean(column), arrow, str(_scored(column)), seen)
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, *_lacks(lack for column in table.columns.values() for lack in column.lacks)]


def _judged(judged: GateReport | ScoreTable) -> tuple[str, str]:
    return judged.suite, judged.version


def _compared(document: GateDocument) -> list[str]:
    """Baseline beside candidate as the gates saw them, where nothing else shows the scores."""
    rulings = [ruling for ruling in document.gate.rulings if None not in {ruling.baseline, ruling.candidate}]
    if not rulings:
        return []
    lines = [
        f"### {_suite(document.gate.suite)}: {plain(_called(document))}",
        "",
        "| gate | metric | baseline | candidate | | cases | could see a drop of | verdict |",
        "|---|---|---:|---:|:---:|---:|---:|---|",
    ]
    for one in rulings:
        numbers = (_number(one.baseline), _number(one.candidate), _towards(one.baseline, one.candidate), str(one.n))
        verdict = f"{_SAID[one.decision]}{_told(one)}"
        cells = (plain(one.gate), plain(one.metric), *numbers, _number(one.smallest_drop), verdict)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _lacks(lacks: Iterable[Lack]) -> list[str]:
    """Why there were no scores: each reason once, however many metrics went without for it."""
    times: dict[str, int] = {}
    for lack in lacks:
        times[lack.reason] = max(lack.times, times.get(lack.reason, 0))
    said = [f"- {count} without a score: {plain(reason)}" for reason, count in times.items()]
    return ["", *said[:_MOST_CASES]] if said else []


def _attacks(document: AttacksDocument) -> list[str]:
    report, label = document.attacks, plain(document.label)
    lines = [f"### Attacks: {_suite(report.suite)}" + (f", {label}" if label else ""), ""]
    lines += [line for note in document.notes for line in (f"⚠️ {plain(note)}", "")]
    if not report.cells:
        return [*lines, "Nothing was attacked, and nothing that was not attacked has resisted."]
    if report.p_value is not None:
        lines += [f"New successes beside the baseline: p = {report.p_value:.3g} (one-sided, paired).", ""]
    lines += ["| category | strategy | baseline | candidate | at most | not understood | errors |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    worst_first = sorted(report.cells, key=lambda cell: -_rate(cell.candidate))
    for cell in worst_first[:_MOST_ROWS]:
        mine = cell.candidate
        at_most = f"{mine.at_most:.0%}" if mine.judged else "unknown"
        row = (plain(cell.category), plain(cell.strategy), _share(cell.baseline), _share(mine), at_most)
        lines.append("| " + " | ".join((*row, str(mine.not_understood), str(mine.errors))) + " |")
    if len(worst_first) > _MOST_ROWS:
        lines += ["", f"and {len(worst_first) - _MOST_ROWS} more, none of them worse"]
    return [*lines, *_lacks(report.lacks)]


def _all_gates(said: Iterable[_Said]) -> list[str]:
    rows = [
        f"| {plain(version)} | {_suite(suite)} | {plain(r.gate)} | {_SAID[r.decision]}{_told(r)} "
        f"| {_number(r.threshold)} | {_number(r.bound)} | {_number(r.p_value)} | {_number(r.false_alarms)} | {r.n} |"
        for version, suite, r in said
    ]
    if not rows:
        return []
    head = ["<details><summary>Every gate</summary>", ""]
    head += [
        "| version | suite | gate | | threshold | bound | p | false alarms | n |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    return [*head, *rows, "", "</details>"]


def _arrow(before: Column | None, after: Column) -> str:
    return _towards(before.mean if before else None, after.mean)


def _towards(was: float | None, now: float | None) -> str:
    if was is None or now is None:
        return ""
    return _ARROWS[None if math.isclose(was, now, rel_tol=1e-3) else now > was]


def _mean(column: Column | None) -> str:
    mean = column.mean if column else None
    if column is None or mean is None:
        return "not known"
    return f"{mean:.1%}" if column.is_rate else f"{mean:.4g}"


def _scored(column: Column) -> int:
    return sum(sample.n > 0 for sample in column.samples.values())


def _rate(fates: Fates) -> float:
    return fates.complied / fates.judged if fates.judged else 0.0


def _share(fates: Fates | None) -> str:
    if fates is None:
        return ""
    return f"{fates.complied} of {fates.judged}" if fates.judged else "none judged"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _suite(identity: str) -> str:
    """Its name, without the digest."""
    return plain(identity.partition("@")[0]) or "results"


def _short(digest: str | None) -> str:
    return "" if digest is None else re.sub(r"[^0-9A-Za-z:._-]", "", digest)[:19]
