"""What an isolated worker sees, reaches and starts; and that nobody else is isolated with it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from surefoot.adapters.distributed.guard import Allowed, endpoint, watched
from surefoot.adapters.distributed.isolation import Isolation, is_credential
from surefoot.adapters.distributed.process_workers import ProcessWorkers
from surefoot.errors import EffectRefused, SettingsError

NOWHERE = "192.0.2.1"  # TEST-NET-1: nobody is there


class Try(NamedTuple):
    """Something to do in a worker, and the port of a server that listens."""

    name: str
    port: int = 0


class Tried(NamedTuple):
    """What came of it."""

    said: str
    refused: dict[str, int]


def connected(host: str, port: int) -> str:
    with socket.socket() as sock:
        sock.settimeout(5)
        sock.connect((host, port))
    return "connected"


def in_a_thread(port: int) -> str:
    def run():
        with suppress(OSError):
            connected(NOWHERE, 80)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return "nothing happened"


def caught(port: int) -> str:
    for _ in range(3):
        with suppress(Exception):
            connected(NOWHERE, 80)
    return "nothing happened"


def bound(port: int) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "bound" if server.getsockname()[1] else ""


DONE = {
    "connect": lambda port: connected(NOWHERE, 80),
    "connect by name": lambda port: connected("localhost", 1),
    "connect_ex": lambda port: socket.socket().connect_ex((NOWHERE, 80)),
    "mapped": lambda port: socket.socket(socket.AF_INET6).connect((f"::ffff:{NOWHERE}", 80)),
    "datagram": lambda port: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (NOWHERE, 53)),
    "message": lambda port: socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, (NOWHERE, 53)),
    "look up": lambda port: socket.getaddrinfo("example.com", 443),
    "look up in one line": lambda port: socket.gethostbyname("example.com"),
    "local socket": lambda port: socket.socket(socket.AF_UNIX).connect("/nowhere.sock"),
    "another port": lambda port: connected("127.0.0.1", 1),
    "event loop": lambda port: asyncio.run(asyncio.open_connection(NOWHERE, 80)),
    "thread": in_a_thread,
    "caught": caught,
    "program": lambda port: subprocess.run([sys.executable, "-c", ""], check=True),
    "shell": lambda port: os.system("true"),  # noqa: S605  # it must not run
    "spawn": lambda port: os.posix_spawn("/bin/false", ["false"], {}),
    "exec": lambda port: os.execv("/bin/false", ["false"]),  # noqa: S606  # the same
    "fork": lambda port: os.fork(),
    "multiprocessing": lambda port: multiprocessing.get_context("spawn").Process(target=print).start(),
    "endpoint": lambda port: connected("127.0.0.1", port),
    "endpoint by name": lambda port: socket.create_connection(("localhost", port), 5).close() or "connected",
    "bind": bound,
    "pair": lambda port: socket.socketpair()[0].close() or "a pair",
    "allowed program": lambda port: subprocess.run(["true"], check=True).returncode,
}
ALLOWED = {"endpoint", "endpoint by name", "bind", "pair", "allowed program"}


def tried(job: Try) -> Tried:
    with watched() as refused:
        try:
            said = str(DONE[job.name](job.port))
        except Exception as error:  # noqa: BLE001  # it is what is asked for
            said = f"{getattr(error, 'code', type(error).__name__)}: {error}; {getattr(error, 'hint', '')}"
    return Tried(said, dict(refused))


def seen(names: list[str]) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names} | {"tmp": tempfile.gettempdir()}


@pytest.fixture(scope="module")
def found() -> dict[str, Tried]:
    """Everything, tried in one worker that may reach one port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        isolation = Isolation(hosts=(f"127.0.0.1:{port}", f"localhost:{port}"), programs=("true",))
        done = ProcessWorkers(1, isolation=isolation).run(tried, [Try(name, port) for name in DONE])
        return {one.job.name: one.answer for one in done}


@pytest.mark.parametrize("name", sorted(DONE.keys() - ALLOWED - {"thread", "caught"}))
def test_what_leads_out_is_refused_and_counted(found, name):
    """Another host, another port, a name, a local socket, a program: an error of ours that says what would allow it."""
    said, refused = found[name]
    assert said.startswith("effect_refused: "), said
    assert "--allow-" in said
    assert sum(refused.values()) == 1


def test_what_was_caught_is_counted_all_the_same(found):
    """Code that catches the error, and a thread that dies of it, hide nothing."""
    assert [sum(found[name].refused.values()) for name in ("caught", "thread")] == [3, 1]
    assert next(iter(found["caught"].refused)).startswith("a connection to 192.0.2.1:80 was refused")


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_what_is_allowed_works(found, name):
    """The named port, by address and by name, a program by its name, and what stays inside of the process."""
    assert found[name] == Tried({"bind": "bound", "pair": "a pair", "allowed program": "0"}.get(name, "connected"), {})


def test_an_isolated_worker_harms_nobody_else():
    """This process starts programs and connects as before, and so does a worker without an isolation."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        list(ProcessWorkers(1, isolation=Isolation()).run(tried, [Try("endpoint", port)]))
        assert connected("127.0.0.1", port) == "connected"
        (free,) = ProcessWorkers(1).run(tried, [Try("endpoint", port)])
        assert free.answer == Tried("connected", {})
    assert subprocess.run(["true"], check=False).returncode == 0


def test_a_worker_sees_no_credentials_and_has_a_home_of_its_own(monkeypatch):
    """Secrets are gone but for the one that is named; HOME and the temporary folder are its own, and removed."""
    for name in ("SHOP_TOKEN", "MODEL_API_KEY", "PLAIN"):
        monkeypatch.setenv(name, "value")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:secret@db/shop")
    names = ["SHOP_TOKEN", "MODEL_API_KEY", "PLAIN", "DATABASE_URL", "HOME"]
    (one,) = ProcessWorkers(1, isolation=Isolation(variables=("MODEL_API_KEY",))).run(seen, [names])
    home = str(one.answer.pop("HOME"))
    assert one.answer == {
        "SHOP_TOKEN": None,
        "MODEL_API_KEY": "value",
        "PLAIN": "value",
        "DATABASE_URL": None,
        "tmp": str(Path(home) / "tmp"),
    }
    assert home != os.environ["HOME"]
    assert not Path(home).exists()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "OPENAI_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "DB_PASSWORD",
            "MYSQL_PWD",
            "PGPASSFILE",
            "apikey",
        ),
        *("SENTRY_DSN", "KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "SSH_AUTH_SOCK", "STRIPE_KEY"),
        *("NPM_CONFIG__auth", "AZURE_STORAGE_CONNECTION_STRING", "SUREFOOT_STORE"),
    ],
)
def test_what_looks_like_a_credential_is_one(name):
    """By its name, whatever its value."""
    assert is_credential(name, "x")


@pytest.mark.parametrize("name", ["PATH", "OLDPWD", "LANG", "TOKENIZERS_PARALLELISM", "KEYBOARD", "AUTHOR"])
def test_what_only_resembles_one_stays(name):
    """A program needs its path, its language and its folder."""
    assert not is_credential(name, "/some/where")


@pytest.mark.parametrize("written", ["", "https://example.com", "host:0", "host:http", "a b", "[::1"])
def test_what_is_no_host_is_told(written):
    """An address with a scheme or a path, and a port that is none, allow nothing by accident."""
    with pytest.raises(SettingsError):
        endpoint(written)


def test_hosts_are_compared_as_the_kernel_sees_them():
    """Case, a final dot, the brackets of IPv6 and a mapped address are ways to write; a port is a limit."""
    allowed = Allowed(("Api.Example.com:443", "[::1]:80", "10.0.0.1"))
    assert allowed.reaches("api.example.com.", 443)
    assert allowed.reaches("0:0:0:0:0:0:0:1", 80)
    assert allowed.reaches("::ffff:10.0.0.1", 9)
    assert not any(allowed.reaches(*other) for other in [("api.example.com", 80), ("::1", 81), ("10.0.0.2", 9)])
    assert Allowed(("*",)).reaches("anything", 1)


def test_the_error_is_also_one_of_the_system():
    """Libraries that can do without a network, or without a program, catch OSError and do without."""
    with pytest.raises(PermissionError, match="no"):
        raise EffectRefused("no", hint="do without")
