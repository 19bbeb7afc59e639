"""A function run again on a recording: whatever its kind, its tools are answered and none is called."""

from __future__ import annotations

import asyncio

import pytest

from surefoot import current_run
from surefoot.client.replayed import ToolFailed, rerun
from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.tape import Tape
from surefoot.core.proof.trace import Trace, TracedCall, TracedResult
from surefoot.errors import Diverged
from surefoot.ports.executor import Answer, ToolCall
from surefoot.testing.samples import version

FIND = TracedCall(name="find", args={"id": 1}, effect="read")
RECORDED = Trace(
    trace_id="t1", request="q", tool_calls=(FIND,), tool_results=(TracedResult(success=True, result="boots"),)
)


def never(id):
    raise AssertionError("a tool ran")


async def never_awaited(id):
    raise AssertionError("a tool ran")


def plain(version, request, ctx):
    return ctx.tool("find", {"id": 1}, never)


async def waited(version, request, ctx):
    assert await ctx.ready() == ctx.version == version
    return await ctx.tool("find", {"id": 1}, never_awaited)


def pieces(version, request, ctx):
    yield ctx.tool("find", {"id": 1}, never)[:2]
    yield "ots"


async def pieces_waited(version, request, ctx):
    yield await ctx.tool("find", {"id": 1}, never_awaited)


def by_context(version, request, ctx):
    return current_run().tool("find", {"id": 1}, never)


def that_reports(version, request, ctx):
    assert version.label == "v1"
    return Answer(output="boots", seen=Observation(tokens=7), tool_calls=(ToolCall(name="find", arguments={"id": 1}),))


def ended(function, recorded=RECORDED):
    tape = Tape(recorded)
    return asyncio.run(rerun(function, version(), recorded.request, tape.call, key="k")), tape.report()


@pytest.mark.parametrize("function", [plain, waited, pieces, pieces_waited, by_context, that_reports])
def test_every_kind_of_function_is_answered(function):
    """Synchronous or not, whole or in pieces, with a context or by the current run: the recording answers."""
    found, report = ended(function)
    assert (found.output, found.error, report.fidelity) == ("boots", None, 1.0)


def test_a_write_without_a_recording_ends_the_run_whoever_catches_it():
    """Code that catches everything gets nothing more from the tape."""

    def stubborn(version, request, ctx):
        with pytest.raises(Diverged):
            ctx.tool("pay", {}, never)
        return ctx.tool("find", {"id": 1}, never)

    found, report = ended(stubborn)
    assert isinstance(found.error, ToolFailed)
    assert report.first_divergence == 0


def test_a_recorded_failure_is_raised_again():
    """What failed then fails now, with the words it failed with."""
    failed = Trace(
        trace_id="t", request="q", tool_calls=(FIND,), tool_results=(TracedResult(success=False, result="timeout"),)
    )
    found, _ = ended(plain, failed)
    assert isinstance(found.error, ToolFailed)
    assert str(found.error) == "timeout"


def test_what_a_run_shows_is_kept():
    """Tokens, success and time, as from `ctx.observe` or from an answer."""

    def shown(version, request, ctx):
        ctx.observe(success=False, tokens=5)
        assert (ctx.run_id, ctx.pin) == ("k", "")

    found, _ = ended(shown)
    assert (found.seen.success, found.seen.tokens) == (False, 5)
    assert ended(that_reports)[0].seen.tokens == 7
    assert ended(plain)[0].seen.success is None
