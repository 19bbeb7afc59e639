"""JUnit XML, as pytest (and DeepEval, which runs under it) and most other test runners write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from ...core.proof.score import Score
from .imported import RUN_ENDED, Case, Imported, passed, raw, refused, tabled

__all__ = ["junit_results"]

_BROKEN: Final = {"failure": "failures", "error": "errors"}
_MOST_LOST: Final = 100_000
_LONGEST_COUNT: Final = 12


def junit_results(path: Path, arm: str | None = None) -> Imported:
    """
    `passed` per test: a failure fails, an error is an error, a skipped test is skipped.

    A file that announces more tests, failures or errors than it holds was cut off: each that is missing is an error.
    `arm` names one `testsuite` of the file. A document type is refused: entities in it could make much out of little.
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
    suites = [one for one in root.iter("testsuite") if arm is None or one.get("name") == arm]
    cases = [case for suite in suites for case in _cases(suite)]
    lacking = _lacking(root)
    lost = lacking[root] if arm is None else sum(lacking[one] for one in suites)
    if lost > _MOST_LOST:
        refused(path, f"it announces {lost:,} more than it holds")
    cases += [Case(id=f"(missing {nth})", error="it is announced, and not in the file") for nth in range(1, lost + 1)]
    return tabled(path, "junit" if arm is None else f"junit {arm}", cases, metric="passed")


class _NoDoctype(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a document type")


def _cases(suite: ET.Element) -> Iterator[Case]:
    yield from map(_case, suite.findall("testcase"))
    for name in ("tests", *_BROKEN.values()):
        count = suite.get(name, "").strip()
        if count and not count.isdecimal():
            yield Case(id=RUN_ENDED, error=f"{name}={count!r} is no count")


def _lacking(root: ET.Element) -> dict[ET.Element, int]:
    """
    How many each suite announces and does not hold, itself and in the suites inside: what both miss is missed once.

    From the innermost outwards without recursion, because a file decides how deep its suites are.
    """
    held: dict[ET.Element, Counter[str]] = {}
    lacking: dict[ET.Element, int] = {}
    for suite in reversed([one for one in root.iter() if one is root or one.tag == "testsuite"]):
        inside = suite.findall("testsuite")
        tests = suite.findall("testcase")
        count = Counter(tests=len(tests))
        for kind, name in _BROKEN.items():
            count[name] = sum(test.find(kind) is not None for test in tests)
        for inner in inside:
            count.update(held[inner])
        broken = sum(max(0, _announced(suite, name) - count[name]) for name in _BROKEN.values())
        deeper = sum(lacking[inner] for inner in inside)
        held[suite] = count
        lacking[suite] = max(_announced(suite, "tests") - count["tests"], broken, deeper)
    return lacking


def _announced(suite: ET.Element, name: str) -> int:
    count = suite.get(name, "").strip()
    return int(count[:_LONGEST_COUNT]) if count.isdecimal() else 0


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
