"""
Is the rollout good enough to go on, bad enough to go back, or not yet decided?

A `Case` folds closed ticks in order; `judge` looks at it. Same plan, history, ticks and look: same verdict, on any
machine, at any later time. That is what lets an audit recompute a decision. STATISTICS.md section 4 is the
specification; the order of the questions differs in one place (harm is looked for before broken assignment, because
the harm test stays valid when assignment is broken): see ADR 0006.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from ..evidence.eprocess import WeightedEvidence, average, threshold
from ..evidence.metrics import MetricKind, metric_named
from ..evidence.mismatch import CERTAIN, mismatch
from ..evidence.stages import relative_stage_margin, stage_margin
from ..evidence.tally import PRESENCE, Count, History
from ..evidence.verdict import Finding, Judgement, Verdict, Why
from ..traffic.bucket import expected_share
from ..traffic.plan import Strategy
from ..units import ALL_TRAFFIC, BasisPoints
from . import findings as found
from .pairs import MIN_BAD, judge_pairs
from .probe import probe_for
from .silence import STALE_AFTER, silence, timed_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..evidence.tally import Tick
    from ..evidence.verdict import Look
    from ..traffic.plan import Check, Plan, Stage
    from .probe import Probe

__all__ = ["STALE_AFTER", "Case", "EpochInfo", "margin_at"]

_LN_MISMATCH: Final = threshold(0.001)
_MIN_AMOUNTS: Final = 10
_NO_COUNT: Final = Count()


class EpochInfo(NamedTuple):
    """What was constant during an epoch."""

    stage: int
    """Index of the open stage."""

    share: BasisPoints
    """The candidate's share of randomised units."""

    is_warm: bool = False


def margin_at(plan: Plan, index: int, check: Check) -> float:
    """
    The margin to prove at a stage before the next: the plan's margin over the share that the next stage puts at risk.

    The harm to all traffic that remains possible is the same at every stage (STATISTICS.md section 4).
    """
    share = plan.share_after(index) / ALL_TRAFFIC or 1.0
    if metric_named(check.metric).kind in (MetricKind.BINARY, MetricKind.QUANTILE):
        return stage_margin(check.margin_used, share)
    return relative_stage_margin(check.margin_used, share)


class Case:
    """All evidence of one rollout. State of a fold over its closed ticks, in the order of their sequence."""

    def __init__(self, plan: Plan, history: History | None = None) -> None:
        self._plan = plan
        self._tick = 0
        self._stage = 0
        self._assigned: dict[int, tuple[int, int, float]] = {}
        self._times_present = self._present = 0
        self._resolved: Counter[str] = Counter()
        self._probes: dict[str, Probe] = {}
        for name, (check, margins) in _asked(plan).items():
            self._probes[name] = probe_for(check, sorted(margins), history or History())

    @property
    def tick(self) -> int:
        """Sequence of the newest tick it has seen."""
        return self._tick

    def add(self, tick: Tick, during: EpochInfo) -> None:
        """Take in the next closed tick. Raises ValueError on a gap or a repetition: the case must then be rebuilt."""
        if tick.sequence != self._tick + 1:
            raise ValueError(f"tick {tick.sequence} does not follow tick {self._tick}")
        self._tick = tick.sequence
        self._enter(during.stage)
        for probe in self._probes.values():
            probe.add(tick, is_warm=during.is_warm, in_stage=during.stage == self._stage)
        share = expected_share(self._plan.control, during.share)
        candidate, stable, _ = self._assigned.get(tick.epoch, (0, 0, share))
        self._assigned[tick.epoch] = (candidate + tick.candidate.assigned, stable + tick.stable.assigned, share)
        self._resolved.update({name: count.n for name, count in tick.candidate.resolved.items()})
        self._resolved.update({name: sum(buckets.values()) for name, buckets in tick.candidate.amounts.items()})
        for arm in (tick.candidate, tick.stable):
            times, units = arm.first.get(PRESENCE, _NO_COUNT)
            self._times_present += times
            self._present += units

    @property
    def multiplicity(self) -> float:
        """
        How often a unit was counted, on average: once, but for sessions whose turns reach several processes, of which
        each assigns and resolves them for itself. From the sample of units that all processes name (`tally.PRESENCE`).
        """
        return max(1.0, self._times_present / self._present) if self._present else 1.0

    @property
    def _not_final(self) -> int:
        """Candidate units that were assigned, and of which no metric whatever is final."""
        assigned = sum(candidate for candidate, _, _ in self._assigned.values())
        return max(0, assigned - max(self._resolved.values(), default=0))

    @property
    def _divisor(self) -> float:
        """
        What evidence is divided by, where units were counted more than once.

        Where all are counted m times, each process's e-value has mean at most 1, but they are dependent, so their
        product is not an e-value. Its m-th root is one: by Hoelder's inequality (Jensen's, where all saw the same)
        E[(f_1 ... f_m)^(1/m)] <= (E f_1 ... E f_m)^(1/m) <= 1. In logarithms: the sum over all processes divided by m.
        A proof is divided so; in the test of the assignment the units are, before they are tested.

        Long sessions meet more processes than short ones and then carry more than their share. What counts is the
        average number of times seen from a count, not from a unit: sum(m^2) / sum(m), which for lengths that are
        geometric is 2m - 1. So that is taken: safe where sessions differ less, at the price of a slower proof
        (tests/sim measures it). Harm needs none of this: the store keeps each first failure once, and exposures that
        are too many are too many in both arms.
        """
        return 2.0 * self.multiplicity - 1.0

    def judge(self, look: Look, *, detailed: bool = True) -> Verdict:
        """
        Look at the rollout. May be called at any time, however often: the guarantees hold over all looks.

        `detailed` adds intervals and forecasts for people; they decide nothing.
        """
        stage = self._plan.stages[look.stage]
        counted = self._count_limits(stage, look)
        if broken := tuple(finding for finding in counted if finding.judgement is Judgement.BREACH):
            return self._verdict(Judgement.BREACH, Why.COUNT_LIMIT, broken, culprits=tuple(f.metric for f in broken))
        if stage.shadow:
            return judge_pairs(self._plan, look, counted, tick=self._tick)
        harms = self._harms(stage, look, detailed=detailed)
        ln_average = average([WeightedEvidence(harm.check.weight_used, harm.finding.ln_e) for harm in harms])
        shown = (*counted, *(harm.finding for harm in harms))
        if ln_average >= self._bar(stage) and (culprits := self._culprits(harms, look)):
            return self._verdict(Judgement.BREACH, Why.HARM, shown, ln_average=ln_average, culprits=culprits)
        integrity = self._integrity()
        if any(finding.judgement is not Judgement.PASS for finding in integrity):
            return self._verdict(Judgement.HOLD, Why.MISMATCH, (*shown, *integrity), ln_average=ln_average)
        if look.is_warm:
            judgement, why = self._while_warm(stage, look)
            return self._verdict(judgement, why, shown, ln_average=ln_average)
        proofs = self._proofs(stage, look, detailed=detailed)
        judgement, why = self._advance(stage, look, proofs, ln_average=ln_average)
        return self._verdict(judgement, why, (*shown, *proofs, *integrity), ln_average=ln_average)

    def _enter(self, stage: int) -> None:
        """
        A stage begins with its first tick, never with a look: looks are not kept, and ticks of the stage before may
        still come in after the first look, so a case folded again would start its tests elsewhere.
        """
        if stage <= self._stage:
            return
        self._stage = stage
        asked = _asked(self._plan, since=stage)
        for name, probe in self._probes.items():
            probe.enter_stage(frozenset(asked[name].margins) if name in asked else frozenset())

    # --- the questions, in their order

    def _count_limits(self, stage: Stage, look: Look) -> tuple[Finding, ...]:
        return tuple(
            found.count_limit(check, self._probes[check.metric].bad + look.open_bad.get(check.metric, 0))
            for check in stage.checks
            if check.max_count is not None
        )

    def _bar(self, stage: Stage) -> float:
        """
        What the average of a stage has to reach: ln(1/alpha), and more where other stages ask other questions.

        Alpha is the chance of a false rollback over the whole rollout, and averages of different questions would each
        have that chance. Held against the weights of the whole plan, what a stage averages is never more than the
        average over all questions, which crosses 1/alpha with probability alpha. Plans with the same checks in every
        stage, the usual ones, have the usual bar.
        """
        live = [other for other in self._plan.stages if not other.shadow]
        return threshold(self._plan.alpha) + math.log(_weight_of(live) / _weight_of([stage]))

    def _harms(self, stage: Stage, look: Look, *, detailed: bool) -> list[_Harm]:
        bar = self._bar(stage)
        harms: list[_Harm] = []
        for check in stage.checks:
            probe = self._probes[check.metric]
            ln_e = probe.harm()
            if look.is_warm:
                # Alone with all traffic there is no stable arm to compare with; with a holdback both tests run, and
                # their average is again an e-value.
                alone = probe.after_promotion(margin_at(self._plan, len(self._plan.stages) - 1, check))
                ln_e = average([WeightedEvidence(1.0, ln_e), WeightedEvidence(1.0, alone)])
            harms.append(_Harm(check, found.harm(check, probe, ln_e, bar, look, detailed=detailed)))
            if check.limit is not None:
                harms.append(_Harm(check, found.limit(check, probe, probe.over_limit(check.limit), bar)))
        return harms

    def _culprits(self, harms: list[_Harm], look: Look) -> tuple[str, ...]:
        """Metrics by what they add to the average, heaviest first; none if the heaviest rests on too few units."""
        heaviest = sorted(harms, key=lambda harm: -(harm.finding.ln_e + _ln_weight(harm.check)))
        top = heaviest[0]
        probe = self._probes[top.check.metric]
        metric = metric_named(top.check.metric)
        if metric.kind in (MetricKind.SCALAR, MetricKind.SCORE):
            enough = probe.total.n_c >= _MIN_AMOUNTS
        else:
            bad = max(probe.bad + look.open_bad.get(metric.name, 0), int(probe.total.k_c))
            enough = bad >= (1 if top.check.zero_tolerance else MIN_BAD)
        if not enough:
            return ()
        leading = top.finding.ln_e + _ln_weight(top.check)
        near = (harm for harm in heaviest if harm.finding.ln_e + _ln_weight(harm.check) >= leading - _LN_NEAR)
        return tuple(dict.fromkeys(harm.check.metric for harm in near))

    def _integrity(self) -> tuple[Finding, ...]:
        if self._plan.targeting.cohort:
            return ()  # whoever assigns has promised no share that the arms could miss
        by = self._divisor
        ln_e = sum(
            min(mismatch(candidate / by, stable / by, share), CERTAIN)
            for candidate, stable, share in self._assigned.values()
            if 0.0 < share < 1.0 and candidate + stable
        )
        candidates = sum(candidate for candidate, _, _ in self._assigned.values())
        stables = sum(stable for _, stable, _ in self._assigned.values())
        return (found.integrity(ln_e, _LN_MISMATCH, candidates, stables, times_counted=self.multiplicity),)

    def _proofs(self, stage: Stage, look: Look, *, detailed: bool) -> tuple[Finding, ...]:
        bar = threshold(self._plan.alpha_promote)
        return tuple(
            found.proof(
                check,
                self._probes[check.metric],
                margin_at(self._plan, look.stage, check),
                bar,
                stage if detailed else None,
                divisor=self._divisor,
            )
            for check in stage.checks
            if check.required
        )

    def _advance(
        self, stage: Stage, look: Look, proofs: tuple[Finding, ...], *, ln_average: float
    ) -> tuple[Judgement, Why]:
        if quiet := silence(self._plan, look, look.last_tick_at):
            return quiet
        proven = bool(proofs) and all(proof.judgement is Judgement.PASS for proof in proofs)
        if proven or self._is_given(stage):
            enough = all(self._in_stage(look, check) >= stage.min_samples for check in _required(stage))
            soaked = enough and look.age >= stage.min_duration
            why = Why.PROVEN if proven else Why.UNPROVEN
            return (Judgement.PASS, why) if soaked else (Judgement.HOLD, Why.SOAKING)
        if stage.max_duration is not None and look.age >= stage.max_duration:
            harmless = ln_average < 0 and bool(proofs) and all(found.looks_harmless(proof) for proof in proofs)
            return timed_out(stage, is_unsuspicious=harmless)
        without_data = not proofs or any(proof.n_candidate == 0 for proof in proofs)
        return Judgement.HOLD, Why.NO_DATA if without_data else Why.GATHERING

    def _while_warm(self, stage: Stage, look: Look) -> tuple[Judgement, Why]:
        """No harm was found. That is good news only if it could have been: if users come, and stable is known."""
        quiet = silence(self._plan, look, look.last_tick_at)
        probes = [self._probes[check.metric] for check in _required(stage)]
        # Before what is merely stale: users who come again would end that, and nobody but a person ends this.
        if not all(probe.has_reference for probe in probes) and (quiet is None or quiet[1] is Why.STALE):
            return Judgement.HOLD, Why.NO_REFERENCE
        if quiet is not None:
            return quiet
        if not all(probe.warm_units for probe in probes):
            return Judgement.HOLD, Why.NO_DATA
        return Judgement.HOLD, Why.GATHERING

    def _in_stage(self, look: Look, check: Check) -> int:
        """Candidate units assigned in the open stage; none before its first tick."""
        return self._probes[check.metric].stage.n_c if self._stage == look.stage else 0

    def _is_given(self, stage: Stage) -> bool:
        """A manual plan's last stage: a person gave it all traffic, and no stable arm is left to prove against."""
        return self._plan.strategy is Strategy.MANUAL and stage.share == ALL_TRAFFIC

    def _verdict(
        self,
        judgement: Judgement,
        why: Why,
        shown: tuple[Finding, ...],
        *,
        ln_average: float = 0.0,
        culprits: tuple[str, ...] = (),
    ) -> Verdict:
        return Verdict(
            judgement=judgement,
            why=why,
            tick=self._tick,
            ln_e_average=ln_average,
            culprits=culprits,
            findings=shown,
            not_final=self._not_final,
        )


class _Harm(NamedTuple):
    check: Check
    finding: Finding


_LN_NEAR: Final = math.log(20.0)
"""A metric within a factor of 20 of the heaviest is named beside it."""


def _required(stage: Stage) -> list[Check]:
    return [check for check in stage.checks if check.required]


def _weight_of(stages: Sequence[Stage]) -> float:
    """What the weights of all that these stages ask add up to: of each metric its harm, and each of its limits."""
    heaviest: dict[tuple[str, float | None], float] = {}
    for check in (check for stage in stages for check in stage.checks):
        for asked in {None, check.limit}:
            name = (check.metric, asked)
            heaviest[name] = max(heaviest.get(name, 0.0), check.weight_used)
    return math.fsum(heaviest.values()) or 1.0


def _ln_weight(check: Check) -> float:
    return math.log(check.weight_used)


class _Asked(NamedTuple):
    check: Check
    margins: set[float]


def _asked(plan: Plan, since: int = 0) -> dict[str, _Asked]:
    """Each metric of the plan once, as its first check describes it, with every margin it still has to prove."""
    asked: dict[str, _Asked] = {}
    for index, stage in enumerate(plan.stages[since:], since):
        for check in stage.checks:
            entry = asked.setdefault(check.metric, _Asked(check, set()))
            if not stage.shadow:
                entry.margins.add(margin_at(plan, index, check))
    return asked
