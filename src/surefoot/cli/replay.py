"""`surefoot replay`: two versions on the same recorded runs, without one tool being called."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from ..adapters.distributed.isolation import Isolation
from ..adapters.reports.documents import GateDocument, ScoresDocument, written
from ..adapters.reports.html import replay_page
from ..adapters.reports.junit import junit
from ..adapters.reports.replay_document import replay_json
from ..app.replay_isolation import missed_credentials
from ..app.replay_parts import ReplaySpec
from ..app.replaying import RECORDED, RUN_SECONDS, kept_results, planned_replay, workers_for
from ..config.gates import load_gates
from ..core.proof.gate_kinds import Gates
from ..core.proof.replay import Level, Limits
from ..core.proof.replay_verdict import Replayed
from ..core.proof.tape import MissedWrite
from ..errors import UsageError
from ..service.replay import ReplayProgress
from .output import JsonOption, say_json
from .project import project_of
from .replay_view import show_replay
from .writable import refuse_unwritable

__all__ = ["app"]

_LONGEST_KEY: Final = 64

_VersionOption = Annotated[
    str,
    typer.Option(metavar="V", help=f"LABEL, AGENT@LABEL, or {RECORDED}NAME: runs in the file.", show_default=False),
]
_MissedOption = Annotated[
    MissedWrite, typer.Option(help="A write that was not recorded ends the run, or is only noted down.")
]
_HostOption = Annotated[
    list[str] | None, typer.Option("--allow-host", metavar="HOST[:PORT]", help="Runs may reach it. Repeatable.")
]
_EnvOption = Annotated[
    list[str] | None, typer.Option("--allow-env", metavar="NAME", help="Runs may see this credential. Repeatable.")
]
_ProgramOption = Annotated[
    list[str] | None, typer.Option("--allow-program", metavar="NAME", help="Runs may start it. Repeatable.")
]


class _Names(NamedTuple):
    """Who is replayed."""

    baseline: str
    candidate: str
    agent: str | None


class _Where(NamedTuple):
    """Who runs it, and how long a run may take."""

    on: str
    workers: int | None
    timeout: float


app = typer.Typer(name="replay", add_completion=False)


@app.command(
    "replay",
    epilog="Example: surefoot replay --traces traces/may.jsonl --baseline v1 --candidate v2 --max-cost-tokens 4000",
)
def _replay(
    ctx: typer.Context,
    *,
    traces: Annotated[Path, typer.Option(metavar="FILE", help="Recorded runs (JSONL).", show_default=False)],
    baseline: _VersionOption,
    candidate: _VersionOption,
    agent: Annotated[str | None, typer.Option(help="Whose versions. Default: the only agent.")] = None,
    level: Annotated[Level, typer.Option(help="How much of a run is made again.")] = Level.RUN,
    max_latency_ms: Annotated[float | None, typer.Option(min=0, help="Budget of one run, milliseconds.")] = None,
    max_cost_tokens: Annotated[int | None, typer.Option(min=0, help="Budget of one run, tokens.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rules about tools (YAML): see docs/replay.md.")] = None,
    world: Annotated[str | None, typer.Option(metavar="MODULE:FACTORY", help="The fake of the world level.")] = None,
    pool: Annotated[Path | None, typer.Option(help="Traces whose reads may stand in, same tenant and hour.")] = None,
    missed_write: _MissedOption = MissedWrite.STOP,
    redact: Annotated[bool, typer.Option("--redact", help="Redact arguments before they are compared.")] = False,
    key_file: Annotated[Path | None, typer.Option(help="The key that the traces were redacted with.")] = None,
    gates: Annotated[Path | None, typer.Option(help="A gates file. Default: nothing may get worse.")] = None,
    on: Annotated[str, typer.Option(metavar="process|ray", help="Where it runs.")] = "process",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a processor.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that one run may take.")] = RUN_SECONDS,
    allow_host: _HostOption = None,
    allow_env: _EnvOption = None,
    allow_program: _ProgramOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last replay of just this.")] = False,
    out: Annotated[Path | None, typer.Option(help="Counts for `gate` and `ci report`; the gates go beside it.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Replay recorded runs on two versions: success, tool misuse, budgets, side by side. No tool is ever called.

    Exits with 0 passed, 1 failed, 2 not decided, 3 wrong usage, 4 something outside failed.
    """
    refuse_unwritable(out, None if out is None else _beside(out), junit_file, html_file)
    spec = ReplaySpec(
        root=project_of(ctx),
        level=level,
        limits=Limits(max_latency_ms=max_latency_ms, max_cost_tokens=max_cost_tokens),
        rules=rules,
        world=world,
        pool=pool,
        missed_write=missed_write,
        redaction_key=_key(key_file) if redact or key_file is not None else None,
        allowed=Isolation(*(tuple(names or ()) for names in (allow_host, allow_env, allow_program))),
    )
    held, names = None if gates is None else load_gates(spec.root, gates), _Names(baseline, candidate, agent)
    found = _found(spec, traces, names, gates=held, where=_Where(on, workers, timeout), resume=resume, is_quiet=as_json)
    _write(found, out, junit_file, html_file)
    say_json(replay_json(found)) if as_json else show_replay(found)
    return found.exit_code


def _key(file: Path | None) -> bytes:
    if file is None:
        return b""
    try:
        return file.read_bytes().strip()[:_LONGEST_KEY]
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}", hint="name the file of the key") from None


def _found(
    spec: ReplaySpec,
    traces: Path,
    names: _Names,
    *,
    gates: Gates | None,
    where: _Where,
    resume: bool,
    is_quiet: bool,
) -> Replayed:
    with closing(kept_results(spec.root)) as results:
        plan = planned_replay(
            traces,
            spec,
            baseline=names.baseline,
            candidate=names.candidate,
            agent=names.agent,
            gates=gates,
            resume=results if resume else None,
        )
        workers = workers_for(plan, where.workers, on=where.on, timeout=where.timeout)
        with _followed(plan.total, shown=not is_quiet) as told:
            found = plan.run(workers=workers, results=results, told=told)
    for name in missed_credentials(found, plan.isolation, os.environ):
        typer.echo(f"{name} was kept from the runs, and one that failed speaks of it: --allow-env {name}", err=True)
    return found


def _beside(out: Path) -> Path:
    """Where the gates go."""
    return out.with_suffix(".gate.json")


def _write(found: Replayed, out: Path | None, junit_file: Path | None, html_file: Path | None) -> None:
    scores = ScoresDocument(
        candidate=found.candidate,
        baseline=found.baseline,
        label=found.candidate_label,
        baseline_label=found.baseline_label,
    )
    gates = GateDocument(gate=found.gates, label=found.candidate_label)
    if out is not None:
        out.write_bytes(written(scores))
        _beside(out).write_bytes(written(gates))
    if junit_file is not None:
        junit_file.write_bytes(junit((gates, scores)))
    if html_file is not None:
        html_file.write_text(replay_page(found), encoding="utf-8")


@contextmanager
def _followed(total: int, *, shown: bool) -> Generator[Callable[[ReplayProgress], None]]:
    """A bar on standard error with the rate and the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not (shown and screen.is_terminal)) as bar:
        task = bar.add_task("replaying", total=total, rate="")

        def told(progress: ReplayProgress) -> None:
            speed = bar.tasks[task].speed
            errors = f", {progress.errors} errors" if progress.errors else ""
            bar.update(task, completed=progress.done, rate=f"{speed:,.0f} a second{errors}" if speed else errors)

        yield told
