"""Answers from recorded traces: a real agent's behaviour with no key, no network and no model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import xxhash

from ...core.artifact.version import AgentVersion
from ...core.proof.trace import Trace, observation_of
from ...errors import ArtifactError, ExecutorFailed, TraceError
from ...ports.executor import Answer, ToolCall
from ..traces import read_traces

__all__ = ["TapeExecutor", "tape_path"]

_SHOWN: Final = 80


class TapeExecutor:
    """
    Plays recorded runs back. The tape is the setting `path` of the version's executor, inside the project.

    A request is answered by a run that was recorded for the very same request; of several, the run's key picks one, so
    the same key always gets the same answer. A request that was never recorded raises ExecutorFailed: a tape does not
    invent. The observation is the recorded one, latency and tokens included, with nulls as they are.

    A tape is read once. One that cannot be read raises TraceError, and is read again only when its file has changed.
    """

    def __init__(self, project: Path) -> None:
        self._project = project.resolve()
        self._tapes: dict[Path, dict[str, list[Trace]]] = {}
        self._broken: dict[Path, _Broken] = {}

    async def run(self, version: AgentVersion, request: object, *, key: str) -> Answer:
        """Answer from the tape."""
        runs = self._recorded(version).get(_named(request))
        if not runs:
            raise ExecutorFailed(
                f"the tape of {version.agent} {version.label} holds no run for {_named(request)[:_SHOWN]}",
                hint="send a request that was recorded, or record this one",
            )
        return _answer(runs[xxhash.xxh3_64_intdigest(key.encode()) % len(runs)])

    async def stream(self, version: AgentVersion, request: object, *, key: str) -> AsyncIterator[str | Answer]:
        """The recorded text word by word, then the whole answer."""
        answer = await self.run(version, request, key=key)
        if isinstance(answer.output, str):
            for piece in _pieces(answer.output):
                yield piece
        yield answer

    def requests(self, version: AgentVersion) -> Sequence[object]:
        """Every request the tape can answer, in recorded order: traffic to draw from."""
        return [runs[0].request for runs in self._recorded(version).values()]

    def _recorded(self, version: AgentVersion) -> dict[str, list[Trace]]:
        path = tape_path(version, self._project)
        if path not in self._tapes:
            state = _state(path)
            known = self._broken.get(path)
            if known is not None and known.state == state:
                raise TraceError(known.message, hint=known.hint)
            try:
                self._tapes[path] = _read(path)
            except TraceError as error:
                self._broken[path] = _Broken(state, error.message, error.hint)
                raise
        return self._tapes[path]


def tape_path(version: AgentVersion, project: Path) -> Path:
    """The file of a version's tape. Raises ArtifactError for a version that names none, or one outside the project."""
    setting = version.executor.setting("path")
    if not isinstance(setting, str):
        raise ArtifactError(
            f"the executor of {version.agent} {version.label} names no tape",
            hint="write executor: {kind: tape, path: ../../traces/v1.jsonl}",
        )
    root = project.resolve()
    path = (root / setting).resolve()
    if not path.is_relative_to(root):
        raise ArtifactError(
            f"the tape {setting!r} of {version.agent} {version.label} lies outside the project",
            hint="name a file inside the project's folder",
        )
    return path


class _Broken(NamedTuple):
    """Why a tape cannot be used, and the state of its file when that was found."""

    state: _State | None
    message: str
    hint: str


class _State(NamedTuple):
    """What changes when somebody writes a file."""

    modified_ns: int
    size: int
    inode: int


def _state(path: Path) -> _State | None:
    """None for a file that is not there, or that nobody may look at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return _State(found.st_mtime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> dict[str, list[Trace]]:
    tape: dict[str, list[Trace]] = {}
    for trace in read_traces(path):
        tape.setdefault(_named(trace.request), []).append(trace)
    if not tape:
        raise TraceError(f"{path}: the file holds no run", hint="record runs into it, one JSON object a line")
    return tape


def _named(request: object) -> str:
    """One text for equal requests, whatever the order of their keys."""
    return json.dumps(request, sort_keys=True, ensure_ascii=False, default=str)


def _answer(trace: Trace) -> Answer:
    results = [*trace.tool_results, *([None] * max(0, len(trace.tool_calls) - len(trace.tool_results)))]
    calls = tuple(
        ToolCall(
            name=call.name,
            arguments=call.args,
            result=result.result if result else None,
            success=result.success if result else None,
        )
        for call, result in zip(trace.tool_calls, results, strict=False)
    )
    return Answer(output=trace.response, seen=observation_of(trace), tool_calls=calls)


def _pieces(text: str) -> list[str]:
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + words[-1:]
