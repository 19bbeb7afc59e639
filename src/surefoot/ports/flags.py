"""Somebody else's feature flags, where they decide the arms of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Flags"]


class Flags(Protocol):
    """Asked on the caller's thread, once per run that a flag assigns: it should answer from memory."""

    def is_on(self, flag: str, unit: str, known: Mapping[str, str], /) -> bool:
        """
        Whether the flag is on for a unit. `known` is what else the request says of itself.

        May raise anything: then nobody has assigned the run, so stable answers it and it is not analysed.
        """
        ...
