"""A version that runs as a function its file names: one shape, everywhere, and its tools run as it calls them."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading

import pytest

from surefoot.app.executing import executed, executor_of
from surefoot.client.direct import DirectRun
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import AgentVersion, ExecutorKind, ExecutorRef, ModelRef, Prompt
from surefoot.core.units import AgentName
from surefoot.errors import ArtifactError, ExecutorFailed, UsageError
from surefoot.ports.executor import Answer, ToolCall

CODE = """\
import threading

from surefoot import current_run
from surefoot.client.functions import wrapped
from surefoot.core.evidence.observation import Observation
from surefoot.ports.executor import Answer, ToolCall

def find(order):
    return f"boots of {order}"

async def find_later(order):
    return find(order)

def plain(version, request, ctx):
    return ctx.tool("find", {"order": request}, find)

async def waited(version, request, ctx):
    return await ctx.tool("find", {"order": request}, find_later)

def pieces(version, request, ctx):
    yield ctx.tool("find", {"order": request}, find)[:5]
    yield " of hi"

async def pieces_waited(version, request, ctx):
    yield await ctx.tool("find", {"order": request}, find_later)

def by_context(version, request, ctx):
    return current_run().tool("find", {"order": request}, find)

def reports(version, request, ctx):
    calls = (ToolCall(name="find", arguments={"order": request}, result="boots of hi", success=True),)
    return Answer(output="boots of hi", seen=Observation(), tool_calls=calls)

class Box:
    async def __call__(self, version, request, ctx):
        return plain(version, request, ctx)

box = Box()
decorated = wrapped(None, pieces)

def shows(version, request, ctx):
    assert (ctx.version, ctx.run_id, ctx.session, ctx.tenant) == (version, "k", "", "")
    ctx.observe(tokens=7, success=False, cost_usd=0.5)
    return version.label

def fails(version, request, ctx):
    ctx.tool("find", {}, find)

def blocking(version, request, ctx):
    return threading.current_thread().name

async def knows(version, request, ctx):
    return Answer(output="known", seen=Observation(tokens=7, latency_ms=1234), input_tokens=5, output_tokens=2)

def stops(version, request, ctx):
    raise StopIteration("odd")

def leaves(version, request, ctx):
    raise SystemExit(0)

reached = threading.Event()

def hangs(version, request, ctx):
    reached.set()
    threading.Event().wait()

def alone(request):
    return request

def short(request, version):
    return request

number = 7
"""


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A version that names a function of a module in the project's folder."""
    name = "module_" + tmp_path.name.replace("-", "_")
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)

    def version(callable_: str | None) -> AgentVersion:
        settings = {} if callable_ is None else {"callable": callable_.replace("M", name)}
        return AgentVersion(
            agent=AgentName("bot"), label="v1", model=ModelRef(provider="p", name="m"), prompt=Prompt(),
            executor=ExecutorRef(kind=ExecutorKind.PYTHON, settings=canonical(settings)),
        )  # fmt: skip

    return version


@pytest.fixture
def ask(named, tmp_path):
    """Ask a function of that module."""

    async def answered(callable_: str | None) -> Answer:
        version = named(callable_)
        return await executor_of(version, tmp_path).run(version, "hi", key="k")

    return answered


@pytest.mark.parametrize("kind", ["plain", "waited", "pieces", "pieces_waited", "by_context", "reports", "box"])
def test_a_function_of_any_kind_answers_and_its_tools_run(kind, ask):
    """Version, request and ctx, as `@agent.runs` gives them: the tool is called, and the call is in the answer."""
    answer = asyncio.run(ask(f"M:{kind}"))
    assert answer.output == "boots of hi"
    assert answer.tool_calls == (ToolCall(name="find", arguments={"order": "hi"}, result="boots of hi", success=True),)
    assert answer.seen.latency_ms is not None


def test_what_agent_runs_made_of_a_function_is_as_good(ask):
    """The function itself is found behind it."""
    assert asyncio.run(ask("M:decorated")).output == "boots of hi"


def test_what_a_run_shows_is_evidence(ask):
    """Tokens, success and cost as told to `ctx.observe`; the run belongs to nobody."""
    answer = asyncio.run(ask("M:shows"))
    assert (answer.output, answer.seen.tokens, answer.seen.success, answer.seen.cost) == ("v1", 7, False, 500_000)


def test_a_tool_that_fails_fails_as_it_does_in_traffic(ask):
    """Its error is the function's to catch."""
    with pytest.raises(TypeError, match="order"):
        asyncio.run(ask("M:fails"))


def test_a_function_that_blocks_runs_beside_the_event_loop(ask):
    """Others go on meanwhile: it has a thread of its own."""
    assert asyncio.run(ask("M:blocking")).output != threading.current_thread().name


def test_what_a_function_knows_is_kept(ask):
    """Its own figures go before those that are measured."""
    answer = asyncio.run(ask("M:knows"))
    assert (answer.seen.tokens, answer.seen.latency_ms) == (7, 1234)
    assert (answer.input_tokens, answer.output_tokens) == (5, 2)


def test_a_function_that_hangs_can_be_left(ask, named):
    """Whoever gives up is free, and the program can end: no thread is waited for."""
    module = importlib.import_module(json.loads(named("M:hangs").executor.settings)["callable"].partition(":")[0])

    async def story():
        running = asyncio.create_task(ask("M:hangs"))
        assert await asyncio.to_thread(module.reached.wait, 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(story())


def test_an_exception_that_no_future_holds_arrives(ask):
    """StopIteration would be lost between thread and event loop."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(ask("M:stops"))


def test_a_function_cannot_end_the_program_well(ask):
    """`sys.exit(0)` in an agent is a failed run, not a passed suite."""
    with pytest.raises(ExecutorFailed, match="SystemExit"):
        asyncio.run(ask("M:leaves"))


@pytest.mark.parametrize("name", ["M:nothing", "nowhere_at_all:f", "M:number"])
def test_what_is_not_there_is_named(name, ask):
    """A module, a name or a value that is no function: an error with where it was looked for."""
    with pytest.raises(ArtifactError, match="the callable of bot v1"):
        asyncio.run(ask(name))


@pytest.mark.parametrize("name", ["alone", "short"])
def test_another_shape_is_refused_before_it_is_called(name, ask):
    """One that takes less would work in one command and not in another."""
    with pytest.raises(UsageError, match="cannot be called with version, request and ctx") as refused:
        asyncio.run(ask(f"M:{name}"))
    assert refused.value.hint == f"write it with these three: def {name}(version, request, ctx)"


def test_a_version_without_a_named_function_needs_its_program(ask):
    """Only the program that registered the function has it."""
    with pytest.raises(UsageError, match="its file does not say which"):
        asyncio.run(ask(None))


@pytest.mark.parametrize("kind", ["plain", "reports"])
def test_in_traffic_the_run_that_was_routed_is_its_ctx(kind, named, tmp_path):
    """In a shadow that run's tools do not act: a run of the function's own would."""

    class Taped(DirectRun):
        __slots__ = ()

        def tool(self, name, arguments, function, /):
            self.tool_called(name, arguments, result="recorded", success=True)
            return "recorded"

    async def story():
        version, (whole, pieces) = named(f"M:{kind}"), executed(tmp_path)
        run, streamed = Taped.ordered(version, key="k"), Taped.ordered(version, key="k")
        said = await whole(version, "hi", run)
        assert [piece async for piece in pieces(version, "hi", streamed)] == [said]
        assert run.tool_calls == streamed.tool_calls != ()
        return said

    assert asyncio.run(story()) == {"plain": "recorded", "reports": "boots of hi"}[kind]
