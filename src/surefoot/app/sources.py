"""What a Python function's results depend on beyond its version: the code behind its name."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from ..core.artifact.version import AgentVersion, ExecutorKind

__all__ = ["runs_code", "source_digests"]


def runs_code(versions: Iterable[AgentVersion]) -> bool:
    """
    Whether one of them is a Python function.

    Its code, what that imports and what it reads may be others by the next run, and no digest says so.
    """
    return any(version.executor.kind is ExecutorKind.PYTHON for version in versions)


def source_digests(versions: Iterable[AgentVersion], project: Path, *named: str | None) -> list[str]:
    """Digests of the files behind the Python functions of these versions and of `module:name`s; nothing is imported."""
    wanted = [
        str(version.executor.setting("callable"))
        for version in versions
        if version.executor.kind is ExecutorKind.PYTHON
    ]
    return [_digest(name, project) for name in (*wanted, *filter(None, named))]


def _digest(named: str, project: Path) -> str:
    path = [str(project.resolve()), *sys.path]
    origin: str | None = None
    for part in named.partition(":")[0].split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return ""  # not there: whoever runs it says so
        origin, path = spec.origin, list(spec.submodule_search_locations or ())
    if origin is None or not Path(origin).is_file():
        return ""
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest()
