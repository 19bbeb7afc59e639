"""Files of cases whose truth is known and that a judge has seen: JSON Lines, one case a line."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..core.proof.calibration import Labelled
from ..errors import UsageError
from .json_lines import read_json_lines
from .node import Fields, Node

__all__ = ["read_labelled"]

_WORDS: Final = MappingProxyType({"pass": True, "fail": False, "success": True, "failure": False})
_UNASKED: Final = ("skipped", "not reached")
"""What `judge run` writes for runs that the judge never saw."""

_JUDGES: Final = ("judge", "judge_prompt")


def read_labelled(path: Path) -> dict[str, tuple[Labelled, ...]]:
    """
    By judge (`judge`, else `judge_prompt`, else empty), in the file's order: what is true and what it said.

    `truth` is true, false, `pass`, `fail`, `success` or `failure`; anything else raises UsageError with its place,
    because a case without truth calibrates nothing. `verdict` is `pass`, `fail`, true or false; whatever else it is,
    null included, is an answer outside the vocabulary. Lines of `judge run` that the judge never saw are left out.
    """
    found: dict[str, list[Labelled]] = {}
    for node in read_json_lines(path, source=path.name, errors=UsageError):
        fields = node.mapping()
        if fields.text("status", "") in _UNASKED:
            continue
        labelled = Labelled(_truth(fields.require("truth")), _said(fields.require("verdict")))
        found.setdefault(_judge(fields), []).append(labelled)
    return {judge: tuple(cases) for judge, cases in found.items()}


def _truth(node: Node) -> bool:
    value = node.json()
    if isinstance(value, bool):
        return value
    known = _WORDS.get(value) if isinstance(value, str) else None
    if known is None:
        raise node.error(f"no truth: {value!r}", hint=f"write true, false, or one of {', '.join(_WORDS)}")
    return known


def _said(node: Node) -> bool | None:
    value = node.json()
    if isinstance(value, bool):
        return value
    return {"pass": True, "fail": False}.get(value) if isinstance(value, str) else None


def _judge(fields: Fields) -> str:
    for key in _JUDGES:
        node = fields.get(key)
        if node is not None and not node.is_null:
            return node.text(empty=True)
    return ""
