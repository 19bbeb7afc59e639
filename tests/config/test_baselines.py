"""Baselines and tables of scores in files: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.config.baselines import (
    baseline_path,
    baseline_text,
    load_baseline,
    load_table,
    parse_baseline,
    parse_table,
    table_text,
    write_baseline,
)
from surefoot.core.proof.baseline import COUNTS_SUITE, EVERYTHING, Baseline
from surefoot.core.proof.table import Sample
from surefoot.core.units import AgentName, Digest
from surefoot.errors import GateError
from tests.core.proof.tables import SUITE, amounts, rate, table

BLESSED = Baseline(
    table=table("b", exact=rate([1, 0, 3], n=3, judges=("j1",)), cost_usd=amounts([0.02, None, 0.1])),
    blessed_by="ada",
    blessed_at=datetime(2026, 2, 1, 12, tzinfo=UTC),
    agent=AgentName("support"),
    label="v3",
    why="the spring release",
)


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    """Counts, digests, judges, who and when: everything is there again, in one line a case."""
    path = baseline_path(tmp_path, SUITE, "support")
    assert path == tmp_path / "baselines" / "support" / "support.json"
    write_baseline(path, BLESSED)
    assert load_baseline(path) == BLESSED
    assert load_table(path) == BLESSED.table
    assert '    "c0": [3,1.0,1.0,0,0],\n' in path.read_text(encoding="utf-8")


def test_a_second_blessing_replaces_the_first_and_leaves_nothing_else(tmp_path):
    """The file is replaced whole; no temporary file stays."""
    path = baseline_path(tmp_path, "../../etc/passwd@sha256:1")
    assert path.parent == tmp_path / "baselines"
    for _ in range(2):
        write_baseline(path, BLESSED)
    assert [one.name for one in path.parent.iterdir()] == ["etc-passwd.json"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=12), st.text(max_size=8))
def test_a_table_is_read_as_it_was_written(passes, metric):
    """Any counts and any metric's name survive the way through a file."""
    wanted = table("c", **{metric: rate(passes, n=4)})
    assert parse_table(table_text(wanted).encode(), source="t.json") == wanted


def test_plain_counts_are_a_table():
    """n and passed, n with mean and sd, or a bare mean; each says as much as it knows."""
    raw = {"metrics": {"exact": {"n": 100, "passed": 95}, "quality": {"n": 50, "mean": 4.0, "sd": 0.5}, "old": 0.9}}
    found = parse_table(json.dumps(raw).encode(), source="m.json")
    assert (found.suite, found.version) == (COUNTS_SUITE, Digest(""))
    assert found.columns["exact"].samples[EVERYTHING] == Sample(n=100, total=95.0, squares=95.0)
    quality = found.columns["quality"].samples[EVERYTHING]
    assert (quality.n, quality.mean) == (50, 4.0)
    assert quality.squares - 50 * 16.0 == pytest.approx(0.25 * 49)
    assert not found.columns["old"].is_rate


GOOD = json.loads(table_text(BLESSED.table))


def changed(**changes: object) -> dict[str, object]:
    """A good table with one column's sample replaced."""
    column = {"is_rate": True, "judges": [], "samples": {"c0": changes["sample"]}}
    return {**GOOD, "columns": {"exact": column}}


BAD = {
    "no JSON": b"{",
    "no UTF-8": b'{"metrics": {"\xff": 1}}',
    "a list": b"[]",
    "deep": b'{"metrics": ' + b"[" * 100_000,
    "NaN": b'{"metrics": {"exact": NaN}}',
    "huge": b'{"metrics": {"exact": 1e999}}',
    "text for a number": {"metrics": {"exact": "0.9"}},
    "unknown key": {"metrics": {"exact": {"n": 5, "pased": 4}}},
    "more passed than tried": {"metrics": {"exact": {"n": 5, "passed": 6}}},
    "negative": {"metrics": {"exact": {"n": -5, "passed": 0}}},
    "n alone": {"metrics": {"exact": {"n": 5}}},
    "mean without sd": {"metrics": {"exact": {"n": 5, "mean": 1.0}}},
    "both": {"metrics": {"exact": {"n": 5, "passed": 4, "mean": 0.8}}},
    "no digest": {**GOOD, "version": "v3"},
    "other format": {**GOOD, "format": 2},
    "impossible rate": changed(sample=[3, 4, 4, 0, 0]),
    "half a case": changed(sample=[3, 1.5, 1.5, 0, 0]),
    "four numbers": changed(sample=[3, 1, 1, 0]),
    "sums of nothing": changed(sample=[0, 1, 1, 0, 0]),
    "edited sum": changed(sample=[3, 3, 1, 0, 0]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_table_is_refused(case):
    """Truncated, non-UTF-8, NaN, impossible and unknown content is an error that names the file, with a hint."""
    raw = BAD[case]
    with pytest.raises(GateError) as found:
        parse_table(raw if isinstance(raw, bytes) else json.dumps(raw).encode(), source="m.json")
    assert found.value.message.startswith("m.json")
    assert found.value.hint


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ('{"metrics": {"exact": {"n": 9, "passed": 1}, "exact": {"n": 9, "passed": 9}}}', "metrics.exact"),
        ('{"metrics": {"exact": {"n": 9, "passed": 1, "passed": 9}}}', "metrics.exact.passed"),
        ('{"metrics": {"exact": 0.1}, "metrics": {"exact": 0.9}}', "metrics"),
        (table_text(BLESSED.table).replace('"c0": ', '"c0": [1,0.0,0.0,0,0], "c0": ', 1), ".samples.c0"),
    ],
)
def test_a_name_that_stands_twice_is_refused(raw, name):
    """Two numbers under one name, however deep: neither is taken, and the error says which name it is."""
    with pytest.raises(GateError, match="stands twice") as found:
        parse_table(raw.encode(), source="m.json")
    assert name in found.value.message
    assert found.value.hint


def test_a_case_that_stands_twice_makes_no_baseline():
    """What was blessed is known once a case, or it is not known."""
    raw = baseline_text(BLESSED).replace('"c0": ', '"c0": [1,0.0,0.0,0,0], "c0": ', 1)
    with pytest.raises(GateError, match=r"samples\.c0"):
        parse_baseline(raw.encode(), source="b.json")


def test_a_table_is_no_baseline(tmp_path):
    """Nobody blessed a table; and a file that is not there is an error with a hint."""
    with pytest.raises(GateError, match="is no baseline"):
        parse_baseline(table_text(BLESSED.table).encode(), source="t.json")
    with pytest.raises(GateError, match="no such file"):
        load_baseline(tmp_path / "nothing.json")


def test_plain_counts_may_stand_alone():
    """Results of another program need no envelope: the metrics by name are enough."""
    bare = b'{"exact": {"n": 100, "passed": 95}, "p95_ms": 1500}'
    assert parse_table(bare, source="m.json") == parse_table(b'{"metrics": ' + bare + b"}", source="m.json")
    with pytest.raises(GateError, match=r"m\.json"):
        parse_table(b'{"exact": "nearly all"}', source="m.json")
