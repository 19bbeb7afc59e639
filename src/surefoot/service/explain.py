"""Why a rollout is where it is: every step in words, and the whole run taken again from its audit trail alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final

from ..core.evidence.tally import Tick
from ..core.evidence.verdict import Finding, Look, Verdict
from ..core.lifecycle.audit import AuditRecord, Broken, verify
from ..core.lifecycle.findings import describe, summary
from ..core.lifecycle.judge import Case
from ..core.lifecycle.machine import ends_warmth, held_in_note, transition, warm_until
from ..core.lifecycle.rollout import Event, Judged, Kill, Notify, Phase, Rollout, Transition, WarmthEnded
from ..core.lifecycle.turn import SUREFOOT
from ..core.traffic.presets import share_text
from ..errors import SurefootError
from .cases import Fold, Folds

__all__ = ["Decision", "Explained", "Recomputed", "explain", "recompute"]

_EXACT: Final = 1e-9
"""How far a recomputed number may be from the recorded one, absolutely or relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One step, for somebody who has never met an e-value."""

    sequence: int
    at: datetime
    by: str
    """A person, or `surefoot` where the evidence or a rule decided."""

    headline: str
    """What changed, from where to where."""

    why: str
    numbers: tuple[str, ...] = ()
    """The evidence it was decided on, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One step taken again."""

    sequence: int
    event: str
    is_reproduced: bool
    off_by: float = 0.0
    """The largest difference between a recorded and a recomputed number; at most 1e-9 if reproduced."""

    ticks: int = 0
    """How many closed ticks it was recomputed from; 0 for what was not decided on evidence."""

    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A whole run taken again."""

    chain: Broken | None
    """The first record that is not what was written, or None."""

    decisions: tuple[Decision, ...]

    @property
    def is_reproduced(self) -> bool:
        """Nobody touched the trail, and every decision follows from it."""
        return self.chain is None and all(decision.is_reproduced for decision in self.decisions)


def explain(records: Iterable[AuditRecord]) -> tuple[Explained, ...]:
    """Every step in order."""
    return tuple(_explained(record) for record in records)


def recompute(
    records: Sequence[AuditRecord], ticks: Sequence[Tick], *, row: Rollout | None = None, folds: Folds = Case
) -> Recomputed:
    """
    Take every decision again, from the audit trail and the closed ticks alone, as any auditor could.

    Each step is made again from the row before it; each verdict is judged again from the ticks it had seen, by way of
    the look that was written down. With `row`, the rollout as stored, a trail whose end was cut off is found too.
    Words (notes, notifications) are not compared: they may be said better in a later release.
    """
    if not records:
        return Recomputed(chain=verify(records, row=row), decisions=())
    judge = _Again(records, ticks, folds)
    return Recomputed(chain=verify(records, row=row), decisions=tuple(_decision(record, judge) for record in records))


# --- in words


def _explained(record: AuditRecord) -> Explained:
    move = record.transition
    event = move.event
    verdict = event.verdict if isinstance(event, Judged | WarmthEnded) else None
    return Explained(
        sequence=record.sequence,
        at=move.at,
        by=SUREFOOT if isinstance(event, Judged | WarmthEnded) else event.by,
        headline=_headline(move),
        why=summary(verdict) if verdict and isinstance(event, Judged) else move.after.note,
        numbers=tuple(describe(finding) for finding in verdict.findings) if verdict else (),
    )


def _headline(move: Transition) -> str:
    before, after = move.before, move.after
    if (before.phase, before.opened) == (after.phase, after.opened):
        return f"stays {_place(after)}"
    shares = (
        "" if before.share == after.share else f", {share_text(before.share)} -> {share_text(after.share)} of traffic"
    )
    order = f" ({type(move.event).__name__.lower()})" if isinstance(move.event, Kill) else ""
    return f"{_place(before)} -> {_place(after)}{shares}{order}"


def _place(row: Rollout) -> str:
    name = row.phase.replace("_", " ")
    if row.stage is None or row.phase.is_final or row.phase is Phase.WARM:
        return name
    return f"{name} at stage {row.stage.name!r}"


# --- taken again


class _Again:
    """Judges as it was judged, from ticks up to a sequence. Mutable: it folds every tick once."""

    def __init__(self, records: Sequence[AuditRecord], ticks: Sequence[Tick], folds: Folds) -> None:
        self._records = records
        self._ticks = {tick.sequence: tick for tick in ticks}
        self._folds = folds
        self._fold = self._empty()

    def judge(self, look: Look, upto: int) -> Verdict:
        """Raises ValueError if a tick it had seen is missing."""
        fold = self._folded(upto)
        if look.last_tick_at != fold.last_tick_at(look.at):
            raise ValueError(f"tick {upto} was closed at another time than the look says")
        return fold.case.judge(look)

    def has_seen(self, look: Look) -> bool:
        """Whether the ticks it judged last are to the last number those of the look. Older looks do not say."""
        return look.ticks_hash in ("", self._fold.ticks_hash)

    def judge_at(self, row: Rollout, at: datetime) -> Verdict:
        """What a look at that instant would have seen, where none was written down."""
        closed = sorted(sequence for sequence, tick in self._ticks.items() if tick.closed_at <= at)
        fold = self._folded(closed[-1] if closed else 0)
        look = Look(
            at=at,
            stage=row.opened - 1,
            entered_at=row.entered_at,
            is_warm=row.phase is Phase.WARM,
            last_tick_at=fold.last_tick_at(at),
        )
        return fold.case.judge(look)

    def _folded(self, upto: int) -> Fold:
        if upto < self._fold.case.tick:
            self._fold = self._empty()
        following = range(self._fold.case.tick + 1, upto + 1)
        if missing := [sequence for sequence in following if sequence not in self._ticks]:
            raise ValueError(f"tick {missing[0]}, which it had seen, is missing")
        fresh = [self._ticks[sequence] for sequence in following]
        if not self._fold.knows(fresh):
            raise ValueError("a tick it had seen belongs to an epoch that the trail does not know")
        self._fold.add(fresh)
        return self._fold

    def _empty(self) -> Fold:
        return Fold(self._records[-1].transition.before, self._records, self._folds)


def _decision(record: AuditRecord, again: _Again) -> Decision:
    move = record.transition
    name = type(move.event).__name__
    off_by, ticks = 0.0, 0
    seen = _seen(move.event)
    try:
        why_not = _step_differs(move)
        if not why_not and seen is not None:
            ticks = seen.verdict.tick
            why_not = _look_differs(move, seen.look)
            if not why_not:
                verdict = again.judge(seen.look, ticks)
                why_not = _words_differ(seen.verdict, verdict)
                off_by = max(_distances(seen.verdict, verdict), default=0.0)
                if not why_not and off_by <= _EXACT and not again.has_seen(seen.look):
                    why_not = f"a tick up to {ticks} is not what it was when this was decided"
        if not why_not and isinstance(move.event, WarmthEnded):
            why_not = _ended_early(move, seen.verdict if seen else again.judge_at(move.before, move.at))
    except (SurefootError, ValueError, LookupError, ArithmeticError) as error:
        why_not = str(error)
    if not why_not and not off_by <= _EXACT:
        why_not = f"a number differs by {off_by:.3g}"
    return Decision(
        sequence=record.sequence, event=name, is_reproduced=not why_not, off_by=off_by, ticks=ticks, why_not=why_not
    )


def _seen(event: Event) -> Judged | None:
    """The look that a decision was taken on, and its verdict; None where there is none in the trail."""
    if isinstance(event, Judged):
        return event
    if isinstance(event, WarmthEnded) and event.verdict is not None and event.look is not None:
        return Judged(verdict=event.verdict, look=event.look)
    return None


def _ended_early(move: Transition, verdict: Verdict) -> str:
    """A warmth ends by itself after its time, and only where harm would have been seen."""
    if ends_warmth(move.before, verdict, at=move.at):
        return ""
    until = warm_until(move.before)
    if move.at < until:
        return f"the old version was to be kept warm until {until.isoformat()}"
    return f"the warmth could not end on what was known: {verdict.why}"


def _step_differs(move: Transition) -> str:
    """What a step from the same row on the same event comes to now, if it is not what was written."""
    before, after = move.before, move.after
    if isinstance(move.event, Judged) and before.held is None:
        before = replace(before, held=held_in_note(before))
    now = transition(before, move.event, at=move.at)
    if replace(now.after, note="") != replace(after, note="", held=after.held or held_in_note(after)):
        return "the step from this row on this event leads elsewhere"
    if (now.stable, now.deny) != (move.stable, move.deny):
        return "the stable version or the deny list would be another"
    if _silent(now) != _silent(move):
        return "other effects would follow"
    return ""


def _silent(move: Transition) -> list[object]:
    return [replace(effect, what="") if isinstance(effect, Notify) else effect for effect in move.effects]


def _look_differs(move: Transition, look: Look) -> str:
    """A look has to be at the row it decided about."""
    row = move.before
    seen = (look.at, look.stage, look.entered_at, look.is_warm)
    if seen != (move.at, row.opened - 1, row.entered_at, row.phase is Phase.WARM):
        return "the look is at another instant or stage than the row it decided about"
    return ""


def _words_differ(recorded: Verdict, again: Verdict) -> str:
    """Everything in a verdict but its numbers."""
    for name in ("judgement", "why", "culprits"):
        was, now = getattr(recorded, name), getattr(again, name)
        if was != now:
            return f"{name} was {_said(was)}, is {_said(now)}"
    asked = [(finding.metric, finding.kind, finding.judgement) for finding in recorded.findings]
    if asked != [(finding.metric, finding.kind, finding.judgement) for finding in again.findings]:
        return "the findings are others"
    return ""


def _said(value: object) -> str:
    return getattr(value, "name", None) or str(value)


_WORDS: Final = ("metric", "kind", "judgement", "is_paired")
_LATER: Final = (
    ("n_first_stable", "k_first_stable", "n_first_candidate", "k_first_candidate"),
    ("edge_stable", "edge_candidate"),
    ("n_known", "k_known", "highest"),
)
"""Missing in older trails, and then not compared."""


def _distances(recorded: Verdict, again: Verdict) -> Iterator[float]:
    yield _distance(recorded.ln_e_average, again.ln_e_average)
    if recorded.not_final:
        yield _distance(recorded.not_final, again.not_final)
    for was, now in zip(recorded.findings, again.findings, strict=True):
        unwritten = {name for names in _LATER if not any(getattr(was, name) for name in names) for name in names}
        for field in fields(Finding):
            if field.name not in _WORDS and field.name not in unwritten:
                yield _distance(getattr(was, field.name), getattr(now, field.name))


def _distance(was: float | None, now: float | None) -> float:
    """Absolute, or relative for large numbers; infinite where one is missing or not a number and the other is."""
    if was is None or now is None:
        return 0.0 if was is now else math.inf
    if math.isnan(was) or math.isnan(now) or math.isinf(was) or math.isinf(now):
        return 0.0 if was == now or (math.isnan(was) and math.isnan(now)) else math.inf
    return abs(was - now) / max(1.0, abs(was))
