"""Texts that people read as before and programs do not: letters that look alike, marks that are not seen."""

from __future__ import annotations

import unicodedata
from typing import Final

from ..chance import seed_of, uniform

__all__ = [
    "ascii_smuggling",
    "bidi_override",
    "circled",
    "confusables",
    "diacritics",
    "emoji_letters",
    "from_ascii_smuggling",
    "from_bidi_override",
    "from_circled",
    "from_emoji_letters",
    "from_fullwidth",
    "from_mathematical",
    "from_variation_selectors",
    "from_zero_width",
    "fullwidth",
    "mathematical",
    "small_capitals",
    "superscript",
    "upside_down",
    "variation_selectors",
    "without_marks",
    "zalgo",
    "zero_width",
]

_SMALL: Final = "abcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = _SMALL + _SMALL.upper()

_CONFUSABLE: Final = str.maketrans(
    "aceijopsxyvwhkuABCEHIJKMNOPSTXYZ",
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u03bd\u051d\u04bb\u03ba\u057d"
    "\u0391\u0392\u0421\u0415\u0397\u0399\u0408\u039a\u041c\u039d\u041e\u0420\u0405\u0422\u03a7\u03a5\u0396",
)
"""Cyrillic, Greek and Armenian letters that most typefaces draw like Latin ones."""

_SUPERSCRIPT: Final = str.maketrans(
    "abcdefghijklmnoprstuvwxyz0123456789+-=()",
    "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾",
)
_SMALL_CAPITALS: Final = str.maketrans(_SMALL, "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ")
_UPSIDE_DOWN: Final = str.maketrans(_SMALL + ".,?!'_&()", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz˙'¿¡,‾⅋)(")
_FULLWIDTH: Final = {code: chr(code + 0xFEE0) for code in range(0x21, 0x7F)} | {0x20: "\u3000"}
_FROM_FULLWIDTH: Final = {ord(wide): chr(code) for code, wide in _FULLWIDTH.items()}
_CIRCLED: Final = str.maketrans(
    _LETTERS, "".join(chr(0x24D0 + n) for n in range(26)) + "".join(map(chr, range(0x24B6, 0x24D0)))
)
_MATHEMATICAL: Final = str.maketrans(
    _LETTERS, "".join(chr(0x1D41A + n) for n in range(26)) + "".join(chr(0x1D400 + n) for n in range(26))
)
_REGIONAL: Final = {ord(letter): chr(0x1F1E6 + n) + "\u200c" for n, letter in enumerate(_SMALL)}
"""Flags are made of these: the joiner after each keeps two of them from becoming one."""

_BACK: Final = {
    name: {new: chr(old) for old, new in table.items()}
    for name, table in (("circled", _CIRCLED), ("mathematical", _MATHEMATICAL))
}
_ZERO_WIDTH: Final = "\u200b"
_TAGS: Final = 0xE0000
_MARKS: Final = "\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0323\u0331\u0334\u0335\u0336\u0337\u0338"
_ABOVE: Final = "\u0301\u0300\u0302\u0303\u0308"
_CARRIER: Final = "\U0001f642"
_RIGHT_TO_LEFT, _END_OF_IT = "\u202e", "\u202c"


def confusables(text: str) -> str:
    """Letters of other alphabets that look the same."""
    return text.translate(_CONFUSABLE)


def fullwidth(text: str) -> str:
    """The wide letters of East Asian typefaces."""
    return text.translate(_FULLWIDTH)


def from_fullwidth(text: str) -> str:
    """ASCII again."""
    return text.translate(_FROM_FULLWIDTH)


def circled(text: str) -> str:
    """Letters in circles."""
    return text.translate(_CIRCLED)


def from_circled(text: str) -> str:
    """ASCII again."""
    return text.translate(_BACK["circled"])


def mathematical(text: str) -> str:
    """The bold letters of formulas."""
    return text.translate(_MATHEMATICAL)


def from_mathematical(text: str) -> str:
    """ASCII again."""
    return text.translate(_BACK["mathematical"])


def superscript(text: str) -> str:
    """Small raised letters, where there are any."""
    return text.lower().translate(_SUPERSCRIPT)


def small_capitals(text: str) -> str:
    """Capitals of the height of small letters."""
    return text.lower().translate(_SMALL_CAPITALS)


def upside_down(text: str) -> str:
    """Turned by half a circle: letters and their order."""
    return text.lower().translate(_UPSIDE_DOWN)[::-1]


def emoji_letters(text: str) -> str:
    """The letters that flags are made of."""
    return text.lower().translate(_REGIONAL)


def from_emoji_letters(text: str) -> str:
    """Small letters again."""
    return "".join(
        chr(ord("a") + ord(one) - 0x1F1E6) if 0x1F1E6 <= ord(one) < 0x1F200 else one for one in text if one != "\u200c"
    )


def zero_width(text: str) -> str:
    """A space without width between all characters."""
    return _ZERO_WIDTH.join(text)


def from_zero_width(text: str) -> str:
    """Without them."""
    return text.replace(_ZERO_WIDTH, "")


def ascii_smuggling(text: str) -> str:
    """Tag characters: nothing is seen, and a model may read it all the same. What is no ASCII is left out."""
    return "".join(chr(_TAGS + ord(letter)) for letter in text if " " <= letter <= "~")


def from_ascii_smuggling(text: str) -> str:
    """What the tags say; other characters stay."""
    return "".join(chr(ord(one) - _TAGS) if _TAGS + 0x20 <= ord(one) < _TAGS + 0x7F else one for one in text)


def variation_selectors(text: str) -> str:
    """Each byte as a mark behind one smiling face, that changes how it is drawn in no typeface."""
    marks = (chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode("utf-8", "replace"))
    return _CARRIER + "".join(marks)


def from_variation_selectors(text: str) -> str:
    """What the marks say. Raises ValueError where there are none."""
    found = [ord(one) for one in text]
    codes = [code - 0xFE00 if code < 0xFE10 else code - 0xE0100 + 16 for code in found if _is_selector(code)]
    return bytes(codes).decode()


def bidi_override(text: str) -> str:
    """Written backwards, and shown forwards by a mark that turns the direction of writing."""
    return f"{_RIGHT_TO_LEFT}{text[::-1]}{_END_OF_IT}"


def from_bidi_override(text: str) -> str:
    """Forwards again."""
    return text.removeprefix(_RIGHT_TO_LEFT).removesuffix(_END_OF_IT)[::-1]


def diacritics(text: str, seed: int) -> str:
    """An accent on every vowel."""
    draw = uniform(seed_of("diacritics", str(seed), text), len(_ABOVE))
    return "".join(one + _ABOVE[next(draw)] if one in "aeiouAEIOU" else one for one in text)


def zalgo(text: str, seed: int) -> str:
    """Up to five marks above, through and below each letter."""
    secret = seed_of("zalgo", str(seed), text)
    count, which = uniform(secret, 5), uniform(secret ^ 1, len(_MARKS))
    return "".join(
        one + "".join(_MARKS[next(which)] for _ in range(next(count) + 1)) if one.isalpha() else one for one in text
    )


def without_marks(text: str) -> str:
    """The letters without what stands above and below them."""
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


def _is_selector(code: int) -> bool:
    return 0xFE00 <= code < 0xFE10 or 0xE0100 <= code < 0xE01F0
