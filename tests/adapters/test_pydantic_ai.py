"""Pydantic AI's agents and evaluators, with its own test model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

pytest.importorskip("pydantic_ai", reason="needs the extra: pip install 'surefoot[pydantic-ai]'")
pytest.importorskip("pydantic_evals", reason="needs the extra: pip install 'surefoot[pydantic-ai]'")

from pydantic_ai import Agent, ModelRetry
from pydantic_ai.models.test import TestModel
from pydantic_evals import evaluators as theirs

from surefoot.adapters.pydantic_ai import BridgedEvaluator, BridgedJudge, answering
from surefoot.core.proof.case import Case
from surefoot.core.proof.score import Status
from surefoot.core.proof.trace import Trace
from surefoot.ports.executor import ToolCall
from surefoot.testing.samples import version

CASE = Case(id="c", request="Where?", expected="In Graz.")
TRACE = Trace(trace_id="t", request="Where?", response="In Graz.", latency_ms=20)


def agent(fails: int = 0) -> Agent[None, str]:
    made = Agent(TestModel(custom_output_text="In Graz."))
    left = [fails]

    @made.tool_plain(retries=2)
    def find(parcel: int) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise ModelRetry("which?")
        return "Graz"

    return made


def test_an_agent_answers_with_its_calls_and_tokens():
    """Output, tools with results, tokens and model calls come out of the run."""
    answer = asyncio.run(answering(agent())(version(), "Where?", None))
    assert answer.output == "In Graz."
    assert answer.tool_calls == (ToolCall(name="find", arguments={"parcel": 0}, result="Graz", success=True),)
    assert answer.seen.tokens == (answer.input_tokens or 0) + (answer.output_tokens or 0) > 0
    assert (answer.seen.model_calls, answer.seen.latency_ms is not None) == (2, True)


def test_a_tool_that_asked_to_be_called_again_failed():
    """A retry is a call that did not succeed."""
    answer = asyncio.run(answering(agent(fails=1))(version(), "Where?", None))
    assert [call.success for call in answer.tool_calls] == [False, True]


@dataclass
class Says(theirs.Evaluator):
    what: object

    def evaluate(self, ctx):
        return self.what


@dataclass
class SaysLater(theirs.Evaluator):
    what: object

    async def evaluate(self, ctx):
        return self.what


@pytest.mark.parametrize(
    ("what", "more", "value", "passed"),
    [
        (True, {}, 1.0, True),
        (False, {}, 0.0, False),
        (0.7, {}, 0.7, None),
        (0.7, {"threshold": 0.8}, 0.7, False),
        (theirs.EvaluationReason(value=True, reason="r"), {}, 1.0, True),
        ({"tone": 1, "length": 5}, {"key": "length"}, 5.0, None),
        ({"tone": True}, {}, 1.0, True),
        ({"tone": 1, "length": 5}, {}, None, None),
        ({"tone": 1}, {"key": "length"}, None, None),
        ({}, {}, None, None),
        ("good", {}, None, None),
        (float("nan"), {}, None, None),
        (None, {}, None, None),
    ],
)
def test_evaluators_score_or_err(what, more, value, passed):
    """Booleans pass or fail, numbers measure, and labels, NaN and nothing are errors; awaited or not."""
    score = BridgedEvaluator(evaluator=Says(what), metric="m", **more).evaluate(CASE, TRACE)
    assert (score.value, score.passed) == (value, passed)
    assert (score.status is Status.ERROR) is (value is None)
    judge = BridgedJudge(evaluator=SaysLater(what), metric="m", endpoint="e", **more)
    judged = asyncio.run(judge.judge(CASE, TRACE)).score
    assert (judged.value, judged.passed, judged.judge) == (value, passed, judge.fingerprint)


def test_their_own_evaluators_see_the_case():
    """Expected output, output and duration are those of the case and the run."""
    assert BridgedEvaluator(evaluator=theirs.EqualsExpected(), metric="m").evaluate(CASE, TRACE).passed is True
    assert (
        BridgedEvaluator(evaluator=theirs.MaxDuration(seconds=0.01), metric="m").evaluate(CASE, TRACE).passed is False
    )


def test_an_evaluator_without_its_spans_is_an_error_and_not_a_fail():
    """Where no spans are recorded theirs say that no tool was called; here nothing is said."""
    missing = theirs.HasMatchingSpan(query={"name_equals": "x"})
    with pytest.raises(Exception, match="spans"):
        BridgedEvaluator(evaluator=missing, metric="m").evaluate(CASE, TRACE)
    from pydantic_evals.evaluators import agentic

    kinds = [getattr(agentic, name) for name in agentic.__all__ if name.startswith("Max")]
    for kind in kinds:
        limits = {name: 1 for name in kind.__dataclass_fields__ if name.startswith("max_")}
        score = BridgedEvaluator(evaluator=kind(**limits), metric="m").evaluate(CASE, TRACE)
        assert (score.status, "spans" in score.reason) == (Status.ERROR, True)
    assert kinds


def test_what_has_to_be_awaited_is_no_evaluator():
    """A coroutine is neither a pass nor left unawaited."""
    score = BridgedEvaluator(evaluator=SaysLater(what=True), metric="m").evaluate(CASE, TRACE)
    assert (score.status, "BridgedJudge" in score.reason) == (Status.ERROR, True)


def test_a_run_without_an_answer_is_skipped():
    """Nothing recorded, nothing scored."""
    score = BridgedEvaluator(evaluator=Says(what=True), metric="m").evaluate(CASE, Trace(trace_id="t", request="x"))
    assert score.status is Status.SKIPPED
