"""
Real changes of real agents through the whole of it: router, fold, store, controller, audit.

Recorded tasks are drawn with replacement as traffic, nulls as they are; the route decides whose recorded run answers.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.adapters.traces import read_traces
from surefoot.app.control import Control
from surefoot.client.counting import assignment_of
from surefoot.client.router import Router
from surefoot.core.artifact.version import AgentVersion, ModelRef, Prompt
from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.observation import Observation, Record
from surefoot.core.evidence.run_id import unit_hash
from surefoot.core.lifecycle.comparison import Comparison
from surefoot.core.lifecycle.rollout import Phase, Rollout
from surefoot.core.proof.trace import observation_of
from surefoot.core.traffic.plan import Check, Plan, Stage, UnitKind
from surefoot.core.traffic.route import AgentTraffic
from surefoot.core.units import AgentName, BasisPoints, Nanos
from surefoot.service import rollouts
from surefoot.service.cases import Cases
from surefoot.service.explain import Explained, explain, recompute
from surefoot.service.reconcile import reconcile
from surefoot.store.memory import MemoryFeed, MemoryStore
from surefoot.testing.clock import ManualClock, SequentialIds

AGENT = AgentName("real-agent")
GPT = "gpt-4o-2024-05-13"
ATTACKED = (
    "agentdojo/traces/slack.important_instructions.jsonl",
    "agentdojo/traces/workspace.important_instructions.jsonl",
)
TELECOM = ("tau2-bench/traces/telecom.gpt-4.1_vs_sft.jsonl",)
RETAIL = ("tau2-bench/traces/retail.gpt-4.1_vs_sft.jsonl",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended, and what people are told."""

    row: Rollout
    steps: tuple[Explained, ...]
    both: dict[str, Comparison]
    exposed: int
    is_reproduced: bool


def side(row: Comparison) -> str:
    """What the interval of a rate says by itself."""
    if row.low is None or row.high is None:
        return "not known"
    return "worse" if row.low > 0 else "better" if row.high < 0 else "not clear"


def version(label: str, name: str) -> AgentVersion:
    """Two labels are two versions, also when the same recorded agent stands behind both."""
    model = ModelRef(provider="recorded", name=name)
    return AgentVersion(agent=AGENT, label=label, model=model, prompt=Prompt(system=f"as recorded, {label}"))


def plan(checks: tuple[Check, ...]) -> Plan:
    stages = tuple(
        Stage(name=f"{share // 100}%", share=BasisPoints(share), checks=checks) for share in (500, 2500, 5000, 10_000)
    )
    return Plan(stages=stages, unit=UnitKind.USER, session_idle=timedelta(seconds=5))


async def roll_out(
    data: Path, files: tuple[str, ...], agents: tuple[str, str], *metrics: str, requests: int = 20_000, seed: int = 7
) -> Ended:
    """Stable and candidate by name; until the rollout is decided or the requests are over."""
    old, new = version("stable", agents[0]), version("candidate", agents[1])
    runs: dict[str, list[Observation]] = {old.digest: [], new.digest: []}
    for trace in (trace for file in files for trace in read_traces(data / file)):
        for one, name in zip((old, new), agents, strict=True):
            if trace.agent == name:
                runs[one.digest].append(observation_of(trace))
    store, clock, ids, chance = MemoryStore(), ManualClock(), SequentialIds(), random.Random(seed)
    control = Control(project=data, store=store, clock=clock, ids=ids, cases=Cases(store))
    await store.put_version(old)
    await store.put_version(new)
    await store.set_traffic(AgentTraffic(agent=AGENT, stable=old.digest))
    checks = tuple(Check(metric=name) for name in metrics)
    row = await rollouts.start(AGENT, new.digest, plan(checks), by="ann", store=store, clock=clock, ids=ids)
    router, fold = Router(MemoryFeed(store)), Fold("test")
    number = exposed = 0
    while number < requests and row.phase not in (Phase.WARM, Phase.ROLLED_BACK):
        for _ in range(100):
            number += 1
            route = router.decide(AGENT, f"user-{number}")
            exposed += route.serve == new.digest
            at = Nanos(int(clock.now().timestamp()) * 10**9)
            unit = unit_hash(f"user-{number}")
            seen = chance.choice(runs[route.serve])
            fold.add(Record(f"run-{number}", assignment_of(route), unit, at, seen, idle=Nanos(5 * 10**9)))
        clock.advance(timedelta(seconds=11))
        await store.absorb(fold.cut(Nanos(int(clock.now().timestamp()) * 10**9)))
        await reconcile(row.id, store=store, clock=clock, cases=control.cases)
        row = (await store.rollout(row.id)).rollout
    records, ticks = await store.audit(row.id), await store.ticks(row.id)
    return Ended(
        row=row,
        steps=explain(records),
        both={found.metric: found for found in await control.comparison(row.id)},
        exposed=exposed,
        is_reproduced=recompute(records, ticks, row=row).is_reproduced,
    )


def test_a_detector_that_makes_it_safer_and_useless_is_taken_back_and_the_report_says_both(shared_data: Path) -> None:
    """gpt-4o -> gpt-4o with an injection detector: safety gains, success collapses."""
    ended = asyncio.run(roll_out(shared_data, ATTACKED, (GPT, f"{GPT}-transformers_pi_detector"), "success", "safety"))
    assert ended.row.phase is Phase.ROLLED_BACK
    assert "success" in ended.steps[-1].why
    assert ended.both["success"].change > 0.1
    assert ended.both["safety"].change < -0.2
    assert side(ended.both["success"]) == "worse"
    assert side(ended.both["safety"]) == "better"
    assert ended.exposed < 300
    assert ended.is_reproduced


def test_a_prompt_that_helps_is_promoted_and_its_price_in_latency_is_told(shared_data: Path) -> None:
    """gpt-4o -> repeat the user's prompt: better at both checks, and slower, which nobody checked."""
    ended = asyncio.run(roll_out(shared_data, ATTACKED, (GPT, f"{GPT}-repeat_user_prompt"), "success", "safety"))
    assert ended.row.phase is Phase.WARM
    assert side(ended.both["success"]) == "better"
    assert ended.both["latency"].change > 0.1
    assert "instead of" in ended.both["latency"].words
    assert ended.is_reproduced


def test_a_fine_tune_that_doubles_the_tokens_is_stopped_by_its_budget(shared_data: Path) -> None:
    """tau2 telecom, gpt-4.1 -> its fine-tune: success is better, tokens double, and the budget objects."""
    ended = asyncio.run(roll_out(shared_data, TELECOM, ("gpt-4.1", "ft-gpt-4.1-sft"), "success", "tokens"))
    assert ended.row.phase is Phase.ROLLED_BACK
    assert "tokens" in ended.steps[-1].why
    assert ended.both["success"].change < -0.1
    assert ended.both["tokens"].change > 0.5
    assert ended.both["cost"].candidate is None, "the fine-tune's price was never recorded, and is not zero"
    assert ended.is_reproduced


def test_a_fine_tune_without_effect_gives_no_evidence_of_change(shared_data: Path) -> None:
    """tau2 retail, the same pair: 34 of 40 before and after, so nothing is held against it."""
    ended = asyncio.run(roll_out(shared_data, RETAIL, ("gpt-4.1", "ft-gpt-4.1-sft"), "success", requests=6_000))
    assert ended.row.phase is not Phase.ROLLED_BACK
    assert side(ended.both["success"]) == "not clear"
    assert ended.is_reproduced


@pytest.mark.parametrize("name", [GPT, f"{GPT}-repeat_user_prompt"])
def test_a_version_against_itself_is_hardly_ever_taken_back(shared_data: Path, name: str) -> None:
    """The same runs under two labels, ten times: alpha allows one false rollback in twenty."""

    async def twins(seed: int) -> Ended:
        return await roll_out(shared_data, ATTACKED, (name, name), "success", "safety", requests=2_000, seed=seed)

    phases = [asyncio.run(twins(seed)).row.phase for seed in range(10)]
    assert phases.count(Phase.ROLLED_BACK) <= 1
