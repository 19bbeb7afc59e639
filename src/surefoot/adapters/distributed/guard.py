"""
What keeps a replayed run from the network and from other programs: an audit hook, in processes made for replays.

It stops accidents and tells of them. Against code that wants out it is no wall: see docs/replay.md, "Isolation".
"""

from __future__ import annotations

import importlib
import ipaddress
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import PurePath
from threading import RLock, local
from typing import Any, Final, NoReturn, cast

from ...errors import EffectRefused, SettingsError

__all__ = ["ANYWHERE", "Allowed", "Guard", "endpoint", "guarded", "watched"]

ANYWHERE: Final = "*"
"""As a host: every one."""

_MOST_TOLD: Final = 20
"""Kinds of refusals of one run that are told in words: a scan of a network must not fill the memory."""

_CURRENT: ContextVar[Counter[str] | None] = ContextVar("surefoot_refused", default=None)
_HERE: Final = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})
"""Names whose resolving asks nobody. Connecting is another matter."""


def endpoint(written: str) -> tuple[str, int | None]:
    """`HOST`, `HOST:PORT`, `[V6]:PORT` or `*` as host and port. Raises SettingsError."""
    host, port = written.strip(), ""
    if host.startswith("[") and "]" in host:
        host, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    is_name = bool(host) and not set(host) & set("/@ \t[]")
    if not is_name or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16)):
        raise SettingsError(f"{written!r} is no host", hint="write HOST or HOST:PORT, without https:// and path")
    return _plain(host), int(port) if port else None


class Allowed:
    """Hosts with their ports, and programs."""

    def __init__(self, hosts: tuple[str, ...] = (), programs: tuple[str, ...] = ()) -> None:
        self._ports: dict[str, set[int | None]] = {}
        self.programs = frozenset(programs)
        for written in hosts:
            host, port = endpoint(written)
            self.learn(host, {port})

    @property
    def names(self) -> list[str]:
        """Of hosts, those that have to be resolved."""
        return [host for host in self._ports if host != ANYWHERE and not _is_address(host)]

    def ports(self, host: str) -> set[int | None]:
        """At which a host may be reached; None among them is any port."""
        return self._ports.get(_plain(host), set()) | self._ports.get(ANYWHERE, set())

    def learn(self, host: str, ports: set[int | None]) -> None:
        """This is one of them too."""
        self._ports.setdefault(_plain(host), set()).update(ports)

    def reaches(self, host: str, port: int) -> bool:
        """Whether it may be connected to."""
        return not {port, None}.isdisjoint(self.ports(host))


class Guard:
    """
    Refuses what is not allowed, in this process, from when it is made until the process ends.

    A hook cannot be taken out again: never make one in a process that is not a worker's.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._own = local()
        self._lock = RLock()  # a finalizer may run while it is held, and connect to something
        self._running: list[Counter[str]] = []
        self._between: Counter[str] = Counter()
        self._checks: dict[str, Callable[..., None]] = {
            "socket.connect": self._connect,
            "socket.sendto": self._connect,
            "socket.sendmsg": self._connect,
            "socket.getaddrinfo": self._resolve,
            "socket.gethostbyname": self._resolve,
            "socket.gethostbyaddr": self._resolve,
            "subprocess.Popen": self._start,
            "os.exec": self._start,
            "os.posix_spawn": self._start,
            "os.system": partial(self._start, "sh"),
            "os.fork": partial(self._start, "fork"),
            "os.forkpty": partial(self._start, "fork"),
        }

    def install(self) -> None:
        """From now on."""
        self._learning()
        self._without_a_word()
        checks = self._checks

        def hook(event: str, args: tuple[Any, ...]) -> None:
            check = checks.get(event)  # every open() and import comes through here
            if check is not None:
                check(*args)

        sys.addaudithook(hook)

    @contextmanager
    def watched(self) -> Generator[Counter[str]]:
        """
        What is refused meanwhile and how often, whether or not anybody caught it.

        What a thread, or what another run left behind, tries belongs to every run that is under way.
        """
        with self._lock:
            mine, self._between = self._between, Counter()
            self._running.append(mine)
        token = _CURRENT.set(mine)
        try:
            yield mine
        finally:
            _CURRENT.reset(token)
            with self._lock:
                self._running = [other for other in self._running if other is not mine]

    def _connect(self, sock: socket.socket, address: object) -> None:
        if address is None:  # of sendmsg: it was connected before
            return
        if self._allowed.ports(ANYWHERE):
            return
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            shown = os.fsdecode(address) if isinstance(address, str | bytes) else repr(address)
            self._refuse(f"a connection to the local socket {shown!r}", f"--allow-host '{ANYWHERE}' allows everything")
        host, port = str(cast("tuple[object, ...]", address)[0]), int(cast("tuple[str, int]", address)[1])
        if not (self._allowed.reaches(host, port) or self._reaches_now(host, port)):
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self._refuse(f"a connection to {shown}", f"--allow-host {shown} allows it")

    def _resolve(self, host: object, *_: object) -> None:
        name = "" if host is None else os.fsdecode(host) if isinstance(host, str | bytes) else str(host)
        is_own = getattr(self._own, "resolves", False) or _plain(name) in _HERE or _is_address(name)
        if not (is_own or self._allowed.ports(name) or name == socket.gethostname()):
            self._refuse(f"looking up {name}", f"--allow-host {name} allows it")

    def _start(self, path: object = "", *_: object) -> None:
        name = PurePath(os.fsdecode(path) if isinstance(path, bytes) else str(path)).name
        if name not in self._allowed.programs:
            self._refuse(f"starting {name!r}", f"--allow-program {name} allows it, and whatever it does")

    def _refuse(self, what: str, hint: str) -> NoReturn:
        mine = _CURRENT.get()
        with self._lock:
            is_known = any(mine is one for one in self._running)
            for told in [mine] if is_known and mine is not None else self._running or [self._between]:
                key = f"{what} was refused ({hint})"
                told[key if key in told or len(told) < _MOST_TOLD else "others were refused"] += 1
        raise EffectRefused(f"{what} was refused: a replay has no effects", hint=hint)

    def _reaches_now(self, host: str, port: int) -> bool:
        """Whether it is one of the addresses of an allowed name, for what was resolved past Python."""
        self._own.resolves = True
        try:
            for name in self._allowed.names:
                try:
                    socket.getaddrinfo(name, None)
                except OSError:
                    continue
        finally:
            self._own.resolves = False
        return self._allowed.reaches(host, port)

    def _learning(self) -> None:
        """An address is allowed because an allowed name was resolved to it."""
        resolve = socket.getaddrinfo

        def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
            found = resolve(host, *args, **options)
            name = os.fsdecode(host) if isinstance(host, str | bytes) else ""
            ports = self._allowed.ports(name)
            if ports:
                for entry in found:
                    self._allowed.learn(str(entry[4][0]), ports)
            return found

        socket.getaddrinfo = getaddrinfo

    def _without_a_word(self) -> None:
        """The one way of the standard library to a new process that raises no audit event."""
        module: Any = importlib.import_module("_posixsubprocess")
        fork_exec = module.fork_exec

        def checked(args: Any, *others: Any) -> Any:
            self._start(args[0] if args else "")
            return fork_exec(args, *others)

        module.fork_exec = checked


def guarded(allowed: Allowed) -> Guard:
    """The guard of this process, made with the first call. Later calls change nothing."""
    if not _GUARD:
        _GUARD.append(Guard(allowed))
        _GUARD[0].install()
    return _GUARD[0]


@contextmanager
def watched() -> Generator[Counter[str]]:
    """As `Guard.watched`; nothing is refused in a process that has none."""
    if not _GUARD:
        yield Counter()
        return
    with _GUARD[0].watched() as refused:
        yield refused


_GUARD: Final[list[Guard]] = []


def _plain(host: str) -> str:
    """One way to write a host: an address as the kernel sees it, a name in lower case."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().rstrip(".")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
