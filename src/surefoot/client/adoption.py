"""
Counting on for processes that died: their spools are folded again, and what the store has not applied is shipped.

Folding is a deterministic function of the log, so the deltas come out as they were cut, number by number; what followed
the last cut becomes one more delta, in which every unit that was still open is resolved. Doing this twice, or being
killed in the middle of it, changes nothing: the store applies each number once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ..core.evidence.fold import Fold, Remembered
from ..core.evidence.tally import Delta
from ..core.units import Nanos
from ..errors import Conflict, SurefootError
from ..ports.sink import Sink
from .line import Cut, Head, head, read_lines
from .spool import claim, remove, segment, segments

__all__ = ["NOTHING_ADOPTED", "Adopted", "adopt", "adopt_all", "orphans", "replay"]

_log: Final = logging.getLogger("surefoot.recorder")


class Adopted(NamedTuple):
    """What was found and done."""

    spools: int = 0
    deltas: int = 0
    """Shipped now: the store did not have them."""

    torn: int = 0
    """Lines that could not be read: the last one of a killed process may be torn."""

    refused: int = 0
    """Spools that the store cannot take because it has lost what came before; kept aside as `.refused-<source>`."""

    damaged: tuple[str, ...] = ()
    """Sources whose spool holds what no process writes: the rest of it is not counted; kept as `.damaged-<source>`."""

    def plus(self, more: Adopted) -> Adopted:
        """Both together; a spool that could not be set aside is met again, and named once."""
        return Adopted(
            self.spools + more.spools,
            self.deltas + more.deltas,
            self.torn + more.torn,
            self.refused + more.refused,
            tuple(dict.fromkeys((*self.damaged, *more.damaged))),
        )


NOTHING_ADOPTED: Final = Adopted()


class _Torn:
    """Counts unreadable lines."""

    def __init__(self) -> None:
        self.lines = 0


def orphans(root: Path) -> Iterator[tuple[Path, int]]:
    """Spools whose process is dead, each with the lock that this process now holds on it (a descriptor to close)."""
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    for folder in folders:
        try:
            held = claim(folder)
        except OSError:
            continue  # somebody else's, or gone meanwhile
        if held is not None:
            yield folder, held


def adopt_all(root: Path, sink: Sink, *, at: Nanos, pause: Callable[[], None]) -> Adopted:
    """
    Adopt every orphaned spool. Raises what the sink raises; what was not shipped stays for the next try. A spool that
    the store refuses, or that cannot be understood, is set aside; the others are still adopted.

    `pause` is called now and then, to let others work.
    """
    total = NOTHING_ADOPTED
    for folder, held in orphans(root):
        try:
            done = adopt(folder, sink, at=at, pause=pause)
        except Conflict:
            _set_aside(folder, "refused")
            done = Adopted(refused=1)
        except SurefootError:
            raise  # the store's own trouble, not this spool's
        except Exception as error:  # noqa: BLE001 - whatever damage does to a number, it is this spool's alone
            _log.warning("spool %s is damaged and set aside: %s: %s", folder.name, type(error).__name__, error)
            _set_aside(folder, "damaged")
            done = Adopted(damaged=(folder.name,))
        finally:
            os.close(held)
        total = total.plus(done)
    return total


def _set_aside(folder: Path, why: str) -> None:
    with suppress(OSError):
        folder.rename(folder.with_name(f".{why}-{folder.name}"))


def adopt(folder: Path, sink: Sink, *, at: Nanos, pause: Callable[[], None]) -> Adopted:
    """Ship what the store has not applied of one spool, whose lock is held, and delete it."""
    torn = _Torn()
    applied: int | None = None
    shipped = 0
    for delta in replay(folder, at=at, pause=pause, torn=torn):
        if applied is None:
            applied = sink.applied(delta.source)
        if delta.sequence > applied:
            shipped += sink.absorb(delta)
    remove(folder)
    return Adopted(1, shipped, torn.lines)


def replay(folder: Path, *, at: Nanos, pause: Callable[[], None], torn: _Torn | None = None) -> Iterator[Delta]:
    """The deltas of a spool again: those that were cut as they were cut, and the rest as of `at`."""
    torn = torn or _Torn()
    fold: Fold | None = None
    for number in segments(folder):
        with segment(folder, number, "log").open("rb") as file:
            top = head(file.readline())
            if top is None:
                torn.lines += 1
                continue
            if fold is None:
                fold = _fold_before(folder, number, top, torn)
            for count, line in enumerate(read_lines(file, top.fields)):
                if count % 128 == 0:
                    pause()
                match line:
                    case None:
                        torn.lines += 1
                    case Cut():
                        fold.sequence = line.sequence - 1
                        yield fold.cut(Nanos(line.at))
                    case Remembered():
                        torn.lines += 1
                    case record:
                        fold.add(record)
    if fold is not None and (fold.open_units or fold.due(at)):
        yield fold.close(at)


def _fold_before(folder: Path, number: int, top: Head, torn: _Torn) -> Fold:
    """The fold as it was when the segment began. Units written by a release that counts others begin anew."""
    fold = Fold(top.source, sequence=top.sequence)
    try:
        file = segment(folder, number, "units").open("rb")
    except OSError:
        return fold
    with file:
        units = head(file.readline())
        if units is None or not units.speaks_of_units_as_we_do:
            return fold
        for line in read_lines(file, units.fields):
            if isinstance(line, Remembered):
                fold.remember(line)
            else:
                torn.lines += 1
    return fold
