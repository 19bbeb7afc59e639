"""Numbers that check themselves: what passes is, but for chance, what it looks like."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["IBAN_LENGTHS", "is_card", "is_iban", "is_ssn"]

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""A digit doubled, and its digits added."""

_COUNTRIES: Final = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
IBAN_LENGTHS: Final = MappingProxyType(
    {country: length for length, countries in _COUNTRIES.items() for country in countries.split()}
)
"""Characters of an IBAN by country (ISO 13616 registry)."""


def is_card(digits: str) -> bool:
    """Whether 12 to 19 digits pass the check of Luhn (ISO/IEC 7812-1). One number in ten does by chance."""
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    backwards = [int(digit) for digit in reversed(digits)]
    return (sum(backwards[::2]) + sum(_DOUBLED[digit] for digit in backwards[1::2])) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether letters and digits, without spaces, have their country's length and check digits (ISO 13616, mod 97)."""
    upper = text.upper()
    if IBAN_LENGTHS.get(upper[:2]) != len(upper):
        return False
    return int("".join(str(int(character, 36)) for character in upper[4:] + upper[:4])) % 97 == 1


def is_ssn(digits: str) -> bool:
    """Whether nine digits can be a US social security number: areas 000, 666, 9xx, group 00, serial 0000 never are."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"
