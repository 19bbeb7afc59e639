"""One view model: what it shows is what is stored and judged, in words."""

from __future__ import annotations

import json
from datetime import time

import msgspec
import pytest

from surefoot.core.evidence.verdict import Finding, FindingKind, Judgement, Why
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.core.traffic.plan import OnNewCandidate, Strategy
from surefoot.service import rollouts, switch
from surefoot.service.cases import Cases
from surefoot.service.views import bars, lines, view
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario

from .stories import BAD, GOOD, SECOND, ladder, scripted, stage, story


async def seen(scene, rid, script=None):
    folds = {"folds": script} if script else {}
    return await view(rid, store=scene.store, clock=scene.clock, cases=Cases(scene.store, **folds))


@story
async def test_a_running_rollout_shows_arms_stages_and_evidence():
    """Labels and shares of both sides, which stage is open, and each bar with rates, counts and words."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder())
    await scene.when_users_come(rid, 400, **GOOD)
    scene.clock.advance(11 * SECOND)
    fold_only = await seen(scene, rid)
    assert {bar.n_candidate for bar in fold_only.evidence} == {0}
    await scene.when_looked_at()
    shown = await seen(scene, rid)
    assert (shown.stable.label, shown.stable.share) == ("v1", 10_000 - shown.candidate.share)
    assert shown.candidate.label == "v2"
    assert [one.state for one in shown.stages].count("open") == 1
    bars = {(bar.metric, bar.question): bar for bar in shown.evidence}
    proof = bars["success", "proof"]
    assert (proof.n_candidate, proof.rate_candidate, proof.n_stable) == (20, 0.05, 380)
    assert bars["", "harm"].threshold == pytest.approx(2.995732, abs=1e-6)
    assert all(0 <= bar.fill <= 1 and bar.text for bar in shown.evidence)


@pytest.mark.parametrize(
    ("more", "stable", "candidate", "says"),
    [
        ({"metric": "success", "k_stable": 20, "k_candidate": 5}, "5.00% of 400", "25.00% of 20", "5 of 20 (25.00%)"),
        (
            {"metric": "cost", "k_stable": 14_952, "k_candidate": 554.2},
            "mean US$0.0000374",
            "mean US$0.0000277",
            "cost: candidate US$0.0000277 on average over 20, stable US$0.0000374 on average over 400",
        ),
        (
            {"metric": "tokens", "k_stable": 800, "k_candidate": 60_000},
            "mean 2 tokens",
            "mean 3,000 tokens",
            "3,000",
        ),
        (
            {"metric": "quality_score", "k_stable": 100, "k_candidate": 10},
            "mean 4 of 5",
            "mean 3 of 5",
            "3 of 5 on",
        ),
        (
            {"metric": "latency_p95", "k_stable": 20, "k_candidate": 0, "edge_stable": 1480, "edge_candidate": 1628},
            "5.00% of 400",
            "0.00% of 20",
            "slower than stable's 95th percentile (1,480 ms, 1,628 ms for the candidate): candidate 0 of 20 (0.00%)",
        ),
        (
            {"metric": "tokens", "n_stable": 0, "k_candidate": 60_000, "n_known": 300, "k_known": 600, "highest": 2.2},
            "known: mean 2 tokens",
            "mean 3,000 tokens",
            "held against what is known of stable: 2 tokens on average over 300, plausibly up to 2.2 tokens;",
        ),
        (
            {"metric": "cost", "kind": FindingKind.LIMIT, "k_candidate": 554.2, "margin": 20.0},
            "",
            "mean US$0.0000277",
            "against a limit of US$0.0000200",
        ),
        (
            {"metric": "safety", "kind": FindingKind.COUNT_LIMIT, "k_candidate": 3, "threshold": 1.0},
            "",
            "3, 0 allowed",
            "3 runs",
        ),
    ],
    ids=lambda of: of["metric"] if isinstance(of, dict) else "",
)
def test_every_number_has_its_unit(more, stable, candidate, says):
    """A mean is no rate, money is dollars, a share says of what, and what stands for stable is named."""
    usual = {"kind": FindingKind.HARM, "judgement": Judgement.HOLD, "ln_e": 0.0, "threshold": 3.0, "n_candidate": 20}
    of_stable = {} if more.get("kind") else {"n_stable": 400}
    (bar,) = bars(Finding(**{**usual, **of_stable, **more}))
    assert (bar.shown_stable, bar.shown_candidate) == (stable, candidate)
    assert says in bar.text


@story
async def test_no_data_is_shown_as_no_data():
    """Not as a rate of zero, and the next step says what is missing."""
    scene = Scenario(MemoryStore())
    shown = await seen(scene, await scene.given_rollout(ladder()))
    assert {bar.rate_candidate for bar in shown.evidence} == {None}
    assert "no data yet" in shown.next_step
    assert shown.judgement is Judgement.HOLD


@story
async def test_open_sessions_are_no_missing_data():
    """While nothing is final, it is said how many wait for that, and how long it takes."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder())
    await scene.when_users_come(rid, 400, **GOOD, stay=True)
    await scene.when_time_passes(11 * SECOND)
    shown = await seen(scene, rid)
    assert shown.why is Why.NO_DATA
    assert "20 sessions of the candidate not final yet (one is, session_idle=30m after" in shown.verdict
    await scene.when_users_come(rid, 400, **GOOD)
    await scene.when_time_passes(11 * SECOND)
    assert "; 20 sessions of the candidate" in (await seen(scene, rid)).verdict


@story
async def test_what_harm_was_found_in_is_what_is_shown():
    """First failures decide before anything is final: the harm row and the reason have their counts."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder(stage("50%", 5_000), stage("all", 10_000)))
    await scene.when_users_come(rid, 400, **BAD, stay=True)
    await scene.when_time_passes(11 * SECOND)
    shown = await seen(scene, rid)
    assert shown.phase is Phase.ROLLED_BACK
    counts = "so far candidate 100 bad of 200 served (50.00%), stable 10 bad of 200 served (5.00%)"
    assert counts in shown.note
    harm = next(bar for bar in shown.evidence if (bar.metric, bar.question) == ("success", "harm"))
    assert (harm.n_candidate, harm.rate_candidate, harm.n_stable, harm.rate_stable) == (200, 0.5, 200, 0.05)


@story
async def test_a_warmth_without_data_says_since_when():
    """At 100 % a full table stands above the sentence: it is this stage that has none yet."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder(stage("50%", 5_000), stage("all", 10_000)))
    for _ in range(10):
        if (await scene.then_row(rid)).phase is not Phase.WARM:
            await scene.when_users_come(rid, 400, **GOOD)
            await scene.when_time_passes(11 * SECOND)
    await scene.then_at(rid, Phase.WARM)
    shown = await seen(scene, rid)
    assert (shown.why, any(bar.n_candidate for bar in shown.evidence)) == (Why.NO_DATA, True)
    assert "no data yet since the candidate has all traffic" in shown.verdict


@story
async def test_a_view_is_json():
    """CLI, API and pages read the same fields."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder())
    await scene.when_users_come(rid, 200, **GOOD)
    shown = json.loads(msgspec.json.encode(await seen(scene, rid)))
    assert shown["phase"] == "running"
    assert shown["evidence"][0]["question"] == "harm"


@pytest.mark.parametrize(
    ("judgement", "why", "says"),
    [
        (Judgement.PASS, Why.PROVEN, "stage '50%' (50%), at the next look"),
        (Judgement.BREACH, Why.HARM, "goes back at the next look"),
        (Judgement.HOLD, Why.SOAKING, "20 sessions of this stage are known"),
        (Judgement.HOLD, Why.MISMATCH, "not split"),
    ],
)
@story
async def test_the_next_step_is_said_in_words(judgement, why, says):
    """What happens next, and what it waits for."""
    scene, script = scripted()
    rid = await scene.given_rollout(ladder())
    script.says(judgement, why)
    assert says in (await seen(scene, rid, script)).next_step


@story
async def test_every_phase_says_what_it_waits_for():
    """A person, a time, another rollout, or nothing any more."""
    scene, script = scripted()
    rid = await scene.given_rollout(ladder(stage("5%", 500), stage("all", 10_000, needs_approval=True)))
    services = {"store": scene.store, "clock": scene.clock}
    queued = await scene.when_started("v3", ladder(on_new_candidate=OnNewCandidate.QUEUE))
    said = {Phase.QUEUED: await seen(scene, queued.id, script)}
    await rollouts.pause(rid, by="ann", **services)
    said[Phase.PAUSED] = await seen(scene, rid, script)
    await rollouts.resume(rid, by="ann", **services)
    script.says(Judgement.PASS)
    await scene.when_looked_at()
    said[Phase.WAITING] = await seen(scene, rid, script)
    await rollouts.approve(rid, candidate=(await scene.then_row(rid)).candidate, by="bob", **services)
    said[Phase.WARM] = await seen(scene, rid, script)
    await rollouts.abort(rid, by="ann", why="w", **services)
    said[Phase.ABORTED] = await seen(scene, rid, script)
    words = {
        Phase.QUEUED: "by itself",
        Phase.PAUSED: "resume",
        Phase.WAITING: "approve stage 'all' (100%)",
        Phase.WARM: "2026-01-05 13:00 UTC",
        Phase.ABORTED: "started again",
    }
    for phase, shown in said.items():
        assert shown.phase is phase
        assert words[phase] in shown.next_step
    assert [one.state for one in said[Phase.WAITING].stages] == ["open", "asked"]


@story
async def test_an_experiment_says_that_it_waits_for_a_person():
    """It never moves by itself."""
    scene, script = scripted()
    rid = await scene.given_rollout(ladder(stage("half", 5_000), strategy=Strategy.EXPERIMENT))
    script.says(Judgement.PASS)
    await scene.when_looked_at()
    shown = await seen(scene, rid, script)
    assert "experiment" in shown.next_step
    assert shown.phase is Phase.RUNNING


@story
async def test_freezes_and_kills_are_shown():
    """By name, author and reason."""
    scene, script = scripted()
    scene.clock.jump(-60 * SECOND)
    rid = await scene.given_rollout(ladder(freeze=(FreezeWindow(name="noon", start=time(12), end=time(14)),)))
    scene.clock.jump(60 * SECOND)
    script.says(Judgement.PASS)
    assert "when the freeze 'noon' is over" in (await seen(scene, rid, script)).next_step
    await switch.kill(switch.Scope(), reason="leak", author="eve", store=scene.store, clock=scene.clock, ids=scene.ids)
    shown = await seen(scene, rid, script)
    assert (shown.frozen_by, shown.killed_by) == ("noon", "eve: leak")


@story
async def test_what_is_over_shows_the_evidence_that_ended_it():
    """The bars of the rollback stay to be looked at."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder())
    for _ in range(3):
        await scene.when_users_come(rid, 400, **BAD)
        await scene.when_time_passes(11 * SECOND, look_every=11 * SECOND)
    shown = await seen(scene, rid)
    assert (shown.phase, shown.judgement, shown.candidate.share) == (Phase.ROLLED_BACK, Judgement.BREACH, 0)
    assert shown.evidence[0].is_reached
    assert "denied" in shown.next_step


@story
async def test_lists_show_what_is_under_way_or_everything_newest_first():
    """A version that the catalog lost is named by its digest."""
    scene, _ = scripted()
    first = await scene.given_rollout(ladder())
    await rollouts.abort(first, by="ann", why="w", store=scene.store, clock=scene.clock)
    second = await scene.when_started("v3", ladder())
    assert [line.id for line in await lines(store=scene.store)] == [second.id]
    everything = await lines(store=scene.store, agent=scene.agent, everything=True)
    assert [(line.id, line.candidate, line.share) for line in everything] == [(second.id, "v3", 500), (first, "v2", 0)]


@story
async def test_the_old_version_is_kept_for_a_way_back_and_then_only_archived():
    """After the promotion people are told how long the old version is promised; nothing is deleted."""
    scene = Scenario(MemoryStore())
    rid = await scene.given_rollout(ladder())
    await rollouts.promote(rid, by="ann", why="now", store=scene.store, clock=scene.clock)
    await rollouts.promote(rid, by="ann", why="not warm any more", store=scene.store, clock=scene.clock)
    assert "kept for a way back until" in (await seen(scene, rid)).next_step
    scene.clock.advance(31 * 24 * 3600 * SECOND)
    assert (await seen(scene, rid)).next_step.endswith("the old one is archived")
