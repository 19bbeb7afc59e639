"""`surefoot agents`: the versions of a project, what is in them, and what is different between two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ..config.agents import find_version, list_agents, list_versions, load_version, read_version
from ..config.project import wrong_folder
from ..core.artifact.describe import detail
from ..core.artifact.diff import RiskClass, diff, risk
from ..errors import AlreadyExists, SurefootError, UnknownName, UsageError
from .agents_view import change_json, change_line, import_json, import_lines, version_json, version_lines
from .output import JsonOption, say, say_changed_lines, say_json, say_table
from .project import project_of

__all__ = ["app"]

_FOUND_EXIT: Final = 1
"""The command did its work and found something to object to."""

app = typer.Typer(
    name="agents",
    help="The versions of your agents. One file is one version: agents/AGENT/LABEL.yaml.",
    epilog="Example: surefoot agents diff support-agent v1.3.2 v1.3.3",
    no_args_is_help=True,
    add_completion=False,
)

_AgentArgument = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent: a folder of agents/.", show_default=False)
]
_LabelArgument = Annotated[
    str | None, typer.Argument(metavar="[LABEL]", help="The version. Default: the newest.", show_default=False)
]


@app.command("list", epilog="Example: surefoot agents list support-agent --json")
def _list(
    ctx: typer.Context,
    agent: Annotated[str | None, typer.Argument(metavar="[AGENT]", help="Only this agent.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Every version with its model, its tools and its digest, oldest label first."""
    root = project_of(ctx)
    rows: list[dict[str, object]] = []
    broken: list[SurefootError] = []
    for name in list_agents(root) if agent is None else (agent,):
        for file in list_versions(root, name):
            try:
                version = read_version(root, file)
            except SurefootError as error:
                broken.append(error)
                rows.append({"agent": name, "label": file.label, "error": error.message})
                continue
            tools = len(version.tools) + sum(len(inner.tools) for inner in version.sub_agents)
            rows.append(
                {
                    "agent": name,
                    "label": file.label,
                    "model": version.model.id,
                    "tools": tools,
                    "digest": version.digest,
                }
            )
    if as_json:
        say_json(rows)
    elif rows:
        say_table(
            ("agent", "version", "model", "tools", "digest"),
            [
                (
                    str(row["agent"]),
                    str(row["label"]),
                    str(row.get("model", "cannot be read")),
                    str(row.get("tools", "")),
                    str(row.get("digest", ""))[:19],
                )
                for row in rows
            ],
        )
    else:
        say("no versions yet: write agents/AGENT/LABEL.yaml, or bring one with `surefoot agents import FILE`")
        if agent is None and not list_agents(root):
            looked = wrong_folder(root)
            say(looked.message, f"hint: {looked.hint}")
    if broken:
        raise broken[0]


@app.command("show", epilog="Example: surefoot agents show support-agent v1.3.2")
def _show(ctx: typer.Context, agent: _AgentArgument, label: _LabelArgument = None, as_json: JsonOption = False) -> None:
    """One version: model, limits, tools, prompt."""
    version = load_version(project_of(ctx), agent, _label(ctx, agent, label))
    if as_json:
        say_json(version_json(version))
    else:
        say(*version_lines(version))


@app.command("digest", epilog="Example: surefoot agents digest support-agent v1.3.2")
def _digest(
    ctx: typer.Context, agent: _AgentArgument, label: _LabelArgument = None, as_json: JsonOption = False
) -> None:
    """The digest of one version: the same wherever and however the same content is written."""
    version = load_version(project_of(ctx), agent, _label(ctx, agent, label))
    if as_json:
        say_json({"agent": agent, "label": version.label, "digest": version.digest})
    else:
        say(version.digest)


@app.command("diff", epilog="Example: surefoot agents diff support-agent v1.3.2 v1.3.3 --fail-on high")
def _diff(
    ctx: typer.Context,
    agent: _AgentArgument,
    old: Annotated[str, typer.Argument(help="The version that is there.", show_default=False)],
    new: Annotated[str, typer.Argument(help="The version that may replace it.", show_default=False)],
    fail_on: Annotated[
        str | None, typer.Option(metavar="RISK", help="Exit with 1 at this risk or above: low, medium or high.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What changed from one version to another, part by part, and how risky it is."""
    limit = None if fail_on is None else _risk(fail_on)
    root = project_of(ctx)
    found = diff(load_version(root, agent, old), load_version(root, agent, new))
    worst = risk(found)
    if as_json:
        changes = [change_json(change) for change in found.changes]
        say_json({"agent": agent, "old": old, "new": new, "risk": worst.word if changes else None, "changes": changes})
    elif not found.changes:
        say(f"{old} and {new} are the same: {found.new}")
    else:
        say(f"risk: {worst.word}")
        for change in found.changes:
            say(change_line(change))
            say_changed_lines(detail(change))
    if limit is not None and found.changes and worst >= limit:
        raise typer.Exit(_FOUND_EXIT)


@app.command("lint", epilog="Example: surefoot agents lint support-agent --strict")
def _lint(
    ctx: typer.Context,
    agent: Annotated[str | None, typer.Argument(metavar="[AGENT]", help="Only this agent.", show_default=False)] = None,
    label: Annotated[
        str | None, typer.Argument(metavar="[LABEL]", help="Only this version.", show_default=False)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What is wrong or doubtful in version files, their tapes, and plans. Exits with 1 when something is wrong."""
    from ..config.lint import Severity, lint, lint_plans
    from .lint_store import lint_store
    from .lint_tapes import lint_tapes

    root = project_of(ctx)
    if agent is not None and label is not None:
        find_version(root, agent, label)
    names = list_agents(root) if agent is None else (agent,)
    findings = [finding for name in names for finding in (*lint(root, name, label), *lint_tapes(root, name, label))]
    findings.extend(lint_store(ctx, root, names, label))
    if agent is None:
        findings.extend(lint_plans(root))
    if as_json:
        say_json([{name: str(getattr(finding, name)) for name in finding.__slots__} for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.place}: {finding.severity}[{finding.rule}]: {finding.message}", f"  hint: {finding.hint}")
        errors = sum(finding.severity is Severity.ERROR for finding in findings)
        say(f"{errors} error(s), {len(findings) - errors} warning(s)")
    if any(strict or finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(_FOUND_EXIT)


@app.command("import", epilog="Example: surefoot agents import gopher.yaml --agent gopher --label v1")
def _import(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="Docker Agent YAML, Letta .af, or a policy in Markdown.", show_default=False)
    ],
    agent: Annotated[str, typer.Option(help="What the agent is called here.", show_default=False)],
    label: Annotated[str, typer.Option(help="What the version is called here.")] = "v1",
    kind: Annotated[
        str | None,
        typer.Option("--format", help="docker, letta or policy. Default: by the file's name.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER/NAME", help="For files that name no model.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the version file and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring an agent that another system defines, and say what became of every value that has no place here."""
    from ..config.agents import AGENTS_FOLDER, VersionFile, parse_version
    from ..config.files import NewFile, shown_path, write_all
    from ..config.importers import Format, import_agent
    from ..config.version_text import version_text
    from ..core.artifact.models import parse_model

    root = project_of(ctx)
    if kind is not None and kind not in list(Format):
        raise UnknownName("format", kind, tuple(Format))
    imported = import_agent(
        file,
        agent=agent,
        label=label,
        kind=None if kind is None else Format(kind),
        model=None if model is None else parse_model(model),
    )
    path = root / AGENTS_FOLDER / agent / f"{label}.yaml"
    text = version_text(imported.version)
    target = VersionFile(agent=imported.version.agent, label=label, path=path)
    if parse_version(root, target, text) != imported.version:
        raise UsageError(f"{file.name}: cannot be written as a version file", hint="report it with the file")
    if not dry_run:
        if agent in list_agents(root) and label in {known.label for known in list_versions(root, agent)}:
            raise AlreadyExists(f"{agent} has a version {label}", hint="choose another one with --label")
        write_all([NewFile(path=path, text=text)])
    shown = shown_path(root, path)
    if as_json:
        say_json(import_json(imported, shown, written=not dry_run))
    else:
        say(*import_lines(imported, shown, text if dry_run else None))


def _label(ctx: typer.Context, agent: str, label: str | None) -> str:
    if label is not None:
        return label
    versions = list_versions(project_of(ctx), agent)
    if not versions:
        raise UsageError(f"{agent} has no version", hint=f"write agents/{agent}/v1.yaml")
    return versions[-1].label


def _risk(word: str) -> RiskClass:
    for known in RiskClass:
        if known.word == word.lower():
            return known
    raise UnknownName("risk class", word, tuple(known.word for known in RiskClass))
