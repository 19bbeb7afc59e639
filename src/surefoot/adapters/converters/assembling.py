"""A run put together from what was recorded of it: model calls, tool calls, and the span around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ...core.proof.call_keys import arguments_key
from ...core.proof.trace import Trace, TracedCall, TracedResult, TracedStep
from .messages import AskedCall, GivenResult, Message, last_user_text
from .untyped import iso_of

__all__ = ["Asked", "Recorded", "Used", "assembled"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call to a model."""

    model: str | None = None
    started_ms: float | None = None
    """Since 1970."""

    ended_ms: float | None = None
    before: tuple[Message, ...] = ()
    """What it was given."""

    after: tuple[Message, ...] = ()
    """What it said."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    ttft_ms: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A tool that ran."""

    name: str
    args: dict[str, object] | None = None
    """None was not recorded."""

    result: object = None
    success: bool | None = None
    id: str | None = None
    started_ms: float | None = None
    ended_ms: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is known of one run."""

    trace_id: str
    source: str
    asked: tuple[Asked, ...] = ()
    used: tuple[Used, ...] = ()
    agent: str | None = None
    request: object = None
    response: object = None
    started_ms: float | None = None
    ended_ms: float | None = None
    error: str | None = None
    version: str | None = None
    session: str | None = None
    tenant: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    outcome: str | None = None
    cost_usd: float | None = None
    feedback: float | None = None
    latency_ms: float | None = None
    task_id: str | None = None
    trial: int | None = None
    user_turns: tuple[str, ...] | None = None


def assembled(run: Recorded) -> Trace:
    """
    The trace of a run.

    Calls are the tools that ran, in the order they began, and those that a model asked for without one that ran; a
    result that no tool recorded is taken from what the model was told. Sums are null where one part was not recorded.
    """
    asked = sorted(run.asked, key=_began)
    used = _calls(asked, sorted(run.used, key=_began))
    tokens_in, tokens_out = _sum(one.input_tokens for one in asked), _sum(one.output_tokens for one in asked)
    return Trace(
        trace_id=run.trace_id,
        source=run.source,
        task_id=run.task_id,
        trial=run.trial,
        agent=run.agent,
        model=next((one.model for one in asked if one.model), None),
        version=run.version,
        request=_known(run.request, _first_request(asked)),
        tool_calls=tuple(TracedCall(name=one.name, args=one.args or {}) for one in used),
        tool_results=tuple(_result(one) for one in used),
        response=_known(run.response, _last_answer(asked)),
        outcome=run.outcome,
        latency_ms=_known(run.latency_ms, _between(run.started_ms, run.ended_ms)),
        cost_tokens=_sum((tokens_in, tokens_out)),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_usd=_known(run.cost_usd, _sum_usd(one.cost_usd for one in asked)),
        model_calls=len(asked) or None,
        ttft_ms=asked[0].ttft_ms if asked else None,
        error=run.error,
        started_at=iso_of(run.started_ms),
        session=run.session,
        tenant=run.tenant,
        allowed_tools=run.allowed_tools,
        feedback=run.feedback,
        steps=_steps(asked, used) or None,
        user_turns=run.user_turns,
    )


def _began(one: Asked | Used) -> float:
    return one.started_ms or 0.0


def _known(told: T | None, derived: T | None) -> T | None:
    return derived if told is None else told


def _first_request(asked: Sequence[Asked]) -> object:
    """What the user said in the first call that had anything to say; else anywhere in the conversation."""
    first = list(asked[0].before) if asked else []
    return last_user_text(first or [message for one in asked for message in (*one.before, *one.after)])


def _last_answer(asked: Sequence[Asked]) -> str | None:
    texts = [message.text for one in asked for message in one.after if message.role == "assistant" and message.text]
    return texts[-1] if texts else None


def _calls(asked: Sequence[Asked], used: list[Used]) -> list[Used]:
    told: dict[str | None, GivenResult] = {
        given.id: given
        for one in asked
        for message in (*one.before, *one.after)
        for given in message.results
        if given.id
    }
    calls = list(used)
    free = list(range(len(calls)))  # tools that ran for no call found so far
    by_id = {one.id: place for place, one in enumerate(calls) if one.id}
    seen: set[str] = set()
    for one, call in _asked_for(asked):
        if call.id is not None:
            if call.id in seen:
                continue
            seen.add(call.id)
        place = _place_of(call, calls, free) if call.id not in by_id else by_id[call.id]
        if place is None:
            calls.append(_unrun(call, told.get(call.id), one.ended_ms))
        else:
            free.remove(place)
            ran = calls[place]
            calls[place] = replace(ran, id=ran.id or call.id, args=call.args if ran.args is None else ran.args)
    return _with_nameless([_with_told(one, told.get(one.id)) for one in calls], asked)


def _asked_for(asked: Sequence[Asked]) -> Iterator[tuple[Asked, AskedCall]]:
    """
    The calls that a model asked for, with those that stand in what it was given.

    What was said earlier stands in the next input again. An id tells it from another call; a call without one is taken
    from where it was said, however often an equal one was.
    """
    for one in asked:
        yield from ((one, call) for message in one.before for call in message.calls if call.id is not None)
        yield from ((one, call) for message in one.after for call in message.calls)


def _place_of(call: AskedCall, calls: Sequence[Used], free: Sequence[int]) -> int | None:
    """The tool that ran for a call without saying so by an id: one with these arguments, else with unknown ones."""
    alike = [place for place in free if calls[place].name == call.name and (calls[place].id is None or call.id is None)]
    wanted = arguments_key(call.args)
    same = (place for place in alike if calls[place].args is not None and arguments_key(calls[place].args) == wanted)
    return next(same, next((place for place in alike if calls[place].args is None), None))


def _with_nameless(calls: list[Used], asked: Sequence[Asked]) -> list[Used]:
    """Results without the id of their call belong to the calls of that tool in order, in the longest conversation."""
    longest = max(((*one.before, *one.after) for one in asked), key=len, default=())
    given = [one for message in longest for one in message.results if one.id is None]
    for place, call in enumerate(calls):
        match = next((one for one in given if one.name in {None, call.name}), None) if call.result is None else None
        if match is not None:
            given.remove(match)
            calls[place] = _with_told(call, match)
    return calls


def _unrun(call: AskedCall, told: GivenResult | None, at: float | None) -> Used:
    success, result = (told.success, told.result) if told else (None, None)
    return Used(name=call.name, args=call.args, id=call.id, success=success, result=result, started_ms=at)


def _with_told(one: Used, told: GivenResult | None) -> Used:
    if told is None or one.result is not None:
        return one
    return replace(one, result=told.result, success=one.success if one.success is not None else told.success)


def _result(one: Used) -> TracedResult:
    result = one.result if one.result is not None else one.error
    return TracedResult(success=one.success, result=result, latency_ms=_between(one.started_ms, one.ended_ms))


def _steps(asked: Sequence[Asked], used: Sequence[Used]) -> tuple[TracedStep, ...]:
    """Model and tool steps in the order they began; only steps whose time was recorded have a place in it."""
    places = {one.id: place for place, one in enumerate(used) if one.id}
    steps: list[tuple[float, TracedStep]] = []
    for one in asked:
        calls = tuple(places[call.id] for message in one.after for call in message.calls if call.id in places)
        text = "\n".join(message.text for message in one.after if message.role == "assistant" and message.text)
        step = TracedStep(
            kind="model",
            name=one.model,
            started_at=iso_of(one.started_ms),
            latency_ms=_between(one.started_ms, one.ended_ms),
            input_tokens=one.input_tokens,
            output_tokens=one.output_tokens,
            calls=calls or None,
            text=text or None,
            error=one.error,
        )
        steps.append((one.started_ms or 0.0, step))
    for place, call in enumerate(used):
        if call.ended_ms is not None:
            step = TracedStep(
                kind="tool",
                name=call.name,
                started_at=iso_of(call.started_ms),
                latency_ms=_between(call.started_ms, call.ended_ms),
                calls=(place,),
                error=call.error,
            )
            steps.append((call.started_ms or 0.0, step))
    return tuple(step for _, step in sorted(steps, key=lambda item: item[0]))


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None or end < start else round(end - start, 3)


def _sum(values: Iterable[int | None]) -> int | None:
    """None if a part is unknown, or if there are no parts: half a sum is a wrong number."""
    known = list(values)
    return sum(value for value in known if value is not None) if known and None not in known else None


def _sum_usd(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return round(sum(v for v in known if v is not None), 9) if known and None not in known else None
