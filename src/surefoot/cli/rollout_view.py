"""A rollout on a terminal: the ladder, the evidence as bars, and what comes next in words."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..core.lifecycle.comparison import Comparison
from ..core.lifecycle.rollout import Phase
from ..core.traffic.presets import share_text
from ..service.explain import Explained, Recomputed
from ..service.met import Met
from ..service.shadow_view import ShadowView
from ..service.views import Bar, Line, RolloutView, StageView
from .output import console, say, say_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

__all__ = [
    "Screen",
    "rendered",
    "say_comparison",
    "say_explained",
    "say_lines",
    "say_now",
    "say_recomputed",
    "say_shadow",
    "say_view",
    "watch_view",
]

_BAR: Final = 20
_SHORT_BAR: Final = 10
_WIDE: Final = 118
"""Columns that the whole evidence takes; on a narrower terminal bars are short, and thresholds are left out."""

_COLOURS: Final = {
    Phase.PROMOTED: "green",
    Phase.WARM: "green",
    Phase.ROLLED_BACK: "red",
    Phase.ABORTED: "red",
    Phase.WAITING: "yellow",
    Phase.PAUSED: "yellow",
}
_ALARMS: Final = ("harm", "limit", "count", "assignment")
"""Questions whose full bar is bad news; a full bar of proof is good news."""


class Screen:
    """A live view that is drawn again in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, now: RolloutView) -> None:
        """Draw the rollout as it is now."""
        self._live.update(rendered(now, width=self._live.console.width), refresh=True)


@contextmanager
def watch_view() -> Generator[Screen]:
    """A live view until the block ends; the last picture stays on the terminal."""
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        yield Screen(live)


def say_view(now: RolloutView) -> None:
    """One picture of a rollout."""
    screen = console()
    screen.print(rendered(now, width=screen.width))


def say_lines(found: Sequence[Line]) -> None:
    """A list of rollouts."""
    if not found:
        say("no rollout is under way: start one with `surefoot rollout start AGENT LABEL`, or see --all")
        return
    say_table(
        ("id", "agent", "phase", "stage", "share", "stable", "candidate", "since", "why"),
        [
            (
                line.id,
                line.agent,
                line.phase.replace("_", " "),
                line.stage,
                share_text(line.share),
                line.stable,
                line.candidate,
                f"{line.entered_at:%Y-%m-%d %H:%M}",
                line.note,
            )
            for line in found
        ],
    )


def say_explained(steps: Sequence[Explained]) -> None:
    """Every step, why it was taken, and the numbers behind it."""
    for step in steps:
        say(f"{step.sequence}. {step.at:%Y-%m-%d %H:%M:%S %Z}  {step.headline}  (by {step.by})", f"   {step.why}")
        for number in step.numbers:
            if number not in step.why:
                say(f"     - {number}")


def say_comparison(rows: Sequence[Comparison], met: Met) -> None:
    """Both versions side by side. Shows what nobody checked, too; nothing is decided on it."""
    if met.candidate or met.stable:
        say("", met.words)
    if rows:
        say("", "both versions side by side, everything that was recorded:", *(f"  {row.words}" for row in rows))


def say_shadow(shadow: ShadowView | None) -> None:
    """What the pairs of its shadow stage showed, if its plan has one."""
    if shadow is not None:
        say("", "in shadow, the same requests answered by both versions:", *(f"  {what}" for what in shadow.words))


def say_now(now: RolloutView) -> None:
    """What the evidence says of a rollout that is under way, and what it waits for."""
    if not now.is_final:
        said = [("now", now.verdict), ("next", now.next_step)]
        say("", *(f"{word}: {what}" for word, what in said if what))


def say_recomputed(found: Recomputed) -> None:
    """Which decisions were reached again."""
    say("")
    for decision in found.decisions:
        exactly = f"to within {decision.off_by:.1e}" if decision.off_by else "exactly"
        ticks = f" {exactly} from ticks 1 to {decision.ticks}" if decision.ticks else ""
        verdict = f"reproduced{ticks}" if decision.is_reproduced else f"NOT reproduced: {decision.why_not}"
        say(f"{decision.sequence:>4}  {decision.event:<12} {verdict}")
    if found.chain is not None:
        say(f"the audit trail was changed at record {found.chain.sequence}: {found.chain.why}")
    say("every decision is reproduced" if found.is_reproduced else "this run is NOT reproduced")


def rendered(now: RolloutView, *, width: int = _WIDE) -> RenderableType:
    """The picture for so many columns: heading, ladder, evidence, and the next step."""
    from rich.console import Group

    parts: list[RenderableType] = [_heading(now), _ladder(now.stages, now.phase), *_notices(now)]
    if now.evidence:
        parts.append(_evidence(now.evidence, is_wide=width >= _WIDE))
    return Group(*parts, *_pairs(now.shadow), *_words(now))


def _heading(now: RolloutView) -> Text:
    from rich.text import Text

    text = Text()
    text.append(f"{now.agent}  ", style="bold")
    text.append(f"{now.stable.label} {share_text(now.stable.share)}", style="cyan")
    text.append("  ->  ")
    text.append(f"{now.candidate.label} {share_text(now.candidate.share)}", style="magenta")
    text.append(f"   {now.phase.replace('_', ' ').upper()}", style=f"bold {_COLOURS.get(now.phase, 'blue')}")
    text.append(f"   rollout {now.id}", style="dim")
    return text


def _ladder(stages: Sequence[StageView], phase: Phase) -> Text:
    from rich.text import Text

    marks = {"passed": ("●", "green"), "open": ("◉", "bold blue"), "asked": ("?", "bold yellow"), "ahead": ("○", "dim")}
    text = Text()
    for place, stage in enumerate(stages):
        mark, style = marks[stage.state]
        if phase in (Phase.ROLLED_BACK, Phase.ABORTED) and stage.state == "passed":
            style = "dim"
        text.append(" ── " if place else "", style="dim")
        text.append(f"{mark} {stage.name}", style=style)
    return text


def _notices(now: RolloutView) -> list[Text]:
    from rich.text import Text

    said = [("frozen by", now.frozen_by), ("killed by", now.killed_by)]
    return [Text(f"{word} {what}", style="bold yellow") for word, what in said if what]


def _evidence(bars: Sequence[Bar], *, is_wide: bool) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1) if is_wide else (0, 2, 0, 0))
    columns = ("metric", "question", "evidence", "of", "stable", "candidate", "units needed")
    width = _BAR if is_wide else _SHORT_BAR
    for column in columns if is_wide else columns[:3] + columns[4:6]:
        table.add_column(column, min_width=width if column == "evidence" else None)
    for bar in bars:
        filled = round(width * bar.fill)
        alarming = bar.question in _ALARMS
        colour = ("red" if alarming else "green") if bar.is_reached else ("yellow" if alarming else "blue")
        drawn = Text("█" * filled, style=colour) + Text("·" * (width - filled), style="dim")
        numbers = [f"{bar.ln_e:+.2f} / {bar.threshold:.2f}"] if is_wide else []
        numbers += [bar.shown_stable, bar.shown_candidate]
        if is_wide:
            numbers.append("" if bar.units_needed is None else f"{bar.units_needed:,}")
        table.add_row(bar.metric or "ALL", bar.question, drawn, *numbers)
    return table


def _pairs(shadow: ShadowView | None) -> list[Text]:
    from rich.text import Text

    if shadow is None:
        return []
    marks = ["   shadow: ", *("           " for _ in shadow.words[1:])]
    return [Text(mark, style="dim") + Text(what) for mark, what in zip(marks, shadow.words, strict=True)]


def _words(now: RolloutView) -> list[Text]:
    from rich.text import Text

    # Of a rollout that is over, the last step tells what the evidence said.
    said = [("now", "" if now.is_final else now.verdict), ("last step", now.note), ("next", now.next_step)]
    return [Text(f"{word:>9}: ", style="dim") + Text(what) for word, what in said if what]
