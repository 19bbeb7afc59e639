"""
What the parser fills in: records with the fields of the core's values, made in half the time a dataclass takes.

A record says that it is the value it stands for (`isinstance`, `==` and `match` see no difference), is of no work for
the garbage collector, and turns into the value itself where it is replaced, copied deeply or sent to another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_type_hints

import msgspec

from ..core.proof.trace import Trace, TracedCall, TracedResult, TracedStep

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["TRACES"]

_USUAL_ORDER: Final = (  # noqa: SIM905 - one line a name would be a page
    "trace_id source task_id trial agent model request user_turns tool_calls tool_results response outcome "
    "expected_outcome latency_ms cost_tokens input_tokens output_tokens cost_usd allowed_tools safety error started_at"
).split()
"""The parser looks for a name first where the last one was found: files in this order are read a tenth faster."""

T = TypeVar("T", bound="DataclassInstance")


def _record(value: type[T], **types: object) -> type[T]:
    """A record type for a dataclass. `types` replaces those of single fields."""
    hints = get_type_hints(value) | types

    def copied(record: object) -> tuple[object, tuple[type[T], dict[str, object]]]:
        return _made, (value, {name: getattr(record, name) for name in names})

    names = [member.name for member in fields(value)]
    made = msgspec.defstruct(
        f"Read{value.__name__}",
        [_field(member, hints[member.name]) for member in sorted(fields(value), key=_place)],
        frozen=True,
        kw_only=True,
        gc=False,
        namespace={
            "__class__": property(lambda _: value),
            "__dataclass_fields__": {member.name: member for member in fields(value)},
            "__reduce__": copied,
        },
    )
    return cast("type[T]", made)


def _place(member: Field[Any]) -> int:
    return _USUAL_ORDER.index(member.name) if member.name in _USUAL_ORDER else len(_USUAL_ORDER)


def _field(member: Field[Any], of: Any) -> Any:
    if member.default_factory is not MISSING:
        return member.name, of, msgspec.field(default_factory=member.default_factory)
    return (member.name, of) if member.default is MISSING else (member.name, of, member.default)


def _made(value: type[T], members: Mapping[str, Any]) -> T:
    return value(**members)


_Call = _record(TracedCall, args=dict[str, object])
_Result = _record(TracedResult)
_Step = _record(TracedStep)

TRACES: Final = msgspec.json.Decoder(
    _record(
        Trace,
        tool_calls=tuple[_Call, ...],  # type: ignore[valid-type]  # made above, so no checker can know them as types
        tool_results=tuple[_Result, ...],  # type: ignore[valid-type]
        steps=tuple[_Step, ...] | None,  # type: ignore[valid-type]
    )
)
"""Decodes one line, or the lines of a block, into traces."""
