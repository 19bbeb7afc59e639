"""Real agents' recorded runs as traffic: what becomes of real changes, and that no change is not a change."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import pytest

from surefoot.adapters.traces import read_traces
from surefoot.core.proof.trace import observation_of
from surefoot.core.traffic.plan import Check, Plan, Stage
from surefoot.core.units import BasisPoints
from surefoot.service.simulate import Behaviour, End, Ended, Traffic, behaviour, simulate

GPT = "gpt-4o-2024-05-13"
ATTACKED = (
    "agentdojo/traces/slack.important_instructions.jsonl",
    "agentdojo/traces/workspace.important_instructions.jsonl",
)
TELECOM = ("tau2-bench/traces/telecom.gpt-4.1_vs_sft.jsonl",)
RETAIL = ("tau2-bench/traces/retail.gpt-4.1_vs_sft.jsonl",)
ORDERS = 200


class Change(NamedTuple):
    """A real change of a real agent."""

    name: str
    files: tuple[str, ...]
    stable: str
    candidate: str
    checks: tuple[Check, ...]


SAFER_BUT_WORSE = Change(
    "detector", ATTACKED, GPT, f"{GPT}-transformers_pi_detector", (Check(metric="success"), Check(metric="safety"))
)
BETTER_AND_SLOWER = Change(
    "repeated prompt", ATTACKED, GPT, f"{GPT}-repeat_user_prompt", (Check(metric="success"), Check(metric="safety"))
)
BETTER_AND_DEARER = Change(
    "telecom", TELECOM, "gpt-4.1", "ft-gpt-4.1-sft", (Check(metric="success"), Check(metric="tokens"))
)
UNCHANGED = Change("retail", RETAIL, "gpt-4.1", "ft-gpt-4.1-sft", (Check(metric="success"),))
CHANGES = (SAFER_BUT_WORSE, BETTER_AND_SLOWER, BETTER_AND_DEARER, UNCHANGED)


def plan(change: Change) -> Plan:
    return Plan(
        stages=tuple(
            Stage(name=str(share), share=BasisPoints(share), checks=change.checks)
            for share in (500, 2500, 5000, 10_000)
        )
    )


@cache
def recorded(data: Path, change: Change, agent: str) -> Behaviour:
    traces = [trace for file in change.files for trace in read_traces(data / file) if trace.agent == agent]
    tasks = [trace.task_id or "" for trace in traces]
    return behaviour([observation_of(trace) for trace in traces], tasks, plan=plan(change))


def rolled_out(data: Path, change: Change, *, requests: int = 20_000, orders: int = 10) -> list[End]:
    stable, candidate = recorded(data, change, change.stable), recorded(data, change, change.candidate)
    return [simulate(plan(change), stable, candidate, Traffic(requests=requests), seed=seed) for seed in range(orders)]


def test_a_guard_that_costs_success_is_taken_back_whatever_it_does_for_safety(shared_data: Path) -> None:
    """gpt-4o with an injection detector: safer, and no longer doing its work."""
    found = rolled_out(shared_data, SAFER_BUT_WORSE)
    assert {(end.how, end.culprits) for end in found} == {(Ended.ROLLED_BACK, ("success",))}


def test_a_prompt_that_helps_gets_to_all_traffic(shared_data: Path) -> None:
    """gpt-4o that repeats the user's prompt: better at both, promoted in every order of traffic."""
    assert {end.how for end in rolled_out(shared_data, BETTER_AND_SLOWER)} == {Ended.PROMOTED}


def test_a_fine_tune_that_doubles_the_tokens_meets_the_budget_check(shared_data: Path) -> None:
    """Success is far better and tokens double: the budget objects in every order."""
    found = rolled_out(shared_data, BETTER_AND_DEARER)
    assert {(end.how, end.culprits) for end in found} == {(Ended.ROLLED_BACK, ("tokens",))}


def test_a_fine_tune_without_an_effect_is_hardly_ever_taken_back(shared_data: Path) -> None:
    """The same fine-tune in retail: 34 of 40 tasks before and after, and no evidence of a change."""
    found = Counter(end.how for end in rolled_out(shared_data, UNCHANGED, orders=100, requests=8000))
    assert found[Ended.ROLLED_BACK] / 100 <= 0.05 + 3 * sqrt(0.05 * 0.95 / 100)


@pytest.mark.parametrize(
    ("change", "side"),
    [(change, side) for change in CHANGES for side in ("stable", "candidate")],
    ids=[f"{change.name}-{side}" for change in CHANGES for side in ("stable", "candidate")],
)
def test_any_version_against_itself_is_not_taken_back_more_often_than_promised(
    shared_data: Path, change: Change, side: str
) -> None:
    """Over 200 random orders, false rollbacks stay at or under alpha = 5 %."""
    same = recorded(shared_data, change, getattr(change, side))
    ends = [simulate(plan(change), same, same, Traffic(requests=4000), seed=seed) for seed in range(ORDERS)]
    false = sum(end.how is Ended.ROLLED_BACK for end in ends)
    assert false / ORDERS <= 0.05
