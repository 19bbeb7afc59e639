"""Files of a project: read inside its folder only, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..errors import AlreadyExists, UsageError
from ..ports.destination import Destination, destination_of
from .node import Node
from .yaml import MAX_BYTES

__all__ = ["NewFile", "confined", "read_text", "readable", "shown_path", "write_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that should hold this text."""

    path: Path
    text: str
    replaces: bool = False
    """Whether a file that is there is replaced; otherwise it is an error that one is there."""


def shown_path(root: Path, path: Path) -> str:
    """The path as people know it: relative to the project, with forward slashes on every system."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


@contextmanager
def readable(root: Path, path: Path, errors: type[UsageError]) -> Generator[None]:
    """Raise `errors` with the file's name for what the system says inside: a folder or a file nobody lets us read."""
    try:
        yield
    except OSError as error:
        found = Path(error.filename) if isinstance(error.filename, str) else path
        raise errors(
            f"{shown_path(root, found)}: cannot be read: {error.strerror}", hint="check its permissions"
        ) from None


def confined(node: Node, *, folder: Path, root: Path) -> Path:
    """The file that a value refers to, relative to `folder`. Raises when it is outside the project, links followed."""
    text = node.text()
    if "\\" in text or "\0" in text or ":" in text or PurePosixPath(text).is_absolute():
        raise node.error(f"{text!r} is no path inside the project", hint="write it relative, with forward slashes")
    path = (folder / text).resolve()
    if not path.is_relative_to(root.resolve()):
        raise node.error(f"{text!r} leads outside the project", hint="move the file into the project's folder")
    return path


def read_text(node: Node, path: Path) -> str:
    """The text of a file that a value refers to. Raises an error at the value when it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise node.error(
            f"no file {path.name!r} there", hint="paths are relative to the file that names them"
        ) from None
    except OSError as error:
        raise node.error(f"{path.name!r} cannot be read: {error.strerror}", hint="check its permissions") from None
    if len(raw) > MAX_BYTES:
        raise node.error(f"{path.name!r} is larger than {MAX_BYTES} bytes", hint="no prompt is that long; split it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise node.error(f"{path.name!r} is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from None


def write_all(files: Sequence[NewFile]) -> None:
    """Write all of the files or, when one cannot be written, none of them; never half of one.

    Each text goes to a temporary file beside its target first and is synced. Then the new files appear (a hard link
    fails where somebody else was faster), and only then the replacements take over, so that whatever refers to a new
    file comes after it. What was replaced is put back when a later one fails. A crash between two files leaves whole
    files. A pipe or a device is written to last and in place; of a symlink the target is replaced. Raises
    AlreadyExists, and UsageError, which names what could not even be put back.
    """
    staged: list[Path] = []
    made: list[Path] = []
    replaced: list[_Replaced] = []
    try:
        placed = [(file, destination_of(file.path) if file.replaces else Destination(file.path)) for file in files]
        whole = [(file, to) for file, to in placed if not to.is_stream]
        staged.extend(_stage(file.text, to) for file, to in whole)
        for (file, to), temporary in zip(whole, staged, strict=True):
            if not file.replaces:
                _appear(temporary, to.path)
                made.append(to.path)
        for (file, to), temporary in zip(whole, staged, strict=True):
            if file.replaces:
                if to.path.exists():
                    replaced.append(_kept(temporary, to.path))
                else:
                    made.append(to.path)
                temporary.replace(to.path)
        for file, to in placed:
            if to.is_stream:
                _pour(file.text, to)
    except OSError as error:
        stuck = _put_back(replaced, made)
        replaced = [old for old in replaced if old not in stuck]
        hint = "; ".join(f"{old.path} was changed, and its old text is in {old.kept}" for old in stuck)
        raise UsageError(
            f"cannot write {error.filename}: {error.strerror}", hint=hint or "nothing was changed"
        ) from None
    except AlreadyExists:
        _withdraw(made)
        raise
    finally:
        _withdraw(staged)
        _withdraw([old.kept for old in replaced])


class _Replaced(NamedTuple):
    """A file that is replaced, and the name under which its old content is kept until all is done."""

    path: Path
    kept: Path


def _kept(temporary: Path, path: Path) -> _Replaced:
    kept = temporary.with_suffix(".old")
    os.link(path, kept)
    return _Replaced(path, kept)


def _put_back(replaced: Sequence[_Replaced], made: Sequence[Path]) -> list[_Replaced]:
    """Undo what was done; the files for which even that failed."""
    stuck: list[_Replaced] = []
    for old in reversed(replaced):
        try:
            if not old.kept.samefile(old.path):  # else it was not replaced yet
                old.kept.replace(old.path)
        except OSError:
            stuck.append(old)
    if not stuck:  # else they may refer to the new files, which therefore stay
        _withdraw(made)
    return stuck


def _stage(text: str, to: Destination) -> Path:
    to.path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{to.path.name}.", suffix=".tmp", dir=to.path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(text.encode())
            opened.flush()
            os.fsync(opened.fileno())
        temporary.chmod(0o644 if to.mode is None else to.mode)
    except OSError:
        _withdraw([temporary])
        raise
    return temporary


def _pour(text: str, to: Destination) -> None:
    try:
        with to.open_stream() as stream:
            stream.write(text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(to.path)) from error


def _appear(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise AlreadyExists(f"{path.name} is already there", hint="choose another label") from None


def _withdraw(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
