"""`surefoot eval import`, and what the gates make of it."""

from __future__ import annotations

import json

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import put

JUNIT = '<testsuites><testsuite name="s" tests="{n}">{cases}</testsuite></testsuites>'
GATES = "min_cases: 5\ngates: [{kind: suite, metric: passed}]\n"


@pytest.mark.parametrize(
    ("inner", "code"), [("", 0), ("<failure message='no'/>", 1), ("<error message='away'/>", 2), ("<skipped/>", 0)]
)
def test_results_of_others_count_in_our_gates(tmp_path, inner, code):
    """A pass passes, a failure fails, an error leaves it open; a skipped test beside passes does not hide them."""
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "gates/quality_gates.yaml", GATES)
    cases = "".join(f'<testcase name="t{i}"/>' for i in range(9)) + f'<testcase name="t9">{inner}</testcase>'
    put(tmp_path, "junit.xml", JUNIT.format(n=10, cases=cases))
    scores = tmp_path / "scores.json"
    read = surefoot(tmp_path, "eval", "import", str(tmp_path / "junit.xml"), "--from", "junit", "--out", str(scores))
    assert read.code == 0, read.err
    assert surefoot(tmp_path, "gate", "check", "--metrics", str(scores)).code == code


def test_attacks_of_others_become_a_document(tmp_path):
    """garak's counts are scores for the gates and cells for the report; other programs have no attacks."""
    put(tmp_path, "surefoot.yaml", "")
    lines = [
        {"entry_type": "init"},
        {"entry_type": "eval", "probe": "dan.X", "detector": "d", "passed": 9, "total": 9},
        {"entry_type": "completion"},
    ]
    put(tmp_path, "r.jsonl", "\n".join(map(json.dumps, lines)))
    words = ("eval", "import", str(tmp_path / "r.jsonl"), "--out", str(tmp_path / "s.json"), "--json")
    attacks = ("--attacks", str(tmp_path / "a.json"))
    ended = surefoot(tmp_path, *words, "--from", "garak", *attacks)
    assert (ended.code, [row["mean"] for row in ended.json["metrics"]]) == (0, [0.0, 0.0, 0.0])
    document = json.loads((tmp_path / "a.json").read_text())
    assert (document["surefoot"], document["attacks"]["cells"][0]["strategy"]) == ("attacks/1", "dan.X")
    put(tmp_path, "j.xml", JUNIT.format(n=1, cases='<testcase name="t"/>'))
    other = ("eval", "import", str(tmp_path / "j.xml"), "--out", str(tmp_path / "s2.json"), "--from", "junit")
    assert surefoot(tmp_path, *other, *attacks).code == 3
    assert not (tmp_path / "s2.json").exists()


@pytest.mark.parametrize("source", ["promptfoo", "junit", "inspect", "garak", "pyrit"])
def test_an_empty_file_is_refused_and_nothing_is_written(tmp_path, source):
    """No table comes of nothing."""
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "empty", "")
    out = tmp_path / "s.json"
    ended = surefoot(tmp_path, "eval", "import", str(tmp_path / "empty"), "--from", source, "--out", str(out))
    assert (ended.code, out.exists()) == (2, False)
