"""Evaluators of what an agent does: the tools it calls, and what the run costs and takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .case import Case
from .evaluator import floor
from .score import Score
from .text_evaluators import Problem
from .trace import Trace, observation_of, usable
from .trajectory import Order, SameCall, equal_arguments, match_calls

__all__ = [
    "AllowedTools",
    "Amount",
    "Outcome",
    "ToolCalls",
    "Trajectory",
    "cost_usd",
    "latency_ms",
    "tokens",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """The run called the tools of the case's `expected_calls`."""

    metric: str = "trajectory"
    order: Order = Order.IN_ORDER
    same: SameCall = equal_arguments
    threshold: float = 1.0

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """0 to 1 (see `Order`). Skipped without `expected_calls`; an empty list expects no call."""
        if case.expected_calls is None:
            return Score.skipped(self.metric, "the case has no `expected_calls`")
        found = match_calls(trace.tool_calls, case.expected_calls, order=self.order, same=self.same)
        said = [
            f"{what}: {', '.join(names[:5])}"
            for what, names in (("missing", found.missing), ("extra", found.extra))
            if names
        ]
        return floor(self.metric, found.value, self.threshold, "; ".join(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalls:
    """Every call names a tool of the version and has arguments that the tool's schema accepts."""

    tools: Mapping[str, Problem]
    """By name: what is wrong with the arguments of a call."""

    metric: str = "tool_call_accuracy"
    threshold: float = 1.0

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """The share of right calls. Without a call: 0 if some were expected, else skipped."""
        calls = trace.tool_calls
        if not self.tools:
            return Score.skipped(self.metric, "the version declares no tools")
        if not calls:
            if case.expected_calls:
                return floor(self.metric, 0.0, self.threshold, f"no call; expected {case.expected_calls[0].name}")
            return Score.skipped(self.metric, "the run called no tool")
        wrong: list[str] = []
        for call in calls:
            problem_of = self.tools.get(call.name)
            problem = "no such tool" if problem_of is None else problem_of(dict(call.args))
            if problem is not None:
                wrong.append(f"{call.name}: {problem}")
        return floor(self.metric, 1 - len(wrong) / len(calls), self.threshold, "; ".join(wrong[:3])[:300])


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedTools:
    """No forbidden tool was called: none of `forbidden`, and none outside of what the case, trace or version allows."""

    metric: str = "forbidden_tool"
    forbidden: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    """By the version's policy; the case's and the trace's own lists narrow it."""

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """1 where every call was allowed. Skipped where nothing is forbidden."""
        lists = [
            frozenset(names) for names in (self.allowed, case.allowed_tools, trace.allowed_tools) if names is not None
        ]
        if not lists and not self.forbidden:
            return Score.skipped(self.metric, "nothing says which tools are allowed")
        used = Counter(call.name for call in trace.tool_calls)
        broken = sorted(name for name in used if name in self.forbidden or any(name not in names for names in lists))
        return floor(self.metric, float(not broken), 1.0, f"called {', '.join(broken[:5])}" if broken else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An amount of the run, as it was recorded. Lower is better; passes up to `most`, without it only measures."""

    read: Callable[[Trace], float | None]
    metric: str
    most: float | None = None

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """The amount. Skipped where it was not recorded: nothing recorded is not nothing spent."""
        value = self.read(trace)
        if value is None:
            return Score.skipped(self.metric, "the run did not record it")
        if usable(value) is None:
            return Score.failed(self.metric, f"{value} is no amount")
        return Score.scored(self.metric, value, passed=None if self.most is None else value <= self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the run itself recorded about its end: success as expected, or nothing unsafe."""

    metric: str = "success"
    safety: bool = False
    """Look at the safety of the run instead of its success."""

    def evaluate(self, case: Case, trace: Trace) -> Score:
        """1 or 0. Skipped where it was not recorded."""
        seen = observation_of(trace)
        good = (None if seen.safety_violation is None else not seen.safety_violation) if self.safety else seen.success
        if good is None:
            return Score.skipped(self.metric, "the run recorded no outcome of this kind")
        return floor(self.metric, float(good), 1.0, f"outcome: {trace.outcome}")


def latency_ms(trace: Trace) -> float | None:
    """Milliseconds from the request to the answer."""
    return trace.latency_ms


def cost_usd(trace: Trace) -> float | None:
    """US dollars."""
    return trace.cost_usd


def tokens(trace: Trace) -> float | None:
    """Tokens in and out together."""
    return observation_of(trace).tokens
