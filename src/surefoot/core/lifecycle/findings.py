"""What a verdict says: numbers with the sentence that explains them to somebody who has never met an e-value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..evidence.information import non_inferiority_growth, units_still_needed
from ..evidence.metrics import MetricKind, metric_named
from ..evidence.verdict import Finding, FindingKind, Judgement, Why
from ..units import ALL_TRAFFIC
from .probe import Sums
from .quantity import is_amount, percent, quantity

if TYPE_CHECKING:
    from ..evidence.verdict import Look, Verdict
    from ..traffic.plan import Check, Stage
    from .probe import Probe

__all__ = ["count_limit", "describe", "harm", "integrity", "limit", "looks_harmless", "proof", "summary"]


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
    )


def harm(check: Check, probe: Probe, ln_e: float, bar: float, look: Look, *, detailed: bool) -> Finding:
    """Evidence that the candidate is worse than stable, as it is now or, with all traffic, as it was known."""
    interval = probe.interval() if detailed else None
    first, edges = probe.first or Sums(), probe.edges
    known = probe.known if look.is_warm else None
    is_held = known is not None and known.highest is not None
    return Finding(
        metric=check.metric,
        kind=FindingKind.HARM,
        judgement=_suspected(probe, ln_e, bar),
        ln_e=ln_e,
        threshold=bar,
        n_stable=probe.total.n_s,
        k_stable=probe.total.k_s,
        n_candidate=probe.total.n_c,
        k_candidate=probe.total.k_c,
        n_first_stable=first.n_s,
        k_first_stable=int(first.k_s),
        n_first_candidate=first.n_c,
        k_first_candidate=int(first.k_c),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        edge_stable=edges.stable if edges else None,
        edge_candidate=edges.candidate if edges else None,
        n_known=known.n if known and is_held else 0,
        k_known=known.k if known and is_held else 0.0,
        highest=known.highest if known else None,
    )


def limit(check: Check, probe: Probe, ln_e: float, bar: float) -> Finding:
    """Evidence that the candidate breaks an absolute limit."""
    return Finding(
        metric=check.metric,
        kind=FindingKind.LIMIT,
        judgement=_suspected(probe, ln_e, bar),
        ln_e=ln_e,
        threshold=bar,
        n_candidate=probe.total.n_c,
        k_candidate=probe.total.k_c,
        margin=check.limit,
        edge_candidate=probe.edges.candidate if probe.edges else None,
    )


def integrity(ln_e: float, bar: float, candidates: int, stables: int, *, times_counted: float) -> Finding:
    """Evidence that the arms' sizes do not fit their shares."""
    return Finding(
        metric="assignment",
        kind=FindingKind.MISMATCH,
        judgement=Judgement.HOLD if ln_e >= bar else Judgement.PASS,
        ln_e=ln_e,
        threshold=bar,
        n_stable=stables,
        n_candidate=candidates,
        times_counted=times_counted,
    )


def proof(
    check: Check, probe: Probe, margin: float, bar: float, stage: Stage | None, *, divisor: float = 1.0
) -> Finding:
    """
    Evidence that the candidate is not worse by the stage's margin. With the stage comes a forecast. The divisor makes
    up for units that were counted more than once (`judge.Case`).
    """
    ln_e = probe.proof(margin) / divisor
    proven = ln_e >= bar and probe.total.n_c > 0
    edges = probe.edges
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
        units_needed=_units_needed(check, probe, margin, ln_e, stage) if stage else None,
        edge_stable=edges.stable if edges else None,
        edge_candidate=edges.candidate if edges else None,
    )


def looks_harmless(finding: Finding) -> bool:
    """Whether the point estimate is within the margin. Without data it is not."""
    if not finding.n_candidate or not finding.n_stable or finding.margin is None:
        return False
    stable = finding.k_stable / finding.n_stable
    candidate = finding.k_candidate / finding.n_candidate
    allowed = stable * (1 + finding.margin) if is_amount(finding.metric) else stable + finding.margin
    return candidate <= allowed


def describe(finding: Finding) -> str:
    """One finding in words."""
    name = finding.metric
    match finding.kind:
        case FindingKind.COUNT_LIMIT:
            allowed = int(finding.threshold) - 1
            return f"{name}: {int(finding.k_candidate)} {metric_named(name).bad}, {allowed} allowed"
        case FindingKind.HARM:
            return f"{_named(finding)}: {_decided(finding)}; {_strength(finding.ln_e)} that the candidate is worse"
        case FindingKind.LIMIT:
            return (
                f"{_named(finding)}: {_one(name, finding.n_candidate, finding.k_candidate)} against a limit of "
                f"{_level(name, finding.margin or 0.0)}; {_strength(finding.ln_e)} that it is broken"
            )
        case FindingKind.NON_INFERIORITY:
            proven = "proven" if finding.judgement is Judgement.PASS else "not yet proven"
            worse = _margin(name, finding.margin or 0.0)
            return f"{_named(finding)}: {proven} that the candidate is at most {worse} worse ({_compared(finding)})"
        case FindingKind.MISMATCH:
            fits = "fit the share" if finding.judgement is Judgement.PASS else "do not fit the share"
            often = ""
            if finding.times_counted > _OFTEN:
                often = f"; sessions meet several processes: each counted {finding.times_counted:.1f} times"
            return f"assignment: {finding.n_candidate:,} candidate and {finding.n_stable:,} stable units {fits}{often}"


_OFTEN: Final = 1.05
"""Units counted more often than this are worth a word."""

_SAID: dict[Why, str] = {
    Why.COUNT_LIMIT: "Something happened that the plan allows fewer times",
    Why.HARM: "The candidate is worse than stable",
    Why.MISMATCH: "On hold: users are not split as they should be, so nothing can be concluded",
    Why.STALE: "On hold: nothing has been heard of for a while",
    Why.NO_TRAFFIC: "No traffic reaches the candidate",
    Why.NO_DATA: "On hold: a required metric has no data, and no data is never good news",
    Why.NO_REFERENCE: (
        "On hold: too little is known of the old version to tell whether the candidate is worse; "
        "`promote` ends the warmth on a person's word"
    ),
    Why.GATHERING: "Watching: not enough evidence yet in either direction",
    Why.SOAKING: "Proven, waiting for the stage's duration and samples",
    Why.PROVEN: "Every required metric is proven good enough for the next stage",
    Why.TIMED_OUT: "The stage ran out of time undecided",
    Why.UNPROVEN: "Let through by the plan's own wish, without proof",
}

_NO_WARM_DATA: Final = "On hold: a required metric has no data yet since the candidate has all traffic"


def summary(verdict: Verdict, *, is_warm: bool = False) -> str:
    """The verdict in one line, for somebody who has never met an e-value. `is_warm`: said of a look at the warmth."""
    said = _NO_WARM_DATA if is_warm and verdict.why is Why.NO_DATA else _SAID[verdict.why]
    if verdict.culprits and verdict.judgement is Judgement.BREACH:
        about = [finding for finding in verdict.findings if finding.metric == verdict.culprits[0]]
        if verdict.why is Why.HARM:
            about = [finding for finding in about if finding.kind in (FindingKind.HARM, FindingKind.LIMIT)]
        found = max(about, key=lambda finding: finding.ln_e, default=None)
        if found is not None and found.kind is FindingKind.LIMIT:
            said = "The candidate breaks a limit that the plan sets"
        return f"{said}: {describe(found) if found else verdict.culprits[0]}"
    waiting = [finding for finding in verdict.findings if finding.units_needed and finding.judgement is Judgement.HOLD]
    if verdict.why is Why.GATHERING and waiting:
        slowest = max(waiting, key=lambda finding: finding.units_needed or 0)
        return f"{said}; about {slowest.units_needed:,} more units to prove {slowest.metric}"
    return said


def _suspected(probe: Probe, ln_e: float, bar: float) -> Judgement:
    if not probe.total.n_c:
        return Judgement.HOLD
    return Judgement.BREACH if ln_e >= bar else Judgement.PASS


def _units_needed(check: Check, probe: Probe, margin: float, ln_e: float, stage: Stage) -> int | None:
    share = stage.share / ALL_TRAFFIC
    if is_amount(check.metric) or not probe.total.n_s or not 0.0 < share < 1.0:
        return None
    growth = non_inferiority_growth(probe.total.k_s / probe.total.n_s, margin, share)
    return units_still_needed(ln_e, growth)


def _named(finding: Finding) -> str:
    """The metric, and of a quantile what is counted: a share of runs, where its name promises milliseconds."""
    metric = metric_named(finding.metric)
    if metric.kind is not MetricKind.QUANTILE:
        return finding.metric
    edges = [
        f"{edge:,} ms{whose}"
        for edge, whose in ((finding.edge_stable, ""), (finding.edge_candidate, " for the candidate"))
        if edge is not None
    ]
    return f"{finding.metric}, the share of {metric.bad}" + (f" ({', '.join(edges)})" if edges else "")


def _decided(finding: Finding) -> str:
    """What harm was looked for in: first failures, wherever they are not simply the units that are final."""
    if not finding.is_ahead:
        return _compared(finding)
    served = "so far candidate " + _served(finding.n_first_candidate, finding.k_first_candidate)
    return served + _beside(finding, _served(finding.n_first_stable, finding.k_first_stable), finding.n_first_stable)


def _served(n: int, k: int) -> str:
    return f"{k:,} bad of {n:,} served ({k / n:.2%})" if n else "no data"


def _compared(finding: Finding) -> str:
    if not finding.n_candidate:
        return "no candidate data yet"
    if finding.is_paired:
        return (
            f"the candidate was worse in {int(finding.k_candidate):,} of {finding.n_candidate:,} pairs, "
            f"better in {int(finding.k_stable):,}"
        )
    candidate = _one(finding.metric, finding.n_candidate, finding.k_candidate)
    stable = _one(finding.metric, finding.n_stable, finding.k_stable)
    return f"candidate {candidate}" + _beside(finding, stable, finding.n_stable)


def _beside(finding: Finding, stable: str, n: int) -> str:
    """The other side: stable, and what was known of it where the candidate, with all traffic, is held against that."""
    if finding.highest is None or n >= finding.n_known:
        return f", stable {stable}"
    now = f", stable {stable}" if n else ""
    known = _one(finding.metric, finding.n_known, finding.k_known)
    highest = _level(finding.metric, finding.highest)
    return f"{now}, held against what is known of stable: {known}, plausibly up to {highest}"


def _one(metric: str, n: int, k: float) -> str:
    if not n:
        return "no data"
    return (
        f"{_level(metric, k / n)} on average over {n:,}" if is_amount(metric) else f"{int(k):,} of {n:,} ({k / n:.2%})"
    )


def _level(metric: str, value: float) -> str:
    return quantity(metric, value, is_distance=True) if is_amount(metric) else percent(value)


def _margin(metric: str, margin: float) -> str:
    return f"{margin:.0%} of stable's mean" if is_amount(metric) else f"{100 * margin:.3g} points"


def _strength(ln_e: float) -> str:
    if ln_e <= 0:
        return "no evidence"
    odds = math.exp(min(ln_e, 30.0))
    return f"evidence of {odds:,.1f} to 1" if odds < 1000 else "evidence beyond 1,000 to 1"  # a rounding for people
