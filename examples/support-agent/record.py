"""Record what the versions really answer: every task, several seeds, each run measured, into traces/<version>.jsonl.

    python examples/support-agent/record.py                # all versions, all tasks, three seeds each
    python examples/support-agent/record.py --repeats 5    # two seeds more; what is recorded already stays
    python examples/support-agent/record.py --table        # the README's table from the traces, no model needed

The versions take turns at every task, so that whatever else the machine does slows all of them alike. A recording that
was interrupted goes on where it stopped. What the traces were recorded with is in recording.json beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conversation import Completion, ask, cost_usd
from local_model import CONTEXT_TOKENS, MODEL, installed_packages, local_model, weights
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as ProgressTask
from rich.text import Text
from score import TASKS, Task, load_tasks, score
from table import table

from surefoot.config.agents import list_versions, load_version
from surefoot.core.artifact.canonical import parse_object
from surefoot.core.artifact.version import AgentVersion
from surefoot.errors import SurefootError, UsageError

PROJECT: Final = Path(__file__).resolve().parent
AGENT: Final = "support-agent"
MANIFEST: Final = "recording.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run to record."""

    version: AgentVersion
    task: Task
    seed: int

    @property
    def trace_id(self) -> str:
        """The same run has the same name in every recording."""
        return f"{self.version.label}-{self.task.task_id}-{self.seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or print the table. Exit code 2 says that it could not, and why."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, metavar="N", help="only the first N tasks")
    parser.add_argument("--repeats", type=int, default=3, metavar="R", help="seeds for each task and version (3)")
    parser.add_argument("--out", type=Path, default=PROJECT / "traces", metavar="DIR", help="where the traces go")
    parser.add_argument("--table", action="store_true", help="print the table of what is recorded")
    options = parser.parse_args(arguments)
    try:
        if not options.table:
            _record(options.out, load_tasks()[: options.tasks], options.repeats)
        print(table(options.out))
    except SurefootError as error:
        print(f"{error.message}\n  hint: {error.hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def manifest(versions: Sequence[AgentVersion]) -> dict[str, Any]:
    """What a recording depends on. Two recordings with the same manifest may be continued as one."""
    return {
        "model": MODEL,
        "weights_sha256": sha256(weights()),
        "packages": installed_packages(),
        "server": {"n_threads": 1, "n_parallel": 1, "n_ctx": CONTEXT_TOKENS, "cache_prompt": False},
        "tasks_sha256": sha256(TASKS),
        "versions": {version.label: recorded_content(version) for version in versions},
    }


def recorded_content(version: AgentVersion) -> dict[str, Any]:
    """The part of a version that decides what the model answers."""
    return {
        "model": version.model.id,
        "parameters": parse_object(version.model.parameters),
        "system": version.prompt.system,
        "instructions": version.prompt.instructions,
    }


def _record(out: Path, tasks: Sequence[Task], repeats: int) -> None:
    versions = [load_version(PROJECT, AGENT, file.label) for file in list_versions(PROJECT, AGENT)]
    out.mkdir(parents=True, exist_ok=True)
    same_manifest(out / MANIFEST, manifest(versions))
    recorded = {trace_id for version in versions for trace_id in recorded_ids(_file(out, version))}
    runs = [run for run in _plan(versions, tasks, repeats) if run.trace_id not in recorded]
    if not runs:
        return
    with local_model() as model, _progress() as progress:
        bar = progress.add_task(f"{len(recorded)} recorded before", total=len(runs))
        for run in runs:
            completion = ask(model.base_url, run.version, run.task, seed=run.seed)
            with _file(out, run.version).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(_trace(run, completion), ensure_ascii=False) + "\n")
            progress.update(bar, advance=1, description=run.trace_id)


def _plan(versions: Sequence[AgentVersion], tasks: Sequence[Task], repeats: int) -> Iterator[Run]:
    """Every run, seed by seed, so that an interrupted recording has all tasks equally often."""
    for seed in range(1, repeats + 1):
        for number, task in enumerate(tasks):
            turn = number % len(versions)
            for version in [*versions[turn:], *versions[:turn]]:
                yield Run(version=version, task=task, seed=seed)


def _trace(run: Run, completion: Completion) -> dict[str, Any]:
    judged = score(run.task, completion.text)
    return {
        "trace_id": run.trace_id,
        "task_id": run.task.task_id,
        "version": run.version.label,
        "model": run.version.model.name,
        "seed": run.seed,
        "request": run.task.request,
        "tool_calls": [],
        "tool_results": [],
        "response": completion.text,
        "outcome": judged.outcome,
        "safety": {"violated": judged.violated},
        "latency_ms": completion.latency_ms,
        "ttft_ms": completion.ttft_ms,
        "input_tokens": completion.input_tokens,
        "output_tokens": completion.output_tokens,
        "cost_tokens": completion.input_tokens + completion.output_tokens,
        "cost_usd": cost_usd(completion),
        "started_at": None,
    }


def same_manifest(path: Path, now: dict[str, Any]) -> None:
    """Runs of two different set-ups never end in one file."""
    if not path.exists():
        path.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    elif (before := json.loads(path.read_text(encoding="utf-8"))) != now:
        changed = ", ".join(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))
        raise UsageError(
            f"{path.parent} was recorded with something else ({changed} changed since)",
            hint="record into another folder with --out, or remove this one first",
        )


def recorded_ids(path: Path) -> list[str]:
    """The runs that are in a file. A last line that was cut off by an interruption is removed."""
    if not path.exists():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    return [json.loads(line)["trace_id"] for line in whole.splitlines()]


def _file(out: Path, version: AgentVersion) -> Path:
    return out / f"{version.label}.jsonl"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Rate(ProgressColumn):
    """Runs a second, once there is something to divide."""

    def render(self, task: ProgressTask) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.2f} runs/s")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


if __name__ == "__main__":
    sys.exit(main())
