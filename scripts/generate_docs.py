#!/usr/bin/env python3
"""Write the pages of docs/ that are drawn from the code: generate_docs.py [--check].

With --check nothing is written; a page that is not what the code says is named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PAGES", "error_tree", "errors_page", "main", "stale_pages"]

REPOSITORY = Path(__file__).resolve().parent.parent
MADE_BY = "<!-- Written by scripts/generate_docs.py; change the code, then run `make docs`. -->\n\n"


def error_tree(top: type[errors.SurefootError], depth: int = 0) -> Iterator[tuple[int, type[errors.SurefootError]]]:
    """Every error of surefoot.errors with its depth, parents first, in the order of their definition."""
    yield depth, top
    for child in top.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_tree(child, depth + 1)


def errors_page() -> str:
    """What can be raised, what it means, and what it is caught by."""
    rows = [
        f"| `{error.code}` | {'&nbsp;&nbsp;' * 2 * depth}`{error.__name__}` | {_meaning(error)} |"
        for depth, error in error_tree(errors.SurefootError)
    ]
    return "\n".join(
        [
            "# Errors",
            "",
            "Every error that Surefoot raises on purpose is a `surefoot.errors.SurefootError`. It has a `message`,",
            "a `hint` that says what to do next, and a `code` that does not change between releases. Catching a class",
            "also catches what is indented below it. A programmer's mistake (a wrong type, a missing argument) is not",
            "in this tree.",
            "",
            "| code | class | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES: dict[str, Callable[[], str]] = {
    "docs/errors.md": errors_page,
}
"""Page to what writes it."""


def stale_pages() -> list[str]:
    """The pages that are missing or not what the code says."""
    return [
        page
        for page, write in PAGES.items()
        if not (REPOSITORY / page).exists() or (REPOSITORY / page).read_text(encoding="utf-8") != MADE_BY + write()
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write what is stale, or only name it."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--check", action="store_true", help="only name what is stale")
    options = parser.parse_args(arguments)
    stale = stale_pages()
    for page in stale:
        if options.check:
            print(f"{page} is not what the code says: run `make docs` and commit it")
        else:
            (REPOSITORY / page).parent.mkdir(parents=True, exist_ok=True)
            (REPOSITORY / page).write_text(MADE_BY + PAGES[page](), encoding="utf-8")
            print(f"{page} written")
    return 1 if stale and options.check else 0


def _meaning(subject: object) -> str:
    return " ".join((inspect.getdoc(subject) or "").split("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())
