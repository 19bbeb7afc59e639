"""What a rollout promises to do: its stages, and what each must show before the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from ...errors import PlanError
from ..evidence.metrics import MetricKind, metric_named
from ..evidence.tally import CLOSED_AT_LATEST
from ..units import ALL_TRAFFIC, NO_TRAFFIC, BasisPoints
from .calendar import FreezeWindow

__all__ = [
    "EVERYBODY",
    "Check",
    "Control",
    "Flaw",
    "NoTraffic",
    "OnNewCandidate",
    "OnTimeout",
    "Plan",
    "Requirement",
    "Stage",
    "Strategy",
    "Targeting",
    "UnitKind",
    "flaw",
]

_LEAST_IDLE: Final = timedelta(seconds=1)
_LEAST_SILENCE: Final = 3 * CLOSED_AT_LATEST
"""Evidence arrives tick by tick: within less than this, silence cannot be told from a tick that is still open."""


class Strategy(StrEnum):
    """How a candidate gets to its users."""

    CANARY = "canary"
    BLUE_GREEN = "blue_green"
    MANUAL = "manual"
    SHADOW_FIRST = "shadow_first"
    EXPERIMENT = "experiment"
    """Fixed shares, judged but never promoted by itself."""


class UnitKind(StrEnum):
    """What is bucketed and counted once."""

    USER = "user"
    SESSION = "session"
    TENANT = "tenant"
    REQUEST = "request"


class Control(StrEnum):
    """Whom the candidate is compared with."""

    REST = "rest"
    """Every other randomised unit: the most evidence."""

    MIRRORED = "mirrored"
    """A slice of stable as large as the candidate's: the same cache warmth."""


class OnTimeout(StrEnum):
    """What a stage does that ran out of time undecided."""

    HOLD = "hold"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    """Only if nothing points at harm; marked UNPROVEN in the audit trail."""


class NoTraffic(StrEnum):
    """What a stage does that nobody visits."""

    HOLD = "hold"
    ROLLBACK = "rollback"


class OnNewCandidate(StrEnum):
    """What happens to a new candidate while another is under way."""

    REJECT = "reject"
    QUEUE = "queue"
    SUPERSEDE = "supersede"


class Requirement(StrEnum):
    """What has to be there before a rollout starts."""

    GATE = "gate"
    """A passed gate for the candidate's digest: the newest of every suite that judged it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One metric a stage watches, and what would stop it. A field left None takes the metric's default."""

    metric: str
    margin: float | None = None
    """Non-inferiority margin against stable that must be proven before the next stage."""

    tolerance: float | None = None
    """How much worse than stable is not yet harm."""

    limit: float | None = None
    """Absolute limit on the candidate, whatever stable does: the highest bad rate, or mean amount, acceptable."""

    max_count: int | None = None
    """Count limit: one more bad unit than this on the candidate stops the rollout at once. Yes-or-no metrics only."""

    required: bool = True
    """False: watched for harm, not needed for promotion."""

    zero_tolerance: bool = False
    """One bad unit is enough to act on the evidence; otherwise three are."""

    weight: float | None = None
    """Share in the weighted average of the evidence that decides a rollback. Above 0."""

    def __post_init__(self) -> None:
        metric = metric_named(self.metric)
        for name in ("margin", "tolerance", "limit", "weight"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise PlanError(
                    f"check on {self.metric}: {name} is {value}", hint=f"{name} is a number of 0 or more, as a fraction"
                )
        if metric.kind in (MetricKind.BINARY, MetricKind.QUANTILE):
            for name, share in (("margin", self.margin), ("tolerance", self.tolerance), ("limit", self.limit)):
                if share is not None and share >= 1:
                    raise PlanError(
                        f"check on {self.metric}: {name} is {share}",
                        hint=f"{name} is a share of runs: 0.02 is 2 points",
                    )
        if self.margin == 0:
            raise PlanError(
                f"check on {self.metric}: a margin of 0 can never be proven",
                hint="give the loss you could live with, such as 0.02, or required: false",
            )
        if self.max_count is not None and self.max_count < 0:
            raise PlanError(f"check on {self.metric}: max_count is {self.max_count}", hint="0 means: not even one")
        self._refuse_idle(metric.kind)

    @property
    def margin_used(self) -> float:
        """The margin, or the metric's own where none is given."""
        return metric_named(self.metric).margin if self.margin is None else self.margin

    @property
    def tolerance_used(self) -> float:
        """The tolerance, or the metric's own where none is given."""
        return metric_named(self.metric).tolerance if self.tolerance is None else self.tolerance

    @property
    def weight_used(self) -> float:
        """The weight, or the metric's own where none is given."""
        return metric_named(self.metric).weight if self.weight is None else self.weight

    def _refuse_idle(self, kind: MetricKind) -> None:
        """What looks like protection and could never act."""
        if self.weight == 0:
            raise PlanError(
                f"check on {self.metric}: with a weight of 0 it could never stop anything",
                hint="leave the check out, or give a small weight such as 0.1",
            )
        if self.max_count is not None and kind is not MetricKind.BINARY:
            raise PlanError(
                f"check on {self.metric}: max_count counts bad runs, and no single run is bad on this metric",
                hint="use tolerance, or limit, or a yes-or-no metric such as success",
            )
        if self.limit == 0 and kind in (MetricKind.SCALAR, MetricKind.SCORE):
            raise PlanError(
                f"check on {self.metric}: a limit of 0 on a mean amount cannot be tested",
                hint="give the highest mean that is acceptable, in the metric's unit",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step. `shadow` mirrors traffic without answering anyone."""

    name: str
    share: BasisPoints
    checks: tuple[Check, ...]
    shadow: bool = False
    min_samples: int = 20
    """Resolved candidate units (pairs, in a shadow stage) before the stage may be left upwards."""

    min_duration: timedelta = timedelta(0)
    max_duration: timedelta | None = None
    on_timeout: OnTimeout = OnTimeout.HOLD
    needs_approval: bool = False
    """A person has to say yes before this stage opens."""

    def __post_init__(self) -> None:
        if self.min_samples < 1:
            raise PlanError(f"stage {self.name!r}: min_samples is {self.min_samples}", hint="at least 1, usually 20")
        if self.min_duration < timedelta(0):
            raise PlanError(f"stage {self.name!r}: min_duration is negative", hint="0s means: no soak")
        if self.max_duration is not None and (
            self.max_duration <= timedelta(0) or self.max_duration < self.min_duration
        ):
            raise PlanError(
                f"stage {self.name!r}: max_duration {self.max_duration} is below min_duration {self.min_duration}",
                hint="make it longer, or leave it out for no limit",
            )
        metrics = [check.metric for check in self.checks]
        for metric in metrics:
            if metrics.count(metric) > 1:
                raise PlanError(
                    f"stage {self.name!r} checks {metric} twice", hint="put everything about a metric into one check"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Targeting:
    """Who may be randomised at all. Empty lists mean everybody."""

    tenants: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    """Units that always get the candidate, unanalysed."""

    deny: frozenset[str] = frozenset()
    """Units that never do."""

    cohort: str = ""
    """
    The segment that makes up the candidate arm, where somebody else assigns: a cohort list, an OpenFeature flag.

    Every other named segment is control, and a request without one is in no arm. Empty: buckets assign.
    """

    flag: bool = False
    """The cohort is a flag of that name: true is the candidate's arm, false is control, no answer is no arm."""


EVERYBODY: Final = Targeting()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Stages in order. Shares never go down and end at all traffic; an experiment is one stage, and has a control."""

    strategy: Strategy = Strategy.CANARY
    stages: tuple[Stage, ...]
    unit: UnitKind = UnitKind.SESSION
    control: Control = Control.REST
    targeting: Targeting = EVERYBODY
    alpha: float = 0.05
    """Chance of rolling back a candidate that is worse in nothing: over the whole rollout, all metrics, all looks."""

    alpha_promote: float = 0.05
    """Chance, per metric, of ever entering a stage that the candidate is too harmful for."""

    freeze: tuple[FreezeWindow, ...] = ()
    no_traffic: NoTraffic = NoTraffic.HOLD
    no_traffic_after: timedelta = timedelta(hours=24)
    on_new_candidate: OnNewCandidate = OnNewCandidate.REJECT
    session_idle: timedelta = timedelta(minutes=30)
    """A session this long without a request is over: its outcome is final."""

    holdback: BasisPoints = NO_TRAFFIC
    """Share of traffic the old version keeps after 100 % while it is warm, so that late harm can still be compared."""

    keep_warm: timedelta = timedelta(hours=24)
    archive_after: timedelta = timedelta(days=30)
    """How long after the promotion the old version is promised for a way back. Nothing is deleted then."""

    shadow_sample: BasisPoints = ALL_TRAFFIC
    """Share of stable's units that a shadow stage mirrors."""

    requires: tuple[Requirement, ...] = ()
    """What has to be there before the rollout starts; otherwise the start is refused."""

    bless: bool = False
    """Once it is promoted, the candidate's results become the baselines of the suites that it ran."""

    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        self._check_stages()
        if not NO_TRAFFIC <= self.holdback < ALL_TRAFFIC:
            raise PlanError(f"holdback is {self.holdback} basis points", hint="0 % for none, usually 5 %")
        if both := self.targeting.allow & self.targeting.deny:
            raise PlanError(f"allowed and denied at once: {', '.join(sorted(both))}", hint="keep each in one list")
        if self.targeting.cohort and self.control is Control.MIRRORED:
            raise PlanError(
                "a cohort has no mirrored control", hint="control: rest; whoever assigns decides how large the arms are"
            )
        if self.targeting.flag and (self.targeting.segments or not self.targeting.cohort):
            raise PlanError(
                "a flag that assigns has a name, and knows the segments itself",
                hint="cohort: {flag: NAME} without segments; requests' segments are shown to the flag",
            )
        for name, alpha in (("alpha", self.alpha), ("alpha_promote", self.alpha_promote)):
            if not 0 < alpha < 1:
                raise PlanError(f"{name} is {alpha}", hint="a probability between 0 and 1, usually 0.05")

    def _check_stages(self) -> None:
        if not self.stages:
            raise PlanError("the plan has no stage", hint="name a preset, such as preset: canary, or write stages")
        shares = [stage.share for stage in self.stages]
        if any(not NO_TRAFFIC <= share <= ALL_TRAFFIC for share in shares):
            raise PlanError(f"shares {shares} are not all within 0..10000 basis points", hint="0.01 % to 100 %")
        if shares != sorted(shares):
            raise PlanError(f"shares shrink: {shares}", hint="a smaller share is a rollback, not a stage")
        if self.strategy is Strategy.EXPERIMENT:
            if len(shares) > 1:
                raise PlanError("an experiment has more than one stage", hint="its share is fixed: keep one of them")
            if not NO_TRAFFIC < shares[0] < ALL_TRAFFIC:
                raise PlanError("an experiment leaves one arm empty", hint="give each arm its share, usually 50%")
        elif shares[-1] != ALL_TRAFFIC:
            raise PlanError("the last stage does not take all traffic", hint="add a stage with share: 100%")
        names = [stage.name for stage in self.stages]
        for stage in self.stages:
            if names.count(stage.name) > 1:
                raise PlanError(f"two stages are called {stage.name!r}", hint="approvals and reports go by the name")
            if not stage.checks:
                raise PlanError(f"stage {stage.name!r} checks nothing", hint="a stage without a check cannot fail")
            if stage.shadow and stage.share != NO_TRAFFIC:
                raise PlanError(f"shadow stage {stage.name!r} has a share", hint="shadow answers nobody: share: 0%")

    def share_after(self, index: int) -> BasisPoints:
        """The share that passing stage `index` leads to: what is put at risk by a promotion from there."""
        following = self.stages[index + 1 :]
        return following[0].share if following else self.stages[index].share


class Flaw(NamedTuple):
    """Why a plan would not do what it says, and where that is written."""

    message: str
    hint: str
    key: str = ""
    """The key of the plan; empty if it is in a stage."""

    stage: str = ""


def flaw(plan: Plan) -> Flaw | None:
    """
    What keeps a plan from being started, though it is complete; None if nothing does.

    Not a matter of `Plan` itself: rollouts of older releases hold such plans, and stay readable.
    """
    if plan.session_idle < _LEAST_IDLE and plan.unit is not UnitKind.REQUEST:
        return Flaw(
            f"session_idle is {plan.session_idle}: each request would count as a {plan.unit} of its own",
            "at least 1s, usually 30m; to count requests, write `unit: request`",
            key="session_idle",
        )
    if plan.no_traffic_after < _LEAST_SILENCE:
        return Flaw(
            f"no_traffic_after is {plan.no_traffic_after}: evidence arrives every few minutes, "
            "so a stage with traffic would be taken for one without",
            "at least 15m, usually 24h",
            key="no_traffic_after",
        )
    return _two_tolerances(plan)


def _two_tolerances(plan: Plan) -> Flaw | None:
    """One test looks for harm in a metric from the first stage to the last, so it can have one tolerance only."""
    first: dict[str, tuple[str, float]] = {}
    for stage in plan.stages:
        for check in stage.checks:
            name, tolerance = first.setdefault(check.metric, (stage.name, check.tolerance_used))
            if tolerance != check.tolerance_used:
                return Flaw(
                    f"stage {stage.name!r} tolerates {check.tolerance_used:g} of {check.metric}, "
                    f"but stage {name!r} before it {tolerance:g}",
                    "a tolerance holds for the whole rollout: write the same one wherever the metric is checked",
                    stage=stage.name,
                )
    return None
