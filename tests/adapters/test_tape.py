"""The tape executor: recorded behaviour, the same for the same key, and nothing invented."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from surefoot.adapters.executors import executor_for
from surefoot.adapters.executors.tape import TapeExecutor
from surefoot.app.sources import source_digest
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import AgentVersion, ExecutorKind, ExecutorRef, ModelRef, Prompt
from surefoot.core.units import AgentName
from surefoot.errors import ArtifactError, ExecutorFailed, TraceError, UsageError
from surefoot.ports.executor import Answer


def version(kind: ExecutorKind = ExecutorKind.TAPE, **settings: str) -> AgentVersion:
    return AgentVersion(
        agent=AgentName("bot"),
        label="v1",
        model=ModelRef(provider="local", name="tiny-1"),
        prompt=Prompt(system="Be brief."),
        executor=ExecutorRef(kind=kind, settings=canonical(settings)),
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    runs = [
        {"trace_id": "1", "request": "hi", "response": "hello you", "outcome": "success", "latency_ms": 900.4},
        {"trace_id": "2", "request": "hi", "response": "go away", "outcome": "failure", "latency_ms": None},
        {
            "trace_id": "3",
            "request": {"b": 1, "a": 2},
            "response": None,
            "tool_calls": [{"name": "look", "args": {"x": 1}}, {"name": "look", "args": {}}],
            "tool_results": [{"success": True, "result": "seen"}],
        },
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    return tmp_path


def answer(project: Path, request: object, key: str = "k") -> Answer:
    return asyncio.run(TapeExecutor(project).run(version(path="t.jsonl"), request, key=key))


def test_the_same_key_gets_the_same_recorded_run_and_different_keys_get_them_all(project: Path) -> None:
    """Which run answers depends on the key alone."""
    keys = [str(i) for i in range(40)]
    first = [answer(project, "hi", key).output for key in keys]
    assert first == [answer(project, "hi", key).output for key in keys]
    assert set(first) == {"hello you", "go away"}


def test_the_observation_is_the_recorded_one_with_its_nulls(project: Path) -> None:
    """Latency as recorded, unknown tokens unknown, however fast the tape plays."""
    seen = {found.output: found.seen for found in (answer(project, "hi", str(i)) for i in range(40))}
    assert (seen["hello you"].success, seen["hello you"].latency_ms, seen["hello you"].tokens) == (True, 900, None)
    assert (seen["go away"].success, seen["go away"].latency_ms) == (False, None)


def test_equal_requests_match_whatever_the_order_of_their_keys(project: Path) -> None:
    """A request is its content; a call without a recorded result has none."""
    found = answer(project, {"a": 2, "b": 1})
    assert [(call.name, call.result) for call in found.tool_calls] == [("look", "seen"), ("look", None)]


def test_a_request_that_was_never_recorded_is_not_answered(project: Path) -> None:
    """A tape does not invent."""
    with pytest.raises(ExecutorFailed, match="holds no run"):
        answer(project, "something else")


def test_a_tape_streams_its_words_and_then_the_answer(project: Path) -> None:
    """The pieces put together are the recorded text."""

    async def hear() -> list[str | Answer]:
        tape = TapeExecutor(project)
        return [piece async for piece in tape.stream(version(path="t.jsonl"), "hi", key="0")]

    *pieces, last = asyncio.run(hear())
    assert isinstance(last, Answer)
    assert "".join(str(piece) for piece in pieces) == last.output


def test_a_tape_outside_the_project_or_unnamed_is_refused(project: Path) -> None:
    """A version file may not read the rest of the disk."""
    for settings in ({"path": "../../etc/passwd"}, {}):
        with pytest.raises(ArtifactError):
            asyncio.run(TapeExecutor(project).run(version(**settings), "hi", key="k"))


def test_no_digest_is_taken_of_a_tape_outside_the_project(project: Path) -> None:
    """A version that somebody else's store knows may name any path: whoever reads its tape asks first."""
    (project.parent / "secret").write_text("x", encoding="utf-8")
    with pytest.raises(ArtifactError, match="outside the project"):
        source_digest(version(path="../secret"), project)
    assert source_digest(version(path="none.jsonl"), project) == ""


def test_a_missing_tape_is_a_trace_error(project: Path) -> None:
    """The file is named."""
    with pytest.raises(TraceError, match=r"none\.jsonl"):
        asyncio.run(TapeExecutor(project).run(version(path="none.jsonl"), "hi", key="k"))


def test_an_empty_tape_is_a_trace_error(project: Path) -> None:
    """It would answer nobody, so it is no tape."""
    (project / "empty.jsonl").write_text("\n")
    with pytest.raises(TraceError, match=r"empty\.jsonl: the file holds no run"):
        asyncio.run(TapeExecutor(project).run(version(path="empty.jsonl"), "hi", key="k"))


def test_a_broken_tape_is_read_again_only_when_its_file_has_changed(project: Path) -> None:
    """Every request hears of it at once; once the file is mended, the next one is answered."""
    tape = project / "late.jsonl"
    tape.write_text("{}\n" * 20 + "no json\n")
    executor = TapeExecutor(project)
    changed = tape.stat()
    said = []
    for text in ("no json\n", "{}\n" * 9 + "x\n"):
        with pytest.raises(TraceError) as error:
            asyncio.run(executor.run(version(path="late.jsonl"), "hi", key="k"))
        said.append(error.value.message)
        # as large, as old and in the same place: nothing says that it has changed, so nothing is read
        tape.write_text(text.ljust(changed.st_size - 1) + "\n")
        os.utime(tape, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    assert said[0] == said[1]
    tape.write_bytes((project / "t.jsonl").read_bytes())
    assert asyncio.run(executor.run(version(path="late.jsonl"), "hi", key="k")).output in ("hello you", "go away")


def test_a_python_version_cannot_be_run_by_anybody_else(project: Path) -> None:
    """The hint says what to do: register the function."""
    assert isinstance(executor_for(version(), project=project), TapeExecutor)
    with pytest.raises(UsageError, match="Python function"):
        executor_for(version(ExecutorKind.PYTHON), project=project)
