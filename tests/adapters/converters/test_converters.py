"""Other tools' recordings: what they say becomes a trace, what they do not say stays null, what is none is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from surefoot.adapters.converters.files import converted, converted_all
from surefoot.adapters.trace_writer import line_of
from surefoot.adapters.traces import trace_of
from surefoot.core.proof.trace import Trace, TracedCall
from surefoot.core.proof.trace_lint import problems_of
from surefoot.errors import TraceError


def write(folder: Path, value: object, name: str = "recording.json") -> Path:
    """A file with that JSON value."""
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def pairs(**attributes: object) -> list[dict[str, object]]:
    """Attributes as OTLP writes them: names with dots given as underscores twice."""
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return [
        {"key": name.replace("__", "."), "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
        for name, value in attributes.items()
    ]


def span(id: str, parent: str, start: int, end: int, **attributes: object) -> dict[str, object]:
    """One span, its times in milliseconds."""
    return {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": id,
        "parentSpanId": parent,
        "name": id,
        "startTimeUnixNano": str(start * 10**6),
        "endTimeUnixNano": str(end * 10**6),
        "attributes": pairs(**attributes),
    }


ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
CALL = [
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}],
    }
]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "Rainy."}], "finish_reason": "stop"}]
TOLD = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]}


def export(*spans: dict[str, object]) -> dict[str, object]:
    """An export of one resource."""
    service = {"attributes": pairs(service__name="bot", service__version="v2")}
    return {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": list(spans)}]}]}


def chat_span(id: str, start: int, given: object, said: object, tokens: int | None) -> dict[str, object]:
    """A model call with content."""
    usage = {} if tokens is None else {"gen_ai__usage__input_tokens": tokens, "gen_ai__usage__output_tokens": 3}
    return span(
        id, "root", start, start + 10, gen_ai__operation__name="chat", gen_ai__response__model="m-1",
        gen_ai__input__messages=json.dumps(given), gen_ai__output__messages=json.dumps(said), **usage,
    )  # fmt: skip


def test_spans_of_an_agent_become_one_run(tmp_path: Path) -> None:
    """Model calls, the tool between them and the span around them are one trace with its steps in order."""
    tool = span(
        "tool", "root", 20, 25, gen_ai__operation__name="execute_tool", gen_ai__tool__name="weather",
        gen_ai__tool__call__id="c1",
        gen_ai__tool__call__arguments='{"city": "Paris"}', gen_ai__tool__call__result="rain",
    )  # fmt: skip
    root = span("root", "", 5, 60, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="helper")
    second = chat_span("b", 30, [*ASKED, *CALL, TOLD], ANSWER, 12)
    file = write(tmp_path, export(second, tool, chat_span("a", 8, ASKED, CALL, 10), root))
    [trace] = converted(file)
    assert (trace.trace_id, trace.agent, trace.version, trace.model) == (
        "5b8efff798038103d269b633813fc60c",
        "helper",
        "v2",
        "m-1",
    )
    assert (trace.request, trace.response, trace.latency_ms) == ("Weather in Paris?", "Rainy.", 55.0)
    assert trace.tool_calls == (TracedCall(name="weather", args={"city": "Paris"}),)
    assert (trace.tool_results[0].success, trace.tool_results[0].result, trace.tool_results[0].latency_ms) == (
        True,
        "rain",
        5.0,
    )
    assert (trace.input_tokens, trace.output_tokens, trace.cost_tokens, trace.model_calls) == (22, 6, 28, 2)
    assert [(step.kind, step.calls) for step in trace.steps or ()] == [("model", (0,)), ("tool", (0,)), ("model", None)]
    assert (trace.outcome, trace.cost_usd, trace.feedback) == (None, None, None)


@pytest.mark.parametrize("id", ["c1", None])
def test_a_tool_that_ran_without_recorded_arguments_is_the_call_that_was_asked_for(
    tmp_path: Path, id: str | None
) -> None:
    """By its id or by its name, and with the arguments that the model wrote: one call, not two."""
    named = {} if id is None else {"gen_ai__tool__call__id": id}
    tool = span(
        "tool", "root", 20, 25, gen_ai__operation__name="execute_tool", gen_ai__tool__name="weather",
        gen_ai__tool__call__result="rain", **named,
    )  # fmt: skip
    second = chat_span("b", 30, [*ASKED, *CALL, TOLD], ANSWER, 12)
    [trace] = converted(write(tmp_path, export(chat_span("a", 8, ASKED, CALL, 10), tool, second)))
    assert trace.tool_calls == (TracedCall(name="weather", args={"city": "Paris"}),)
    assert (trace.tool_results[0].success, trace.tool_results[0].result) == (True, "rain")


def test_content_that_was_not_captured_and_tokens_that_were_not_counted_are_null(tmp_path: Path) -> None:
    """Without content there is no request; where one call of two has no tokens, their sum is unknown."""
    bare = span(
        "a", "", 1, 2, gen_ai__operation__name="chat", gen_ai__request__model="m-1", gen_ai__usage__input_tokens=4
    )
    [trace] = converted(write(tmp_path, export(bare)))
    assert (trace.request, trace.response, trace.input_tokens, trace.output_tokens, trace.cost_tokens) == (
        None,
        None,
        4,
        None,
        None,
    )
    [two] = converted(
        write(tmp_path, export(chat_span("a", 1, ASKED, CALL, 4), chat_span("b", 9, ASKED, ANSWER, None)))
    )
    assert (two.input_tokens, two.cost_tokens) == (None, None)
    assert [(call.name, two.tool_results[0].success) for call in two.tool_calls] == [("weather", None)]


def test_spans_of_one_run_in_several_exports_are_one_run(tmp_path: Path) -> None:
    """In the lines of a file or in files, in whatever order; a span that was sent twice is counted once."""
    root = span("root", "", 5, 60, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="helper")
    first, second = chat_span("a", 8, ASKED, CALL, 10), chat_span("b", 30, [*ASKED, *CALL, TOLD], ANSWER, 12)
    [whole] = converted(write(tmp_path, export(first, second, root)))
    batches = export(second), export(root, first), export(first)
    files = [write(tmp_path, batch, f"{place}.json") for place, batch in enumerate(batches)]
    assert list(converted(lines(tmp_path, *batches))) == [whole]
    assert [trace for _, trace in converted_all(files)] == [whole]
    assert (whole.cost_tokens, whole.model_calls) == (28, 2)


def event(name: str, **attributes: object) -> dict[str, object]:
    """Something that happened in a span."""
    return {"name": name, "timeUnixNano": "1000000", "attributes": pairs(**attributes)}


LOOK = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]
OLDER = {
    "events": [
        event("gen_ai.user.message", role="user", content="Weather?"),
        event("gen_ai.assistant.message", role="assistant", tool_calls=json.dumps(LOOK)),
        event("gen_ai.tool.message", id="c1", content="rain"),
        event("gen_ai.choice", index=0, message=json.dumps({"role": "assistant", "content": "Rainy."})),
        event("gen_ai.choice", index=1, message=json.dumps({"role": "assistant", "content": "Wet."})),
    ]
}
AZURE = {
    "events": [
        event(name, gen_ai__event__content=json.dumps(body))
        for name, body in [
            ("gen_ai.user.message", {"role": "user", "content": "Weather?"}),
            ("gen_ai.assistant.message", {"role": "assistant", "tool_calls": LOOK}),
            ("gen_ai.tool.message", {"id": "c1", "content": "rain"}),
            ("gen_ai.choice", {"index": 0, "message": {"content": "Rainy."}}),
        ]
    ]
}
LISTED = {
    "attributes": pairs(
        events=json.dumps(
            [
                {"event.name": "gen_ai.user.message", "role": "user", "content": "Weather?"},
                {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": LOOK},
                {"event.name": "gen_ai.tool.message", "role": "tool", "id": "c1", "content": "rain"},
                {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "Rainy."}},
            ]
        )
    )
}
INDEXED = {
    "attributes": pairs(
        gen_ai__prompt__0__role="user", gen_ai__prompt__0__content="Weather?", gen_ai__prompt__1__role="assistant",
        gen_ai__prompt__1__tool_calls__0__id="c1", gen_ai__prompt__1__tool_calls__0__name="weather",
        gen_ai__prompt__1__tool_calls__0__arguments='{"city": "Paris"}', gen_ai__prompt__2__role="tool",
        gen_ai__prompt__2__tool_call_id="c1", gen_ai__prompt__2__content="rain",
        gen_ai__completion__0__role="assistant", gen_ai__completion__0__content="Rainy.",
    )
}  # fmt: skip


@pytest.mark.parametrize("content", [OLDER, AZURE, LISTED, INDEXED])
def test_content_is_read_from_wherever_it_was_captured(tmp_path: Path, content: dict[str, list[object]]) -> None:
    """Events of a span, a list of them in an attribute, or an attribute a field: one question, call and answer."""
    asked = span("a", "", 1, 2, gen_ai__operation__name="chat", gen_ai__request__model="m-1")
    attributes = [*pairs(gen_ai__request__model="m-1"), *content.get("attributes", [])]
    [trace] = converted(write(tmp_path, export({**asked, **content, "attributes": attributes})))
    assert (trace.request, trace.response) == ("Weather?", "Rainy.")
    assert trace.tool_calls == (TracedCall(name="weather", args={"city": "Paris"}),)
    assert trace.tool_results[0].result == "rain"


def test_a_tool_of_pydantic_ai_is_a_tool(tmp_path: Path) -> None:
    """Its span names the tool and no operation; arguments and result have names of their own."""
    asked = span("a", "", 1, 2, gen_ai__operation__name="chat", gen_ai__request__model="m-1")
    tool = span(
        "b", "", 3, 4, gen_ai__tool__name="weather", gen_ai__tool__call__id="c1", tool_arguments='{"city": "Paris"}',
        tool_response="rain",
    )  # fmt: skip
    [trace] = converted(write(tmp_path, export(asked, tool)))
    assert trace.tool_calls == (TracedCall(name="weather", args={"city": "Paris"}),)
    assert (trace.tool_results[0].success, trace.tool_results[0].result) == (True, "rain")


def test_spans_about_something_else_are_no_run(tmp_path: Path) -> None:
    """A web server's span is not a run of an agent that said nothing."""
    assert list(converted(write(tmp_path, export(span("x", "", 1, 2, http__route="/"))))) == []


PARIS = {"city": "Paris"}
SAMPLE = {
    "id": "s1",
    "epoch": 2,
    "input": "Weather in Paris?",
    "messages": [
        {"role": "user", "content": "Weather in Paris?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": "weather", "arguments": PARIS}]},
        {"role": "tool", "content": "attachment://abc", "tool_call_id": "c1", "function": "weather"},
        {"role": "assistant", "content": [{"type": "text", "text": "Rainy."}]},
    ],
    "attachments": {"abc": "rain"},
    "output": {"model": "m-1", "completion": "Rainy.", "choices": []},
    "scores": {"match": {"value": "C"}},
    "model_usage": {"m-1": {"input_tokens": 9, "output_tokens": 4}},
    "total_time": 1.5,
}  # fmt: skip
LOG = {
    "version": 2,
    "status": "success",
    "eval": {"eval_id": "e1", "task": "weather", "model": "m-1"},
    "samples": [SAMPLE],
}


def test_an_inspect_log_and_its_zip_are_the_same_runs(tmp_path: Path) -> None:
    """A sample is a run, in JSON as in `.eval`; its scores are its outcome, its attachments stand where they belong."""
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", json.dumps({name: LOG[name] for name in ("version", "status", "eval")}))
        archive.writestr("samples/s1_epoch_2.json", json.dumps(SAMPLE))
    [trace] = converted(write(tmp_path, LOG))
    assert list(converted(tmp_path / "log.eval")) == [trace]
    assert (trace.trace_id, trace.outcome, trace.response, trace.latency_ms) == ("e1:s1:2", "success", "Rainy.", 1500.0)
    assert (trace.tool_calls[0].args, trace.tool_results[0].result) == ({"city": "Paris"}, "rain")
    assert (trace.cost_tokens, trace.cost_usd, trace.started_at) == (13, None, None)
    assert (trace.task_id, trace.trial) == ("weather:s1", 1)


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ({}, None),
        ({"a": {"value": 0.4}}, None),
        ({"a": {"value": "C"}, "b": {"value": "I"}}, "failure"),
        ({"a": {"value": 1}}, "success"),
    ],
)  # fmt: skip
def test_only_scores_that_mean_an_outcome_are_one(
    tmp_path: Path, scores: dict[str, object], outcome: str | None
) -> None:
    """Right and wrong are outcomes; a mean of 0.4 is not, and no score is none."""
    [trace] = converted(write(tmp_path, {**LOG, "samples": [{**SAMPLE, "scores": scores}]}))
    assert trace.outcome == outcome


def test_calls_that_go_on_with_a_conversation_are_one_run(tmp_path: Path) -> None:
    """A log of an endpoint: asked, told what the tool returned, asked again; the next conversation is another run."""
    user = {"role": "user", "content": "Weather?"}
    call = {"id": "c", "type": "function", "function": {"name": "w", "arguments": "{oops"}}
    asks = {"role": "assistant", "content": None, "tool_calls": [call]}
    told = {"role": "tool", "tool_call_id": "c", "content": "rain"}

    def entry(messages: list[object], said: object, id: str) -> dict[str, object]:
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        return {
            "request": {"model": "m", "messages": messages},
            "response": {"id": id, "model": "m-1", "choices": [{"message": said}], "usage": usage},
            "latency_ms": 7,
        }

    done = {"role": "assistant", "content": "Rainy."}
    lines = [entry([user], asks, "r1"), entry([user, asks, told], done, "r2"), entry([user], done, "r3")]
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    first, second = converted(file)
    assert (first.trace_id, first.model_calls, first.latency_ms, first.cost_tokens) == ("r1", 2, 14, 14)
    assert (first.tool_calls[0].args, first.tool_results[0].result) == ({"unparsed": "{oops"}, "rain")
    assert (second.trace_id, second.tool_calls, second.response) == ("r3", (), "Rainy.")


def exchange(given: list[object], said: object, id: str) -> dict[str, object]:
    """A line of a log of an endpoint."""
    return {"request": {"messages": given}, "response": {"id": id, "choices": [{"message": said}]}}


def lines(folder: Path, *values: object) -> Path:
    """A file with a value a line."""
    path = folder / "log.jsonl"
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values), encoding="utf-8")
    return path


def user(text: str) -> dict[str, object]:
    """A message of the user."""
    return {"role": "user", "content": text}


def says(text: str | None, *calls: tuple[str | None, str, dict[str, object]]) -> dict[str, object]:
    """A message of the model; calls are id, name and arguments."""
    listed = [{"id": key, "function": {"name": name, "arguments": json.dumps(args)}} for key, name, args in calls]
    return {"role": "assistant", "content": text, "tool_calls": listed}


def told(text: str, id: str) -> dict[str, object]:
    """What a tool returned."""
    return {"role": "tool", "tool_call_id": id, "content": text}


def test_runs_that_a_server_logs_at_once_are_kept_apart(tmp_path: Path) -> None:
    """Each entry goes on with the run whose messages and answer it begins with, even where two were asked the same."""
    first, second, other = (says(None, (key, "look", {"at": key})) for key in "abc")
    log = [
        exchange([user("Hi")], first, "r1"),
        exchange([user("Hi")], second, "r2"),
        exchange([user("Ho")], other, "r3"),
        exchange([user("Hi"), first, told("1", "a")], says("one"), "r4"),
        exchange([user("Ho"), other, told("3", "c")], says("three"), "r5"),
        exchange([user("Hi"), second, told("2", "b")], says("two"), "r6"),
    ]
    found = [
        (trace.trace_id, trace.response, [call.args["at"] for call in trace.tool_calls], trace.tool_results[0].result)
        for trace in converted(lines(tmp_path, *log))
    ]
    assert found == [("r1", "one", ["a"], "1"), ("r2", "two", ["b"], "2"), ("r3", "three", ["c"], "3")]


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_conversation_is_one_run_with_the_turns_of_its_user(tmp_path: Path, *, is_bare: bool) -> None:
    """The request is what the user said first, the answer what the agent said last; the turns stand between."""
    talk = [user("Hi"), says("Hello!"), user("By the way:"), user("2 + 2?")]
    log = [exchange(talk[:1], talk[1], "r1"), exchange(talk, says("4"), "r2")]
    [trace] = converted(lines(tmp_path, *([{"messages": [*talk, says("4")]}] if is_bare else log)))
    assert (trace.request, trace.response, trace.user_turns) == ("Hi", "4", ("Hi", "2 + 2?"))
    assert "Hi" not in "".join(step.text or "" for step in trace.steps or ())


def test_what_was_said_before_the_log_began_is_no_turn_of_it(tmp_path: Path) -> None:
    """The request of a run that goes on with an earlier one is its own."""
    [trace] = converted(lines(tmp_path, exchange([user("Hi"), says("Hello!"), user("2 + 2?")], says("4"), "r1")))
    assert (trace.request, trace.user_turns) == ("2 + 2?", None)


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_call_in_the_older_form_is_a_call(tmp_path: Path, *, is_bare: bool) -> None:
    """`function_call` has no id; what the function returned belongs to it by name and order."""
    asks = {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": '{"x": 1}'}}
    returned = {"role": "function", "name": "look", "content": "one"}
    talk: list[object] = [user("Q"), asks, returned]
    log = [exchange(talk[:1], asks, "r1"), exchange(talk, says("done"), "r2")]
    [trace] = converted(lines(tmp_path, *([{"messages": [*talk, says("done")]}] if is_bare else log)))
    assert trace.tool_calls == (TracedCall(name="look", args={"x": 1}),)
    assert (trace.tool_results[0].result, trace.response) == ("one", "done")


def test_equal_calls_without_ids_are_each_counted(tmp_path: Path) -> None:
    """An agent that asks for the same thing three times made three calls, and each has its own result."""
    asks = says(None, (None, "poll", {"job": 7}))
    talk: list[object] = [user("Wait")]
    log = []
    for turn in range(3):
        log.append(exchange(list(talk), asks, f"r{turn}"))
        talk += [asks, {"role": "tool", "name": "poll", "content": f"{turn}"}]
    log.append(exchange(talk, says("done"), "r3"))
    [trace] = converted(lines(tmp_path, *log))
    assert [(call.name, call.args) for call in trace.tool_calls] == [("poll", {"job": 7})] * 3
    assert [result.result for result in trace.tool_results] == ["0", "1", "2"]


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    """What a model refuses with stands in a field or a block of its own."""
    block = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    beside = {"role": "assistant", "content": None, "refusal": "No."}
    log = [exchange([user("a")], block, "r1"), exchange([user("b")], beside, "r2")]
    assert [trace.response for trace in converted(lines(tmp_path, *log))] == ["No.", "No."]


def test_a_table_of_observations_is_put_together_by_trace(tmp_path: Path) -> None:
    """Rows of two runs, mixed, are two runs; tokens that Langfuse counts apart are added to their side."""
    row = {"type": "GENERATION", "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:00:02Z", "input": "Hi"}
    usage = {"input": 5, "output": 2, "output_reasoning": 3, "total": 10}
    rows = [
        row | {"id": "a", "traceId": "t1", "output": "Hello!", "usageDetails": usage},
        row | {"id": "b", "traceId": "t2", "output": "Ho!"},
        row | {"id": "c", "traceId": "t1", "type": "TOOL", "name": "look", "output": "x", "parentObservationId": "a"},
    ]
    first, second = converted(write(tmp_path, rows))
    assert (first.trace_id, first.input_tokens, first.output_tokens, first.latency_ms) == ("t1", 5, 5, 2000.0)
    assert [call.name for call in first.tool_calls] == ["look"]
    assert (second.trace_id, second.response, second.cost_tokens) == ("t2", "Ho!", None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"resourceMetrics": []}', "none of chat, inspect, langfuse, otlp"),
        ("", "none of"),
        ("{broken\n", ":1: this line is no JSON"),
        ("\x1f\x8bpacked", "is compressed"),
        ("PK\x03\x04broken", "no readable .eval file"),
        ('"text"', "none of"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_hint(tmp_path: Path, content: str, says: str) -> None:
    """No empty result for a file that was not understood."""
    file = tmp_path / "x.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(TraceError, match=says) as raised:
        list(converted(file))
    assert raised.value.hint


def test_a_file_of_another_tool_is_not_read_as_the_one_named(tmp_path: Path) -> None:
    """`--from langfuse` for spans is an error that says what they look like."""
    with pytest.raises(TraceError, match="looks like otlp"):
        list(converted(write(tmp_path, export()), "langfuse"))


def good(trace: Trace) -> bool:
    """Whether it is written, read and without a problem."""
    return trace_of(line_of(trace)) == trace and problems_of(trace) == ()


@pytest.mark.real_data
def test_traces_of_seven_frameworks_are_read(shared_data: Path) -> None:
    """Whatever framework wrote it: a question, its calls with arguments, and tokens once."""
    found = {}
    for file in sorted((shared_data / "framework_traces/langfuse").glob("*.json")):
        [trace] = converted(file)
        assert good(trace), file
        found[file.name.split("-2025")[0]] = (
            [
                (call.name, result.result is not None)
                for call, result in zip(trace.tool_calls, trace.tool_results, strict=True)
            ],
            trace.cost_tokens,
            trace.model_calls,
        )
        assert trace.request
    weather = [("get_weather", True)]
    assert found == {
        "claude-agent": ([("mcp__weather__get_weather", True)] * 2, 266, 4),
        "crewai": ([], 354, 1),
        "langgraph-js": (weather, 444, 2),
        "langgraph-python": ([("Web-Search", True)], 234, 2),
        "openai-agents": (weather, 184, 2),
        "pydantic-ai-tools": (
            [*((f"get_{kind}_suggestion", True) for kind in ("pun", "dad_joke", "one_liner")), ("final_result", False)],
            1524,
            4,
        ),
        "vercel-aisdk": ([("getWeather", True)], 147, 1),
    }  # fmt: skip


@pytest.mark.real_data
def test_recorded_exchanges_of_an_endpoint_are_read(shared_data: Path) -> None:
    """Chat, tools, streams and errors of 56 cassettes: each is a run with an answer, a call or an error."""
    files = sorted((shared_data / "provider_recordings").rglob("*.yaml"))
    assert len(files) > 50
    for file in files:
        for trace in converted(file):
            assert good(trace), file
            assert trace.response or trace.tool_calls or trace.error, file
