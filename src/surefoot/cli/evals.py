"""`surefoot eval`: suites of cases, run against versions."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from ..app.proving import Asked, Proving
from ..config.suites import list_suites, load_suite
from ..core.artifact.version import AgentVersion
from ..core.proof.flakiness import flakes, halves
from ..core.proof.gate import EXIT_CODES, Decision, GateReport
from ..core.proof.gate_kinds import default_gates
from ..core.proof.gating import rule
from ..core.proof.suite import Suite, rule_suite
from ..core.proof.table import table_of
from ..errors import SuiteError, SurefootError, UnknownName
from ..service.prove import Proof
from .bar import bar
from .bridges import import_results
from .evals_view import (
    Shown,
    calibration_json,
    lacks_json,
    proof_json,
    show_calibration,
    show_proof,
    show_suite,
    suite_json,
)
from .gate import bless, gate
from .output import JsonOption, say, say_json, say_table
from .project import project_of
from .writable import refuse_unwritable

__all__ = ["app"]

_LEAST_TRIALS: Final = 2
_FRESH_TRIALS: Final = 5

app = typer.Typer(
    name="eval",
    help="Suites of cases, run against versions. A suite is a file: evals/SUITE.yaml. Exit codes: 0 passed, 1 failed,"
    " 2 not decided, 3 wrong usage, 4 something outside failed.",
    epilog="Example: surefoot eval run smoke --version v2 --baseline v1",
    no_args_is_help=True,
    add_completion=False,
)

_SuiteArgument = Annotated[
    str, typer.Argument(metavar="SUITE", help="The name of a file in evals/.", show_default=False)
]
_VersionOption = Annotated[
    str, typer.Option("--version", metavar="VERSION", help="LABEL, or AGENT@LABEL.", show_default=False)
]
_AgentOption = Annotated[
    str | None,
    typer.Option("--agent", help="Whose version. Default: the suite's, or the only one.", show_default=False),
]
_FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Ask again, also where an answer is known from another run.")
]


@app.command("run", epilog="Example: surefoot eval run smoke --version v2 --baseline v1 --trials 3")
def _run(
    ctx: typer.Context,
    suite: _SuiteArgument,
    version: _VersionOption,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="A version to run beside it, case by case.", show_default=False),
    ] = None,
    agent: _AgentOption = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How often each case is tried. Default: the suite's.", show_default=False)
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only cases with this tag.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run of this suite.")] = False,
    again: Annotated[
        str | None,
        typer.Option(metavar="CASES", help="Try these once more in the newest run: what flipped, as `eval gate` says."),
    ] = None,
    fresh: _FreshOption = False,
    scores: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the counts there, for `gate check`.", show_default=False)
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML there.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a suite against a version. It passes if every metric that can pass does, in its share of the cases.

    With a baseline both are run side by side; the exit code is the version's. Whether a difference means something is
    what `surefoot eval gate` says.
    """
    refuse_unwritable(scores, junit, makes_folders=True)
    asked = _suite(ctx, suite, tag)
    with closing(Proving(project_of(ctx))) as proving:
        chosen = proving.version(asked, version, agent)
        before = None if baseline is None else proving.version(asked, baseline, agent)
        versions = (chosen,) if before is None else (before, chosen)
        wanted = Asked(suite=asked, versions=versions, trials=trials, resume=resume, fresh=fresh)
        proof = _proven(proving, wanted if again is None else _again(wanted, again), as_json=as_json)
    report = _report(asked, proof, chosen)
    shown = Shown(suite=asked, proof=proof, report=report, version=chosen, baseline=before)
    _write(shown, scores, junit)
    if as_json:
        say_json(proof_json(shown))
    else:
        show_proof(shown)
    raise typer.Exit(report.exit_code)


@app.command("calibrate", epilog="Example: surefoot eval calibrate regression --version v1 --trials 5")
def _calibrate(
    ctx: typer.Context,
    suite: _SuiteArgument,
    version: _VersionOption,
    agent: _AgentOption = None,
    trials: Annotated[int, typer.Option(min=_LEAST_TRIALS, help="Trials of each case on each side.")] = 3,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run of this suite.")] = False,
    fresh: _FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a version against itself: what differs is chance, and no gate can see less than that.

    Says which cases contradict themselves, how often a gate would block a version that did not change, and the smallest
    drop it would find four times out of five. Exit code 2 if too little was scored to say so.
    """
    asked = _suite(ctx, suite, None)
    with closing(Proving(project_of(ctx))) as proving:
        chosen = proving.version(asked, version, agent)
        proof = _proven(
            proving,
            Asked(
                suite=asked, versions=(chosen,), trials=2 * trials, resume=resume, fresh=fresh, purpose="calibration"
            ),
            as_json=as_json,
        )
    sides = halves(proof.results)
    first, second = (table_of(asked.identity, chosen.digest, side, metrics=asked.metrics) for side in sides)
    report = rule(default_gates(asked.metrics), second, first)
    found = flakes(proof.tables[chosen.digest])
    shown = Shown(suite=asked, proof=proof, report=report, version=chosen)
    if as_json:
        say_json(calibration_json(shown, found, trials))
    else:
        show_calibration(shown, found, trials)
    known = not proof.stopped and any(ruling.smallest_drop is not None for ruling in report.rulings)
    raise typer.Exit(EXIT_CODES[Decision.PASSED if known else Decision.UNDECIDED])


@app.command("list", epilog="Example: surefoot eval list --tag smoke")
def _list(
    ctx: typer.Context,
    tag: Annotated[str | None, typer.Option(help="Only suites with this tag.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Every suite with its cases, its metrics and its tags."""
    root = project_of(ctx)
    rows: list[dict[str, object]] = []
    cells: list[tuple[str, ...]] = []
    broken: list[SurefootError] = []
    for name in list_suites(root):
        try:
            one = load_suite(root, name)
        except SurefootError as error:
            broken.append(error)
            rows.append({"name": name, "error": error.message})
            cells.append((name, "", "", "cannot be read", ""))
            continue
        if tag is None or tag in one.tags:
            rows.append(suite_json(one))
            cells.append((name, str(len(one.cases)), str(one.trials), ", ".join(one.metrics), ", ".join(one.tags)))
    if as_json:
        say_json(rows)
    elif cells:
        say_table(("suite", "cases", "trials", "metrics", "tags"), cells)
    else:
        say("no suites: write evals/smoke.yaml" if tag is None else f"no suite has the tag {tag}")
    if broken:
        raise broken[0]


@app.command("show", epilog="Example: surefoot eval show smoke")
def _show(ctx: typer.Context, suite: _SuiteArgument, as_json: JsonOption = False) -> None:
    """One suite: what it asks, what judges it, what it may cost, and the runs there were."""
    root = project_of(ctx)
    asked = load_suite(root, suite)
    with closing(Proving(root)) as proving:
        runs = proving.runs(asked)
        newest = tuple(proving.results.results(runs[-1].id)) if runs else ()
    if as_json:
        said = {"runs": [run.id for run in runs], "evaluator_errors": lacks_json(newest)}
        say_json({**suite_json(asked), **said})
    else:
        show_suite(asked, runs, newest)


def _suite(ctx: typer.Context, name: str, tag: str | None) -> Suite:
    suite = load_suite(project_of(ctx), name)
    if tag is None:
        return suite
    chosen = suite.only(tag)
    if chosen is None:
        raise SuiteError(f"no case of {name} has the tag {tag}", hint="tags of cases are in the suite's file")
    return chosen


def _again(asked: Asked, names: str) -> Asked:
    """Further trials of some cases, beyond the suite's own: their numbers are fresh."""
    chosen = frozenset(name.strip() for name in names.split(",") if name.strip())
    known = [case.id for case in asked.suite.cases]
    for name in sorted(chosen - set(known)):
        raise UnknownName("case", name, tuple(known))
    return replace(
        asked, resume=True, first_trial=asked.suite.trials, trials=asked.trials or _FRESH_TRIALS, only=chosen
    )


def _proven(proving: Proving, asked: Asked, *, as_json: bool) -> Proof:
    """Run it with a bar on standard error that says how fast and how long still."""
    with bar(shown=not as_json) as told:
        try:
            return asyncio.run(proving.run(asked, told=told))
        except KeyboardInterrupt:
            say("stopped; what was finished is kept: go on with --resume")
            raise


def _report(suite: Suite, proof: Proof, version: AgentVersion) -> GateReport:
    return rule_suite(suite, proof.tables[version.digest], stopped=proof.stopped)


def _write(shown: Shown, scores: Path | None, junit: Path | None) -> None:
    from ..config.baselines import table_text
    from ..config.files import NewFile, write_all

    table = shown.proof.tables[shown.version.digest]
    if scores is not None:
        write_all([NewFile(path=scores, text=table_text(table), replaces=True)])
    if junit is not None:
        from ..adapters.reports.documents import GateDocument, ScoresDocument
        from ..adapters.reports.junit import junit as junit_xml

        label = shown.version.label
        xml = junit_xml([ScoresDocument(candidate=table, label=label), GateDocument(gate=shown.report, label=label)])
        write_all([NewFile(path=junit, text=xml.decode(), replaces=True)])


app.command("gate", epilog="Example: surefoot eval gate smoke --version v2 --against v1")(gate)
app.command("bless", epilog="Example: surefoot eval bless smoke --version v1 --why 'spring release'")(bless)
app.command("import", epilog="Example: surefoot eval import results.json --from promptfoo --out scores.json")(
    import_results
)
