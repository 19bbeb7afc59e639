"""Personal data: what has a form is found, what looks like it is not, and a token keeps equal values equal."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.protection.checksums import is_card, is_iban
from surefoot.core.protection.pii import PiiKind, find_pii
from surefoot.core.protection.redaction import Redactor

pieces = st.sampled_from(
    [
        "bob@example.com",
        "+43 1 588 58-0",
        "4111 1111 1111 1111",
        "GB82WEST12345698765432",
        "10.0.0.7",
        "078-05-1120",
        " ",
    ]
)
texts = st.lists(st.one_of(st.text(max_size=20), pieces), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to Bob.O'Neil+x@mail.example.co.uk.", PiiKind.EMAIL, "Bob.O'Neil+x@mail.example.co.uk"),
        ("an rené@example.com.", PiiKind.EMAIL, "rené@example.com"),
        ("jürgen.müller@exämple.de", PiiKind.EMAIL, "jürgen.müller@exämple.de"),
        ("rene\u0301@example.com", PiiKind.EMAIL, "rene\u0301@example.com"),
        ("राम@example.com", PiiKind.EMAIL, "राम@example.com"),
        ("почта@пример.рф", PiiKind.EMAIL, "почта@пример.рф"),
        ("用户@例子.广告", PiiKind.EMAIL, "用户@例子.广告"),
        ("请联系bob@example.com谢谢", PiiKind.EMAIL, "bob@example.com"),
        ("bob@example.com으로", PiiKind.EMAIL, "bob@example.com"),
        ("“bob@example.com”", PiiKind.EMAIL, "bob@example.com"),
        ("-bob@example.com", PiiKind.EMAIL, "bob@example.com"),
        ("me@xn--e1afmkfd.xn--p1ai", PiiKind.EMAIL, "me@xn--e1afmkfd.xn--p1ai"),
        ("card 4111-1111-1111-1111 please", PiiKind.CARD, "4111-1111-1111-1111"),
        ("my cc 630427373398", PiiKind.CARD, "630427373398"),
        ("IBAN DE89 3704 0044 0532 0130 00 today", PiiKind.IBAN, "DE89 3704 0044 0532 0130 00"),
        ("from 2001:db8:0:1::7 to", PiiKind.IP_ADDRESS, "2001:db8:0:1::7"),
        ("ssn 078-05-1120", PiiKind.SSN, "078-05-1120"),
        ("passport number is X1234567", PiiKind.DOCUMENT, "X1234567"),
        ('"date_of_birth": "1985-06-15"', PiiKind.BIRTH_DATE, "1985-06-15"),
        ("born on 2nd of January 1990", PiiKind.BIRTH_DATE, "2nd of January 1990"),
        ('{"passport_number": "X1234567"}', PiiKind.DOCUMENT, "X1234567"),
        ("call me at 5551234567", PiiKind.PHONE, "5551234567"),
        ("(555-123-2002)", PiiKind.PHONE, "555-123-2002"),
        ("+46 (0)8 928 571 38", PiiKind.PHONE, "+46 (0)8 928 571 38"),
        ("345-899-3560x4587", PiiKind.PHONE, "345-899-3560x4587"),
        ("key AKIAIOSFODNN7EXAMPLE", PiiKind.SECRET, "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_a_form_is_found_exactly_where_it_stands(text, kind, value):
    """A find names its kind and covers the whole of the value, no more."""
    assert [(found.kind, text[found.start : found.end]) for found in find_pii(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "on 2024-05-14 at 10:00",
        "(2025-01-31)",
        "12/31/2024 and 31.12.2024",
        "2023-2024",
        "it costs 1 234 567 or 1.234.567 or $1,200.50",
        "order 4111111111111112",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "version 1.2.3 and 10.0.0.256",
        "std::vector and a::b at 12:30:45",
        "GB82WEST12345698765433",
        "a@b, @user, user@localhost",
        "1799999999 seconds",
    ],
)
def test_what_only_looks_like_personal_data_is_left_alone(text):
    """Dates, amounts, versions, ids and numbers with a wrong check digit are not personal data."""
    assert find_pii(text) == ()


@given(st.from_regex(r"\A[1-9][0-9]{11,17}\Z"))
def test_exactly_one_check_digit_makes_a_card(body):
    """Of the ten numbers that differ in their last digit one passes."""
    assert sum(is_card(body + digit) for digit in "0123456789") == 1


def test_an_iban_is_checked_by_country_and_remainder():
    """One digit changed, one left out, or a country without IBANs: no IBAN."""
    good = "AT611904300234573201"
    assert is_iban(good)
    assert not any(map(is_iban, [good[:-1], good[:-1] + "2", "US" + good[2:], "AT"]))


@given(texts)
def test_finds_are_in_order_and_apart(text):
    """Whatever the text, finds follow one another without overlaps, inside the text."""
    found = find_pii(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(texts)
def test_redacting_twice_is_redacting_once(text):
    """No token looks like what it stands for."""
    once = Redactor().text(text)
    assert Redactor().text(once) == once


def test_equal_values_share_a_token_and_keys_part_them():
    """Spacing and case make no other value; another value, kind or key makes another token."""
    redactor = Redactor(key=b"zebra")
    assert redactor.text("4111 1111 1111 1111") == redactor.text("4111-1111-1111-1111")
    assert redactor.text("Bob@Example.com") == redactor.text("bob@example.com") != redactor.text("bo@example.com")
    assert redactor.text("bob@example.com") != Redactor(key=b"two").text("bob@example.com")
    assert "zebra" not in repr(redactor)


def test_a_json_value_keeps_its_shape_and_its_finds_are_counted():
    """Texts at any depth, names of fields and card numbers written as numbers are replaced; all else stays."""
    value = {"to": ["bob@example.com", 7, None, True], "bob@example.com": {"card": 4111111111111111}, "n": 1.5}
    redacted, counts = Redactor().value(value)
    token = Redactor().token(PiiKind.EMAIL, "bob@example.com")
    card = Redactor().token(PiiKind.CARD, "4111111111111111")
    assert redacted == {"to": [token, 7, None, True], token: {"card": card}, "n": 1.5}
    assert counts == {PiiKind.EMAIL: 2, PiiKind.CARD: 1}


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("ssn", "078051120", PiiKind.SSN),
        ("ssn", 78051120, PiiKind.SSN),
        ("socialSecurityNumber", "078 05 1120", PiiKind.SSN),
        ("dob", "1990-01-02", PiiKind.BIRTH_DATE),
        ("birth_date", 19900102, PiiKind.BIRTH_DATE),
        ("dateOfBirth", "Jan 2, 1990", PiiKind.BIRTH_DATE),
        ("customer_phone", "5551234567", PiiKind.PHONE),
        ("mobile", 4369912345678, PiiKind.PHONE),
        ("passport", "X12345678", PiiKind.DOCUMENT),
        ("driver_license", "AB123456", PiiKind.DOCUMENT),
        ("card_number", "630427373398", PiiKind.CARD),
        ("password", "hunter two", PiiKind.SECRET),
    ],
)
def test_the_name_of_a_field_is_a_word_beside_its_value(name, value, kind):
    """What a text would say in a sentence, tool arguments say by their names: alone, in a list or in an object."""
    token = Redactor().token(kind, str(value).zfill(9) if kind is PiiKind.SSN else str(value))
    assert Redactor().value({name: value}) == ({name: token}, {kind: 1})
    assert Redactor().value({name: [value]}).value == {name: [token]}
    assert Redactor().value({"customer": {name: value}}).value == {"customer": {name: token}}


@pytest.mark.parametrize("name", ["id", "total", "hotel", "cancelled", "phone_id", "tokens", "token_count"])
def test_the_name_of_another_field_makes_nothing_personal(name):
    """Numbers and dates in fields named otherwise stay as they are."""
    value = {name: ["5551234567", 5551234567, "1990-01-02", "078051120", True]}
    assert Redactor().value(value) == (value, {})


@given(st.dictionaries(st.sampled_from(["ssn", "phone", "password", "dob", "x"]), texts))
def test_redacting_fields_twice_is_redacting_them_once(value):
    """No token is taken for a value by the name of its field."""
    once = Redactor().value(value).value
    assert Redactor().value(once).value == once


def test_only_the_kinds_asked_for_are_replaced():
    """A redactor of e-mail addresses leaves telephones."""
    only = Redactor(kinds=frozenset({PiiKind.EMAIL}))
    assert only.text("a@b.org +43 1 588 580 0").endswith("+43 1 588 580 0")


@pytest.mark.real_data
def test_labelled_texts_are_found_by_kind(shared_data: Path):
    """Every kind with a form is found at the stated recall, and nothing that is not labelled."""
    labels = {
        "EMAIL_ADDRESS": (PiiKind.EMAIL, 1.0),
        "IBAN_CODE": (PiiKind.IBAN, 1.0),
        "IP_ADDRESS": (PiiKind.IP_ADDRESS, 1.0),
        "US_SSN": (PiiKind.SSN, 1.0),
        "US_DRIVER_LICENSE": (PiiKind.DOCUMENT, 1.0),
        "CREDIT_CARD": (PiiKind.CARD, 0.98),
        "PHONE_NUMBER": (PiiKind.PHONE, 0.95),
    }
    rows = json.loads((shared_data / "pii/presidio_synth_dataset_v2.json").read_text(encoding="utf-8"))
    wanted: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    stray = 0
    for row in rows:
        found = find_pii(row["full_text"])
        for span in row["spans"]:
            start, end, name = span["start_position"], span["end_position"], span["entity_type"]
            if name in labels:
                wanted[name] += 1
                hits[name] += any(
                    one.start <= start and end <= one.end and one.kind is labels[name][0] for one in found
                )
        stray += sum(
            not any(s["start_position"] < one.end and one.start < s["end_position"] for s in row["spans"])
            for one in found
        )
    assert {name: hits[name] / wanted[name] >= least for name, (_, least) in labels.items()} == dict.fromkeys(
        labels, True
    )
    assert stray == 0
