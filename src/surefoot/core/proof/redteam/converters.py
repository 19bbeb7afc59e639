"""
How an attack is disguised: deterministic converters of texts by name, and chains of them (`base64+leetspeak`).

Pure: equal name, text and seed give equal text. Those that are codes have an inverse, by which an answer in the same
code is read. None of them needs a model.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from ....errors import UnknownName, UsageError
from . import ciphers, disguises, framings, scramblings

__all__ = ["BASELINE", "CONVERTERS", "Converter", "Kind", "Strategy", "convert", "strategy"]

BASELINE: Final = "baseline"
"""No disguise: what the others are compared with."""

_JOIN: Final = "+"
_MOST_LINKS: Final = 4
_ASCII: Final = "".join(map(chr, range(0x20, 0x7F)))
_SMALL: Final = "abcdefghijklmnopqrstuvwxyz"
_WORDS: Final = _SMALL + " "


class Kind(StrEnum):
    """What a converter changes."""

    NONE = "none"
    CIPHER = "cipher"
    """The text is in a code."""

    DISGUISE = "disguise"
    """The characters are others that look alike, or are not seen."""

    SCRAMBLING = "scrambling"
    """Letters or words are moved, lost or added."""

    FRAMING = "framing"
    """The words are readable as they are, in another setting."""

    @property
    def is_readable(self) -> bool:
        """Whether whoever does not do what the text says has understood it all the same."""
        return self in (Kind.NONE, Kind.FRAMING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """One way to disguise a text."""

    name: str
    kind: Kind
    change: Callable[[str, int], str]
    """Text and seed to text."""

    undo: Callable[[str], str] | None = None
    """The inverse; may raise ValueError for what was not converted. None where something is lost."""

    alphabet: str = ""
    """Characters whose texts come back exactly; empty: all texts do."""

    meaning: str = ""


class Strategy(NamedTuple):
    """A chain of converters, applied from left to right."""

    name: str
    links: tuple[Converter, ...]

    @property
    def is_readable(self) -> bool:
        """Whether no link hides the words."""
        return all(link.kind.is_readable for link in self.links)

    def apply(self, text: str, *, seed: int) -> str:
        """The text, disguised."""
        for link in self.links:
            text = link.change(text, seed)
        return text

    def readings(self, answer: str) -> tuple[str, ...]:
        """The answer as it is, and what it says in the codes of the strategy: an agent may answer as it was asked."""
        found = [answer]
        for link in reversed(self.links):
            if link.undo is None or link.kind is Kind.NONE:
                continue
            try:
                found.append(link.undo(found[-1].strip()))
            except (ValueError, binascii.Error):
                break
        return tuple(dict.fromkeys(found))


def convert(name: str, text: str, *, seed: int = 0) -> str:
    """The text under a strategy. Raises UnknownName or UsageError as `strategy` does."""
    return strategy(name).apply(text, seed=seed)


def strategy(name: str) -> Strategy:
    """
    The strategy of a name: one converter, or up to four with plus signs between them.

    Raises UnknownName for a converter that is not there, UsageError for too many.
    """
    names = [part.strip() for part in name.split(_JOIN)]
    if len(names) > _MOST_LINKS:
        raise UsageError(f"{name!r} is a chain of {len(names)}", hint=f"at most {_MOST_LINKS} converters in a chain")
    for part in names:
        if part not in CONVERTERS:
            raise UnknownName("attack strategy", part, tuple(CONVERTERS))
    return Strategy(_JOIN.join(names), tuple(CONVERTERS[part] for part in names))


def _plain(
    kind: Kind, change: Callable[[str], str], undo: Callable[[str], str] | None = None, alphabet: str = ""
) -> Converter:
    """A converter without chance, named and explained by its function."""
    return _seeded(kind, change.__name__, change.__doc__, lambda text, _: change(text), undo, alphabet)


def _drawn(
    kind: Kind, change: Callable[[str, int], str], undo: Callable[[str], str] | None = None, alphabet: str = ""
) -> Converter:
    """A converter with seeded chance, named and explained by its function."""
    return _seeded(kind, change.__name__, change.__doc__, change, undo, alphabet)


def _seeded(
    kind: Kind,
    name: str,
    meaning: str | None,
    change: Callable[[str, int], str],
    undo: Callable[[str], str] | None,
    alphabet: str,
) -> Converter:
    return Converter(
        name=name.removesuffix("_text"),
        kind=kind,
        change=change,
        undo=undo,
        alphabet=alphabet,
        meaning=(meaning or "").strip(),
    )


def _same(text: str) -> str:
    return text


def _ciphers() -> tuple[Converter, ...]:
    rot13 = ciphers.rotated(13)
    return (
        _seeded(Kind.CIPHER, "rot13", "Thirteen letters further on.", lambda text, _: rot13(text), rot13, ""),
        _plain(Kind.CIPHER, ciphers.caesar, ciphers.rotated(-3)),
        _plain(Kind.CIPHER, ciphers.atbash, ciphers.atbash),
        _plain(Kind.CIPHER, ciphers.leetspeak, ciphers.from_leetspeak, _WORDS),
        _plain(Kind.CIPHER, ciphers.base64_text, ciphers.from_base64, _ASCII),
        _plain(Kind.CIPHER, ciphers.base32_text, ciphers.from_base32, _ASCII),
        _plain(Kind.CIPHER, ciphers.ascii85, ciphers.from_ascii85, _ASCII),
        _plain(Kind.CIPHER, ciphers.hex_text, ciphers.from_hex, _ASCII),
        _plain(Kind.CIPHER, ciphers.binary, ciphers.from_binary, _ASCII),
        _plain(Kind.CIPHER, ciphers.url, ciphers.from_url, _ASCII),
        _plain(Kind.CIPHER, ciphers.html_entities, ciphers.from_html_entities),
        _plain(Kind.CIPHER, ciphers.unicode_escapes, ciphers.from_unicode_escapes),
        _plain(Kind.CIPHER, ciphers.json_string, ciphers.from_json_string),
        _plain(Kind.CIPHER, ciphers.morse, ciphers.from_morse, _SMALL.upper()),
        _plain(Kind.CIPHER, ciphers.nato, ciphers.from_nato, _SMALL),
        _plain(Kind.CIPHER, ciphers.braille, ciphers.from_braille, _WORDS),
    )


def _disguises() -> tuple[Converter, ...]:
    return (
        _plain(Kind.DISGUISE, disguises.confusables),
        _plain(Kind.DISGUISE, disguises.fullwidth, disguises.from_fullwidth, _ASCII),
        _plain(Kind.DISGUISE, disguises.circled, disguises.from_circled, _ASCII),
        _plain(Kind.DISGUISE, disguises.mathematical, disguises.from_mathematical, _ASCII),
        _plain(Kind.DISGUISE, disguises.superscript),
        _plain(Kind.DISGUISE, disguises.small_capitals),
        _plain(Kind.DISGUISE, disguises.upside_down),
        _plain(Kind.DISGUISE, disguises.emoji_letters, disguises.from_emoji_letters, _WORDS),
        _plain(Kind.DISGUISE, disguises.zero_width, disguises.from_zero_width, _ASCII),
        _plain(Kind.DISGUISE, disguises.ascii_smuggling, disguises.from_ascii_smuggling, _ASCII),
        _plain(Kind.DISGUISE, disguises.variation_selectors, disguises.from_variation_selectors, _ASCII),
        _plain(Kind.DISGUISE, disguises.bidi_override, disguises.from_bidi_override, _ASCII),
        _drawn(Kind.DISGUISE, disguises.diacritics, disguises.without_marks, _ASCII),
        _drawn(Kind.DISGUISE, disguises.zalgo, disguises.without_marks, _ASCII),
    )


def _scramblings() -> tuple[Converter, ...]:
    return (
        _plain(Kind.SCRAMBLING, scramblings.flip, scramblings.from_flip),
        _plain(Kind.SCRAMBLING, scramblings.words_backwards, scramblings.from_words_backwards),
        _plain(Kind.SCRAMBLING, scramblings.character_space, scramblings.from_character_space),
        _plain(Kind.SCRAMBLING, scramblings.string_join, scramblings.from_string_join),
        _drawn(Kind.SCRAMBLING, scramblings.char_swap),
        _drawn(Kind.SCRAMBLING, scramblings.char_noise),
        _drawn(Kind.SCRAMBLING, scramblings.random_capitals),
        _drawn(Kind.SCRAMBLING, scramblings.insert_punctuation),
        _plain(Kind.SCRAMBLING, scramblings.pig_latin),
        _plain(Kind.SCRAMBLING, scramblings.first_letters),
        _plain(Kind.SCRAMBLING, scramblings.without_vowels),
        _plain(Kind.SCRAMBLING, scramblings.camel_case),
    )


def _framings() -> tuple[Converter, ...]:
    changes = (
        framings.code_fence,
        framings.policy,
        framings.task,
        framings.role_play,
        framings.suffix,
        framings.completion,
        framings.translation,
        framings.xml,
        framings.log_entry,
        framings.markdown_table,
        framings.few_words,
        framings.acrostic,
        framings.ask_to_decode,
    )
    return tuple(_plain(Kind.FRAMING, change) for change in changes)


_ALL: Final = (
    _seeded(Kind.NONE, BASELINE, "As it is written.", lambda text, _: text, _same, ""),
    *_ciphers(),
    *_disguises(),
    *_scramblings(),
    *_framings(),
)

CONVERTERS: Final = MappingProxyType({converter.name: converter for converter in _ALL})
"""By name; a name never changes its meaning, because reports are compared by it."""
