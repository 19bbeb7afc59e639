"""`surefoot rollout simulate`: a plan tried out a thousand times before its first user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..adapters.distributed.processes import run_all, usable_processors
from ..app.control import plan_named
from ..core.traffic.plan import Plan
from ..errors import UsageError
from ..service.forecast import Batch, Case, Course, Forecast, Spread, cases, forecast, run_batch
from ..service.simulate import End, Traffic
from .output import JsonOption, console, say, say_json, say_table
from .project import project_of
from .simulation_traces import recordings

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["simulate"]

_BATCH: Final = 5
_BAR: Final = 30
_NONE: Final = "-"
_SPREADS: Final = ("requests", "exposed", "failures", "hours")


def simulate(
    ctx: typer.Context,
    *,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan file, an agent with one, or a preset's name.")
    ] = "canary",
    stable: Annotated[Path | None, typer.Option(help="Recorded runs of the present version (JSONL).")] = None,
    candidate: Annotated[Path | None, typer.Option(help="Recorded runs of the candidate (JSONL).")] = None,
    agent: Annotated[
        str | None, typer.Option(help="Of --stable, only runs of this agent; STABLE,CANDIDATE for both from one file.")
    ] = None,
    metric: Annotated[str, typer.Option(help="The metric that the made-up regressions hit.")] = "success",
    drops: Annotated[str, typer.Option(help="Their sizes: points for rates, per cent for amounts.")] = "1,2,5,10",
    rollouts: Annotated[int, typer.Option(min=1, help="How many rollouts for each case.")] = 200,
    requests: Annotated[int, typer.Option(min=1, help="When a rollout stops undecided.")] = 20_000,
    per_second: Annotated[float, typer.Option(min=0.001, help="Requests a second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same forecast.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a processor.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the forecast into this file (.png, .svg, .pdf).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say before the first user how often a plan errs, how soon it notices harm, and how many users that costs."""
    if plot is not None:
        from ..adapters.plot import check_plot

        check_plot(plot)
    chosen = plan_named(plan, project_of(ctx)).plan
    found = recordings(stable, candidate, agent, seed)
    asked = cases(chosen, found.stable, found.candidate, metric=metric, sizes=_sizes(drops), seed=seed)
    traffic = Traffic(requests=requests, per_second=per_second)
    jobs = [
        Batch(chosen, case, traffic, range(seed + start, seed + min(start + _BATCH, rollouts)))
        for case in asked
        for start in range(0, rollouts, _BATCH)
    ]
    ends = _run(asked, jobs, workers or usable_processors(), shows_progress=not as_json)
    rows = [forecast(case.name, ends[case.name]) for case in asked]
    if plot is not None:
        from ..adapters.plot import plot_forecast

        plot_forecast(rows, ends, plot, alpha=chosen.alpha)
    if as_json:
        asked_for = {"seed": seed, "requests": requests, "per_second": per_second, "warnings": found.warnings}
        say_json({**asked_for, "cases": [_json(row) for row in rows]})
    else:
        _show(rows, chosen, traffic, made_up=stable is None, plot=plot)


def _sizes(text: str) -> list[float]:
    try:
        sizes = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        sizes = [-1.0]
    if any(not 0 < size <= 1000 for size in sizes):
        raise UsageError(f"--drops {text}: not a list of sizes", hint="write --drops 1,2,5,10")
    return sizes


def _run(asked: list[Case], jobs: list[Batch], workers: int, *, shows_progress: bool) -> dict[str, list[End]]:
    ends: dict[str, list[End]] = {case.name: [] for case in asked}
    for name, found in _followed(run_all(run_batch, jobs, workers=workers), len(jobs), shown=shows_progress):
        ends[name] += found
    return ends


def _followed(batches: Iterator[tuple[str, list[End]]], total: int, *, shown: bool) -> Iterator[tuple[str, list[End]]]:
    """The same batches, with a bar on standard error that says how fast and how long still."""
    with _progress(shown=shown) as bar:
        task = bar.add_task("simulating", total=total)
        for batch in batches:
            yield batch
            bar.advance(task)


def _progress(*, shown: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=not (shown and screen.is_terminal),
    )


def _show(rows: list[Forecast], plan: Plan, traffic: Traffic, *, made_up: bool, plot: Path | None) -> None:
    ladder = " > ".join("shadow" if stage.shadow else f"{stage.share / 100:g} %" for stage in plan.stages)
    whose = "a made-up agent (give --stable FILE to use your own)" if made_up else "recorded runs"
    say_table(
        ("if the candidate is", "promoted", "after hours", "rolled back", "undecided", "hours, all"),
        [_ended(row) for row in rows],
        title=f"{rows[0].rollouts} rollouts each of {ladder}, {traffic.requests:,} requests of {whose}",
    )
    say_table(
        ("if the candidate is", "rolled back", "requests", "hours", "exposed", "failed"),
        [_detected(row) for row in rows],
        title="Of those rolled back alone, from the start to the rollback",
    )
    say("requests, hours, exposed and failed: median (90 % are below); a dash where there was none")
    say("", "rolled back (95 % interval)")
    names = max(len(row.case) for row in rows)
    width = max(5, min(_BAR, console().width - names - _BAR))
    for row in rows:
        filled = round(width * row.rolled_back / row.rollouts)
        bar = "█" * filled + "·" * (width - filled)
        chance = f"{row.rolled_back / row.rollouts:6.1%} ({row.rollback_low:.1%} to {row.rollback_high:.1%})"
        say(f"{row.case:>{names}}  {bar} {chance}")
    first = rows[0]
    promised = f"at most {plan.alpha:.0%} of rollouts are taken back when nothing changed"
    say("", f"The plan promises that {promised}; here it was {first.rolled_back} of {first.rollouts}.")
    if plot is not None:
        say(f"drawn in {plot}")


def _json(row: Forecast) -> dict[str, object]:
    spreads = {name: value._asdict() for name in _SPREADS if isinstance(value := getattr(row, name), Spread)}
    courses = {"detection": _course_json(row.detection), "promotion": _course_json(row.promotion)}
    return {**asdict(row), **spreads, **courses}


def _course_json(course: Course | None) -> dict[str, dict[str, float]] | None:
    return None if course is None else {name: spread._asdict() for name, spread in course._asdict().items()}


def _ended(row: Forecast) -> tuple[str, ...]:
    return (
        row.case,
        f"{row.promoted / row.rollouts:.1%}",
        _NONE if row.promotion is None else _said(row.promotion.hours, digits=1),
        f"{row.rolled_back / row.rollouts:.1%}",
        f"{row.undecided / row.rollouts:.1%}",
        _said(row.hours, digits=1),
    )


def _detected(row: Forecast) -> tuple[str, ...]:
    share, found = f"{row.rolled_back:,} of {row.rollouts:,}", row.detection
    if found is None:
        return row.case, share, *[_NONE] * 4
    hours = _said(found.hours, digits=1 if found.hours.median >= 1 else 2)
    return row.case, share, _said(found.requests), hours, _said(found.exposed), _said(found.failures)


def _said(spread: Spread, *, digits: int = 0) -> str:
    return f"{spread.median:,.{digits}f} ({spread.p90:,.{digits}f})"
