"""JUnit XML, as pytest (and DeepEval, which runs under it) and most other test runners write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from ...core.proof.score import Score
from .imported import RUN_ENDED, Case, Imported, passed, raw, refused, tabled

__all__ = ["junit_results"]


def junit_results(path: Path, arm: str | None = None) -> Imported:
    """
    `passed` per test: a failure fails, an error is an error, a skipped test is skipped.

    A suite that announces more tests than it holds was cut off; the rest are errors. `arm` names one `testsuite` of the
    file. A document type is refused: entities in it could make much out of little.
    """
    content = raw(path)
    try:
        parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - entities need a document type, which is refused
        parser.feed(content)
        root = parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        refused(path, f"no XML: {error}")
    if root.tag not in ("testsuite", "testsuites"):
        refused(path, f"<{root.tag}> is no JUnit report")
    suites = [one for one in _suites(root) if arm is None or one.get("name") == arm]
    cases = [case for suite in suites for case in _cases(suite)]
    return tabled(path, "junit" if arm is None else f"junit {arm}", cases, metric="passed")


class _NoDoctype(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a document type")


def _suites(root: ET.Element) -> Iterator[ET.Element]:
    if root.tag == "testsuite":
        yield root
    for inner in root.findall("testsuite"):
        yield from _suites(inner)


def _cases(suite: ET.Element) -> Iterator[Case]:
    tests = suite.findall("testcase")
    for test in tests:
        yield _case(test)
    announced, held = suite.get("tests", ""), len(list(suite.iter("testcase")))
    if announced.isdecimal() and int(announced) > held:
        yield Case(id=RUN_ENDED, error=f"{announced} tests were announced and {held} are in the file")


def _case(test: ET.Element) -> Case:
    name = "::".join(part for part in (test.get("classname"), test.get("name")) if part) or "(unnamed)"
    error = test.find("error")
    if error is not None:
        return Case(id=name, error=error.get("message") or "error")
    skipped = test.find("skipped")
    if skipped is not None:
        return Case(id=name, scores={"passed": Score.skipped("passed", skipped.get("message") or "skipped")})
    failure = test.find("failure")
    reason = "" if failure is None else failure.get("message") or "failure"
    return Case(id=name, scores={"passed": passed("passed", failure is None, reason)})
