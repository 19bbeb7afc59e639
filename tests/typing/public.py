"""The public face under mypy --strict and pyright --strict, as its users write it: no cast, no Any of theirs.

Never run; see values.py. What `@agent.runs` returns is typed by the function. `agent.run` cannot know the function, so
it checks both ways: as a reply, and as something to be awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

import surefoot
from surefoot import AgentVersion, AsyncStream, Reply, Run, Stream


def takes(anything: object) -> None: ...


sf = surefoot.open()
agent = sf.agent("support-agent")
sf.agent(7)  # type: ignore[arg-type] # a name is text


# --- a coroutine function


@agent.runs
async def answer(version: AgentVersion, request: str, ctx: Run) -> list[str]:
    ctx.observe(tokens=120, cost_usd=0.002, quality=4.5, success=None)
    ctx.observe(tokens="many")  # type: ignore[arg-type] # a count is a number
    ctx.observe(sucess=True)  # type: ignore[call-arg] # nothing of that name
    return [version.label, request]


async def asynchronous() -> None:
    reply = await answer.run("Where is my order?", user="u-42", session="s-7", tenant="acme")
    assert_type(reply, Reply[list[str]])
    assert_type(reply.output, list[str])
    assert_type(reply.run_id, str)
    forgotten = answer.run("hello").output  # type: ignore[attr-defined] # it has to be awaited
    del forgotten
    await answer.run(42)  # type: ignore[arg-type] # the function takes text
    await answer.run("hello", usr="u-42")  # type: ignore[call-arg] # an id of that name does not exist
    await answer.run("hello", user=42)  # type: ignore[arg-type] # an id is text
    assert_type((await answer.run("hello", fallback=["later"])).output, list[str])
    await answer.run("hello", fallback=7)  # type: ignore[arg-type] # a fallback is what the function would return
    task = asyncio.create_task(answer.run("hello"))
    assert_type(await task, Reply[list[str]])
    first, _ = await asyncio.gather(answer.run("hello"), answer.run("again"))
    assert_type(first.output, list[str])

    # as in the README, where the checker cannot know that the function is asynchronous
    loose = await agent.run("Where is my order?", user="u-42", session="s-7", tenant="acme")
    assert_type(loose.run_id, str)
    agent.feedback(loose.run_id, score=1.0)
    assert_type((await asyncio.create_task(agent.run("hello"))).run_id, str)


coroutine: Coroutine[Any, Any, Reply[list[str]]] = answer.run("hello")


# --- a function


@agent.runs
def lookup(version: AgentVersion, request: int, ctx: Run) -> float:
    return request / 2


assert_type(lookup.run(42).output, float)
assert_type(lookup.run(42, fallback=0.0), Reply[float])
lookup.run("42")  # type: ignore[arg-type] # the function takes a number
plain = agent.run(42, session="s-7")
assert_type(plain.version, str)


async def misuse() -> None:
    await lookup.run(42)  # type: ignore[misc] # there is nothing to await


# --- pieces


@agent.runs
def words(version: AgentVersion, request: str, ctx: Run) -> Iterator[str]:
    yield from request.split()


@agent.runs
async def tokens(version: AgentVersion, request: str, ctx: Run) -> AsyncIterator[bytes]:
    ctx.first_token()
    yield request.encode()


with words.stream("where is it", session="s-7") as stream:
    assert_type(stream, Stream[str])
    for word in stream:
        assert_type(word, str)
words.run("where is it")  # type: ignore[attr-defined] # it answers in pieces


async def pieces() -> None:
    async with tokens.stream("where is it") as stream:
        assert_type(stream, AsyncStream[bytes])
        async for token in stream:
            assert_type(token, bytes)
    async for anything in agent.stream("where is it"):
        takes(anything)
    for anything in agent.stream("where is it"):
        takes(anything)


# --- what is no agent's function


@agent.runs  # type: ignore[arg-type] # it cannot be told the version
def too_short(request: str) -> str:
    return request


@agent.runs  # type: ignore[arg-type] # the version is no text
def wrong(version: str, request: str, ctx: Run) -> str:
    return request


# --- the lower levels

with agent.observing(user="u-42", session="s-7") as run:
    assert_type(run, Run)
    assert_type(run.version, AgentVersion)
agent.observing("u-42")  # type: ignore[call-arg] # ids have names


async def lower() -> None:
    async with agent.observing(user="u-42") as run:
        assert_type(run, Run)


route = agent.route(user="u-42")
assert_type(agent.observe(route, user="u-42", latency_ms=120, success=True), str)
agent.feedback("sf1...", score="good")  # type: ignore[arg-type] # a score is a number
agent.feedback("sf1...", mood=1.0)  # type: ignore[call-arg] # nothing of that name
assert_type(surefoot.current_run(), Run | None)


async def closing() -> None:
    async with surefoot.open("shop", durable=True) as opened:
        assert_type(opened, surefoot.Surefoot)
