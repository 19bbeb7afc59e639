"""A trace file is written whole or not at all, and shows nobody what its owner kept to himself."""

from __future__ import annotations

import os
import stat

import pytest

from surefoot.adapters.trace_writer import writing_traces
from surefoot.errors import TraceError


@pytest.fixture(autouse=True)
def usual_umask():
    """That of most machines: what is made without a word is readable by all."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def half():
    """Lines on a disk that is full after the first."""
    yield b"half"
    raise OSError(28, "No space left on device")


def rewritten(path, lines):
    """What stands in the file afterwards."""
    with writing_traces(path) as writer:
        for line in lines:
            writer.write(line)
    return path.read_bytes()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_that_is_rewritten_keeps_its_permissions(tmp_path, mode):
    """Neither shown to others nor hidden from those who could read it."""
    path = tmp_path / "t.jsonl"
    path.write_text("before\n")
    path.chmod(mode)
    assert rewritten(path, [b"after"]) == b"after\n"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_is_its_owners_alone(tmp_path):
    """A sample of a recording holds what the recording holds."""
    assert rewritten(tmp_path / "t.jsonl", [b"a", b"b"]) == b"a\nb\n"
    assert stat.S_IMODE((tmp_path / "t.jsonl").stat().st_mode) == 0o600


def test_what_a_killed_process_left_behind_is_no_obstacle_and_no_target(tmp_path):
    """Its unfinished file is made anew; where somebody put a link in its place, nothing is written through it."""
    other = tmp_path / "other"
    other.write_text("untouched")
    (tmp_path / f".t.jsonl.{os.getpid()}.tmp").symlink_to(other)
    assert rewritten(tmp_path / "t.jsonl", [b"a"]) == b"a\n"
    assert other.read_text() == "untouched"
    assert {path.name for path in tmp_path.iterdir()} == {"other", "t.jsonl"}


def test_a_failure_on_the_way_leaves_the_old_file(tmp_path):
    """With its text, its permissions, and nothing beside it."""
    path = tmp_path / "t.jsonl"
    path.write_text("before\n")
    with pytest.raises(TraceError, match="No space left"):
        rewritten(path, half())
    assert path.read_text() == "before\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.jsonl"]
