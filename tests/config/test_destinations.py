"""What is no regular file stays what it is, whichever option names it: pipes, devices, symlinks, open descriptors."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from surefoot.adapters.trace_writer import writing_traces
from surefoot.config.files import NewFile, write_all
from surefoot.errors import TraceError, UsageError
from tests.cli.terminal import surefoot
from tests.config.projects import put


def as_document(path, line):
    """As scores, reports and verdicts are written."""
    write_all([NewFile(path=path, text=f"{line}\n", replaces=True)])


def as_traces(path, line):
    """As recordings are written."""
    with writing_traces(path) as writer:
        writer.write(line.encode())


def broken_off(path):
    """A recording whose second line cannot be made."""
    with writing_traces(path) as writer:
        writer.write(b"half")
        raise OSError(28, "No space left on device")


WAYS = pytest.mark.parametrize("write", [as_document, as_traces])


@pytest.fixture
def pipe(tmp_path):
    """A FIFO that somebody reads from."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    yield tmp_path / "pipe", reader
    os.close(reader)


@WAYS
def test_a_pipe_is_written_to_and_stays(pipe, write):
    """Its reader gets the text; a regular file in its place would leave him waiting."""
    path, reader = pipe
    write(path, "a")
    assert os.read(reader, 100) == b"a\n"
    assert path.is_fifo()
    assert [entry.name for entry in path.parent.iterdir()] == ["pipe"]


@WAYS
@pytest.mark.parametrize("target", ["old", "new"])
def test_what_a_symlink_points_to_is_replaced(tmp_path, write, target):
    """Also through a chain of links, and where nothing is there yet; the target keeps its permissions."""
    put(tmp_path, "folder/old", "before\n").chmod(0o640)
    (tmp_path / "first").symlink_to(f"folder/{target}")
    (tmp_path / "second").symlink_to(tmp_path / "first")
    write(tmp_path / "second", "a")
    assert (tmp_path / "folder" / target).read_text() == "a\n"
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert stat.S_IMODE((tmp_path / "folder" / "old").stat().st_mode) == 0o640
    assert {entry.name for entry in (tmp_path / "folder").iterdir()} == {"old", target}


@WAYS
def test_a_symlink_to_a_pipe_leads_into_it(pipe, write):
    """As links to devices do."""
    path, reader = pipe
    link = path.with_name("link")
    link.symlink_to("pipe")
    write(link, "a")
    assert os.read(reader, 100) == b"a\n"
    assert (link.is_symlink(), path.is_fifo()) == (True, True)


@WAYS
def test_an_open_descriptor_takes_what_is_written_to_its_name(write):
    """As `>(command)` of a shell does; a socket, as a standard output may be, cannot even be opened by its name."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        write(Path(f"/dev/fd/{ours.fileno()}"), "a")
        assert theirs.recv(100) == b"a\n"


@WAYS
def test_an_open_file_goes_on_where_it_is(tmp_path, write):
    """`--out /dev/stdout > all.txt` keeps what was said before it, and what is said after it comes after it."""
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(b"before\n")
        write(Path(f"/dev/fd/{file.fileno()}"), "a")
        file.write(b"after\n")
        file.seek(0)
        assert file.read() == b"before\na\nafter\n"


def test_a_pipe_gets_all_lines_or_none(pipe):
    """What fails on the way has written nothing; there is no taking back."""
    path, reader = pipe
    with pytest.raises(TraceError, match="No space left"):
        broken_off(path)
    assert os.read(reader, 100) == b""


def test_a_pipe_is_written_to_after_all_files(pipe):
    """Where one of the files cannot be written, nothing went into the pipe."""
    path, reader = pipe
    folder = put(path.parent, "folder/x", "x").parent
    with pytest.raises(UsageError, match="cannot write"):
        write_all([NewFile(path=path, text="a", replaces=True), NewFile(path=folder, text="b", replaces=True)])
    assert os.read(reader, 100) == b""


def test_options_of_commands_write_into_pipes_and_through_links(pipe):
    """Scores and JUnit of a run go where they are asked to go."""
    path, reader = pipe
    root = path.parent
    put(root, "surefoot.yaml", "")
    put(root, "echo_bot.py", "def answer(version, request, ctx):\n    return request\n")
    executor = "executor: {kind: python, callable: 'echo_bot:answer'}"
    put(root, "agents/bot/v1.yaml", f"model: test/m\nprompt: x\n{executor}\n")
    put(root, "evals/smoke.yaml", "cases: [{id: a, request: hi, expected: hi}]\nevaluators: [{kind: exact}]\n")
    (root / "link.xml").symlink_to("junit.xml")
    told = f"eval run smoke --version v1 --scores {path} --junit {root / 'link.xml'}"
    ended = surefoot(root, *told.split())
    assert ended.code == 0, ended.err
    assert b'"exact"' in os.read(reader, 10_000)
    assert (root / "link.xml").is_symlink()
    assert "<testsuite" in (root / "junit.xml").read_text()
