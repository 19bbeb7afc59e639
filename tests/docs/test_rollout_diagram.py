"""docs/rollouts.md is drawn from the machine's table: nothing on it can be out of date or left out."""

from __future__ import annotations

from scripts.draw_rollout import edges, mermaid, rollouts_page
from scripts.generate_docs import MADE_BY, REPOSITORY
from surefoot.core.lifecycle.machine import TABLE
from surefoot.core.lifecycle.rollout import Judged, Phase


def test_the_page_is_what_the_code_says():
    """A change of the table without `make docs` is a red build."""
    assert (REPOSITORY / "docs" / "rollouts.md").read_text(encoding="utf-8") == MADE_BY + rollouts_page()


def test_every_row_of_the_table_is_on_the_page():
    """Each accepted pair was tried out with rollouts that show where it may lead."""
    names = {"PASS": Judged.__name__, "HOLD": Judged.__name__, "BREACH": Judged.__name__}
    drawn = {(edge.source, names.get(edge.event, edge.event)) for edge in edges()}
    assert drawn == {(phase, kind.__name__) for phase, kind in TABLE}


def test_every_phase_can_be_reached_and_left():
    """No phase is a trap, and none is there for nothing."""
    moving = [edge for edge in edges() if edge.moves]
    assert {edge.target for edge in moving} | {Phase.QUEUED} == set(Phase)
    assert {edge.source for edge in moving} == {phase for phase in Phase if not phase.is_final}
    for phase in Phase:
        assert f"{phase.value} " in mermaid() + " "
