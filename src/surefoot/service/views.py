"""A rollout as people see it: one view model for the command line, the API and the pages, so nobody computes twice."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ..core.evidence.verdict import Finding, FindingKind, Judgement, Verdict, Why
from ..core.lifecycle.findings import describe, summary
from ..core.lifecycle.machine import ends_warmth, standing, warm_until
from ..core.lifecycle.quantity import is_amount, quantity, unit_of
from ..core.lifecycle.rollout import Judged, Phase, Rollout
from ..core.traffic.calendar import frozen
from ..core.traffic.plan import Strategy, UnitKind
from ..core.traffic.presets import share_text
from ..core.units import AgentName, BasisPoints, Digest, RolloutId
from ..errors import UnknownName
from ..ports.clock import Clock
from ..ports.store import Catalog, Store
from .cases import Cases
from .reconcile import Sight, look
from .shadow_view import ShadowView, shadow_of

__all__ = ["Bar", "Line", "RolloutView", "Side", "StageView", "bars", "lines", "seen", "view", "view_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two versions."""

    digest: Digest
    label: str
    """What people call it; the digest's first digits where the catalog does not know it."""

    share: BasisPoints
    """Of answered traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """One rung of the ladder."""

    name: str
    share: BasisPoints
    is_shadow: bool
    needs_approval: bool
    state: str
    """`passed`, `open`, `asked` (waits for approval) or `ahead`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One piece of evidence against the bar it has to reach."""

    metric: str
    """Empty for the average over all metrics, which is what decides a rollback."""

    question: str
    """`harm`, `proof`, `limit`, `count` or `assignment`."""

    ln_e: float
    threshold: float
    fill: float
    """`ln_e` as a part of `threshold`, from 0 to 1: how full the bar is drawn."""

    is_reached: bool
    n_stable: int = 0
    n_candidate: int = 0
    rate_stable: float | None = None
    """Bad units per unit, or the mean amount. None without data, which is not zero."""

    rate_candidate: float | None = None
    low: float | None = None
    high: float | None = None
    """About how much worse the candidate is, 95 % interval. For people; it never decides."""

    units_needed: int | None = None
    text: str = ""
    value_unit: str = ""
    """What one unit of an amount is, such as "ms" or "micro-dollars"; empty where `rate_*` are rates."""

    shown_stable: str = ""
    shown_candidate: str = ""
    """What was counted on each side, in words short enough for a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """Everything anybody shows of a rollout, as of one instant."""

    id: RolloutId
    agent: AgentName
    at: datetime
    phase: Phase
    is_final: bool
    stable: Side
    candidate: Side
    strategy: Strategy
    stages: tuple[StageView, ...]
    stage: str
    """The open stage's name; empty before the first."""

    epoch: int
    author: str
    created_at: datetime
    entered_at: datetime
    note: str
    """Why the last step was taken."""

    verdict: str
    """What the evidence says now, in one line; empty while nothing is judged."""

    judgement: Judgement | None
    why: Why | None
    next_step: str
    """What happens next, and what it waits for."""

    evidence: tuple[Bar, ...]
    units_needed: int | None
    """Until the slowest proof, if it can be said."""

    frozen_by: str = ""
    """The freeze window that holds back every step upwards now."""

    killed_by: str = ""
    """The switch that covers the candidate now."""

    shadow: ShadowView | None = None
    """The pairs, while a shadow stage is open or was the last one; they stay for `explain` afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A rollout in a list, without its evidence."""

    id: RolloutId
    agent: AgentName
    phase: Phase
    stage: str
    share: BasisPoints
    stable: str
    candidate: str
    created_at: datetime
    entered_at: datetime
    note: str


async def view(id: RolloutId, *, store: Store, clock: Clock, cases: Cases) -> RolloutView:
    """
    A rollout as it is now; of one that is over, the evidence that was decided on last.

    Reads only. Raises UnknownName, StoreUnavailable, and ValueError if the evidence cannot be folded.
    """
    sight = await look(id, store=store, clock=clock, cases=cases)
    if sight.stored.rollout.phase.is_final:
        events = [record.transition.event for record in await store.audit(id)]
        judged = [event for event in events if isinstance(event, Judged)]
        sight = sight._replace(judged=judged[-1] if judged else None)
    now = await seen(sight, store=store)
    row = sight.stored.rollout
    is_mirrored = row.stage is not None and row.stage.shadow
    return replace(now, shadow=await shadow_of(row, store=store)) if is_mirrored else now


async def seen(sight: Sight, *, store: Catalog) -> RolloutView:
    """What a look saw, with the versions' labels."""
    row = sight.stored.rollout
    return view_of(sight, stable=await _label(row.stable, store), candidate=await _label(row.candidate, store))


async def lines(*, store: Store, agent: AgentName | None = None, everything: bool = False) -> tuple[Line, ...]:
    """Rollouts, newest first: those under way, or `everything`."""
    found = [stored.rollout for stored in await store.rollouts(agent=agent)]
    digests = {digest for row in found for digest in (row.stable, row.candidate)}
    labels = {digest: await _label(digest, store) for digest in digests}
    return tuple(
        Line(
            id=row.id,
            agent=row.agent,
            phase=row.phase,
            stage=row.stage.name if row.stage else "",
            share=row.share,
            stable=labels[row.stable],
            candidate=labels[row.candidate],
            created_at=row.created_at,
            entered_at=row.entered_at,
            note=standing(row),
        )
        for row in reversed(found)
        if everything or not row.phase.is_final
    )


def view_of(sight: Sight, *, stable: str, candidate: str) -> RolloutView:
    """The view model of what a look saw. `stable` and `candidate` are the versions' labels."""
    row = sight.stored.rollout
    verdict = sight.judged.verdict if sight.judged else None
    window = frozen(row.plan.freeze, sight.at)
    evidence = _evidence(row, verdict) if verdict else ()
    return RolloutView(
        id=row.id,
        agent=row.agent,
        at=sight.at,
        phase=row.phase,
        is_final=row.phase.is_final,
        stable=Side(digest=row.stable, label=stable, share=BasisPoints(10_000 - row.share)),
        candidate=Side(digest=row.candidate, label=candidate, share=row.share),
        strategy=row.plan.strategy,
        stages=_stages(row),
        stage=row.stage.name if row.stage else "",
        epoch=row.epoch,
        author=row.author,
        created_at=row.created_at,
        entered_at=row.entered_at,
        note=standing(row),
        verdict=_said(row, verdict) if verdict else "",
        judgement=verdict.judgement if verdict else None,
        why=verdict.why if verdict else None,
        next_step=_KILLED if sight.kill and not row.phase.is_final else _next_step(row, verdict, sight.at),
        evidence=evidence,
        units_needed=max((bar.units_needed for bar in evidence if bar.units_needed is not None), default=None),
        frozen_by=window.name if window else "",
        killed_by=f"{sight.kill.author}: {sight.kill.reason}" if sight.kill else "",
    )


async def _label(digest: Digest, store: Catalog) -> str:
    try:
        return (await store.version(digest)).label
    except UnknownName:
        return digest[:15]


def _stages(row: Rollout) -> tuple[StageView, ...]:
    def state(index: int) -> str:
        if index < row.opened:
            is_open = index == row.opened - 1 and not row.phase.is_final
            return "open" if is_open else "passed"
        return "asked" if index == row.opened and row.phase is Phase.WAITING else "ahead"

    return tuple(
        StageView(
            name=stage.name,
            share=stage.share,
            is_shadow=stage.shadow,
            needs_approval=stage.needs_approval,
            state=state(index),
        )
        for index, stage in enumerate(row.plan.stages)
    )


# --- evidence

_QUESTIONS: Final = {
    FindingKind.HARM: "harm",
    FindingKind.NON_INFERIORITY: "proof",
    FindingKind.LIMIT: "limit",
    FindingKind.COUNT_LIMIT: "count",
    FindingKind.MISMATCH: "assignment",
}


def _evidence(row: Rollout, verdict: Verdict) -> tuple[Bar, ...]:
    threshold = -math.log(row.plan.alpha)
    average = Bar(
        metric="",
        question="harm",
        ln_e=verdict.ln_e_average,
        threshold=threshold,
        fill=_fill(verdict.ln_e_average, threshold),
        is_reached=verdict.ln_e_average >= threshold,
        text="all metrics together; the rollout goes back when this bar is full",
    )
    return (average, *bars(*verdict.findings))


def bars(*findings: Finding) -> tuple[Bar, ...]:
    """Each finding as it is drawn."""
    return tuple(_bar(finding) for finding in findings)


def _bar(finding: Finding) -> Bar:
    has_rates = finding.kind not in (FindingKind.MISMATCH, FindingKind.COUNT_LIMIT)
    text = describe(finding)
    if finding.is_ahead:  # the numbers it was decided on; those that are final stand beside the proof
        finding = replace(
            finding,
            n_stable=finding.n_first_stable,
            k_stable=finding.k_first_stable,
            n_candidate=finding.n_first_candidate,
            k_candidate=finding.k_first_candidate,
        )
    return Bar(
        metric=finding.metric,
        question=_QUESTIONS[finding.kind],
        ln_e=finding.ln_e,
        threshold=finding.threshold,
        fill=_fill(finding.ln_e, finding.threshold),
        is_reached=finding.ln_e >= finding.threshold,
        n_stable=finding.n_stable,
        n_candidate=finding.n_candidate,
        rate_stable=_rate(finding.k_stable, finding.n_stable) if has_rates else None,
        rate_candidate=_rate(finding.k_candidate, finding.n_candidate) if has_rates else None,
        low=finding.low,
        high=finding.high,
        units_needed=finding.units_needed,
        text=text,
        value_unit=unit_of(finding.metric) if has_rates and is_amount(finding.metric) else "",
        shown_stable=_shown_stable(finding),
        shown_candidate=_shown_candidate(finding),
    )


def _shown_stable(finding: Finding) -> str:
    if finding.is_paired:
        return f"better in {int(finding.k_stable):,}"
    if finding.n_stable or finding.highest is None:
        return _shown(finding, finding.n_stable, finding.k_stable)
    return f"known: {_shown(finding, finding.n_known, finding.k_known)}"


def _shown_candidate(finding: Finding) -> str:
    if finding.is_paired:
        return f"worse in {int(finding.k_candidate):,} of {finding.n_candidate:,}"
    if finding.kind is FindingKind.COUNT_LIMIT:
        return f"{int(finding.k_candidate):,}, {int(finding.threshold) - 1:,} allowed"
    return _shown(finding, finding.n_candidate, finding.k_candidate)


def _shown(finding: Finding, n: int, k: float) -> str:
    if not n:
        return ""
    if finding.kind is FindingKind.MISMATCH:
        return f"{n:,}"
    if is_amount(finding.metric):
        return f"mean {quantity(finding.metric, k / n, is_distance=True)}"
    return f"{k / n:.2%} of {n:,}"


def _fill(ln_e: float, threshold: float) -> float:
    """Evidence of nothing, or of the opposite, is an empty bar."""
    if not ln_e > 0:
        return 0.0
    return min(ln_e / threshold, 1.0) if threshold > 0 else 1.0


def _rate(k: float, n: int) -> float | None:
    return k / n if n else None


# --- what it says now

_WAITING: Final = (Why.NO_DATA, Why.GATHERING, Why.SOAKING)


def _said(row: Rollout, verdict: Verdict) -> str:
    said = summary(verdict, is_warm=row.phase is Phase.WARM)
    unit = row.plan.unit
    if not verdict.not_final or verdict.why not in _WAITING or unit is UnitKind.REQUEST:
        return said
    open_now = f"{verdict.not_final:,} {unit}{'' if verdict.not_final == 1 else 's'} of the candidate not final yet"
    return f"{said}; {open_now} (one is, session_idle={_span(row.plan.session_idle)} after its last request)"


def _span(duration: timedelta) -> str:
    """As plans write it."""
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if duration and not duration % length:
            return f"{duration // length}{unit}"
    return f"{duration.total_seconds():g}s"


# --- what happens next

_KILLED: Final = "goes back at a controller's next look, because it is killed; nobody gets it meanwhile"


def _next_step(row: Rollout, verdict: Verdict | None, at: datetime) -> str:
    match row.phase:
        case Phase.QUEUED:
            return "starts by itself when the rollout before it is over and no freeze stands against it"
        case Phase.RUNNING:
            return _running(row, verdict, at)
        case Phase.WAITING:
            upcoming = row.plan.stages[row.opened]
            return f"somebody has to approve stage {upcoming.name!r} ({share_text(upcoming.share)}), or reject it"
        case Phase.PAUSED:
            return "somebody has to resume it; it is still watched"
        case Phase.WARM:
            return _warm(row, verdict, at)
        case Phase.PROMOTED:
            return f"nothing: the candidate is the stable version; the old one is {_kept(row, at)}"
        case Phase.ROLLED_BACK:
            return "nothing: this version is denied until somebody re-opens it"
        case Phase.ABORTED:
            return "nothing: it may be started again"


def _warm(row: Rollout, verdict: Verdict | None, at: datetime) -> str:
    until = warm_until(row)
    if verdict is None or ends_warmth(row, verdict, at=max(at, until)):
        return f"watched until {_instant(until)}; then it is promoted and the old version is let go"
    if verdict.judgement is Judgement.BREACH:
        return "goes back at the next look"
    return f"watched until {_instant(until)} at least, and until that is over: {summary(verdict, is_warm=True)}"


def _running(row: Rollout, verdict: Verdict | None, at: datetime) -> str:
    if row.plan.strategy is Strategy.EXPERIMENT:
        return "an experiment: it stays as it is until somebody promotes or aborts it"
    upcoming = row.plan.stages[row.opened]
    asks = " after somebody's approval" if upcoming.needs_approval else ""
    then = f"stage {upcoming.name!r} ({share_text(upcoming.share)}){asks}"
    if verdict is None:
        return then
    if verdict.judgement is Judgement.BREACH:
        return "goes back at the next look"
    if verdict.judgement is Judgement.PASS:
        window = frozen(row.plan.freeze, at)
        return f"{then}, when the freeze {window.name!r} is over" if window else f"{then}, at the next look"
    return f"{then}, when {_waits_for(row, verdict)}"


def _waits_for(row: Rollout, verdict: Verdict) -> str:
    stage = row.plan.stages[row.opened - 1]
    if verdict.why is Why.SOAKING:
        until = _instant(row.entered_at + stage.min_duration)
        return f"it has lasted until {until} and {stage.min_samples:,} {row.plan.unit}s of this stage are known"
    unproven = [
        finding
        for finding in verdict.findings
        if finding.kind is FindingKind.NON_INFERIORITY and finding.judgement is not Judgement.PASS
    ]
    if verdict.why in (Why.GATHERING, Why.NO_DATA) and unproven:
        return f"{_and([_proof(finding) for finding in unproven])} proven"
    return "that is over: " + summary(verdict)


def _proof(finding: Finding) -> str:
    if not finding.n_candidate:
        return f"{finding.metric} (no data yet)"
    about = f" (about {finding.units_needed:,} more units)" if finding.units_needed else ""
    return f"{finding.metric}{about}"


def _and(parts: list[str]) -> str:
    verb = "is" if len(parts) == 1 else "are"
    return f"{', '.join(parts[:-1])} and {parts[-1]} {verb}" if len(parts) > 1 else f"{parts[0]} {verb}"


def _kept(row: Rollout, at: datetime) -> str:
    """Nothing is ever deleted here; after `archive_after` nobody need be able to go back to the old version."""
    until = row.entered_at + row.plan.archive_after
    return f"archived, and kept for a way back until {_instant(until)}" if at < until else "archived"


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M %Z")
