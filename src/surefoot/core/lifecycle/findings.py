"""What a verdict says: numbers with the sentence that explains them to somebody who has never met an e-value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..evidence.information import non_inferiority_growth, units_still_needed
from ..evidence.metrics import MetricKind, metric_named
from ..evidence.verdict import Finding, FindingKind, Judgement, Why
from ..units import ALL_TRAFFIC, BasisPoints

if TYPE_CHECKING:
    from ..traffic.plan import Check, Stage
    from .probe import Probe, Sums

__all__ = ["count_limit", "harm", "integrity", "limit", "looks_harmless", "proof", "summary"]


def count_limit(check: Check, bad: int) -> Finding:
    """How many bad units there were, against how many there may ever be."""
    allowed = check.max_count or 0
    return Finding(
        metric=check.metric,
        kind=FindingKind.COUNT_LIMIT,
        judgement=Judgement.BREACH if bad > allowed else Judgement.PASS,
        ln_e=float(bad),
        threshold=float(allowed + 1),
        k_candidate=bad,
        text=f"{check.metric}: {bad} {metric_named(check.metric).bad}, {allowed} allowed",
    )


def harm(check: Check, probe: Probe, ln_e: float, bar: float) -> Finding:
    """Evidence that the candidate is worse than stable."""
    interval = probe.interval()
    return Finding(
        metric=check.metric,
        kind=FindingKind.HARM,
        judgement=Judgement.BREACH if ln_e >= bar else Judgement.PASS if probe.total.n_c else Judgement.HOLD,
        ln_e=ln_e,
        threshold=bar,
        n_stable=probe.total.n_s,
        k_stable=probe.total.k_s,
        n_candidate=probe.total.n_c,
        k_candidate=probe.total.k_c,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        text=f"{check.metric}: {_compared(check, probe.total)}; {_strength(ln_e)} that the candidate is worse",
    )


def limit(check: Check, probe: Probe, ln_e: float, bar: float) -> Finding:
    """Evidence that the candidate breaks an absolute limit."""
    return Finding(
        metric=check.metric,
        kind=FindingKind.LIMIT,
        judgement=Judgement.BREACH if ln_e >= bar else Judgement.PASS if probe.total.n_c else Judgement.HOLD,
        ln_e=ln_e,
        threshold=bar,
        n_candidate=probe.total.n_c,
        k_candidate=probe.total.k_c,
        margin=check.limit,
        text=f"{check.metric}: {_one(check, probe.total.n_c, probe.total.k_c)} against a limit of {check.limit:g}; "
        f"{_strength(ln_e)} that it is broken",
    )


def integrity(ln_e: float, bar: float, candidates: int, stables: int) -> Finding:
    """Evidence that the arms' sizes do not fit their shares."""
    broken = ln_e >= bar
    return Finding(
        metric="assignment",
        kind=FindingKind.MISMATCH,
        judgement=Judgement.HOLD if broken else Judgement.PASS,
        ln_e=ln_e,
        threshold=bar,
        n_stable=stables,
        n_candidate=candidates,
        text=f"assignment: {candidates} candidate and {stables} stable units "
        + ("do not fit the share: something drops or moves users" if broken else "fit the share"),
    )


def proof(check: Check, probe: Probe, margin: float, bar: float, stage: Stage, following: BasisPoints) -> Finding:
    """Evidence that the candidate is not worse by the stage's margin."""
    ln_e = probe.proof(margin)
    proven = ln_e >= bar and probe.total.n_c > 0
    share = following / ALL_TRAFFIC
    return Finding(
        metric=check.metric,
        kind=FindingKind.NON_INFERIORITY,
        judgement=Judgement.PASS if proven else Judgement.HOLD,
        ln_e=ln_e,
        threshold=bar,
        n_stable=probe.total.n_s,
        k_stable=probe.total.k_s,
        n_candidate=probe.total.n_c,
        k_candidate=probe.total.k_c,
        margin=margin,
        units_needed=_units_needed(check, probe, margin, ln_e, stage),
        text=f"{check.metric}: {'proven' if proven else 'not yet proven'} that the candidate is at most "
        f"{_margin(check, margin)} worse, which {share:.4g} of traffic can bear ({_compared(check, probe.total)})",
    )


def looks_harmless(finding: Finding) -> bool:
    """Whether the point estimate is within the margin. Without data it is not."""
    if not finding.n_candidate or not finding.n_stable or finding.margin is None:
        return False
    stable = finding.k_stable / finding.n_stable
    candidate = finding.k_candidate / finding.n_candidate
    relative = metric_named(finding.metric).kind in (MetricKind.SCALAR, MetricKind.SCORE)
    allowed = stable * (1 + finding.margin) if relative else stable + finding.margin
    return candidate <= allowed


_SAID: dict[Why, str] = {
    Why.COUNT_LIMIT: "Rolled back: something happened that the plan allows fewer times",
    Why.HARM: "Rolled back: the candidate is worse than stable",
    Why.MISMATCH: "On hold: users are not split as they should be, so nothing can be concluded",
    Why.STALE: "On hold: nothing has been heard of for a while",
    Why.NO_TRAFFIC: "No traffic reaches the candidate",
    Why.NO_DATA: "On hold: a required metric has no data, and no data is never good news",
    Why.GATHERING: "Watching: not enough evidence yet in either direction",
    Why.SOAKING: "Proven, waiting for the stage's duration and samples",
    Why.PROVEN: "Every required metric is proven good enough for the next stage",
    Why.TIMED_OUT: "The stage ran out of time undecided",
    Why.UNPROVEN: "Let through by the plan's own wish, without proof",
}


def summary(judgement: Judgement, why: Why, shown: tuple[Finding, ...], culprits: tuple[str, ...]) -> str:
    """The verdict in one line."""
    said = _SAID[why]
    if culprits and judgement is Judgement.BREACH:
        reasons = [finding.text for finding in shown if finding.metric == culprits[0]]
        return f"{said}: {reasons[0] if reasons else culprits[0]}"
    if why in (Why.GATHERING, Why.NO_DATA):
        slowest = max(
            (finding for finding in shown if finding.kind is FindingKind.NON_INFERIORITY and finding.judgement),
            key=lambda finding: finding.units_needed or 0,
            default=None,
        )
        if slowest is not None and slowest.units_needed:
            return f"{said}; about {slowest.units_needed:,} more units for {slowest.metric}"
    return said


def _units_needed(check: Check, probe: Probe, margin: float, ln_e: float, stage: Stage) -> int | None:
    if metric_named(check.metric).kind not in (MetricKind.BINARY, MetricKind.QUANTILE):
        return None
    share = stage.share / ALL_TRAFFIC
    if not probe.total.n_s or not 0.0 < share < 1.0:
        return None
    growth = non_inferiority_growth(probe.total.k_s / probe.total.n_s, margin, share)
    return units_still_needed(ln_e, growth)


def _compared(check: Check, total: Sums) -> str:
    return (
        f"candidate {_one(check, total.n_c, total.k_c)}, stable {_one(check, total.n_s, total.k_s)}"
        if total.n_c
        else "no candidate data yet"
    )


def _one(check: Check, n: int, k: float) -> str:
    if not n:
        return "no data"
    if metric_named(check.metric).kind in (MetricKind.SCALAR, MetricKind.SCORE):
        return f"{k / n:,.4g} on average over {n:,}"
    return f"{int(k):,} of {n:,} ({k / n:.2%})"


def _margin(check: Check, margin: float) -> str:
    if metric_named(check.metric).kind in (MetricKind.SCALAR, MetricKind.SCORE):
        return f"{margin:.0%} of stable's mean"
    return f"{100 * margin:.3g} points"


def _strength(ln_e: float) -> str:
    if ln_e <= 0:
        return "no evidence"
    odds = math.exp(min(ln_e, 30.0))
    return f"evidence of {odds:,.1f} to 1" if odds < 1000 else "evidence beyond 1,000 to 1"  # a rounding for people
