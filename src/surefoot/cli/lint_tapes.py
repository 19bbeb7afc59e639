"""What is wrong with the tapes of versions: found when somebody looks, not by the first user's request."""

from __future__ import annotations

from pathlib import Path

from ..adapters.executors.tape import TapeExecutor
from ..config.agents import list_versions, read_version
from ..config.files import shown_path
from ..config.lint import Finding, broken
from ..core.artifact.version import ExecutorKind
from ..errors import SurefootError

__all__ = ["lint_tapes"]


def lint_tapes(root: Path, agent: str, label: str | None = None) -> tuple[Finding, ...]:
    """One finding for every version whose tape cannot answer. A version that cannot be read is left to `lint`."""
    tapes = TapeExecutor(root)
    findings: list[Finding] = []
    try:
        files = [file for file in list_versions(root, agent) if label in (None, file.label)]
    except SurefootError:
        return ()
    for file in files:
        try:
            version = read_version(root, file)
        except SurefootError:
            continue
        if version.executor.kind is not ExecutorKind.TAPE:
            continue
        try:
            tapes.requests(version)
        except SurefootError as error:
            findings.append(broken(shown_path(root, file.path), error))
    return tuple(findings)
