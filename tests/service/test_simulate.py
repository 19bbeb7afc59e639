"""A simulated rollout is decided by the code that decides live; its traffic and its bookkeeping are held to account."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.observation import Arm, Assignment, Observation, Record
from surefoot.core.traffic.plan import Check, Control, Plan, Stage
from surefoot.core.traffic.presets import PRESETS, preset
from surefoot.core.units import AgentName, BasisPoints, Digest, Millis, Nanos, RolloutId, UnitKey
from surefoot.errors import UsageError
from surefoot.service.simulate import Behaviour, End, Ended, Traffic, _arm, _binomial, behaviour, simulate, with_drop

CHECKS = (Check(metric="success"), Check(metric="tokens", required=False))


def plan(*shares: int, shadow: bool = False, approval: bool = False) -> Plan:
    live = tuple(
        Stage(name=str(share), share=BasisPoints(share), checks=CHECKS, needs_approval=approval)
        for share in shares or (500, 2500, 5000, 10_000)
    )
    first = (Stage(name="shadow", share=BasisPoints(0), shadow=True, checks=CHECKS),) if shadow else ()
    return Plan(stages=(*first, *live))


def population(bad_in: int = 20, size: int = 400) -> Behaviour:
    seen = [Observation(success=bool(i % bad_in), tokens=300 + i) for i in range(size)]
    return behaviour(seen, plan=plan())


def ends(of: Plan, stable: Behaviour, candidate: Behaviour, *, runs: int = 20, requests: int = 20_000) -> list[End]:
    traffic = Traffic(requests=requests)
    return [simulate(of, stable, candidate, traffic, seed=seed) for seed in range(runs)]


def test_the_same_seed_gives_the_same_end() -> None:
    """A simulation can be taken again to the last request."""
    assert ends(plan(), population(), population(), runs=2) == ends(plan(), population(), population(), runs=2)


def test_a_version_against_itself_is_mostly_promoted_and_rarely_rolled_back() -> None:
    """When nothing changed, false rollbacks stay at or under alpha (within three standard errors)."""
    how = Counter(end.how for end in ends(plan(), population(), population(), runs=60))
    assert how[Ended.ROLLED_BACK] / 60 <= 0.05 + 3 * sqrt(0.05 * 0.95 / 60)
    assert how[Ended.PROMOTED] >= 50


def test_a_drop_of_ten_points_never_gets_through_and_is_found_on_few_users() -> None:
    """The bigger the harm, the fewer meet it."""
    stable = population()
    broken = with_drop(stable, "success", 10, chance=random.Random(1))
    found = ends(plan(), stable, broken)
    assert {end.how for end in found} == {Ended.ROLLED_BACK}
    assert sorted(end.exposed for end in found)[10] < 300
    assert all(end.culprits == ("success",) for end in found)


def test_a_drop_changes_the_rate_by_exactly_that_much() -> None:
    """Points are percentage points of the recorded runs."""
    worse = with_drop(population(), "success", 3, chance=random.Random(5))
    rate = sum(dict(run.bad)["success"] for run in worse.runs) / len(worse.runs)
    assert rate == pytest.approx(0.05 + 0.03, abs=1 / len(worse.runs))


@pytest.mark.parametrize(("metric", "points", "good"), [("complaint", 1.0, "0 of 0"), ("success", 99.0, "380 of 400")])
def test_a_drop_that_cannot_be_made_is_refused_with_a_hint(metric: str, points: float, good: str) -> None:
    """A metric nobody recorded, or one that is nearly always bad already, cannot get that much worse."""
    with pytest.raises(UsageError, match=f"cannot drop.* {good} recorded") as raised:
        with_drop(population(), metric, points, chance=random.Random(1))
    assert raised.value.hint


def test_no_recorded_run_is_an_error_not_a_simulation() -> None:
    """Nothing to draw from is said, not simulated."""
    with pytest.raises(UsageError, match="no recorded run"):
        behaviour([], plan=plan())


def test_a_shadow_stage_exposes_nobody_and_still_finds_harm() -> None:
    """Paired answers take a broken candidate back before its first user."""
    stable = population()
    broken = with_drop(stable, "success", 40, chance=random.Random(1))
    found = ends(plan(shadow=True), stable, broken, runs=5)
    assert {(end.how, end.exposed) for end in found} == {(Ended.ROLLED_BACK, 0)}


def test_a_healthy_candidate_leaves_its_shadow_stage_and_approvals_come_at_once() -> None:
    """The simulated person says yes, so that only the plan's evidence and time are measured."""
    found = ends(plan(5000, 10_000, shadow=True, approval=True), population(), population(), runs=3)
    assert {end.how for end in found} == {Ended.PROMOTED}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_exposes_somebody_or_says_that_there_is_nothing_to_simulate(name: str) -> None:
    """No preset ends undecided with nobody exposed, which would say nothing of the plan."""
    of = preset(name, (BasisPoints(1000), BasisPoints(10_000)) if name == "manual" else (), CHECKS)
    found = ends(of, population(), population(), runs=3, requests=4000)
    assert all(end.exposed for end in found)


def test_a_plan_that_begins_with_an_approval_is_judged_from_its_first_stage() -> None:
    """The simulated person agrees to the first stage too: a manual ladder is promoted or taken back like any other."""
    of = preset("manual", tuple(BasisPoints(points) for points in (1000, 5000, 10_000)), CHECKS)
    stable = population()
    broken = with_drop(stable, "success", 40, chance=random.Random(1))
    assert {end.how for end in ends(of, stable, stable, runs=3)} == {Ended.PROMOTED}
    assert {(end.how, end.exposed > 0) for end in ends(of, stable, broken, runs=3)} == {(Ended.ROLLED_BACK, True)}


@pytest.mark.parametrize("of", [preset("manual"), preset("canary", (BasisPoints(10_000),))])
def test_a_plan_that_gives_all_traffic_at_once_is_refused(of: Plan) -> None:
    """Nothing is proven before everybody has the candidate: a forecast would be made up."""
    with pytest.raises(UsageError, match="nothing to simulate") as raised:
        ends(of, population(), population(), runs=1)
    assert "shares" in raised.value.hint


def test_a_mirrored_control_decides_as_well() -> None:
    """With a control as small as the candidate the ends are the same, only later."""
    of = replace(plan(2500, 5000, 10_000), control=Control.MIRRORED)
    stable = population()
    broken = with_drop(stable, "success", 30, chance=random.Random(1))
    assert {end.how for end in ends(of, stable, broken, runs=5)} == {Ended.ROLLED_BACK}


def test_traffic_that_ends_first_leaves_the_rollout_undecided() -> None:
    """Too little traffic is neither a promotion nor a rollback."""
    assert {end.how for end in ends(plan(), population(), population(), runs=3, requests=100)} == {Ended.UNDECIDED}


seen = st.builds(
    Observation,
    success=st.none() | st.booleans(),
    tokens=st.none() | st.integers(0, 10**6),
    latency_ms=st.none() | st.integers(0, 10**5).map(Millis),
)


@given(st.lists(seen, min_size=1, max_size=30))
def test_a_simulated_arm_counts_what_the_live_fold_counts(observations: list[Observation]) -> None:
    """The shortcut over profiles and the recorder's own fold agree on every count and bucket."""
    drawn = behaviour(observations, plan=plan()).runs
    simulated = _arm(drawn)
    fold = Fold("simulated")
    assignment = Assignment(AgentName("a"), Digest("d"), RolloutId("r"), 1, Arm.CANDIDATE, randomised=True)
    for i, one in enumerate(observations):
        fold.add(Record(run_id=str(i), assignment=assignment, unit=UnitKey(str(i)), at=Nanos(1), seen=one))
    (live,) = fold.cut(Nanos(2)).counts.values()
    assert live.exposed.get("success", 0) == (simulated.first["success"].n if "success" in simulated.first else 0)
    assert {k: v for k, v in live.resolved.items() if k == "success"} == dict(simulated.resolved)
    assert dict(live.amounts.get("tokens", {})) == simulated.amounts.get("tokens", {})


@given(st.integers(1, 60), st.floats(0.0001, 0.9999), st.floats(0, 1, exclude_max=True))
def test_arms_are_drawn_from_the_exact_binomial(n: int, share: float, uniform: float) -> None:
    """Inversion answers the smallest count whose cumulated probability exceeds the uniform number."""
    drawn = _binomial(n, share, uniform)
    below = sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(drawn))
    upto = below + comb(n, drawn) * share**drawn * (1 - share) ** (n - drawn)
    assert below - 1e-9 <= uniform <= upto + 1e-9
