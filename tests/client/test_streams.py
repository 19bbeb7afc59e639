"""Answers in pieces: handed on as they come, recorded at their end, whoever ends them."""

from __future__ import annotations

import asyncio
import gc

import pytest

from surefoot.client.run import current_run
from tests.client.agents import Hosted, story


@pytest.fixture
def hosted():
    """An agent in the middle of a rollout."""
    made = Hosted()
    made.waits = asyncio.Event()
    return made


@pytest.fixture
def words(hosted):
    """A generator function that answers word by word."""

    @hosted.agent.runs
    def answer(version, request, ctx):
        for word in request.split():
            assert current_run() is ctx
            ctx.observe(tokens=1)
            yield word

    return answer


@pytest.fixture
def awaited_words(hosted):
    """The same, asynchronous; it waits before the word `wait`, and says so."""

    @hosted.agent.runs
    async def answer(version, request, ctx):
        for word in request.split():
            assert current_run() is ctx
            if word == "wait":
                hosted.waits.set()
                await asyncio.Event().wait()
            if word == "fail":
                raise RuntimeError("no")
            yield word

    return answer


def test_pieces_are_handed_on_and_the_run_is_recorded_at_the_end(hosted, words):
    """Once, as a success, with the time to its first piece."""
    stream = words.stream("where is it", session="s")
    assert stream.run_id
    assert hosted.records == []
    assert list(stream) == ["where", "is", "it"]
    assert list(stream) == []
    assert (hosted.seen.success, hosted.seen.tokens) == (True, 3)
    assert hosted.seen.ttft_ms is not None
    assert hosted.records[0].run_id == stream.run_id
    assert current_run() is None


@story
async def test_asynchronous_pieces_too(hosted, awaited_words):
    """The same with await, through the agent as well."""
    assert [word async for word in awaited_words.stream("where is it", session="s")] == ["where", "is", "it"]
    assert [word async for word in hosted.agent.stream("so so", session="s")] == ["so", "so"]
    assert [record.seen.success for record in hosted.records] == [True, True]


def test_who_stops_early_leaves_the_run_unresolved(hosted, words):
    """By close, by leaving the `with`, or by forgetting the stream."""
    stream = words.stream("a b c", session="s")
    next(stream)
    stream.close()
    stream.close()
    with words.stream("a b c", session="s") as other:
        next(other)
    third = words.stream("a b c", session="s")
    next(third)
    del third
    gc.collect()
    assert [(record.seen.success, record.seen.unresolved) for record in hosted.records] == [(None, True)] * 3


@story
async def test_who_stops_early_asynchronously_does_too(hosted, awaited_words):
    """And the function is told."""
    stream = awaited_words.stream("a b c", session="s")
    await anext(stream)
    await stream.aclose()
    async with awaited_words.stream("a b c", session="s") as other:
        await anext(other)
    assert [(record.seen.success, record.seen.unresolved) for record in hosted.records] == [(None, True)] * 2


@story
async def test_a_failure_between_pieces_is_a_failure(hosted, awaited_words):
    """What came before it does not help; it is raised unchanged."""
    stream = awaited_words.stream("a fail", session="s")
    assert await anext(stream) == "a"
    with pytest.raises(RuntimeError, match="no"):
        await anext(stream)
    assert (hosted.seen.success, hosted.seen.unresolved) == (False, False)


@story
async def test_a_cancellation_between_pieces_is_no_failure(hosted, awaited_words):
    """The reader went away."""
    stream = awaited_words.stream("a wait", session="s")
    await anext(stream)
    task = asyncio.create_task(anext(stream))
    await hosted.waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (hosted.seen.success, hosted.seen.unresolved) == (None, True)


def test_a_stream_that_nobody_reads_is_no_run(hosted, words):
    """The function was never started."""
    words.stream("a b", session="s").close()
    assert hosted.records == []


def test_a_stream_without_pieces_has_no_first_one(hosted, words):
    """Null is not zero."""
    assert list(words.stream("", session="s")) == []
    assert (hosted.seen.success, hosted.seen.ttft_ms) == (True, None)


def test_the_readers_own_time_is_not_the_agents(hosted, words):
    """Latency is what was waited for, however slowly the pieces are read."""
    stream = words.stream("a b", session="s")
    next(stream)
    started = stream._waited  # noqa: SLF001 - the clock of the stream stands still between pieces
    sum(range(10**6))
    assert stream._waited == started  # noqa: SLF001
    assert list(stream) == ["b"]
    assert hosted.seen.latency_ms is not None


def test_a_stream_that_times_out_before_its_first_piece_is_one_without(hosted):
    """The time it was waited for is kept; that no first token came is for the evidence to read out of it."""

    @hosted.agent.runs
    def silent(version, request, ctx):
        raise TimeoutError
        yield

    with pytest.raises(TimeoutError):
        list(silent.stream("hello", session="s"))
    assert (hosted.seen.timed_out, hosted.seen.ttft_ms) == (True, None)
    assert hosted.seen.latency_ms is not None
