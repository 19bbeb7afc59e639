"""What one look at a rollout found: an ordered judgement, its reason, and every number it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from .tally import PairTotals

__all__ = ["Finding", "FindingKind", "Judgement", "Look", "Verdict", "Why"]


class Judgement(IntEnum):
    """Ordered from best to worst: `max` of several is what holds for all of them."""

    PASS = 0
    HOLD = 1
    BREACH = 2


class Why(StrEnum):
    """The reason of a verdict, in the order in which they are looked for (STATISTICS.md section 4)."""

    COUNT_LIMIT = "count_limit"
    """More bad units than the plan allows at all."""

    HARM = "harm"
    """The average of the metrics' e-values reached 1/alpha."""

    MISMATCH = "sample_ratio_mismatch"
    """The arms' sizes do not fit their shares: assignment is broken, nothing can be concluded."""

    STALE = "stale"
    """No tick was closed for too long."""

    NO_TRAFFIC = "no_traffic"
    NO_DATA = "no_data"
    """A required metric has no observation: that can never pass."""

    NO_REFERENCE = "no_reference"
    """The candidate has all traffic, and too little is known of stable to say what would be worse."""

    GATHERING = "gathering"
    """Not enough evidence yet in either direction."""

    SOAKING = "soaking"
    """Proven, but the stage's duration or its samples are not complete."""

    PROVEN = "proven"
    """Every required metric has proven non-inferiority at the stage's margin."""

    TIMED_OUT = "timed_out"
    UNPROVEN = "unproven"
    """Let through on a time-out by the plan's own wish, without proof."""


class FindingKind(StrEnum):
    """Which question a finding answers."""

    HARM = "harm"
    NON_INFERIORITY = "non_inferiority"
    LIMIT = "limit"
    COUNT_LIMIT = "count_limit"
    MISMATCH = "sample_ratio_mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check with the evidence it was decided on, so that a person, or a program, can decide it again."""

    metric: str
    kind: FindingKind
    judgement: Judgement
    ln_e: float
    """The evidence, as a natural logarithm. For count limits: how many."""

    threshold: float
    """What `ln_e` had to reach."""

    n_stable: int = 0
    k_stable: float = 0.0
    """Bad units, or the sum of amounts for scalars."""

    n_candidate: int = 0
    k_candidate: float = 0.0
    n_first_stable: int = 0
    """
    Exposures of the first-failure stream, for harm of a yes-or-no metric: there it decides, and is ahead of the units
    above, which wait until their outcome is final. All four are 0 in older trails and where nothing was exposed.
    """

    k_first_stable: int = 0
    """First failures among them."""

    n_first_candidate: int = 0
    k_first_candidate: int = 0
    margin: float | None = None
    """The stage's margin, for non-inferiority."""

    low: float | None = None
    high: float | None = None
    """A 95 % display interval of candidate minus stable. Approximate; it never decides, so it need not be there."""

    units_needed: int | None = None
    """About how many more units, of both arms, until proof of a candidate as good as stable. None: cannot be said."""

    times_counted: float = 1.0
    """How often each unit is among those counted, on average: more than once where sessions meet several processes."""

    is_paired: bool = False
    """Of shadow pairs: `n` is the pairs, `k_candidate` those that only the candidate failed, `k_stable` only stable."""

    edge_stable: int | None = None
    edge_candidate: int | None = None
    """Of a quantile metric: the frozen values, in milliseconds, beyond which a unit of that arm is counted as bad."""

    n_known: int = 0
    """Stable units that a candidate with all traffic is held against, which may be older than the rollout. 0: none."""

    k_known: float = 0.0
    """Bad units among those, or the sum of their amounts."""

    highest: float | None = None
    """The highest rate, or mean, that they leave plausible. None where nothing is held against what was known."""

    @property
    def is_ahead(self) -> bool:
        """Whether it was decided on first failures that are more, or other, than the units whose outcome is final."""
        first = (self.n_first_stable, self.k_first_stable, self.n_first_candidate, self.k_first_candidate)
        return any(first) and first != (self.n_stable, self.k_stable, self.n_candidate, self.k_candidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All findings of one look."""

    judgement: Judgement
    why: Why
    tick: int
    """Sequence of the newest tick it saw: with the plan, all that is needed to take the decision again."""

    ln_e_average: float
    """Weighted average of the harm e-values, as a logarithm: a rollback at ln(1/alpha)."""

    culprits: tuple[str, ...] = ()
    """Metrics that carry the harm, heaviest first."""

    findings: tuple[Finding, ...] = ()
    not_final: int = 0
    """Candidate units of closed ticks whose outcome is not final yet, such as open sessions. 0 in older trails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All a verdict depends on besides plan, history and ticks. Written down with it, so it can be taken again."""

    at: datetime
    stage: int
    """Index of the open stage."""

    entered_at: datetime
    """Since when the stage is open: the advance clock."""

    is_warm: bool = False
    """All traffic is the candidate's: there is only harm left to find."""

    last_tick_at: datetime | None = None
    open_bad: Mapping[str, int] = field(default_factory=dict[str, int])
    """Candidate units in ticks still open, per binary metric: count limits do not wait for a tick to close."""

    pairs: PairTotals | None = None
    """For shadow stages."""

    ticks_hash: str = ""
    """Stands for every tick up to the verdict's (`audit.tick_hash`). Empty in older trails."""

    last_pair_at: datetime | None = None
    """For shadow stages: when the newest pair was made. None before the first, and in older trails."""

    @property
    def age(self) -> timedelta:
        """How long the stage has been open; zero, not less, if the clock has been set back since it opened."""
        return max(timedelta(0), self.at - self.entered_at)
