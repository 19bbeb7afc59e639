"""A version that runs as a function its file names."""

from __future__ import annotations

import asyncio
import threading

import pytest

from surefoot.adapters.executors import executor_for
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import AgentVersion, ExecutorKind, ExecutorRef, ModelRef, Prompt
from surefoot.core.units import AgentName
from surefoot.errors import ArtifactError, UsageError
from surefoot.ports.executor import Answer

CODE = """\
import asyncio
import threading
from surefoot.core.evidence.observation import Observation
from surefoot.ports.executor import Answer

async def alone(request):
    return f"async {request}"

async def told(request, version):
    return f"{version.label} {request}"

def blocking(request):
    return threading.current_thread().name

async def knows(request):
    return Answer(output="known", seen=Observation(tokens=7, latency_ms=1234))

def stops(request):
    raise StopIteration("odd")

def hangs(request):
    threading.Event().wait()

class Box:
    async def __call__(self, request):
        return "called"

box = Box()
number = 7
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Ask a function of a module in the project's folder."""
    name = "module_" + tmp_path.name.replace("-", "_")
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)

    def version(callable_: str | None) -> AgentVersion:
        settings = {} if callable_ is None else {"callable": callable_.replace("M", name)}
        return AgentVersion(
            agent=AgentName("bot"), label="v1", model=ModelRef(provider="p", name="m"), prompt=Prompt(),
            executor=ExecutorRef(kind=ExecutorKind.PYTHON, settings=canonical(settings)),
        )  # fmt: skip

    async def answered(callable_: str | None) -> Answer:
        of = version(callable_)
        return await executor_for(of, project=tmp_path).run(of, "hi", key="k")

    return answered


@pytest.mark.parametrize(("named", "said"), [("M:alone", "async hi"), ("M:told", "v1 hi"), ("M:box", "called")])
def test_a_function_answers(named, said, ask):
    """With the request, or with the request and the version; how long it took is measured."""
    answer = asyncio.run(ask(named))
    assert answer.output == said
    assert answer.seen.latency_ms is not None


def test_a_function_that_blocks_runs_beside_the_event_loop(ask):
    """Others go on meanwhile: it has a thread of its own."""
    assert asyncio.run(ask("M:blocking")).output != threading.current_thread().name


def test_what_a_function_knows_is_kept(ask):
    """Its own figures go before those that are measured."""
    answer = asyncio.run(ask("M:knows"))
    assert (answer.seen.tokens, answer.seen.latency_ms) == (7, 1234)


def test_a_function_that_hangs_can_be_left(ask):
    """Whoever gives up is free, and the program can end: no thread is waited for."""

    async def story():
        running = asyncio.create_task(ask("M:hangs"))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(story())


def test_an_exception_that_no_future_holds_arrives(ask):
    """StopIteration would be lost between thread and event loop."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(ask("M:stops"))


@pytest.mark.parametrize("named", ["M:nothing", "nowhere_at_all:f", "M:number"])
def test_what_is_not_there_is_named(named, ask):
    """A module, a name or a value that is no function: an error with where it was looked for."""
    with pytest.raises(ArtifactError, match="the callable of bot v1"):
        asyncio.run(ask(named))


def test_a_version_without_a_named_function_needs_its_program(ask):
    """Only the program that registered the function has it."""
    with pytest.raises(UsageError, match="none is registered here"):
        asyncio.run(ask(None))
