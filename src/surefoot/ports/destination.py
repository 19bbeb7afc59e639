"""Where a command is asked to write: a file that can be replaced, or a pipe, a device or a descriptor that cannot."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

__all__ = ["Destination", "destination_of"]

_DESCRIPTOR: Final = re.compile(r"(?:/proc/(\d+)(?:/task/\d+)?|/dev)/fd/(\d+)")
"""As /dev/stdout and a shell's `>(command)` lead to; macOS has its own under /dev."""

_MOST_LINKS: Final = 40


class Destination(NamedTuple):
    """What a path leads to."""

    path: Path
    """The file itself: a symlink stays, and what it points to is replaced."""

    mode: int | None = None
    """The permissions of the file that is there."""

    is_stream: bool = False
    """Whether it is written to in place, as a shell's `>` does: to replace it would destroy it."""

    descriptor: int | None = None
    """The open file of this process that it names, as /dev/stdout does."""

    def open_stream(self) -> BinaryIO:
        """Open it to write in place. A pipe without a reader waits for one."""
        if self.descriptor is not None:  # opened by its name, a socket fails and a file would be written from its start
            return os.fdopen(os.dup(self.descriptor), "wb")
        return os.fdopen(os.open(self.path, os.O_WRONLY), "wb")


def destination_of(path: Path) -> Destination:
    """Look at what is there. Raises OSError if the system does not tell."""
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent)) / path.name
        if found := _DESCRIPTOR.fullmatch(str(path)):
            is_ours = found[1] in {None, str(os.getpid())}
            return Destination(path, is_stream=True, descriptor=int(found[2]) if is_ours else None)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Destination(path)
    is_stream = not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return Destination(path, mode=stat.S_IMODE(mode), is_stream=is_stream)
