"""The verdict of a shadow stage: the same requests answered twice, and only the pairs that differ say anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..evidence.eprocess import WeightedEvidence, average, threshold
from ..evidence.metrics import MetricKind, metric_named
from ..evidence.paired import Pairs, paired_harm, paired_non_inferiority
from ..evidence.stages import stage_margin
from ..evidence.tally import PairTotals
from ..evidence.verdict import Finding, FindingKind, Judgement, Verdict, Why
from ..units import ALL_TRAFFIC
from .silence import silence, timed_out

if TYPE_CHECKING:
    from ..evidence.verdict import Look
    from ..traffic.plan import Check, Plan, Stage

__all__ = ["MIN_BAD", "judge_pairs"]

MIN_BAD: Final = 3
"""Bad candidate units behind a rollback, so that a single unlucky run never decides (1 for zero tolerance)."""

_NOTHING = PairTotals()


def judge_pairs(plan: Plan, look: Look, counted: tuple[Finding, ...], *, tick: int) -> Verdict:
    """Look at a shadow stage. Totals of pairs carry outcomes only, so amounts never decide here."""
    stage = plan.stages[look.stage]
    totals = look.pairs or _NOTHING
    rates = [check for check in stage.checks if metric_named(check.metric).kind is MetricKind.BINARY]
    harms = [_harm(check, totals, threshold(plan.alpha)) for check in rates]
    weighed = [WeightedEvidence(check.weight_used, harm.ln_e) for check, harm in zip(rates, harms, strict=True)]
    ln_average = average(weighed) if weighed else 0.0
    margin_share = plan.share_after(look.stage) / ALL_TRAFFIC or 1.0
    proofs = [_proof(check, totals, threshold(plan.alpha_promote), margin_share) for check in rates if check.required]
    shown = (*counted, *harms, *proofs)
    judgement, why = _decide(plan, look, totals, proofs, ln_average=ln_average)
    culprits = tuple(harm.metric for harm in sorted(harms, key=lambda harm: -harm.ln_e) if harm.ln_e > 0)
    return Verdict(
        judgement=judgement,
        why=why,
        tick=tick,
        ln_e_average=ln_average,
        culprits=culprits if why is Why.HARM else (),
        findings=shown,
    )


def _decide(
    plan: Plan, look: Look, totals: PairTotals, proofs: list[Finding], *, ln_average: float
) -> tuple[Judgement, Why]:
    stage = plan.stages[look.stage]
    if ln_average >= threshold(plan.alpha) and _has_enough(stage, totals):
        return Judgement.BREACH, Why.HARM
    if look.last_pair_at is not None or not totals.pairs:  # older trails do not say when the last pair came
        if quiet := silence(plan, look, look.last_pair_at):
            return quiet
        if not totals.pairs:
            return Judgement.HOLD, Why.NO_DATA
    if proofs and all(proof.judgement is Judgement.PASS for proof in proofs):
        soaked = totals.pairs >= stage.min_samples and look.age >= stage.min_duration
        return (Judgement.PASS, Why.PROVEN) if soaked else (Judgement.HOLD, Why.SOAKING)
    has_data = bool(proofs) and all(proof.n_candidate for proof in proofs)
    if stage.max_duration is not None and look.age >= stage.max_duration:
        return timed_out(stage, is_unsuspicious=has_data and ln_average < 0)
    return Judgement.HOLD, Why.GATHERING if has_data else Why.NO_DATA


def _has_enough(stage: Stage, totals: PairTotals) -> bool:
    """As live: three pairs that got worse, one for zero tolerance, so that a single unlucky run never decides."""
    worse = totals.only_candidate_bad
    return any(worse.get(check.metric, 0) >= (1 if check.zero_tolerance else MIN_BAD) for check in stage.checks)


def _harm(check: Check, totals: PairTotals, bar: float) -> Finding:
    pairs = _pairs(check, totals)
    return _finding(check, FindingKind.HARM, pairs, paired_harm(pairs), bar, reached=Judgement.BREACH)


def _proof(check: Check, totals: PairTotals, bar: float, share: float) -> Finding:
    pairs = _pairs(check, totals)
    margin = stage_margin(check.margin_used, share)
    ln_e = paired_non_inferiority(pairs, margin)
    return _finding(check, FindingKind.NON_INFERIORITY, pairs, ln_e, bar, reached=Judgement.PASS, margin=margin)


def _pairs(check: Check, totals: PairTotals) -> Pairs:
    worse = totals.only_candidate_bad.get(check.metric, 0)
    better = totals.only_stable_bad.get(check.metric, 0)
    return Pairs(worse, totals.compared.get(check.metric, 0) - worse - better, better)


def _finding(
    check: Check,
    kind: FindingKind,
    pairs: Pairs,
    ln_e: float,
    bar: float,
    *,
    reached: Judgement,
    margin: float | None = None,
) -> Finding:
    compared = sum(pairs)
    return Finding(
        metric=check.metric,
        kind=kind,
        judgement=reached if ln_e >= bar and compared else Judgement.HOLD,
        ln_e=ln_e,
        threshold=bar,
        n_stable=compared,
        k_stable=pairs.better,
        n_candidate=compared,
        k_candidate=pairs.worse,
        margin=margin,
        is_paired=True,
    )
