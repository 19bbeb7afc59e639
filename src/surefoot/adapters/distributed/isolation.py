"""What a worker may see and reach: no credentials but those that are named, a home of its own, a few hosts."""

from __future__ import annotations

import os
import re
import shutil
import site
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from .guard import Allowed, guarded

__all__ = ["Isolation", "is_credential", "new_home"]

_NAMES: Final = re.compile(
    r"SECRET|PASSW|PASSPHRASE|PASSFILE|ASKPASS|CREDENTIAL|CREDS|COOKIE|TOKEN(?!IZ)|CONNECTION_?STRING"
    r"|(?:API|ACCESS|PRIVATE|ACCOUNT|AUTH|SIGNING|MASTER)KEY"
    r"|(?:^|_)(?:KEYS?|PASS|AUTH|PAT|SAS|JWT|DSN)(?:_|$)"
    r"|_PWD(?:_|$)"
)
"""Words in the names of variables that hold a credential, or lead to one."""

_PLACES: Final = frozenset(
    {
        "AWS_CONFIG_FILE",
        "AWS_PROFILE",
        "AZURE_CONFIG_DIR",
        "CLOUDSDK_CONFIG",
        "DOCKER_CONFIG",
        "DOCKER_HOST",
        "GNUPGHOME",
        "KUBECONFIG",
        "NETRC",
        "PGSERVICEFILE",
        "SUREFOOT_STORE",
        "XAUTHORITY",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
    }
)
"""Variables that say where credentials, or a way to somebody's store, are kept."""

_VALUES: Final = re.compile(r"://[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----")
"""An address with a password in it, or a private key, under whatever name."""


def is_credential(name: str, value: str) -> bool:
    """Whether a variable of the environment is, or leads to, something that opens doors."""
    upper = name.upper()
    return upper in _PLACES or _NAMES.search(upper) is not None or _VALUES.search(value) is not None


class Isolation(NamedTuple):
    """What workers are allowed. Travels to each of them."""

    hosts: tuple[str, ...] = ()
    """`HOST` or `HOST:PORT`; `*` is every one."""

    variables: tuple[str, ...] = ()
    """Names of variables that are kept, whatever they look like."""

    programs: tuple[str, ...] = ()
    """Names of programs that may be started."""

    def withheld(self, environ: Mapping[str, str]) -> frozenset[str]:
        """Names of variables that a worker does not see."""
        kept = frozenset(self.variables)
        return frozenset(name for name, value in environ.items() if name not in kept and is_credential(name, value))

    def environment(self, environ: Mapping[str, str], home: Path) -> dict[str, str]:
        """A worker's, with its home in a folder of its own; packages that were installed for the user stay."""
        withheld = self.withheld(environ)
        kept = {name: value for name, value in environ.items() if name not in withheld}
        return {"PYTHONUSERBASE": site.getuserbase(), **kept, **_at(home)}

    def guard(self) -> None:
        """Let this process reach nothing else from now on. For a process that was made for this and ends with it."""
        guarded(Allowed(self.hosts, self.programs))

    @contextmanager
    def entered(self) -> Generator[None]:
        """
        All of it in this process, for one that somebody else has started for us. See `guard`.

        The folder is there as long as this lasts; what was imported may remember its name, so it is the same each time.
        """
        for name in self.withheld(os.environ):
            del os.environ[name]
        if not _HOME:
            _HOME.append(new_home())
        home = _HOME[0]
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "tmp").mkdir(exist_ok=True)
        os.environ.update(_at(home))
        tempfile.tempdir = None  # it is looked up again
        self.guard()
        try:
            yield
        finally:
            shutil.rmtree(home, ignore_errors=True)


_HOME: Final[list[Path]] = []


def new_home() -> Path:
    """An empty folder that nobody else may read."""
    home = Path(tempfile.mkdtemp(prefix="surefoot-worker-"))
    (home / "tmp").mkdir()
    return home


def _at(home: Path) -> dict[str, str]:
    tmp = str(home / "tmp")
    return {"HOME": str(home), "TMPDIR": tmp, "TEMP": tmp, "TMP": tmp}
