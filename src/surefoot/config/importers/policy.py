"""A policy in Markdown, as tau-bench and tau2-bench write them: all that the agent is told, and nothing else."""

from __future__ import annotations

from ...core.artifact.version import AgentVersion, Prompt, normal_text
from ...errors import ArtifactError
from ..yaml import MAX_BYTES
from .note import Imported, Note, Origin, Treatment, as_named

__all__ = ["import_policy"]


def import_policy(origin: Origin) -> Imported:
    """The policy as instructions. Raises `ArtifactError` without a model: the file names none."""
    name = origin.path.name
    if origin.model is None:
        raise ArtifactError(f"{name}: a policy names no model", hint="say which it is for: --model provider/name")
    try:
        with origin.path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = normal_text(raw.decode("utf-8-sig"))
    except OSError as error:
        raise ArtifactError(f"{name}: cannot be read: {error.strerror}", hint="check the path") from None
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{name}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from None
    if len(raw) > MAX_BYTES or not text.strip():
        raise ArtifactError(f"{name}: empty, or larger than {MAX_BYTES} bytes", hint="check the path")
    notes = [
        Note(treatment=Treatment.ASSUMED, path="tools", why="a policy lists no tools: add them to the version file")
    ]
    model = as_named(origin.model, "--model", notes)
    version = AgentVersion(agent=origin.agent, label=origin.label, model=model, prompt=Prompt(instructions=text))
    return Imported(version=version, notes=tuple(notes))
