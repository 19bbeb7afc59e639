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
from surefoot.config.settings import SETTINGS
from surefoot.core.evidence.metrics import METRICS, Metric, MetricKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PAGES", "error_tree", "errors_page", "main", "metrics_page", "settings_page", "stale_pages"]

REPOSITORY = Path(__file__).resolve().parent.parent
if str(REPOSITORY) not in sys.path:  # run as a script, its own folder is on the path, and the repository is not
    sys.path.insert(0, str(REPOSITORY))

from scripts.draw_rollout import rollouts_page  # noqa: E402 - see above

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


def metrics_page() -> str:
    """What a rollout can be judged on, with the defaults that a plan may change."""
    rows = [
        f"| `{metric.name}` | {metric.kind.value} | {metric.bad} | {_margin(metric)} | {_tolerance(metric)} |"
        f" {metric.weight:g} |"
        for metric in METRICS.values()
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "What a rollout can be judged on. The **margin** is how much worse than stable a candidate may at most",
            "be, for all traffic, to be promoted; the **tolerance** is how much worse is not yet called harm; the",
            "**weight** is its share in the average that decides a rollback. A plan may say otherwise for each.",
            "",
            "| metric | kind | what an increase means | margin | tolerance | weight |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def settings_page() -> str:
    """What surefoot.yaml may say."""
    rows = [f"| `{setting.key}` | {setting.values} | {setting.default} | {setting.meaning} |" for setting in SETTINGS]
    return "\n".join(
        [
            "# Settings",
            "",
            "What `surefoot.yaml` in a project's folder may say. Every key has a default, and the file may be missing.",
            "A key that is not here, or a value that cannot be, is an error that names the line.",
            "",
            "| key | values | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES: dict[str, Callable[[], str]] = {
    "docs/errors.md": errors_page,
    "docs/metrics.md": metrics_page,
    "docs/rollouts.md": rollouts_page,
    "docs/settings.md": settings_page,
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


def _margin(metric: Metric) -> str:
    """What is weighed has a margin relative to stable, what is counted one in points."""
    return f"{metric.margin * 100:g} {'%' if metric.kind is MetricKind.SCALAR else 'points'}"


def _tolerance(metric: Metric) -> str:
    """A quantile's tolerance is relative: it moves the edge, not the count of what is beyond."""
    relative = metric.kind in {MetricKind.SCALAR, MetricKind.QUANTILE}
    return f"{metric.tolerance * 100:g} {'%' if relative else 'points'}" if metric.tolerance else "none"


def _meaning(subject: object) -> str:
    return " ".join((inspect.getdoc(subject) or "").split("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())
