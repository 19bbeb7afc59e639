"""
PyRIT: attack results, or the pieces of conversations with their scores, as JSON.

Up to 0.14 `memory.export_conversations` writes the pieces. From 1.0 on PyRIT writes no file: its results are Pydantic
models, and `[result.model_dump(mode="json") for result in memory.get_attack_results()]` is what is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ...core.proof.redteam.outcome import AttackOutcome
from ...core.proof.redteam.report import Fate
from ...errors import UsageError
from ..converters.untyped import as_list, as_mapping, as_text, at, first_of, is_array
from .imported import Imported, attacked, parsed, raw, refused

__all__ = ["pyrit_results"]

_ENDS: Final = MappingProxyType({"success": Fate.COMPLIED, "failure": Fate.REFUSED})
_VERDICTS: Final = MappingProxyType({"true": Fate.COMPLIED, "false": Fate.REFUSED})
_REFUSALS: Final = MappingProxyType({"true": Fate.REFUSED, "false": Fate.COMPLIED})
"""Of a scorer that asks whether the target refused: its `true` is no success of the attack."""

_UNNAMED: Final = "attack"
_NO_ERROR: Final = ("none", "blocked", None)


def pyrit_results(path: Path, arm: str | None = None) -> Imported:
    """
    One attack for each result, or for each conversation: complied if a true/false score is true, refused if all are
    false or the target's filter blocked it.

    An undetermined outcome, no score, a score on a scale (which has no verdict) and a response with an error are
    errors. Only the objective's scorer counts where the file names it; else, where several scored, `arm` chooses one:
    its class, or `CLASS/CATEGORY`. What attackers and judges talked among themselves is no attack. Equal objectives by
    different attacks or converters are different cases.
    """
    content = raw(path)
    value = parsed(path, content, lines=path.suffix == ".jsonl")
    found = value if is_array(value) else first_of(as_mapping(value), "attack_results", "conversations", "pieces")
    rows = [as_mapping(row) for row in as_list(found)]
    if rows and all("outcome" in row and "objective" in row for row in rows):
        if arm is not None:
            raise UsageError(f"{path}: attack results have one verdict each", hint="leave --arm out")
        return attacked(path, "pyrit", _shared([_of_result(row) for row in rows]))
    if not rows or not all("role" in row and "conversation_id" in row for row in rows):
        refused(path, "no results of PyRIT" if rows else "no attack in it")
    conversations: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        conversations.setdefault(str(row["conversation_id"]), []).append(row)
    targets = _targets(conversations.values())
    attacks = [pieces for pieces in conversations.values() if _is_attack(pieces, targets)]
    if arm is None:
        _one_scorer(path, attacks)
    return attacked(path, "pyrit", _shared([_of_pieces(pieces, arm) for pieces in attacks]))


def _of_result(row: dict[str, object]) -> AttackOutcome:
    attack = _attack(row)
    named = _class(attack) or "attack"
    converters = [_class(one) or "?" for one in as_list(at(attack, "children", "request_converters"))]
    strategy = " + ".join([named, *converters])
    return AttackOutcome(
        case=f"{row['objective']} by {strategy}",
        category=_category(row, as_mapping(row.get("last_score"))),
        strategy=strategy,
        fate=_ENDS.get(str(row["outcome"]).lower(), Fate.ERROR),
    )


def _attack(row: dict[str, object]) -> object:
    """The attack's identifier: inside of a technique since 0.13, alone before."""
    atomic = row.get("atomic_attack_identifier")
    inside = at(atomic, "children", "attack_technique", "children", "attack") or at(atomic, "children", "attack")
    return inside or row.get("attack_identifier")


def _class(identifier: object) -> str | None:
    """The class that an identifier names: `class_name` since 0.11, `__type__` before."""
    return as_text(at(identifier, "class_name")) or as_text(at(identifier, "__type__"))


def _key(identifier: object) -> str | None:
    return as_text(at(identifier, "hash")) or _class(identifier)


def _targets(conversations: Iterable[Sequence[dict[str, object]]]) -> set[str]:
    """What was attacked: as the attacks name it, else whose answers were scored. Empty if the file does not say."""
    every = list(conversations)
    named = {_key(at(piece, "attack_identifier", "children", "objective_target")) for one in every for piece in one}
    scored = {
        _key(piece.get("prompt_target_identifier"))
        for one in every
        if any(piece.get("scores") for piece in one)
        for piece in one
    }
    return {target for target in named - {None} or scored if target is not None}


def _is_attack(pieces: Sequence[dict[str, object]], targets: set[str]) -> bool:
    own = {target for piece in pieces if (target := _key(piece.get("prompt_target_identifier"))) is not None}
    return not own or not targets or not own.isdisjoint(targets) or any(piece.get("scores") for piece in pieces)


def _scorer(score: object) -> tuple[str, str]:
    return _class(at(score, "scorer_class_identifier")) or "?", _first(at(score, "score_category")) or ""


def _objective_scores(pieces: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """The scores that tell whether the objective was reached, where the attack names its scorer; else all."""
    scores = [as_mapping(score) for piece in pieces for score in as_list(piece.get("scores"))]
    scorers = {_key(at(piece, "attack_identifier", "children", "objective_scorer")) for piece in pieces} - {None}
    own = [score for score in scores if _key(score.get("scorer_class_identifier")) in scorers]
    return own if scorers else scores


def _one_scorer(path: Path, attacks: Iterable[Sequence[dict[str, object]]]) -> None:
    """Of two scorers nobody knows which one's `true` is the attack's success."""
    scorers = {_scorer(score) for pieces in attacks for score in _objective_scores(pieces)}
    if len(scorers) > 1:
        shown = ", ".join(sorted("/".join(filter(None, scorer)) for scorer in scorers))
        raise UsageError(
            f"{path}: {len(scorers)} scorers: {shown}",
            hint="say whose true is a success: --arm CLASS or CLASS/CATEGORY",
        )


def _of_pieces(pieces: Sequence[dict[str, object]], arm: str | None) -> AttackOutcome:
    scores = _objective_scores(pieces) if arm is None else _scores_of(pieces, arm)
    asked = next((piece for piece in pieces if piece["role"] == "user"), pieces[0])
    converters = [_class(one) or "?" for one in as_list(asked.get("converter_identifiers"))]
    strategy = " + ".join(converters) or "none"
    wanted = next((text for score in scores if (text := as_text(first_of(score, "objective", "task")))), None)
    text = wanted or as_text(first_of(asked, "original_value", "converted_value")) or str(asked["conversation_id"])
    return AttackOutcome(
        case=f"{text} by {strategy}",
        category=_category(asked, next(iter(scores), None)),
        strategy=strategy,
        fate=_fate(pieces, scores),
    )


def _scores_of(pieces: Sequence[dict[str, object]], arm: str) -> list[dict[str, object]]:
    scores = [as_mapping(score) for piece in pieces for score in as_list(piece.get("scores"))]
    return [score for score in scores if arm in (_scorer(score)[0], "/".join(_scorer(score)))]


def _fate(pieces: Sequence[dict[str, object]], scores: Sequence[dict[str, object]]) -> Fate:
    ends = [piece.get("response_error") for piece in pieces]
    fates = [_verdict(score) for score in scores]
    if Fate.COMPLIED in fates:
        return Fate.COMPLIED
    if any(end not in _NO_ERROR for end in ends) or None in fates or (not fates and "blocked" not in ends):
        return Fate.ERROR
    return Fate.REFUSED


def _verdict(score: dict[str, object]) -> Fate | None:
    verdicts = _REFUSALS if "Refusal" in _scorer(score)[0] else _VERDICTS
    return verdicts.get(str(score.get("score_value")).lower()) if score.get("score_type") == "true_false" else None


def _category(row: dict[str, object], score: dict[str, object] | None) -> str:
    """What was attacked for; the scorer's word only where the attack says nothing, because errors have no score."""
    harms = first_of(row, "targeted_harm_categories", "harm_categories")
    named = (harms, at(row, "labels", "category"), at(score, "score_category"))
    return next((text for one in named if (text := _first(one))), _UNNAMED)


def _shared(outcomes: Sequence[AttackOutcome]) -> list[AttackOutcome]:
    """Where all that have a category have the same one, it is that of the others, too."""
    known = {outcome.category for outcome in outcomes} - {_UNNAMED}
    return [outcome._replace(category=next(iter(known))) if len(known) == 1 else outcome for outcome in outcomes]


def _first(named: object) -> str | None:
    return as_text(next(iter(as_list(named)), None)) if is_array(named) else as_text(named)
