"""
The life of a rollout.

Everything that moves a rollout from one phase to another is in TABLE below. `transition` looks the pair (phase, event)
up and runs what it finds; a pair that is not there is illegal and changes nothing. The diagram in docs/rollouts.md is
drawn from TABLE by scripts/draw_rollout.py, so it cannot be out of date.

Five decisions that the table alone does not explain:

* **Where the stable pointer moves.** At PROMOTED, not at WARM. While it is warm the candidate is served by the split
  (100 % less the holdback) and the old version is still what routers fall back to, so a breach, a kill of the candidate
  or the loss of every controller leads back to the old version with nothing to restore. A kill of the old version
  leaves the candidate's slice as it is; a person who wants the rest to follow says `Promote`, which ends the warmth.
* **What opening the last stage means.** Unless the plan is an experiment, the last stage is all traffic: opening it
  *is* WARM. A RUNNING stage at 100 % before it would take the holdback from its users and then give it back.
* **Which digests are denied.** Those that end ROLLED_BACK: harm was found, a switch was pulled, or an approver said no,
  and nothing may bring them back by itself. An aborted or superseded candidate was found guilty of nothing, and only a
  person starts a rollout, so denying it would add a second command and no safety.
* **When the warmth ends by itself.** When it lasted long enough and harm would have been seen: users came, the required
  metrics were recorded, and enough is known of the old version to compare with. Otherwise the rollout stays WARM, says
  why, and a person's `Promote` or `Abort` ends it. No traffic takes it back only if the plan says so.
* **What a freeze holds back.** Every step upwards that is not a person's `Promote`: that order skips all gates, is
  signed and gives its reason. `Start`, PASS and WarmthEnded wait and are tried again; `Approve` and a Supersede that
  would promote are refused, so that whoever asked knows. Nothing downwards is ever held back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from ...errors import IllegalTransition, Refused
from ..evidence.verdict import Judgement, Verdict, Why
from ..traffic.calendar import FreezeWindow, frozen
from ..traffic.plan import Strategy
from .findings import summary
from .rollout import (
    Abort,
    Approve,
    AskApproval,
    Bless,
    Effect,
    Event,
    Judged,
    Kill,
    Notify,
    Pause,
    Phase,
    Promote,
    Reject,
    Resume,
    Rollout,
    ShiftTraffic,
    Start,
    Supersede,
    Transition,
    WarmthEnded,
    traffic_of,
)

__all__ = [
    "TABLE",
    "Step",
    "accepted",
    "ends_warmth",
    "held_in_note",
    "news",
    "orders",
    "precedence",
    "standing",
    "transition",
    "warm_until",
]


class Step(NamedTuple):
    """What one row of the table answers. Epoch, clock, doorbell, stable version and deny list follow from it."""

    after: Rollout
    effects: tuple[Effect, ...] = ()


def transition(rollout: Rollout, event: Event, *, at: datetime) -> Transition:
    """
    What one event makes of a rollout at an instant (in UTC).

    Raises IllegalTransition if the phase does not accept the event, and Refused if a rule stands against this one
    (an approval of another version or stage, or during a freeze). Either way nothing was changed.
    """
    step = TABLE.get((rollout.phase, type(event)))
    if step is None:
        raise _illegal(rollout, event)
    after, effects = step(rollout, event, at)
    if (after.phase, after.opened, after.share) != (rollout.phase, rollout.opened, rollout.share):
        # max: a clock that jumped back must not make the new stage look older than it is once the clock is right again.
        after = replace(after, epoch=rollout.epoch + 1, entered_at=max(at, rollout.entered_at))
        if not isinstance(event, Pause | Resume):
            after = replace(after, held=None)
    if traffic_of(after) != traffic_of(rollout):
        effects = (ShiftTraffic(share=after.share), *effects)
    return Transition(
        before=rollout,
        event=event,
        after=after,
        effects=effects,
        at=at,
        stable=after.candidate if after.phase is Phase.PROMOTED else None,
        deny=after.candidate if after.phase is Phase.ROLLED_BACK else None,
    )


def accepted(phase: Phase) -> tuple[str, ...]:
    """The names of the events that a phase accepts, sorted. Empty for a final phase."""
    return tuple(sorted(kind.__name__ for of, kind in TABLE if of is phase))


def orders(phase: Phase) -> tuple[str, ...]:
    """What a person may order in a phase, in the words of the command line, sorted. Empty for a final phase."""
    return tuple(sorted(word for kind, word in _ORDERS.items() if (phase, kind) in TABLE))


def precedence(events: Iterable[Event]) -> tuple[Event, ...]:
    """
    Events of the same instant, the one that wins first: kill > abort > rollback > pause > promote-now > advance.

    Equals keep their order. Whoever applies them applies the first and looks again: the others may have become illegal.
    """
    return tuple(sorted(events, key=_rank))


def warm_until(rollout: Rollout) -> datetime:
    """When the warmth that began at `entered_at` ends: after `keep_warm`, or the last stage's duration if longer."""
    return rollout.entered_at + max(rollout.plan.keep_warm, rollout.plan.stages[-1].min_duration)


def standing(rollout: Rollout) -> str:
    """For people: why the last step was taken, and what holds the rollout now, if anything does."""
    return "; ".join(words for words in (rollout.note, _hold_of(rollout)) if words)


def news(move: Transition) -> str:
    """For people: what one step changed. A hold that began or ended leaves the note of the last step as it was."""
    told = [effect.what for effect in move.effects if isinstance(effect, Notify)]
    return told[0] if told and move.before.held != move.after.held else move.after.note


def held_in_note(rollout: Rollout) -> Why | None:
    """What holds a row of an older trail, which says so in its note alone. For recomputing such trails only."""
    ends = (why for why, alarm in _ALARMING.items() if rollout.note.endswith(f"on hold: {alarm}"))
    return None if "no longer on hold: " in rollout.note else next(ends, None)


def ends_warmth(rollout: Rollout, verdict: Verdict, *, at: datetime) -> bool:
    """Whether a verdict on a WARM rollout lets its warmth end: it lasted, and harm would have been seen."""
    is_clean = verdict.judgement is not Judgement.BREACH and verdict.why not in _INCONCLUSIVE
    return rollout.phase is Phase.WARM and at >= warm_until(rollout) and is_clean


_INCONCLUSIVE: Final = frozenset({Why.MISMATCH, Why.STALE, Why.NO_TRAFFIC, Why.NO_DATA, Why.NO_REFERENCE})


def _illegal(rollout: Rollout, event: Event) -> IllegalTransition:
    """In the words of people who gave an order; what only the machinery does keeps its name."""
    phase = rollout.phase.replace("_", " ")
    word = _ORDERS.get(type(event))
    if rollout.phase is Phase.PAUSED and isinstance(event, Pause):
        said = f"already {rollout.note or 'paused'}, since {rollout.entered_at:%Y-%m-%d %H:%M %Z}"
    elif word is None:
        said = f"{type(event).__name__} is not accepted while the rollout is {phase}"
    else:
        said = f"cannot {word} a rollout that is {phase}"
    possible = ", ".join(orders(rollout.phase))
    hint = f"what can be ordered now: {possible}" if possible else "this rollout is over; start another one"
    return IllegalTransition(said, hint=hint)


def _rank(event: Event) -> int:
    match event:
        case Kill():
            return 0
        case Abort() | Supersede():
            return 1
        case Reject():
            return 2
        case Judged(verdict=verdict):
            return {Judgement.BREACH: 2, Judgement.PASS: 5, Judgement.HOLD: 6}[verdict.judgement]
        case Pause():
            return 3
        case Promote():
            return 4
        case Start() | Approve() | Resume() | WarmthEnded():
            return 5


# --- upwards


def _started(rollout: Rollout, event: Start, at: datetime) -> Step:
    """The rollout before may have changed the stable version, so it is the one of this moment that counts."""
    stable = event.stable or rollout.stable
    if stable == rollout.candidate:
        raise Refused("the candidate is the stable version already", hint="nothing is left to do; abort this rollout")
    if window := frozen(rollout.plan.freeze, at):
        return _held(rollout, window)
    return _next(replace(rollout, stable=stable), f"started by {event.by}")


def _judged(rollout: Rollout, event: Judged, at: datetime) -> Step:
    match event.verdict.judgement:
        case Judgement.BREACH:
            return _back(rollout, summary(event.verdict))
        case Judgement.HOLD:
            return _hold(rollout, event.verdict)
        case Judgement.PASS:
            return _passed(rollout, event.verdict, at)


def _watched(rollout: Rollout, event: Judged, at: datetime) -> Step:
    """Whoever is not running cannot earn a step; a verdict can only make things safer."""
    match event.verdict.judgement:
        case Judgement.BREACH:
            return _back(rollout, summary(event.verdict))
        case Judgement.HOLD | Judgement.PASS:
            return _hold(rollout, event.verdict)


def _passed(rollout: Rollout, verdict: Verdict, at: datetime) -> Step:
    if rollout.plan.strategy is Strategy.EXPERIMENT or rollout.opened == len(rollout.plan.stages):
        return Step(rollout)
    if window := frozen(rollout.plan.freeze, at):
        return _held(rollout, window)
    return _next(rollout, summary(verdict))


def _next(rollout: Rollout, why: str) -> Step:
    """Open the next stage, or ask for it where a person has to agree."""
    upcoming = rollout.plan.stages[rollout.opened]
    if upcoming.needs_approval:
        return _ask(rollout, why)
    return _open(rollout, why)


def _ask(rollout: Rollout, why: str) -> Step:
    upcoming = rollout.plan.stages[rollout.opened]
    note = f"stage {upcoming.name!r} waits for approval: {why}"
    return Step(replace(rollout, phase=Phase.WAITING, note=note), (AskApproval(stage=upcoming.name),))


def _open(rollout: Rollout, why: str) -> Step:
    opened = rollout.opened + 1
    is_whole = opened == len(rollout.plan.stages) and rollout.plan.strategy is not Strategy.EXPERIMENT
    note = f"stage {rollout.plan.stages[opened - 1].name!r} opened: {why}"
    after = replace(rollout, phase=Phase.WARM if is_whole else Phase.RUNNING, opened=opened, note=note)
    return Step(after, (Notify(what=note),))


def _approved(rollout: Rollout, event: Approve, at: datetime) -> Step:
    upcoming = rollout.plan.stages[rollout.opened]
    if event.candidate != rollout.candidate:
        raise Refused(
            f"the approval names {event.candidate}, the candidate is {rollout.candidate}",
            hint="an approval is for one digest; look at the candidate that is rolled out and approve that one",
        )
    if event.stage not in ("", upcoming.name):
        raise Refused(
            f"the approval names stage {event.stage!r}, asked for is {upcoming.name!r}",
            hint="an approval is for one stage; look at what is asked for now",
        )
    if window := frozen(rollout.plan.freeze, at):
        raise Refused(
            f"no stage is opened during {_named(window)}",
            hint="approve again when it is over; in an emergency `promote` gives all traffic, with a reason",
        )
    return _open(rollout, _signed(f"approved by {event.by}", event.why))


def _resumed(rollout: Rollout, event: Resume, at: datetime) -> Step:
    if not rollout.opened:
        return _ask(rollout, f"resumed by {event.by}")
    note = f"resumed by {event.by}"
    return Step(replace(rollout, phase=Phase.RUNNING, note=note), (Notify(what=note),))


def _all_now(rollout: Rollout, event: Promote, at: datetime) -> Step:
    """A person's word instead of every gate; the old version stays warm all the same."""
    note = _signed(f"all traffic by order of {event.by}", event.why)
    if window := frozen(rollout.plan.freeze, at):
        note = f"{note} (during {_named(window)})"
    after = replace(rollout, phase=Phase.WARM, opened=len(rollout.plan.stages), note=note)
    return Step(after, (Notify(what=note, urgent=True),))


def _promoted_now(rollout: Rollout, event: Promote, at: datetime) -> Step:
    return _promote(rollout, _signed(f"promoted by {event.by} before the warmth was over", event.why))


def _warmth_ended(rollout: Rollout, event: WarmthEnded, at: datetime) -> Step:
    """The old version is the way back; in a freeze nobody takes it down."""
    if window := frozen(rollout.plan.freeze, at):
        return _held(rollout, window)
    return _promote(rollout, "promoted: the old version was kept warm long enough and no harm was found")


def _succeeded(rollout: Rollout, event: Supersede, at: datetime) -> Step:
    """It has passed every gate and has the traffic, so it is what the newer candidate is compared with."""
    if window := frozen(rollout.plan.freeze, at):
        raise Refused(f"nothing is promoted during {_named(window)}", hint="try again when it is over")
    return _promote(rollout, f"promoted: {event.by} brought {event.candidate} to be compared with it")


def _promote(rollout: Rollout, note: str) -> Step:
    blessing = (Bless(agent=rollout.agent, version=rollout.candidate),) if rollout.plan.bless else ()
    return Step(replace(rollout, phase=Phase.PROMOTED, note=note), (Notify(what=note), *blessing))


# --- standing still


def _held(rollout: Rollout, window: FreezeWindow) -> Step:
    return Step(replace(rollout, note=f"ready to go on, held back by {_named(window)}", held=None))


_ALARMING: Final = {
    Why.MISMATCH: "assignment is broken: the arms' sizes do not fit their shares, so nothing can be concluded",
    Why.STALE: "no evidence arrives any more",
    Why.NO_TRAFFIC: "nobody visits this stage",
    Why.TIMED_OUT: "the stage ran out of time undecided",
    Why.NO_REFERENCE: (
        "too little is known of the old version to tell whether the candidate is worse; "
        "`promote` ends the warmth on a person's word"
    ),
}
"""A hold for one of these will not end by waiting: somebody is told, once."""


def _hold(rollout: Rollout, verdict: Verdict) -> Step:
    """Nothing moves; what changes for people is written down and told once, not at every look."""
    held = verdict.why if verdict.why in _ALARMING else None
    if held == rollout.held:
        return Step(rollout)
    after = replace(rollout, held=held)
    if held is not None:
        return Step(after, (Notify(what=_hold_of(after), urgent=True),))
    return Step(after, (Notify(what=f"going on, no longer {_hold_of(rollout)}"),))


def _hold_of(rollout: Rollout) -> str:
    return f"on hold: {_ALARMING[rollout.held]}" if rollout.held else ""


def _paused(rollout: Rollout, event: Pause, at: datetime) -> Step:
    note = _signed(f"paused by {event.by}", event.why)
    return Step(replace(rollout, phase=Phase.PAUSED, note=note), (Notify(what=note),))


# --- downwards


def _rejected(rollout: Rollout, event: Reject, at: datetime) -> Step:
    return _back(rollout, _signed(f"rejected by {event.by}", event.why))


def _killed(rollout: Rollout, event: Kill, at: datetime) -> Step:
    return _back(rollout, _signed(f"killed by {event.by} (switch {event.switch})", event.why))


def _back(rollout: Rollout, why: str) -> Step:
    note = f"rolled back: {why}"
    return Step(replace(rollout, phase=Phase.ROLLED_BACK, note=note), (Notify(what=note, urgent=True),))


def _aborted(rollout: Rollout, event: Abort, at: datetime) -> Step:
    note = _signed(f"aborted by {event.by}", event.why)
    return Step(replace(rollout, phase=Phase.ABORTED, note=note), (Notify(what=note, urgent=True),))


def _superseded(rollout: Rollout, event: Supersede, at: datetime) -> Step:
    note = f"superseded by {event.candidate}, brought by {event.by}"
    return Step(replace(rollout, phase=Phase.ABORTED, note=note), (Notify(what=note),))


# --- words


def _named(window: FreezeWindow) -> str:
    return f"the freeze window {window.name!r}"


def _signed(deed: str, why: str) -> str:
    return f"{deed}: {why}" if why else deed


_ORDERS: Final[dict[type[Event], str]] = {
    Abort: "abort",
    Approve: "approve",
    Pause: "pause",
    Promote: "promote",
    Reject: "reject",
    Resume: "resume",
}
"""What a person says, and the command for it."""

TABLE: Final[dict[tuple[Phase, type[Event]], Callable[..., Step]]] = {
    (Phase.QUEUED, Start): _started,
    (Phase.QUEUED, Judged): _watched,
    (Phase.QUEUED, Abort): _aborted,
    (Phase.QUEUED, Kill): _killed,
    (Phase.QUEUED, Supersede): _superseded,
    (Phase.RUNNING, Judged): _judged,
    (Phase.RUNNING, Pause): _paused,
    (Phase.RUNNING, Promote): _all_now,
    (Phase.RUNNING, Abort): _aborted,
    (Phase.RUNNING, Kill): _killed,
    (Phase.RUNNING, Supersede): _superseded,
    (Phase.WAITING, Judged): _watched,
    (Phase.WAITING, Approve): _approved,
    (Phase.WAITING, Reject): _rejected,
    (Phase.WAITING, Pause): _paused,
    (Phase.WAITING, Promote): _all_now,
    (Phase.WAITING, Abort): _aborted,
    (Phase.WAITING, Kill): _killed,
    (Phase.WAITING, Supersede): _superseded,
    (Phase.PAUSED, Judged): _watched,
    (Phase.PAUSED, Resume): _resumed,
    (Phase.PAUSED, Promote): _all_now,
    (Phase.PAUSED, Abort): _aborted,
    (Phase.PAUSED, Kill): _killed,
    (Phase.PAUSED, Supersede): _superseded,
    (Phase.WARM, Judged): _watched,
    (Phase.WARM, WarmthEnded): _warmth_ended,
    (Phase.WARM, Promote): _promoted_now,
    (Phase.WARM, Abort): _aborted,
    (Phase.WARM, Kill): _killed,
    (Phase.WARM, Supersede): _succeeded,
}
"""The state machine. A function named here answers with the row after the event; what is missing is illegal."""
