"""A YAML file as values that remember where they were written, so that every complaint names file, line and key.

The reader is stricter than YAML: keys are text and unique, there is one document, no tag, no merge key, and size,
depth and the number of values (aliases counted as often as they are used) are bounded. Plain scalars follow the core
schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema); where YAML 1.1 would read something else (`yes`,
`010`, `1_000`) the file means different things to different programs, and asking for such a value is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import yaml

from ..errors import SettingsError, UsageError
from .node import Entries, Fields, Node, Place, Scalar
from .scalar import plain_scalar, quoted_scalar

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Fields", "Node", "Place", "Scalar", "parse_yaml", "read_yaml"]

MAX_BYTES: Final = 1_048_576
"""Largest file that is read: 1 MiB. The largest real agent definition we know of is 0.02 MiB."""

MAX_DEPTH: Final = 64
"""Deepest nesting. Bounds recursion; JSON Schemas of real tools stay under 20."""

MAX_NODES: Final = 50_000
"""Most values in one document, an alias counting as many as what it stands for (no "billion laughs")."""

_FastLoader: Final = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
"""libyaml where PyYAML was built with it (12 times faster); only its events are used, never its constructors."""


def read_yaml(path: Path, *, source: str | None = None, errors: type[UsageError] = SettingsError) -> Node:
    """The document in a file. `source` is the name shown in errors (default: the path as given).

    Raises `errors` when the file is missing, unreadable, too big or no acceptable YAML.
    """
    shown = source if source is not None else path.as_posix()
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise errors(f"{shown}: no such file", hint="check the path, or create the file") from None
    except OSError as error:
        raise errors(f"{shown}: cannot be read: {error.strerror}", hint="check its permissions") from None
    return parse_yaml(raw, source=shown, errors=errors)


def parse_yaml(text: str | bytes, *, source: str, errors: type[UsageError] = SettingsError) -> Node:
    """The one document in a text. `source` is the name shown in errors. Raises `errors` with file, line and hint."""
    decoded = _decode(text, source, errors)
    try:
        return _Reader(yaml.parse(decoded, Loader=_FastLoader), source, errors).document()
    except yaml.YAMLError as error:
        raise _broken(_explained(decoded, error), decoded, source, errors) from None


def _decode(text: str | bytes, source: str, errors: type[UsageError]) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise errors(
            f"{source}: larger than {MAX_BYTES} bytes", hint="move long texts into files and refer to them by path"
        )
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise errors(f"{source}:{line}: not UTF-8 (byte {error.start})", hint="save the file as UTF-8") from None


def _explained(text: str, error: yaml.YAMLError) -> yaml.YAMLError:
    """The same complaint in the words of the slower parser, which says what it found and points closer to it."""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.YAMLError as explained:
        return explained
    return error


def _broken(error: yaml.YAMLError, text: str, source: str, errors: type[UsageError]) -> UsageError:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        code = ord(error.character) if isinstance(error.character, str) else error.character
        return errors(f"{source}:{line}: this is no YAML: the character U+{code:04X}", hint="remove or escape it")
    if not isinstance(error, yaml.MarkedYAMLError):
        return errors(f"{source}: this is no YAML: {error}", hint="check the file")
    mark = error.problem_mark or error.context_mark
    where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark is not None else source
    problem = " ".join(part for part in (error.context, error.problem) if part)
    hint = "check indentation, quotes and brackets on this line and the one before"
    if "\\t" in problem or "tab" in problem:
        hint = "indent with spaces; YAML refuses tabs"
    return errors(f"{where}: this is no YAML: {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node that aliases may repeat, and how many values it stands for."""

    node: Node
    weight: int


class _Reader:
    """Builds nodes from parser events, counting as it goes; nothing is constructed by YAML itself."""

    def __init__(self, events: Iterator[yaml.Event], source: str, errors: type[UsageError]) -> None:
        self._events = events
        self._source = source
        self._errors = errors
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0

    def document(self) -> Node:
        """The only document; an empty file is a null at line 1."""
        next(self._events)  # the start of the stream
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return Node(place=self._place(event, ""), content=Scalar(text="", value=None), errors=self._errors)
        root = self._node(next(self._events), "", 1)
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refuse(after, "", "a second document", "keep one document in a file: remove the `---`")
        return root

    def _node(self, event: yaml.Event, key: str, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, key)
        before = self._nodes
        self._count(event, key, 1)
        if depth > MAX_DEPTH:
            raise self._refuse(event, key, f"nested deeper than {MAX_DEPTH} levels", "flatten the structure")
        tag: str | None = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise self._refuse(
                event, key, f"the tag {tag}", "remove the tag; values are typed by what is asked of them"
            )
        content: Scalar | Entries | tuple[Node, ...]
        if isinstance(event, yaml.ScalarEvent):
            content = plain_scalar(event.value) if not event.style and tag is None else quoted_scalar(event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            content = self._sequence(key, depth)
        else:
            content = self._mapping(key, depth)
        node = Node(place=self._place(event, key), content=content, errors=self._errors)
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, self._nodes - before)
        return node

    def _alias(self, event: yaml.AliasEvent, key: str) -> Node:
        found = self._anchors.get(event.anchor or "")
        if found is None:
            raise self._refuse(
                event, key, f"the alias *{event.anchor} has no anchor before it", "define the anchor first"
            )
        self._count(event, key, found.weight)
        return found.node

    def _sequence(self, key: str, depth: int) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, f"{key}[{len(nodes)}]", depth + 1))
        return tuple(nodes)

    def _mapping(self, key: str, depth: int) -> Entries:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._key(event, key)
            path = f"{key}.{name}" if key else name
            place = self._place(event, path)
            if name in keys:
                raise self._errors(
                    f"{place}: the key is written twice, first on line {keys[name].line}", hint="keep one of the two"
                )
            keys[name] = place
            entries[name] = self._node(next(self._events), path, depth + 1)
        return Entries(entries, keys)

    def _key(self, event: yaml.Event, key: str) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise self._refuse(event, key, "a key that is no plain text", "write the key as text")
        if not event.style and event.value == "<<":
            raise self._refuse(event, key, "a merge key (<<)", "YAML 1.2 has none: write the keys out")
        return event.value

    def _count(self, event: yaml.Event, key: str, weight: int) -> None:
        self._nodes += weight
        if self._nodes > MAX_NODES:
            raise self._refuse(event, key, f"more than {MAX_NODES} values", "split the file, or repeat fewer aliases")

    def _place(self, event: yaml.Event, key: str) -> Place:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        return Place(source=self._source, line=line, column=column, key=key)

    def _refuse(self, event: yaml.Event, key: str, what: str, hint: str) -> UsageError:
        return self._errors(f"{self._place(event, key)}: not accepted: {what}", hint=hint)
