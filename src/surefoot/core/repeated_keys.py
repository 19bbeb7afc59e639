"""Names that stand twice in one JSON object: every parser takes the last one, and what the first one said is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, cast

__all__ = ["repeated_keys"]


class _Pairs(list[tuple[str, object]]):
    """An object with every name that stands in it, as often as it stands there."""


def repeated_keys(text: bytes) -> tuple[str, ...]:
    """
    Where a name stands again in its object, as a path from the root: `latency_ms`, `tool_calls[0].args.id`.

    Reads at the speed of `json.loads`. Raises RecursionError for a value that is nested too deeply, and ValueError for
    what is no JSON.
    """
    line = text.decode()
    again = False

    def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal again
        found = dict(pairs)
        again = again or len(found) != len(pairs)
        return found

    # Numbers stay texts: their values are of no interest, and no length of them is an error.
    json.loads(line, object_pairs_hook=object_of, parse_int=str, parse_float=str, strict=False)
    return tuple(dict.fromkeys(_repeats(_AS_PAIRS.decode(line), ""))) if again else ()


_AS_PAIRS: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=str, parse_float=str, strict=False)


def _repeats(value: object, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        counts = Counter(name for name, _ in value)
        for name, member in value:
            place = f"{path}.{name}" if path else name
            if counts[name] > 1:
                yield place
            yield from _repeats(member, place)
    elif isinstance(value, list):
        for nth, member in enumerate(cast("Sequence[object]", value)):
            yield from _repeats(member, f"{path}[{nth}]")
