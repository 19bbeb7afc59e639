"""Texts whose words or letters are moved, spaced out or mistyped: what people read over and filters do not."""

from __future__ import annotations

import re
from typing import Final

from ..chance import coins, seed_of, uniform

__all__ = [
    "camel_case",
    "char_noise",
    "char_swap",
    "character_space",
    "first_letters",
    "flip",
    "from_character_space",
    "from_flip",
    "from_string_join",
    "from_words_backwards",
    "insert_punctuation",
    "pig_latin",
    "random_capitals",
    "string_join",
    "without_vowels",
    "words_backwards",
]

_WORD: Final = re.compile(r"[A-Za-z]{4,}")
_ANY_WORD: Final = re.compile(r"[A-Za-z]+")
_VOWELS: Final = "aeiouAEIOU"
_PUNCTUATION: Final = ",.!?:;"
_SMALL: Final = "abcdefghijklmnopqrstuvwxyz"


def flip(text: str) -> str:
    """Backwards."""
    return text[::-1]


def from_flip(text: str) -> str:
    """Forwards again."""
    return text[::-1]


def words_backwards(text: str) -> str:
    """The last word first."""
    return " ".join(reversed(text.split(" ")))


def from_words_backwards(text: str) -> str:
    """The first word first again."""
    return words_backwards(text)


def character_space(text: str) -> str:
    """A space between all characters; between words there are three."""
    return " ".join(text)


def from_character_space(text: str) -> str:
    """Without them."""
    return text[::2]


def string_join(text: str) -> str:
    """A dash between all characters."""
    return "-".join(text)


def from_string_join(text: str) -> str:
    """Without them."""
    return text[::2]


def char_swap(text: str, seed: int) -> str:
    """Two neighbours inside of every second word or so have changed places."""
    secret = seed_of("char_swap", str(seed), text)
    toss, where = coins(secret), uniform(secret ^ 1, 1 << 16)

    def swapped(found: re.Match[str]) -> str:
        word, place = found[0], 1 + next(where) % (len(found[0]) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :] if next(toss) else word

    return _WORD.sub(swapped, text)


def char_noise(text: str, seed: int) -> str:
    """One letter in ten is another one."""
    secret = seed_of("char_noise", str(seed), text)
    hit, other = uniform(secret, 10), uniform(secret ^ 1, 26)
    return "".join(_SMALL[next(other)] if one.isalpha() and next(hit) == 0 else one for one in text)


def random_capitals(text: str, seed: int) -> str:
    """Every letter large or small, by chance."""
    toss = coins(seed_of("random_capitals", str(seed), text))
    return "".join((one.upper() if next(toss) else one.lower()) if one.isalpha() else one for one in text)


def insert_punctuation(text: str, seed: int) -> str:
    """A punctuation mark behind one word in three."""
    secret = seed_of("insert_punctuation", str(seed), text)
    hit, which = uniform(secret, 3), uniform(secret ^ 1, len(_PUNCTUATION))
    return " ".join(word + _PUNCTUATION[next(which)] if word and not next(hit) else word for word in text.split(" "))


def pig_latin(text: str) -> str:
    """Leading consonants go to the end, with "ay"; words with a leading vowel get "way"."""
    return _ANY_WORD.sub(lambda found: _pig(found[0]), text)


def first_letters(text: str) -> str:
    """Of each word its first letter alone."""
    return " ".join(word[0] for word in text.split())


def without_vowels(text: str) -> str:
    """Consonants only."""
    return "".join(one for one in text if one not in _VOWELS)


def camel_case(text: str) -> str:
    """Words joined, each with a capital: as programs name things."""
    words = text.split()
    return "".join(word if place == 0 else word[:1].upper() + word[1:] for place, word in enumerate(words))


def _pig(word: str) -> str:
    start = next((place for place, one in enumerate(word) if one in _VOWELS), len(word))
    return word + "way" if start == 0 else word[start:] + word[:start] + "ay"
