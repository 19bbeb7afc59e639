"""`gates/quarantine.yaml`: cases that are known to be flaky and do not count until a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from ..core.proof.regression import Quarantined
from ..errors import GateError
from .files import shown_path
from .node import Node
from .yaml import parse_yaml, read_yaml

__all__ = ["QUARANTINE_FILE", "QUARANTINE_KEYS", "load_quarantine", "parse_quarantine"]

QUARANTINE_FILE: Final = "gates/quarantine.yaml"
QUARANTINE_KEYS: Final = ("case", "until", "reason", "metric")


def load_quarantine(root: Path, path: Path | None = None) -> tuple[Quarantined, ...]:
    """The list of a project, none without the file, or of another file. Raises GateError with file, line and hint."""
    found = root / QUARANTINE_FILE if path is None else path
    if path is None and not found.exists():
        return ()
    return _listed(read_yaml(found, source=shown_path(root, found), errors=GateError))


def parse_quarantine(text: str, *, source: str = "quarantine.yaml") -> tuple[Quarantined, ...]:
    """The list in a text. `source` is the name shown in errors. Raises GateError with line, key and hint."""
    return _listed(parse_yaml(text, source=source, errors=GateError))


def _listed(node: Node) -> tuple[Quarantined, ...]:
    found: dict[tuple[str, str | None], Quarantined] = {}
    for item in node.mapping(known=("quarantine",)).require("quarantine").sequence():
        fields = item.mapping(known=QUARANTINE_KEYS)
        metric = fields.get("metric")
        one = Quarantined(
            case=fields.require("case").text(),
            until=_day(fields.require("until")),
            reason=fields.require("reason").text(),
            metric=None if metric is None else metric.text(),
        )
        if (one.case, one.metric) in found:
            raise item.error(f"{one.case!r} is listed twice", hint="keep one of the two")
        found[one.case, one.metric] = one
    return tuple(found.values())


def _day(node: Node) -> date:
    text = node.text()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise node.error(
            f"{text!r} is no day", hint="write the last day on which it does not count, such as 2026-12-31"
        ) from None
