"""`surefoot gate`, `surefoot eval gate` and `surefoot eval bless`: results in, a decision and its exit code out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..config.suites import load_suite
from ..core.proof.baseline import COUNTS_SUITE, Baseline
from ..core.proof.gate import EXIT_CODES, Decision, GateReport
from ..core.proof.regression import CaseChange, Change, summary
from ..errors import GateError
from .control import ByOption, controlled, whoever
from .gate_view import say_changes, say_report
from .output import JsonOption, say, say_json, visible
from .project import project_of
from .writable import refuse_unwritable

if TYPE_CHECKING:
    from ..app.control import Control
    from ..app.gating import Arms, Gating

__all__ = ["app", "bless", "gate"]

app = typer.Typer(
    name="gate",
    help="Hold results against the project's gates. Exit codes: 0 passed, 1 failed, 2 not decided, 3 usage, 4 broken.",
    epilog="Example: surefoot gate check --metrics results.json --baseline baselines/support.json",
    no_args_is_help=True,
    add_completion=False,
)

_GatesOption = Annotated[
    Path | None,
    typer.Option("--gates", metavar="FILE", help="The gates. Default: gates/quality_gates.yaml.", show_default=False),
]
_BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="Default: the suite's own in baselines/.", show_default=False),
]
_OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the report as JSON there, for `surefoot ci report`."),
]
_VersionOption = Annotated[
    str | None,
    typer.Option("--version", metavar="VERSION", help="LABEL, or AGENT@LABEL. Default: who ran.", show_default=False),
]
_RunOption = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="ID", help="The run. Default: the suite's newest with these versions.", show_default=False
    ),
]

_TagOption = Annotated[
    str | None, typer.Option("--tag", help="Of the run with only the cases that have it.", show_default=False)
]
_AgentOption = Annotated[
    str | None,
    typer.Option("--agent", help="Whose versions. Default: the suite's, or the only one.", show_default=False),
]


@app.callback()
def _group() -> None:
    """More than one word may follow."""


@app.command("check", epilog="Example: surefoot gate check --metrics results.json --gates gates/release.yaml")
def _check(
    ctx: typer.Context,
    *,
    metrics: Annotated[
        list[Path], typer.Option("--metrics", metavar="FILE", help="Results; may be given several times.")
    ],
    gates: _GatesOption = None,
    baseline: _BaselineOption = None,
    version: _VersionOption = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the report, for plans that require a gate.")] = False,
    out: _OutOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold results in files against the gates: tables of scores, or plain counts by metric.

    Plain is {"exact": {"n": 100, "passed": 95}, "latency_ms": {"n": 50, "mean": 830, "sd": 120}}.
    """
    from dataclasses import replace

    from ..app.gating import read_scores, version_named

    refuse_unwritable(out, makes_folders=True)
    root = project_of(ctx)
    gating = _gating(root, gates, baseline)
    judged = [read_scores(path) for path in metrics]
    if record:
        _refuse_unknown(metrics, judged)
    if version is not None:
        digest = version_named(root, version).digest
        for arms in judged:
            if arms.candidate.version not in ("", digest):
                raise GateError(
                    f"the results are of {arms.candidate.version}, and {version} is {digest}",
                    hint="a gate judges the version that ran: run this one",
                )
        judged = [replace(arms, candidate=replace(arms.candidate, version=digest), label=version) for arms in judged]
    _conclude(ctx, gating, judged, record=record, out=out, by=by, as_json=as_json)


def gate(
    ctx: typer.Context,
    suite: Annotated[str, typer.Argument(help="The suite: a file in evals/.", show_default=False)],
    *,
    version: _VersionOption = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="VERSION", help="Compare with this one of the run. Default: the baseline."),
    ] = None,
    run: _RunOption = None,
    tag: _TagOption = None,
    agent: _AgentOption = None,
    gates: _GatesOption = None,
    baseline: _BaselineOption = None,
    out: _OutOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a run of a suite against the gates, and keep the report with the version's digest."""
    refuse_unwritable(out, makes_folders=True)
    root = project_of(ctx)
    gating = _gating(root, gates, baseline)
    judged = _arms(root, suite, tag, agent, run=run, version=version, against=against)
    advice = None if as_json else _advice(root, gating, judged, suite + ("" if tag is None else f" --tag {tag}"))
    idle = _idle(root, gating, judged)
    _conclude(ctx, gating, [judged], record=True, out=out, by=by, as_json=as_json, advice=advice, notes=idle)


def bless(
    ctx: typer.Context,
    suite: Annotated[str, typer.Argument(help="The suite: a file in evals/.", show_default=False)],
    *,
    version: _VersionOption = None,
    run: _RunOption = None,
    tag: _TagOption = None,
    agent: _AgentOption = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why it is good enough.")] = "",
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run's results the baseline of its suite: baselines/SUITE.json, to be committed."""
    from ..adapters.clock import SystemClock
    from ..config.baselines import baseline_path, write_baseline
    from ..config.files import shown_path
    from ..core.proof.baseline import refuse_unfit

    root = project_of(ctx)
    arms = _arms(root, suite, tag, agent, run=run, version=version)
    if arms.conduct is not None:
        refuse_unfit(arms.candidate, stopped=arms.conduct.stopped, changed=arms.conduct.changed)
    path = baseline_path(root, arms.candidate.suite)
    blessed = Baseline(
        table=arms.candidate, blessed_by=whoever(by), blessed_at=SystemClock().now(), label=version or "", why=why
    )
    write_baseline(path, blessed)
    said = {"file": shown_path(root, path), "suite": arms.candidate.suite, "version": arms.candidate.version}
    if as_json:
        say_json(said)
    else:
        say(f"{said['file']}: {suite} of {said['version']}", "commit it: later versions are compared with it")


def _arms(
    root: Path,
    name: str,
    tag: str | None,
    agent: str | None,
    *,
    run: str | None,
    version: str | None,
    against: str | None = None,
) -> Arms:
    """The arms of a kept run, versions named as people name them."""
    from dataclasses import replace

    from ..app.gating import arms_of
    from ..app.proving import Proving

    suite = load_suite(root, name)
    if tag is not None:
        only = suite.only(tag)
        if only is None:
            raise GateError(f"no case of {name} has the tag {tag}", hint="tags of cases are in the suite's file")
        suite = only
    with closing(Proving(root)) as proving:
        one, other = (
            None if named is None else proving.version(suite, named, agent).digest for named in (version, against)
        )
        found = arms_of(proving, suite, run=run, version=one, against=other)
        return replace(found, label=version or "", aside="" if tag is None else f"only the cases with the tag {tag}")


def _idle(root: Path, gating: Gating, arms: Arms) -> Sequence[str]:
    """Entries of the quarantine that do not hold anything back."""
    from ..app.quarantine_notes import idle_entries

    judged = frozenset(case for column in arms.candidate.columns.values() for case in column.samples)
    return idle_entries(root, gating.quarantine, today=gating.today, judged=judged)


def _advice(root: Path, gating: Gating, arms: Arms, suite: str) -> Sequence[str]:
    """How the cases that flipped are tried again: in a run of both versions, so that is first where there is none."""
    from ..app.proving import Proving

    again, before = gating.again(arms), gating.before(arms)
    if not again or before is None:
        return ()
    old = before.table.version if isinstance(before, Baseline) else before.version
    with closing(Proving(root)) as proving:
        new_name, old_name = proving.name_of(arms.candidate.version), proving.name_of(old)
    if not (new_name and old_name) or new_name == old_name:
        return ("  the project no longer has both versions, so they cannot be: bless one that it has",)
    run = f"surefoot eval run {suite} --version {new_name} --baseline {old_name}"
    ask = f"surefoot eval gate {suite} --version {new_name} --against {old_name}"
    if not isinstance(before, Baseline):
        cases = shlex.quote(",".join(one.case for one in again))
        return (f"  {run} --again {cases} --trials {again[0].trials}", f"  {ask}")
    if old in arms.beside:
        return ("  this run has both arms: compare them, fresh trials included", f"  {ask}")
    return ("  only one arm ran: run both, then ask which cases flip there", f"  {run}", f"  {ask}")


def _gating(root: Path, gates: Path | None, baseline: Path | None) -> Gating:
    from ..adapters.clock import SystemClock
    from ..app.gating import Gating

    return Gating.open(root, today=SystemClock().now().date(), gates=gates, baseline=baseline)


def _conclude(
    ctx: typer.Context,
    gating: Gating,
    judged: Sequence[Arms],
    *,
    record: bool,
    out: Path | None,
    by: str | None,
    as_json: bool,
    advice: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Say what the gates say, keep it where asked to, and leave with its exit code."""
    reports = gating.reports(judged)
    if out is not None:
        _write(out, reports, judged)
    if record:
        _record(ctx, reports, by)
    if as_json:
        said = [_json(report, gating.changes(arms)) for report, arms in zip(reports, judged, strict=True)]
        say_json(said if len(said) > 1 else said[0])
    else:
        for report, arms in zip(reports, judged, strict=True):
            say_report(report, arms.label)
            say_changes(gating.changes(arms))
            if again := gating.again(arms):
                names = ", ".join(retrial.case for retrial in again[:10]) + (" ..." if len(again) > 10 else "")
                say(f"flipped, to be tried again in both arms: {names}", *(advice or ()))
    for note in notes:  # beside a document, where programs do not stumble over them
        print(visible(note), file=sys.stderr if as_json else sys.stdout)
    raise typer.Exit(max(reports, key=lambda report: _RANK[report.decision]).exit_code)


_RANK: Final = {Decision.PASSED: 0, Decision.UNDECIDED: 1, Decision.FAILED: 2}


def _json(report: GateReport, changes: Sequence[CaseChange]) -> object:
    import msgspec

    return {
        **msgspec.to_builtins(report),
        "exit_code": EXIT_CODES[report.decision],
        "cases": [msgspec.to_builtins(one) for one in changes if one.change is not Change.NO_EVIDENCE],
        "summary": {change.value: count for change, count in summary(changes).items()},
    }


def _write(out: Path, reports: Sequence[GateReport], judged: Sequence[Arms]) -> None:
    from ..adapters.reports.documents import GateDocument, written
    from ..config.files import NewFile, write_all

    if len(reports) > 1:
        raise GateError(f"{len(reports)} reports do not fit into {out}", hint="check one file of results at a time")
    document = GateDocument(gate=reports[0], label=judged[0].label)
    write_all([NewFile(path=out, text=written(document).decode(), replaces=True)])


def _record(ctx: typer.Context, reports: Sequence[GateReport], by: str | None) -> None:
    from ..ports.store import GateVerdict

    async def keep(control: Control) -> None:
        for report in reports:
            await control.store.put_gate(GateVerdict(report=report, at=control.clock.now(), by=whoever(by)))

    controlled(ctx, keep, creates=True)
    for report in reports:
        if report.aside:
            print(visible(f"kept, but it opens no rollout that requires a gate: {report.aside}"), file=sys.stderr)


def _refuse_unknown(paths: Sequence[Path], judged: Sequence[Arms]) -> None:
    """Raise GateError for results that nobody could have made by running a version: a name alone is no proof."""
    for path, arms in zip(paths, judged, strict=True):
        if not arms.candidate.version or arms.candidate.suite == COUNTS_SUITE:
            raise GateError(
                f"{path}: results without cases and their version's digest cannot be recorded for it",
                hint="run a suite (surefoot eval run), or check them without --record",
            )
