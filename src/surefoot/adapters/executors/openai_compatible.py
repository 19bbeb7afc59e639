"""Any endpoint that speaks the OpenAI chat protocol, hosted or local."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
"""How long a run may take when its version sets no max_latency."""

_LARGEST_LINE: Final = 1 << 20
_SHOWN: Final = 200
_OVERLOADED: Final = (408, 429, 503, 529)
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = "{}"


class _Call(msgspec.Struct):
    function: _Function


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    """The few fields that are read of a completion, and of each event of a streamed one."""

    choices: list[_Choice]
    usage: _Usage | None = None


_DECODER: Final = msgspec.json.Decoder(_Completion)


class OpenAICompatibleExecutor:
    """
    Calls `POST {base_url}/chat/completions`. Settings of the version's executor:

    * `base_url`: where the endpoint is, e.g. `http://127.0.0.1:8080/v1`. Plain http is for loopback only.
    * `api_key_env`: name of the environment variable that holds the key. Without it no key is sent.
    * `usd_per_million_input`, `usd_per_million_output`: prices. Without both, cost is not recorded (never 0).

    The request is a text, or a mapping with `messages`. The version's prompt comes first as the system message, its
    model parameters go along as they are. Tool calls of the model are in the answer; running them is the caller's.
    Raises ExecutorFailed for a refused connection, a time-out, an error status or an answer that is no completion.
    """

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Answer once. `key` goes along as `Idempotency-Key`."""
        started = time.perf_counter()
        async with _posted(version, _body(version, request), key) as response:
            found = _decoded(version, await response.read())
        message = found.choices[0].message if found.choices else None
        if message is None:
            raise _unexpected(version, "no choice with a message")
        return Answer(
            output=message.content,
            seen=_seen(version, found.usage, started),
            tool_calls=tuple(_tool_call(call.function) for call in message.tool_calls or ()),
            input_tokens=found.usage.prompt_tokens if found.usage else None,
            output_tokens=found.usage.completion_tokens if found.usage else None,
        )

    async def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """Pieces of text as they come, the whole answer last, with the time to the first piece."""
        started = time.perf_counter()
        first: float | None = None
        text: list[str] = []
        usage: _Usage | None = None
        finished = False
        body = {**_body(version, request), "stream": True, "stream_options": {"include_usage": True}}
        async with _posted(version, body, key) as response:
            async for event in _events(version, response):
                usage = event.usage or usage
                for choice in event.choices:
                    finished = finished or choice.finish_reason is not None
                    if choice.delta and (piece := choice.delta.content):
                        first = first or time.perf_counter()
                        text.append(piece)
                        yield piece
        if not finished:
            raise _unexpected(version, "a stream that ended in the middle")
        yield Answer(output="".join(text), seen=_seen(version, usage, started, first))


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
    headers = {"Idempotency-Key": key, **_authorization(version)}
    patience = aiohttp.ClientTimeout(total=_patience(version))
    try:
        async with (
            aiohttp.ClientSession(timeout=patience, read_bufsize=_LARGEST_LINE) as session,
            session.post(f"{_base_url(version)}/chat/completions", json=body, headers=headers) as response,
        ):
            if not response.ok:
                said = (await response.text(errors="replace"))[:_SHOWN]
                raise ExecutorFailed(
                    f"{_where(version)} answered {response.status}: {_masked(said, headers)}",
                    hint="a 401 or 403 means the key, a 404 the base_url or the model's name, a 429 or 5xx try later",
                    transient=response.status >= 500,
                    overloaded=response.status in _OVERLOADED,
                    retry_after=_seconds(response.headers.get("Retry-After")),
                )
            yield response
    except TimeoutError as error:
        raise ExecutorTimeout(
            f"{_where(version)} did not answer within {_patience(version):g} s",
            hint="raise max_latency in the version's policies, or look at the endpoint",
            overloaded=True,
        ) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise ExecutorFailed(
            f"{_where(version)} cannot be reached: {type(error).__name__}",
            hint="is it running, and is base_url right?",
            transient=isinstance(error, aiohttp.ClientError),
        ) from error


async def _events(version: AgentVersion, response: aiohttp.ClientResponse) -> AsyncIterator[_Completion]:
    async for raw in response.content:
        line = raw.strip()
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        yield _decoded(version, data)


def _decoded(version: AgentVersion, data: bytes) -> _Completion:
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise _unexpected(version, f"no chat completion ({error})") from None


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


def _tool_call(function: _Function) -> ToolCall:
    try:
        arguments = msgspec.json.decode(function.arguments, type=dict[str, object])
    except msgspec.DecodeError:
        arguments = {"unreadable": function.arguments}
    return ToolCall(name=function.name, arguments=arguments)


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
    return {"Authorization": f"Bearer {key}"}


def _patience(version: AgentVersion) -> float:
    limit = version.policies.max_latency
    return _PATIENCE_S if limit is None else limit / 1000


def _where(version: AgentVersion) -> str:
    return f"the endpoint of {version.agent} {version.label}"


def _unexpected(version: AgentVersion, what: str) -> ExecutorFailed:
    return ExecutorFailed(
        f"{_where(version)} answered with {what}", hint="does it speak the OpenAI chat protocol? look at its own log"
    )


def _masked(text: str, headers: Mapping[str, str]) -> str:
    key = headers.get("Authorization", "").removeprefix("Bearer ")
    return text.replace(key, "***") if key else text
