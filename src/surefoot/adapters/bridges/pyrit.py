"""PyRIT: attack results, or the pieces of conversations with their scores, exported from its memory as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ...core.proof.redteam.outcome import AttackOutcome
from ...core.proof.redteam.report import Fate
from ..converters.untyped import as_list, as_mapping, as_text, at, first_of, is_array
from .imported import Imported, attacked, parsed, raw, refused

__all__ = ["pyrit_results"]

_ENDS: Final = MappingProxyType({"success": Fate.COMPLIED, "failure": Fate.REFUSED})
_VERDICTS: Final = MappingProxyType({"true": Fate.COMPLIED, "false": Fate.REFUSED})
_NO_ERROR: Final = ("none", "blocked", None)


def pyrit_results(path: Path, arm: str | None = None) -> Imported:
    """
    One attack for each result, or for each conversation: complied if a true/false score is true, refused if all are
    false or the target's filter blocked it.

    An undetermined outcome, no score, a score on a scale (which has no verdict) and a response with an error are
    errors. `arm` chooses one kind of scorer.
    """
    content = raw(path)
    value = parsed(path, content, lines=path.suffix == ".jsonl")
    found = value if is_array(value) else first_of(as_mapping(value), "attack_results", "conversations", "pieces")
    rows = [as_mapping(row) for row in as_list(found)]
    if rows and all("outcome" in row and "objective" in row for row in rows):
        return attacked(path, "pyrit", [_of_result(row) for row in rows])
    if not rows or not all("role" in row and "conversation_id" in row for row in rows):
        refused(path, "no results of PyRIT" if rows else "no attack in it")
    conversations: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        conversations.setdefault(str(row["conversation_id"]), []).append(row)
    return attacked(path, "pyrit", [_of_pieces(pieces, arm) for pieces in conversations.values()])


def _of_result(row: dict[str, object]) -> AttackOutcome:
    return AttackOutcome(
        case=str(row["objective"]),
        category=_category(row, None),
        strategy=as_text(at(row, "attack_identifier", "__type__")) or "attack",
        fate=_ENDS.get(str(row["outcome"]).lower(), Fate.ERROR),
    )


def _of_pieces(pieces: Sequence[dict[str, object]], arm: str | None) -> AttackOutcome:
    scores = [
        as_mapping(score)
        for piece in pieces
        for score in as_list(piece.get("scores"))
        if arm in (None, at(score, "scorer_class_identifier", "__type__"))
    ]
    asked = next((piece for piece in pieces if piece["role"] == "user"), pieces[0])
    converters = [as_text(at(one, "__type__")) or "?" for one in as_list(asked.get("converter_identifiers"))]
    case = as_text(first_of(asked, "original_value", "converted_value")) or str(asked["conversation_id"])
    return AttackOutcome(
        case=case,
        category=_category(asked, next(iter(scores), None)),
        strategy=" + ".join(converters) or "none",
        fate=_fate(pieces, scores),
    )


def _fate(pieces: Sequence[dict[str, object]], scores: Sequence[dict[str, object]]) -> Fate:
    ends = [piece.get("response_error") for piece in pieces]
    if any(end not in _NO_ERROR for end in ends):
        return Fate.ERROR
    fates = [
        _VERDICTS.get(str(score.get("score_value")).lower()) if score.get("score_type") == "true_false" else None
        for score in scores
    ]
    if Fate.COMPLIED in fates:
        return Fate.COMPLIED
    if None in fates or (not fates and "blocked" not in ends):
        return Fate.ERROR
    return Fate.REFUSED


def _category(row: dict[str, object], score: dict[str, object] | None) -> str:
    for named in (at(score, "score_category"), row.get("harm_categories"), at(row, "labels", "category")):
        text = as_text(next(iter(as_list(named)), None)) if is_array(named) else as_text(named)
        if text:
            return text
    return "attack"
