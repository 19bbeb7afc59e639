"""The reader of every settings file: strict, bounded, and precise about what is wrong and where."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from surefoot.config.quantity import duration, micro_usd, millis, share
from surefoot.config.yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse_yaml, read_yaml
from surefoot.errors import PlanError, SettingsError
from tests.core.artifact.versions import json_values

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))

REFUSED = {
    "a: 1\nb: 2\na: 3\n": (3, "a: the key is written twice, first on line 1", "keep one"),
    "a:\n  b: 1\n  b: 2\n": (3, "a.b: the key is written twice", "keep one"),
    "a: [1,\n": (2, "this is no YAML", "brackets"),
    "a:\n\t- b\n": (2, "this is no YAML", "spaces"),
    "a: b: c\n": (1, "this is no YAML", "indentation"),
    "a: @b\n": (1, "this is no YAML", "indentation"),
    "a: 1\nb: x\x07y\n": (2, "the character U+0007", "remove"),
    "a: !!python/object/apply:os.system [ls]\n": (1, "the tag", "remove the tag"),
    "a: !mine 1\n": (1, "the tag", "remove the tag"),
    "a: *b\n": (1, "alias *b", "define the anchor"),
    "&a [1, *a]\n": (1, "alias *a", "define the anchor"),
    "b: &b {x: 1}\na:\n  <<: *b\n": (3, "merge key", "write the keys out"),
    "? [a, b]\n: 1\n": (1, "a key that is no plain text", "write the key as text"),
    "a: 1\n---\nb: 1\n": (2, "a second document", "remove the `---`"),
    LAUGHS: (6, f"more than {MAX_NODES} values", "fewer aliases"),
    "a: " + "[" * (MAX_DEPTH + 9): (1, f"deeper than {MAX_DEPTH} levels", "flatten"),
    b"a: 1\nb: \xff\n": (2, "not UTF-8", "save the file as UTF-8"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:24]))
def test_what_is_refused_says_where_and_what_to_do(text):
    """A file that is broken, ambiguous, hostile or too clever is refused with its line and a hint."""
    line, message, hint = REFUSED[text]
    with pytest.raises(SettingsError) as caught:
        parse_yaml(text, source="plan.yaml")
    assert caught.value.message.startswith(f"plan.yaml:{line}:")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_is_bounded_and_there(tmp_path):
    """A missing file, a folder and a file beyond the limit are each an error of the class the caller chose."""
    (tmp_path / "big.yaml").write_text("a: " + "x" * MAX_BYTES)
    for name, message in (("none.yaml", "no such file"), (".", "cannot be read"), ("big.yaml", "larger than")):
        with pytest.raises(PlanError, match=message):
            read_yaml(tmp_path / name, errors=PlanError)


OLD_MEANINGS = ["yes", "No", "on", "OFF", "010", "-007", "1_000", "0b11", "12:30:45", "190:20:30"]


@pytest.mark.parametrize("word", OLD_MEANINGS)
def test_words_that_changed_their_meaning_are_never_numbers_or_booleans(word):
    """What YAML 1.1 read as a boolean or another number is refused where a value is wanted, and where any would do."""
    node = parse_yaml(f"a: {word}\n", source="s").mapping().require("a")
    for ask in (node.boolean, node.integer, node.number, node.json):
        with pytest.raises(SettingsError, match="s:1:4: a: "):
            ask()


@pytest.mark.parametrize("word", ["yes", "NO", "on", "12:30", "2024-12-24", "1.2.3", "v1", "null-ish", "=", "1_000"])
def test_words_are_text_where_text_is_wanted(word):
    """Norway stays NO, a time of day stays a time of day, and a date is not turned into anything."""
    assert parse_yaml(f"a: {word}", source="s").mapping().require("a").text() == word


@pytest.mark.parametrize("word", ["1.10", "12", "true", "null", "~", "", "010", "0x1F"])
def test_numbers_without_quotes_are_no_text(word):
    """A version 1.10 without quotes would be 1.1, so it is refused and the quotes are suggested."""
    with pytest.raises(SettingsError, match="expected text"):
        parse_yaml(f"a: {word}", source="s").mapping().require("a").text()


def value(text):
    """The node of one value."""
    return parse_yaml(f"a: {text}\n", source="s").mapping().require("a")


def test_values_are_what_the_core_schema_says():
    """Plain scalars follow YAML 1.2; quoted ones are text."""
    assert value("{i: -12, h: 0x1F, o: 0o17, f: 1e3, g: .5, t: true, n: ~, q: '12', s: a b}").json() == {
        "i": -12,
        "h": 31,
        "o": 15,
        "f": 1000.0,
        "g": 0.5,
        "t": True,
        "n": None,
        "q": "12",
        "s": "a b",
    }
    assert value("0.10").decimal() == Decimal("0.10")
    assert value("[a, b]").texts() == ("a", "b")
    assert value("&x [1]").sequence(minimum=1)[0].integer(minimum=1, maximum=1) == 1


class Colour(StrEnum):
    """Two words."""

    RED = "red"
    BLUE = "blue"


def test_words_from_a_list_become_members():
    """A choice is one of the known words, and a near miss names the nearest."""
    assert value("red").choice(Colour) is Colour.RED
    with pytest.raises(SettingsError) as caught:
        value("bleu").choice(Colour)
    assert "did you mean 'blue'?" in caught.value.hint


WRONG = {
    "12345678901234567890": (lambda node: node.integer(), "too long"),
    "1e999": (lambda node: node.number(), "infinity"),
    ".nan": (lambda node: node.number(), "infinity"),
    "-.inf": (lambda node: node.json(), "infinity"),
    "7": (lambda node: node.integer(maximum=5), "largest allowed value is 5"),
    "-1": (lambda node: node.number(minimum=0), "smallest allowed value is 0"),
    "true": (lambda node: node.integer(), "digits only"),
    "'true'": (lambda node: node.boolean(), "without quotes"),
    "x": (lambda node: node.mapping(), "key: value"),
    "{b: 1}": (lambda node: node.sequence(), "- item"),
    "[]": (lambda node: node.sequence(minimum=1), "add what is missing"),
    "[b, b]": (lambda node: node.texts(), "keep one"),
    "' '": (lambda node: node.text(), "visible character"),
    "{stage: 1}": (lambda node: node.mapping(known=["stages"]), "did you mean 'stages'?"),
    "{b: 2}": (lambda node: node.mapping().require("c"), "add `c:`"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_value_names_its_place(text):
    """Whatever is asked of a value, the answer is that type or an error with file, line, column, key and hint."""
    ask, hint = WRONG[text]
    with pytest.raises(SettingsError) as caught:
        ask(value(text))
    assert re.match(r"s:1:\d+: a", caught.value.message)
    assert hint in caught.value.hint


def test_defaults_stand_for_keys_that_are_not_written():
    """An absent key has its default; a key written as null is a mistake, not a default."""
    fields = parse_yaml("a: null\nb: 2\n", source="s").mapping()
    assert (fields.text("x", "d"), fields.integer("b", 1), fields.boolean("x", default=True)) == ("d", 2, True)
    assert list(fields) == ["a", "b"]
    assert len(fields) == 2
    assert fields.place("b").line == 2
    assert fields.require("a").is_null
    with pytest.raises(SettingsError, match="found nothing"):
        fields.text("a", "d")


@given(found=json_values)
def test_json_is_read_as_it_is(found):
    """JSON is YAML: what another program writes as JSON comes back equal."""
    text = yaml.dump(found, Dumper=JsonDumper, allow_unicode=True, default_flow_style=True)
    assert parse_yaml(text, source="s").json() == found


class JsonDumper(yaml.SafeDumper):
    """Flow style and double quotes, which is JSON, with the escapes that YAML wants."""


JsonDumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@given(text=st.text(st.sampled_from("ab:-[]{},#&*!|>'\"%@`\n \t01é?"), max_size=20))
def test_any_text_is_read_or_refused(text):
    """No text makes the reader fail in any other way than with its own error."""
    try:
        parse_yaml(text, source="s")
    except SettingsError as error:
        refused = error
    else:
        return
    assert refused.message.startswith("s")
    assert refused.hint


@pytest.mark.real_data
def test_both_parsers_of_pyyaml_agree_on_real_files(shared_data):
    """The fast parser, where it is installed, sees the same values at the same places as the slow one."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is None:
        pytest.skip("PyYAML was installed without libyaml")

    def events(text, loader):
        seen = []
        for event in yaml.parse(text, Loader=loader):
            plain = getattr(event, "style", None) in (None, "")
            mark = (event.start_mark.line, event.start_mark.column)
            seen.append((type(event), getattr(event, "value", None), plain, mark))
        return [entry for entry in seen if not entry[0].__name__.endswith("EndEvent")]

    for path in sorted((shared_data / "agent_configs").rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert events(text, fast) == events(text, yaml.SafeLoader), path.name


@pytest.mark.parametrize(
    ("text", "read", "expected"),
    [
        ("250ms", millis, 250),
        ("1.5s", millis, 1500),
        ("10m", duration, timedelta(minutes=10)),
        ("2 h", duration, timedelta(hours=2)),
        ("7d", duration, timedelta(days=7)),
        ("0.05", micro_usd, 50_000),
        ("3", micro_usd, 3_000_000),
        ("5%", share, 500),
        ("0.01 %", share, 1),
        ("100%", share, 10_000),
    ],
)
def test_quantities_become_integers_with_a_unit(text, read, expected):
    """What people write becomes whole milliseconds, micro-dollars and basis points, exactly."""
    assert read(value(text)) == expected


@pytest.mark.parametrize(
    ("text", "read", "hint"),
    [
        ("30", millis, "250ms, 30s"),
        ("5 minutes", millis, "250ms, 30s"),
        ("0.1ms", millis, "round it"),
        ("9999999d", millis, "check the unit"),
        ("0.0000001", micro_usd, "six decimals"),
        ("-1", micro_usd, "smallest allowed"),
        ("1e30", micro_usd, "in dollars"),
        ("five", micro_usd, "write a number"),
        ("5", share, "with its sign"),
        ("0.001%", share, "smallest step"),
        ("101%", share, "all traffic"),
    ],
)
def test_quantities_without_a_unit_or_beyond_reason_are_refused(text, read, hint):
    """A bare number is 5 of what? Finer or larger than can be kept is refused rather than rounded."""
    with pytest.raises(SettingsError) as caught:
        read(value(text))
    assert hint in caught.value.hint
