"""The doorbell beside a SQLite file: eight bytes of shared memory that change after every commit that routers see."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Doorbell", "make_private"]

_SIZE: Final = 4096
_OWNER_ONLY: Final = 0o600
_FOLDER: Final = 0o700


class Doorbell:
    """
    A number shared by all processes that use one database on one machine.

    Each ring stores 64 fresh random bits in one aligned write. A reader who looked before sees another number, however
    many ring at once, so nobody has to lock anything, and a writer that dies or stops can hold nobody up. Where the
    file cannot be written (read-only folder) the number is private to this process, and only polling will change it.
    """

    __slots__ = ("_database", "_identity", "cell", "path")

    def __init__(self, database: Path) -> None:
        self._database = database
        self.path = database.with_name(database.name + "-epoch")
        shared = _mapped(self.path)
        self._identity = _identity(self.path) if shared else None
        self.cell: Final = memoryview(shared or mmap.mmap(-1, _SIZE)).cast("Q")
        """Its first item is the number. Looking costs 18 ns and works for ever, also when the file is gone."""

    def ring(self) -> None:
        """Tell everybody that something was written. Never raises."""
        self.cell[0] = int.from_bytes(os.urandom(8), "little")

    def renewed(self) -> Doorbell:
        """The doorbell that those who come now would share: this one, or a new one if the file was replaced."""
        if self._identity is not None and _identity(self.path) == self._identity:
            return self
        now = Doorbell(self._database)
        return self if now.is_private else now

    @property
    def is_private(self) -> bool:
        """Nobody else sees it."""
        return self._identity is None

    @contextmanager
    def alone(self) -> Generator[None]:
        """Only one process on this machine is inside: for changes of the database's very form. Waits."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def make_private(database: Path) -> None:
    """The file and the missing folders above it are made for this user only. What exists is left alone."""
    for folder in reversed([parent for parent in database.parents if not parent.exists()]):
        folder.mkdir(mode=_FOLDER, exist_ok=True)
    os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _mapped(path: Path) -> mmap.mmap | None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_size < _SIZE:
            os.ftruncate(handle, _SIZE)
        return mmap.mmap(handle, _SIZE)
    except OSError:
        return None
    finally:
        os.close(handle)
