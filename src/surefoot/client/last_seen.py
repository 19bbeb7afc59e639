"""
The last snapshot on disk: a process that starts while the store is away serves as before and obeys every switch.

Two kinds of files: `switches-<revision>.json`, small and written before the request that saw a switch is answered, and
`snapshot-<revision>.json`, written at leisure. The revision is in the name and the highest wins, so processes that
share a folder need no lock, and a slow one cannot bring back what a quicker one has replaced.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from ..core.traffic.kill import KillSwitch
from ..core.traffic.route import Snapshot
from ..core.units import Revision

__all__ = ["LastSeen"]

T = TypeVar("T")

_NAME: Final = re.compile(r"(switches|snapshot)-([0-9]{1,20})\.json")


class LastSeen:
    """One folder of such files, readable by this user only. Writing raises OSError; reading never does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def is_there(self) -> bool:
        """True if a store was reachable before, so that a missing store now is a lost one."""
        return bool(self._files())

    def load(self) -> Snapshot | None:
        """
        The newest snapshot that can be read, with the switches of the newest file; None when there is none.

        Switches alone, from a process that did not live to keep more, are a snapshot at revision 0 without agents.
        """
        found = self._newest("snapshot", Snapshot)
        switches = self._newest("switches", tuple[KillSwitch, ...])
        if found is None:
            return Snapshot(kills=switches[1]) if switches and switches[1] else None
        if switches is None or switches[0] < found[0]:
            return found[1]
        return replace(found[1], kills=switches[1])

    def keep_switches(
        self, revision: Revision, kills: tuple[KillSwitch, ...], *, durable: bool, alone: bool = False
    ) -> None:
        """
        All switches that are obeyed. A process that dies the next moment has kept them.

        With `durable` a machine that loses power has too; that takes milliseconds and is done off the request's path.
        `alone`: what was kept at higher revisions belongs to another history, and goes once this is written.
        """
        self._write("switches", revision, msgspec.json.encode(kills), durable=durable, alone=alone)

    def keep(self, snapshot: Snapshot, *, alone: bool = False) -> None:
        """The whole snapshot, durably. `alone` as for switches."""
        self._write("snapshot", snapshot.revision, msgspec.json.encode(_plain(snapshot)), durable=True, alone=alone)

    def _write(self, kind: str, revision: Revision, content: bytes, *, durable: bool, alone: bool) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{kind}-", suffix=".tmp", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(name).replace(self._folder / f"{kind}-{revision}.json")
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if durable:
            self._sync_folder()
        for path in self._files(kind):
            if _revision(path) < revision or (alone and _revision(path) > revision):
                path.unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _newest(self, kind: str, form: type[T]) -> tuple[int, T] | None:
        for path in sorted(self._files(kind), key=_revision, reverse=True):
            # Half a file, another release's or somebody else's: an older whole one is better than none.
            with suppress(OSError, msgspec.MsgspecError, ValueError):
                return _revision(path), msgspec.json.decode(path.read_bytes(), type=form)
        return None

    def _files(self, kind: str = "") -> list[Path]:
        try:
            return [
                path
                for path in self._folder.iterdir()
                if (name := _NAME.fullmatch(path.name)) and kind in ("", name[1])
            ]
        except OSError:
            return []


def _revision(path: Path) -> int:
    name = _NAME.fullmatch(path.name)
    return int(name[2]) if name else -1


def _plain(snapshot: Snapshot) -> Snapshot:
    """With mappings that can be written."""
    return replace(snapshot, agents=dict(snapshot.agents))
