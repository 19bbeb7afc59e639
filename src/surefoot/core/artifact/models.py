"""Which model plays which role, so that an update is one line; and whether a model name can come to mean another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from ...errors import ArtifactError, UnknownName
from .version import ModelRef

__all__ = ["ModelRegistry", "Pinning", "RoleModel", "parse_model", "pinning"]

_MOVING_WORDS: Final = frozenset({"auto", "current", "default", "latest", "newest", "nightly"})
"""A part of a name that promises whatever is newest."""

_TAGGED: Final = frozenset({"dmr", "docker", "ollama"})
"""Providers where a name without a tag means the tag `latest`."""

_DATED: Final = frozenset({"anthropic", "mistral", "openai"})
"""Providers that publish dated snapshots, and under the bare name whichever of them they like."""

_WORD: Final = re.compile(r"[^a-z0-9]+")
_SNAPSHOT: Final = re.compile(
    r"""
      (?<![0-9]) 20[0-9]{2} -? [01][0-9] -? [0-3][0-9] (?![0-9])   # a day: 2024-08-06, 20250929
    | - [0-9]{4} (?![0-9])                                         # a month or a day: mistral-large-2411, gpt-4-0613
    | @sha256: [0-9a-f]{64}                                        # a digest
    """,
    re.VERBOSE,
)
_ROLE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class Pinning(IntEnum):
    """How firmly a name stands for one model. Ordered from worst to best."""

    MOVING = 1
    """The name says that it moves."""

    UNDATED = 2
    """The provider publishes dated snapshots and this is not one of them: it may move."""

    PINNED = 3
    """Nothing says that the name could come to mean another model."""


def pinning(provider: str, name: str) -> Pinning:
    """How firmly the provider's name stands for one model, judged by the name alone."""
    lowered, maker = name.lower(), provider.lower()
    if _MOVING_WORDS & set(_WORD.split(lowered)):
        return Pinning.MOVING
    if _SNAPSHOT.search(lowered):
        return Pinning.PINNED
    if maker in _TAGGED and ":" not in lowered and "@" not in lowered:
        return Pinning.MOVING
    return Pinning.UNDATED if maker in _DATED else Pinning.PINNED


def parse_model(text: str) -> ModelRef:
    """A model written as `provider/name`; the name may hold further slashes."""
    provider, slash, name = text.strip().partition("/")
    if not slash or not provider or not name or any(part != part.strip() for part in (provider, name)):
        raise ArtifactError(f"{text!r} names no model", hint="write provider/name, such as openai/gpt-4.1-2025-04-14")
    return ModelRef(provider=provider, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleModel:
    """The model that plays one role."""

    role: str
    model: ModelRef

    def __post_init__(self) -> None:
        if not _ROLE.fullmatch(self.role):
            raise ArtifactError(f"{self.role!r} cannot name a role", hint="use lower-case letters, digits, - and _")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRegistry:
    """Roles and their models. A version that names a role gets the model its role has when it is loaded."""

    entries: tuple[RoleModel, ...] = ()
    """One entry a role, in the order of their names, whatever order they were given in."""

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.entries, key=lambda entry: entry.role))
        for first, second in pairwise(ordered):
            if first.role == second.role:
                raise ArtifactError(f"the role {first.role!r} has two models", hint="keep one of the two")
        object.__setattr__(self, "entries", ordered)

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(entry.role for entry in self.entries)

    def resolve(self, role: str) -> ModelRef:
        """The model of a role. Raises `UnknownName` for a role that nobody registered."""
        for entry in self.entries:
            if entry.role == role:
                return entry.model
        raise UnknownName("model role", role, self.roles)

    def assign(self, role: str, model: ModelRef) -> ModelRegistry:
        """The registry in which the role has this model. A name that says that it moves is refused."""
        if pinning(model.provider, model.name) is Pinning.MOVING:
            raise ArtifactError(f"{model.id} is an alias that can move", hint="name the dated model it stands for now")
        return ModelRegistry(entries=(*_others(self.entries, role), RoleModel(role=role, model=model)))


def _others(entries: Iterable[RoleModel], role: str) -> Iterable[RoleModel]:
    return (entry for entry in entries if entry.role != role)
