"""Behaviour files: what they may say, and that what they may not is told with its place."""

from __future__ import annotations

import pytest

from surefoot.config.behaviours import BEHAVIOUR_KEYS, list_behaviours, load_behaviour
from surefoot.core.proof.behaviour import FixedRuns
from surefoot.errors import SuiteError
from tests.config.projects import put
from tests.docs.pages import REPOSITORY

GOOD = """\
expectation: Greets whoever writes.
request: Hello?
validators: [{kind: contains, texts: [hello]}]
"""


def loaded(root, text):
    """The behaviour of a file with this text."""
    put(root, "behaviours/greets.yaml", text)
    return load_behaviour(root, "greets")


def test_a_short_file_has_the_documented_defaults(tmp_path):
    """Nine times out of ten, in sixty runs at most, three answers of each kind kept."""
    found = loaded(tmp_path, GOOD)
    assert (found.name, found.expectation, found.samples) == ("greets", "Greets whoever writes.", 3)
    assert (found.how.threshold, found.how.at_most, found.suite.concurrency) == (0.9, 60, 4)
    assert [case.request for case in found.suite.cases] == ["Hello?"]
    assert list_behaviours(tmp_path) == ("greets",)


def test_everything_can_be_said(tmp_path):
    """Rates as shares or percentages, limits as in suites, a fixed number of runs instead."""
    found = loaded(
        tmp_path,
        GOOD + "threshold: 80%\nacceptable: 0.92\nunacceptable: 0.75\nconfidence: 0.9\nat_most: 50\nlimits:"
        " {max_calls: 70}\nsamples: 1\nconcurrency: 2\ntimeout: 5s\ntries: 2\nagent: bot\n",
    )
    assert (found.how.test.low, found.how.test.high, found.how.test.cap) == (0.75, 0.92, 50)
    assert (found.suite.limits.calls, found.suite.agent, found.suite.timeout) == (70, "bot", 5_000)
    assert loaded(tmp_path, GOOD + "runs: 20\nthreshold: 1.0\n").how == FixedRuns(threshold=1.0, runs=20)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (GOOD + "treshold: 0.9\n", "4:1", "unknown key 'treshold'"),
        (GOOD.replace("request: Hello?\n", ""), "1:1", "what is asked?"),
        (GOOD + "cases: [{id: a, request: b}]\n", "2:10", "what is asked?"),
        (GOOD + "runs: 20\nat_most: 30\n", "5:10", "`runs` is a fixed number"),
        (GOOD + "threshold: 0.99\n", "4:12", "197 without a failure are needed"),
        (GOOD + "threshold: 1.0\n", "4:12", "between 0 and 1"),
        (GOOD + "threshold: .nan\n", "4:12", "finite"),
        (GOOD + "confidence: 0.3\n", "1:1", "confidence"),
        (GOOD.replace("{kind: contains, texts: [hello]}", "length"), "3:14", "only measures"),
        (GOOD.replace("{kind: contains, texts: [hello]}", "{python: polite}"), "3:23", "names no function"),
        (GOOD.replace("[{", "[{python: 'a:contains'}, {"), "3:14", "two validators"),
        (GOOD.replace("texts: [hello]", "texts: [hello], pass_rate: 0.5"), "3:58", "nothing about one run"),
        (GOOD.replace("[{kind: contains, texts: [hello]}]", "[]"), "3:13", "at least 1 item"),
        (GOOD.replace("expectation: Greets whoever writes.\n", ""), "1:1", "'expectation' is missing"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(tmp_path, text, place, says):
    """File, line and column, what is wrong, and what to do."""
    with pytest.raises(SuiteError, match=says) as raised:
        loaded(tmp_path, text)
    assert raised.value.message.startswith(f"behaviours/greets.yaml:{place}:")
    assert raised.value.hint


@pytest.mark.parametrize("name", ["nothing", "../evals/smoke", ""])
def test_a_name_that_is_no_file_is_told(tmp_path, name):
    """Those there are stand in the hint; a path is no name; two files of one name are one too many."""
    loaded(tmp_path, GOOD)
    with pytest.raises(SuiteError, match="no behaviour") as raised:
        load_behaviour(tmp_path, name)
    assert "there are: greets" in raised.value.hint
    put(tmp_path, "behaviours/greets.yml", GOOD)
    with pytest.raises(SuiteError, match="there is also"):
        load_behaviour(tmp_path, "greets")


def test_every_key_is_on_the_page():
    """docs/behaviour.md names each key that a file may have."""
    page = (REPOSITORY / "docs" / "behaviour.md").read_text(encoding="utf-8")
    assert [key for key in BEHAVIOUR_KEYS if f"`{key}`" not in page] == []
