"""What shadow pairs show: all that was compared, what was not said as such, and nothing made up where a run stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.tally import PairTotals
from surefoot.core.evidence.verdict import Why
from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.plan import NoTraffic, UnitKind
from surefoot.core.units import ALL_TRAFFIC, BasisPoints, RolloutId
from surefoot.ports.store import ShadowPair
from surefoot.service.cases import Cases
from surefoot.service.shadow_view import ShadowView, shadow_of, shadow_view
from surefoot.service.views import view
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario

from .stories import HOUR, MINUTE, SECOND, ladder, stage, story

AT = datetime(2026, 1, 5, tzinfo=UTC)
TIMED_OUT = 10**13 + 30_000


def pair(
    number: int = 0, *, worse: bool = False, tokens: int = 100, latency: int = 1_000, **more: object
) -> ShadowPair:
    return ShadowPair(
        rollout=RolloutId("r"),
        run_id=f"run-{number}",
        unit=f"s-{number}",
        at=AT,
        stable_bad={"success": False},
        candidate_bad={"success": worse},
        **{
            "similarity": 1.0,
            "detail": {
                "stable": "a",
                "candidate": "b",
                "tokens": {"stable": 100, "candidate": tokens},
                "latency_ms": {"stable": 1_000, "candidate": latency},
            },
            **more,
        },
    )


def seen(*pairs: ShadowPair, totals: PairTotals | None = None) -> ShadowView:
    return shadow_view(totals or PairTotals(pairs=len(pairs)), pairs, unit=UnitKind.SESSION, sample=ALL_TRAFFIC)


def test_everything_that_is_compared_is_shown() -> None:
    """Outcomes with their direction, tools by what differed, answers, and what the candidate takes beside stable."""
    totals = PairTotals(
        pairs=200, compared={"success": 190}, only_candidate_bad={"success": 7}, only_stable_bad={"success": 2},
        diverged=1, dropped=4,
    )  # fmt: skip
    shown = seen(pair(1, tokens=150), pair(2, similarity=0.5, divergences=("arguments differ: find",)), totals=totals)
    assert (shown.similarity, shown.same_tools, shown.other_tools) == (0.75, 1, 1)
    assert {of.field: of.ratio for of in shown.amounts} == {"latency_ms": 1.0, "tokens": 1.25}
    assert shown.words == (
        "200 pairs, 1 diverged, 4 dropped (100% of sessions are mirrored)",
        "success: known of both in 190 of 200 pairs, the candidate worse in 7, better in 2, the same in 181",
        "of the newest 2:",
        "tool calls: the same in 1, others in 1: arguments differ: find (1)",
        "answers: 75% alike in the middle case",
        "latency 1.00, tokens 1.25 times stable's on average, of runs that neither diverged nor timed out",
    )


@pytest.mark.parametrize("why", ["not recorded: pay", "failed for stable: find"])
def test_a_run_that_was_stopped_is_cheap_for_no_merit_of_its_own(why) -> None:
    """What it took until then is no saving, and the calls it made no more are no difference."""
    shown = seen(pair(1), pair(2, tokens=1, similarity=None, divergences=(why, "not called: mail")))
    assert shown.divergences == {why: 1}
    assert (shown.stopped, [of.ratio for of in shown.amounts]) == (1, [1.0, 1.0])


def test_a_wait_that_was_given_up_is_in_no_mean() -> None:
    """Nobody knows how long it would have been; the tokens of the same run count."""
    shown = seen(pair(1), pair(2, latency=TIMED_OUT, tokens=300))
    assert {of.field: (of.n, of.ratio) for of in shown.amounts} == {"latency_ms": (1, 1.0), "tokens": (2, 2.0)}


@pytest.mark.parametrize("detail", [None, {}, {"tokens": 12}, {"tokens": {"stable": 1}}, {"tokens": {"stable": True}}])
def test_what_was_not_recorded_on_both_sides_has_no_ratio(detail) -> None:
    """No zero, and no error, whatever a pair holds."""
    assert seen(pair(1, detail=detail)).amounts == ()


def test_a_free_stable_version_has_no_ratio() -> None:
    """Twice nothing is nothing: the means are told, and no factor."""
    shown = seen(pair(1, detail={"cost": {"stable": 0, "candidate": 5}}))
    assert [(of.candidate, of.ratio) for of in shown.amounts] == [(5.0, None)]
    assert not any("cost" in what for what in shown.words)


@given(st.lists(st.lists(st.sampled_from(["not recorded: a", "not called: b", "called in addition: c"]), max_size=3)))
def test_every_pair_has_the_same_tools_or_others(found: list[list[str]]) -> None:
    """The two counts make up what was looked at, and no kind is counted twice in one pair."""
    shown = seen(*(pair(number, divergences=tuple(kinds)) for number, kinds in enumerate(found)))
    assert shown.same_tools + shown.other_tools == shown.looked_at == len(found)
    assert all(count <= shown.other_tools for count in shown.divergences.values())


@story
async def test_a_shadow_stage_shows_its_pairs_while_it_is_open_and_after_it_went_back():
    """In the view that every reader shares, as JSON too; a plan that mirrors nothing has none."""
    scene = Scenario(MemoryStore())
    mirrored = replace(ladder(stage("shadow", 0, shadow=True), stage("all", 10_000)), shadow_sample=BasisPoints(5_000))
    rid = await scene.given_rollout(mirrored)

    async def shown():
        return await view(rid, store=scene.store, clock=scene.clock, cases=Cases(scene.store))

    assert (await shown()).shadow.words == ("0 pairs, 0 diverged, 0 dropped (50% of sessions are mirrored)",)
    pairs = [replace(pair(number, worse=True), rollout=rid) for number in range(60)]
    await scene.store.put_pairs(pairs, dropped=3, rollout=rid)
    told = msgspec.to_builtins((await shown()).shadow)
    assert (told["pairs"], told["dropped"], told["outcomes"][0]["worse"]) == (60, 3, 60)
    harm = next(bar for bar in (await shown()).evidence if bar.metric and bar.question == "harm")
    assert (harm.shown_candidate, harm.shown_stable) == ("worse in 60 of 60", "better in 0")
    await scene.when_time_passes(SECOND)
    row = await scene.then_at(rid, Phase.ROLLED_BACK)
    assert "the candidate was worse in 60 of 60 pairs, better in 0" in row.note
    assert (await shown()).shadow.pairs == 60
    assert await shadow_of(replace(row, plan=ladder()), store=scene.store) is None


@story
async def test_a_shadow_stage_notices_that_its_pairs_stopped_coming():
    """One pair, then nothing: held as stale after a quarter of an hour, and taken back when the plan says so."""
    scene = Scenario(MemoryStore())
    mirrored = ladder(
        stage("shadow", 0, shadow=True),
        stage("all", 10_000),
        no_traffic=NoTraffic.ROLLBACK,
        no_traffic_after=timedelta(hours=2),
    )
    rid = await scene.given_rollout(mirrored)
    await scene.when_time_passes(MINUTE)
    await scene.store.put_pairs([replace(pair(1), rollout=rid, at=scene.clock.now())], dropped=0, rollout=rid)
    await scene.when_time_passes(10 * MINUTE, look_every=MINUTE)
    assert (await scene.then_at(rid, Phase.RUNNING)).held is None
    await scene.when_time_passes(HOUR, look_every=MINUTE)
    assert (await scene.then_at(rid, Phase.RUNNING)).held is Why.STALE
    await scene.when_time_passes(HOUR, look_every=MINUTE)
    await scene.then_at(rid, Phase.ROLLED_BACK)
