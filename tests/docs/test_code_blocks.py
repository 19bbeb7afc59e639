"""What the documentation shows is what happens: every block of every page is run, in a folder of the page's own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from tests.docs.pages import PAGES, REPOSITORY, RUN, blocks_of, name_of
from tests.docs.run_page import same_output

SHELLS = {"sh", "shell", "zsh", "pycon", "py", "python3", "shell-session"}


def _run(page, folder) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.docs.run_page", str(page)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_does_what_it_says(page, tmp_path):
    """A reader who types what a page shows sees what the page says."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    if any(block.language in RUN and block.not_run is None for block in blocks):
        done = _run(page, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_that_is_not_run_says_why(page):
    """Code is python, bash or console, so that it is run, or has a reason beside it; other blocks say what they are."""
    for block in blocks_of(page.read_text(encoding="utf-8")):
        assert block.language, f"line {block.line - 1}: which language is this? (`text` for none)"
        assert block.language not in SHELLS, (
            f"line {block.line - 1}: call it python, bash or console, so that it is run"
        )
        assert block.not_run is None or len(block.not_run.split()) >= 4, f"line {block.line - 1}: why is it not run?"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_is_shown_as_a_script_has_it(page):
    """What is copied into a file runs as a file: no `await` outside a function."""
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.language == "python":
            compile("\n" * (block.line - 1) + block.code, name_of(page), "exec")


def test_every_extra_is_in_the_readme():
    """What may be installed besides is listed where installing is described."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    install = readme.partition("## Install")[2].partition("\n## ")[0]
    assert [extra for extra in extras["optional-dependencies"] if f"`{extra}`" not in install] == []


LIES = {
    "python": "```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n",
    "await": "```python\nasync def nothing(): ...\nawait nothing()\nassert False\n```\n",
    "bash": "```bash\nfalse\ntrue\n```\n",
    "console": "```console\n$ echo one\ntwo\n```\n",
    "exit code": "```console\n$ exit 3\n```\n",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_page_that_lies_is_found(lie, tmp_path):
    """A false assertion, a failing command and another output than shown each fail, and name the page."""
    page = tmp_path / "page.md"
    page.write_text(LIES[lie], encoding="utf-8")
    done = _run(page, tmp_path)
    assert done.returncode == 1
    assert "page.md" in done.stderr


def test_blocks_of_a_page_build_on_each_other(tmp_path):
    """Names, files and folders that one block makes are there for the next."""
    page = tmp_path / "page.md"
    page.write_text(
        '```yaml title="agents/a.yaml"\nname: a\n```\n\n```console\n$ cat agents/a.yaml\nname: ...\n```\n\n'
        '```python\nfrom pathlib import Path\ntext = Path("agents/a.yaml").read_text()\n```\n\n'
        '```python\nassert text == "name: a\\n"\n```\n\n'
        "<!-- not run: it would never come back -->\n```bash\nfalse\n```\n",
        encoding="utf-8",
    )
    done = _run(page, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shown", "seen", "same"),
    [("a ... c", "a b c", True), ("a...", "a\nb\n", True), ("a.c", "abc", False), ("a", "a b", False)],
)
def test_dots_stand_for_anything(shown, seen, same):
    """Three dots stand for any text, and everything else for itself."""
    assert same_output(shown, seen) is same
