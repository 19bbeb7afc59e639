"""`surefoot models`: which model plays which role, and giving a role another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ..app.control import Control
from ..config.agents import list_agents, list_versions, read_version
from ..config.files import shown_path, write_all
from ..config.model_update import Candidate, ModelUpdate, plan_update
from ..config.registry import load_registry
from ..core.artifact.describe import describe
from ..core.artifact.diff import diff
from ..core.artifact.models import parse_model, pinning
from ..core.units import AgentName
from ..errors import SurefootError, UnknownName
from .control import controlled
from .output import JsonOption, say, say_json, say_table
from .project import project_of

__all__ = ["app"]

app = typer.Typer(
    name="models",
    help="Which model plays which role. The roles are in models.yaml; a version names one with `model: {role: ...}`.",
    epilog="Example: surefoot models update planning openai/gpt-4.1-2025-04-14 --dry-run",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("list", epilog="Example: surefoot models list --json")
def _list(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every role with its model, how firmly its name is pinned, and the agents whose newest version uses it."""
    root = project_of(ctx)
    users: dict[str, list[str]] = {}
    broken: list[SurefootError] = []
    for agent in list_agents(root):
        for file in list_versions(root, agent)[-1:]:
            try:
                version = read_version(root, file)
            except SurefootError as error:
                broken.append(error)
                continue
            for role in {version.model.role, *(inner.model.role for inner in version.sub_agents)} - {""}:
                users.setdefault(role, []).append(f"{agent} {file.label}")
    rows = [
        {
            "role": entry.role,
            "model": entry.model.id,
            "pinning": pinning(entry.model.provider, entry.model.name).name.lower(),
            "used_by": users.get(entry.role, []),
        }
        for entry in load_registry(root).entries
    ]
    if as_json:
        say_json(rows)
    elif rows:
        columns = ("role", "model", "pinning", "used_by")
        cells = [[", ".join(row[name]) if name == "used_by" else str(row[name]) for name in columns] for row in rows]
        say_table(("role", "model", "pinned?", "used by"), cells)
    else:
        say("no roles yet: add one with `surefoot models update ROLE PROVIDER/NAME --new`")
    if broken:
        raise broken[0]


@app.command("update", epilog="Example: surefoot models update planning openai/gpt-4.1-2025-04-14 --dry-run")
def _update(
    ctx: typer.Context,
    role: Annotated[str, typer.Argument(help="The role, as in models.yaml.", show_default=False)],
    model: Annotated[str, typer.Argument(metavar="PROVIDER/NAME", help="The model, pinned.", show_default=False)],
    agents: Annotated[
        list[str] | None, typer.Option("--agent", help="Only for this agent; may be repeated.", show_default=False)
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Add a role that is not in models.yaml.")] = False,
    allow_undated: Annotated[
        bool,
        typer.Option("--allow-undated", help="Accept a name without a date from a provider that dates its models."),
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LABEL",
            help="The version to build on. Default: what users have, or the newest where the store does not say.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a role another model: one line in models.yaml, and a candidate version of every agent that uses it.

    A candidate is built on the version that users have. The versions that are there keep their digests: those that took
    their model from the role get a line that pins it.
    """
    root = project_of(ctx)
    planned = plan_update(
        root,
        role,
        parse_model(model),
        agents=tuple(agents or ()),
        bases=_stable(ctx, root) if base is None else dict.fromkeys(agents or list_agents(root), base),
        new_role=new,
        undated=allow_undated,
    )
    if not dry_run:
        write_all(planned.files)
    if as_json:
        say_json(_as_json(root, planned, written=not dry_run))
    else:
        say(*_as_lines(root, planned, written=not dry_run))


def _stable(ctx: typer.Context, root: Path) -> dict[str, str]:
    """What users have, by agent, where a store knows and the version is still written here."""
    if not (root / ".surefoot").is_dir():
        return {}
    with suppress(SurefootError):  # a store that is away or lost has commands of its own to say so
        known = controlled(ctx, lambda control: _stable_labels(control, list_agents(root)))
        return {agent: label for agent, label in known.items() if label in _labels(root, agent)}
    return {}


async def _stable_labels(control: Control, agents: Iterable[AgentName]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for agent in agents:
        with suppress(UnknownName):
            labels[agent] = (await control.store.version((await control.store.traffic(agent)).stable)).label
    return labels


def _labels(root: Path, agent: str) -> frozenset[str]:
    return frozenset(file.label for file in list_versions(root, agent))


def _as_json(root: Path, planned: ModelUpdate, *, written: bool) -> dict[str, object]:
    candidates = [
        {
            "agent": candidate.new.agent,
            "old": candidate.old.label,
            "new": candidate.new.label,
            "path": shown_path(root, candidate.file.path),
            "digest": candidate.new.digest,
            "changes": _changes(candidate),
        }
        for candidate in planned.candidates
    ]
    return {
        "role": planned.role,
        "old": None if planned.old is None else planned.old.id,
        "new": planned.new.id,
        "written": written,
        "candidates": candidates,
        "pinned": [shown_path(root, file.path) for file in planned.pinned],
    }


def _as_lines(root: Path, planned: ModelUpdate, *, written: bool) -> Iterator[str]:
    was = "new" if planned.old is None else planned.old.id
    yield f"{'set' if written else 'would set'} {planned.role}: {was} -> {planned.new.id}"
    for file in planned.pinned:
        yield f"pinned    {shown_path(root, file.path)} (its digest stays)"
    for candidate in planned.candidates:
        where = shown_path(root, candidate.file.path)
        yield f"candidate {where} from {candidate.old.label}: {'; '.join(_changes(candidate))}"
    if not planned.candidates:
        yield "no agent needs a candidate for it"


def _changes(candidate: Candidate) -> list[str]:
    return [describe(change) for change in diff(candidate.old, candidate.new).changes]
