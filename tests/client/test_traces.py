"""Traces of live traffic: what happened stands on disk without personal data, and recording never hurts a run."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from surefoot.client.traces import TraceRecorder, Traces
from surefoot.core.evidence.observation import Observation
from surefoot.errors import UsageError
from surefoot.ports.executor import Answer, ToolCall
from surefoot.testing.clock import ManualClock
from tests.client.agents import AGENT, Hosted, story


class Traced(Hosted):
    """An agent that records traces into a folder."""

    def __init__(self, folder: Path, **limits) -> None:
        self.folder = folder
        self.recorder = TraceRecorder(
            AGENT, Traces(folder=folder, **limits), clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        )
        super().__init__(traces=self.recorder)

    @property
    def lines(self) -> list[dict]:
        """What is on disk, file by file."""
        assert self.recorder.flush(10)
        return [json.loads(line) for file in self.files for line in file.read_text().splitlines()]

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"), key=lambda path: int(path.name.split(".")[-2]))


def test_a_run_is_recorded_as_a_trace(tmp_path):
    """Request, answer, calls, version and what was observed are there; what was not is null."""
    traced = Traced(tmp_path)

    def look(**named):
        return {"found": named["id"]}

    @traced.agent.runs
    def answer(version, request, ctx):
        ctx.tool("look", {"id": 7}, look)
        ctx.observe(tokens=12)
        return {"text": "here"}

    reply = answer.run({"q": "where?"}, session="s-1", tenant="acme")
    [line] = traced.lines
    assert line["trace_id"] == reply.run_id
    assert (line["request"], line["response"]) == ({"q": "where?"}, {"text": "here"})
    [result] = line["tool_results"]
    assert (line["tool_calls"][0]["name"], result["success"], result["result"]) == ("look", True, {"found": 7})
    assert (line["outcome"], line["cost_tokens"], line["version_digest"]) == ("success", 12, reply.digest)
    assert "cost_usd" not in line
    assert line["session"] != "s-1"
    assert (line["tenant"], line["source"]) == ("acme", "client")


def test_steps_say_when_its_tools_were_at_work(tmp_path):
    """In the order in which they began, with the position of their call; what nobody timed is no step."""
    traced = Traced(tmp_path)

    @traced.agent.runs
    async def answer(version, request, ctx):
        async def slow():
            await fast_is_done.wait()

        async def fast():
            fast_is_done.set()

        def broken():
            raise OSError("bob@example.com is away")

        fast_is_done = asyncio.Event()
        await asyncio.gather(ctx.tool("slow", {}, slow), ctx.tool("fast", {}, fast))
        ctx.tool_called("untimed")
        with suppress(OSError):
            ctx.tool("broken", {}, broken)
        return "done"

    asyncio.run(answer.run("go"))
    [line] = traced.lines
    assert [call["name"] for call in line["tool_calls"]] == ["fast", "slow", "untimed", "broken"]
    steps = line["steps"]
    assert [(step["kind"], step["name"], step["calls"]) for step in steps] == [
        ("tool", "slow", [1]), ("tool", "fast", [0]), ("tool", "broken", [3])
    ]  # fmt: skip
    assert [step["started_at"] for step in steps] == sorted(step["started_at"] for step in steps)
    assert all(step["started_at"] >= line["started_at"] and step["latency_ms"] >= 0 for step in steps)
    assert [step.get("error") for step in steps] == [None, None, "failed"]
    assert ["latency_ms" in result for result in line["tool_results"]] == [True, True, False, True]
    assert "example.com" not in json.dumps(line)


def test_an_executors_one_call_of_a_model_is_a_step(tmp_path):
    """With its tokens and the calls it asked for; of more calls, or of none, the times are not known."""
    traced = Traced(tmp_path)

    @traced.agent.runs
    def answer(version, request, ctx):
        asked = (ToolCall(name="look"),)
        ctx.answered(Answer(output="", seen=Observation(model_calls=1, latency_ms=4), tool_calls=asked, input_tokens=9))
        ctx.answered(Answer(output="", seen=Observation(model_calls=3, latency_ms=4)))
        ctx.answered(Answer(output="", seen=Observation(model_calls=1)))

    answer.run("go")
    [line] = traced.lines
    [step] = line["steps"]
    assert (step["kind"], step["name"], step["latency_ms"]) == ("model", line["model"], 4.0)
    assert (step["input_tokens"], step["calls"]) == (9, [0])
    assert "output_tokens" not in step


def test_personal_data_does_not_reach_the_disk(tmp_path):
    """It is replaced in requests, arguments, results and answers; equal values stay equal."""
    traced = Traced(tmp_path, key=b"a key of ours")

    @traced.agent.runs
    def answer(version, request, ctx):
        ctx.tool("mail", {"to": "bob@example.com"}, lambda to: f"sent to {to}")
        return "I wrote to bob@example.com"

    answer.run("write to bob@example.com")
    [line] = traced.lines
    assert "example.com" not in json.dumps(line)
    assert line["request"].removeprefix("write to ") == line["tool_calls"][0]["args"]["to"]


def test_a_failure_is_recorded_with_its_name(tmp_path):
    """The exception goes on its way; the trace says which it was."""
    traced = Traced(tmp_path)

    @traced.agent.runs
    def answer(version, request, ctx):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        answer.run("hi")
    [line] = traced.lines
    assert (line["outcome"], line["error"], line["response"]) == ("failure", "TimeoutError", None)


@story
async def test_streams_and_coroutines_are_recorded_whole(tmp_path):
    """The pieces of a stream are one answer; so is what a coroutine returns."""
    traced = Traced(tmp_path)

    @traced.agent.runs
    async def pieces(version, request, ctx):
        yield "a"
        yield "b"

    assert [piece async for piece in pieces.stream("hi")] == ["a", "b"]

    @traced.agent.runs
    async def whole(version, request, ctx):
        return "c"

    await whole.run("ho")
    assert [line["response"] for line in traced.lines] == ["ab", "c"]


def test_who_calls_the_model_himself_says_what_was_asked(tmp_path):
    """`observing` knows neither request nor answer; `trace` tells them."""
    traced = Traced(tmp_path)
    with traced.agent.observing(session="s") as run:
        pass
    traced.agent.trace(run, "asked", "answered")
    assert [(line["request"], line["response"]) for line in traced.lines] == [("asked", "answered")]


def test_a_share_of_runs_is_fixed_by_their_ids(tmp_path):
    """A tenth is about a tenth, and nothing is nothing."""
    tenth, none = Traced(tmp_path / "a", share=0.1), Traced(tmp_path / "b", share=0.0)
    for traced in (tenth, none):
        for number in range(600):
            with traced.agent.observing(session=f"s{number}") as run:
                pass
            traced.agent.trace(run, number, None)
    assert 30 <= len(tenth.lines) <= 100
    assert none.lines == []


def test_files_are_rotated_and_the_oldest_removed(tmp_path):
    """No more than the given bytes a file, no more than the given files; only the owner may read them."""
    traced = Traced(tmp_path, file_bytes=2_000, files=3, queue=100)
    for number in range(40):
        with traced.agent.observing(session="s") as run:
            pass
        traced.agent.trace(run, number, "x" * 500)
        assert traced.recorder.flush(10)
    assert len(traced.files) == 3
    assert all(file.stat().st_size <= 2_000 for file in traced.files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in traced.files)
    assert max(line["request"] for line in traced.lines) == 39


def test_rotation_removes_nothing_that_no_recorder_of_the_agent_wrote(tmp_path):
    """Recordings that people keep beside it stay, and so do those of an agent whose name only begins alike."""
    kept = [f"{AGENT}.v{number}.jsonl" for number in range(8)]
    kept += [f"{AGENT}.eu.12.20250101T000000000000.0.jsonl", f"{AGENT}.jsonl", f"{AGENT}.12.20250101.0.jsonl"]
    for name in kept:
        (tmp_path / name).write_text("kept\n")
        os.utime(tmp_path / name, (0, 0))
    traced = Traced(tmp_path, file_bytes=600, files=2)
    for number in range(6):
        with traced.agent.observing(session="s") as run:
            pass
        traced.agent.trace(run, number, "x" * 500)
        assert traced.recorder.flush(10)
    assert traced.recorder.health.written == 6
    left = {path.name for path in tmp_path.iterdir()}
    assert set(kept) <= left
    assert len(left) == len(kept) + 2


def test_files_of_other_processes_of_the_agent_are_rotated_too(tmp_path):
    """The limit is the folder's; the newest of them stay, whoever wrote them."""
    others = [tmp_path / f"{AGENT}.{pid}.20250101T000000000000.0.jsonl" for pid in (7, 8, 9)]
    for age, path in enumerate(others):
        path.write_text("{}\n")
        os.utime(path, (age, age))
    traced = Traced(tmp_path, files=2)
    with traced.agent.observing(session="s") as run:
        pass
    traced.agent.trace(run, "x", "y")
    assert traced.recorder.flush(10)
    assert [path.exists() for path in others] == [False, False, True]


class Strange:
    """What is no JSON and says so loudly."""

    def __str__(self) -> str:
        raise RuntimeError


def test_what_cannot_be_recorded_is_lost_and_counted(tmp_path):
    """An answer that is no JSON, a folder that is a file, a queue that is full: no run notices."""
    traced = Traced(tmp_path / "a")

    @traced.agent.runs
    def answer(version, request, ctx):
        return request

    strange = Strange()
    assert answer.run(strange).output is strange
    assert answer.run("fine").output == "fine"
    assert [line["request"] for line in traced.lines] == ["fine"]
    assert (traced.recorder.health.written, traced.recorder.health.lost) == (1, 1)

    (tmp_path / "file").write_text("")
    nowhere = Traced(tmp_path / "file")
    with nowhere.agent.observing(session="s") as run:
        pass
    nowhere.agent.trace(run, "x", "y")
    assert nowhere.recorder.flush(10)
    assert (nowhere.recorder.health.lost, nowhere.recorder.health.written) == (1, 0)
    assert nowhere.recorder.health.error


def test_long_texts_are_cut_and_say_so(tmp_path):
    """One answer does not fill the disk."""
    traced = Traced(tmp_path, characters=10)
    with traced.agent.observing(session="s") as run:
        pass
    traced.agent.trace(run, "x" * 50, ["y" * 50])
    [line] = traced.lines
    assert (line["request"], line["response"]) == ("x" * 10 + "...[cut]", ["y" * 10 + "...[cut]"])


def test_a_closed_recorder_has_written_what_waited_and_takes_no_more(tmp_path):
    """Closing twice is closing once."""
    traced = Traced(tmp_path)
    for word in ("before", "after"):
        with traced.agent.observing(session="s") as run:
            pass
        traced.agent.trace(run, word, None)
        traced.recorder.close(10)
    assert [json.loads(line)["request"] for file in traced.files for line in file.read_text().splitlines()] == [
        "before"
    ]


def test_a_forked_child_goes_on_with_a_file_of_its_own(tmp_path):
    """Parent and child each have their runs once."""
    traced = Traced(tmp_path)
    with traced.agent.observing(session="s") as run:
        pass
    traced.agent.trace(run, "parent", None)
    assert traced.recorder.flush(10)
    child = os.fork()
    if not child:
        traced.agent.trace(run, "child", None)
        os._exit(0 if traced.recorder.flush(10) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(line["request"] for line in traced.lines) == ["child", "parent"]


@pytest.mark.parametrize("limits", [{"share": 1.5}, {"files": 0}, {"key": b"x" * 65}])
def test_limits_that_mean_nothing_are_refused(tmp_path, limits):
    """Said where they are written, not where they are used."""
    with pytest.raises(UsageError):
        Traces(folder=tmp_path, **limits)


def test_an_agent_without_traces_records_none():
    """Nothing is recorded that nobody asked for, and nothing runs for it."""
    hosted = Hosted()
    before = {thread.ident for thread in threading.enumerate()}
    with hosted.agent.observing(session="s") as run:
        pass
    hosted.agent.trace(run, "x", "y")
    assert {thread.ident for thread in threading.enumerate()} <= before
