"""What a version's answers come from and its digest does not say: the code behind a function's name, and tapes."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, NamedTuple

from ..adapters.executors.tape import tape_path
from ..core.artifact.version import AgentVersion, ExecutorKind

__all__ = ["runs_code", "source_digest", "source_digests"]

_INSTALLED: Final = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def runs_code(versions: Iterable[AgentVersion]) -> bool:
    """
    Whether one of them is a Python function.

    What it reads besides its code may be something else by the next run, and no digest says so.
    """
    return any(version.executor.kind is ExecutorKind.PYTHON for version in versions)


def source_digest(version: AgentVersion, project: Path) -> str | None:
    """
    Of the code of a version's Python function, or of its tape; None for a version whose own digest says all.

    Empty where the file is not there: whoever runs it says so. Raises ArtifactError for a tape outside the project.
    """
    executor = version.executor
    if executor.kind is ExecutorKind.PYTHON and isinstance(named := executor.setting("callable"), str):
        return _digest(named, project)
    if executor.kind is ExecutorKind.TAPE and isinstance(executor.setting("path"), str):
        tape = tape_path(version, project)
        return _sha(tape.read_bytes()) if tape.is_file() else ""
    return None


def source_digests(versions: Iterable[AgentVersion], project: Path, *named: str | None) -> list[str]:
    """Digests of the code of these versions' Python functions and of `module:name`s; nothing is imported."""
    wanted = [
        str(version.executor.setting("callable"))
        for version in versions
        if version.executor.kind is ExecutorKind.PYTHON
    ]
    return [_digest(name, project) for name in (*wanted, *filter(None, named))]


class _Source(NamedTuple):
    name: str
    path: Path
    is_package: bool


def _digest(named: str, project: Path) -> str:
    """Of a module and of all that it imports, directly or not, beside it or in the project; nothing is imported."""
    root, module = project.resolve(), named.partition(":")[0]
    own = module.partition(".")[0]
    waiting, found = [module], dict[str, str]()
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for source in _sources(name, root):
            is_own = source.name.partition(".")[0] == own
            if source.name not in found and (is_own or _is_of(source.path, root)):
                text = source.path.read_bytes()
                found[source.name] = _sha(text)
                waiting.extend(_imported(source, text))
    return _sha("\n".join(f"{name} {found[name]}" for name in sorted(found)).encode()) if found else ""


def _sources(module: str, root: Path) -> Iterator[_Source]:
    """The files of a module and of the packages that it is in, as far as they are there."""
    path = [str(root), *sys.path]
    before = ""
    for part in module.split("."):
        before = f"{before}.{part}" if before else part
        spec = PathFinder.find_spec(before, path)
        if spec is None:
            return
        if spec.origin is not None and Path(spec.origin).is_file():
            yield _Source(before, Path(spec.origin).resolve(), spec.submodule_search_locations is not None)
        path = list(spec.submodule_search_locations or ())


def _is_of(path: Path, root: Path) -> bool:
    """In the project, and not installed there: an environment may be inside of it."""
    return path.is_relative_to(root) and not any(path.is_relative_to(folder) for folder in _INSTALLED)


def _imported(source: _Source, text: bytes) -> Iterator[str]:
    """The modules that a source names in its imports, wherever they stand; some of the names are no modules."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return  # no Python, or none that runs: its bytes are all there is
    package = source.name if source.is_package else source.name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
