"""`surefoot ci`: workflows that prove what a pull request changes, and the report it gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..adapters.ci.comment import comment
from ..adapters.ci.github import PullRequest, annotated, annotation, pull_request, summarise
from ..adapters.ci.workflows import Provider, Written, workflow_files
from ..adapters.reports.documents import JUNIT, REPORT, Document, GateDocument, documents_under
from ..adapters.reports.junit import junit
from ..config.files import NewFile, write_all
from ..core.proof.gate import EXIT_CODES, Decision, Ruling, decision_of
from ..core.proof.suite import NO_LIMITS, Limits
from ..core.units import MicroUsd
from ..errors import AlreadyExists, SurefootError
from .output import say, say_json, visible
from .project import project_of
from .writable import refuse_unwritable_folder

if TYPE_CHECKING:
    from ..app.ci import Proved

__all__ = ["app"]

app = typer.Typer(
    name="ci",
    help="In CI: workflows that prove what a pull request changes, and the report under it.",
    epilog="Example: surefoot ci init --provider github",
    no_args_is_help=True,
    add_completion=False,
)

_SAID = {Decision.PASSED: "passed", Decision.FAILED: "FAILED", Decision.UNDECIDED: "not decided"}
_JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@app.command("init", epilog="Example: surefoot ci init --provider gitlab --print")
def _init(
    ctx: typer.Context,
    provider: Annotated[Provider, typer.Option(help="Whose files.")] = Provider.GITHUB,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    to_screen: Annotated[bool, typer.Option("--print", help="Print them, and write nothing.")] = False,
    as_json: _JsonOption = False,
) -> None:
    """Write the files by which your CI proves every version that a pull request adds or changes."""
    root, wanted = project_of(ctx), workflow_files(provider)
    if to_screen:
        for file in wanted:
            say(f"# {file.path}", file.text)
        return
    _write(root, wanted, force=force)
    if as_json:
        say_json({"provider": provider, "written": [file.path for file in wanted]})
        return
    say(*(f"wrote {file.path}" for file in wanted))
    say("next: commit them; every pull request is proved then, and gets one comment that is kept up to date")


def _write(root: Path, wanted: Sequence[Written], *, force: bool) -> None:
    there = [file.path for file in wanted if (root / file.path).exists()]
    if there and not force:
        raise AlreadyExists(f"{there[0]} is already there", hint="look at --print, or replace it with --force")
    write_all([NewFile(path=root / file.path, text=file.text, replaces=file.path in there) for file in wanted])
    for file in wanted:
        if file.is_executable:
            (root / file.path).chmod(0o755)


@app.command("run", epilog="Example: surefoot ci run --base origin/main")
def _run(
    ctx: typer.Context,
    base: Annotated[
        str, typer.Option(metavar="COMMIT", help="Versions whose content is not in that commit are proved.")
    ] = "origin/main",
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results go.")] = Path("surefoot-results"),
    attacks: Annotated[bool, typer.Option("--attacks/--no-attacks", help="Attack it too, where it can be.")] = True,
    attack_usd: Annotated[
        float | None,
        typer.Option(min=0.000001, metavar="USD", help="What the attacks on one version may cost.", show_default=False),
    ] = None,
    as_json: _JsonOption = False,
) -> None:
    """Prove every version that changed since a commit: suites and behaviours of its agent, the gates, attacks.

    Where no version changed, the newest ones are proved: their suites or gates may have changed.
    """
    from ..app.ci import Attack, prove_changes

    limits = NO_LIMITS if attack_usd is None else Limits(usd=MicroUsd(round(attack_usd * 1_000_000)))
    root = project_of(ctx)
    folder = out if out.is_absolute() else root / out
    refuse_unwritable_folder(folder)
    attack = Attack(limits=limits) if attacks else None
    proved = prove_changes(root, base, folder, lambda line: None if as_json else say(line), attack=attack)
    names = [f"{version.agent} {version.label}" for version in proved.versions]
    if as_json:
        code = EXIT_CODES[proved.decision]
        decisions = {name: proved.decided(one) for name, one in zip(names, proved.versions, strict=True)}
        said = {"decision": proved.decision, "exit_code": code, "versions": names, "decisions": decisions}
        say_json({**said, "changed": proved.is_changed})
    else:
        say(
            *_lines(proved),
            f"results are in {out}: `surefoot ci report {out}` shows them",
        )
    raise typer.Exit(EXIT_CODES[proved.decision])


def _lines(proved: Proved) -> list[str]:
    """A line for each decision, the worst first, with the versions of which it is."""
    lines: list[str] = []
    for decision in (Decision.FAILED, Decision.UNDECIDED, Decision.PASSED):
        names = [f"{one.agent} {one.label}" for one in proved.versions if proved.decided(one) is decision]
        if names:
            lines.append(f"{_SAID[decision]}: {', '.join(names)}")
    return lines


@app.command("report", epilog="Example: surefoot ci report surefoot-results --github")
def _report(
    ctx: typer.Context,
    results: Annotated[Path, typer.Argument(help="The folder that `surefoot ci run` filled.", show_default=False)],
    github: Annotated[
        bool,
        typer.Option(
            "--github", help="In GitHub Actions: annotations, the step's summary, and the pull request's comment."
        ),
    ] = False,
    as_json: _JsonOption = False,
) -> None:
    """Say what the proofs found: the verdict, what regressed, the numbers, the attacks. Exits as the gates decided.

    Beside the results it leaves report.md and junit.xml.
    """
    folder = results if results.is_absolute() else project_of(ctx) / results
    documents = tuple(documents_under(folder))
    text, rulings = comment(documents), _rulings(documents)
    decision = decision_of(rulings)
    files = {folder / REPORT: text, folder / JUNIT: junit(documents).decode()}
    write_all([NewFile(path=path, text=content, replaces=path.exists()) for path, content in files.items()])
    if as_json:
        say_json({"decision": decision, "exit_code": EXIT_CODES[decision], "report": text})
    else:
        say(text)
    if github:
        _tell_github(text, rulings, sys.stderr if as_json else sys.stdout)
    raise typer.Exit(EXIT_CODES[decision])


def _rulings(documents: Sequence[Document]) -> tuple[Ruling, ...]:
    return tuple(r for document in documents if isinstance(document, GateDocument) for r in document.gate.rulings)


def _tell_github(text: str, rulings: tuple[Ruling, ...], out: TextIO) -> None:
    """A refusal of GitHub's is said and changes no verdict: a fork's token may not comment, and that is no failure."""
    told = list(annotated(rulings))
    summarise(text, os.environ)
    try:
        request = pull_request(os.environ)
        if isinstance(request, PullRequest):
            told.append(f"comment: {request.upsert(text)}")
    except SurefootError as error:
        told.append(annotation("warning", "no comment", f"{error.message}; {error.hint}"))
    for line in told:  # the runner reads commands from either stream
        print(visible(line), file=out)
