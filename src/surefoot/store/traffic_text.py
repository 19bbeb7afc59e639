"""What routers know of an agent, read from its row. Not in `codec`, because routers load nothing else of it."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from ..core.traffic.route import AgentTraffic
from ..errors import SurefootError
from .strict import refuse_unknown, unreadable

__all__ = ["decode_traffic"]

_IN: Final = msgspec.json.Decoder(AgentTraffic)
_OUT: Final = msgspec.json.Encoder(order="deterministic")


def decode_traffic(text: str) -> AgentTraffic:
    """As strict as `codec.decode`, and 3 us where the text is as `codec.encode` writes it. Raises Unreadable."""
    try:
        traffic = _IN.decode(text)
        again = _OUT.encode(traffic)
        if again.decode() != text:
            refuse_unknown(json.loads(text), json.loads(again))
    except (ValueError, TypeError, SurefootError) as error:
        raise unreadable("AgentTraffic", error) from error
    return traffic
