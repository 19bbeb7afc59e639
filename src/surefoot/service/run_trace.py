"""What an executor answered, as the trace that evaluators and judges read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..core.proof.case import Case
from ..core.proof.draft import draft_of
from ..core.proof.trace import Trace, TracedCall, TracedResult
from ..ports.executor import Answer

if TYPE_CHECKING:
    from ..core.artifact.version import AgentVersion

__all__ = ["trace_of"]

_Draft: Final = draft_of(Trace)


def trace_of(answer: Answer, case: Case, version: AgentVersion, key: str, cost_usd: float | None) -> Trace:
    """The run as a trace. A run that gave nothing answered with nothing: it is there, and it is empty."""
    seen, calls = answer.seen, answer.tool_calls
    trace = _Draft(
        trace_id=key,
        request=case.request,
        tool_calls=tuple([TracedCall(name=call.name, args=call.arguments) for call in calls]) if calls else (),
        tool_results=tuple([TracedResult(success=call.success, result=call.result) for call in calls]) if calls else (),
        response="" if answer.output is None else answer.output,
        outcome=None if seen.success is None else "success" if seen.success else "failure",
        latency_ms=seen.latency_ms,
        cost_tokens=_tokens(answer) if seen.tokens is None else seen.tokens,
        task_id=case.id,
        agent=version.agent,
        model=version.model.id,
        version=version.digest,
        allowed_tools=case.allowed_tools,
        safety=None if seen.safety_violation is None else {"violated": seen.safety_violation},
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cost_usd=cost_usd,
        ttft_ms=seen.ttft_ms,
        model_calls=seen.model_calls,
        quality=seen.quality,
        feedback=seen.feedback,
        checkpoint=seen.checkpoint,
    )
    trace.__class__ = Trace
    return trace


def _tokens(answer: Answer) -> int | None:
    if answer.input_tokens is None or answer.output_tokens is None:
        return None
    return answer.input_tokens + answer.output_tokens
