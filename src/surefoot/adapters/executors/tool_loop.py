"""An agent that is a model and its tools: asked until it answers, its calls answered by a tape or a fake world."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

from ...core.artifact.version import AgentVersion
from ...core.evidence.observation import Observation
from ...core.proof.tape import Answering
from ...core.proof.text import answer_text
from ...core.proof.trace import Trace, TracedCall
from ...core.units import MicroUsd, Millis
from ...errors import ExecutorFailed
from ...ports.executor import Answer, Executor, Unfinished

__all__ = ["Looped", "Prefix", "loop", "next_action", "prefixes"]

N = TypeVar("N", int, float)

_MOST_STEPS: Final = 50
"""Model calls in one run of a version that sets no `max_steps`."""


class Looped(NamedTuple):
    """How a run ended."""

    output: object
    """None where it was ended before it answered."""

    why: str
    """Why it was ended; empty where it answered."""

    model_ms: float | None
    tokens: int | None
    model_calls: int
    input_tokens: int | None
    output_tokens: int | None
    """Apart, because they have different prices."""

    cost: MicroUsd | None
    """What the calls say they cost; None where one of them does not say."""

    @property
    def answer(self) -> Answer:
        """The run as one answer, without its tool calls: whoever answered them tells."""
        latency = None if self.model_ms is None else Millis(round(self.model_ms))
        return Answer(
            output=self.output,
            seen=Observation(tokens=self.tokens, model_calls=self.model_calls, latency_ms=latency, cost=self.cost),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
        )


async def loop(executor: Executor, version: AgentVersion, trace: Trace, answering: Answering, *, key: str) -> Looped:
    """
    Run a version on a recorded request, with the user's recorded turns where it was a conversation.

    The recorded user goes on saying what was said then, whatever the agent says now. Raises ExecutorFailed, and of that
    kind Unfinished where calls before the one that failed have used something.
    """
    turns = list(trace.user_turns[1:]) if trace.user_turns else []
    messages, total = _asked(trace.request), _Total()
    for _ in range(version.policies.max_steps or _MOST_STEPS):
        try:
            answer = await executor.run(version, {"messages": list(messages)}, key=f"{key}:{total.calls}")
        except ExecutorFailed as failed:
            if not total.calls:
                raise
            raise Unfinished(failed, total.ended(None, failed.message).answer) from failed
        total.add(answer)
        if answer.tool_calls:
            messages.append(_assistant(answer, total.calls))
            for place, call in enumerate(answer.tool_calls):
                served = answering(call.name, call.arguments)
                if served.stops:
                    return total.ended(None, f"{call.name} was not recorded and is not made")
                messages.append(_tool(_call_id(total.calls, place), served.result))
        elif turns:
            messages.append({"role": "assistant", "content": answer_text(answer.output) or ""})
            messages.append({"role": "user", "content": turns.pop(0)})
        else:
            return total.ended("" if answer.output is None else answer.output, "")
    return total.ended(None, f"no answer after {total.calls} model calls")


async def next_action(
    executor: Executor, version: AgentVersion, messages: Sequence[Mapping[str, object]], *, key: str
) -> Answer:
    """What a version does next after what was recorded. Raises ExecutorFailed."""
    return await executor.run(version, {"messages": list(messages)}, key=key)


class Prefix(NamedTuple):
    """A point where the recorded run decided."""

    messages: tuple[dict[str, Any], ...]
    recorded: TracedCall | None
    """What it did there: a call, or None for its answer."""


def prefixes(trace: Trace) -> list[Prefix]:
    """Every decision of a recorded run, with all that had happened before it. Later turns of a user are left out."""
    messages, found = _asked(trace.request), list[Prefix]()
    for place, call in enumerate(trace.tool_calls):
        found.append(Prefix(tuple(messages), call))
        result = trace.tool_results[place] if place < len(trace.tool_results) else None
        if result is None:
            return found
        named = _call_id(place + 1, 0)
        messages.append({"role": "assistant", "content": None, "tool_calls": [_written(named, call.name, call.args)]})
        messages.append(_tool(named, result.result))
    if trace.response not in (None, "") and not (trace.user_turns and len(trace.user_turns) > 1):
        found.append(Prefix(tuple(messages), None))
    return found


class _Total:
    """What a run has used. One unknown amount makes the sum unknown."""

    def __init__(self) -> None:
        self.calls = 0
        self._ms: float | None = 0.0
        self._tokens: int | None = 0
        self._inputs: int | None = 0
        self._outputs: int | None = 0
        self._cost: int | None = 0

    def add(self, answer: Answer) -> None:
        seen = answer.seen
        self.calls += 1
        self._ms = _sum(self._ms, seen.latency_ms)
        self._tokens = _sum(self._tokens, seen.tokens)
        self._inputs = _sum(self._inputs, answer.input_tokens)
        self._outputs = _sum(self._outputs, answer.output_tokens)
        self._cost = _sum(self._cost, seen.cost)

    def ended(self, output: object, why: str) -> Looped:
        return Looped(
            output=output,
            why=why,
            model_ms=self._ms,
            tokens=self._tokens,
            model_calls=self.calls,
            input_tokens=self._inputs,
            output_tokens=self._outputs,
            cost=None if self._cost is None else MicroUsd(self._cost),
        )


def _sum(so_far: N | None, more: N | None) -> N | None:
    return None if so_far is None or more is None else so_far + more


def _asked(request: object) -> list[dict[str, Any]]:
    return _messages(request) or [{"role": "user", "content": answer_text(request) or ""}]


def _messages(request: object) -> list[dict[str, Any]]:
    asked = cast("Mapping[str, object]", request).get("messages") if isinstance(request, Mapping) else None
    return list(cast("list[dict[str, Any]]", asked)) if isinstance(asked, list) else []


def _assistant(answer: Answer, turn: int) -> dict[str, Any]:
    calls = [_written(_call_id(turn, place), call.name, call.arguments) for place, call in enumerate(answer.tool_calls)]
    return {"role": "assistant", "content": answer.output, "tool_calls": calls}


def _written(named: str, name: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    text = json.dumps(arguments, ensure_ascii=False, default=str)
    return {"id": named, "type": "function", "function": {"name": name, "arguments": text}}


def _tool(named: str, result: object) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": named, "content": answer_text(result) or ""}


def _call_id(turn: int, place: int) -> str:
    return f"call_{turn}_{place}"
