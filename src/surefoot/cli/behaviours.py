"""`surefoot behaviour`: what a version is expected to do, as often as it takes to be sure that it does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..app.behaving import Found, observe, report_of, scores_of
from ..app.proving import Proving
from ..config.behaviours import Behaviour, list_behaviours, load_behaviour
from ..core.artifact.version import AgentVersion
from ..core.proof.behaviour import Trial
from ..core.proof.gate import GateReport
from ..errors import SurefootError, UsageError
from .bar import bar, said_spending
from .output import JsonOption, say, say_json, say_table
from .project import project_of
from .writable import refuse_unwritable

__all__ = ["app"]

app = typer.Typer(
    name="behaviour",
    help="What a version is expected to do, and how often. A behaviour is a file: behaviours/NAME.yaml. Exit codes: 0"
    " all hold, 1 one does not, 2 not decided, 3 wrong usage, 4 something outside failed.",
    epilog="Example: surefoot behaviour run keeps-secrets --version v2",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("run", epilog="Example: surefoot behaviour run --version v2 --out results/behaviour.json")
def _run(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A file in behaviours/. Default: all.", show_default=False)
    ] = None,
    *,
    version: Annotated[
        str, typer.Option("--version", metavar="VERSION", help="LABEL, or AGENT@LABEL.", show_default=False)
    ],
    agent: Annotated[
        str | None,
        typer.Option("--agent", help="Whose version. Default: the behaviour's, or the only one.", show_default=False),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again, also where an answer is known.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write what was decided there, for `surefoot ci report`.", show_default=False
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the counts there, for `surefoot gate check`.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a version until it is decided whether it does what it should, in as few runs as its answers allow."""
    root = project_of(ctx)
    refuse_unwritable(out, scores, makes_folders=True)
    wanted = [load_behaviour(root, one) for one in (list_behaviours(root) if name is None else (name,))]
    whose = version.rpartition("@")[0] or agent
    asked = [one for one in wanted if name is not None or not whose or one.suite.agent in {"", whose}]
    with closing(Proving(root)) as proving:
        chosen = _version(proving, asked, version, agent)
        found = [] if chosen is None else [_observed(proving, one, chosen, fresh=fresh, quiet=as_json) for one in asked]
    if chosen is None:
        say_json({"decision": "undecided", "behaviours": []}) if as_json else say(
            "not decided: there is no behaviour to run; write behaviours/NAME.yaml"
        )
        raise typer.Exit(2)
    report = report_of(found, chosen.digest)
    _write(found, report, chosen, out, scores)
    if as_json:
        say_json(_json(found, report, chosen))
    else:
        _show(found, chosen)
    raise typer.Exit(report.exit_code)


@app.command("list", epilog="Example: surefoot behaviour list --json")
def _list(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every behaviour: what is expected, how often, and after how many runs that is known."""
    root = project_of(ctx)
    rows: list[dict[str, object]] = []
    cells: list[tuple[str, ...]] = []
    broken: list[SurefootError] = []
    for name in list_behaviours(root):
        try:
            one = load_behaviour(root, name)
        except SurefootError as error:
            broken.append(error)
            rows.append({"name": name, "error": error.message})
            cells.append((name, "cannot be read", "", "", ""))
            continue
        rows.append(_plan_json(one))
        cells.append((name, one.expectation, str(one.how), str(len(one.suite.cases)), ", ".join(one.suite.metrics)))
    if as_json:
        say_json(rows)
    elif cells:
        say_table(("behaviour", "expected", "holds if", "cases", "validators"), cells)
    else:
        say("no behaviours: write behaviours/NAME.yaml")
    if broken:
        raise broken[0]


def _version(proving: Proving, asked: Sequence[Behaviour], named: str, agent: str | None) -> AgentVersion | None:
    """The one version that all of them are about; None where there is none of them."""
    found = {version.digest: version for one in asked for version in (proving.version(one.suite, named, agent),)}
    if len(found) > 1:
        raise UsageError(
            f"{named} is a version of {', '.join(sorted({one.agent for one in found.values()}))}",
            hint=f"say whose: --version AGENT@{named}",
        )
    return next(iter(found.values()), None)


def _observed(proving: Proving, asked: Behaviour, version: AgentVersion, *, fresh: bool, quiet: bool) -> Found:
    with bar(shown=not quiet, title=asked.name) as told:
        return asyncio.run(observe(proving, asked, version, fresh=fresh, told=told))


def _show(found: Sequence[Found], version: AgentVersion) -> None:
    """Each with its numbers, and what was answered where it was not as expected."""
    for one in found:
        seen = one.seen
        say(f"{seen.outcome}: {one.behaviour.name}, {version.agent} {version.label}", f"  {one.behaviour.expectation}")
        say(f"  {seen.reason}")
        for trial in seen.samples:
            if trial.passed is not True:
                say(f"  - {_kind(trial)}: {_line(trial.why)}", f"    answered: {_line(trial.said)}")
        say(f"  {said_spending(one.spent)}")


def _write(
    found: Sequence[Found], report: GateReport, version: AgentVersion, out: Path | None, scores: Path | None
) -> None:
    from ..adapters.reports.documents import Document, GateDocument, ScoresDocument, written
    from ..config.files import NewFile, write_all

    label = version.label
    documents: list[tuple[Path | None, Document]] = [
        (out, GateDocument(gate=report, label=label)),
        (scores, ScoresDocument(candidate=scores_of(found, version.digest), label=label)),
    ]
    files = [
        NewFile(path=path, text=written(document).decode(), replaces=True)
        for path, document in documents
        if path is not None
    ]
    if files:
        write_all(files)


def _json(found: Sequence[Found], report: GateReport, version: AgentVersion) -> dict[str, object]:
    return {
        "agent": version.agent,
        "label": version.label,
        "version": version.digest,
        "suite": report.suite,
        "decision": report.decision.value,
        "exit_code": report.exit_code,
        "behaviours": [_found_json(one) for one in found],
    }


def _found_json(found: Found) -> dict[str, object]:
    seen = found.seen
    return {
        **_plan_json(found.behaviour),
        "outcome": seen.outcome.value,
        "reason": seen.reason,
        "passed": seen.passed,
        "failed": seen.failed,
        "errors": seen.errors,
        "rate": seen.rate,
        "bounds": list(seen.bounds),
        "samples": [{"passed": one.passed, "said": one.said, "why": one.why} for one in seen.samples],
        "cases": {case: list(sample) for case, sample in found.samples.items()},
        "spent": asdict(found.spent),
    }


def _plan_json(behaviour: Behaviour) -> dict[str, object]:
    return {
        "name": behaviour.name,
        "expectation": behaviour.expectation,
        "threshold": behaviour.how.threshold,
        "at_most": behaviour.how.at_most,
        "holds_if": str(behaviour.how),
        "agent": behaviour.suite.agent,
        "cases": len(behaviour.suite.cases),
        "validators": list(behaviour.suite.metrics),
    }


def _kind(trial: Trial) -> str:
    return "failed" if trial.passed is False else "could not be told"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "\u2026"
