"""The pages a reader sees, and the code blocks on them.

A block is run if its language is `python` (top-level `await` included; the blocks of a page share their names), `bash`
(one script) or `console` (`$ command`, then the output that is to be seen, `...` for what may differ). A block of any
language whose fence says `title="path"` is first written to that path in the page's project folder. An HTML comment on
the line before a block changes what happens:

    <!-- not run: why it cannot be -->
    <!-- project: examples/support-agent -->      the page's folder starts as a copy of this one
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "REPOSITORY", "RUN", "Block", "blocks_of", "name_of"]

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
RUN = {"python", "bash", "console"}
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w+-]*)(?P<rest>.*)$")
COMMENT = re.compile(r"^\s*<!-- (?P<what>not run|project): (?P<value>.+) -->\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; `line` is where its first line of code stands in the page."""

    line: int
    language: str
    code: str
    title: str | None
    not_run: str | None
    project: str | None


def name_of(page: Path) -> str:
    """A page as the repository names it."""
    return str(page.relative_to(REPOSITORY)) if page.is_relative_to(REPOSITORY) else page.name


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a page in their order; a fence that is never closed is an error."""
    lines = text.splitlines()
    found: list[Block] = []
    at = 0
    while at < len(lines):
        if (fence := FENCE.match(lines[at])) is None:
            at += 1
            continue
        closing = re.compile(rf"^ *{fence['ticks']}`*\s*$")
        end = next((i for i in range(at + 1, len(lines)) if closing.match(lines[i])), None)
        if end is None:
            raise ValueError(f"line {at + 1}: this fence is never closed")
        marks = _marks_before(lines, at)
        title = re.search(r'title="([^"]+)"', fence["rest"])
        found.append(
            Block(
                line=at + 2,
                language=fence["language"],
                code=textwrap.dedent("\n".join(lines[at + 1 : end])) + "\n",
                title=title[1] if title else None,
                not_run=marks.get("not run"),
                project=marks.get("project"),
            )
        )
        at = end + 1
    return found


def _marks_before(lines: list[str], at: int) -> dict[str, str]:
    marks: dict[str, str] = {}
    for line in reversed(lines[:at]):
        if (comment := COMMENT.match(line)) is not None:
            marks[comment["what"]] = comment["value"].strip()
        elif line.strip():
            break
    return marks
