"""Where a command is asked to write, looked at before it works: minutes of work must not end without an answer."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UsageError

__all__ = ["refuse_unwritable", "refuse_unwritable_folder"]


def refuse_unwritable(*paths: Path | None, makes_folders: bool = False) -> None:
    """
    Raise UsageError for the first path that no file can be written to: a folder, or in one that is not there or that
    nobody lets us write in. None is no path. `makes_folders`: whoever writes makes the folders that are missing.
    """
    for path in paths:
        if path is None:
            continue
        if os.path.isdir(path):  # noqa: PTH112  # where nobody lets us look, pathlib raises
            raise UsageError(f"{path} cannot be written: it is a folder", hint="name a file in it")
        if _is_there(path):
            _refuse_locked(path, path)
            continue
        folder = Path(os.path.realpath(path)).parent  # of a symlink to a file that is not there yet: that file's
        if not makes_folders and not _is_there(folder):
            raise UsageError(
                f"{path} cannot be written: there is no folder {folder if path.is_symlink() else path.parent}",
                hint="make the folder, or name another",
            )
        _refuse_under(folder, path)


def refuse_unwritable_folder(folder: Path) -> None:
    """Raise UsageError for a folder that cannot be made, or that nobody lets us write in."""
    _refuse_under(folder, folder)


def _refuse_under(folder: Path, wanted: Path) -> None:
    """The nearest folder that is there has to be one, and one to write in."""
    there = folder.absolute()
    while not _is_there(there) and there != there.parent:
        there = there.parent
    if not os.path.isdir(there):  # noqa: PTH112  # see above
        raise UsageError(f"{wanted} cannot be written: {there} is a file", hint="name a path whose folders are folders")
    _refuse_locked(there, wanted)


def _refuse_locked(there: Path, wanted: Path) -> None:
    if not os.access(there, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UsageError(
            f"{wanted} cannot be written: permission denied for {there}", hint="check its permissions, or name another"
        )


def _is_there(path: Path) -> bool:
    """As far as we are let to see."""
    return os.path.exists(path)  # noqa: PTH110  # where nobody lets us look, pathlib raises
