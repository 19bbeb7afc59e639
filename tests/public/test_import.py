"""Importing surefoot costs little, loads nothing that was not asked for and does nothing."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.public.test_public_names import MODULES

STORES = {"aiosqlite", "alembic", "asyncpg", "sqlalchemy"}
SERVERS = {"fastapi", "http.server", "multiprocessing", "socketserver", "starlette", "uvicorn"}
CLIENTS = {"aiohttp", "httpx", "httpx2", "openai", "openfeature", "opentelemetry", "xllamacpp"}
SCREENS = {"matplotlib", "numpy", "pydantic", "rich", "typer"}

LOOK = """
import gc, json, logging, os, signal, sys, threading, warnings

def state():
    return {
        "working directory": sorted(os.listdir(".")),
        "environment": dict(os.environ),
        "threads": threading.active_count(),
        "open files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "log handlers": len(logging.getLogger().handlers),
        "signal handlers": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "hooks": [str(sys.excepthook), str(sys.displayhook), str(threading.excepthook)],
        "recursion limit": sys.getrecursionlimit(),
        "garbage collection": [gc.isenabled(), *gc.get_threshold()],
        "search path": list(sys.path),
    }

changed = {}
for name in NAMES:
    before = state()
    __import__(name)
    after = state()
    changed[name] = [what for what in before if before[what] != after[what]]
print(json.dumps({"changed": changed, "loaded": sorted(sys.modules)}))
"""


def _import(names: list[str], folder) -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOOK.replace("NAMES", repr(names))],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1, "an import printed something"
    return json.loads(done.stdout)


def test_import_surefoot_loads_no_server_and_no_heavy_package(tmp_path):
    """Whoever only routes pays for nothing else: stores, servers, command line and vendors' clients come when used."""
    loaded = _import(["surefoot"], tmp_path)["loaded"]
    assert (STORES | SERVERS | CLIENTS | SCREENS) & set(loaded) == set()


def test_the_core_loads_nothing_but_itself_and_the_standard_library(tmp_path):
    """What is decided can be decided anywhere: all it needs are xxhash and a class of msgspec's (ADR 1)."""
    core = [name for name in MODULES if name.startswith("surefoot.core")]
    found = {name.split(".")[0] for name in _import(core, tmp_path)["loaded"]}
    started_with = {"__main__", "__mp_main__", "sitecustomize", "usercustomize", "_distutils_hack", "_virtualenv"}
    others = {
        name for name in found - set(sys.stdlib_module_names) - started_with if not name.startswith("_sysconfigdata")
    }
    assert others <= {"surefoot", "xxhash", "msgspec", "typing_extensions"}


def test_an_import_has_no_side_effect(tmp_path):
    """No thread, file, handler, hook or setting is different after any module was imported, and nothing is printed."""
    changed = _import(MODULES, tmp_path)["changed"]
    assert {name: what for name, what in changed.items() if what} == {}
