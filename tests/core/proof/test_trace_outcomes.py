"""What counts as a failure because of how it is spelt is found; what is meant to be one is left alone."""

from __future__ import annotations

import pytest

from surefoot.core.proof.trace import Trace
from surefoot.core.proof.trace_outcomes import OutcomeWords


def counted(*outcomes: str | None, expected: str | None = None) -> OutcomeWords:
    """A recording with these outcomes, one a line."""
    seen = OutcomeWords()
    for line, outcome in enumerate(outcomes, 1):
        seen.add(line, Trace(trace_id=str(line), request="hi", outcome=outcome, expected_outcome=expected))
    return seen


@pytest.mark.parametrize(
    ("word", "certain"), [("Success", True), ("SUCCESS ", True), ("sucess", False), ("succes", False)]
)
def test_another_spelling_of_success_is_found(word: str, *, certain: bool) -> None:
    """With its first line and how many runs it makes failures; of letter case there is no doubt."""
    [found] = counted("success", word, "failure", word).written_otherwise()
    assert (found.line, found.word, found.runs, found.is_certain) == (2, word, 2, certain)


@pytest.mark.parametrize("word", ["failure", "unsuccess", "error", "refused", "no success", "partial", ""])
def test_a_word_of_its_own_is_no_typo(word: str) -> None:
    """What says something else, or the opposite, is the failure that it says."""
    assert list(counted("success", word).written_otherwise()) == []


def test_what_counts_as_success_is_what_the_run_expected() -> None:
    """A recorder's own word is held against the recorder's own expectation."""
    assert counted("refused", "Refused", expected="refused").never_succeeded == 0
    [found] = counted("refused", "Refused", expected="refused").written_otherwise()
    assert (found.expected, found.line) == ("refused", 2)


def test_what_another_run_expected_is_no_typo() -> None:
    """Two words that are alike are both meant where both are expected somewhere."""
    seen = counted("tool_a", expected="tool_a")
    seen.add(2, Trace(trace_id="2", request="hi", outcome="tool_a", expected_outcome="tool_b"))
    assert list(seen.written_otherwise()) == []


def test_no_success_at_all_is_counted_and_no_outcome_is_none() -> None:
    """Runs without an outcome neither failed nor succeeded."""
    assert counted("failure", None, "oops").never_succeeded == 2
    assert counted(None, None).never_succeeded == 0
    assert counted("failure", "success").never_succeeded == 0


def test_a_recording_of_texts_is_not_held_in_memory() -> None:
    """Where every outcome is another one, the first thousand are looked at, and no long one is."""
    words = ["".join("S" if n >> bit & 1 else "s" for bit in range(11)) for n in range(1, 1500)]
    assert len(list(counted(*words, expected="s" * 11).written_otherwise())) == 1000
    assert list(counted("success" + " " * 100).written_otherwise()) == []


@pytest.mark.parametrize("word", ["passed", "PASS", "completed", "Success", "sucess"])
def test_a_recording_whose_successes_have_another_name_is_in_doubt(word: str) -> None:
    """Not one success, and a word that other tools say instead: how it went is not known."""
    said = counted(word, word, "failed").doubt
    assert repr(word) in said
    assert "expected_outcome" in said


@pytest.mark.parametrize("words", [("failed", "failure"), ("success", "passed"), (None, None), ()])
def test_a_recording_that_may_be_as_it_says_is_in_no_doubt(words: tuple[str | None, ...]) -> None:
    """All may have failed; and beside a success another word has its own meaning."""
    assert counted(*words).doubt == ""


def test_a_success_in_capitals_puts_a_recording_in_doubt_beside_others_too() -> None:
    """It counts as a failure and cannot be meant so."""
    assert "'Success'" in counted("success", "Success").doubt
