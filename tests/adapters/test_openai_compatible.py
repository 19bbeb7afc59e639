"""The OpenAI-compatible executor against a real HTTP server on loopback: answers, streams, refusals, silence."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from surefoot.adapters.executors.openai_compatible import OpenAICompatibleExecutor
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import (
    AgentVersion,
    ExecutorKind,
    ExecutorRef,
    ModelRef,
    Policies,
    Prompt,
    ToolSpec,
)
from surefoot.core.units import AgentName, Millis
from surefoot.errors import ArtifactError, ExecutorFailed, ExecutorTimeout, UsageError
from surefoot.ports.executor import Answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = "sk-very-secret"


@asynccontextmanager
async def endpoint(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def version(base_url: str, **settings: float | str) -> AgentVersion:
    return AgentVersion(
        agent=AgentName("bot"),
        label="v1",
        model=ModelRef(provider="local", name="tiny-1", parameters=canonical({"temperature": 0})),
        prompt=Prompt(system="Be brief."),
        tools=(ToolSpec(name="look", description="looks", arguments=canonical({"type": "object"})),),
        policies=Policies(max_latency=Millis(2000)),
        executor=ExecutorRef(kind=ExecutorKind.OPENAI, settings=canonical({"base_url": base_url, **settings})),
    )


def completion(content: str | None = "hello", **message: object) -> dict[str, object]:
    return {
        "choices": [{"message": {"content": content, **message}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }


def answering(payload: object, status: int = 200) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(payload, status=status)

    return handler


async def ask(handler: Handler, request: object = "hi", *, key: str = "run-1", **settings: float | str) -> Answer:
    async with endpoint(handler) as url:
        return await OpenAICompatibleExecutor().run(version(url, **settings), request, key=key)


def test_a_missing_package_is_an_error_with_the_way_out(monkeypatch):
    """Without the extra, what to install is said: no traceback of an import."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(UsageError, match="aiohttp") as refusal:
        asyncio.run(OpenAICompatibleExecutor().run(version("http://127.0.0.1:1/v1"), "hi", key="run-1"))
    assert refusal.value.hint == "pip install 'surefoot[openai]'"


async def hear(handler: Handler) -> tuple[list[str], Answer | None]:
    pieces: list[str] = []
    async with endpoint(handler) as url:
        async for piece in OpenAICompatibleExecutor().stream(version(url), "hi", key="run-1"):
            if isinstance(piece, Answer):
                return pieces, piece
            pieces.append(piece)
    return pieces, None


def test_the_version_decides_what_is_sent_and_the_answer_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompt, parameters, tools and key go out; text, tokens and cost come back."""
    monkeypatch.setenv("BOT_KEY", KEY)
    sent: dict[str, object] = {}

    async def handler(request: web.Request) -> web.Response:
        sent.update(await request.json(), auth=request.headers["Authorization"], key=request.headers["Idempotency-Key"])
        return web.json_response(completion())

    answer = asyncio.run(ask(handler, api_key_env="BOT_KEY", usd_per_million_input=2.0, usd_per_million_output=8.0))
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert (sent["model"], sent["temperature"], sent["auth"], sent["key"]) == ("tiny-1", 0, f"Bearer {KEY}", "run-1")
    assert answer.output == "hello"
    assert (answer.seen.tokens, answer.seen.cost, answer.seen.model_calls) == (15, 60, 1)


def test_without_prices_or_usage_nothing_is_recorded_as_free() -> None:
    """An unknown cost is unknown, never zero."""
    answer = asyncio.run(ask(answering(completion())))
    bare = asyncio.run(ask(answering({"choices": [{"message": {"content": "x"}}]})))
    assert (answer.seen.tokens, answer.seen.cost) == (15, None)
    assert (bare.seen.tokens, bare.seen.cost) == (None, None)


def test_the_models_tool_calls_are_in_the_answer_even_when_unreadable() -> None:
    """Arguments that are no JSON are kept as they came."""
    calls = [{"function": {"name": "look", "arguments": '{"at": 1}'}}, {"function": {"name": "x", "arguments": "{"}}]
    answer = asyncio.run(ask(answering(completion(None, tool_calls=calls))))
    assert [(call.name, dict(call.arguments)) for call in answer.tool_calls] == [
        ("look", {"at": 1}),
        ("x", {"unreadable": "{"}),
    ]


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (answering({"error": f"bad key {KEY}"}, 401), "answered 401"),
        (answering({"error": "busy"}, 503), "answered 503"),
        (
            answering({"error": {"message": f"no model tiny-1 {KEY}", "code": 404}}, 404),
            "answered 404: no model tiny-1",
        ),
        (answering({"error": {"message": f"{'x' * 195}{KEY}"}}, 400), "answered 400: xxx"),
        (answering({"error": {"message": "context is too long"}}), "answered with an error: context is too long"),
        (answering({"error": "busy"}), "answered with an error: busy"),
        (answering({"choices": []}), "no choice"),
        (answering([1, 2]), "no chat completion"),
        (answering({"choices": [{"message": {"content": 3}}]}), "no chat completion"),
    ],
)
def test_an_endpoint_that_breaks_its_promise_is_an_executor_failure(
    handler: Handler, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every way of not answering has a code, a hint, and never the key."""
    monkeypatch.setenv("BOT_KEY", KEY)
    with pytest.raises(ExecutorFailed, match=says) as raised:
        asyncio.run(ask(handler, api_key_env="BOT_KEY"))
    assert raised.value.hint
    assert KEY[:5] not in str(raised.value)


@pytest.mark.parametrize(("timeout", "latency"), [(50, None), (50, 2_000), (90_000, 50), (None, 50)])
def test_an_endpoint_that_is_silent_is_given_up_at_the_versions_own_limit(
    timeout: int | None, latency: int | None
) -> None:
    """The executor's `timeout` and the policies' `max_latency` both bound the wait: the shorter one wins."""

    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def impatient() -> None:
        async with endpoint(silent) as url:
            quick = version(url)
            quick = AgentVersion(
                agent=quick.agent,
                label="v2",
                model=quick.model,
                prompt=quick.prompt,
                policies=Policies(max_latency=None if latency is None else Millis(latency)),
                executor=version(url, **({} if timeout is None else {"timeout_ms": timeout})).executor,
            )
            await OpenAICompatibleExecutor().run(quick, "hi", key="k")

    with pytest.raises(ExecutorTimeout, match=r"did not answer within 0\.05 s"):
        asyncio.run(impatient())


def test_an_endpoint_that_is_not_there_is_an_executor_failure() -> None:
    """A refused connection has a hint."""
    with pytest.raises(ExecutorFailed, match="cannot be reached"):
        asyncio.run(OpenAICompatibleExecutor().run(version("http://127.0.0.1:9/v1"), "hi", key="k"))


@pytest.mark.parametrize("base_url", ["http://example.org/v1", "ftp://127.0.0.1/v1", "nonsense", ""])
def test_a_key_never_travels_in_the_open(base_url: str) -> None:
    """Plain http is refused beyond loopback, before anything is sent."""
    with pytest.raises(ArtifactError):
        asyncio.run(OpenAICompatibleExecutor().run(version(base_url), "hi", key="k"))


def test_a_key_that_is_not_set_is_named() -> None:
    """The hint says which variable to export."""
    with pytest.raises(ExecutorFailed, match="NO_SUCH_KEY"):
        asyncio.run(ask(answering(completion()), api_key_env="NO_SUCH_KEY"))


def streaming(*events: object, cut: bool = False) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            await response.write(f"data: {data}\n\n".encode())
        if not cut:
            await response.write(b"data: [DONE]\n\n")
        return response

    return handler


def delta(content: str | None, finish: str | None = None) -> dict[str, object]:
    return {"choices": [{"delta": {"content": content}, "finish_reason": finish}]}


def test_a_stream_arrives_in_pieces_and_ends_with_the_whole_answer() -> None:
    """Time to the first piece is measured, usage comes with the last event."""
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    pieces, answer = asyncio.run(hear(streaming(delta("a "), delta("b"), delta(None, "stop"), usage)))
    assert pieces == ["a ", "b"]
    assert answer is not None
    assert (answer.output, answer.seen.tokens) == ("a b", 5)
    assert answer.seen.ttft_ms is not None


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (streaming(delta("a"), cut=True), "ended in the middle"),
        (streaming(delta("a"), "{nonsense"), "no chat completion"),
        (streaming(delta("a"), {"error": {"message": "out of memory"}}), "out of memory"),
        (streaming(delta("a"), delta("b" * (3 << 20))), "too long"),
        (streaming(*[delta("b" * 900_000)] * 20), "more than 16 MiB"),
    ],
)
def test_a_stream_that_breaks_off_is_a_failure_not_a_short_answer(handler: Handler, says: str) -> None:
    """Half an answer never counts as one, and what the endpoint says about it is passed on."""
    with pytest.raises(ExecutorFailed, match=says):
        asyncio.run(hear(handler))


def part(index: int | None, arguments: str, name: str | None = None) -> dict[str, object]:
    call = {"function": {"name": name, "arguments": arguments}, **({} if index is None else {"index": index})}
    return {"choices": [{"delta": {"tool_calls": [call]}}]}


@pytest.mark.parametrize(
    "parts",
    [
        [part(0, "", "look"), part(0, '{"at"'), part(0, ": 1}"), part(1, "", "wait"), part(1, "{}")],
        [part(0, "", "look"), part(1, "", "wait"), part(0, '{"at"'), part(1, "{}"), part(0, ": 1}")],
        [part(None, '{"at": 1}', "look"), part(None, "", "wait")],
    ],
)
def test_a_stream_that_calls_tools_ends_with_its_calls(parts: list[object]) -> None:
    """They come in parts that are put together by index, and are those that an answer in one piece would have."""
    pieces, answer = asyncio.run(hear(streaming(*parts, delta(None, "tool_calls"))))
    assert pieces == []
    assert answer is not None
    assert answer.output is None
    assert [(call.name, dict(call.arguments)) for call in answer.tool_calls] == [("look", {"at": 1}), ("wait", {})]


def test_what_a_listener_raises_is_not_the_endpoints_fault() -> None:
    """An error that is thrown into a stream comes out as it is."""

    async def scenario() -> None:
        async with endpoint(streaming(delta("a"), delta("b", "stop"))) as url:
            stream = OpenAICompatibleExecutor().stream(version(url), "hi", key="k")
            await anext(stream)
            await stream.athrow(ValueError("mine"))  # type: ignore[attr-defined]  # an async generator

    with pytest.raises(ValueError, match="mine"):
        asyncio.run(scenario())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused(status: int) -> None:
    """Prompts go to the address in the version and nowhere else, whatever the endpoint answers."""
    went: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        went.append(request.path)
        return web.json_response(completion())

    async def scenario() -> None:
        async with endpoint(elsewhere) as other:

            async def pointing(request: web.Request) -> web.Response:
                return web.Response(status=status, headers={"Location": f"{other}/chat/completions"})

            await ask(pointing)

    with pytest.raises(ExecutorFailed, match=f"answered {status}: it points elsewhere") as refused:
        asyncio.run(scenario())
    assert not refused.value.transient
    assert went == []


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_answer_is_refused(status: int) -> None:
    """An endpoint that never stops sending does not fill the memory: an answer and an error page both have an end."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(b"x" * (1 << 20))

    with pytest.raises(ExecutorFailed, match="more than 16 MiB" if status == 200 else "answered 500: xxx") as refused:
        asyncio.run(ask(endless, timeout_ms=60_000))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("key", ["bot:case\nX-Evil: 1:0", "bot:größe:0", "x" * 300, " ", ""])
def test_the_id_of_a_case_may_be_any_text(key: str) -> None:
    """What no header can hold is sent as its hash, the same each time."""
    sent: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        sent.append(request.headers["Idempotency-Key"])
        return web.json_response(completion())

    for _ in range(2):
        asyncio.run(ask(handler, key=key))
    assert sent[0] == sent[1]
    assert len(sent[0]) == 64


def test_a_key_with_a_line_break_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be refused as a header without a word of where it comes from."""
    monkeypatch.setenv("BOT_KEY", f"{KEY}\n")
    with pytest.raises(ExecutorFailed, match="BOT_KEY holds no key"):
        asyncio.run(ask(answering(completion()), api_key_env="BOT_KEY"))


def test_giving_up_on_a_stream_closes_the_connection() -> None:
    """The endpoint notices that nobody listens any more."""

    async def scenario() -> bool:
        gone = asyncio.Event()

        async def endless(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                await response.write(f"data: {json.dumps(delta('a'))}\n\n".encode())
                await asyncio.Event().wait()
            finally:
                gone.set()
            return response

        async with endpoint(endless) as url:
            stream = OpenAICompatibleExecutor().stream(version(url), "hi", key="k")
            assert await anext(stream) == "a"
            await stream.aclose()  # type: ignore[attr-defined]  # an async generator behind the protocol
            async with asyncio.timeout(5):
                await gone.wait()
        return gone.is_set()

    assert asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "transient", "overloaded"),
    [
        (429, True, True),
        (503, True, True),
        (500, True, False),
        (502, True, False),
        (400, False, False),
        (401, False, False),
    ],
)
def test_a_refusal_says_whether_trying_again_helps(status, transient, overloaded):
    """What is busy or broken for a moment is told apart from what is wrong."""
    with pytest.raises(ExecutorFailed) as found:
        asyncio.run(ask(answering({}, status)))
    assert (found.value.transient, found.value.overloaded) == (transient, overloaded)


def test_how_long_to_wait_is_passed_on():
    """Retry-After in seconds reaches whoever tries again; a date is not read."""

    def busy(value: str) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            return web.Response(status=429, headers={"Retry-After": value})

        return handler

    for value, seconds in (("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)):
        with pytest.raises(ExecutorFailed) as found:
            asyncio.run(ask(busy(value)))
        assert found.value.retry_after == seconds


def test_tokens_in_and_out_are_apart():
    """They have different prices."""
    answer = asyncio.run(ask(answering(completion())))
    assert (answer.input_tokens, answer.output_tokens) == (10, 5)
