"""The files by which a CI system proves what a change touches."""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["Provider", "Written", "workflow_files"]


class Provider(StrEnum):
    """Whose files."""

    GITHUB = "github"
    GITLAB = "gitlab"
    SHELL = "shell"


class Written(NamedTuple):
    """A file to write."""

    path: str
    """Below the repository's root."""

    text: str
    is_executable: bool = False


_TEMPLATES: Final = MappingProxyType(
    {
        Provider.GITHUB: (
            (".github/workflows/surefoot.yml", "github-workflow.yml"),
            (".github/actions/surefoot/action.yml", "github-action.yml"),
        ),
        Provider.GITLAB: ((".gitlab/surefoot.yml", "gitlab-ci.yml"),),
        Provider.SHELL: (("ci/surefoot.sh", "shell.sh"),),
    }
)


def workflow_files(provider: Provider) -> tuple[Written, ...]:
    """What `surefoot ci init` writes for that system."""
    folder = files("surefoot.adapters.ci") / "templates"
    return tuple(
        Written(path, (folder / name).read_text(encoding="utf-8"), is_executable=name.endswith(".sh"))
        for path, name in _TEMPLATES[provider]
    )
