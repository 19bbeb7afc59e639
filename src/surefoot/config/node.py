"""A value in a file and its place; asking it for a type gives that type or an error that names the place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from ..errors import UsageError, nearest
from .scalar import Scalar

if TYPE_CHECKING:
    from ..core.artifact.canonical import Json

__all__ = ["Entries", "Fields", "Node", "Place", "Scalar"]

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value is written. Printed as `file:line:column: key`."""

    source: str
    line: int
    """From 1."""

    column: int
    """From 1, in characters."""

    key: str
    """Path from the document's root, such as `stages[2].share`; empty for the root itself."""

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}:{self.column}"
        return f"{where}: {self.key}" if self.key else where


class Fields:
    """The entries of one mapping, in the order they were written."""

    __slots__ = ("_entries", "_keys", "_owner")

    def __init__(self, owner: Node, entries: Mapping[str, Node], keys: Mapping[str, Place]) -> None:
        self._owner = owner
        self._entries = entries
        self._keys = keys

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Node | None:
        """The value of a key, or None when the key is not written. A written `null` is a node."""
        return self._entries.get(key)

    def require(self, key: str) -> Node:
        """The value of a key that must be written."""
        found = self._entries.get(key)
        if found is None:
            raise self._owner.error(f"the key {key!r} is missing", hint=f"add `{key}:`")
        return found

    def items(self) -> Iterable[tuple[str, Node]]:
        return self._entries.items()

    def place(self, key: str) -> Place:
        """Where the key itself is written."""
        return self._keys[key]

    def text(self, key: str, default: str) -> str:
        """Text, or the default when the key is not written."""
        found = self._entries.get(key)
        return default if found is None else found.text()

    def integer(self, key: str, default: int, *, minimum: int | None = None, maximum: int | None = None) -> int:
        """A whole number, or the default when the key is not written."""
        found = self._entries.get(key)
        return default if found is None else found.integer(minimum=minimum, maximum=maximum)

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false, or the default when the key is not written."""
        found = self._entries.get(key)
        return default if found is None else found.boolean()


@dataclass(frozen=True, slots=True)
class Entries:
    """The raw content of a mapping: values and the places of their keys."""

    nodes: Mapping[str, Node]
    keys: Mapping[str, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of a file. A method returns what it names or raises an error with place, key and hint."""

    place: Place
    content: Scalar | tuple[Node, ...] | Entries
    errors: type[UsageError]
    """The class of the errors raised about this file."""

    def error(self, message: str, *, hint: str) -> UsageError:
        """An error about this value, to be raised by whoever finds that it is wrong."""
        return self.errors(f"{self.place}: {message}", hint=hint)

    @property
    def is_null(self) -> bool:
        return isinstance(self.content, Scalar) and self.content.value is None

    @property
    def is_number(self) -> bool:
        value = self.content.value if isinstance(self.content, Scalar) else None
        return isinstance(value, int | float) and not isinstance(value, bool)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.content, Entries)

    @property
    def is_sequence(self) -> bool:
        return isinstance(self.content, tuple)

    def mapping(self, *, known: Iterable[str] | None = None) -> Fields:
        """The entries of a mapping. With `known`, any other key is an error that names the nearest known one."""
        if not isinstance(self.content, Entries):
            raise self._expected("a mapping", "write `key: value` lines")
        if known is not None:
            names = frozenset(known)
            for key, place in self.content.keys.items():
                if key not in names:
                    raise self.errors(f"{place}: unknown key {key!r}", hint=nearest(key, names))
        return Fields(self, self.content.nodes, self.content.keys)

    def sequence(self, *, minimum: int = 0) -> tuple[Node, ...]:
        """The items of a list, at least `minimum` of them."""
        if not isinstance(self.content, tuple):
            raise self._expected("a list", "write one `- item` a line, or [a, b]")
        if len(self.content) < minimum:
            raise self.error(f"needs at least {minimum} item(s), has {len(self.content)}", hint="add what is missing")
        return self.content

    def texts(self) -> tuple[str, ...]:
        """A list of text without repetitions, in its order."""
        seen: dict[str, Node] = {}
        for item in self.sequence():
            text = item.text()
            if text in seen:
                raise item.error(f"{text!r} is listed twice", hint="keep one of the two")
            seen[text] = item
        return tuple(seen)

    def text(self, *, empty: bool = False) -> str:
        """Text. A number or a boolean is refused, because `1.10` without quotes would become 1.1."""
        scalar = self._scalar("text", "write a text")
        if not isinstance(scalar.value, str):
            hint = "write a text, or remove the key" if scalar.value is None else f'quote it: "{scalar.text}"'
            raise self._expected("text", hint)
        if not empty and not scalar.value.strip():
            raise self._expected("text", "write at least one visible character, or remove the key")
        return scalar.value

    def integer(self, *, minimum: int | None = None, maximum: int | None = None) -> int:
        """A whole number inside the bounds, both included."""
        scalar = self._scalar("a whole number", "write digits only")
        if isinstance(scalar.value, bool) or not isinstance(scalar.value, int) or scalar.doubt:
            raise self._expected("a whole number", scalar.doubt or "write digits only, without quotes")
        self._inside(scalar.value, minimum, maximum)
        return scalar.value

    def number(self, *, minimum: float | None = None, maximum: float | None = None) -> int | float:
        """A finite number inside the bounds, both included."""
        scalar = self._scalar("a number", "write a number")
        if isinstance(scalar.value, bool) or not isinstance(scalar.value, int | float) or scalar.doubt:
            raise self._expected("a number", scalar.doubt or "write a number, without quotes")
        if not math.isfinite(scalar.value):
            raise self._expected(
                "a finite number", "infinity and NaN compare with nothing; remove the key for no limit"
            )
        self._inside(scalar.value, minimum, maximum)
        return scalar.value

    def decimal(self, *, minimum: int | None = None) -> Decimal:
        """A number with the digits exactly as written, for money."""
        self.number(minimum=minimum)
        scalar = self._scalar("a number", "write a number")
        return Decimal(int(scalar.text, 0) if scalar.text.startswith(("0x", "0o")) else scalar.text)

    def boolean(self) -> bool:
        """`true` or `false`; `yes`, `on` and the like are refused."""
        scalar = self._scalar("true or false", "write true or false")
        if not isinstance(scalar.value, bool):
            raise self._expected("true or false", "write true or false, without quotes")
        return scalar.value

    def one_of(self, options: Iterable[str]) -> str:
        """One of the listed words."""
        names = tuple(options)
        scalar = self._scalar(f"one of {', '.join(names)}", "write one of them")
        if scalar.text not in names:
            raise self.error(f"{scalar.text!r} is not one of {', '.join(names)}", hint=nearest(scalar.text, names))
        return scalar.text

    def choice(self, kind: type[E]) -> E:
        """One member of an enumeration, written as its value."""
        return kind(self.one_of(member.value for member in kind))

    def json(self) -> Json:
        """Free-form content as JSON values. A word that YAML 1.1 and 1.2 read differently is refused."""
        if isinstance(self.content, Entries):
            return {key: node.json() for key, node in self.content.nodes.items()}
        if isinstance(self.content, tuple):
            return [node.json() for node in self.content]
        if self.content.doubt:
            raise self.error(
                f"{self.content.text!r} means different things to different programs", hint=self.content.doubt
            )
        value = self.content.value
        return self.number() if isinstance(value, float) else value

    def _scalar(self, expected: str, hint: str) -> Scalar:
        if not isinstance(self.content, Scalar):
            raise self._expected(expected, hint)
        return self.content

    def _inside(self, value: float, minimum: float | None, maximum: float | None) -> None:
        if minimum is not None and value < minimum:
            raise self.error(f"{value} is less than {minimum}", hint=f"the smallest allowed value is {minimum}")
        if maximum is not None and value > maximum:
            raise self.error(f"{value} is more than {maximum}", hint=f"the largest allowed value is {maximum}")

    def _expected(self, what: str, hint: str) -> UsageError:
        return self.error(f"expected {what}, found {self._found()}", hint=hint)

    def _found(self) -> str:
        if isinstance(self.content, Entries):
            return "a mapping"
        if isinstance(self.content, tuple):
            return "a list"
        if self.content.value is None:
            return "nothing (null)"
        shown = self.content.text if len(self.content.text) <= 40 else self.content.text[:37] + "..."
        return repr(shown)
