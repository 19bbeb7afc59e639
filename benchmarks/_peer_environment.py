"""Interpreters for peers: what this one has, and one package more, under build/peers."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["interpreter_with"]


def interpreter_with(package: str) -> str:
    """The interpreter, made and filled if it is not there (the network)."""
    place = Path(__file__).resolve().parent.parent / "build" / "peers" / package.removesuffix("-sdk")
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
    (target,) = place.glob("lib/python*/site-packages")
    besides = [path for path in sys.path if path.endswith(("site-packages", "src"))]
    (target / "besides.pth").write_text("\n".join(besides), encoding="utf-8")
    return str(python)
