"""What became of a value that has no field of its own in a version."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ...core.artifact.models import Pinning, pinning
from ...core.artifact.version import AgentVersion, ModelRef
from ...core.units import AgentName

__all__ = ["Imported", "Note", "Origin", "Treatment", "as_named"]


class Treatment(StrEnum):
    """What the importer did with a value."""

    KEPT = "kept"
    """It is a setting now: part of the digest and of every diff, for the executor to read."""

    DROPPED = "dropped"
    """It is not in the version."""

    ASSUMED = "assumed"
    """The file does not say; the version has the careful answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One value, what became of it, and why."""

    treatment: Treatment
    path: str
    """Where it is in the file, such as `agents.root.commands`."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A version, and a note for every value that is not one of its fields."""

    version: AgentVersion
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What to import, and as what."""

    path: Path
    agent: AgentName
    label: str
    model: ModelRef | None
    """For formats that name no model."""


def as_named(model: ModelRef, path: str, notes: list[Note]) -> ModelRef:
    """The model as the file names it; an alias that can move is accepted and noted: an import tells what is."""
    if pinning(model.provider, model.name) is not Pinning.MOVING:
        return model
    notes.append(Note(treatment=Treatment.ASSUMED, path=path, why=f"{model.id} can move: may_move is true"))
    return ModelRef(provider=model.provider, name=model.name, parameters=model.parameters, may_move=True)
