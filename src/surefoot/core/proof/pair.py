"""The same request answered by two versions: who failed, who called which tool, how alike the answers are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from ..evidence.amount import AMOUNT_FIELDS, amounts_of
from ..evidence.observation import Observation
from ..evidence.outcome import bad_outcomes
from .call_keys import arguments_key

__all__ = ["Amount", "Answered", "Call", "PairComparison", "called", "compare_answers", "similarity"]

_MOST_WORDS: Final = 500
"""Longer answers are compared by their beginning: a comparison may not cost more than the answer did."""


class Call(NamedTuple):
    """A tool call, reduced to what makes two calls the same."""

    name: str
    arguments: Hashable
    """See `arguments_key`: equal for equal arguments."""


def called(name: str, arguments: Mapping[str, object]) -> Call:
    """The call of a tool with these arguments, whatever the order of their names."""
    return Call(name, arguments_key(arguments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one version made of a request."""

    output: object
    seen: Observation
    calls: tuple[Call, ...] = ()
    divergences: tuple[str, ...] = ()
    """What it wanted to do and was not allowed to, because no recorded result answers it."""


class Amount(NamedTuple):
    """A cost, a latency ... on both sides. None is not recorded."""

    stable: int | None
    candidate: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """How the candidate's answer stands beside stable's."""

    stable_bad: Mapping[str, bool]
    candidate_bad: Mapping[str, bool]
    """Per binary metric that was recorded on both sides; others prove nothing."""

    divergences: tuple[str, ...]
    similarity: float | None
    amounts: Mapping[str, Amount]
    """Per field that was recorded on either side."""


def compare_answers(stable: Answered, candidate: Answered) -> PairComparison:
    """Put two answers to the same request side by side."""
    mine, theirs = bad_outcomes(candidate.seen), bad_outcomes(stable.seen)
    both = sorted(mine.keys() & theirs.keys())
    amounts = zip(AMOUNT_FIELDS, amounts_of(stable.seen), amounts_of(candidate.seen), strict=True)
    return PairComparison(
        stable_bad={name: theirs[name] for name in both},
        candidate_bad={name: mine[name] for name in both},
        divergences=(*candidate.divergences, *_differences(stable.calls, candidate.calls)),
        similarity=similarity(stable.output, candidate.output),
        amounts={
            name: Amount(before, after) for name, before, after in amounts if before is not None or after is not None
        },
    )


def similarity(one: object, other: object) -> float | None:
    """
    How alike two answers are, 0 to 1: twice the words in common, in order, over all words (Ratcliff and Obershelp).

    1 for equal answers, texts or not; None where one of them is no text and they differ.
    """
    if one == other:
        return 1.0
    if not isinstance(one, str) or not isinstance(other, str):
        return None
    return SequenceMatcher(None, one.split()[:_MOST_WORDS], other.split()[:_MOST_WORDS], autojunk=False).ratio()


def _differences(stable: Sequence[Call], candidate: Sequence[Call]) -> list[str]:
    """Calls by name and arguments, order aside. The same tool with other arguments is one difference, not two."""
    missing, extra = Counter(stable) - Counter(candidate), Counter(candidate) - Counter(stable)
    missing_names = Counter(call.name for call in missing.elements())
    extra_names = Counter(call.name for call in extra.elements())
    changed = missing_names & extra_names
    return [
        *(f"arguments differ: {name}" for name in sorted(changed.elements())),
        *(f"not called: {name}" for name in sorted((missing_names - changed).elements())),
        *(f"called in addition: {name}" for name in sorted((extra_names - changed).elements())),
    ]
