"""What it means to understand a text: every field of it is known. And what is said when one is not."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.artifact.canonical import Json
from ..errors import Unreadable

__all__ = ["refuse_unknown", "unreadable"]


def refuse_unknown(given: Json, again: Json, path: str = "") -> None:
    """`again` is what was read of `given`, written once more. Raises ValueError naming a field that got lost."""
    if isinstance(given, Mapping) and isinstance(again, Mapping):
        for name, item in given.items():
            where = f"{path}.{name}" if path else name
            if name not in again:
                raise ValueError(f"unknown field {where!r}")
            refuse_unknown(item, again[name], where)
    elif isinstance(given, list) and isinstance(again, list | tuple):
        for one, other in zip(given, again, strict=False):
            refuse_unknown(one, other, path)


def unreadable(name: str, error: Exception) -> Unreadable:
    """A row that would only be half understood is not used at all."""
    return Unreadable(
        f"a stored {name} cannot be read: {error}",
        hint="it was written by a newer surefoot (use that one here too), or the file is damaged (restore a backup)",
    )
