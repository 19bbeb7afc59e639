"""What a gate says: passed, failed, or not decided; and why. `rule` (gating.py) makes it, reports render it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ..units import Digest
from .baseline import COUNTS_SUITE, suite_name

__all__ = ["EXIT_CODES", "Decision", "GateReport", "Ruling", "decision_of", "objection"]


class Decision(StrEnum):
    """Of one gate, and of all of them together."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """Nothing ran, too little, only errors, another judge, a budget spent, a tape left too often. Never a pass."""


EXIT_CODES: Final = MappingProxyType({Decision.PASSED: 0, Decision.FAILED: 1, Decision.UNDECIDED: 2})
"""3 is wrong usage, 4 infrastructure: neither is said by a gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What one gate says, with the numbers it rests on."""

    gate: str
    """Its name in the file."""

    kind: str
    """`threshold`, `regression`, `invariant`, `budget`, `suite`, `rule`."""

    metric: str
    decision: Decision
    reason: str
    """One sentence for the person whose pull request it is."""

    is_blocking: bool = True
    """False: it is told, and does not decide."""

    threshold: float | None = None
    baseline: float | None = None
    """The baseline's mean."""

    candidate: float | None = None
    bound: float | None = None
    """The confidence bound that was compared with the threshold."""

    p_value: float | None = None
    n: int = 0
    """Cases it rests on."""

    smallest_drop: float | None = None
    """The minimum detectable effect: the drop that this many cases find four times out of five."""

    false_alarms: float | None = None
    """How often this rule blocks a version that did not change, on data like these. None where it is not a test."""

    cases: tuple[str, ...] = ()
    """The cases behind it: those that regressed, or broke the invariant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """All gates of one suite for one version, bound to what was judged."""

    decision: Decision
    version: Digest
    suite: str
    rulings: tuple[Ruling, ...]
    baseline: Digest | None = None
    """The version it was compared with."""

    aside: str = ""
    """Why it opens no rollout, whatever it says: another gates file than the project's, or only a part of the suite."""

    @property
    def exit_code(self) -> int:
        """Of the command that asked."""
        return EXIT_CODES[self.decision]


def decision_of(rulings: tuple[Ruling, ...]) -> Decision:
    """One failed blocking gate fails, one undecided leaves it open, and no gate at all decides nothing."""
    blocking = [ruling.decision for ruling in rulings if ruling.is_blocking]
    if Decision.FAILED in blocking:
        return Decision.FAILED
    if not blocking or Decision.UNDECIDED in blocking:
        return Decision.UNDECIDED
    return Decision.PASSED


def objection(reports: Iterable[GateReport]) -> str:
    """
    Why these reports of one version, oldest first, do not add up to a passed gate; empty if they do.

    The newest of every suite counts, by its name. Not looked at: what stands aside, and counts without cases, which
    anybody can write down.
    """
    # by name: a suite that was edited is the same question put better, and nobody can run the old one again
    newest = {
        name: report
        for report in reports
        if not report.aside and (name := suite_name(report.suite)) and name != COUNTS_SUITE
    }
    if not newest:
        return "no gate has judged it"
    open_ = [f"{name}: {report.decision}" for name, report in newest.items() if report.exit_code]
    return f"its gate did not pass ({', '.join(open_)})" if open_ else ""
