"""Texts written in another alphabet or code: letter for letter, so that whoever knows the code can read them again."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Final

__all__ = [
    "ascii85",
    "atbash",
    "base32_text",
    "base64_text",
    "binary",
    "braille",
    "caesar",
    "from_ascii85",
    "from_base32",
    "from_base64",
    "from_binary",
    "from_braille",
    "from_hex",
    "from_html_entities",
    "from_json_string",
    "from_leetspeak",
    "from_morse",
    "from_nato",
    "from_unicode_escapes",
    "from_url",
    "hex_text",
    "html_entities",
    "json_string",
    "leetspeak",
    "morse",
    "nato",
    "rotated",
    "unicode_escapes",
    "url",
]

_SMALL: Final = "abcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = _SMALL + _SMALL.upper()

_MORSE_CODES: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. .----. -.-.-- -..-. -.--. "
    "-.--.- .-... ---... -.-.-. -...- .-.-. -....- ..--.- .-..-. .--.-."
)
_NATO_WORDS: Final = (
    "Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo "
    "Sierra Tango Uniform Victor Whiskey Xray Yankee Zulu"
)
_MORSE: Final = dict(zip(_SMALL.upper() + "0123456789.,?'!/()&:;=+-_\"@", _MORSE_CODES.split(), strict=True))
_FROM_MORSE: Final = {code: letter for letter, code in _MORSE.items()}
_NATO: Final = dict(zip(_SMALL, _NATO_WORDS.split(), strict=True))
_FROM_NATO: Final = {word: letter for letter, word in _NATO.items()}
_BRAILLE: Final = dict(zip(_SMALL, "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", strict=True))
_FROM_BRAILLE: Final = {cell: letter for letter, cell in _BRAILLE.items()}
_LEET: Final = str.maketrans("aeiostbAEIOSTB", "43105784310578")
_FROM_LEET: Final = str.maketrans("4310578", "aeiostb")
_ENTITY: Final = re.compile(r"&#(\d{1,7});")
_ESCAPE: Final = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
_PERCENT: Final = re.compile(rb"%([0-9A-F]{2})")
_UNRESERVED: Final = frozenset((_LETTERS + "0123456789-_.~").encode())


def rotated(by: int) -> Callable[[str], str]:
    """The alphabet turned by so many letters; everything else stays."""
    turned = _SMALL[by % 26 :] + _SMALL[: by % 26]
    table = str.maketrans(_LETTERS, turned + turned.upper())
    return lambda text: text.translate(table)


def caesar(text: str) -> str:
    """Three letters further on."""
    return rotated(3)(text)


def atbash(text: str) -> str:
    """The alphabet backwards: its own inverse."""
    return text.translate(str.maketrans(_LETTERS, _SMALL[::-1] + _SMALL[::-1].upper()))


def leetspeak(text: str) -> str:
    """Digits that look like letters."""
    return text.translate(_LEET)


def from_leetspeak(text: str) -> str:
    """Small letters again; digits that were digits are lost."""
    return text.translate(_FROM_LEET)


def base64_text(text: str) -> str:
    """RFC 4648, of the UTF-8 bytes."""
    return base64.b64encode(_bytes(text)).decode()


def from_base64(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    return base64.b64decode("".join(text.split()), validate=True).decode()


def base32_text(text: str) -> str:
    """RFC 4648, of the UTF-8 bytes."""
    return base64.b32encode(_bytes(text)).decode()


def from_base32(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    return base64.b32decode("".join(text.split())).decode()


def ascii85(text: str) -> str:
    """Adobe's base 85, of the UTF-8 bytes."""
    return base64.a85encode(_bytes(text)).decode()


def from_ascii85(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    return base64.a85decode(text.encode()).decode()


def hex_text(text: str) -> str:
    """Two digits a byte."""
    return _bytes(text).hex()


def from_hex(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    return binascii.unhexlify("".join(text.split())).decode()


def binary(text: str) -> str:
    """Eight bits a byte, with spaces."""
    return " ".join(f"{byte:08b}" for byte in _bytes(text))


def from_binary(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    return bytes(int(bits, 2) for bits in text.split()).decode()


def url(text: str) -> str:
    """Percent signs, as in an address (RFC 3986)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in _bytes(text))


def from_url(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    return _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), text.encode()).decode()


def html_entities(text: str) -> str:
    """Each character as its number, as HTML writes it."""
    return "".join(f"&#{ord(letter)};" for letter in text)


def from_html_entities(text: str) -> str:
    """The text again."""
    return _ENTITY.sub(lambda found: _letter(found[0], int(found[1])), text)


def unicode_escapes(text: str) -> str:
    """Each character as its number, as a program writes it."""
    return "".join(f"\\u{{{ord(letter):x}}}" for letter in text)


def from_unicode_escapes(text: str) -> str:
    """The text again."""
    return _ESCAPE.sub(lambda found: _letter(found[0], int(found[1], 16)), text)


def json_string(text: str) -> str:
    """As a string in JSON, everything but ASCII escaped."""
    return json.dumps(text)


def from_json_string(text: str) -> str:
    """The text again. Raises ValueError for text that is not in this cipher."""
    value: object = json.loads(text)
    if not isinstance(value, str):
        raise ValueError("no JSON string")  # noqa: TRY004  # what is wrong is the text, not the type of an argument
    return value


def morse(text: str) -> str:
    """Dots and dashes (ITU-R M.1677); what has no code stays as it is."""
    return " / ".join(" ".join(_MORSE.get(letter, letter) for letter in word) for word in text.upper().split())


def from_morse(text: str) -> str:
    """Capitals again."""
    return " ".join("".join(_FROM_MORSE.get(code, code) for code in word.split()) for word in text.split(" / "))


def nato(text: str) -> str:
    """Letters spelled out, as on the radio."""
    return " / ".join(" ".join(_NATO.get(letter, letter) for letter in word) for word in text.lower().split())


def from_nato(text: str) -> str:
    """Small letters again."""
    return " ".join("".join(_FROM_NATO.get(code, code) for code in word.split()) for word in text.split(" / "))


def braille(text: str) -> str:
    """Cells of six dots."""
    return "".join(_BRAILLE.get(letter, letter) for letter in text.lower())


def from_braille(text: str) -> str:
    """Small letters again."""
    return "".join(_FROM_BRAILLE.get(cell, cell) for cell in text)


def _bytes(text: str) -> bytes:
    """Half a character of UTF-16, which no file holds, becomes a question mark instead of an error."""
    return text.encode("utf-8", "replace")


def _letter(written: str, number: int) -> str:
    return chr(number) if number < 0x11_0000 else written
