"""`surefoot judge run`: a judge over a file of recorded runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from ..core.proof.score import Score, Status
from ..core.units import Millis
from .bar import said_spending
from .output import JsonOption, say, say_json, say_table
from .project import project_of
from .writable import refuse_unwritable

if TYPE_CHECKING:
    from ..adapters.judges.openai_compatible import ModelJudge
    from ..core.proof.trace import Trace
    from ..service.judge import Pace, RunsJudged

__all__ = ["run"]

_SHOWN = 20


_TracesArgument = Annotated[Path, typer.Argument(metavar="TRACES.jsonl", help="Recorded runs.", show_default=False)]
_RubricOption = Annotated[str, typer.Option(help="One of `judge list`.", show_default=False)]
_ModelOption = Annotated[str, typer.Option(help="What the endpoint calls the judge's model.", show_default=False)]
_UrlOption = Annotated[str, typer.Option(help="Any endpoint of the OpenAI chat protocol.", show_default=False)]
_KeyOption = Annotated[str, typer.Option(metavar="NAME", help="The variable that holds the key.")]
_ProviderOption = Annotated[str, typer.Option(help="Whose prices apply.")]
_ThresholdOption = Annotated[int | None, typer.Option(help="Default: the rubric's.", show_default=False)]
_VotesOption = Annotated[int, typer.Option(help="Odd; above 1 a fail has to be confirmed.")]
_CallsOption = Annotated[int | None, typer.Option(min=1, help="Stop after so many calls.", show_default=False)]
_ConcurrencyOption = Annotated[int, typer.Option(min=1, help="Calls at once, at most.")]
_TimeoutOption = Annotated[float, typer.Option(min=0.001, help="Seconds of one call.")]
_TriesOption = Annotated[int, typer.Option(min=1, help="Calls for one question where the transport fails.")]
_TruthOption = Annotated[
    bool, typer.Option("--truth", help="Write whether the run had its expected outcome, for `judge calibrate`.")
]
_OutOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a line a run there.", show_default=False)]


def run(
    ctx: typer.Context,
    traces: _TracesArgument,
    *,
    rubric: _RubricOption,
    model: _ModelOption,
    base_url: _UrlOption,
    api_key_env: _KeyOption = "",
    provider: _ProviderOption = "local",
    threshold: _ThresholdOption = None,
    votes: _VotesOption = 1,
    max_calls: _CallsOption = None,
    concurrency: _ConcurrencyOption = 8,
    timeout: _TimeoutOption = 120.0,
    tries: _TriesOption = 5,
    truth: _TruthOption = False,
    out: _OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge recorded runs. 0: all pass. 1: some fail. 2: some could not be judged, or there was nothing to judge."""
    from ..adapters.judges.openai_compatible import Endpoint
    from ..adapters.traces import read_traces
    from ..app.judges import judge_from, price_table
    from ..core.proof.suite import Limits
    from ..service.judge import Pace

    refuse_unwritable(out, makes_folders=True)
    price = price_table(project_of(ctx), os.environ).usd
    patience = Millis(max(1, round(timeout * 1000)))
    endpoint = Endpoint(base_url=base_url, api_key_env=api_key_env, provider=provider, timeout=patience, price=price)
    judge = judge_from(rubric, model, endpoint, threshold=threshold, votes=votes)
    runs = list(read_traces(traces))
    pace = Pace(limits=Limits(calls=max_calls), concurrency=concurrency, timeout=timeout, tries=tries)
    found = _judged(judge, runs, pace, shown=not as_json)
    lines = [_line(one, scores, judge, truth=truth) for one, scores in zip(runs, found.scores, strict=True)]
    if out is not None:
        _write(out, lines)
    code = _code(found)
    if as_json:
        say_json({**_summary(found, judge), "exit_code": code, "scores": lines})
    else:
        _say(found, judge, lines)
    raise typer.Exit(code)


def _judged(judge: ModelJudge, runs: Sequence[Trace], pace: Pace, *, shown: bool) -> RunsJudged:
    from ..adapters.clock import SystemClock, SystemIds
    from ..core.proof.case import Case
    from ..service.judge import Run, judge_runs

    asked = [Run(Case(id=one.trace_id, request=one.request, allowed_tools=one.allowed_tools), one) for one in runs]
    with _Bar(len(asked), shown=shown) as told:
        return asyncio.run(
            judge_runs((judge,), asked, clock=SystemClock(), seed=SystemIds().seed(), pace=pace, told=told.move)
        )


def _first(scores: Sequence[Score] | None) -> Score | None:
    return scores[0] if scores else None


def _line(one: Trace, scores: Sequence[Score] | None, judge: ModelJudge, *, truth: bool) -> dict[str, object]:
    score = _first(scores)
    verdict = None if score is None or score.passed is None else "pass" if score.passed else "fail"
    line: dict[str, object] = {
        "id": one.trace_id,
        "metric": judge.metric,
        "judge": judge.fingerprint,
        "status": "not reached" if score is None else score.status.value,
        "verdict": verdict,
        "score": None if score is None else score.value,
        "reason": "" if score is None else score.reason,
    }
    if truth and one.outcome is not None:
        line["truth"] = one.outcome == (one.expected_outcome or "success")
    return line


def _counts(found: RunsJudged) -> dict[str, int]:
    scores = [_first(one) for one in found.scores]
    there = [score for score in scores if score is not None]
    return {
        "runs": len(scores),
        "passed": sum(score.passed is True for score in there),
        "failed": sum(score.passed is False for score in there),
        "skipped": sum(score.status is Status.SKIPPED for score in there),
        "errors": sum(score.status is Status.ERROR for score in there),
        "not_reached": len(scores) - len(there),
    }


def _code(found: RunsJudged) -> int:
    counts = _counts(found)
    if counts["failed"]:
        return 1
    unjudged = counts["skipped"] + counts["errors"] + counts["not_reached"]
    return 0 if counts["passed"] and not unjudged else 2


def _summary(found: RunsJudged, judge: ModelJudge) -> dict[str, object]:
    return {"judge": judge.fingerprint, **_counts(found), "spent": asdict(found.spent), "stopped": found.stopped}


def _say(found: RunsJudged, judge: ModelJudge, lines: Sequence[dict[str, object]]) -> None:
    bad = [line for line in lines if line["verdict"] != "pass"][:_SHOWN]
    if bad:
        rows = [(str(line["id"]), str(line["verdict"] or line["status"]), str(line["reason"])) for line in bad]
        say_table(("run", "", "reason"), rows)
    counts = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in _counts(found).items() if count)
    say(f"{judge.fingerprint}: {counts or 'no runs'}; {said_spending(found.spent)}")
    if found.stopped:
        say(f"stopped: {found.stopped}")


def _write(out: Path, lines: Sequence[dict[str, object]]) -> None:
    from ..config.files import NewFile, write_all

    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_all([NewFile(path=out, text=text, replaces=True)])


class _Bar:
    """Progress on standard error, where somebody is looking."""

    def __init__(self, total: int, *, shown: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        disable = not (shown and sys.stderr.isatty())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=disable)
        self._task = self._bar.add_task("judging", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def move(self, done: int) -> None:
        self._bar.update(self._task, completed=done)
