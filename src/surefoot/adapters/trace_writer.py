"""A trace file written as a whole or not at all: whatever happens on the way, the old file stays what it was."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from ..core.proof.trace import Trace, written
from ..errors import TraceError
from ..ports.destination import Destination, destination_of

__all__ = ["TraceWriter", "line_of", "writing_traces"]

_BUFFER: Final = 1 << 18


def line_of(trace: Trace) -> bytes:
    """The trace as it stands in a file, without the end of the line."""
    return msgspec.json.encode(written(trace))


class TraceWriter:
    """Where lines go."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def write(self, line: bytes) -> None:
        """Add a line, given without its end."""
        self._file.write(line)
        self._file.write(b"\n")
        self.count += 1


@contextmanager
def writing_traces(path: Path) -> Generator[TraceWriter]:
    """
    Write a file, also over the one that is read. Raises TraceError if the disk does not take it.

    A new file is readable by its owner only, as recordings are; one that is replaced keeps its permissions. A pipe or a
    device is written to in place once all lines are there; of a symlink the target is replaced.
    """
    try:
        to = destination_of(path)
        with _poured(to) if to.is_stream else _replacing(to) as file:
            yield TraceWriter(file)
    except OSError as error:
        raise TraceError(
            f"{path}: {error.strerror or error}", hint="name a file in a folder that can be written, with room for it"
        ) from error


@contextmanager
def _replacing(to: Destination) -> Generator[IO[bytes]]:
    temporary = to.path.with_name(f".{to.path.name}.{os.getpid()}.tmp")
    try:
        with suppress(FileNotFoundError):  # left by a process that was killed and had the same id
            temporary.unlink()
        with open(temporary, "wb", buffering=_BUFFER, opener=_owner_only) as file:
            if to.mode is not None:
                os.fchmod(file.fileno(), to.mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(to.path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _poured(to: Destination) -> Generator[IO[bytes]]:
    with tempfile.TemporaryFile(buffering=_BUFFER) as file:
        yield file
        file.seek(0)
        with to.open_stream() as stream:
            shutil.copyfileobj(file, stream, _BUFFER)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)
