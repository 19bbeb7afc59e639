"""Recorded runs in one line, for tests of what is made of them."""

from __future__ import annotations

from surefoot.core.proof.trace import Trace, TracedCall, TracedResult

__all__ = ["called", "trace"]


def called(name: str, /, **arguments: object) -> TracedCall:
    """A call."""
    return TracedCall(name=name, args=arguments)


def trace(*calls: TracedCall, results: tuple[TracedResult, ...] | None = None, **fields: object) -> Trace:
    """A recorded run in which the n-th call was answered by `result n`, after 100 ms."""
    answered = tuple(
        TracedResult(success=True, result=f"result {place}", latency_ms=100.0) for place in range(len(calls))
    )
    given = {"trace_id": "t1", "request": "do it", "response": "done", "outcome": "success", **fields}
    return Trace(tool_calls=calls, tool_results=answered if results is None else results, **given)
