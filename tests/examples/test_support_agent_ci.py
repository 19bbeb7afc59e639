"""The example's pull requests, from the change to the report: what our own CI runs of `surefoot ci`."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.cli.terminal import surefoot


def git(root, *words):
    """A command of git's in that folder, by an author of the test's own."""
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(repository, tmp_path):
    """The example as a repository of its own, whose only commit holds nothing but v1; v2 and v3 are the change."""
    root = tmp_path / "support-agent"
    shutil.copytree(
        repository / "examples" / "support-agent", root, ignore=shutil.ignore_patterns(".surefoot", "__py*")
    )
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "rm", "-q", "--cached", "agents/support-agent/v2.yaml", "agents/support-agent/v3.yaml")
    git(root, "commit", "-qm", "first")
    return root


@pytest.mark.parametrize(("label", "code", "verdict"), [("v2", 0, "✅ passed"), ("v3", 1, "❌ failed")])
def test_the_better_version_may_pass_and_the_worse_one_may_not(project, label, code, verdict):
    """Suite, gate and behaviour of one changed version, offline, and a report that says so first."""
    for other in {"v2", "v3"} - {label}:
        (project / f"agents/support-agent/{other}.yaml").unlink()
    ran = surefoot(project, "ci", "run", "--base", "HEAD", "--json")
    assert ran.code == code, ran.out + ran.err
    assert json.loads(ran.out)["versions"] == [f"support-agent {label}"]
    reported = surefoot(project, "ci", "report", "surefoot-results")
    assert reported.code == code
    assert reported.out.splitlines()[1] == f"## Surefoot: {verdict}"
    kept = {path.name.split(".")[-2] for path in (project / "surefoot-results").glob("*.json")}
    assert kept == {"attacks", "gate", "scores"}
    assert "not attacked" in reported.out, "a tape answers nothing that was not recorded, and the report says so"
