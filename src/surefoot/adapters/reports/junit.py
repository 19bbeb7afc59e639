"""
Results as JUnit XML, which every CI system shows: a suite per metric, a case per case, a suite of gates beside them.

A case fails where its trials failed more often than they passed, errs where nothing was scored, and is skipped where
the evaluator had nothing to say. Gates that could not be decided are errors: a report without a verdict is not green.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ...core.proof.gate import Decision, GateReport, Ruling
from ...core.proof.table import Column, Sample, ScoreTable, said_lacks
from .documents import AttacksDocument, Document, GateDocument, ScoresDocument

__all__ = ["junit"]

_UNSPEAKABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, however it is escaped. It stands in model output and would make the file unreadable."""


def junit(documents: Iterable[Document]) -> bytes:
    """The documents as one file. Attacks are in the gates that judge them."""
    root = Element("testsuites", name="surefoot")
    for document in documents:
        match document:
            case GateDocument(gate=report):
                _gates(root, report)
            case ScoresDocument(candidate=table):
                _scores(root, table)
            case AttacksDocument():
                continue
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _gates(root: Element, report: GateReport) -> None:
    suite = SubElement(root, "testsuite", name=_speakable(f"gates of {report.suite}"))
    for ruling in report.rulings:
        case = SubElement(suite, "testcase", classname="gates", name=_speakable(ruling.gate))
        if ruling.decision is Decision.PASSED:
            continue
        if not ruling.is_blocking:
            SubElement(case, "skipped", message=_speakable(f"told only: {ruling.reason}"))
            continue
        kind = "failure" if ruling.decision is Decision.FAILED else "error"
        SubElement(case, kind, type=ruling.decision, message=_speakable(ruling.reason)).text = _named_cases(ruling)
    if not report.rulings:
        case = SubElement(suite, "testcase", classname="gates", name="any gate")
        SubElement(case, "error", type=Decision.UNDECIDED, message="there was no gate to decide anything")
    _count(suite)


def _scores(root: Element, table: ScoreTable) -> None:
    for metric, column in table.columns.items():
        suite = SubElement(root, "testsuite", name=_speakable(f"{table.suite}: {metric}"))
        for name, sample in column.samples.items():
            case = SubElement(suite, "testcase", classname=_speakable(metric), name=_speakable(name))
            _judge(case, sample, column)
        _count(suite)


def _judge(case: Element, sample: Sample, column: Column) -> None:
    if sample.n == 0:
        if sample.errors:
            why = f"; over all cases{said_lacks(column.lacks)}" if column.lacks else ""
            SubElement(case, "error", message=_speakable(f"{sample.errors} trials gave no score{why}"))
        else:
            SubElement(case, "skipped", message="nothing to score")
    elif column.is_rate and sample.total * 2 <= sample.n:
        SubElement(case, "failure", message=f"passed {sample.total:g} of {sample.n} trials")


def _count(suite: Element) -> None:
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(kind) is not None for case in cases)))


def _named_cases(ruling: Ruling) -> str | None:
    return _speakable("\n".join(ruling.cases)) if ruling.cases else None


def _speakable(text: str) -> str:
    return _UNSPEAKABLE.sub("\ufffd", text)
