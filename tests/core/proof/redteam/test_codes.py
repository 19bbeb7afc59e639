"""Codes and disguises letter by letter: what comes back exactly, what comes back in small letters, and what is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.redteam import ciphers, disguises, scramblings

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
"""Any text that can be written to a file."""

ANY = st.text(max_size=40)
"""Halves of characters included."""

SEEDS = st.integers(0, 2**32)
ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


def without(*ranges):
    """Texts without these characters, which are the code's own."""
    taken = "".join(chr(code) for first, last in ranges for code in range(first, last + 1))
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters=taken), max_size=40)


WHOLE = {
    "base64": (ciphers.base64_text, ciphers.from_base64),
    "base32": (ciphers.base32_text, ciphers.from_base32),
    "ascii85": (ciphers.ascii85, ciphers.from_ascii85),
    "hex": (ciphers.hex_text, ciphers.from_hex),
    "binary": (ciphers.binary, ciphers.from_binary),
    "url": (ciphers.url, ciphers.from_url),
    "html_entities": (ciphers.html_entities, ciphers.from_html_entities),
    "unicode_escapes": (ciphers.unicode_escapes, ciphers.from_unicode_escapes),
    "json_string": (ciphers.json_string, ciphers.from_json_string),
    "atbash": (ciphers.atbash, ciphers.atbash),
    "caesar": (ciphers.caesar, ciphers.rotated(-3)),
    "variation_selectors": (disguises.variation_selectors, disguises.from_variation_selectors),
    "bidi_override": (disguises.bidi_override, disguises.from_bidi_override),
    "flip": (scramblings.flip, scramblings.from_flip),
    "words_backwards": (scramblings.words_backwards, scramblings.from_words_backwards),
    "character_space": (scramblings.character_space, scramblings.from_character_space),
    "string_join": (scramblings.string_join, scramblings.from_string_join),
}
"""Those of which every text comes back."""

OF_BYTES = ["base64", "base32", "ascii85", "hex", "binary", "url"]

BUT_THEIR_OWN = {
    "fullwidth": (disguises.fullwidth, disguises.from_fullwidth, without((0x3000, 0x3000), (0xFF01, 0xFF5E))),
    "circled": (disguises.circled, disguises.from_circled, without((0x24B6, 0x24E9))),
    "mathematical": (disguises.mathematical, disguises.from_mathematical, without((0x1D400, 0x1D433))),
    "zero_width": (disguises.zero_width, disguises.from_zero_width, without((0x200B, 0x200B))),
    "ascii_smuggling": (disguises.ascii_smuggling, disguises.from_ascii_smuggling, ASCII),
}
"""Those of which every text comes back that is not written in the code's own characters already."""

IN_SMALL_LETTERS = {
    "braille": (ciphers.braille, ciphers.from_braille, without((0x2800, 0x28FF))),
    "emoji_letters": (
        disguises.emoji_letters,
        disguises.from_emoji_letters,
        without((0x200C, 0x200C), (0x1F1E6, 0x1F1FF)),
    ),
}
"""Those that know no capitals."""


@pytest.mark.parametrize("name", WHOLE)
@given(text=TEXTS)
def test_every_text_comes_back(name, text):
    """Letters of any alphabet, white space and control characters: exactly as they were."""
    change, undo = WHOLE[name]
    assert undo(change(text)) == text


@pytest.mark.parametrize("name", BUT_THEIR_OWN)
@given(data=st.data())
def test_every_text_in_other_characters_comes_back(name, data):
    """What is in the code already cannot be told from what was put into it; everything else comes back."""
    change, undo, texts = BUT_THEIR_OWN[name]
    text = data.draw(texts)
    assert undo(change(text)) == text


@pytest.mark.parametrize("name", IN_SMALL_LETTERS)
@given(data=st.data())
def test_a_code_without_capitals_gives_small_letters_back(name, data):
    """And loses nothing else."""
    change, undo, texts = IN_SMALL_LETTERS[name]
    text = data.draw(texts)
    assert undo(change(text)) == text.lower()


@given(st.integers(-99, 99), st.integers(-99, 99), TEXTS)
def test_turns_of_the_alphabet_add_up(one, other, text):
    """Two turns are one turn by both, 26 letters are none, and case and other characters stay."""
    assert ciphers.rotated(other)(ciphers.rotated(one)(text)) == ciphers.rotated(one + other)(text)
    assert ciphers.rotated(26)(text) == text
    assert [letter.isupper() for letter in ciphers.rotated(one)(text)] == [letter.isupper() for letter in text]


@given(st.text("abcdefghijklmnopqrstuvwxyzABC0123456789.,?'!&():;=+-_\"@ \n", max_size=40))
def test_morse_gives_capitals_back(text):
    """Words over its own alphabet, with one space where there was any white space."""
    assert ciphers.from_morse(ciphers.morse(text)) == " ".join(text.upper().split())


@given(st.text("abcdefghijklmnopqrstuvwxyzABC0123456789.,?! \n", max_size=40))
def test_spelling_gives_small_letters_back(text):
    """What has no word of its own stays as it is."""
    assert ciphers.from_nato(ciphers.nato(text)) == " ".join(text.lower().split())


@given(st.text("abcdefghijklmnopqrstuvwxyz ", max_size=40))
def test_leetspeak_comes_back_where_there_were_no_digits(text):
    """Small letters alone; a digit that was a digit would come back as a letter."""
    assert ciphers.from_leetspeak(ciphers.leetspeak(text)) == text


@given(TEXTS, SEEDS)
def test_marks_above_and_below_can_be_taken_off(text, seed):
    """Whatever was put on the letters, without marks it is the text without marks."""
    assert disguises.without_marks(disguises.zalgo(text, seed)) == disguises.without_marks(text)
    assert disguises.without_marks(disguises.diacritics(text, seed)) == disguises.without_marks(text)


@given(ASCII, SEEDS)
def test_what_is_put_on_letters_leaves_the_letters(text, seed):
    """Other capitals are the same letters, added marks stand behind the same words, swapped letters are all there."""
    assert scramblings.random_capitals(text, seed).lower() == text.lower()
    assert sorted(scramblings.char_swap(text, seed)) == sorted(text)
    assert len(scramblings.char_noise(text, seed)) == len(text)
    marked = scramblings.insert_punctuation(text, seed).split(" ")
    assert [mine[: len(word)] for mine, word in zip(marked, text.split(" "), strict=True)] == text.split(" ")
    assert all(len(mine) <= len(word) + 1 for mine, word in zip(marked, text.split(" "), strict=True))


@given(ASCII, SEEDS)
def test_the_first_letter_of_a_word_is_never_swapped(text, seed):
    """People read over what is wrong behind it."""
    for mine, word in zip(scramblings.char_swap(text, seed).split(" "), text.split(" "), strict=True):
        assert (mine[:1], len(mine)) == (word[:1], len(word))


@pytest.mark.parametrize("name", OF_BYTES)
@given(text=ANY)
def test_half_a_character_becomes_a_question_mark(name, text):
    """No text breaks a code of bytes; what no file can hold is not made up."""
    change, undo = WHOLE[name]
    assert undo(change(text)) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("undo", "text"),
    [
        (ciphers.from_base64, "not base64!"),
        (ciphers.from_base64, "/w=="),
        (ciphers.from_base32, "1"),
        (ciphers.from_ascii85, "\u00e9"),
        (ciphers.from_hex, "abc"),
        (ciphers.from_hex, "ff"),
        (ciphers.from_binary, "102"),
        (ciphers.from_binary, "111111111"),
        (ciphers.from_url, "%FF"),
        (ciphers.from_json_string, "{"),
        (ciphers.from_json_string, "[1]"),
        (disguises.from_variation_selectors, "\ufe0f\U000e01ef"),
    ],
)
def test_what_is_not_in_the_code_is_said(undo, text):
    """An answer in another code is no text by accident: it raises, and whoever reads goes on with what it has."""
    with pytest.raises(ValueError, match=r"."):
        undo(text)


@given(TEXTS)
def test_white_space_in_a_code_is_not_looked_at(text):
    """A model breaks long lines: the codes of bytes are read across them."""
    for change, undo in ((ciphers.base64_text, ciphers.from_base64), (ciphers.hex_text, ciphers.from_hex)):
        code = change(text)
        assert undo("\n ".join(code[at : at + 4] for at in range(0, len(code), 4))) == text
