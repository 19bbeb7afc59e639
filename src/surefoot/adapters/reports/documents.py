"""
The JSON documents that proofs leave behind, and that later steps of a pipeline read.

Each says in its first key what it is (`{"surefoot": "gate/1", ...}`), so that a folder of them needs no file names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from ...core.proof.gate import GateReport
from ...core.proof.redteam.report import AttackReport
from ...core.proof.table import ScoreTable
from ...core.repeated_keys import repeated_keys
from ...errors import NothingToJudge, UsageError

__all__ = [
    "JUNIT",
    "REPORT",
    "AttacksDocument",
    "Document",
    "GateDocument",
    "ScoresDocument",
    "document_in",
    "documents_under",
    "written",
]

REPORT: Final = "report.md"
JUNIT: Final = "junit.xml"
"""What `surefoot ci report` leaves beside the documents, made of them."""

_MOST_BYTES: Final = 256 * 1024 * 1024
_NAMED: Final = 3


class GateDocument(msgspec.Struct, frozen=True, kw_only=True, tag_field="surefoot", tag="gate/1"):
    """What the gates said."""

    gate: GateReport
    label: str = ""
    """What people call the version."""


class ScoresDocument(msgspec.Struct, frozen=True, kw_only=True, tag_field="surefoot", tag="scores/1"):
    """The counts of one version, and of the baseline it ran beside."""

    candidate: ScoreTable
    baseline: ScoreTable | None = None
    label: str = ""
    baseline_label: str = ""
    notes: tuple[str, ...] = ()
    """How the counts came about, for people."""


class AttacksDocument(msgspec.Struct, frozen=True, kw_only=True, tag_field="surefoot", tag="attacks/1"):
    """What attacks achieved, or why there were none."""

    attacks: AttackReport
    label: str = ""
    notes: tuple[str, ...] = ()
    """What was not attacked and why, for people. It comes with no verdict: what was not tried is no good news."""


Document: TypeAlias = GateDocument | ScoresDocument | AttacksDocument
_decode: Final[Callable[[bytes], Document]] = msgspec.json.Decoder(Document).decode


def written(document: Document) -> bytes:
    """The document as a file's content, indented, with a line's end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def document_in(path: Path) -> Document:
    """The document of a file. Raises UsageError for whatever is none, naming the file and what is wrong with it."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is larger than {_MOST_BYTES:,} bytes", hint="name a document of a proof")
        raw = path.read_bytes()
        document, again = _decode(raw), repeated_keys(raw)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="name a document that a proof left") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: {error}", hint='documents begin with {"surefoot": "gate/1"}, "scores/1" or "attacks/1"'
        ) from error
    if again:
        named = ", ".join(again[:_NAMED]) + (" ..." if len(again) > _NAMED else "")
        raise UsageError(f"{path}: stands twice: {named}", hint="write the document anew, with the proof's --out")
    return document


def documents_under(folder: Path) -> Iterator[Document]:
    """All documents of a folder, by file name. Raises UsageError for a folder without any, and for a broken one."""
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        raise NothingToJudge(
            f"{folder} holds no results", hint="run the proofs first, with --out naming a file in this folder"
        )
    for path in paths:
        yield document_in(path)
