"""Do what a page says, in the current folder: python -m tests.docs.run_page PAGE. Its first lie ends it with code 1."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

from tests.docs.pages import REPOSITORY, RUN, Block, blocks_of

__all__ = ["main", "same_output"]

TIME_LIMIT_SECONDS = 120


def main(page: Path) -> int:
    """Every block in order; the Python blocks share one namespace and one event loop."""
    shared: dict[str, object] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in blocks_of(page.read_text(encoding="utf-8")):
            if block.project is not None:
                shutil.copytree(REPOSITORY / block.project, Path.cwd(), dirs_exist_ok=True)
            if block.title is not None:
                target = Path(block.title)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.code, encoding="utf-8")
            if block.not_run is None and block.title is None and block.language in RUN:
                match block.language:
                    case "python":
                        _run_python(block, page, shared, runner)
                    case "bash":
                        _run_bash(block, page)
                    case _:
                        _run_console(block, page)
    return 0


def same_output(expected: str, seen: str) -> bool:
    """The output that the page shows, where `...` stands for anything and trailing blanks do not count."""
    wanted = "\n".join(line.rstrip() for line in expected.strip().splitlines())
    got = "\n".join(line.rstrip() for line in seen.strip().splitlines())
    return re.fullmatch(".*?".join(re.escape(part) for part in wanted.split("...")), got, flags=re.DOTALL) is not None


def _run_python(block: Block, page: Path, shared: dict[str, object], runner: asyncio.Runner) -> None:
    padded = "\n" * (block.line - 1) + block.code  # so that a traceback names the page's own line
    code = compile(padded, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = types.FunctionType(code, shared)()
    if inspect.iscoroutine(result):
        runner.run(result)


def _run_bash(block: Block, page: Path) -> None:
    code, output = _shell(block.code)
    if code != 0:
        raise SystemExit(f"{page}:{block.line}: exit code {code}\n{output}")


def _run_console(block: Block, page: Path) -> None:
    lines = block.code.splitlines()
    if not lines[0].startswith("$ "):
        raise SystemExit(f"{page}:{block.line}: a console block starts with `$ command`")
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        shown = start + 1
        while shown < end and lines[shown].startswith("> "):
            shown += 1
        command = "\n".join(line[2:] for line in lines[start:shown])
        expected = "\n".join(lines[shown:end])
        code, output = _shell(command)
        if code != 0:
            raise SystemExit(f"{page}:{block.line + start}: exit code {code}\n{output}")
        if expected.strip() and not same_output(expected, output):
            raise SystemExit(f"{page}:{block.line + start}: the page shows\n{expected}\nbut it is\n{output}")


def _shell(script: str) -> tuple[int, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"},
        check=False,
        timeout=TIME_LIMIT_SECONDS,
    )
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
