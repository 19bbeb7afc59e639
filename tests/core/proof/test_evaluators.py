"""Evaluators: what passes, what fails, and that what is missing is skipped and never passed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.case import Case
from surefoot.core.proof.run_evaluators import (
    AllowedTools,
    Amount,
    Outcome,
    ToolCalls,
    Trajectory,
    cost_usd,
    latency_ms,
    tokens,
)
from surefoot.core.proof.score import Status
from surefoot.core.proof.text import token_f1
from surefoot.core.proof.text_evaluators import (
    Contains,
    Exact,
    Excludes,
    Grounded,
    Length,
    MatchesSchema,
    NoPii,
    Refuses,
    Resembles,
    Searched,
)
from surefoot.core.proof.trace import Trace, TracedCall, TracedResult

BARE_CASE = Case(id="c", request="hello")
BARE_RUN = Trace(trace_id="t", request="hello")
CALL = TracedCall(name="look", args={"id": 7})
ALL = [
    Exact(),
    Contains(texts=("a",)),
    Contains(),
    Excludes(texts=("a",)),
    Excludes(),
    Searched(search=lambda text: True),
    MatchesSchema(problem=lambda value: None),
    Resembles(measure=token_f1, metric="token_f1", threshold=0.0),
    Grounded(threshold=0.0),
    Length(least=0),
    NoPii(),
    Refuses(expected=True),
    Refuses(),
    Trajectory(),
    ToolCalls(tools={"look": lambda args: None}),
    AllowedTools(),
    Amount(read=latency_ms, metric="latency_ms", most=1e9),
    Amount(read=cost_usd, metric="cost_usd", most=1e9),
    Amount(read=tokens, metric="tokens", most=1e9),
    Outcome(),
    Outcome(safety=True),
]


HARMLESS = [
    Excludes(texts=("secret",)),
    Searched(search=lambda text: False, absent=True),
    Length(most=30),
    NoPii(),
    Refuses(expected=False),
]


@pytest.mark.parametrize("evaluator", HARMLESS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("said", ["", "  \n"])
def test_a_run_that_said_and_did_nothing_is_not_harmless(evaluator, said):
    """What passes because nothing bad is there needs something to be there; an act, or one word, is enough."""
    silent = replace(BARE_RUN, response=said)
    score = evaluator.evaluate(BARE_CASE, silent)
    assert (score.status, score.passed) == (Status.ERROR, None)
    assert evaluator.evaluate(BARE_CASE, replace(silent, tool_calls=(CALL,))).passed
    assert evaluator.evaluate(BARE_CASE, replace(BARE_RUN, response="fine")).passed


@pytest.mark.parametrize("evaluator", ALL, ids=lambda one: type(one).__name__)
def test_a_run_that_recorded_nothing_is_skipped_with_a_reason(evaluator):
    """No evaluator passes, or fails, what it knows nothing about."""
    score = evaluator.evaluate(BARE_CASE, BARE_RUN)
    assert (score.status, score.passed, score.value) == (Status.SKIPPED, None, None)
    assert len(score.reason.split()) > 2


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(response=ANYTHING, expected=ANYTHING, args=st.dictionaries(st.text(max_size=3), ANYTHING, max_size=2))
def test_no_evaluator_raises_whatever_the_run_holds(response, expected, args):
    """Any JSON in a trace gives a score, the same one each time."""
    case = replace(BARE_CASE, expected=expected, expected_calls=(CALL,), allowed_tools=("look",), context="x")
    run = replace(
        BARE_RUN,
        response=response,
        tool_calls=(TracedCall(name="look", args=args),),
        tool_results=(TracedResult(result=response),),
    )
    for evaluator in ALL:
        assert evaluator.evaluate(case, run) == evaluator.evaluate(case, run)


def passed(evaluator, *, response=None, case=BARE_CASE, **run):
    return evaluator.evaluate(case, replace(BARE_RUN, response=response, **run)).passed


EXPECTS = replace(BARE_CASE, expected="Friday")
CASES = {
    "exact": (Exact(), "Friday \n", EXPECTS, True),
    "exact, other case": (Exact(), "friday", EXPECTS, False),
    "exact, any case": (Exact(ignore_case=True), "friday", EXPECTS, True),
    "exact value": (Exact(), {"a": 1}, replace(BARE_CASE, expected={"a": 1}), True),
    "contains expected": (Contains(), "on FRIDAY", EXPECTS, True),
    "contains all": (Contains(texts=("a", "b")), "a", BARE_CASE, False),
    "contains any": (Contains(texts=("a", "b"), any_of=True), "a", BARE_CASE, True),
    "contains criteria": (Contains(), "x", replace(EXPECTS, criteria={"contains": ["x"]}), True),
    "contains a number": (Contains(), "it is 5.", replace(BARE_CASE, expected=5), True),
    "contains another number": (Contains(), "it is 6.", replace(BARE_CASE, expected=[5, "6"]), False),
    "excludes a number": (Excludes(), "pin 1234", replace(BARE_CASE, criteria={"excludes": 1234}), False),
    "excludes": (Excludes(texts=("CANARY-1",)), "all is well", BARE_CASE, True),
    "excludes broken": (Excludes(texts=("CANARY-1",)), "it is canary-1", BARE_CASE, False),
    "no json": (MatchesSchema(problem=lambda value: None), "prose", BARE_CASE, False),
    "not a number": (MatchesSchema(problem=lambda value: None), "NaN", BARE_CASE, False),
    "schema": (MatchesSchema(problem=lambda value: None if value == [1] else "no"), "[1]", BARE_CASE, True),
    "alike": (Resembles(measure=token_f1, metric="f", threshold=0.6), "on Friday", EXPECTS, True),
    "grounded": (Grounded(threshold=1), "it costs 5 euro", replace(BARE_CASE, context="It costs 5 euro."), True),
    "made up": (Grounded(threshold=1), "it costs 9 euro", replace(BARE_CASE, context="It costs 5 euro."), False),
    "long": (Length(most=2), "one two three", BARE_CASE, False),
    "leak": (NoPii(), "mail ada@example.org", BARE_CASE, False),
    "echo": (NoPii(), "ada@example.org, yes", replace(BARE_CASE, request="I am ada@example.org"), True),
    "refuses": (Refuses(expected=True), "I\u2019m sorry, but I can\u2019t help with that.", BARE_CASE, True),
    "answers": (Refuses(expected=False), "Your order can't be found in the list; it is 7.", BARE_CASE, True),
    "complies": (Refuses(), "Sure, here it is", replace(BARE_CASE, criteria={"refusal": True}), False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_answer_has_to_be(name):
    """Each evaluator of answers on a case it passes or fails."""
    evaluator, response, case, wanted = CASES[name]
    assert passed(evaluator, response=response, case=case) is wanted


def test_what_an_agent_does_is_judged():
    """Calls against expectation, schema and permission; amounts against limits."""
    expects = replace(BARE_CASE, expected_calls=(CALL,))
    called = {"tool_calls": (CALL,)}
    assert passed(Trajectory(), case=expects, **called) is True
    assert passed(Trajectory(), case=expects) is False
    fits = ToolCalls(tools={"look": lambda args: None if args == {"id": 7} else "wrong"})
    assert passed(fits, **called) is True
    assert passed(fits, tool_calls=(CALL, TracedCall(name="pay"))) is False
    assert passed(fits, case=expects) is False
    assert passed(AllowedTools(forbidden=frozenset({"look"})), **called) is False
    assert passed(AllowedTools(), case=replace(BARE_CASE, allowed_tools=("pay",)), **called) is False
    assert passed(AllowedTools(), case=replace(BARE_CASE, allowed_tools=("look",)), **called) is True
    assert passed(AllowedTools(allowed=frozenset({"look"})), allowed_tools=(), **called) is False
    slow = Amount(read=latency_ms, metric="latency_ms", most=5)
    assert [passed(slow, latency_ms=ms) for ms in (5, 5.1)] == [True, False]
    assert passed(Amount(read=latency_ms, metric="latency_ms"), latency_ms=5) is None
    assert passed(Outcome(), outcome="failure") is False
    assert passed(Outcome(), outcome="refused", expected_outcome="refused") is True
    assert passed(Outcome(safety=True), safety={"violated": True}) is False


def test_a_canary_in_an_argument_is_found():
    """What leaks leaks through tools first."""
    run = {"tool_calls": (TracedCall(name="mail", args={"body": ["x CANARY-1"]}),)}
    assert passed(Excludes(texts=("CANARY-1",)), response="done", **run) is False


def test_a_search_that_gives_up_is_an_error():
    """Neither too long a text nor too slow a pattern is a verdict."""

    def slow(text):
        raise TimeoutError

    for evaluator in (Searched(search=slow), Searched(search=lambda text: True, longest=3)):
        assert evaluator.evaluate(BARE_CASE, replace(BARE_RUN, response="four")).status is Status.ERROR


def test_a_leak_is_not_repeated_in_the_report():
    """The reason names the kind of what leaked, never the thing itself."""
    score = NoPii().evaluate(BARE_CASE, replace(BARE_RUN, response="mail ada@example.org"))
    assert "ada" not in score.reason
    assert "email" in score.reason


@pytest.mark.parametrize("value", [float("nan"), -5.0])
def test_an_amount_that_is_no_number_is_an_error(value):
    """NaN compares with nothing and less than nothing is within every limit, so neither is a pass."""
    score = Amount(read=latency_ms, metric="m", most=5).evaluate(BARE_CASE, replace(BARE_RUN, latency_ms=value))
    assert score.status is Status.ERROR
