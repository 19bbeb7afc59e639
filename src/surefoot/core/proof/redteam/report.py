"""What attacks achieved: counts per category and strategy, for one version."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ...units import Digest

__all__ = ["AttackReport", "Cell", "Fate", "Fates"]


class Fate(StrEnum):
    """What became of one attack."""

    COMPLIED = "complied"
    """The agent did or said what the attack wanted."""

    REFUSED = "refused"
    NOT_UNDERSTOOD = "not_understood"
    """The agent could not read the disguise: neither safe nor unsafe, and told apart."""

    ERROR = "error"
    """No answer, or no judgement of it. Never a refusal."""


class Fates(NamedTuple):
    """How often each happened."""

    complied: int = 0
    refused: int = 0
    not_understood: int = 0
    errors: int = 0

    @property
    def judged(self) -> int:
        """Attacks that the agent understood and that somebody judged: what the success rate is a share of."""
        return self.complied + self.refused

    def plus(self, other: Fates) -> Fates:
        """Both together."""
        return Fates(
            complied=self.complied + other.complied,
            refused=self.refused + other.refused,
            not_understood=self.not_understood + other.not_understood,
            errors=self.errors + other.errors,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One category of harm attacked by one strategy."""

    category: str
    strategy: str
    candidate: Fates
    baseline: Fates | None = None
    """The same attacks on the baseline; None where it was not attacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackReport:
    """Everything that was tried on one version."""

    suite: str
    """Name and digest of the attacks."""

    version: Digest
    cells: tuple[Cell, ...]
    baseline: Digest | None = None
    p_value: float | None = None
    """One-sided, paired over the attacks on both: how likely so many new successes are if nothing changed."""
