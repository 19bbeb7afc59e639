"""JSON Lines as the same nodes that a YAML file becomes: one reader, one kind of complaint, for both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NoReturn, cast

from ..errors import UsageError
from .node import Entries, Node, Place, Scalar

__all__ = ["LONGEST_LINE", "read_json_lines"]

LONGEST_LINE: Final = 4_194_304
"""Bytes of one line: 4 MiB. A longer one is no case but a whole file without line ends."""

_DEEPEST: Final = 64


def read_json_lines(path: Path, *, source: str, errors: type[UsageError]) -> Iterator[Node]:
    """
    One node a line; empty lines are skipped. Places are `file:line:column`, the column that of the broken character,
    or 1 where the JSON is sound and its content is not.

    Raises `errors` for an unreadable file, for a line that is cut off, too long, not UTF-8 or not JSON, for NaN or
    Infinity, and for a repeated key.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise errors(f"{source}: cannot be read: {error.strerror}", hint="check the path and its permissions") from None
    with file:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(raw) > LONGEST_LINE:
                raise errors(f"{source}:{number}:1: longer than {LONGEST_LINE} bytes", hint="one JSON object a line")
            if raw.strip():
                yield _Line(source, number, errors).node(raw)


class _Line:
    """One line on its way from bytes to a node."""

    def __init__(self, source: str, number: int, errors: type[UsageError]) -> None:
        self._source = source
        self._number = number
        self._errors = errors

    def node(self, raw: bytes) -> Node:
        try:
            value: object = json.loads(
                raw.decode("utf-8-sig"), parse_constant=self._no_constant, object_pairs_hook=self._object
            )
        except UnicodeDecodeError as error:
            raise self._refused(error.start + 1, "not UTF-8", "save the file as UTF-8") from None
        except json.JSONDecodeError as error:
            what = "a line that ends too early" if error.pos >= len(error.doc.rstrip()) else f"no JSON: {error.msg}"
            raise self._refused(error.colno, what, "one whole JSON object a line") from None
        except RecursionError:
            raise self._refused(1, "nested too deep", "flatten the structure") from None
        return self._wrapped(value, "", 1)

    def _wrapped(self, value: object, key: str, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._refused(1, f"nested deeper than {_DEEPEST} levels", "flatten the structure")
        place = Place(source=self._source, line=self._number, column=1, key=key)
        content: Scalar | Entries | tuple[Node, ...]
        if isinstance(value, Mapping):
            items = cast("Mapping[str, object]", value)
            names = {name: f"{key}.{name}" if key else name for name in items}
            content = Entries(
                {name: self._wrapped(item, names[name], depth + 1) for name, item in items.items()},
                {name: Place(source=self._source, line=self._number, column=1, key=names[name]) for name in items},
            )
        elif isinstance(value, list):
            parts = cast("list[object]", value)
            content = tuple(self._wrapped(item, f"{key}[{place}]", depth + 1) for place, item in enumerate(parts))
        else:
            scalar = cast("str | int | float | bool | None", value)
            content = Scalar(text=scalar if isinstance(scalar, str) else json.dumps(scalar), value=scalar)
        return Node(place=place, content=content, errors=self._errors)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise self._refused(1, f"the key {twice!r} is written twice", "keep one of the two")
        return found

    def _no_constant(self, name: str) -> NoReturn:
        raise self._refused(1, f"{name} is no JSON", "write null for what is not known")

    def _refused(self, column: int, what: str, hint: str) -> UsageError:
        return self._errors(f"{self._source}:{self._number}:{column}: {what}", hint=hint)
