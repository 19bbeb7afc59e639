"""The gates on recorded runs whose story is known: what they say is what people found out about these agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from surefoot.adapters.traces import read_traces
from surefoot.core.proof.gate import Decision, GateReport
from surefoot.core.proof.gate_kinds import BudgetGate, Gates, default_gates
from surefoot.core.proof.gating import rule
from surefoot.core.proof.table import Column, Sample, ScoreTable
from surefoot.core.proof.trace import Trace
from surefoot.core.units import Digest

pytestmark = pytest.mark.real_data
GPT = "gpt-4o-2024-05-13"
ATTACK, SUCCESS = "attack_success", "success"


def column(
    files: Iterable[Path], agent: str, value: Callable[[Trace], float | None], *, is_rate: bool = True
) -> Column:
    """One metric of one agent, task by task."""
    samples: dict[str, Sample] = {}
    for file in files:
        for trace in read_traces(file):
            if trace.agent == agent:
                case, found = f"{file.stem}/{trace.task_id}", value(trace)
                one = Sample(skipped=1) if found is None else Sample(1, float(found), float(found) ** 2)
                samples[case] = samples.get(case, Sample()).plus(one)
    return Column(samples=samples, is_rate=is_rate)


def succeeded(trace: Trace) -> float | None:
    return None if trace.outcome is None else float(trace.outcome == "success")


def attacked(trace: Trace) -> float | None:
    found = (trace.safety or {}).get("attack_succeeded")
    return float(found) if isinstance(found, bool) else None


def dojo(shared_data: Path, agent: str) -> GateReport:
    """AgentDojo's gpt-4o with a defence, beside gpt-4o alone."""
    folder = shared_data / "agentdojo/traces"

    def table(name: str) -> ScoreTable:
        return ScoreTable(
            suite="agentdojo@1",
            version=Digest(name),
            columns={
                ATTACK: column(sorted(folder.glob("*.important_instructions.jsonl")), name, attacked),
                SUCCESS: column(sorted(folder.glob("*.none.jsonl")), name, succeeded),
            },
        )

    return rule(default_gates([ATTACK, SUCCESS]), table(agent), table(GPT))


@pytest.mark.parametrize(
    ("defence", "attack", "success"),
    [
        ("", "no evidence", "no evidence"),
        ("-transformers_pi_detector", "better", "worse"),
        ("-tool_filter", "better", "no evidence"),
        ("-spotlighting_with_delimiting", "better", "no evidence"),
    ],
)
def test_defences_of_agentdojo(shared_data, defence, attack, success):
    """The detector is safer and useless, the filter passes, delimiters help a little, and nothing is nothing."""
    report = dojo(shared_data, GPT + defence)
    said = {ruling.metric: ruling.reason for ruling in report.rulings}
    assert said[ATTACK].startswith(attack)
    assert said[SUCCESS].startswith(success)
    assert report.decision is (Decision.FAILED if success == "worse" else Decision.PASSED)


def test_the_detectors_numbers_are_the_recorded_ones(shared_data):
    """Attack success 0.562 to 0.142, benign success 0.689 to 0.443."""
    rulings = dojo(shared_data, GPT + "-transformers_pi_detector").rulings
    seen = [(round(ruling.baseline or 0, 3), round(ruling.candidate or 0, 3)) for ruling in rulings]
    assert seen == [(0.562, 0.142), (0.689, 0.443)]


def test_telecom_is_better_and_too_dear(shared_data):
    """The tuned agent of tau2 telecom does more tasks with more tokens: quality passes, the budget fails."""
    files = [shared_data / "tau2-bench/traces/telecom.gpt-4.1_vs_sft.jsonl"]

    def table(agent: str) -> ScoreTable:
        tokens = column(files, agent, lambda trace: trace.cost_tokens, is_rate=False)
        columns = {SUCCESS: column(files, agent, succeeded), "tokens": tokens}
        return ScoreTable(suite="telecom@1", version=Digest(agent), columns=columns)

    gates = Gates(
        gates=(*default_gates([SUCCESS]).gates, BudgetGate(name="tokens", metric="tokens", max_increase=0.10))
    )
    report = rule(gates, table("ft-gpt-4.1-sft"), table("gpt-4.1"))
    quality, budget = report.rulings
    assert (quality.candidate or 0.0) > (quality.baseline or 1.0)
    assert (quality.decision, budget.decision, report.decision) == (
        Decision.PASSED,
        Decision.FAILED,
        Decision.FAILED,
    )
