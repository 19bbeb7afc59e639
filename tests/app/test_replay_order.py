"""Which version goes first: whoever does pays for what is cold, so it must not always be the same one."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from surefoot.app.replay_parts import ReplaySpec
from surefoot.app.replaying import PlannedReplay, planned_replay
from surefoot.core.proof.replay import Level
from surefoot.core.proof.score import Attempt, Result, Score
from surefoot.ports.workers import Finished
from surefoot.store.results import MemoryResults
from tests.service.replay_projects import project


class Cold(NamedTuple):
    """Milliseconds that the first one takes longer, of a trace and of a batch."""

    trace: float = 0.0
    batch: float = 0.0


class SimulatedWorkers:
    """Runs nothing: its clock says 50 ms a run, and more for whoever is cold."""

    def __init__(self, cold: Cold) -> None:
        self._cold = cold
        self.made: list[Attempt] = []

    def run(self, _, batches):
        seen = set()
        for batch in batches:
            results = []
            for place, job in enumerate(batch.jobs):
                took = 50.0 + self._cold.batch * (place == 0) + self._cold.trace * (job.attempt.case not in seen)
                seen.add(job.attempt.case)
                results.append(Result(attempt=job.attempt, scores=scores(took)))
                self.made.append(job.attempt)
            yield Finished(batch, results)


def scores(took: float) -> tuple[Score, ...]:
    """Of a run with nothing to say but how long it took."""
    return (
        Score.scored("success", 1.0, passed=True),
        Score.scored("diverged", 0.0, passed=None),
        Score.scored("latency_ms", took, passed=None),
    )


def planned(root, count: int = 400) -> PlannedReplay:
    """A version against itself."""
    project(root, count)
    spec = ReplaySpec(root=root, level=Level.RUN)
    return planned_replay(root / "tape.jsonl", spec, baseline="good", candidate="good")


@pytest.mark.parametrize("cold", [Cold(trace=20.0), Cold(batch=20.0), Cold(trace=9.0, batch=30.0)])
def test_a_version_against_itself_is_not_slower_for_going_first(tmp_path, cold):
    """Whether the first run of a trace is cold or the first of a batch: both versions are it equally often."""
    found = planned(tmp_path).run(workers=SimulatedWorkers(cold), results=MemoryResults())
    [latency] = found.ratios
    assert latency.metric == "latency_ms"
    assert latency.p_value is not None
    assert latency.p_value > 0.05


def test_a_resumed_replay_keeps_the_order_of_a_whole_one(tmp_path):
    """Which one goes first depends on the trace's place alone: what was done before changes it for no other trace."""
    plan, whole, rest = planned(tmp_path, 40), SimulatedWorkers(Cold()), SimulatedWorkers(Cold())
    plan.run(workers=whole, results=MemoryResults())
    kept = MemoryResults()
    kept.begin(plan.order.run)
    done = whole.made[:7] + whole.made[30:33]
    kept.append(plan.order.run.id, [Result(attempt=attempt, scores=scores(50.0)) for attempt in done])
    plan.run(workers=rest, results=kept)
    assert rest.made == [attempt for attempt in whole.made if attempt not in done]
