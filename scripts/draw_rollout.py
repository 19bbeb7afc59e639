#!/usr/bin/env python3
"""Draw the life of a rollout from its table of transitions. `scripts/generate_docs.py` writes it to docs/rollouts.md.

Nothing about the machine is written here: every accepted pair of phase and event is tried out on rollouts that differ
in what a step may look at (stages left, approvals, experiment, freeze), and what comes out is drawn.
"""

from __future__ import annotations

import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from surefoot.core.evidence.verdict import Judgement, Look, Verdict, Why
from surefoot.core.lifecycle import machine
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.rollout import Phase, Rollout
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.core.traffic.plan import Check, Plan, Stage, Strategy
from surefoot.core.units import AgentName, BasisPoints, Digest, RolloutId
from surefoot.errors import Refused

__all__ = ["Edge", "edges", "mermaid", "rollouts_page"]

NOW: Final = datetime(2026, 1, 5, tzinfo=UTC)
CANDIDATE: Final = Digest("sha256:new")


class Edge(NamedTuple):
    """One thing that can happen, and where it leads."""

    source: Phase
    event: str
    target: Phase
    moves: bool
    """False: everything stays as it is."""


def edges() -> list[Edge]:
    """Everything that can happen, in the order of phases and of the table."""
    seen: dict[Edge, None] = {}
    for (phase, kind), row in itertools.product(machine.TABLE, _rollouts()):
        if row.phase is phase:
            for label, event in _events(kind):
                try:
                    after = machine.transition(row, event, at=NOW).after
                except Refused:
                    continue
                seen[Edge(phase, label, after.phase, after.epoch != row.epoch)] = None
    return sorted(seen, key=lambda edge: (list(Phase).index(edge.source), list(Phase).index(edge.target)))


def mermaid() -> str:
    """The diagram; what only stays where it is is left out."""
    arrows: dict[tuple[Phase, Phase], list[str]] = defaultdict(list)
    for edge in edges():
        if edge.moves:
            arrows[edge.source, edge.target].append(edge.event)
    lines = ["stateDiagram-v2", f"    [*] --> {_id(Phase.QUEUED)}"]
    lines += [
        f"    {_id(source)} --> {_id(target)}: {', '.join(labels)}" for (source, target), labels in arrows.items()
    ]
    lines += [f"    {_id(phase)} --> [*]" for phase in Phase if phase.is_final]
    return "\n".join(lines)


def rollouts_page() -> str:
    """The page: diagram, phases, and what each phase makes of each event."""
    by_pair: dict[tuple[Phase, str], list[str]] = defaultdict(list)
    labels: dict[str, None] = {}
    for edge in edges():
        labels[edge.event] = None
        where = "stays" if not edge.moves else "next stage" if edge.source is edge.target else edge.target.value
        if where not in by_pair[edge.source, edge.event]:
            by_pair[edge.source, edge.event].append(where)
    live = [phase for phase in Phase if not phase.is_final]
    return "\n".join(
        [
            "# The life of a rollout",
            "",
            "A rollout is in one phase at a time, and one table says what each phase makes of each event. What is not",
            "in the table is refused with the list of what would be accepted, and changes nothing. PASS, HOLD and",
            "BREACH are verdicts on the evidence; the other words are orders of people or facts.",
            "",
            "```mermaid",
            mermaid(),
            "```",
            "",
            "## What happens when",
            "",
            f"| event | {' | '.join(phase.value for phase in live)} |",
            f"|---|{'---|' * len(live)}",
            *(_row(label, [by_pair.get((phase, label), []) for phase in live]) for label in _in_order(labels)),
            "",
            "Two answers in one cell: it depends on whether stages are left, the next one needs an approval, the plan",
            "is an experiment (which never advances by itself), or the calendar is frozen (which never delays a way",
            "down). An empty cell is refused.",
            "",
            "## Decisions",
            "",
            *_decisions(),
            "",
        ]
    )


def _row(label: str, cells: list[list[str]]) -> str:
    return f"| {label} | {' | '.join(' or '.join(cell) for cell in cells)} |"


def _in_order(labels: Iterable[str]) -> list[str]:
    """As in the list of events, verdicts together."""
    order = [label for kind in _KINDS for label, _ in _events(kind)]
    return sorted(labels, key=order.index)


def _decisions() -> list[str]:
    """The bullet points of the machine's own description."""
    text = inspect.getdoc(machine) or ""
    return text[text.index("* **") :].splitlines()


def _rollouts() -> Iterator[Rollout]:
    """Rollouts in every phase that differ in all that a step may look at."""
    checks = (Check(metric="success"),)

    def stage(name: str, share: int, *, asks: bool = False) -> Stage:
        return Stage(name=name, share=BasisPoints(share), checks=checks, needs_approval=asks)

    ladders = [
        (stage("a", 100), stage("b", 1_000), stage("c", 10_000)),
        (stage("a", 100, asks=True), stage("b", 1_000, asks=True), stage("c", 10_000)),
        (stage("a", 100), stage("c", 10_000, asks=True)),
        (stage("c", 10_000),),
    ]
    halves = [(stage("half", 5_000),), (stage("half", 5_000, asks=True),)]
    planned = [(Strategy.CANARY, stages) for stages in ladders] + [(Strategy.EXPERIMENT, stages) for stages in halves]
    freezes: tuple[tuple[FreezeWindow, ...], ...] = ((), (FreezeWindow(name="always"),))
    for (strategy, stages), freeze in itertools.product(planned, freezes):
        plan = Plan(stages=stages, strategy=strategy, freeze=freeze)
        for phase, opened in itertools.product(Phase, range(len(stages) + 1)):
            if _is_possible(plan, phase, opened):
                yield replace(_row_of(plan), phase=phase, opened=opened, epoch=1)


def _is_possible(plan: Plan, phase: Phase, opened: int) -> bool:
    whole = len(plan.stages)
    is_experiment = plan.strategy is Strategy.EXPERIMENT
    match phase:
        case Phase.QUEUED:
            return opened == 0
        case Phase.RUNNING:
            return opened > 0 and (opened < whole or is_experiment)
        case Phase.WAITING | Phase.PAUSED:
            return opened < whole and (plan.stages[opened].needs_approval or (phase is Phase.PAUSED and opened > 0))
        case Phase.WARM:
            return opened == whole
        case _:
            return False


def _row_of(plan: Plan) -> Rollout:
    return Rollout(
        id=RolloutId("r"),
        agent=AgentName("agent"),
        stable=Digest("sha256:old"),
        candidate=CANDIDATE,
        plan=plan,
        seed=0,
        author="ann",
        created_at=NOW,
        entered_at=NOW,
    )


def _judged(judgement: Judgement) -> ro.Judged:
    verdict = Verdict(judgement=judgement, why=Why.GATHERING, tick=0, ln_e_average=0.0)
    return ro.Judged(verdict=verdict, look=Look(at=NOW, stage=0, entered_at=NOW))


_ORDERS: Final[Mapping[type[ro.Event], ro.Event]] = {
    type(event): event
    for event in (
        ro.Start(by="ann"),
        ro.Approve(by="ann", candidate=CANDIDATE),
        ro.Reject(by="ann", why="why"),
        ro.Pause(by="ann"),
        ro.Resume(by="ann"),
        ro.Promote(by="ann", why="why"),
        ro.Abort(by="ann", why="why"),
        ro.Kill(switch="k", by="ann", why="why"),
        ro.Supersede(by="ann", candidate=Digest("sha256:newer")),
        ro.WarmthEnded(),
    )
}
_KINDS: Final = (ro.Start, ro.Judged, *(kind for kind in _ORDERS if kind is not ro.Start))


def _events(kind: type[ro.Event]) -> list[tuple[str, ro.Event]]:
    if kind is ro.Judged:
        return [(judgement.name, _judged(judgement)) for judgement in Judgement]
    return [(kind.__name__, _ORDERS[kind])]


def _id(phase: Phase) -> str:
    return phase.value


if __name__ == "__main__":
    print(mermaid())
