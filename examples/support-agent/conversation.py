"""One turn of the support agent: a version and a task become messages, the model's stream becomes a measured answer.

The agent's own code is the same for all versions; what differs between them is in their files. `prompt.system` is the
system message, `prompt.instructions` the layout of the customer's turn with the places {request}, {facts} and {note}.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from score import Task

from surefoot.core.artifact.canonical import parse_object
from surefoot.core.artifact.version import AgentVersion
from surefoot.errors import ArtifactError, ExecutorFailed

__all__ = ["Completion", "ask", "cost_usd", "messages"]

PATIENCE_S: Final = 120.0

USD_PER_MILLION_INPUT: Final = 0.20
USD_PER_MILLION_OUTPUT: Final = 0.80
"""A stated price, so that there is a cost to watch: nobody is charged for a model on one's own machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model said, and what it took."""

    text: str
    latency_ms: float
    ttft_ms: float | None
    """Milliseconds to the first text; None when there was none."""

    input_tokens: int
    output_tokens: int


def messages(version: AgentVersion, task: Task) -> list[dict[str, str]]:
    """What the model is sent for one request. A line of the layout that has nothing to say is left out."""
    layout = version.prompt.instructions
    if "{request}" not in layout or "{facts}" not in layout:
        raise ArtifactError(
            f"the instructions of {version.agent} {version.label} do not place the request and the facts",
            hint="write {request} and {facts} where they belong",
        )
    places = {"{request}": task.request, "{facts}": task.facts, "{note}": task.note or ""}
    for place, text in places.items():
        layout = layout.replace(place, text)
    turn = "\n".join(" ".join(line.split()) for line in layout.splitlines() if line.strip())
    system = [{"role": "system", "content": version.prompt.system}] if version.prompt.system else []
    return [*system, {"role": "user", "content": turn}]


def ask(base_url: str, version: AgentVersion, task: Task, *, seed: int) -> Completion:
    """Answer one request, streaming. Raises ExecutorFailed when the endpoint does not answer as promised."""
    body = {
        **parse_object(version.model.parameters),
        "model": version.model.name,
        "messages": messages(version, task),
        "seed": seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    started, first, text, usage = time.perf_counter(), None, [], None
    for event in _events(base_url, body):
        usage = event.get("usage") or usage
        for choice in event.get("choices", ()):
            if piece := choice["delta"].get("content"):
                first = first or time.perf_counter()
                text.append(piece)
    ended = time.perf_counter()
    if usage is None:
        raise ExecutorFailed(f"{base_url} ended its stream in the middle", hint="is the model still running?")
    return Completion(
        text="".join(text),
        latency_ms=round(1000 * (ended - started), 1),
        ttft_ms=None if first is None else round(1000 * (first - started), 1),
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
    )


def cost_usd(completion: Completion) -> float:
    """The answer at the stated price, in US dollars."""
    micro = USD_PER_MILLION_INPUT * completion.input_tokens + USD_PER_MILLION_OUTPUT * completion.output_tokens
    return round(micro / 1e6, 6)


def _events(base_url: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one streamed completion."""
    url = urlsplit(base_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE_S)
    try:
        path = f"{url.path}/chat/completions"
        connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != http.client.OK:
            said = response.read(300).decode("utf-8", "replace")
            raise ExecutorFailed(f"{base_url} answered {response.status}: {said}", hint="read what it says")
        for line in response:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield json.loads(data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ExecutorFailed(f"{base_url} did not answer: {error}", hint="is the model still running?") from error
    finally:
        connection.close()
