"""Any endpoint that speaks the OpenAI chat protocol, hosted or local."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import msgspec

from ...core.artifact.canonical import parse_object
from ...core.artifact.version import AgentVersion
from ...core.evidence.observation import Observation
from ...core.units import MicroUsd, Millis
from ...errors import ArtifactError, ExecutorFailed, ExecutorTimeout, UsageError
from ...ports.executor import Answer, ToolCall

if TYPE_CHECKING:
    import aiohttp

__all__ = ["OpenAICompatibleExecutor"]

_PATIENCE_S: Final = 60.0
"""How long a request may take when its version sets neither a timeout nor max_latency."""

_LARGEST_LINE: Final = 1 << 20
_LARGEST_ANSWER: Final = 16 << 20
"""Bytes of a whole answer, streamed or not. An endpoint that sends more is broken."""

_LARGEST_REFUSAL: Final = 4 << 10
"""Bytes that are read of an error page: only its first words are shown."""

_CHUNK: Final = 1 << 16
_SHOWN: Final = 200
_HEADER: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
"""What any server takes as the value of a header."""

_OVERLOADED: Final = (408, 429, 503, 529)
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    function: _Function
    index: int | None = None
    """In a stream: which of the answer's calls this is a part of."""


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    """The few fields that are read of a completion, and of each event of a streamed one."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: object = None
    """What went wrong at the endpoint, in its own words: a text, or a mapping with a `message`."""


_DECODER: Final = msgspec.json.Decoder(_Completion)


class OpenAICompatibleExecutor:
    """
    Calls `POST {base_url}/chat/completions`. Settings of the version's executor:

    * `base_url`: where the endpoint is, e.g. `http://127.0.0.1:8080/v1`. Plain http is for loopback only.
    * `api_key_env`: name of the environment variable that holds the key. Without it no key is sent.
    * `timeout_ms`: how long a request may take. The version's max_latency counts too: the shorter one of the two.
    * `usd_per_million_input`, `usd_per_million_output`: prices. Without both, cost is not recorded (never 0).

    The request is a text, or a mapping with `messages`. The version's prompt comes first as the system message, its
    model parameters go along as they are. Tool calls of the model are in the answer; running them is the caller's.
    Raises ExecutorFailed for a refused connection, a time-out, a redirect, an error status, an error that the endpoint
    tells in its answer, or an answer that is no completion.
    """

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Answer once. `key` goes along as `Idempotency-Key`."""
        started = time.perf_counter()
        async with _posted(version, _body(version, request), key) as response:
            found = _decoded(version, await _read(version, response))
        message = found.choices[0].message if found.choices else None
        if message is None:
            raise _unexpected(version, "no choice with a message")
        return Answer(
            output=message.content,
            seen=_seen(version, found.usage, started),
            tool_calls=tuple(
                _tool_call(call.function.name, call.function.arguments) for call in message.tool_calls or ()
            ),
            input_tokens=found.usage.prompt_tokens if found.usage else None,
            output_tokens=found.usage.completion_tokens if found.usage else None,
        )

    async def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """Pieces of text as they come, the whole answer last: its tool calls, and the time to the first piece."""
        started = time.perf_counter()
        first: float | None = None
        text: list[str] = []
        calls: dict[int, _Call] = {}
        usage: _Usage | None = None
        finished = False
        body = {**_body(version, request), "stream": True, "stream_options": {"include_usage": True}}
        async with _posted(version, body, key) as response:
            async for event in _events(version, response):
                usage = event.usage or usage
                for choice in event.choices:
                    finished = finished or choice.finish_reason is not None
                    if choice.delta is None:
                        continue
                    _collect(choice.delta.tool_calls or (), calls)
                    if piece := choice.delta.content:
                        first = first or time.perf_counter()
                        text.append(piece)
                        yield piece
        if not finished:
            raise _unexpected(version, "a stream that ended in the middle")
        yield Answer(
            output=None if calls and not text else "".join(text),
            seen=_seen(version, usage, started, first),
            tool_calls=tuple(_tool_call(call.function.name, call.function.arguments) for call in calls.values()),
            input_tokens=usage.prompt_tokens if usage else None,
            output_tokens=usage.completion_tokens if usage else None,
        )


def _body(version: AgentVersion, request: object) -> dict[str, object]:
    asked = cast("Mapping[str, object]", request).get("messages") if isinstance(request, Mapping) else None
    if isinstance(asked, list):
        messages = list(cast("list[object]", asked))
    else:
        content = request if isinstance(request, str) else json.dumps(request, ensure_ascii=False, default=str)
        messages = [{"role": "user", "content": content}]
    if version.prompt.text:
        messages.insert(0, {"role": "system", "content": version.prompt.text})
    body: dict[str, object] = {
        **parse_object(version.model.parameters),
        "model": version.model.name,
        "messages": messages,
    }
    if version.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": parse_object(tool.arguments),
                },
            }
            for tool in version.tools
        ]
    return body


@asynccontextmanager
async def _posted(version: AgentVersion, body: dict[str, object], key: str) -> AsyncGenerator[aiohttp.ClientResponse]:
    try:
        import aiohttp
    except ImportError:
        raise UsageError(
            "asking a model's endpoint needs aiohttp, which is not installed", hint="pip install 'surefoot[openai]'"
        ) from None
    headers = {"Idempotency-Key": _header(key), **_authorization(version)}
    patience = aiohttp.ClientTimeout(total=_patience(version))
    try:
        async with (
            aiohttp.ClientSession(timeout=patience, read_bufsize=_LARGEST_LINE) as session,
            # A redirect would take the prompt, and any key in it, to wherever the endpoint says.
            session.post(
                f"{_base_url(version)}/chat/completions", json=body, headers=headers, allow_redirects=False
            ) as response,
        ):
            if not 200 <= response.status < 300:
                raise await _refused(version, response)
            yield response
    except TimeoutError as error:
        raise ExecutorTimeout(
            f"{_where(version)} did not answer within {_patience(version):g} s",
            hint="raise the executor's timeout and the max_latency of the version's policies, or look at the endpoint",
            overloaded=True,
        ) from error
    except aiohttp.ClientError as error:
        raise ExecutorFailed(
            f"{_where(version)} cannot be reached: {type(error).__name__}",
            hint="is it running, and is base_url right?",
            transient=True,
        ) from error


async def _refused(version: AgentVersion, response: aiohttp.ClientResponse) -> ExecutorFailed:
    """The error for a status that is no success."""
    if response.status < 400:
        return ExecutorFailed(
            f"{_where(version)} answered {response.status}: it points elsewhere",
            hint="redirects are not followed: write the final address as base_url",
        )
    body = bytearray()
    async for chunk in response.content.iter_chunked(_LARGEST_REFUSAL):
        body += chunk
        if len(body) >= _LARGEST_REFUSAL:
            break
    said = body[:_LARGEST_REFUSAL].decode("utf-8", "replace")
    with suppress(msgspec.DecodeError):
        said = _words(_DECODER.decode(body).error) or said
    return ExecutorFailed(
        f"{_where(version)} answered {response.status}: {_shown(version, said)}",
        hint="a 401 or 403 means the key, a 404 the base_url or the model's name, a 429 or 5xx try later",
        transient=response.status >= 500,
        overloaded=response.status in _OVERLOADED,
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


async def _read(version: AgentVersion, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise _unexpected(version, f"more than {_LARGEST_ANSWER >> 20} MiB")
    return bytes(body)


async def _lines(version: AgentVersion, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    import aiohttp.http_exceptions

    total = 0
    lines = aiter(response.content)
    while True:
        try:
            raw = await anext(lines, b"")
        except (ValueError, aiohttp.http_exceptions.LineTooLong):
            raise _unexpected(version, "an event that is too long") from None
        if not raw:
            return
        total += len(raw)
        if total > _LARGEST_ANSWER:
            raise _unexpected(version, f"more than {_LARGEST_ANSWER >> 20} MiB")
        yield raw.strip()


async def _events(version: AgentVersion, response: aiohttp.ClientResponse) -> AsyncIterator[_Completion]:
    async for line in _lines(version, response):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        yield _decoded(version, data)


def _decoded(version: AgentVersion, data: bytes) -> _Completion:
    try:
        found = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise _unexpected(version, f"no chat completion ({error})") from None
    if found.error:
        code = _member(found.error, "code")
        raise ExecutorFailed(
            f"{_where(version)} answered with an error: {_shown(version, _words(found.error))}",
            hint="these are the endpoint's own words; look there",
            transient=isinstance(code, int) and code >= 500,
            overloaded=code in _OVERLOADED,
        )
    return found


def _member(error: object, name: str) -> object:
    return cast("Mapping[str, object]", error).get(name) if isinstance(error, Mapping) else None


def _words(error: object) -> str:
    """What an endpoint says about its error, however it is wrapped; empty if it says nothing."""
    message = _member(error, "message")
    if isinstance(message, str) and message:
        return message
    if error is None or isinstance(error, str):
        return error or ""
    return json.dumps(error, ensure_ascii=False)


def _collect(parts: Iterable[_Call], calls: dict[int, _Call]) -> None:
    """Add the parts of one event to the calls: the name comes first, the arguments piece by piece."""
    for part in parts:
        begins = part.index is None and part.function.name  # some endpoints send whole calls, without an index
        place = len(calls) if begins else max(0, len(calls) - 1) if part.index is None else part.index
        function = calls.setdefault(place, _Call(_Function())).function
        function.name = function.name or part.function.name
        function.arguments = (function.arguments or "") + (part.function.arguments or "")


def _seen(version: AgentVersion, usage: _Usage | None, started: float, first: float | None = None) -> Observation:
    inputs = usage.prompt_tokens if usage else None
    outputs = usage.completion_tokens if usage else None
    return Observation(
        latency_ms=Millis(round(1000 * (time.perf_counter() - started))),
        ttft_ms=None if first is None else Millis(round(1000 * (first - started))),
        tokens=None if inputs is None or outputs is None else inputs + outputs,
        cost=_cost(version, inputs, outputs),
        model_calls=1,
    )


def _cost(version: AgentVersion, inputs: int | None, outputs: int | None) -> MicroUsd | None:
    dear, dearer = (version.executor.setting(f"usd_per_million_{side}") for side in ("input", "output"))
    if inputs is None or outputs is None or not isinstance(dear, int | float) or not isinstance(dearer, int | float):
        return None
    # Dollars per million tokens are micro-dollars per token.
    return MicroUsd(round(dear * inputs + dearer * outputs))


def _tool_call(name: str | None, arguments: str | None) -> ToolCall:
    try:
        read = msgspec.json.decode(arguments or "{}", type=dict[str, object])
    except msgspec.DecodeError:
        read = {"unreadable": arguments}
    return ToolCall(name=name or "", arguments=read)


def _seconds(header: str | None) -> float | None:
    """What Retry-After says in seconds; a date, which it may say too, is not read."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _base_url(version: AgentVersion) -> str:
    url = version.executor.setting("base_url")
    parts = urlsplit(url) if isinstance(url, str) else None
    if not isinstance(url, str) or parts is None or not parts.hostname:
        raise ArtifactError(
            f"the executor of {version.agent} {version.label} has no base_url",
            hint="write executor: {kind: openai, base_url: https://...}",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ArtifactError(
            f"the endpoint of {version.agent} {version.label} is not https",
            hint="prompts and keys travel in the open over http; it is allowed on loopback only",
        )
    return url.rstrip("/")


def _authorization(version: AgentVersion) -> dict[str, str]:
    name = version.executor.setting("api_key_env")
    if not isinstance(name, str):
        return {}
    key = os.environ.get(name)
    if not key:
        raise ExecutorFailed(f"the environment variable {name} is not set", hint=f"export {name}=...")
    if not key.isprintable():
        raise ExecutorFailed(f"the environment variable {name} holds no key", hint="is there a line break in it?")
    return {"Authorization": f"Bearer {key}"}


def _header(key: str) -> str:
    """The key of a run, or a hash of one that cannot be sent: it may hold the id of a case, which is any text."""
    return key if _HEADER.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _patience(version: AgentVersion) -> float:
    """Seconds that a request may take."""
    limits = (version.executor.setting("timeout_ms"), version.policies.max_latency)
    return min((limit / 1000 for limit in limits if isinstance(limit, int)), default=_PATIENCE_S)


def _where(version: AgentVersion) -> str:
    return f"the endpoint of {version.agent} {version.label}"


def _unexpected(version: AgentVersion, what: str) -> ExecutorFailed:
    return ExecutorFailed(
        f"{_where(version)} answered with {what}", hint="does it speak the OpenAI chat protocol? look at its own log"
    )


def _shown(version: AgentVersion, text: str) -> str:
    """The beginning of what an endpoint said, without the key, which some repeat."""
    name = version.executor.setting("api_key_env")
    key = os.environ.get(name) if isinstance(name, str) else None
    return (text.replace(key, "***") if key else text)[:_SHOWN]
