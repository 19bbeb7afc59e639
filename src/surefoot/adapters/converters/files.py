"""Which tool wrote a recording, and the runs in it."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import yaml

from ...core.proof.trace import Trace
from ...errors import TraceError
from ..traces import Broken
from .chat import chat_traces, is_chat
from .inspect import eval_traces, inspect_traces, is_inspect
from .langfuse import is_langfuse, langfuse_traces
from .otlp import is_otlp, otlp_traces
from .untyped import as_list, as_mapping, decoded

__all__ = ["FORMATS", "Converted", "converted", "converted_all"]


def _each(read: Callable[[object], Iterator[Trace]]) -> Callable[[Iterable[object]], Iterator[Trace]]:
    def all_of(values: Iterable[object]) -> Iterator[Trace]:
        for value in values:
            yield from read(value)

    return all_of


FORMATS: Final[Mapping[str, Callable[[Iterable[object]], Iterator[Trace]]]] = MappingProxyType(
    {
        "otlp": otlp_traces,
        "inspect": _each(inspect_traces),
        "langfuse": langfuse_traces,
        "chat": chat_traces,
    }
)
"""By name: the runs in the values of a file."""

_SIGNS: Final = (("otlp", is_otlp), ("inspect", is_inspect), ("langfuse", is_langfuse), ("chat", is_chat))
_EVAL: Final = ".eval"
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_SHOWN: Final = 80
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Converted(NamedTuple):
    """A run and where it comes from."""

    path: Path
    trace: Trace


def converted(path: Path, source: str = "auto", *, broken: Broken | None = None) -> Iterator[Trace]:
    """
    The runs in a recording. `source` is a name in FORMATS, or `auto`: told by what is in the file.

    The file is JSON, JSON Lines, a list of such values, an `.eval` zip, or YAML for cassettes; all but a zip is read
    into memory. Raises TraceError for an unreadable file or one in another format; with `broken` given, lines of
    invalid JSON are reported to it and skipped.
    """
    return (found.trace for found in converted_all((path,), source, broken=broken))


def converted_all(paths: Iterable[Path], source: str = "auto", *, broken: Broken | None = None) -> Iterator[Converted]:
    """The runs in several recordings. Spans come last: those of one run may be in any file of their exporter."""
    exports: dict[Path, list[object]] = {}
    for path in paths:
        name, values = _opened(path, source, broken)
        if name == "otlp":
            exports[path] = values
        else:
            yield from _runs(path, name, values)
    for path in list(exports)[-1:]:
        yield from _runs(path, "otlp", itertools.chain.from_iterable(exports.values()))


class _Opened(NamedTuple):
    name: str
    values: list[object]


def _opened(path: Path, source: str, broken: Broken | None) -> _Opened:
    try:
        with path.open("rb") as file:
            is_zip = file.read(len(_ZIP)) == _ZIP
        if is_zip:
            if source not in {"auto", "inspect"}:
                raise TraceError(f"{path}: a zip is no {source} recording", hint="leave --from away, or write inspect")
            return _Opened(_EVAL, [])
        values = _values(path, broken)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}", hint="name a recording") from error
    if source != "auto" and values and _sign_of(values[0]) not in {source, None}:
        raise TraceError(
            f"{path}: looks like {_sign_of(values[0])}, not like {source}", hint="leave --from away: it is found out"
        )
    return _Opened(_told(path, values) if source == "auto" else source, values)


def _runs(path: Path, name: str, values: Iterable[object]) -> Iterator[Converted]:
    try:
        for trace in eval_traces(path) if name == _EVAL else FORMATS[name](values):
            yield Converted(path, trace)
    except (RecursionError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise TraceError(f"{path}: no readable {name} recording ({error})", hint="export it again") from error


def _values(path: Path, broken: Broken | None) -> list[object]:
    """What the file holds, as a list: one JSON value, one a line, or a YAML document."""
    data = path.read_bytes()
    if path.suffix in {".yaml", ".yml"}:
        try:
            return [yaml.safe_load(data)]
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{path}: no YAML ({error})", hint="name a cassette of recorded exchanges") from error
    if data.startswith(_GZIP):
        raise TraceError(f"{path}: the file is compressed", hint="unpack it first: gunzip -k FILE")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        value = decoded(data)
    except _UNREADABLE:
        return list(_lines(path, data, broken))
    return as_list(value) or [value]


def _lines(path: Path, data: bytes, broken: Broken | None) -> Iterator[object]:
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield decoded(line)
        except _UNREADABLE as error:
            start = line[:_SHOWN].decode("utf-8", "replace")
            problem = TraceError(
                f"{path}:{number}: this line is no JSON ({error}): {start!r}",
                hint="give a JSON file, or one JSON object a line",
            )
            if broken is None:
                raise problem from error
            broken(problem)


def _told(path: Path, values: list[object]) -> str:
    name = next((name for value in values[:20] if (name := _sign_of(value))), None)
    if name is None:
        members = ", ".join(sorted(map(str, as_mapping(values[0] if values else None)))[:8])
        raise TraceError(
            f"{path}: none of {', '.join(sorted(FORMATS))}" + (f" (it has {members})" if members else ""),
            hint="say what it is with --from, or see docs/traces.md for what each looks like",
        )
    return name


def _sign_of(value: object) -> str | None:
    return next((name for name, is_of in _SIGNS if is_of(value)), None)
