"""`surefoot.yaml`: what a project says about how it is run. Every key has a default, and so has the file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from ..core.artifact.models import parse_model
from ..core.units import AgentName
from ..errors import ArtifactError, SettingsError
from ..ports.address import parts_of
from ..ports.prices import Price
from .files import shown_path
from .node import Fields, Node
from .project import SETTINGS_FILE, find_project
from .quantity import duration
from .recording import NOT_RECORDED, Recordings, recordings_in
from .yaml import read_yaml

__all__ = [
    "SETTINGS",
    "SETTINGS_FILE",
    "STORE_VARIABLE",
    "Address",
    "ControllerMode",
    "Lease",
    "ReplayAllowances",
    "Setting",
    "Settings",
    "WhenSilent",
    "find_project",
    "load_settings",
    "replay_allowances",
]

T = TypeVar("T")

STORE_VARIABLE: Final = "SUREFOOT_STORE"
"""The environment's word on the store; it goes before the file's."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ABSOLUTE_SQLITE: Final = re.compile(r"sqlite:///(/[^?#]+)")
_RELATIVE_SQLITE: Final = re.compile(r"sqlite:///(?!/)(.+)")


class ControllerMode(StrEnum):
    """Who advances rollouts and takes them back."""

    EMBEDDED = "embedded"
    """Every process that opens the project, in a thread. Any number of them may."""

    EXTERNAL = "external"
    """Somebody else: `surefoot controller`, or another process."""


class WhenSilent(StrEnum):
    """What is served when the store has been silent for too long."""

    STABLE = "stable"
    """Nobody gets a candidate whose harm nobody could report."""

    NOBODY = "nobody"
    """Nothing is served."""


class Lease(NamedTuple):
    """How long traffic may go on as it was without hearing from the store."""

    after: timedelta
    then: WhenSilent


class ReplayAllowances(NamedTuple):
    """What a replayed run may see and reach beyond the endpoints of its version's executor."""

    hosts: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """Names of variables that look like credentials and stay."""

    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """
    A store's address. It may hold a password, so it shows itself without.

    Raises SettingsError, which repeats nothing of it, for one that cannot be read.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        parts_of(self.url)

    def __str__(self) -> str:
        return parts_of(self.url).shown

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it, valid. Paths are absolute."""

    root: Path
    store: Address
    durable: bool = False
    """A run is in the spool before its answer is returned: kill -9 loses nothing."""

    spool: Path
    snapshot: Path | None
    """Where the last known traffic is kept, for a start while the store is away. None: the store ends with us."""

    controller: ControllerMode = ControllerMode.EMBEDDED
    stable: Mapping[AgentName, str] = field(default_factory=lambda: MappingProxyType({}))
    """Labels of the versions that are stable when the store does not know the agent yet."""

    lease: Lease | None = None
    prices: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))
    """By model id, in US dollars for a million tokens."""

    traces: Recordings = NOT_RECORDED
    """Which live runs are recorded."""


class Setting(NamedTuple):
    """One key of the file, for people."""

    key: str
    values: str
    default: str
    meaning: str


SETTINGS: Final = (
    Setting(
        "store",
        "an address: `sqlite:///FILE` (relative to the project), `postgresql://USER@HOST/DATABASE`, `memory://NAME`",
        "`sqlite:///.surefoot/surefoot.db`",
        "Where rollouts, evidence and kill switches are kept. No password belongs here: see `store_env`.",
    ),
    Setting(
        "store_env",
        "the name of an environment variable",
        f"`{STORE_VARIABLE}`",
        "That variable holds the address, with its password if it has one, and goes before `store`.",
    ),
    Setting(
        "controller",
        "`embedded` or `external`",
        "`embedded`",
        "Who advances rollouts and takes them back: every process that opens the project, or one of its own.",
    ),
    Setting(
        "durable",
        "`true` or `false`",
        "`false`",
        "Write each run to the spool before its answer is returned, so that kill -9 loses nothing (10 us a run).",
    ),
    Setting(
        "spool",
        "a folder, relative to the project",
        "`.surefoot/STORE/spool`",
        "What was recorded and is not in the store yet. On a local disk. Of a SQLite file outside of the project: "
        "`FILE-kept/spool`, beside it.",
    ),
    Setting(
        "stable",
        "agents and labels, such as `support-agent: v1.3.2`",
        "an agent's only version",
        "Which version is stable the first time a store hears of the agent. Later only rollouts change it.",
    ),
    Setting(
        "lease",
        "`after: 10m` and `then: stable` or `then: nobody`",
        "none: go on as before, for ever",
        "What is served when the store has not been heard from for so long.",
    ),
    Setting(
        "prices",
        "models and prices, such as `openai/gpt-4o: {input: 2.5, output: 10}`",
        "those of the package genai-prices, where it is installed",
        "US dollars for a million tokens. A model without a price cannot be run under a cap in money.",
    ),
    Setting(
        "traces",
        "`folder`; `sample`, `redact`, `key_env`, `file_mb`, `files`; the same by agent under `agents:`, or `false`",
        "none: live runs are not recorded",
        "Where live runs are recorded, and which share of them; see [Traces](traces.md#from-live-traffic).",
    ),
    Setting(
        "replay",
        "`hosts`, `env` and `programs`, such as `{hosts: [api.openai.com], env: [OPENAI_API_KEY]}`",
        "nothing",
        "What a replayed run may reach, see and start beyond the endpoint and the key of its version's executor.",
    ),
)
"""Every key the file may have."""


def load_settings(root: Path, environ: Mapping[str, str], *, store: str | None = None) -> Settings:
    """
    The settings of a project. `root` is absolute; a `store` given here goes before the environment's and the file's.

    Raises SettingsError, which names file, line and key, for any invalid value.
    """
    path = root / SETTINGS_FILE
    source = shown_path(root, path)
    fields = _fields(read_yaml(path, source=source)) if path.is_file() else None
    _get(fields, "replay", _allowances, default=None)  # whoever replays reads it; a mistake in it is told to everybody
    address = _store(fields, root, environ) if store is None else Address(_absolute(store, root))
    kept = _kept_for(address, root)
    return Settings(
        root=root,
        store=address,
        durable=_get(fields, "durable", Node.boolean, default=False),
        spool=root / _get(fields, "spool", _path, default=kept / "spool"),
        snapshot=None if address.url.startswith("memory:") else kept / "snapshot",
        controller=_get(fields, "controller", _controller, default=ControllerMode.EMBEDDED),
        stable=_get(fields, "stable", _labels, default=MappingProxyType({})),
        lease=_get(fields, "lease", _lease, default=None),
        prices=_get(fields, "prices", _prices, default=MappingProxyType({})),
        traces=_get(fields, "traces", lambda node: recordings_in(node, root), default=NOT_RECORDED),
    )


def replay_allowances(root: Path) -> ReplayAllowances:
    """What the project's file says under `replay`; a replay needs no store, so nothing else is asked of the file."""
    path = root / SETTINGS_FILE
    fields = _fields(read_yaml(path, source=shown_path(root, path))) if path.is_file() else None
    return _get(fields, "replay", _allowances, default=ReplayAllowances())


def _kept_for(address: Address, root: Path) -> Path:
    """
    What a process keeps on disk belongs to one store: evidence of one must never be shipped to another.

    A file elsewhere has it beside itself: who throws a temporary store away throws away all of it.
    """
    found = _ABSOLUTE_SQLITE.fullmatch(address.url)
    file = Path(unquote(found[1])) if found else None
    if file is not None and not file.is_relative_to(root):
        return file.with_name(file.name + "-kept")
    return root / ".surefoot" / hashlib.sha256(str(address).encode()).hexdigest()[:12]


def _fields(document: Node) -> Fields | None:
    return None if document.is_null else document.mapping(known=[setting.key for setting in SETTINGS])


def _get(fields: Fields | None, key: str, read: Callable[[Node], T], default: T) -> T:
    node = fields.get(key) if fields else None
    return default if node is None else read(node)


def _store(fields: Fields | None, root: Path, environ: Mapping[str, str]) -> Address:
    variable = _get(fields, "store_env", _variable, STORE_VARIABLE)
    written = fields.get("store") if fields else None
    given = environ.get(variable, "")
    if given:
        try:
            return Address(_absolute(given, root))
        except SettingsError as error:
            raise SettingsError(f"{variable}: {error.message}", hint=error.hint) from None
    if written is None and fields is not None and "store_env" in fields:
        node = fields.require("store_env")
        raise node.error(f"the environment variable {variable} is not set", hint=f"set {variable} to the address")
    if written is None:
        return Address(_absolute("sqlite:///.surefoot/surefoot.db", root))
    url = written.text()
    try:
        has_password = parts_of(url).has_password
    except SettingsError as error:
        raise written.error(error.message, hint=error.hint) from None
    if has_password:
        raise written.error(
            "a password in a file", hint=f"write store_env: {STORE_VARIABLE}, and put the address into that variable"
        )
    return Address(_absolute(url, root))


def _absolute(url: str, root: Path) -> str:
    """A relative SQLite file is relative to the project, wherever the process runs."""
    found = _RELATIVE_SQLITE.fullmatch(url)
    if found is None:
        return url
    return "sqlite:///" + quote(str(root / unquote(found[1])))


def _variable(node: Node) -> str:
    name = node.text()
    if not _VARIABLE.fullmatch(name):
        raise node.error(f"{name!r} is no name of an environment variable", hint="the name only, such as DATABASE_URL")
    return name


def _path(node: Node) -> Path:
    return Path(node.text()).expanduser()


def _controller(node: Node) -> ControllerMode:
    return node.choice(ControllerMode)


def _labels(node: Node) -> Mapping[AgentName, str]:
    return MappingProxyType({AgentName(agent): label.text() for agent, label in node.mapping().items()})


def _prices(node: Node) -> Mapping[str, Price]:
    found: dict[str, Price] = {}
    for model, price in node.mapping().items():
        try:
            parse_model(model)
        except ArtifactError as error:
            raise price.error(error.message, hint=error.hint) from None
        fields = price.mapping(known=Price._fields)
        found[model] = Price(*(float(fields.require(side).number(minimum=0)) for side in Price._fields))
    return MappingProxyType(found)


def _allowances(node: Node) -> ReplayAllowances:
    fields = node.mapping(known=ReplayAllowances._fields)
    listed = {key: fields.require(key).texts() for key in ReplayAllowances._fields if key in fields}
    return ReplayAllowances(**listed)


def _lease(node: Node) -> Lease:
    fields = node.mapping(known=("after", "then"))
    after = fields.require("after")
    if not (span := duration(after)):
        raise after.error("a lease of no time", hint="how long the store may be silent, such as 10m")
    return Lease(span, fields.require("then").choice(WhenSilent))
