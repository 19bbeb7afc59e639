"""What became of a recorded request when a version answered it again, as scores that any gate can judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..artifact.version import Policies
from .call_keys import normalised_key
from .evaluator import Evaluator
from .misuse import Misuse, MisuseKind, ToolRules, misuses
from .replay_case import case_of
from .score import Attempt, Result, Score
from .tape import TapeReport
from .text import answer_text, token_f1
from .trace import Trace, observation_of, usable

__all__ = [
    "CALLS_MADE_AGAIN",
    "DIED",
    "METRICS",
    "RAISED",
    "SUCCEEDED_THEN",
    "Level",
    "Limits",
    "Outcome",
    "Played",
    "blocked",
    "died",
    "outcome_of",
    "result_of",
    "virtual_latency",
]

METRICS: Final = ("success", "tool_misuse", "no_tool_misuse", "diverged")
"""Of every replay: a run that failed to run counts as an error of each. Others are there where there is a value."""

RAISED: Final = "raised"
"""Of a run whose own code raised. It is no success either: a version that crashes where its baseline works is worse."""

DIED: Final = "process_died"
"""Of a run that its process died of, or that never ended, alone and each time it was tried."""

SUCCEEDED_THEN: Final = "succeeded_then"
"""Of a run whose recording is a success."""

CALLS_MADE_AGAIN: Final = "calls_made_again"
"""At the step level: share of the recorded tool calls that were made again. Not there where none was recorded."""

_LEAST_ALIKE: Final = 0.1
"""Token F1 below which two answers have next to no word in common."""

_LONGEST: Final = 2_000
_UNKNOWN: Final = "it was not recorded, and unknown is not 0"


class Level(StrEnum):
    """How much of a run is made again, the cheapest first."""

    POLICY = "policy"
    """Nothing: the recorded run is held against the version's policies, tools and budgets."""

    STEP = "step"
    """The next action at each point where the recorded run decided, given what was recorded up to there."""

    RUN = "run"
    """The whole run; its tools are answered from the tape."""

    WORLD = "world"
    """The whole run in a stateful fake; the state at its end is compared."""


class Outcome(StrEnum):
    """How one replay ended."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    DIVERGED = "diverged"
    """It did what the recording cannot answer. What would have come of it is not known: neither good nor bad."""

    STALE = "stale"
    """The tape was recorded with another schema of a tool. Counted, and left out."""

    UNJUDGED = "unjudged"
    """It ran to its end, and nothing says whether it succeeded."""

    ERROR = "error"
    """Its own code raised, or it could not be run at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one run. None is no limit."""

    max_latency_ms: float | None = None
    max_cost_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a version made of one recorded request, before anything is scored."""

    run: Trace
    """The run, as a trace of its own; its latency is virtual."""

    recorded: Trace
    """The trace on the tape."""

    report: TapeReport | None = None
    """None where no tape answered."""

    first_divergence: int | None = None
    """Position of the first call that the tape cannot answer, or that differs at the step level."""

    why: str = ""
    """What happened there."""

    is_refused: bool = False
    """It left because an effect was refused; when, no tape has recorded."""

    agreement: float | None = None
    """At the step level: share of the decisions that were the recorded ones."""

    calls_again: float | None = None
    """At the step level: share of the recorded tool calls that were made again; None where none was recorded."""

    owed: tuple[str, ...] = ()
    """Writes of the recorded run, a success, that this run did not make."""

    is_read_only: bool = False
    """The recorded run made no write that would tell whether this one did the same."""

    is_crash: bool = False
    """The version's own code raised: a failed run that is told apart from one that answered badly."""

    stale: tuple[str, ...] = ()
    """Tools whose schema is another one since the recording."""

    final_at: int | None = None
    """Calls before the final answer, where there were some after it."""


def virtual_latency(model_ms: float | None, report: TapeReport) -> float | None:
    """
    Milliseconds the run would have taken: the model's, as measured, and the tools', as recorded.

    The tape itself answers in microseconds, which would flatter every run. None where one of them is not known, or
    cannot be.
    """
    total = model_ms
    for played in report.calls:
        took = usable(played.served.latency_ms)
        if total is None or took is None:
            return None
        total += took
    return total


def blocked(trace: Trace, policies: Policies) -> tuple[int | None, str]:
    """
    Where a version's policies would have stopped a recorded run, and why; (None, "") where they would not have.

    A call that had failed anyhow is no loss. A position of `len(calls)` is a limit on the run as a whole.
    """
    for place, call in enumerate(trace.tool_calls):
        result = trace.tool_results[place] if place < len(trace.tool_results) else None
        failed = result is not None and result.success is False
        if policies.allowed_tools is not None and call.name not in policies.allowed_tools and not failed:
            return place, f"its policy does not allow {call.name}, which the recorded run used"
    seen = observation_of(trace)
    over = (
        ("max_steps", policies.max_steps, seen.model_calls),
        ("max_cost", policies.max_cost, seen.cost),
        ("max_latency", policies.max_latency, seen.latency_ms),
    )
    for name, limit, spent in over:
        if limit is not None and spent is not None and spent > limit:
            return len(trace.tool_calls), f"{name} of {limit} would have ended it, at {spent}"
    return None, ""


def result_of(
    played: Played,
    attempt: Attempt,
    *,
    rules: ToolRules,
    limits: Limits,
    evaluators: Sequence[Evaluator] = (),
    level: Level,
) -> Result:
    """The scores of one replay."""
    run = played.run
    found = misuses(
        run.tool_calls,
        run.tool_results,
        rules,
        allowed=run.allowed_tools,
        final_at=played.final_at,
        missing=played.owed,
    )
    if played.first_divergence is not None:  # what it would still have called, nobody knows
        found = tuple(one for one in found if one.kind is not MisuseKind.MISSING_CALL)
    if played.stale:
        scores = _left_out(f"stale: recorded with another schema of {', '.join(played.stale)}")
    else:
        scores = [_success(played, evaluators, level), *_misuse(found), *_divergence(played)]
        if played.first_divergence is None:
            scores += [*_amounts(run, limits), *_others(played, evaluators)]
            if played.is_crash:
                scores.append(Score.scored(RAISED, 1.0, passed=None, reason=run.error or ""))
        if observation_of(played.recorded).success:
            scores.append(Score.scored(SUCCEEDED_THEN, 1.0, passed=None))
    said = answer_text(run.response)
    return Result(
        attempt=attempt,
        scores=tuple(scores),
        output=None if said is None else said[:_LONGEST].encode("utf-8", "replace").decode(),
        latency_ms=usable(run.latency_ms),
        tokens=observation_of(run).tokens,
        cost_usd=usable(run.cost_usd),
    )


def died(attempt: Attempt, recorded: Trace, why: str, *, limits: Limits) -> Result:
    """The scores of a run that its process died of: no success, and nobody knows what else it did."""
    scores = [
        Score.scored("success", 0.0, passed=False, reason=why),
        *(Score.failed(metric, why) for metric in ("tool_misuse", "no_tool_misuse")),
        Score.scored("diverged", 0.0, passed=None),
        *_amounts(Trace(trace_id=recorded.trace_id, request=recorded.request), limits),
        *(Score.scored(metric, 1.0, passed=None, reason=why) for metric in (RAISED, DIED)),
    ]
    if observation_of(recorded).success:
        scores.append(Score.scored(SUCCEEDED_THEN, 1.0, passed=None))
    return Result(attempt=attempt, scores=tuple(scores))


def outcome_of(result: Result) -> Outcome:
    """How it ended, read from what is kept of it."""
    if result.error is not None:
        return Outcome.ERROR
    scores: Mapping[str, Score] = {score.metric: score for score in result.scores}
    diverged, success = scores.get("diverged"), scores.get("success")
    if diverged is None or success is None:
        return Outcome.ERROR
    if diverged.value is None:
        return Outcome.STALE
    if diverged.value:
        return Outcome.DIVERGED
    if RAISED in scores:
        return Outcome.ERROR
    if success.passed is None:
        return Outcome.UNJUDGED if success.status.value == "skipped" else Outcome.ERROR
    return Outcome.PASS if success.passed else Outcome.FAIL


def _left_out(reason: str) -> list[Score]:
    return [Score.skipped(metric, reason) for metric in METRICS]


def _success(played: Played, evaluators: Sequence[Evaluator], level: Level) -> Score:
    if played.first_divergence is not None:
        return Score.skipped("success", f"it left its tape: {played.why}")
    for evaluator in evaluators:
        if evaluator.metric == "success":
            return _judged(evaluator, played)
    if level is Level.STEP:
        return Score.skipped("success", "single steps do not succeed or fail")
    good, reason = _known_success(played, level)
    if good is None:
        return Score.skipped("success", reason)
    return Score.scored("success", float(good), passed=good, reason=reason)


def _known_success(played: Played, level: Level) -> tuple[bool | None, str]:
    """What the run itself says, else whether it did what a recorded success did."""
    said = observation_of(played.run).success
    if said is not None:
        return said, played.run.error or ""
    if played.run.error is not None:
        return False, played.run.error
    if level is Level.WORLD or played.report is None or not observation_of(played.recorded).success:
        return None, "nothing says whether it succeeded"
    if played.owed:
        return False, f"did not {', '.join(played.owed)}, which the recorded success did"
    if played.run.response in (None, ""):
        return False, "it gave no answer"
    if played.is_read_only and (unknown := _unlike(played, played.report)):
        return None, f"{unknown}, and nothing else says whether it succeeded"
    return True, "did what the recorded success did, and answered"


def _unlike(played: Played, report: TapeReport) -> str:
    """How a run differs from a recording that only read: in calls it did not make, or in all of its answer."""
    made = {(one.call.name, normalised_key(one.call.args)) for one in report.calls}
    owed = [played.recorded.tool_calls[place] for place in report.unconsumed]
    missed = [call.name for call in owed if (call.name, normalised_key(call.args)) not in made]
    if missed:
        return f"it did not call {', '.join(dict.fromkeys(missed))}, as the recorded success did"
    answer, recorded = answer_text(played.run.response), answer_text(played.recorded.response)
    if answer and recorded and token_f1(answer, recorded) < _LEAST_ALIKE:
        return "its answer has next to no word in common with the recorded one"
    return ""


def _misuse(found: Sequence[Misuse]) -> list[Score]:
    """As an amount to be compared, and as what must never happen."""
    text = "; ".join(map(str, found))[:_LONGEST]
    return [
        Score.scored(
            "tool_misuse", float(len(found)), passed=None, reason=text, kinds=tuple(one.kind.value for one in found)
        ),
        Score.scored("no_tool_misuse", float(not found), passed=not found, reason=text),
    ]


def _divergence(played: Played) -> list[Score]:
    place = played.first_divergence
    reason = "" if place is None or played.is_refused else f"at call {place + 1}: {played.why}"
    scores = [Score.scored("diverged", float(place is not None), passed=None, reason=reason)]
    if played.report is not None:
        if played.report.fidelity is not None:
            scores.append(Score.scored("fidelity", played.report.fidelity, passed=None))
        scores.append(Score.scored("unconsumed", float(len(played.report.unconsumed)), passed=None))
        scores.append(Score.scored("extra_calls", float(len(played.report.extra)), passed=None))
    if played.agreement is not None:
        if observation_of(played.recorded).success:
            scores.append(Score.scored("step_agreement", played.agreement, passed=None))
        else:
            scores.append(Score.skipped("step_agreement", "no recorded success to agree with"))
    if played.calls_again is not None:
        scores.append(Score.scored(CALLS_MADE_AGAIN, played.calls_again, passed=None))
    return scores


def _amounts(run: Trace, limits: Limits) -> list[Score]:
    scores: list[Score] = []
    known = (
        ("latency_ms", "latency_overrun", usable(run.latency_ms), limits.max_latency_ms),
        ("tokens", "token_overrun", observation_of(run).tokens, limits.max_cost_tokens),
    )
    for metric, overrun, value, limit in known:
        if value is None:
            scores.append(Score.skipped(metric, _UNKNOWN))
        else:
            scores.append(Score.scored(metric, float(value), passed=None))
        if limit is None:
            continue
        if value is None:
            scores.append(Score.skipped(overrun, _UNKNOWN))
        else:
            reason = f"{metric}: {value:g}, the limit is {limit:g}" if value > limit else ""
            scores.append(Score.scored(overrun, float(value > limit), passed=None, reason=reason))
    return scores


def _others(played: Played, evaluators: Sequence[Evaluator]) -> list[Score]:
    return [_judged(evaluator, played) for evaluator in evaluators if evaluator.metric != "success"]


def _judged(evaluator: Evaluator, played: Played) -> Score:
    try:
        return evaluator.evaluate(case_of(played.recorded), played.run)
    except Exception as error:  # noqa: BLE001  # an evaluator of the user's may raise anything: that is no score
        return Score.failed(evaluator.metric, f"{type(error).__name__}: {error}"[:_LONGEST])
