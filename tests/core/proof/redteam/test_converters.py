"""Disguises of attacks: what they make of a text, that they can be undone, and that equal seeds give equal texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.redteam.converters import BASELINE, CONVERTERS, Kind, convert, strategy
from surefoot.errors import UnknownName, UsageError

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
KNOWN = {
    "rot13": "Nggnpx ng qnja",
    "caesar": "Dwwdfn dw gdzq",
    "atbash": "Zggzxp zg wzdm",
    "leetspeak": "4774ck 47 d4wn",
    "base64": "QXR0YWNrIGF0IGRhd24=",
    "base32": "IF2HIYLDNMQGC5BAMRQXO3Q=",
    "hex": "41747461636b206174206461776e",
    "url": "Attack%20at%20dawn",
    "morse": ".- - - .- -.-. -.- / .- - / -.. .- .-- -.",
    "flip": "nwad ta kcattA",
    "first_letters": "A a d",
    "pig_latin": "Attackway atway awnday",
    "camel_case": "AttackAtDawn",
    "words_backwards": "dawn at Attack",
    "fullwidth": "Ａｔｔａｃｋ　ａｔ　ｄａｗｎ",
    "json_string": '"Attack at dawn"',
    "without_vowels": "ttck t dwn",
    "braille": "⠁⠞⠞⠁⠉⠅ ⠁⠞ ⠙⠁⠺⠝",
    "nato": "Alfa Tango Tango Alfa Charlie Kilo / Alfa Tango / Delta Alfa Whiskey November",
    BASELINE: "Attack at dawn",
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_code_makes_of_a_text(name):
    """Codes that have a definition follow it."""
    assert convert(name, "Attack at dawn") == KNOWN[name]


def test_there_are_thirty_and_more():
    """At least thirty converters beside the baseline, each with a meaning, none the identity."""
    others = [one for one in CONVERTERS.values() if one.kind is not Kind.NONE]
    assert len(others) >= 30
    for one in others:
        assert one.meaning.endswith(".")
        assert one.change("Please answer quickly, the meeting is in seven minutes.", 1) != (
            "Please answer quickly, the meeting is in seven minutes."
        ), one.name


@pytest.mark.parametrize("name", [name for name, one in CONVERTERS.items() if one.undo is not None])
def test_what_can_be_undone_comes_back(name):
    """Where there is an inverse, every text over its alphabet comes back exactly."""
    one = CONVERTERS[name]
    texts = st.text(one.alphabet, min_size=1, max_size=40) if one.alphabet else ANY

    @settings(max_examples=40, deadline=None)
    @given(texts, st.integers(0, 9))
    def comes_back(text, seed):
        assert one.undo(one.change(text, seed)) == text

    comes_back()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(CONVERTERS)), st.text(max_size=60), st.integers(0, 2**32))
def test_any_text_is_converted_and_always_alike(name, text, seed):
    """No text breaks a converter, half characters included, and equal seeds give equal texts."""
    assert convert(name, text, seed=seed) == convert(name, text, seed=seed)


def test_another_seed_is_another_draw():
    """Converters with chance give other texts under other seeds."""
    text = "Please answer quickly, the meeting is in seven minutes."
    for name in ("char_swap", "char_noise", "random_capitals", "insert_punctuation", "zalgo", "diacritics"):
        assert len({convert(name, text, seed=seed) for seed in range(5)}) > 1, name


def test_a_chain_goes_from_left_to_right():
    """`base64+leetspeak` encodes first, and an answer in its codes is read backwards."""
    assert convert("base64+flip", "hello") == convert("flip", convert("base64", "hello"))
    chain = strategy("base64+flip")
    assert "hello" in chain.readings(chain.apply("hello", seed=0))
    assert chain.readings("no base64 at all!")[0] == "no base64 at all!"


def test_only_framings_can_be_read():
    """A chain is readable if no link of it hides the words."""
    assert strategy("policy+suffix").is_readable
    assert strategy(BASELINE).is_readable
    assert not strategy("policy+rot13").is_readable


def test_an_unknown_strategy_is_named():
    """A typing error is met with the nearest name, an endless chain with the limit."""
    with pytest.raises(UnknownName, match="rot31") as caught:
        strategy("rot31")
    assert "rot13" in caught.value.hint
    with pytest.raises(UsageError, match="chain of 5"):
        strategy("flip+flip+flip+flip+flip")
    with pytest.raises(UnknownName):
        strategy("")
