"""A real HTTP server on loopback that answers like a model, from a script; and a clock that does not wait."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

__all__ = ["HastyClock", "Script", "said", "served", "serving"]


def said(score: object, reason: str = "because") -> str:
    """A judge's answer as it should be."""
    return json.dumps({"reason": reason, "score": score})


class Script:
    """Answers one after the other, the last one for ever: texts, status codes, or a function of the request."""

    def __init__(self, *answers: str | int | Callable[[dict[str, Any]], str] | None) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        answer = self.answers[min(len(self.bodies), len(self.answers)) - 1]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, int):
            return web.json_response({"error": "no"}, status=answer)
        content = answer if isinstance(answer, str) else answer(body)
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return web.json_response({"choices": [{"message": {"content": content}}], "usage": usage})


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[str]:
    """The base URL of a server that follows the script."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", script.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """The same beside a test that has no event loop of its own, such as a command's."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    ready: list[str] = []
    up = threading.Event()

    async def main() -> None:
        async with served(script) as url:
            ready.append(url)
            up.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert up.wait(10)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class HastyClock:
    """Waits between tries are over at once; the watch for calls that take too long never looks."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        if seconds >= 100:
            await asyncio.Event().wait()
        self.waits.append(seconds)
