"""
Personal data that has a form: found by shape, then by checksum or by the words beside it.

What has no form (names, organisations, places, street addresses) is not found: it takes a model, and a promise that a
text is clean would be wrong. docs/traces.md gives the recall by kind on labelled texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, NamedTuple

from .checksums import is_card, is_iban, is_ssn

__all__ = ["Pii", "PiiKind", "find_in_member", "find_pii", "is_telling"]


class PiiKind(StrEnum):
    """What kind of personal data it is."""

    CARD = "card"
    """A payment card's number that passes its checksum."""

    BIRTH_DATE = "birth_date"
    """A date beside words that say it is one of birth."""

    DOCUMENT = "document"
    """The number of a driver's license or passport, beside words that say so."""

    EMAIL = "email"
    IBAN = "iban"
    IP_ADDRESS = "ip_address"
    PHONE = "phone"
    SECRET = "secret"  # noqa: S105 - a kind's name
    """A key, token or private key of a well-known form: no personal data, and as harmful to let out."""

    SSN = "ssn"
    """A US social security number."""


class Pii(NamedTuple):
    """Where personal data is in a text: [start, end)."""

    kind: PiiKind
    start: int
    end: int


# Every repetition is bounded or begins where no part of it can stand before, so that no text takes more than linear
# time; ASCII digits only, because other digits are no numbers to a card network or a telephone.
_CJK: Final = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\ua960-\ua97f"
    r"\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts without spaces, and Hangul, whose endings follow a name without one: an address begins and ends at them."""

_NO_LETTER: Final = r"\x00-\x24\x26-\x2c\x2f\x3a-\x40\x5b-\x60\x7b-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u1680"
_SIGNS: Final = r"\u2000-\u2bff\u2e00-\u303f\ud800-\udfff\ufe00-\ufe4f\uff00-\uffef\U0001f000-\U0001ffff"
_LETTER: Final = rf"[^{_NO_LETTER}{_SIGNS}{_CJK}%.0-9-]"
_LABEL: Final = rf"[^{_NO_LETTER}{_SIGNS}%.]"
_NAME_BACKWARDS: Final = re.compile(rf"(?:[^{_NO_LETTER}{_SIGNS}{_CJK}]++|[_+']++)++|[{_CJK}]++")
_DOMAIN: Final = re.compile(
    rf"(?:{_LABEL}{{1,63}}\.){{1,8}}(?:xn--[A-Za-z0-9-]{{1,59}}|{_LETTER}{{2,24}}|[{_CJK}]{{2,24}})(?!{_LETTER}|[0-9])"
)
"""Local parts and domains of any script (RFC 6531), composed or not."""

_IBAN: Final = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,4})?(?![A-Za-z0-9])"
)
_IPV4: Final = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])")
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_NUMBER: Final = re.compile(
    r"(?<![\w.+$€£#/-])\+?(?:\([0-9]{1,5}\)|[0-9])(?:[ ./-]{0,2}(?:\([0-9]{1,5}\)|[0-9])){5,24}"
    r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?(?![\w%€£$]|[.,:/-][0-9])"
)
_DATE_LIKE: Final = re.compile(
    r"(?:19|20)[0-9]{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:[0-2]?[0-9]|3[01])(?:[ T][0-9]{1,2})?"
    r"|(?:[0-2]?[0-9]|3[01])[-./ ](?:[0-2]?[0-9]|3[01])[-./ ](?:19|20)?[0-9]{2}(?: [0-9]{1,2})?"
    r"|(?:19|20)[0-9]{2}(?: ?[-/] ?(?:19|20)[0-9]{2})+"
)
_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,200}|sk_(?:live|test)_[A-Za-z0-9]{16,100}|A(?:KIA|SIA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{36,100}|github_pat_[A-Za-z0-9_]{22,120}|xox[abprs]-[A-Za-z0-9-]{10,120}"
    r"|AIza[A-Za-z0-9_-]{35}|hf_[A-Za-z0-9]{30,60}"
    r"|eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000})(?![A-Za-z0-9])"
    r"|-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY-----[A-Za-z0-9+/=\s]{0,8000}"
    r"(?:-----END (?:[A-Z]{1,12} ){0,3}PRIVATE KEY-----)?"
)
_DOCUMENT: Final = re.compile(
    r"(?<![A-Za-z])(?:driver'?’?s?'?[ _-]?licen[cs]e|driving[ _-]?licen[cs]e|passport|identity[ _-]?card)"
    r"(?:[ _-]?(?:number|no\.?|nr\.?|#))?[\"']?(?: is)?\s{0,2}[:=#]?\s{0,2}[\"']?([A-Z]{0,3}[0-9][A-Z0-9-]{4,17})\b",
    re.IGNORECASE,
)
_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_BIRTH: Final = re.compile(
    r"(?<![A-Za-z])(?:date[ _-]?of[ _-]?birth|birth[ _-]?date|birthday|dob|born(?:[ _-]?on)?)"
    r"[\"']?(?: is|[.]? ?it'?s|:|=)?\s{0,2}[\"']?"
    r"([0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}(?=\b|T[0-9])|(?:19|20)[0-9]{6}\b"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|\.)?[ -](?:of )?{_MONTH},?[ -][0-9]{{4}}\b"
    rf"|{_MONTH}[ -][0-9]{{1,2}}(?:st|nd|rd|th)?,?[ -][0-9]{{4}}\b)",
    re.IGNORECASE,
)
_PHONE_WORDS: Final = re.compile(
    r"(?<![A-Za-z])(?:(?:tele|cell|home|work)?phone|mobile|cell|call(?: me| us)?|tel|fax|desk|office|whatsapp|sms"
    r"|text me|answering)\W{0,4}(?:number|no)?\W{0,3}(?:is|at|on)?\W{0,3}$",
    re.IGNORECASE,
)
_AMOUNT: Final = re.compile("[1-9][0-9]{0,2}(?:[ .][0-9]{3}){1,2}")
"""`1 234 567` and `12.345.678`: an amount, not a telephone."""

_PHONE_WORDS_AFTER: Final = re.compile(r"[\s-]{0,2}(?:office|fax|mobile|phone|desk)", re.IGNORECASE)
_CARD_WORDS: Final = re.compile(r"(?:card|\bcc)\W{0,3}(?:number|no\.?|#)?(?: is)?\W{0,3}$", re.IGNORECASE)
_SSN_WORDS: Final = re.compile(r"(?:ssn|social[ _-]?security)[^0-9]{0,20}$", re.IGNORECASE)
_TELLING: Final = re.compile(
    "phone|mobile|cell|tel|fax|whatsapp|sms|card|cc|ssn|social|birth|dob|born|passport|licen[cs]e|identity"
    "|pass|pwd|api[ _-]?key|(?:access|auth|bearer|refresh)[ _-]?token|secret",
    re.IGNORECASE,
)
"""What a field's name has to hold for it to be read at all: of a thousand names a handful do."""

_HUMPS: Final = re.compile("(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_CREDENTIAL: Final = re.compile(
    "(?:^| )(?:pass(?:word|wd|phrase)|pwd|api key|(?:access|auth|bearer|refresh) token|client secret|secret key)$"
)
_TOKEN: Final = re.compile("<[a-z_]{2,12}:[a-z]{12}>")
_SHORTEST_SECRET: Final = 20
"""Characters; the rest of what is found has a digit or a sign in it."""

_BEFORE: Final = 32
"""Characters before a number in which a word may say what it is."""

_AFTER: Final = 10
_DIGIT: Final = re.compile("[0-9]")
_BLANK: Final = "\x00"


def find_pii(text: str, kinds: frozenset[PiiKind] = frozenset(PiiKind)) -> tuple[Pii, ...]:
    """
    Personal data in a text, in order, without overlaps; only of these kinds.

    Of overlapping finds the surer stands: what has a checksum or a word beside it before what only has a shape.
    """
    if len(text) < _SHORTEST_SECRET and text.replace("_", "").isalpha():
        return ()  # the names of most fields, and most words
    taken: list[Pii] = []
    left = text
    for find in (_secrets, _emails, _ibans, _beside_words, _addresses, _numbers):
        parts: list[str] = []
        done = 0
        for found in sorted(find(left), key=lambda found: found.start):
            if found.start >= done:
                taken.append(found)
                parts += (left[done : found.start], _BLANK * (found.end - found.start))
                done = found.end
        if parts:  # blanked, so that what follows finds the rest and nothing across it
            left = "".join((*parts, left[done:]))
    return tuple(sorted((found for found in taken if found.kind in kinds), key=lambda found: found.start))


def is_telling(name: str) -> bool:
    """Whether the name of a field may say that what is in it is personal data; most names do not."""
    return _TELLING.search(name) is not None


def find_in_member(name: str, text: str, kinds: frozenset[PiiKind] = frozenset(PiiKind)) -> tuple[Pii, ...]:
    """
    The same in the text of a field, whose name may be the word beside it: `{"ssn": "078051120"}`, `homePhone`.

    What a field named as a password, key or token holds is a secret of whatever form.
    """
    if not is_telling(name):
        return find_pii(text, kinds)
    said = " ".join(_HUMPS.sub(" ", name).casefold().split())
    if PiiKind.SECRET in kinds and _CREDENTIAL.search(said) and text.strip() and not _TOKEN.fullmatch(text):
        return (Pii(PiiKind.SECRET, 0, len(text)),)
    before = f"{said.removesuffix('s')}: "  # `phones` holds phones
    start = len(before)
    return tuple(
        Pii(found.kind, found.start - start, found.end - start)
        for found in find_pii(before + text, kinds)
        if found.start >= start
    )


def _secrets(text: str) -> Iterator[Pii]:
    # A look for a sign that is seldom costs a tenth of a pattern: most texts hold no personal data at all.
    if "-" in text or "_" in text or "AKIA" in text or "ASIA" in text or "AIza" in text or "eyJ" in text:
        yield from (Pii(PiiKind.SECRET, *match.span()) for match in _SECRET.finditer(text))


def _emails(text: str) -> Iterator[Pii]:
    """From each sign outwards: most texts have none, and what is before it ends at the sign before."""
    sign, before = text.find("@"), 0
    while sign >= 0:
        name = _NAME_BACKWARDS.match(text[before:sign][::-1])
        domain = _DOMAIN.match(text, sign + 1) if name else None
        if name and domain:
            start = sign - len(name[0].rstrip(".-'"))  # without a bullet or quotation mark before it
            if start < sign:
                yield Pii(PiiKind.EMAIL, start, domain.end())
        before = sign + 1
        sign = text.find("@", before)


def _beside_words(text: str) -> Iterator[Pii]:
    if _DIGIT.search(text) is None:
        return
    yield from (Pii(PiiKind.DOCUMENT, *match.span(1)) for match in _DOCUMENT.finditer(text))
    yield from (Pii(PiiKind.BIRTH_DATE, *match.span(1)) for match in _BIRTH.finditer(text))


def _numbers(text: str) -> Iterator[Pii]:
    for match in _NUMBER.finditer(text):
        kind = _kind_of_number(text, match)
        if kind is not None:
            yield Pii(kind, *match.span())


def _ibans(text: str) -> Iterator[Pii]:
    """In print an IBAN stands in groups, and a word of four letters may follow it: the country says where it ends."""
    for match in _IBAN.finditer(text):
        start, end = match.span()
        while end - start >= 15:
            if is_iban(text[start:end].replace(" ", "")):
                yield Pii(PiiKind.IBAN, start, end)
                break
            space = text.rfind(" ", start, end)
            if space < 0:
                break
            end = space


def _addresses(text: str) -> Iterator[Pii]:
    for match in _IPV4.finditer(text):
        try:
            IPv4Address(match.group())
        except AddressValueError:
            continue
        yield Pii(PiiKind.IP_ADDRESS, *match.span())
    for match in _IPV6.finditer(text) if "::" in text or text.count(":") >= 7 else ():
        address = match.group()
        try:
            IPv6Address(address)
        except AddressValueError:
            continue
        if len(address) > 4:  # `::` and `a::b` are code far more often than hosts
            yield Pii(PiiKind.IP_ADDRESS, *match.span())


def _kind_of_number(text: str, match: re.Match[str]) -> PiiKind | None:
    shown = match.group()
    digits = "".join(character for character in shown if character in "0123456789")
    before = text[max(0, match.start() - _BEFORE) : match.start()]
    if is_card(digits) and not shown.startswith("+") and _card_shape(shown, before):
        return PiiKind.CARD
    groups = re.findall("[0-9]+", shown)
    if (
        [len(group) for group in groups] == [3, 2, 4]
        and is_ssn(digits)
        and (shown.count("-") == 2 or _SSN_WORDS.search(before))
    ):
        return PiiKind.SSN
    if len(digits) == 9 == len(shown) and is_ssn(digits) and _SSN_WORDS.search(before):
        return PiiKind.SSN
    after = text[match.end() : match.end() + _AFTER]
    return PiiKind.PHONE if _is_phone(shown, groups, before, after) else None


def _card_shape(shown: str, before: str) -> bool:
    """
    One run of digits, or groups of three and more parted by one sign.

    One number in ten passes the checksum by chance, so beyond the usual first digits and lengths a word has to say so.
    """
    if re.fullmatch(r"[0-9]+(?:([ -])[0-9]{3,}(?:\1[0-9]{3,})*)?", shown) is None:
        return False
    digits = shown.replace(" ", "").replace("-", "")
    usual = (digits[0] in "2456" and len(digits) == 16) or (digits[:2] in {"34", "37"} and len(digits) == 15)
    usual = (
        usual or (digits[:2] in {"30", "36", "38"} and len(digits) == 14) or (digits[:2] == "35" and len(digits) == 16)
    )
    return usual or _CARD_WORDS.search(before) is not None


def _is_phone(shown: str, groups: list[str], before: str, after: str) -> bool:
    """A number with a plus, brackets, an extension or a word beside it; or digits in groups of a telephone's sizes."""
    number = re.split(" ?(?:x|ext)", shown)[0]
    count = sum(map(str.isdigit, number))
    if not 7 <= count <= 15 or _DATE_LIKE.fullmatch(number):
        return False
    if shown.startswith("+") or number != shown or "(" in shown:
        return True
    if _PHONE_WORDS.search(before) or _PHONE_WORDS_AFTER.match(after):
        return True
    sizes = [len(group) for group in groups]
    if sizes == [3, 4]:
        return "-" in shown
    has_groups = 3 <= len(sizes) <= 5 and 8 <= count <= 13 and 2 <= min(sizes) <= max(sizes) <= 4
    return has_groups and len(set(re.findall("[ ./-]", shown))) == 1 and not _AMOUNT.fullmatch(number)
