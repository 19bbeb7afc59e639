"""What is installed is locked by version and hash, and the locks say nothing about where it came from."""

from __future__ import annotations

import re
import tomllib

import pytest

LOCKS = ["base.txt", "dev.txt", "local-model-weights.txt", "local-model.txt", "ray.txt", "uv.txt"]


def _locked(text: str) -> dict[str, int]:
    """Name and version of each package, with the number of its hashes."""
    entries = re.split(r"\n(?=[a-z0-9])", text)
    return {entry.split()[0]: entry.count("--hash=sha256:") for entry in entries if not entry.startswith("#")}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_and_hashed(repository, lock):
    """A lock file cannot install anything but what was looked at."""
    locked = _locked((repository / "requirements" / lock).read_text(encoding="utf-8"))
    assert locked
    assert {name for name, hashes in locked.items() if hashes == 0 or "==" not in name} == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_an_index(repository, lock):
    """Whoever installs brings an index of their own."""
    text = (repository / "requirements" / lock).read_text(encoding="utf-8")
    assert re.findall(r"https?://\S+|--(?:extra-)?index-url|--find-links", text) == []


@pytest.mark.parametrize(
    "extra",
    [None, "http", "openai", "openfeature", "plot", "postgres", "prices", "proof", "pydantic-ai", "ray", "local-model"],
)
def test_every_dependency_is_locked(repository, extra):
    """A dependency that is added to pyproject.toml is in a lock file too (`make lock`)."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    lock = {None: "base.txt", "local-model": "local-model.txt", "pydantic-ai": "pydantic-ai.txt", "ray": "ray.txt"}.get(
        extra, "dev.txt"
    )
    locked = {name.split("==")[0] for name in _locked((repository / "requirements" / lock).read_text(encoding="utf-8"))}
    assert {re.split(r"[\[<>=~!; ]", requirement)[0] for requirement in wanted} - locked == set()


def test_every_extra_is_looked_at(repository):
    """An extra that is added is added above."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        "http",
        "local-model",
        "openai",
        "openfeature",
        "plot",
        "postgres",
        "prices",
        "proof",
        "pydantic-ai",
        "ray",
    }
    assert set(project["optional-dependencies"]) == extras
