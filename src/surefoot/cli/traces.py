"""`surefoot traces`: recorded runs looked through, counted, converted, thinned out and freed of personal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..adapters.traces import TraceLine, read_lines
from ..core.proof.trace_lint import Problem, problems_of
from ..core.proof.trace_outcomes import OutcomeWords
from ..core.proof.trace_stats import Spread, TraceCounter, TraceStats
from ..core.repeated_keys import repeated_keys
from ..errors import TraceError
from .output import say, say_json, say_table
from .traces_convert import convert
from .traces_reading import Left, SkipOption, doubts_about, followed, no_trace
from .traces_rewrite import redact, sample

__all__ = ["app"]

app = typer.Typer(
    name="traces",
    help="Recorded runs (JSONL, one run a line): what is wrong with them, what they amount to, and making them usable.",
    epilog="Example: surefoot traces stats traces/v1.jsonl traces/v2.jsonl",
    no_args_is_help=True,
    add_completion=False,
)
app.command("convert", epilog="Example: surefoot traces convert spans.json --from otlp --out traces/live.jsonl")(
    convert
)
app.command("sample", epilog="Example: surefoot traces sample live.jsonl --size 200 --out traces/pr.jsonl")(sample)
app.command("redact", epilog="Example: surefoot traces redact live.jsonl --out traces/clean.jsonl")(redact)

_FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of traces (JSONL).")]
_JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

_SHOWN: Final = 1_000
"""Problems that are kept; the others are counted."""

_TOOLS: Final = 5


@app.command("lint", epilog="Example: surefoot traces lint traces/*.jsonl --json")
def _lint(files: _FilesArgument, as_json: _JsonOption = False) -> None:
    """
    Say everything that is wrong: broken lines, repeated ids or keys, impossible numbers, misspelt outcomes.

    Exit code 0: nothing, or warnings alone. 1: something, or no trace at all.
    """
    found: list[TraceError] = []
    warnings: list[TraceError] = []
    runs = count = 0

    def tell(problem: TraceError) -> None:
        nonlocal count
        count += 1
        if len(found) < _SHOWN:
            found.append(problem)

    for path in files:
        before, words = runs, OutcomeWords()
        for line in followed(path, read_lines(path, broken=tell), "looking through", shown=not as_json):
            runs += 1
            words.add(line.number, line.trace)
            for wrong in (*_of_keys(line), *problems_of(line.trace)):
                tell(TraceError(f"{path}:{line.number}:{wrong.field}: {wrong.what}", hint=wrong.hint))
        if runs == before:
            tell(no_trace(path))
        for doubt, is_certain in doubts_about(path, words):
            (tell if is_certain else warnings.append)(doubt)
    if as_json:
        say_json({"traces": runs, "problems": count, "shown": _rows(found), "warnings": _rows(warnings)})
    else:
        _say_each(found)
        if count > len(found):
            say(f"... and {count - len(found):,} more")
        _say_each(warnings, "warning: ")
        also = f", {len(warnings):,} warning(s)" if warnings else ""
        say(f"{runs:,} traces in {len(files)} file(s), {count:,} problem(s){also}")
    if count:
        raise typer.Exit(1)


def _say_each(problems: list[TraceError], before: str = "") -> None:
    for problem in problems:
        say(f"{before}{problem.message}", f"  hint: {problem.hint}")


def _rows(problems: list[TraceError]) -> list[dict[str, str]]:
    return [{"message": problem.message, "hint": problem.hint} for problem in problems]


def _of_keys(line: TraceLine) -> tuple[Problem, ...]:
    try:
        keys = repeated_keys(line.text)
    except (RecursionError, ValueError) as error:
        return (Problem("", f"keys cannot be looked through ({error})", "leave the line out: no tool reads it alike"),)
    return tuple(
        Problem(key, "stands twice in its object: the last one is read", "keep the one that is meant") for key in keys
    )


@app.command("stats", epilog="Example: surefoot traces stats traces/v1.jsonl traces/v2.jsonl --json")
def _stats(files: _FilesArgument, skip_broken: SkipOption = False, as_json: _JsonOption = False) -> None:
    """Count runs by agent and version: success with its interval, latency, tokens, cost, tools, and what is null."""
    left = Left(goes_on=skip_broken)
    counter = TraceCounter()
    for path in files:
        for line in followed(path, read_lines(path, broken=left.teller()), "counting", shown=not as_json):
            counter.add(line.trace)
    stats = counter.stats()
    if not stats:
        raise no_trace(files[0])
    if as_json:
        say_json({"groups": [_json(one) for one in stats], "left_out": left.count})
        return
    say_table(("agent", "version", "runs", "success (95 %)", *_COLUMNS), map(_row, stats))
    for one in stats:
        say(*_details(one))
    left.say()


_COLUMNS: Final = ("latency p50 / p90 / p99, s", "tokens, mean", "USD, mean", "calls, mean")


def _row(stats: TraceStats) -> tuple[str, ...]:
    latency = stats.amounts.get("latency_ms")
    return (
        stats.group.agent or "not recorded",
        stats.group.version or "not recorded",
        f"{stats.n:,}",
        _success(stats),
        f"{latency.p50 / 1e3:.1f} / {latency.p90 / 1e3:.1f} / {latency.p99 / 1e3:.1f}" if latency else "not recorded",
        _mean(stats.amounts.get("tokens"), ",.0f"),
        _mean(stats.amounts.get("cost_usd"), ".4f"),
        _mean(stats.amounts.get("calls"), ".1f"),
    )


def _success(stats: TraceStats) -> str:
    if stats.success is None:
        return "not recorded"
    rate = stats.succeeded / stats.judged
    of = f" of {stats.judged:,}" if stats.judged != stats.n else ""
    return f"{rate:.1%} ({stats.success.low:.1%} to {stats.success.high:.1%}){of}"


def _mean(spread: Spread | None, form: str) -> str:
    return "not recorded" if spread is None else f"{spread.mean:{form}}"


def _details(stats: TraceStats) -> list[str]:
    lines = [f"{stats.group.agent or 'not recorded'} {stats.group.version or ''}".rstrip()]
    tools = [f"{name} {count:,}" for name, count in list(stats.tools.items())[:_TOOLS]]
    more = f" and {len(stats.tools) - _TOOLS} more" if len(stats.tools) > _TOOLS else ""
    lines.append(f"  tools: {', '.join(tools) or 'none called'}{more}; {stats.failed_calls:,} calls failed")
    if stats.unsafe_known:
        lines.append(f"  unsafe: {stats.unsafe:,} of {stats.unsafe_known:,}")
    if stats.missing:
        lines.append(f"  not recorded: {_counts(stats.missing)}")
    if stats.unusable:
        lines.append(f"  unusable, in no figure: {_counts(stats.unusable)} (`surefoot traces lint` says where)")
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _json(stats: TraceStats) -> dict[str, Any]:
    return asdict(stats) | {
        "group": stats.group._asdict(),
        "success": stats.success._asdict() if stats.success else None,
        "amounts": {name: spread._asdict() for name, spread in stats.amounts.items()},
    }
