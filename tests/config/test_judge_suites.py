"""Judges in a suite's file: what has to be written, what is taken from the suite, what is refused and where."""

from __future__ import annotations

import pytest

from surefoot.config.evaluators import read_evaluator
from surefoot.config.judges import JUDGE_KEYS, judge_of
from surefoot.config.yaml import parse_yaml
from surefoot.core.proof.suite import EvaluatorSpec
from surefoot.errors import SuiteError
from tests.docs.pages import REPOSITORY


def read(text: str, shared: str | None = None) -> EvaluatorSpec:
    judge = None if shared is None else parse_yaml(shared, source="s.yaml", errors=SuiteError)
    return read_evaluator(parse_yaml(text, source="s.yaml", errors=SuiteError), judge)


def test_a_judge_has_its_rubrics_defaults() -> None:
    """The rubric gives metric and threshold; one vote at temperature 0; the endpoint is not in the fingerprint."""
    here = read("{kind: judge, rubric: relevance, model: m, base_url: 'http://127.0.0.1:1/v1'}")
    judge, where = judge_of(here)
    assert (here.metric, judge.threshold, judge.votes, judge.parameters) == ("relevance", 3, 1, '{"temperature":0}')
    assert where.base_url == "http://127.0.0.1:1/v1"
    there, _ = judge_of(read("{kind: judge, rubric: relevance, model: m, base_url_env: JUDGE_URL}"))
    assert there.fingerprint == judge.fingerprint


def test_what_a_judge_does_not_say_the_suite_says_for_all() -> None:
    """A judge's own keys win; an address of its own wins over both kinds of the suite's."""
    shared = "{model: big, base_url_env: JUDGE_URL, votes: 3, parameters: {max_tokens: 200}}"
    judge, where = judge_of(read("{kind: judge, rubric: violence, threshold: 1}", shared))
    assert (judge.model, judge.votes, judge.threshold, where.base_url_env) == ("big", 3, 1, "JUDGE_URL")
    judge, where = judge_of(read("{kind: judge, rubric: violence, model: m, base_url: 'http://[::1]:1'}", shared))
    assert (judge.model, where.base_url, where.base_url_env) == ("m", "http://[::1]:1", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{kind: judge, rubric: relevance, base_url_env: U}", "needs 'model'"),
        ("{kind: judge, rubric: relevance, model: m}", "one of 'base_url'"),
        ("{kind: judge, rubric: relevance, model: m, base_url: a, base_url_env: B}", "one of 'base_url'"),
        ("{kind: judge, rubric: beauty, model: m, base_url_env: U}", "beauty"),
        ("{kind: judge, model: m, base_url_env: U}", "rubric"),
        ("{kind: judge, rubric: relevance, model: m, base_url_env: U, votes: 2}", "votes is odd"),
        (
            "{kind: judge, rubric: relevance, model: m, base_url_env: U, threshold: 6}",
            "threshold of relevance is 1 to 5",
        ),
        ("{kind: judge, rubric: relevance, model: m, base_url_env: U, api_key: s}", "api_key"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_with_its_place(text: str, message: str) -> None:
    """Wrong keys, scales and votes are found where they are written, before anything is asked."""
    with pytest.raises(SuiteError, match=message) as found:
        read(text)
    assert found.value.message.startswith("s.yaml:1:")


def test_every_key_is_on_the_page() -> None:
    """What can be written is described in docs/judges.md."""
    page = (REPOSITORY / "docs/judges.md").read_text(encoding="utf-8")
    assert [key for key in JUDGE_KEYS if f"`{key}`" not in page] == []
