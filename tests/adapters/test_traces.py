"""Trace files: every good line is read as it stands, every bad one is named with its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.adapters.traces import read_traces
from surefoot.core.proof.trace import Trace, observation_of
from surefoot.errors import TraceError

GOOD = '{"trace_id": "t1", "request": "hi", "outcome": "success", "latency_ms": 12.6, "cost_tokens": null}'


def test_null_is_not_recorded_and_never_zero(tmp_path: Path) -> None:
    """Null tokens, cost and outcome stay unknown."""
    file = tmp_path / "t.jsonl"
    file.write_text(GOOD + "\n\n" + '{"trace_id": "t2", "request": "x", "latency_ms": null, "unknown": [1]}\n')
    first, second = (observation_of(trace) for trace in read_traces(file))
    assert (first.success, first.latency_ms, first.tokens, first.cost) == (True, 13, None, None)
    assert (second.success, second.latency_ms, second.safety_violation) == (None, None, None)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "no JSON"),
        ('{"request": "x"}', "trace_id"),
        ('{"trace_id": "t", "request": "x", "latency_ms": "fast"}', r"latency_ms"),
        ('{"trace_id": "t", "request": "x", "cost_tokens": 1.5}', r"cost_tokens"),
        ("[1, 2]", "Expected `object`"),
        ('{"trace_id": "t", "request": "\xff"}', "no JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    """Whatever is wrong with a line, the error names file, line and what was expected, and has a hint."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(GOOD.encode() + b"\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(TraceError, match=says) as raised:
        list(read_traces(file))
    assert f"{file}:2" in raised.value.message
    assert raised.value.hint


def test_broken_lines_are_left_out_only_when_the_caller_says_so(tmp_path: Path) -> None:
    """With a place to report them to, broken lines are told and the others used."""
    file = tmp_path / "t.jsonl"
    file.write_text(f"{GOOD}\nnonsense\n{GOOD}\n")
    told: list[TraceError] = []
    assert len(list(read_traces(file, broken=told.append))) == 2
    assert [error.message.startswith(f"{file}:2") for error in told] == [True]


def test_a_missing_file_is_a_trace_error_with_a_hint(tmp_path: Path) -> None:
    """No traceback for a wrong name."""
    with pytest.raises(TraceError, match=r"none\.jsonl"):
        list(read_traces(tmp_path / "none.jsonl"))


def test_a_run_that_should_have_been_refused_succeeds_by_being_refused() -> None:
    """The expected outcome decides what success is."""
    refused = Trace(trace_id="t", request="x", outcome="refused", expected_outcome="refused")
    assert observation_of(refused).success is True


def test_every_shared_trace_file_reads_whole(shared_data: Path) -> None:
    """Real runs, with their nulls, long texts and failures, all load."""
    for file in sorted(shared_data.glob("*/traces/*.jsonl")):
        with file.open("rb") as lines:
            count = sum(1 for line in lines if line.strip())
        assert len(list(read_traces(file))) == count
