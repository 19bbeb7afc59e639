"""
Objectives of attacks from files: the package's own, a project's in the same format, and those of other tools.

`.yaml`/`.yml` are ours, `.csv` is AdvBench-like, `.prompt` is PyRIT's, `.jsonl` is garak's. They are read, never
imported, and nothing is fetched; whoever names a file has its licence.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..core.proof.redteam.objective import Objective
from ..errors import SuiteError, UnknownName
from .json_lines import read_json_lines
from .node import Node
from .yaml import read_yaml

__all__ = ["OBJECTIVE_KEYS", "choose", "objectives_in", "own_objectives"]

OBJECTIVE_KEYS: Final = (
    "id",
    "text",
    "hijacks",
    "writes",
    "tools",
    "in_arguments",
    "in_answer",
    "leaks_prompt",
)
_OWN: Final = Path(__file__).with_name("redteam") / "objectives.yaml"
_CATEGORY: Final = re.compile(r"[^a-z0-9]+")
_HARM: Final = "harm"
"""The category of a file that names none."""

_CSV_TEXT: Final = ("goal", "behavior", "prompt", "objective")
_LONGEST: Final = 20_000
_LARGEST_CSV: Final = 64 * 1024 * 1024


def own_objectives() -> tuple[Objective, ...]:
    """The package's: sixty in four categories of harm, and those for agents with tools."""
    return objectives_in(_OWN, source="objectives.yaml")


def objectives_in(path: Path, *, source: str | None = None) -> tuple[Objective, ...]:
    """
    All objectives of a file, at least one.

    Raises SuiteError naming the file, the line where there is one, and what is wrong.
    """
    shown = source or path.as_posix()
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SuiteError(
            f"{shown}: no format is known by the ending {path.suffix!r}", hint=f"one of {', '.join(_READERS)}"
        )
    found = tuple(reader(path, shown))
    if not found:
        raise SuiteError(f"{shown}: no objectives", hint="what attacks nothing proves nothing: add one")
    ids = [objective.id for objective in found]
    if len(set(ids)) < len(ids):
        twice = next(name for place, name in enumerate(ids) if name in ids[:place])
        raise SuiteError(
            f"{shown}: two objectives have the id {twice!r}", hint="results go by the id: give each its own"
        )
    return found


def choose(objectives: Iterable[Objective], categories: Iterable[str]) -> tuple[Objective, ...]:
    """Those of the categories, all without one. Raises UnknownName for a category that none has."""
    known = tuple(objectives)
    wanted = [_named(category) for category in categories]
    there = tuple(dict.fromkeys(objective.category for objective in known))
    for category in wanted:
        if category not in there:
            raise UnknownName("category of attacks", category, there)
    return tuple(one for one in known if not wanted or one.category in wanted)


def _own(path: Path, source: str) -> Iterator[Objective]:
    """A mapping of categories to lists of texts and entries."""
    document = read_yaml(path, source=source, errors=SuiteError)
    for name, items in document.mapping().items():
        category = _named(name)
        for number, item in enumerate(items.sequence(minimum=1), 1):
            yield _entry(item, category, f"{category}-{number:02d}")


def _entry(node: Node, category: str, id: str) -> Objective:
    if not node.is_mapping:
        return Objective(id=id, category=category, text=_text(node))
    fields = node.mapping(known=OBJECTIVE_KEYS)
    tools = fields.get("tools")
    return Objective(
        id=fields.text("id", id),
        category=category,
        text=_text(fields.require("text")),
        hijacks=fields.boolean("hijacks", default=False),
        writes=fields.boolean("writes", default=False),
        tools=() if tools is None else tools.texts(),
        in_arguments=fields.boolean("in_arguments", default=False),
        in_answer=fields.boolean("in_answer", default=False),
        leaks_prompt=fields.boolean("leaks_prompt", default=False),
    )


def _advbench(path: Path, source: str) -> Iterator[Objective]:
    """A column `goal` (or `behavior`, `prompt`, `objective`), and `category` where there is one."""
    try:
        if path.stat().st_size > _LARGEST_CSV:
            raise SuiteError(f"{source}: larger than {_LARGEST_CSV:,} bytes", hint="name a list of objectives")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            column = next((name for name in rows.fieldnames or () if name.lower() in _CSV_TEXT), None)
            if column is None:
                raise SuiteError(f"{source}:1: no column {_CSV_TEXT[0]!r}", hint=f"one of {', '.join(_CSV_TEXT)}")
            for row in rows:
                text = (row.get(column) or "").strip()
                if not text or len(text) > _LONGEST:
                    what = "nothing" if not text else f"more than {_LONGEST:,} characters"
                    raise SuiteError(f"{source}:{rows.line_num}: {column} holds {what}", hint="one objective a row")
                yield _foreign(path, rows.line_num, text, row.get("category"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise SuiteError(f"{source}: {said}", hint="a CSV file in UTF-8 with a first row of names") from None


def _pyrit(path: Path, source: str) -> Iterator[Objective]:
    """`seeds:` (or `prompts:`) with a `value` each; categories of their own or of the file."""
    fields = read_yaml(path, source=source, errors=SuiteError).mapping()
    seeds = fields.get("seeds") or fields.get("prompts")
    if seeds is None:
        return
    common = _first(fields.get("harm_categories"))
    for number, node in enumerate(seeds.sequence(), 1):
        if not node.is_mapping:
            yield _foreign(path, number, _text(node), common)
            continue
        seed = node.mapping()
        yield _foreign(path, number, _text(seed.require("value")), _first(seed.get("harm_categories")) or common)


def _garak(path: Path, source: str) -> Iterator[Objective]:
    """A report's attempts, or lines with a `prompt` (or `goal`): as text, or as `turns` with their content."""
    seen: set[str] = set()
    for node in read_json_lines(path, source=source, errors=SuiteError):
        fields = node.mapping()
        entry = fields.get("entry_type")
        if entry is not None and entry.text() != "attempt":
            continue
        prompt = fields.get("prompt") or fields.get("goal")
        if prompt is None:
            raise node.error("neither `prompt` nor `goal`", hint="name a garak report, or lines of prompts")
        text = _turn(prompt)
        if text in seen:  # an attempt stands in a report once for each of its states
            continue
        seen.add(text)
        probe = fields.get("probe_classname") or fields.get("category")
        yield _foreign(path, node.place.line, text, None if probe is None else probe.text().split(".")[0])


def _turn(node: Node) -> str:
    """The text of a prompt: itself, its `text`, or that of its last turn."""
    while node.is_mapping:
        fields = node.mapping()
        inner = fields.get("text") or fields.get("content") or fields.get("turns")
        if inner is None:
            raise node.error("a prompt without text", hint="a text, or turns with a content")
        node = inner.sequence(minimum=1)[-1] if inner.is_sequence else inner
    return _text(node)


def _text(node: Node) -> str:
    text = node.text().strip()
    if not text or len(text) > _LONGEST:
        raise node.error(
            "nothing is asked" if not text else f"longer than {_LONGEST:,} characters", hint="one objective"
        )
    return text


def _first(node: Node | None) -> str | None:
    if node is None or node.is_null:
        return None
    if not node.is_sequence:
        return node.text()
    return next(iter(node.texts()), None)


def _foreign(path: Path, number: int, text: str, category: str | None) -> Objective:
    # Braces of somebody else's text are no places of ours.
    literal = text.replace("{marker}", "{ marker }").replace("{address}", "{ address }")
    return Objective(id=f"{path.stem}-{number}", category=_named(category or _HARM), text=literal)


def _named(category: str) -> str:
    """A category as metrics can carry it: small letters, digits and underscores."""
    return _CATEGORY.sub("_", category.strip().lower()).strip("_") or _HARM


_READERS: Final = MappingProxyType(
    {".yaml": _own, ".yml": _own, ".csv": _advbench, ".prompt": _pyrit, ".jsonl": _garak}
)
