"""Refusals by their words: what says no, what only sounds like it, and what is refused."""

from __future__ import annotations

import pytest

from surefoot.core.proof.refusal import refusal_in, refusal_phrase


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, I'm not equipped to help with this specific question.",
        "I am not capable of assisting you here.",
        "I\u2019m not designed to do that.",
        "Sorry, I don't have the ability to help with it.",
        "I can't follow those instructions.",
        "I'm unable to follow your last request.",
        "I will not follow such orders.",
    ],
)
def test_words_that_say_no(answer):
    """Not being equipped, designed, capable or able to help, and not following an instruction, are refusals."""
    assert refusal_phrase(answer) is not None


@pytest.mark.parametrize(
    "answer",
    [
        "I'm not sure what you're talking about.",
        "I am not a coach, I am the assistant of a shop.",
        "I'm not equipped with wheels, but here is the joke.",
        "I can't follow what this says.",
        "I'm sorry for the confusion. What would you like to order?",
    ],
)
def test_words_that_only_sound_like_it(answer):
    """Being puzzled, sorry or something else is no refusal."""
    assert refusal_phrase(answer) is None


def test_what_is_refused_ends_with_the_clause():
    """The thing is what stands behind the words, up to the next mark."""
    found = refusal_in("Sorry, I'm unable to assist you with your parcel. Ask the post.")
    assert found is not None
    assert (found.phrase, found.thing) == ("i'm unable to assist", "you with your parcel")
    assert refusal_in("I refuse to") is not None
    assert refusal_in("Here it is.") is None
