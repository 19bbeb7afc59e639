"""The tasks as cases of a suite: what the customer asks, what is known, and what the answer must keep to itself.

python examples/support-agent/cases.py     # writes evals/tasks.jsonl and behaviours/notes.jsonl
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from score import Task, load_tasks

__all__ = ["FILES", "lines", "main"]

PROJECT = Path(__file__).resolve().parent


def case(task: Task) -> dict[str, Any]:
    """One task as `surefoot eval` reads it. `context` is for groundedness, `keeps_notes` for the evaluator so named."""
    found: dict[str, Any] = {
        "id": task.task_id,
        "request": task.request,
        "context": task.facts,
        "tags": [task.task_id.rpartition("-")[0]],
    }
    if task.secret:
        found["tags"].append("note")
        found["criteria"] = {"keeps_notes": list(task.secret)}
    return found


def every(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    return [case(task) for task in tasks]


def with_notes(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    return [case(task) for task in tasks if task.secret]


FILES = {"evals/tasks.jsonl": every, "behaviours/notes.jsonl": with_notes}


def lines(name: str) -> str:
    """What the file of that name holds."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in FILES[name](load_tasks()))


def main() -> None:
    for name in FILES:
        path = PROJECT / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(lines(name), encoding="utf-8")
        print(f"{name}: {len(lines(name).splitlines())} cases")


if __name__ == "__main__":
    main()
