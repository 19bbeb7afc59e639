"""Changing one value in somebody's YAML file without touching the rest of it: comments, order and style stay.

Whoever edits reads the result again and compares it with what was intended; these functions only find the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import yaml

from ..errors import UsageError

__all__ = ["add_beside", "add_last", "replace"]

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9/_.@+-]*(:[A-Za-z0-9/_.@+-]+)*")
_LINE_END: Final = re.compile(r"[^\r\n]*")


class _Entry(NamedTuple):
    """One `key: value` of a mapping."""

    key: yaml.Node
    value: yaml.Node
    flow: bool
    """Whether the mapping is written in braces."""


def replace(text: str, path: Sequence[str], value: str) -> str:
    """The text with another scalar at the path."""
    entry = _find(text, path)
    return text[: _start(entry.value)] + _written(value) + text[_end(entry.value) :]


def add_beside(text: str, path: Sequence[str], key: str, value: str) -> str:
    """The text with `key: value` right after the entry at the path, in the same mapping and the same style."""
    entry = _find(text, path)
    return _insert_after(text, entry, f"{key}: {_written(value)}")


def add_last(text: str, path: Sequence[str], key: str, value: str) -> str:
    """The text with `key: value` as the last entry of the mapping at the path, which must have entries."""
    mapping = _find(text, path).value
    if not isinstance(mapping, yaml.MappingNode) or not mapping.value:
        raise UsageError(f"{'.'.join(path)} has no entries", hint="write the first one by hand")
    last_key, last_value = mapping.value[-1]
    return _insert_after(text, _Entry(last_key, last_value, bool(mapping.flow_style)), f"{key}: {_written(value)}")


def _insert_after(text: str, entry: _Entry, written: str) -> str:
    end = _end(entry.value)
    if entry.flow:
        return f"{text[:end]}, {written}{text[end:]}"
    found = _LINE_END.match(text, end)
    line_end = found.end() if found is not None else end
    newline = "\r\n" if "\r\n" in text else "\n"
    mark = entry.key.start_mark
    indent = " " * (mark.column if mark is not None else 0)
    return f"{text[:line_end]}{newline}{indent}{written}{text[line_end:]}"


def _find(text: str, path: Sequence[str]) -> _Entry:
    """The entry at a path of keys. The slower loader is used because its marks count characters of the text."""
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    entry: _Entry | None = None
    for key in path:
        entry = _entry(node, key) if isinstance(node, yaml.MappingNode) else None
        if entry is None:
            raise UsageError(f"no {'.'.join(path)} in the file", hint="the file changed meanwhile; try again")
        node = entry.value
    if entry is None:
        raise UsageError("an empty path names no entry", hint="name at least one key")
    return entry


def _entry(mapping: yaml.MappingNode, key: str) -> _Entry | None:
    for name, value in mapping.value:
        if name.value == key:
            return _Entry(name, value, bool(mapping.flow_style))
    return None


def _written(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _start(node: yaml.Node) -> int:
    return node.start_mark.index if node.start_mark is not None else 0


def _end(node: yaml.Node) -> int:
    return node.end_mark.index if node.end_mark is not None else 0
