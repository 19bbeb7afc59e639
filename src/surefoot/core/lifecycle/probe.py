"""One metric of one rollout under test: it takes ticks in, and answers how much harm and how much safety they prove."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ..evidence.ceiling import mean_limit
from ..evidence.eprocess import SAFETY_BASELINE, SAFETY_WEIGHTS, USUAL_BASELINE, USUAL_WEIGHTS, Baseline, Binary
from ..evidence.exceedance import freeze_edges
from ..evidence.harm import BinaryHarm
from ..evidence.histogram import Histogram, Scale, upper_edge, values_of
from ..evidence.interval import stratified_difference
from ..evidence.limit import limit
from ..evidence.means import MeanHarm, MeanNonInferiority
from ..evidence.metrics import Metric, MetricKind, metric_named
from ..evidence.noninferiority import BinaryNonInferiority
from ..evidence.tally import Count
from .reference import Known, MeanReference, RateReference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..evidence.exceedance import ExceedanceEdges
    from ..evidence.tally import Buckets, History, Tick
    from ..traffic.plan import Check

__all__ = ["AmountProbe", "Edges", "Interval", "Probe", "QuantileProbe", "RateProbe", "Sums", "probe_for"]

_NONE: Final = Count()
_NO_BUCKETS: Final[dict[int, int]] = {}


class Interval(NamedTuple):
    """Candidate minus stable, for people. It never decides."""

    low: float
    high: float


class Edges(NamedTuple):
    """The values beyond which a unit of that arm is counted as bad, in the metric's unit."""

    stable: int
    candidate: int


class Sums:
    """Units and bad units (or summed amounts) of both arms. State of a fold."""

    __slots__ = ("k_c", "k_s", "n_c", "n_s")

    def __init__(self) -> None:
        self.n_c = 0
        self.k_c = 0.0
        self.n_s = 0
        self.k_s = 0.0

    def add(self, n_c: int, k_c: float, n_s: int, k_s: float) -> None:
        """Take in one tick."""
        self.n_c += n_c
        self.k_c += k_c
        self.n_s += n_s
        self.k_s += k_s


class Probe(Protocol):
    """The tests of one metric. State of a fold over closed ticks in order."""

    total: Sums
    """Over the whole rollout."""

    stage: Sums
    """Of units that were assigned in the open stage."""

    first: Sums | None
    """Exposures and first failures, where harm reads those (STATISTICS.md section 2); None where it reads `total`."""

    bad: int
    """Candidate units that failed, counted once each: what count limits read. 0 for amounts."""

    @property
    def edges(self) -> Edges | None:
        """Of a quantile whose edge is placed; None for others."""
        ...

    @property
    def known(self) -> Known:
        """What is known of stable, for a candidate that has all traffic to be held against."""
        ...

    @property
    def warm_units(self) -> int:
        """Candidate units since the candidate has all traffic."""
        ...

    @property
    def has_reference(self) -> bool:
        """Whether enough is known of stable to hold the candidate against once it has all traffic."""
        ...

    def add(self, tick: Tick, *, is_warm: bool, in_stage: bool) -> None:
        """Take in the next closed tick. `in_stage`: its units were assigned in the open stage, not in one before."""
        ...

    def enter_stage(self, margins: frozenset[float]) -> None:
        """
        A stage begins: harm tests start afresh beside the old ones, stage sums start at zero, and only the proofs of
        these margins go on, since no later stage asks for the others.
        """
        ...

    def harm(self) -> float:
        """ln E that the candidate is worse than stable by more than the tolerance."""
        ...

    def proof(self, margin: float) -> float:
        """ln E that the candidate is not worse by the margin, one of those announced at the start."""
        ...

    def over_limit(self, allowed: float) -> float:
        """ln E that the candidate alone breaks an absolute limit."""
        ...

    def after_promotion(self, margin: float) -> float:
        """ln E that the candidate, alone with all traffic, is worse by the margin than stable plausibly was at most."""
        ...

    def interval(self) -> Interval | None:
        """About how much worse the candidate is. None while one arm is empty."""
        ...


def probe_for(check: Check, margins: Iterable[float], history: History) -> Probe:
    """The tests a check asks for, with a proof running for each margin from the first tick."""
    metric = metric_named(check.metric)
    if metric.kind is MetricKind.BINARY:
        return RateProbe(metric, check, margins, history.counts.get(metric.name, _NONE))
    past = history.amounts.get(metric.field, _NO_BUCKETS)
    if metric.kind is MetricKind.QUANTILE:
        return QuantileProbe(metric, check, margins, past)
    return AmountProbe(metric, check, margins, past)


class _Rates:
    """The two-proportion tests, fed by yes-or-no metrics and by exceedances alike. State of a fold."""

    __slots__ = ("epochs", "harm", "proofs", "reference", "stage", "total", "warm")

    def __init__(self, harm: BinaryHarm, proofs: Mapping[float, BinaryNonInferiority], past: Count = _NONE) -> None:
        self.harm = harm
        self.reference = RateReference(past)
        self.proofs = proofs
        self.total = Sums()
        self.stage = Sums()
        self.warm = Sums()
        self.epochs: dict[int, Sums] = {}

    def add(
        self, epoch: int, first: Binary, resolved: Binary, overall: Binary, *, is_warm: bool, in_stage: bool
    ) -> None:
        """One tick: as the comparisons take it (`first`, `resolved`), and as each arm alone does (`overall`)."""
        self.harm.update(first)
        for proof in self.proofs.values():
            proof.update(resolved)
        self.epochs.setdefault(epoch, Sums()).add(*resolved)
        self.total.add(*overall)
        if in_stage:
            self.stage.add(*resolved)
        if is_warm:
            self.warm.add(*resolved)
        self.reference.learn(overall.n_s, overall.k_s, is_warm=is_warm)

    def enter_stage(self, margins: frozenset[float]) -> Sums:
        self.harm.restart()
        self.proofs = {margin: proof for margin, proof in self.proofs.items() if margin in margins}
        self.stage = Sums()
        return self.stage

    def after_promotion(self, margin: float) -> float:
        highest = self.reference.highest
        if highest is None or not self.warm.n_c:
            return 0.0
        return limit(int(self.warm.k_c), self.warm.n_c, min(highest + margin, 0.999))

    def interval(self) -> Interval | None:
        difference = stratified_difference(
            Binary(sums.n_c, int(sums.k_c), sums.n_s, int(sums.k_s)) for sums in self.epochs.values()
        )
        return difference and Interval(max(-1.0, difference.low), min(1.0, difference.high))


class _Owed:
    """
    Bad units that came in a later tick than their unit: a tick may hold more of them than units. What has no room is
    carried on to the next tick of the same place that has some, so that over all its ticks both sums stay what they
    are. State of a fold.
    """

    __slots__ = ("_surplus",)

    def __init__(self) -> None:
        self._surplus: dict[int, tuple[int, int]] = {}

    def settled(self, place: int, counts: Binary) -> Binary:
        """The tick as the tests take it: never more bad units than units."""
        owed_c, owed_s = self._surplus.get(place, (0, 0))
        due_c, due_s = counts.k_c + owed_c, counts.k_s + owed_s
        k_c, k_s = min(due_c, counts.n_c), min(due_s, counts.n_s)
        self._surplus[place] = (due_c - k_c, due_s - k_s)
        return Binary(counts.n_c, k_c, counts.n_s, k_s)


_ANY_EPOCH: Final = 0


class _OfRates:
    """What yes-or-no metrics and exceedances answer alike. State of a fold."""

    def __init__(self, rates: _Rates) -> None:
        self._rates = rates
        self.total = rates.total
        self.stage = rates.stage

    @property
    def warm_units(self) -> int:
        """Candidate units since it has all traffic."""
        return self._rates.warm.n_c

    @property
    def known(self) -> Known:
        """Stable's rate, of exceedances for a quantile."""
        return self._rates.reference.known

    @property
    def has_reference(self) -> bool:
        """Whether that rate is known; of a quantile it is not before the edge is placed."""
        return self._rates.reference.highest is not None

    def enter_stage(self, margins: frozenset[float]) -> None:
        """A stage begins."""
        self.stage = self._rates.enter_stage(margins)

    def harm(self) -> float:
        """ln E of harm."""
        return self._rates.harm.ln_e

    def proof(self, margin: float) -> float:
        """ln E of non-inferiority."""
        return self._rates.proofs[margin].ln_e

    def after_promotion(self, margin: float) -> float:
        """ln E of harm against stable's last known rate."""
        return self._rates.after_promotion(margin)

    def interval(self) -> Interval | None:
        """Difference of the rates."""
        return self._rates.interval()


class RateProbe(_OfRates):
    """A yes-or-no metric. Harm reads first failures, proof reads resolved units (STATISTICS.md section 2)."""

    edges: Edges | None = None

    def __init__(self, metric: Metric, check: Check, margins: Iterable[float], past: Count) -> None:
        otherwise = SAFETY_BASELINE if metric.rare else USUAL_BASELINE
        # A failure that comes late may be of a unit that was never remembered: no more of them than units are read.
        past = Count(past.n, min(past.k, past.n))
        baseline = Baseline.from_history(past.n, past.k, otherwise=otherwise)
        self._name = metric.name
        self._weights = SAFETY_WEIGHTS if metric.rare else USUAL_WEIGHTS
        rates = _Rates(
            BinaryHarm(weights=self._weights, baseline=baseline, tolerance=check.tolerance_used),
            {margin: BinaryNonInferiority(margin, baseline=baseline) for margin in margins},
            past,
        )
        self._owed_first = _Owed()
        self._owed_resolved = _Owed()
        self._owed_overall = _Owed()
        super().__init__(rates)
        self._first = Sums()
        self.first: Sums | None = self._first
        self.bad = 0

    def add(self, tick: Tick, *, is_warm: bool, in_stage: bool) -> None:
        """Take in the next closed tick."""
        first = _binary(tick.candidate.first, tick.stable.first, self._name)
        self.bad += first.k_c  # count limits wait for no unit
        settled = self._owed_first.settled(tick.epoch, first)
        self._first.add(*settled)
        resolved = _binary(tick.candidate.resolved, tick.stable.resolved, self._name)
        # Arms are compared within their epoch, where shares were constant: carried into the next one, failures that one
        # per cent of the users owe would stand against five per cent, and stable would look the worse (Simpson).
        self._rates.add(
            tick.epoch,
            settled,
            self._owed_resolved.settled(tick.epoch, resolved),
            self._owed_overall.settled(_ANY_EPOCH, resolved),
            is_warm=is_warm,
            in_stage=in_stage,
        )

    def over_limit(self, allowed: float) -> float:
        """ln E that the candidate's rate is above the limit."""
        # A limit of 0 cannot be tested by a rate; plans say max_count: 0 for that, and 0 is read as "almost none".
        return limit(int(self.total.k_c), self.total.n_c, max(allowed, 1e-6), weights=self._weights)


class QuantileProbe(_OfRates):
    """How often each arm exceeds stable's own frozen quantile. Silent until 200 stable values have placed the edge."""

    bad = 0
    first: Sums | None = None

    def __init__(self, metric: Metric, check: Check, margins: Iterable[float], past: Buckets) -> None:
        self._field = metric.field
        self._quantile = metric.quantile
        self._tolerance = check.tolerance_used
        self._early: Counter[int] = Counter(past)
        self._edges: ExceedanceEdges | None = None
        rates = _Rates(BinaryHarm(), {margin: BinaryNonInferiority(margin) for margin in margins})
        super().__init__(rates)
        self._place_edges()

    @property
    def edges(self) -> Edges | None:
        """Stable's quantile, and for the candidate the same raised by the tolerance; None until it is placed."""
        if self._edges is None:
            return None
        return Edges(upper_edge(self._edges.stable_bucket), upper_edge(self._edges.candidate_bucket))

    def add(self, tick: Tick, *, is_warm: bool, in_stage: bool) -> None:
        """Take in the next closed tick; before the edge is placed its stable values only help to place it."""
        stable = tick.stable.amounts.get(self._field, _NO_BUCKETS)
        if self._edges is None:
            self._early.update(stable)
            self._place_edges()
            return
        candidate = tick.candidate.amounts.get(self._field, _NO_BUCKETS)
        counts = Binary(
            sum(candidate.values()),
            _above(candidate, self._edges.candidate_bucket),
            sum(stable.values()),
            _above(stable, self._edges.stable_bucket),
        )
        self._rates.add(tick.epoch, counts, counts, counts, is_warm=is_warm, in_stage=in_stage)

    def _place_edges(self) -> None:
        past = Histogram(buckets=dict(self._early))
        self._edges = freeze_edges(past, quantile=self._quantile, tolerance=self._tolerance)
        if self._edges is not None:
            self._rates.reference.past = Count(past.n, past.count_above(self._edges.stable_bucket))

    def over_limit(self, allowed: float) -> float:
        """ln E that more of the candidate's runs than allowed are beyond the edge."""
        return limit(int(self.total.k_c), self.total.n_c, max(allowed, 1e-6))


class AmountProbe:
    """A cost, a count of calls, a mean latency or a score: bets on capped values."""

    bad = 0
    edges: Edges | None = None
    first: Sums | None = None

    def __init__(self, metric: Metric, check: Check, margins: Iterable[float], past: Buckets) -> None:
        self._metric = metric
        self._scale = Scale.EXACT if metric.integral else Scale.LOG
        cap = 1.0 if metric.kind is MetricKind.SCORE else None
        values = self._values(past)
        self._harm = MeanHarm(tolerance=check.tolerance_used, cap=cap, history=values)
        self._proofs = {margin: MeanNonInferiority(margin, cap=cap, history=values) for margin in margins}
        self._candidate: Counter[float] = Counter()
        self._warm: Counter[float] = Counter()
        self._reference = MeanReference(values, is_share=metric.kind is MetricKind.SCORE)
        self.total = Sums()
        self.stage = Sums()

    def _values(self, buckets: Buckets) -> dict[float, int]:
        if self._metric.kind is MetricKind.SCORE:
            return {(5 - min(max(bucket, 1), 5)) / 4: count for bucket, count in sorted(buckets.items())}
        return values_of(buckets, self._scale)

    @property
    def warm_units(self) -> int:
        """Candidate units since it has all traffic."""
        return sum(self._warm.values())

    @property
    def known(self) -> Known:
        """Stable's mean."""
        return self._reference.known

    @property
    def has_reference(self) -> bool:
        """Whether stable's mean is known."""
        return self._reference.highest is not None

    def add(self, tick: Tick, *, is_warm: bool, in_stage: bool) -> None:
        """Take in the next closed tick."""
        candidate = self._values(tick.candidate.amounts.get(self._metric.field, _NO_BUCKETS))
        stable = self._values(tick.stable.amounts.get(self._metric.field, _NO_BUCKETS))
        self._harm.update(candidate, stable)
        for proof in self._proofs.values():
            proof.update(candidate, stable)
        self._candidate.update(candidate)
        if is_warm:
            self._warm.update(candidate)
        self._reference.learn(stable, is_warm=is_warm)
        for sums in (self.total, self.stage) if in_stage else (self.total,):
            sums.add(sum(candidate.values()), _sum(candidate), sum(stable.values()), _sum(stable))

    def enter_stage(self, margins: frozenset[float]) -> None:
        """A stage begins."""
        self._harm.restart()
        self._proofs = {margin: proof for margin, proof in self._proofs.items() if margin in margins}
        self.stage = Sums()

    def harm(self) -> float:
        """ln E of harm."""
        return self._harm.ln_e

    def proof(self, margin: float) -> float:
        """ln E of non-inferiority."""
        return self._proofs[margin].ln_e

    def over_limit(self, allowed: float) -> float:
        """ln E that the candidate's mean is above the limit."""
        return mean_limit(self._candidate, allowed)

    def after_promotion(self, margin: float) -> float:
        """ln E that the candidate's mean is above stable's last known mean by the margin."""
        highest = self._reference.highest
        if highest is None or not self._warm:
            return 0.0
        return mean_limit(self._warm, highest * (1.0 + margin))

    def interval(self) -> Interval | None:
        """None: a mean of heavy-tailed amounts has no interval worth drawing."""
        return None


def _binary(candidate: Mapping[str, Count], stable: Mapping[str, Count], name: str) -> Binary:
    n_c, k_c = candidate.get(name, _NONE)
    n_s, k_s = stable.get(name, _NONE)
    return Binary(n_c, k_c, n_s, k_s)


def _above(buckets: Buckets, edge: int) -> int:
    return sum([count for bucket, count in buckets.items() if bucket > edge])


def _sum(values: Mapping[float, int]) -> float:
    return sum([value * count for value, count in values.items()])
