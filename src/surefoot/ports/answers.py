"""Where finished runs are kept beyond the run of a suite, so that a new evaluator need not pay for them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..core.proof.trace import Trace

__all__ = ["Answers"]


class Answers(Protocol):
    """
    Runs by a key that names everything they depend on. Thread-safe.

    Duties: what `keep` returned from survives the death of the process; a key that is there is not overwritten; a full
    or vanished disk raises StoreUnavailable.
    """

    def find(self, keys: Sequence[str]) -> Mapping[str, Trace]:
        """Those of the keys that are there."""
        ...

    def keep(self, answers: Mapping[str, Trace]) -> None:
        """Keep runs, all of them or none."""
        ...
