"""Where results of proofs are kept, so that what was paid for once is never paid for twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.proof.score import Attempt, Result

__all__ = ["ProofRun", "Results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRun:
    """One run of a suite, a replay or a red team: resumed under the same id, compared under the same suite."""

    id: str
    suite: str
    """Name and digest of what was asked (`ScoreTable.suite`)."""

    settings: str = ""
    """Digest of whatever else changes results (parameters, judges, limits): another value is another run."""


class Results(Protocol):
    """
    A log of results by run. Thread-safe.

    Duties: what `append` returned from survives the death of the process; an attempt has one result, the first that
    was kept (an error may be replaced by a later result); a full or vanished disk raises StoreUnavailable and leaves
    what was kept before readable.
    """

    def begin(self, run: ProofRun) -> None:
        """Begin a run, or go on with it. Raises Conflict if the id is taken by another suite or other settings."""
        ...

    def append(self, run: str, results: Sequence[Result]) -> None:
        """Keep results, all of them or none."""
        ...

    def finished(self, run: str) -> frozenset[Attempt]:
        """Attempts that have a result without an error: a resume leaves them alone."""
        ...

    def results(self, run: str) -> Iterator[Result]:
        """All results of a run, by version, case and trial."""
        ...

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        ...
