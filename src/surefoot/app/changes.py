"""Which versions a change touches: those whose content is nowhere at the commit it starts from."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from ..config.agents import list_agents, list_versions, load_version
from ..core.artifact.version import AgentVersion
from ..core.units import AgentName, Digest
from ..errors import SurefootError, UsageError

__all__ = ["Touched", "touched_versions"]

_MOST_BYTES: Final = 4 * 1024 * 1024
"""Larger files are traces and tapes, and no part of a version's content."""

_TIMEOUT_S: Final = 120.0


class Touched(NamedTuple):
    """What a change makes worth proving."""

    versions: tuple[AgentVersion, ...]
    is_changed: bool
    """False: no version changed, and these are the newest, proved because their suites or gates may have."""

    before: Mapping[AgentName, AgentVersion]
    """By agent, the newest version that was there before and still is: what a new one is compared with."""


def touched_versions(root: Path, base: str) -> Touched:
    """
    The versions that the project has now and had not at the commit `base`, by agent and label.

    A version that was renamed is the same version. Raises UsageError for an unknown commit and outside of git, and
    whatever a broken version file raises; broken files of the base are nobody's problem any more.
    """
    with tempfile.TemporaryDirectory(prefix="surefoot-base-") as folder:
        before = Path(folder)
        _checkout(root, _commit(root, base), before)
        known = _digests(before)
    now = [load_version(root, agent, file.label) for agent in list_agents(root) for file in list_versions(root, agent)]
    changed = tuple(version for version in now if version.digest not in known)
    if changed:
        before_it = {version.agent: version for version in now if version.digest in known}
        return Touched(changed, is_changed=True, before=before_it)
    newest = {version.agent: version for version in now}
    return Touched(tuple(newest.values()), is_changed=False, before={})


def _digests(root: Path) -> frozenset[Digest]:
    found: set[Digest] = set()
    for agent in list_agents(root):
        for file in list_versions(root, agent):
            try:
                found.add(load_version(root, agent, file.label).digest)
            except SurefootError:
                continue
    return frozenset(found)


def _commit(root: Path, base: str) -> str:
    _git(root, "rev-parse", "--git-dir")
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}").strip()
    except UsageError:
        raise UsageError(
            f"{base!r} is no commit here", hint="give one that is fetched: CI needs the whole history (fetch-depth: 0)"
        ) from None


def _checkout(root: Path, commit: str, target: Path) -> None:
    """The project as it was, without its large files, in a folder of its own. The working tree is left alone."""
    below = _git(root, "rev-parse", "--show-prefix").strip().rstrip("/")
    tree = f"{commit}:{below}" if below else commit
    if not _git(root, "ls-tree", commit, "--", *([below + "/"] if below else [])).strip():
        return  # the project is new, or the commit empty: an archive without a file is none that tarfile reads
    command = ["git", "-C", str(root), "archive", "--format=tar", tree]
    # The arguments are a digest that git itself gave and a folder's name, and no shell reads them.
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads meanwhile would hold git up
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as archive:  # noqa: S603
            _unpack(cast("IO[bytes]", archive.stdout), target)
        if archive.returncode:
            said.seek(0)
            why = said.read(300).decode(errors="replace").strip()
            hint = "the commit may not be fetched whole: fetch-depth: 0"
            raise UsageError(f"git cannot show {tree}: {why}", hint=hint)


def _unpack(archive: IO[bytes], target: Path) -> None:
    with tarfile.open(fileobj=archive, mode="r|") as members:
        for member in members:
            if member.isdir() or (member.isreg() and member.size <= _MOST_BYTES):
                members.extract(member, target, filter="data")
    while archive.read(1 << 16):  # the padding behind the last file: whoever stops reading kills git with its pipe
        pass


def _git(root: Path, *arguments: str) -> str:
    try:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603  # no shell; `--end-of-options` before what the user wrote
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"git does not answer: {error}", hint="run this in a clone, with git installed") from None
    if done.returncode:
        raise UsageError(f"git says: {done.stderr.strip()[:300]}", hint="run this in a clone of your repository")
    return done.stdout
