"""Names that are repeated in one JSON object, found wherever they are and however they are written."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.repeated_keys import repeated_keys

NAMES = st.sampled_from(["a", "b", "id", "", "a.b", "{", '"', "\\", "[0]", "\u00e9", "\U0001f600", "\n"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", '{"a": 1, "a": 2}', '"a": {', "}]", '\\"', '\\\\"', "a, b: c"]),
)


class Pairs(list):
    """An object as it is written: names may come again."""


TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(NAMES, inner), max_size=4).map(Pairs)),
    max_leaves=12,
)


def escaped(name):
    """Every character of a name as an escape: another way to write the same name."""
    units = name.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2)) + '"'


def written(tree, draw):
    """The tree as JSON, each name and each gap in one of the ways in which it can be written."""
    gap = draw(st.sampled_from(["", " ", "\n\t"]))
    if isinstance(tree, Pairs):
        names = [escaped(name) if draw(st.booleans()) else json.dumps(name) for name, _ in tree]
        members = [f"{name}{gap}:{written(one, draw)}" for name, (_, one) in zip(names, tree, strict=True)]
        return gap + "{" + ",".join(members) + "}" + gap
    if isinstance(tree, list):
        return "[" + ",".join(written(one, draw) for one in tree) + gap + "]"
    return gap + json.dumps(tree, ensure_ascii=draw(st.booleans()))


def places(tree, path=""):
    """Where a name is repeated, by the definition."""
    if isinstance(tree, Pairs):
        counts = Counter(name for name, _ in tree)
        for name, member in tree:
            place = f"{path}.{name}" if path else name
            yield from [place] if counts[name] > 1 else []
            yield from places(member, place)
    elif isinstance(tree, list):
        for at, member in enumerate(tree):
            yield from places(member, f"{path}[{at}]")


@given(TREES, st.data())
def test_every_repeated_name_is_found_where_it_is(tree, data):
    """At any depth, with names and texts that look like JSON, escaped or not: exactly those, each once, in order."""
    text = written(tree, data.draw)
    assert repeated_keys(text.encode()) == tuple(dict.fromkeys(places(tree)))


@given(TREES, st.data())
def test_it_says_nothing_of_what_a_parser_keeps_whole(tree, data):
    """There is a repeated name exactly where Python's own parser loses a member."""
    text = written(tree, data.draw)
    found = []

    def counted(pairs):
        found.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=counted)
    assert bool(repeated_keys(text.encode())) is any(found)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=12))
def test_what_json_dumps_writes_repeats_nothing(value):
    """A dictionary has every name once."""
    assert repeated_keys(json.dumps(value).encode()) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"latency_ms": 1, "latency_ms": 2}', ("latency_ms",)),
        ('{"a": 1, "\\u0061": 2}', ("a",)),
        ('{"tool_calls": [{"args": {"id": 1, "id": 2}}]}', ("tool_calls[0].args.id",)),
        ('[[{"a": 1}, {"a": 1, "a": 1, "a": 1}]]', ("[0][1].a",)),
        ('{"a": {"b": 1, "b": 2}, "a": {"c": 1, "c": 2}}', ("a", "a.b", "a.c")),
        ('{"a": {"x": 1}, "b": {"x": 1}}', ()),
        ('{"a": 1, "A": 2}', ()),
        ('"{\\"a\\": 1, \\"a\\": 2}"', ()),
        ('{"n": 1' + "0" * 5_000 + ', "n": 1e999999}', ("n",)),
        ('{"a": "line\nbreak", "a": 1}', ("a",)),
        ("3", ()),
    ],
    ids=[
        "plain",
        "escaped",
        "deep",
        "in lists",
        "in what is repeated",
        "in two objects",
        "case",
        "in a text",
        "numbers of any length",
        "control characters",
        "no object",
    ],
)
def test_paths_from_the_root(text, found):
    """Members by name, items by place; what an earlier repetition held is looked at too."""
    assert repeated_keys(text.encode()) == found


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a" 1}', b"{'a': 1}", b'{"a": 1,}', b"\xff\xfe{}", b'{"a": 1} {"a": 1}']
)
def test_what_is_no_json_is_an_error(text):
    """It is never taken for an object without repetitions."""
    with pytest.raises(ValueError, match=r"."):
        repeated_keys(text)


def test_nesting_without_end_is_an_error():
    """The parser's limit is told, and not the interpreter's end."""
    with pytest.raises(RecursionError):
        repeated_keys(b"[" * 200_000)
