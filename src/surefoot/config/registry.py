"""`models.yaml`: which model plays which role, one line a role."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..core.artifact.models import ModelRegistry, parse_model
from ..core.artifact.version import ModelRef
from ..errors import ArtifactError, SettingsError
from .edit import add_last, replace
from .files import shown_path
from .node import Node
from .yaml import parse_yaml, read_yaml

__all__ = ["MODELS_FILE", "load_registry", "registry_text"]

MODELS_FILE: Final = "models.yaml"

_HEADING: Final = "# Which model plays which role. `surefoot models update ROLE MODEL` changes a line."


def load_registry(root: Path) -> ModelRegistry:
    """The roles of a project; none when it has no `models.yaml`."""
    path = root / MODELS_FILE
    return _registry(read_yaml(path, source=shown_path(root, path))) if path.exists() else ModelRegistry()


def registry_text(root: Path, role: str, model: ModelRef) -> str:
    """The new text of `models.yaml` in which the role has this model; everything else in it stays as it is."""
    path = root / MODELS_FILE
    source = shown_path(root, path)
    if not path.exists():
        wanted = ModelRegistry().assign(role, model)
        text = f"{_HEADING}\nroles:\n  {role}: {model.id}\n"
    else:
        old = load_registry(root)
        wanted = old.assign(role, model)
        text = path.read_bytes().decode("utf-8-sig")
        text = (
            replace(text, ["roles", role], model.id) if role in old.roles else add_last(text, ["roles"], role, model.id)
        )
    try:
        as_wanted = _registry(parse_yaml(text, source=source)) == wanted
    except SettingsError:  # an anchor that was replaced
        as_wanted = False
    if not as_wanted:
        raise SettingsError(
            f"{source}: cannot change only the role {role!r}", hint="change it by hand: an alias is in the way"
        )
    return text


def _registry(node: Node) -> ModelRegistry:
    roles = node.mapping(known=("roles",)).require("roles")
    registry = ModelRegistry()
    for role, model in roles.mapping().items():
        text = model.text()
        try:
            registry = registry.assign(role, parse_model(text))
        except ArtifactError as error:
            raise model.error(error.message, hint=error.hint) from None
    return registry
