"""A version that runs as a Python function which its file names: `executor: {kind: python, callable: module:name}`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.artifact.version import AgentVersion
from ...core.evidence.observation import Observation
from ...core.units import Millis
from ...errors import ArtifactError
from ...ports.executor import Answer

__all__ = ["PythonExecutor", "function_named"]


class PythonExecutor:
    """
    Calls a function as `function(request)`, or as `function(request, version)` where it takes two arguments.

    It may be `async`; if it is not, it runs in a thread of its own. What it returns is the answer, or an `Answer` where
    it knows more (tool calls, tokens, cost). How long it took is measured unless the `Answer` says so. The project's
    folder is on the import path, first, from the first import on.

    Raises ArtifactError for a callable that is not there. What the function raises is passed on as it is. A function
    that is not `async` cannot be stopped: when its caller gives up, its thread goes on and ends with the process.
    """

    def __init__(self, version: AgentVersion, project: Path) -> None:
        self._function = _imported(version, project)
        self._takes_version = _takes_two(self._function)
        self._is_async = inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(
            getattr(self._function, "__call__", None)  # noqa: B004 - an object with an async __call__ is a function too
        )

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Answer once."""
        given = (request, version) if self._takes_version else (request,)
        started = time.perf_counter()
        found = await (self._function(*given) if self._is_async else _in_thread(self._function, given))
        took = Millis(round(1000 * (time.perf_counter() - started)))
        if not isinstance(found, Answer):
            return Answer(output=found, seen=Observation(latency_ms=took))
        return found if found.seen.latency_ms is not None else replace(found, seen=replace(found.seen, latency_ms=took))

    async def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """The whole answer at once: a function that returns has no pieces."""
        answer = await self.run(version, request, key=key)
        if isinstance(answer.output, str):
            yield answer.output
        yield answer


async def _in_thread(function: Callable[..., Any], given: tuple[object, ...]) -> Any:
    """In a thread that no exit waits for, unlike those of asyncio: a function that hangs must not hang the program."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if waiting.done():
            return
        if error is None:
            waiting.set_result(value)
        else:
            waiting.set_exception(error)

    def work() -> None:
        try:
            value, error = function(*given), None
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits, a thread has nobody else
            value, error = None, raised
        if isinstance(error, StopIteration):  # the one exception that no future can hold
            error = RuntimeError("the function raised StopIteration")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=work, daemon=True, name="surefoot-callable").start()
    return await waiting


def _imported(version: AgentVersion, project: Path) -> Callable[..., Any]:
    named = version.executor.setting("callable")
    who = f"the callable of {version.agent} {version.label}"
    if not isinstance(named, str):
        raise ArtifactError(f"{who} is not named", hint="write executor: {kind: python, callable: module:function}")
    return function_named(named, project, who=who)


def function_named(named: str, project: Path, *, who: str) -> Callable[..., Any]:
    """
    The function behind `module:function`; the project's folder is on the import path, first, from then on.

    `who` begins the ArtifactError that is raised for one that is not there or cannot be called.
    """
    module, _, path = named.partition(":")
    folder = str(project.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArtifactError(
            f"{who}, {named}, is not there: {error}", hint=f"modules are looked for in {folder}"
        ) from error
    if not callable(found):
        raise ArtifactError(f"{who}, {named}, cannot be called", hint="name a function")
    function: Callable[..., Any] = found
    return function


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind("request", "version")
    except (TypeError, ValueError):
        return False
    return True
