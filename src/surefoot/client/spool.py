"""
The append-only log of one process: every record, and where its deltas were cut, so that a successor can count on.

    <root>/<source>/lock             held (flock) for as long as the process lives
                    00000001.units   what the fold remembered when the segment began
                    00000001.log     records and cuts since then

A line is written with one unbuffered `write`: what was written survives the death of the process (kill -9), though not
that of the machine. Files belong to their owner alone. When something cannot be written the spool goes *out of
service*: it refuses everything, so that it never holds a cut without its records, until `begin_again` starts it anew.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Final

from .line import Cut, Head, UnitState, encode, encode_all

__all__ = ["LIMIT_BYTES", "SEGMENT_BYTES", "Spool", "claim", "remove", "segment", "segments"]

SEGMENT_BYTES: Final = 32 * 1024 * 1024
"""A segment that has grown to this ends at the next cut."""

_UNITS_A_STEP: Final = 64
"""So that a step takes a sixth of a millisecond."""

_BYTES_A_UNIT: Final = 1024
"""A segment is some five times as large as what is remembered beside the next one: the log is most of the work."""

LIMIT_BYTES: Final = 1024 * 1024 * 1024
"""What the store has not taken may pile up to this; then the spool goes out of service."""


class Spool:
    """One process's log. `lock` makes several calls one step; every method takes it by itself."""

    def __init__(
        self, root: Path, source: str, *, segment_bytes: int = SEGMENT_BYTES, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self.folder = root / source
        self.lock = RLock()
        self.failure = "not open"
        """Why it is out of service; empty while it is not."""

        self._source = source
        self._segment_bytes = segment_bytes
        self._limit_bytes = limit_bytes
        self._number = 0
        self._size = 0
        self._sizes: dict[int, int] = {}
        """Of earlier segments that are still kept."""

        self._complete: dict[int, int] = {}
        """Segments whose units are written, and the number of the cut before them: a successor may begin there."""

        self._log = -1
        self._held = -1

    def is_full(self, units: int) -> bool:
        """Whether the segment should end at this cut, when so many units would have to be remembered."""
        return self._size >= max(self._segment_bytes, units * _BYTES_A_UNIT)

    def open(self) -> bool:
        """Claim a folder of its own and begin the first segment. False: out of service."""
        return self.begin_again((), 0)

    def write(self, lines: bytes) -> bool:
        """Append whole lines. False: out of service, and none of them is kept."""
        with self.lock:
            if self.failure:
                return False
            try:
                _write(self._log, lines)
            except OSError as error:
                with suppress(OSError):  # readers skip a torn line; this only keeps the file tidy
                    os.ftruncate(self._log, self._size)
                return self._out_of_service(error)
            self._size += len(lines)
            if self._size + sum(self._sizes.values()) > self._limit_bytes:
                self._out_of_service(f"{self._limit_bytes} bytes already wait for the store")
            return True

    def cut(self, sequence: int, at: int) -> bool:
        """Note that the delta of that number is cut here."""
        return self.write(encode(Cut(sequence, at)))

    def next_segment(self, sequence: int) -> bool:
        """End the segment, right after the cut of that number; `remember` follows."""
        with self.lock:
            if self.failure:
                return False
            self._sizes[self._number] = self._size
            self._number += 1
            return self._open_log(sequence)

    def remember(self, units: Iterable[UnitState], sequence: int) -> bool:
        """Write what the fold remembered when the segment began: with it, a successor needs no earlier ones."""
        for _ in self.remembering(units, sequence):
            pass
        return self._complete.get(self._number) == sequence

    def remembering(self, units: Iterable[UnitState], sequence: int) -> Iterator[None]:
        """The same in many steps, for as long as it stays the newest segment: some units are written at each."""
        number, units = self._number, iter(units)
        path = segment(self.folder, number, "units")
        unfinished = path.with_suffix(".tmp")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _write(descriptor, encode(Head(source=self._source, sequence=sequence)))
                while lines := encode_all(islice(units, _UNITS_A_STEP)):
                    _write(descriptor, lines)
                    yield
            finally:
                os.close(descriptor)
            unfinished.replace(path)
        except OSError as error:
            self._out_of_service(error)
        else:
            self._complete[number] = sequence

    def forget(self, applied: int) -> None:
        """Remove the segments that no successor needs any more: the store has applied all up to that number."""
        with self.lock:
            beginnings = [number for number, sequence in self._complete.items() if sequence <= applied]
            with suppress(OSError):
                for number in range(min(self._complete, default=0), max(beginnings, default=0)):
                    self._remove(number)

    def begin_again(self, units: Iterable[UnitState], sequence: int) -> bool:
        """Into service with what the fold remembers now and nothing else. Only when the store has all that was cut."""
        with self.lock:
            try:
                if self._held < 0 or not self.folder.is_dir():
                    self.abandon()
                    self._claim()
                for number in segments(self.folder):
                    self._remove(number)
            except OSError as error:
                return self._out_of_service(error)
            self._number += 1
            return self.remember(units, sequence) and self._open_log(sequence)

    def close(self, *, delete: bool) -> None:
        """Let go. `delete` when the store has everything; otherwise a successor will find it."""
        with self.lock:
            self.failure = "closed"
            if delete and self._held >= 0:
                remove(self.folder)
            self.abandon()

    def abandon(self) -> None:
        """Close the files and nothing else: they are somebody else's (after a fork, the parent's)."""
        for descriptor in (self._log, self._held):
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)
        self._log = self._held = -1

    def _claim(self) -> None:
        # Claimed under a hidden name: nobody may come upon the folder before it is held.
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden = self.folder.with_name(f".{self.folder.name}")
        hidden.mkdir(mode=0o700, exist_ok=True)
        held = claim(hidden)
        if held is None:
            raise BlockingIOError(f"{hidden} is held by another process")
        self._held = held
        hidden.rename(self.folder)

    def _open_log(self, sequence: int) -> bool:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            log = os.open(segment(self.folder, self._number, "log"), flags, 0o600)
        except OSError as error:
            return self._out_of_service(error)
        if self._log >= 0:
            os.close(self._log)
        self._log, self._size, self.failure = log, 0, ""
        return self.write(encode(Head(source=self._source, sequence=sequence)))

    def _remove(self, number: int) -> None:
        for kind in ("log", "units"):
            segment(self.folder, number, kind).unlink(missing_ok=True)
        self._sizes.pop(number, None)
        self._complete.pop(number, None)

    def _out_of_service(self, why: OSError | str) -> bool:
        self.failure = why if isinstance(why, str) else f"{self.folder}: {why.strerror or why}"
        return False


def _write(descriptor: int, lines: bytes) -> None:
    # Nothing is buffered: a forked child that drops what it inherited must have nothing left to write.
    done = 0
    while done < len(lines):
        done += os.write(descriptor, lines[done:] if done else lines)


def claim(folder: Path) -> int | None:
    """Hold the folder: a file descriptor to close, or None if a living process has it. Raises OSError."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def segments(folder: Path) -> list[int]:
    """The numbers of the segments, ascending."""
    return sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdecimal())


def segment(folder: Path, number: int, kind: str) -> Path:
    """The file of a segment: its `log` or its `units`."""
    return folder / f"{number:08d}.{kind}"


def remove(folder: Path) -> None:
    """Delete a spool whose lock is held by this process, the lock last."""
    with suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "lock"):
            path.unlink(missing_ok=True)
        folder.rmdir()
