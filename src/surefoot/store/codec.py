"""
Values as the text of a row and back.

A value is written as JSON with its keys and sets in order, so that equal values are equal texts; members of a union say
their `type`. Reading is strict: an unknown type, an unknown field or a missing one is an error that names it, because
a value that is half understood would be acted upon. A field that has a default may be missing: rows outlive releases.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, cast, get_args, get_type_hints

import msgspec

from ..core.artifact.canonical import Json
from ..core.artifact.version import AgentVersion
from ..core.evidence.tally import ArmCounts, Delta, DeltaKey, History, PairTotals, Tick
from ..core.lifecycle.rollout import Effect, Event, Rollout, Transition
from ..core.traffic.kill import KillSwitch
from ..core.traffic.plan import Plan
from ..core.traffic.route import AgentTraffic
from ..errors import SurefootError
from ..ports.store import GateVerdict, ShadowPair
from .accumulate import Gathering
from .strict import refuse_unknown, unreadable

__all__ = ["STORED", "decode", "decode_effect", "encode"]

T = TypeVar("T")

STORED: Final = (
    AgentTraffic, AgentVersion, Delta, Gathering, GateVerdict, History, KillSwitch, PairTotals, Plan, Rollout,
    ShadowPair, Tick, Transition,
)  # fmt: skip
"""What may be asked for."""

_HINTS: Final = {kind: get_type_hints(kind) for kind in (Delta, Transition)}
_EVENTS: Final = {kind.__name__: kind for kind in get_args(Event)}
_EFFECTS: Final = {kind.__name__: kind for kind in get_args(Effect)}
_TAGGED: Final = {**_EVENTS, **_EFFECTS}


def encode(value: object) -> str:
    """The text of a value. Floats keep every bit, infinities too (`Infinity`, as Python writes it)."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def decode(kind: type[T], text: str) -> T:
    """
    The value of a text that `encode` wrote.

    Raises Unreadable, saying which field is unknown, missing or of a wrong type.
    """
    return cast("T", _decoded(kind, kind.__name__, text))


def decode_effect(text: str) -> Effect:
    """The effect of a text that `encode` wrote. Raises as `decode` does."""
    return cast("Effect", _decoded(Effect, "Effect", text))


def _decoded(kind: object, name: str, text: str) -> object:
    try:
        plain = json.loads(text)
        value = _value(kind, plain)
        refuse_unknown(plain, _plain(value))
    except (ValueError, TypeError, SurefootError) as error:
        raise unreadable(name, error) from error
    return value


def _plain(value: object) -> Json:
    if isinstance(value, Delta):
        counts = [[_builtin(k), _builtin(c)] for k, c in value.counts.items()]
        return {**_fields(value, without="counts"), "counts": counts}
    if isinstance(value, Transition):
        effects = [_plain(effect) for effect in value.effects]
        return {**_fields(value, without=""), "event": _plain(value.event), "effects": effects}
    if type(value).__name__ in _TAGGED:
        return {"type": type(value).__name__, **_builtin(value)}
    plain: Json = _builtin(value)
    return plain


def _builtin(value: object) -> Any:
    return msgspec.to_builtins(value, order="deterministic", str_keys=True)


def _fields(value: Delta | Transition, *, without: str) -> dict[str, Json]:
    return {name: _builtin(getattr(value, name)) for name in _HINTS[type(value)] if name != without}


def _value(kind: Any, plain: object) -> object:
    if kind == Event:
        return _member(_EVENTS, plain)
    if kind == Effect:
        return _member(_EFFECTS, plain)
    if kind in _HINTS:
        hints = _HINTS[kind]
        return kind(**{name: _field(hints[name], item) for name, item in _object(plain, hints).items()})
    return msgspec.convert(plain, kind, str_keys=True)


def _field(hint: object, plain: Any) -> Any:
    if hint == tuple[Effect, ...]:
        return tuple(_value(Effect, item) for item in plain)
    if hint == Mapping[DeltaKey, ArmCounts]:
        return {msgspec.convert(k, DeltaKey): msgspec.convert(c, ArmCounts, str_keys=True) for k, c in plain}
    return _value(hint, plain)


def _member(kinds: Mapping[str, type[object]], plain: object) -> object:
    fields = dict(_object(plain, None))
    name = fields.pop("type", None)
    if not isinstance(name, str) or name not in kinds:
        raise ValueError(f"unknown type {name!r}; known: {', '.join(sorted(kinds))}")
    return msgspec.convert(fields, kinds[name], str_keys=True)


def _object(plain: object, known: Iterable[str] | None) -> dict[str, object]:
    if not isinstance(plain, dict):
        raise TypeError(f"expected an object, got {type(plain).__name__}")
    fields = cast("dict[str, object]", plain)
    unknown = sorted(fields.keys() - set(fields if known is None else known))
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    return fields
