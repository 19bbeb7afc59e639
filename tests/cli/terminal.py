"""The `surefoot` command run inside the test, with what it said and how it ended."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.cli.main import main

__all__ = ["Ended", "surefoot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


def surefoot(root: Path, *words: str) -> Ended:
    """Run `surefoot --project ROOT words...`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["--project", str(root), *words])
    return Ended(code=code, out=out.getvalue(), err=err.getvalue())
