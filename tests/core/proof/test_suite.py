"""What a suite by itself says of a version, what its digest covers, and how a version contradicts itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.case import Case
from surefoot.core.proof.flakiness import flakes, halves
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.score import Attempt, Result, Score
from surefoot.core.proof.suite import EvaluatorSpec, Limits, Suite, rule_suite
from surefoot.core.proof.table import table_of
from surefoot.testing.samples import STABLE

SUITE = Suite(
    name="s",
    cases=tuple(Case(id=f"c{i}", request=i) for i in range(4)),
    evaluators=(EvaluatorSpec(kind="exact", metric="exact", pass_rate=0.75),),
)
OUTCOMES = {
    "pass": Score.scored("exact", 1.0, passed=True),
    "fail": Score.scored("exact", 0.0, passed=False),
    "skip": Score.skipped("exact", "nothing to compare"),
    "error": Score.failed("exact", "it broke"),
}


def results(*words: str, trial: int = 0) -> list[Result]:
    return [
        Result(attempt=Attempt(f"c{i}", STABLE, trial), error="away")
        if word == "gone"
        else Result(attempt=Attempt(f"c{i}", STABLE, trial), scores=(OUTCOMES[word],))
        for i, word in enumerate(words)
    ]


def decision(*words: str, suite: Suite = SUITE, stopped: str = "") -> Decision:
    table = table_of(suite.identity, STABLE, results(*words), metrics=suite.metrics)
    return rule_suite(suite, table, stopped=stopped).decision


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("pass pass pass pass", Decision.PASSED),
        ("pass pass pass fail", Decision.PASSED),
        ("pass pass fail fail", Decision.FAILED),
        ("pass pass pass error", Decision.UNDECIDED),
        ("pass pass pass gone", Decision.UNDECIDED),
        ("error fail fail fail", Decision.FAILED),
        ("gone gone gone gone", Decision.UNDECIDED),
        ("skip skip skip skip", Decision.UNDECIDED),
        ("pass skip skip skip", Decision.UNDECIDED),
        ("pass pass pass", Decision.UNDECIDED),
        ("", Decision.UNDECIDED),
    ],
)
def test_a_suite_decides_on_what_it_saw(words, wanted):
    """Enough passes pass, too many fails fail; errors, gaps and nothing leave it open."""
    assert decision(*words.split()) is wanted


def test_what_a_case_does_not_have_is_no_loss():
    """Skipped for want of a reference answer is nobody's fault; skipped where a case like it was scored is a loss."""
    cases = tuple(Case(id=f"c{i}", request=i, expected="x" if i < 2 else None) for i in range(4))
    mixed = replace(SUITE, cases=cases)
    assert decision("pass", "pass", "skip", "skip", suite=mixed) is Decision.PASSED
    assert decision("pass", "skip", "skip", "skip", suite=mixed) is Decision.UNDECIDED


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["pass", "fail", "skip", "error", "gone"]), max_size=4), st.integers(0, 3))
def test_no_evidence_is_never_good_news(words, place):
    """Losing a case, or its score to an error, never turns anything into a pass."""
    if decision(*words) is Decision.PASSED or place >= len(words):
        return
    assert decision(*words[:place], *words[place + 1 :]) is not Decision.PASSED
    assert decision(*words[:place], "error", *words[place + 1 :]) is not Decision.PASSED


def test_a_run_that_was_stopped_decides_nothing():
    """Even with everything right so far."""
    assert decision("pass", "pass", "pass", "pass", stopped="the money is gone") is Decision.UNDECIDED


def test_a_rule_on_the_point_says_how_often_it_is_wrong():
    """Right at its `pass_rate` a version is a coin, and far above it there is nothing to say."""

    def ruled(passes: int, cases: int = 40):
        many = replace(SUITE, cases=tuple(Case(id=f"c{i}", request=i) for i in range(cases)))
        words = ["pass"] * passes + ["fail"] * (cases - passes)
        table = table_of(many.identity, STABLE, results(*words), metrics=many.metrics)
        return rule_suite(many, table).rulings[0]

    at_the_edge = ruled(30)
    assert 0.3 < (at_the_edge.false_alarms or 0.0) < 0.6
    assert "cases drawn anew" in at_the_edge.reason
    assert ruled(40).false_alarms == 0.0
    assert ruled(1, cases=1).false_alarms is None


def test_what_only_measures_decides_nothing():
    """A suite without anything that can pass is not decided; beside a real metric the measure is only told."""
    measure = EvaluatorSpec(kind="exact", metric="exact", measures=True)
    assert decision("pass", "pass", "pass", "pass", suite=replace(SUITE, evaluators=(measure,))) is Decision.UNDECIDED
    both = replace(SUITE, evaluators=(*SUITE.evaluators, replace(measure, metric="tokens")))
    assert decision("pass", "pass", "pass", "pass", suite=both) is Decision.PASSED


def test_the_digest_is_what_is_asked():
    """Cases and evaluators change it; trials, limits, descriptions and the share that has to pass do not."""
    same = replace(SUITE, trials=9, limits=Limits(calls=1), description="x", tags=("smoke",))
    lenient = replace(SUITE, evaluators=(replace(SUITE.evaluators[0], pass_rate=0.1),))
    assert same.digest == lenient.digest == SUITE.digest
    case = replace(SUITE.cases[0], expected="y")
    for other in (
        replace(SUITE, cases=SUITE.cases[1:]),
        replace(SUITE, cases=(case, *SUITE.cases[1:])),
        replace(SUITE, evaluators=(replace(SUITE.evaluators[0], metric="other"),)),
    ):
        assert other.digest != SUITE.digest


def test_a_suite_that_asks_nothing_cannot_be():
    """No cases, no evaluators, or two of one name."""
    for broken in (
        {"cases": ()},
        {"evaluators": ()},
        {"cases": SUITE.cases * 2},
        {"evaluators": SUITE.evaluators * 2},
    ):
        with pytest.raises(ValueError, match=r"suite|two"):
            replace(SUITE, **broken)


def test_flaky_cases_are_found_and_halves_are_apart():
    """A case that passed in some trials only is flaky; the flakiest come first; trials alternate between the halves."""
    trials = ["pass pass fail pass", "pass fail fail pass", "pass pass fail pass", "pass fail fail fail"]
    found = [result for trial, words in enumerate(trials) for result in results(*words.split(), trial=trial)]
    table = table_of(SUITE.identity, STABLE, found, metrics=SUITE.metrics)
    assert [(flake.case, flake.passed) for flake in flakes(table)] == [("c1", 2), ("c3", 3)]
    assert flakes(table)[0].rate == pytest.approx(2 / 3)
    first, second = halves(found)
    assert ({one.attempt.trial for one in first}, {one.attempt.trial for one in second}) == ({0, 2}, {1, 3})
