"""Giving a role another model: which agents get a candidate, and which files are pinned so that they stay as they are.

A version file may name a role alone (`role: planning`) and takes its model from `models.yaml` when it is read. Changing
that file would change every such version under its label, so those files get a `pinned:` line with the model they have
today, which leaves their digests as they are, before the role moves on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..core.artifact.models import ModelRegistry, Pinning, pinning
from ..core.artifact.version import AgentVersion, ModelRef
from ..core.units import AgentName
from ..errors import ArtifactError, UnknownName, UsageError
from .agents import VersionFile, list_agents, list_versions, next_label, parse_version, read_version
from .edit import add_beside
from .edit import replace as replace_value
from .files import NewFile, readable
from .registry import MODELS_FILE, load_registry, registry_text
from .yaml import parse_yaml

__all__ = ["NEWEST", "Candidate", "ModelUpdate", "plan_update"]

NEWEST: Final[Mapping[str, str]] = MappingProxyType({})
"""Candidates are built on the newest version of each agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A new version of an agent that differs from the old one in the model of the role, and in nothing else."""

    old: AgentVersion
    new: AgentVersion
    file: NewFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUpdate:
    """All that an update would write. Nothing is written yet."""

    role: str
    old: ModelRef | None
    """None for a role that is new."""

    new: ModelRef
    candidates: tuple[Candidate, ...]
    pinned: tuple[NewFile, ...]
    """Version files that get a line with the model they have today. Their digests stay."""

    registry: NewFile

    @property
    def files(self) -> tuple[NewFile, ...]:
        """Everything to write, for `write_all`."""
        return (*(candidate.file for candidate in self.candidates), *self.pinned, self.registry)


def plan_update(
    root: Path,
    role: str,
    model: ModelRef,
    *,
    agents: Sequence[str] = (),
    bases: Mapping[str, str] = NEWEST,
    new_role: bool = False,
    undated: bool = False,
) -> ModelUpdate:
    """What has to be written so that the role has this model.

    Every agent (or those in `agents`) gets a candidate if the version that it would be built on uses the role: the one
    whose label `bases` has for the agent, else its newest. An alias that can move is refused; a name without a date
    from a provider that publishes dated snapshots needs `undated`; a role that is not in `models.yaml` needs
    `new_role`. Raises UnknownName for a base that is not there.
    """
    registry = load_registry(root)
    if role not in registry.roles and not new_role:
        raise UnknownName("model role", role, registry.roles)
    moved = registry.assign(role, model)
    if pinning(model.provider, model.name) is Pinning.UNDATED and not undated:
        raise ArtifactError(
            f"{model.id} names a family: {model.provider} serves whichever snapshot it likes under it",
            hint="name the dated snapshot, or accept the family with --allow-undated",
        )
    for name in agents:
        list_versions(root, name)  # a name that is no agent is an error, and not an agent without the role
    old = registry.resolve(role) if role in registry.roles else None
    registry = moved if old is None else registry
    candidates: list[Candidate] = []
    pinned: list[NewFile] = []
    for agent in list_agents(root):
        files = {version.label: version for version in list_versions(root, agent)}
        for file in files.values():
            pinned.extend(_pin(root, file, registry, moved, role))
        if files and (not agents or agent in agents):
            base = _base(agent, files, bases)
            candidates.extend(_candidate(root, base, registry, role, model, frozenset(files)))
    text = registry_text(root, role, moved.resolve(role))
    path = root / MODELS_FILE
    return ModelUpdate(
        role=role,
        old=old,
        new=model,
        candidates=tuple(candidates),
        pinned=tuple(pinned),
        registry=NewFile(path=path, text=text, replaces=path.exists()),
    )


def _base(agent: AgentName, files: dict[str, VersionFile], bases: Mapping[str, str]) -> VersionFile:
    label = bases.get(agent, next(reversed(files)))
    if label not in files:
        raise UnknownName("version", label, tuple(files), where=agent)
    return files[label]


def _pin(root: Path, file: VersionFile, registry: ModelRegistry, moved: ModelRegistry, role: str) -> Iterator[NewFile]:
    """The file with the model it has today written down, if it takes it from the role."""
    text = _text(root, file)
    floating = [path for path, is_pinned in _uses(file, text, role) if not is_pinned]
    if not floating:
        return
    before = read_version(root, file, registry=registry)
    for path in floating:
        text = add_beside(text, [*path, "role"], "pinned", registry.resolve(role).id)
    _expect(parse_version(root, file, text, registry=moved), before, file)
    yield NewFile(path=file.path, text=text, replaces=True)


def _candidate(
    root: Path, file: VersionFile, registry: ModelRegistry, role: str, model: ModelRef, taken: frozenset[str]
) -> Iterator[Candidate]:
    """The next version of an agent, if this one uses the role and has another model there."""
    text = _text(root, file)
    uses = list(_uses(file, text, role))
    before = read_version(root, file, registry=registry)
    if not uses:
        return
    for path, is_pinned in uses:
        if is_pinned:
            text = replace_value(text, [*path, "pinned"], model.id)
        else:
            text = add_beside(text, [*path, "role"], "pinned", model.id)
    label = next_label(file.label, taken)
    wanted = _with_model(before, role, model)
    if wanted.digest == before.digest:
        return
    target = VersionFile(agent=file.agent, label=label, path=file.path.with_name(f"{label}{file.path.suffix}"))
    after = parse_version(root, target, text, registry=registry)
    _expect(after, wanted, file)
    yield Candidate(old=before, new=after, file=NewFile(path=target.path, text=text))


def _uses(file: VersionFile, text: str, role: str) -> Iterator[tuple[list[str], bool]]:
    """Where a file names the role: the path of the model, and whether it is pinned there."""
    top = parse_yaml(text, source=file.path.name, errors=ArtifactError).mapping()
    places = [(["model"], top.get("model"))]
    sub_agents = top.get("sub_agents")
    if sub_agents is not None:
        for name, agent in sub_agents.mapping().items():
            places.append((["sub_agents", name, "model"], agent.mapping().get("model")))
    for path, node in places:
        if node is not None and node.is_mapping:
            fields = node.mapping()
            if fields.text("role", "") == role:
                yield path, "pinned" in fields


def _with_model(version: AgentVersion, role: str, model: ModelRef) -> AgentVersion:
    def moved(old: ModelRef) -> ModelRef:
        return replace(old, provider=model.provider, name=model.name) if old.role == role else old

    agents = tuple(replace(agent, model=moved(agent.model)) for agent in version.sub_agents)
    return replace(version, model=moved(version.model), sub_agents=agents)


def _expect(found: AgentVersion, wanted: AgentVersion, file: VersionFile) -> None:
    if found.digest != wanted.digest:
        raise UsageError(
            f"{file.agent}/{file.path.name}: cannot change only the model",
            hint="change it by hand: an alias is in the way",
        )


def _text(root: Path, file: VersionFile) -> str:
    with readable(root, file.path, ArtifactError):
        raw = file.path.read_bytes()
    parse_yaml(raw, source=f"{file.agent}/{file.path.name}", errors=ArtifactError)  # no YAML, no UTF-8: said properly
    return raw.decode("utf-8-sig")
