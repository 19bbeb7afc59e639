"""
Personal data replaced by tokens that tell equal values from different ones, and nothing else.

The same value gets the same token wherever it stands, so that a redacted call still matches its redacted recording:
whoever compares texts redacts both sides with the same key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple, cast

from .checksums import is_card
from .pii import Pii, PiiKind, find_in_member, find_pii, is_telling

__all__ = ["Redacted", "Redactor"]

_LETTERS: Final = "bcdfghjklmnpqrstvwxz"
"""Without vowels no token is a word, and without digits no token looks like a number."""

_LENGTH: Final = 12
"""Letters of a token: 20**12 of them, so that even a million values hardly ever share one."""


_SSN_DIGITS: Final = 9
_WITHIN: Final = 40
"""Characters kept of the names of the fields around a field: `{"phone": {"number": ...}}`."""

_LARGEST: Final = 10**19
"""No card, telephone or social security number has more digits."""


class Redacted(NamedTuple):
    """A value without its personal data."""

    value: object
    counts: Mapping[PiiKind, int]
    """Finds by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redactor:
    """
    Replaces what `find_pii` finds. Redacting twice is redacting once.

    Without a key anyone can find a telephone number by trying them all; with one (BLAKE2b keyed mode, RFC 7693) only
    who has the key can. Tokens of other keys never match.
    """

    key: bytes = field(default=b"", repr=False)
    """At most 64 bytes."""

    kinds: frozenset[PiiKind] = frozenset(PiiKind)

    def text(self, text: str) -> str:
        """The text with tokens such as `<email:kqzmwtrpbcdf>` in it."""
        return self._replace(text, find_pii(text, self.kinds))

    def value(self, value: object) -> Redacted:
        """
        The same JSON value with every text in it redacted, names of fields too.

        A field's name is read beside its value (`{"phone": "5551234567"}`), and whole numbers are as their digits.
        """
        counts: Counter[PiiKind] = Counter()
        return Redacted(self._walk(value, "", counts), counts)

    def token(self, kind: PiiKind, shown: str) -> str:
        """What stands in for a value. Spacing, case and punctuation do not make another value of it."""
        same = "".join(character for character in shown.casefold() if character.isalnum() or character in "@._")
        if kind not in {PiiKind.EMAIL, PiiKind.IP_ADDRESS, PiiKind.SECRET}:
            same = "".join(character for character in same if character.isalnum())
        number = int.from_bytes(
            blake2b(f"{kind}:{same}".encode("utf-8", "surrogatepass"), key=self.key, digest_size=8).digest()
        )
        letters: list[str] = []
        for _ in range(_LENGTH):
            number, letter = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[letter])
        return f"<{kind}:{''.join(letters)}>"

    def _replace(self, text: str, found: tuple[Pii, ...]) -> str:
        parts: list[str] = []
        done = 0
        for kind, start, end in found:
            parts += (text[done:start], self.token(kind, text[start:end]))
            done = end
        return "".join((*parts, text[done:])) if parts else text

    def _walk(self, value: object, name: str, counts: Counter[PiiKind]) -> object:
        match value:
            case str():
                return self._counted(value, name, counts)
            case bool():
                return value
            case int():
                return self._number(value, name, counts)
            case dict():
                members = cast("dict[object, object]", value)
                within = f"{name[-_WITHIN:]} " if name else ""
                return {
                    self._walk(key, "", counts): self._walk(member, f"{within}{key}", counts)
                    for key, member in members.items()
                }
            case list() | tuple():
                return [self._walk(item, name, counts) for item in cast("list[object]", value)]
            case _:
                return value

    def _counted(self, text: str, name: str, counts: Counter[PiiKind]) -> str:
        found = find_in_member(name, text, self.kinds) if name else find_pii(text, self.kinds)
        counts.update(pii.kind for pii in found)
        return self._replace(text, found)

    def _number(self, number: int, name: str, counts: Counter[PiiKind]) -> object:
        if not 0 < number < _LARGEST:
            return number
        text = str(number)
        kind = PiiKind.CARD if PiiKind.CARD in self.kinds and is_card(text) else None
        if kind is None and is_telling(name):
            kind = self._kind_of_all(name, text)
            padded = text.zfill(_SSN_DIGITS)  # a number loses its zeros in front
            if kind is None and self._kind_of_all(name, padded) is PiiKind.SSN:
                kind, text = PiiKind.SSN, padded
        if kind is None:
            return number
        counts[kind] += 1
        return self.token(kind, text)

    def _kind_of_all(self, name: str, text: str) -> PiiKind | None:
        """What the whole of a text is."""
        found = find_in_member(name, text, self.kinds)
        return found[0].kind if found and found[0][1:] == (0, len(text)) else None
