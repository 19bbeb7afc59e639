"""One text for one JSON value, the one that RFC 8785 prescribes."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given

from surefoot.core.artifact.canonical import CanonicalJson, canonical, parse_canonical, parse_object
from surefoot.errors import ArtifactError
from tests.core.artifact.versions import json_values

RFC_8785_APPENDIX_B = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
    "4012000000000000": "4.5",  # section 3.2.2.3
    "3f60624dd2f1a9fc": "0.002",
}


@pytest.mark.parametrize(("bits", "text"), RFC_8785_APPENDIX_B.items())
def test_numbers_are_written_as_the_standard_lists_them(bits, text):
    """A double is written as RFC 8785 appendix B writes it, and read back as the same double."""
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(value) == text
    assert canonical(parse_canonical(CanonicalJson(text))) == text


def test_text_and_keys_are_written_as_the_standard_shows_them():
    """The example of RFC 8785 section 3.2.3: keys in UTF-16 order, escapes only where JSON demands them."""
    value = {
        "\u20ac": "Euro Sign",
        "\r": "\x7f\x01",
        "\ufb33": 1,
        "1": "é",
        "\U0001f600": [56.0, {"d": True}],
        "\x80": None,
    }
    assert canonical(value) == (
        '{"\\r":"\x7f\\u0001","1":"é","\x80":null,"\u20ac":"Euro Sign","\U0001f600":[56,{"d":true}],"\ufb33":1}'
    )


@given(value=json_values)
def test_canonical_text_is_json_and_a_fixed_point(value):
    """A JSON reader whose numbers are doubles gets the value back, and writing what was read gives the same text."""
    text = canonical(value)
    assert parse_canonical(text) == value
    assert canonical(json.loads(text, parse_int=float)) == text
    assert canonical(parse_canonical(text)) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"\udfff": 1}])
def test_values_that_programs_disagree_about_are_refused(value):
    """NaN, infinity, integers that a double cannot hold and half a character have no canonical text."""
    with pytest.raises(ArtifactError) as caught:
        canonical([value])
    assert caught.value.hint


def test_bottomless_values_are_refused():
    """Nesting is bounded, so that a hostile file cannot exhaust the stack."""
    value: list[object] = []
    for _ in range(127):
        value = [value]
    assert canonical(value) == "[" * 128 + "]" * 128
    with pytest.raises(ArtifactError, match="nested"):
        canonical([value])


@pytest.mark.parametrize("text", ['{"b":1,"a":2}', '{"a": 1}', "[1.0]", "{", "[" * 5000, '{"a":1,"a":2}'])
def test_other_spellings_are_refused(text):
    """A text that is not canonical would compare unequal to its equals, so it cannot enter a version."""
    with pytest.raises(ArtifactError):
        parse_canonical(CanonicalJson(text))


def test_an_object_is_asked_for_and_got():
    """Where names and values are wanted, a list is an error."""
    with pytest.raises(ArtifactError, match="object"):
        parse_object(CanonicalJson("[]"))
