"""
Pydantic AI, where it is installed (`surefoot[pydantic-ai]`): its agents answer suites, its evaluators score for gates.

Nothing of it is imported until an evaluator scores.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..core.artifact.version import AgentVersion
from ..core.evidence.observation import Observation
from ..core.proof.case import Case
from ..core.proof.score import Score
from ..core.proof.trace import Trace
from ..core.units import Millis
from ..errors import UsageError
from ..ports.executor import Answer, ToolCall
from ..ports.judge import Judged

__all__ = ["BridgedEvaluator", "BridgedJudge", "answering"]

_NO_SPANS = "it asks for spans, which are not recorded here"


def answering(agent: Any, **given: Any) -> Callable[[AgentVersion, object, object], Awaitable[Answer]]:
    """
    The agent as a function that a version may name: `executor: {kind: python, callable: my_agents:answer}`.

    `given` goes to every `agent.run` (deps, model_settings, ...). The answer has the output, the tools that were called
    with what they returned, and the tokens; what it cost is for the price table. Whatever the agent raises is raised.
    """

    async def answer(version: AgentVersion, request: object, ctx: object) -> Answer:
        started = time.perf_counter()
        result: Any = await agent.run(request, **given)
        took = Millis(round(1000 * (time.perf_counter() - started)))
        usage: Any = result.usage
        used: Any = usage() if callable(usage) else usage
        inputs, outputs = int(used.input_tokens), int(used.output_tokens)
        return Answer(
            output=result.output,
            seen=Observation(latency_ms=took, tokens=inputs + outputs, model_calls=int(used.requests)),
            tool_calls=_calls(result.all_messages()),
            input_tokens=inputs,
            output_tokens=outputs,
        )

    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgedEvaluator:
    """
    An evaluator of pydantic-evals as one of ours (`core.proof.evaluator.Evaluator`).

    A boolean passes or fails, a number measures, or passes from `threshold` on; a label is no score, and of several
    results `key` names the one. An evaluator that looks for spans is an error: without them it would say that nothing
    happened. One that has to be awaited needs a `BridgedJudge`.
    """

    evaluator: Any
    metric: str
    threshold: float | None = None
    key: str | None = None

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """Score one run. A run without a recorded answer is skipped."""
        if trace.response is None:
            return Score.skipped(self.metric, "the run recorded no answer")
        asked = _context(case, trace)
        said: object = self.evaluator.evaluate(asked)
        if inspect.isawaitable(said):
            if inspect.iscoroutine(said):
                said.close()
            return Score.failed(self.metric, "it has to be awaited: use BridgedJudge")
        return _score(self, asked, said)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgedJudge:
    """
    An evaluator of pydantic-evals that asks a model (`LLMJudge`, ...) as one of our judges (`ports.judge.Judge`).

    What its calls use is not known, so a cap on money or tokens stops at the first of them.
    """

    evaluator: Any
    metric: str
    endpoint: str
    """What it shares with others: the model's name, or its address."""

    threshold: float | None = None
    key: str | None = None
    fingerprint: str = field(init=False)
    """Of the evaluator as it shows itself, model and rubric included."""

    def __post_init__(self) -> None:
        shown = hashlib.sha256(repr(self.evaluator).encode("utf-8", "replace")).hexdigest()
        object.__setattr__(self, "fingerprint", f"{type(self.evaluator).__name__}@{shown[:16]}")

    async def judge(self, case: Case, trace: Trace) -> Judged:
        """Score one run."""
        asked = _context(case, trace)
        said: object = self.evaluator.evaluate(asked)
        if inspect.isawaitable(said):
            said = await said
        return Judged(_score(self, asked, said, judge=self.fingerprint))


def _calls(messages: Any) -> tuple[ToolCall, ...]:
    """The tools that were called, in order, with what came back under the same id."""
    parts = [part for message in messages for part in message.parts]
    back = {part.tool_call_id: part for part in parts if part.part_kind in ("tool-return", "retry-prompt")}
    calls: list[ToolCall] = []
    for part in parts:
        if part.part_kind == "tool-call":
            got = back.get(part.tool_call_id)
            returned = got is not None and got.part_kind == "tool-return"
            calls.append(
                ToolCall(
                    name=part.tool_name,
                    arguments=part.args_as_dict(),
                    result=None if got is None else got.content,
                    success=None if got is None else returned and getattr(got, "outcome", "success") == "success",
                )
            )
    return tuple(calls)


def _context(case: Case, trace: Trace) -> Any:
    """What pydantic-evals gives its evaluators; it remembers whether spans were asked for."""
    try:
        kind: Any = importlib.import_module("pydantic_evals.evaluators.context").EvaluatorContext
    except ModuleNotFoundError as error:
        raise UsageError("this evaluator needs pydantic-evals", hint="pip install 'surefoot[pydantic-ai]'") from error

    def span_tree(context: Any) -> Any:
        context.asked_for_spans = True
        return kind.span_tree.fget(context)

    made: Any = type("Context", (kind,), {"asked_for_spans": False, "span_tree": property(span_tree)})
    missing: Any = importlib.import_module("pydantic_evals.otel").SpanTreeRecordingError
    return made(
        name=case.id,
        inputs=case.request,
        metadata=dict(case.criteria),
        expected_output=case.expected,
        output=trace.response,
        duration=(trace.latency_ms or 0.0) / 1000,
        _span_tree=missing(_NO_SPANS),
        attributes={},
        metrics={},
    )


def _score(bridge: BridgedEvaluator | BridgedJudge, context: Any, said: object, *, judge: str = "") -> Score:
    metric = bridge.metric
    if context.asked_for_spans:
        return Score.failed(metric, _NO_SPANS, judge=judge)
    if isinstance(said, Mapping):
        results = cast("Mapping[str, object]", said)
        if bridge.key is None and len(results) != 1:
            return Score.failed(metric, f"it says {len(results)} things: name one with key", judge=judge)
        said = results.get(bridge.key) if bridge.key is not None else next(iter(results.values()))
    value: object = getattr(said, "value", said)
    reason = str(getattr(said, "reason", None) or "")
    if isinstance(value, bool):
        return Score.scored(metric, float(value), passed=value, reason=reason, judge=judge)
    if not isinstance(value, int | float):
        return Score.failed(metric, f"{value!r} is no score", judge=judge)
    passed = None if bridge.threshold is None else value >= bridge.threshold
    return Score.scored(metric, float(value), passed=passed, reason=reason, judge=judge)
