"""Trace files: every good line is read as it stands, every bad one is named with its number and its field."""

from __future__ import annotations

import gzip
import json
import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters import trace_lines
from surefoot.adapters.trace_lines import blocks_of
from surefoot.adapters.traces import read_lines, read_traces, trace_of
from surefoot.core.proof.trace import Trace, TracedCall, TracedResult, TracedStep, observation_of, written
from surefoot.errors import TraceError

GOOD = '{"trace_id": "t1", "request": "hi", "outcome": "success", "latency_ms": 12.6, "cost_tokens": null}'
FULL = Trace(
    trace_id="t1",
    request={"text": "hi"},
    tool_calls=(TracedCall(name="look", args={"id": 7}, effect="read", schema="sha256:0"),),
    tool_results=(TracedResult(success=True, result="found", latency_ms=3.5, truncated=False),),
    version_digest="sha256:1",
    allowed_tools=("look",),
    steps=(TracedStep(kind="model", name="m", started_at="2026-01-01T00:00:00Z", latency_ms=8.0, calls=(0,)),),
    checkpoint=False,
    feedback=0.5,
)


def test_null_is_not_recorded_and_never_zero(tmp_path: Path) -> None:
    """Null tokens, cost and outcome stay unknown."""
    file = tmp_path / "t.jsonl"
    file.write_text(GOOD + "\n\n" + '{"trace_id": "t2", "request": "x", "latency_ms": null, "unknown": [1]}\n')
    first, second = (observation_of(trace) for trace in read_traces(file))
    assert (first.success, first.latency_ms, first.tokens, first.cost) == (True, 13, None, None)
    assert (second.success, second.latency_ms, second.safety_violation) == (None, None, None)


def test_lists_that_were_not_recorded_may_be_null() -> None:
    """An incomplete run has null calls, null results or null arguments, and is a run all the same."""
    trace = trace_of(b'{"trace_id": "t", "request": null, "tool_calls": null, "tool_results": null}')
    assert (trace.tool_calls, trace.tool_results) == ((), ())
    called = trace_of(b'{"trace_id": "t", "request": null, "tool_calls": [{"name": "f", "args": null}]}')
    assert called.tool_calls[0].args == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "no JSON"),
        ('{"trace_id": "t", "request": "cut o', "no JSON"),
        ('{"request": "x"}', ":2:trace_id: "),
        ('{"trace_id": "t", "request": "x", "latency_ms": "fast"}', ":2:latency_ms: Expected"),
        ('{"trace_id": "t", "request": "x", "latency_ms": NaN}', "write null"),
        ('{"trace_id": "t", "request": "x", "cost_tokens": 1.5}', ":2:cost_tokens: "),
        ('{"trace_id": "t", "request": "x", "tool_calls": [{"name": null}]}', r":2:tool_calls\[0\].name: "),
        ('{"trace_id": "t", "request": "x", "tool_calls": [7]}', ":2:tool_calls"),
        ("[1, 2]", "Expected `object`"),
        ('{"trace_id": "t", "request": ' + "[" * 100_000, "recursion"),
        ('{"trace_id": "t", "request": "x", "latency_ms": 1e999}', ":2:latency_ms: "),
        ('{"trace_id": "t", "request": "\xff"}', "not UTF-8"),
        ('{"trace_id": "t", "request": "x"} {"trace_id": "u", "request": "x"}', "no JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    """Whatever is wrong with a line, the error names file, line and field, and has a hint."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(GOOD.encode() + b"\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(TraceError, match=says) as raised:
        list(read_traces(file))
    assert f"{file}:2:" in raised.value.message
    assert raised.value.hint


SPLIT = '{"trace_id": "t3",\n"request": {"text": "hi"}}'


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        ([GOOD + GOOD, SPLIT], 1),
        ([GOOD + " " + GOOD, SPLIT], 1),
        ([SPLIT, GOOD + GOOD], 1),
        ([GOOD, SPLIT.replace("\n", "").replace(": {", ":\n{"), GOOD + GOOD], 2),
        ([GOOD] * 40 + [SPLIT, GOOD + GOOD], 41),
        ([GOOD.replace("hi", "long" * 500)] * 3 + [GOOD + GOOD, SPLIT], 4),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_as_many_values_as_lines_are_no_line_each(tmp_path: Path, lines: list[str], bad: int, end: str) -> None:
    """Two values on one line are not made up for by one on two lines: the first line that is no trace is named."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(("\n".join(lines) + "\n").replace("\n", end).encode())
    with pytest.raises(TraceError, match=f":{bad}: this line is no JSON"):
        list(read_traces(file))


@pytest.mark.parametrize("text", [f"{GOOD}\r\n{GOOD}\r\n", f"{GOOD}\n{GOOD}", f" {GOOD} \n\n\t{GOOD}\r\n{GOOD}\n"])
def test_white_space_around_a_trace_is_no_part_of_it(tmp_path: Path, text: str) -> None:
    """Line ends of either kind, none at the end, empty lines and blanks at the edges of one: every trace is read."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(text.encode())
    assert len(list(read_traces(file))) == text.count("trace_id")


def test_broken_lines_are_left_out_only_when_the_caller_says_so(tmp_path: Path) -> None:
    """With a place to report them to, broken lines are told and the others used."""
    file = tmp_path / "t.jsonl"
    file.write_text(f"{GOOD}\nnonsense\n{GOOD}\n")
    told: list[TraceError] = []
    assert len(list(read_traces(file, broken=told.append))) == 2
    assert [error.message.startswith(f"{file}:2") for error in told] == [True]


def test_an_id_that_stands_twice_is_a_broken_line_where_ids_have_to_differ(tmp_path: Path) -> None:
    """The first of two is used; the second is an error, or told."""
    file = tmp_path / "t.jsonl"
    file.write_text(f"{GOOD}\n{GOOD}\n")
    assert len(list(read_traces(file))) == 2
    with pytest.raises(TraceError, match=r":2:trace_id: 't1' stands in an earlier line"):
        list(read_traces(file, distinct=True))
    told: list[TraceError] = []
    assert len(list(read_lines(file, broken=told.append))) == len(told) == 1


@pytest.mark.parametrize("longest", [500, 200_000, 1 << 20])
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("end", ["\n", ""])
def test_the_longest_line_is_read_and_no_longer_one(tmp_path: Path, longest: int, place: int, end: str) -> None:
    """Wherever it stands in a file, a line has as many bytes as allowed or is an error."""
    file = tmp_path / "t.jsonl"
    line = '{"trace_id": "long", "request": "%s"}'
    fits = line % ("x" * (longest - len(line) + 2))
    for text, wanted in ((fits, []), (line % ("x" * (longest - len(line) + 3)), [place + 1])):
        file.write_text("\n".join([*[GOOD] * place, text, GOOD]) + end if place < 3 else f"{GOOD}\n" * 3 + text + end)
        told: list[TraceError] = []
        read = list(read_traces(file, broken=told.append, longest=longest))
        assert [int(error.message.removeprefix(f"{file}:").split(":")[0]) for error in told] == wanted
        assert len(read) == place + (place < 3) + (not wanted)
    assert fits.count("") - 1 == longest


def test_a_mark_of_the_encoding_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    """Editors of Windows put one before the text; what is copied from the file is without it."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(f"\ufeff{GOOD}\n{GOOD}\n".encode())
    assert len(list(read_traces(file))) == 2
    assert [line.text for line in read_lines(file, distinct=False)] == [GOOD.encode()] * 2
    file.write_bytes("\ufeff".encode())
    assert list(read_traces(file)) == []


def test_a_compressed_file_is_called_so(tmp_path: Path) -> None:
    """No complaint about its bytes, but what to do."""
    file = tmp_path / "t.jsonl.gz"
    file.write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(TraceError, match="compressed") as raised:
        list(read_traces(file))
    assert "gunzip" in raised.value.hint


def test_a_missing_file_is_a_trace_error_with_a_hint(tmp_path: Path) -> None:
    """No traceback for a wrong name, nor for a folder."""
    with pytest.raises(TraceError, match=r"none\.jsonl"):
        list(read_traces(tmp_path / "none.jsonl"))
    with pytest.raises(TraceError, match="irectory"):
        list(read_traces(tmp_path))


def test_a_line_beyond_the_limit_is_an_error_and_not_memory(tmp_path: Path) -> None:
    """The lines after it are read; what was held for it never grew beyond the limit by much."""
    file = tmp_path / "t.jsonl"
    with file.open("wb") as out:
        out.write(GOOD.encode() + b"\n")
        for _ in range(64):
            out.write(b"x" * (1 << 20))
        out.write(b"\n" + GOOD.encode() + b"\n")
    told: list[TraceError] = []
    tracemalloc.start()
    try:
        assert len(list(read_traces(file, broken=told.append, longest=1 << 20))) == 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [error.message for error in told] == [f"{file}:2: this line is longer than 1,048,576 bytes"]
    assert peak < 8 << 20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(min_value=0, max_value=40), max_size=30),
    st.integers(min_value=1, max_value=64),
    st.booleans(),
    st.sampled_from([1, 20, 512]),
)
def test_blocks_are_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    size: int,
    ends: bool,  # noqa: FBT001
    short: int,
) -> None:
    """Whatever the sizes of lines and blocks, blocks hold every line once, whole, in order and with its number."""
    file = tmp_path_factory.mktemp("blocks") / "t"
    text = b"\n".join(bytes([97 + number % 26]) * length for number, length in enumerate(lengths)) + b"\n" * ends
    file.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace_lines, "_BLOCK", size)  # small blocks make many ends
        patch.setattr(trace_lines, "_SHORT", short)  # both ways of counting them
        blocks = [(block.first, bytes(block.lines), block.ends) for block in blocks_of(file)]
    assert b"".join(lines for _, lines, _ in blocks) == text
    number = 1
    for first, lines, ends_in_it in blocks:
        assert first == number
        assert ends_in_it == len(lines.splitlines())
        number += lines.count(b"\n")


def test_what_is_read_is_the_value_it_stands_for() -> None:
    """A read trace compares with, is an instance of, and is replaced, pickled and written as a trace of the core."""
    read = trace_of(msgspec.json.encode(FULL))
    assert read == FULL
    assert isinstance(read, Trace)
    assert isinstance(read.tool_calls[0], TracedCall)
    assert replace(read, trace_id="t2") == replace(FULL, trace_id="t2")
    assert pickle.loads(pickle.dumps(read)) == FULL  # noqa: S301 - what was just written
    assert written(read) == written(FULL)


def test_a_written_trace_reads_as_itself() -> None:
    """Writing leaves nothing out that was recorded, and nothing in that was not, but for the fields of every line."""
    line = written(FULL)
    assert trace_of(json.dumps(line).encode()) == FULL
    assert line["response"] is None
    assert "cost_usd" not in line


def test_a_run_that_should_have_been_refused_succeeds_by_being_refused() -> None:
    """The expected outcome decides what success is."""
    refused = Trace(trace_id="t", request="x", outcome="refused", expected_outcome="refused")
    assert observation_of(refused).success is True


@pytest.mark.real_data
def test_every_shared_trace_file_reads_whole(shared_data: Path) -> None:
    """Real runs, with their nulls, long texts and failures, all load, with ids that differ."""
    for file in sorted([*shared_data.glob("*/traces/*.jsonl"), *shared_data.glob("agentdojo/redteam/*.jsonl")]):
        with file.open("rb") as lines:
            count = sum(1 for line in lines if line.strip())
        assert len(list(read_traces(file, distinct=True))) == len(list(read_traces(file))) == count
