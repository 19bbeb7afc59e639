"""A model and its tools, run from a recording: asked until it answers, and never given a tool that acts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from surefoot.adapters.executors.tool_loop import loop, prefixes
from surefoot.core.artifact.version import Policies
from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.tape import Tape
from surefoot.core.proof.trace import Trace, TracedCall, TracedResult
from surefoot.core.units import MicroUsd, Millis
from surefoot.ports.executor import Answer, ToolCall
from surefoot.testing.samples import version

FIND = TracedCall(name="find", args={"order": "o1"})
TRACE = Trace(
    trace_id="t1",
    request="Where is o1?",
    tool_calls=(FIND,),
    tool_results=(TracedResult(success=True, result="on its way", latency_ms=30),),
    response="On its way.",
    outcome="success",
)
SEEN = Observation(latency_ms=Millis(100), tokens=10)


class Scripted:
    """A model that says one thing after the other."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.heard: list[list[dict]] = []

    async def run(self, version, request, *, key):
        self.heard.append(request["messages"])
        return self._answers.pop(0)

    def stream(self, version, request, *, key):
        raise NotImplementedError


def says(text, seen=SEEN):
    return Answer(output=text, seen=seen)


def calls(name, **arguments):
    return Answer(output=None, seen=SEEN, tool_calls=(ToolCall(name=name, arguments=arguments),))


def looped(model, trace=TRACE, **policies):
    tape = Tape(trace)
    made = version() if not policies else _limited(**policies)
    return asyncio.run(loop(model, made, trace, tape.call, key="k")), tape.report()


def _limited(**policies):
    return replace(version(), policies=Policies(**policies))


def test_calls_are_answered_from_the_tape_until_the_model_answers():
    """The model sees the recorded result as it would have seen the tool's, under the id of its call."""
    model = Scripted(calls("find", order="o1"), says("On its way."))
    ended, report = looped(model)
    assert (ended.output, ended.model_ms, ended.tokens, ended.model_calls) == ("On its way.", 200, 20, 2)
    assert report.fidelity == 1.0
    asked, answered = model.heard[1][-2:]
    assert answered == {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": "on its way"}
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"order": "o1"}


def test_a_write_that_was_not_recorded_ends_the_run():
    """Nobody is told that it was made, and the model is not asked again."""
    model = Scripted(calls("refund", order="o1"), says("Refunded!"))
    ended, report = looped(model)
    assert ended.output is None
    assert (len(model.heard), report.is_diverged) == (1, True)


def test_a_model_that_never_answers_is_ended_by_its_own_limit():
    """`max_steps` of the version bounds the loop."""
    ended, _ = looped(Scripted(*[calls("find", order="o1")] * 9), max_steps=3)
    assert (ended.output, ended.why) == (None, "no answer after 3 model calls")


def test_the_recorded_user_goes_on_talking():
    """In a conversation each answer is followed by what the user said next then."""
    trace = Trace(trace_id="t", request="hi", user_turns=("hi", "and o1?"), response="bye", outcome="success")
    model = Scripted(says("hello"), says("bye"))
    ended, _ = looped(model, trace)
    assert ended.output == "bye"
    assert model.heard[1][-2:] == [{"role": "assistant", "content": "hello"}, {"role": "user", "content": "and o1?"}]


def test_tokens_that_are_not_known_once_are_not_known_in_all():
    """A sum with an unknown part is unknown, not smaller."""
    ended, _ = looped(Scripted(calls("find", order="o1"), says("ok", seen=Observation())))
    assert (ended.tokens, ended.model_ms) == (None, None)


def test_what_every_call_cost_is_the_price_of_the_run():
    """Money and tokens of each price are added up over all calls; one that does not say leaves the sum unknown."""
    seen = Observation(cost=MicroUsd(300))
    asks = replace(calls("find", order="o1"), seen=seen, input_tokens=9, output_tokens=1)
    ended, _ = looped(Scripted(asks, Answer(output="ok", seen=seen, input_tokens=20, output_tokens=2)))
    assert (ended.cost, ended.input_tokens, ended.output_tokens) == (600, 29, 3)
    ended, _ = looped(Scripted(asks, says("ok")))
    assert (ended.cost, ended.input_tokens, ended.output_tokens) == (None, None, None)


def test_every_decision_of_a_recording_has_what_came_before_it():
    """A point for each call and one for the answer, each with the recorded results so far."""
    first, last = prefixes(TRACE)
    assert (first.recorded, last.recorded) == (FIND, None)
    assert [message["role"] for message in last.messages] == ["user", "assistant", "tool"]
