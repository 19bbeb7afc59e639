"""Outcomes of a whole recording: words that were meant for success and count as failures, and no success at all."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from .trace import Trace

__all__ = ["OutcomeWords", "WrittenOtherwise"]

_ALIKE: Final = 0.8
"""Of 1: `sucess` is 0.92 `success`, `failure` is 0.43."""

_SUCCESSES: Final = frozenset(
    {
        "complete",
        "completed",
        "correct",
        "done",
        "fulfilled",
        "good",
        "ok",
        "okay",
        "pass",
        "passed",
        "resolved",
        "solved",
        "succeeded",
        "successful",
        "true",
        "yes",
    }
)
"""What other tools call a success. Only where a recording holds none: beside `success` they may mean something else."""

_MOST: Final = 1_000
"""Different words that are kept: more of them are texts."""

_TOLD: Final = 3
"""Words that a doubt names."""

_LONGEST: Final = 64
"""Characters of a word: what is longer is a text."""


class WrittenOtherwise(NamedTuple):
    """A word that counts as a failure and looks like the one for success."""

    line: int
    """Where it stands first, from 1."""

    word: str
    expected: str
    runs: int

    @property
    def is_certain(self) -> bool:
        """True: only letter case or white space differ. False: it may be a word of its own."""
        return self.word.strip().casefold() == self.expected.strip().casefold()

    @property
    def what(self) -> str:
        """For people: what follows from it."""
        return (
            f"{self.word!r} counts as a failure ({self.runs:,} run(s)): a success is {self.expected!r}, to the letter"
        )

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.is_certain:
            return f"write {self.expected!r}"
        return f"write {self.expected!r} if that is meant, or a word less like it"


class _Word(NamedTuple):
    word: str
    expected: str


class OutcomeWords:
    """Outcomes of one recording, counted. State of a reading."""

    def __init__(self) -> None:
        self._successes = self._recorded = 0
        self._others: dict[_Word, tuple[int, int]] = {}
        self._meant: set[str] = set()

    def add(self, line: int, trace: Trace) -> None:
        """Count a run; one without an outcome says nothing."""
        if trace.outcome is None:
            return
        self._recorded += 1
        expected = trace.expected_outcome or "success"
        if len(self._meant) < _MOST and len(expected) <= _LONGEST:
            self._meant.add(expected)
        if trace.outcome == expected:
            self._successes += 1
            return
        if max(len(trace.outcome), len(expected)) > _LONGEST:
            return
        word = _Word(trace.outcome, expected)
        first, count = self._others.get(word, (line, 0))
        if count or len(self._others) < _MOST:
            self._others[word] = (first, count + 1)

    @property
    def never_succeeded(self) -> int:
        """Runs with an outcome, where not one of them is a success; else 0."""
        return 0 if self._successes else self._recorded

    @property
    def doubt(self) -> str:
        """Why these outcomes cannot be taken as they are, and what to do; empty where they can."""
        found = list(self.written_otherwise())
        if self.never_succeeded:
            found += [
                WrittenOtherwise(line, word.word, word.expected, count)
                for word, (line, count) in self._others.items()
                if word.word.strip().casefold() in _SUCCESSES
            ]
        else:
            found = [one for one in found if one.is_certain]
        if not found:
            return ""
        said = "; ".join(dict.fromkeys(one.what for one in found[:_TOLD]))
        hint = f"write {found[0].expected!r}, or in `expected_outcome` what a success is called"
        if self.never_succeeded:
            said = f"not one success in {self.never_succeeded:,} run(s): {said}"
        return f"{said} ({hint})"

    def written_otherwise(self) -> Iterator[WrittenOtherwise]:
        """Words that were probably meant for success, in the order of their lines."""
        for word, (line, count) in self._others.items():
            found = WrittenOtherwise(line, word.word, word.expected, count)
            if found.is_certain or (word.word not in self._meant and _is_typo(word)):
                yield found


def _is_typo(of: _Word) -> bool:
    """`unsuccess` and `in-valid` are no typos: they say the opposite."""
    said, expected = of.word.strip().casefold(), of.expected.strip().casefold()
    return not said.endswith(expected) and SequenceMatcher(None, said, expected).ratio() >= _ALIKE
