"""What a warm candidate is held against: never lower than stable plausibly was, and nothing where nothing is known."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.evidence.histogram import Histogram
from surefoot.core.evidence.tally import ArmTick, Count, History, Tick
from surefoot.core.evidence.verdict import Judgement, Look, Verdict, Why
from surefoot.core.lifecycle.judge import Case, EpochInfo
from surefoot.core.lifecycle.reference import highest_mean, highest_rate, highest_share
from surefoot.core.traffic.plan import Check, NoTraffic, Plan, Stage
from surefoot.core.units import ALL_TRAFFIC, BasisPoints, RolloutId

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)
HALF, WARM = EpochInfo(0, BasisPoints(5_000)), EpochInfo(1, ALL_TRAFFIC, is_warm=True)
NOTHING = ArmTick()


def plan(*checks: Check) -> Plan:
    asked = checks or (Check(metric="success"),)
    return Plan(
        stages=tuple(Stage(name=str(share), share=BasisPoints(share), checks=asked) for share in (5_000, ALL_TRAFFIC))
    )


def counted(n: int, k: int) -> ArmTick:
    counts = {"success": Count(n, k)}
    return ArmTick(requests=n, assigned=n, first=counts, resolved=counts)


def spent(*tokens: int) -> ArmTick:
    return ArmTick(requests=len(tokens), assigned=len(tokens), amounts={"tokens": Histogram.of(tokens).buckets})


def add(case: Case, during: EpochInfo, candidate: ArmTick, stable: ArmTick = NOTHING) -> None:
    epoch = 2 if during.is_warm else 1
    tick = Tick(
        rollout=RolloutId("r"),
        sequence=case.tick + 1,
        epoch=epoch,
        opened_at=T0,
        closed_at=T0,
        stable=stable,
        candidate=candidate,
    )
    case.add(tick, during)


def look(case: Case, **more: object) -> Verdict:
    seen = replace(Look(at=T0, stage=1, entered_at=T0, is_warm=True, last_tick_at=T0), **more)
    return case.judge(seen, detailed=False)


def drawn(chance: random.Random, n: int, rate: float) -> ArmTick:
    return counted(n, sum(chance.random() < rate for _ in range(n)))


class TestTheBounds:
    """The bounds are above what was seen, come down to it, and are seldom below the truth."""

    @given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
    def test_a_rate_is_bounded_above_what_was_seen_and_the_closer_the_more_units(self, seen):
        """Ten times the units at the same rate give a bound that is no higher."""
        units, bad = seen
        bound = highest_rate(bad, units)
        assert bad / units <= bound <= 1.0
        assert highest_rate(10 * bad, 10 * units) <= bound
        assert bound <= highest_share(bad / units, units)

    def test_without_a_failure_the_bound_is_the_exact_one(self):
        """0 bad of n: the rate at which n good units have a chance of one in a hundred."""
        assert highest_rate(0, 100) == pytest.approx(1 - 0.01 ** (1 / 100), abs=1e-6)

    @pytest.mark.parametrize(("rate", "units"), [(0.01, 100), (0.1, 50), (0.1, 200), (0.5, 100)])
    def test_the_true_rate_is_below_its_bound_99_times_in_100(self, rate, units):
        """Measured over 2,000 draws with a fixed seed."""
        chance = random.Random(5)
        missed = sum(
            highest_rate(sum(chance.random() < rate for _ in range(units)), units) < rate for _ in range(2_000)
        )
        assert missed <= 20

    def test_the_true_mean_of_few_heavy_tailed_amounts_is_rarely_above_its_bound(self):
        """100 lognormal costs: approximate, and within a few in a hundred of what it says."""
        chance = random.Random(6)
        missed = 0
        for _ in range(1_000):
            values: dict[float, int] = {chance.lognormvariate(0.0, 1.0): 1 for _ in range(100)}
            missed += highest_mean(values) < 1.6487
        assert missed <= 40

    def test_amounts_that_are_all_the_same_are_their_own_bound(self):
        """No spread, no doubt."""
        assert highest_mean({7.0: 100}) == 7.0


class TestWhatWarmthKnows:
    """A candidate with all traffic is compared with stable as it was, from the rollout or from before it."""

    def test_a_failing_candidate_is_found_by_stables_history_alone(self):
        """Given a history of 20,000 units at 1 % and no live stable unit, when all fail, then it goes back."""
        case = Case(plan(), History(counts={"success": Count(20_000, 200)}))
        add(case, WARM, counted(500, 500))
        assert (look(case).judgement, look(case).why) == (Judgement.BREACH, Why.HARM)

    def test_dearer_runs_are_found_by_stables_history_alone(self):
        """The same for amounts: given 1,000 tokens a run before, when runs take 5,000, then it goes back."""
        past = History(amounts={"tokens": Histogram.of([900, 1_000, 1_100] * 200).buckets})
        case = Case(plan(Check(metric="tokens")), past)
        add(case, WARM, spent(*[5_000] * 300))
        assert look(case).judgement is Judgement.BREACH

    def test_slower_runs_are_found_by_stables_history_alone(self):
        """And for quantiles: given latencies around 1 s before, when all take 9 s, then it goes back."""
        past = History(amounts={"latency_ms": Histogram.of(range(500, 1_500)).buckets})
        case = Case(plan(Check(metric="latency_p95")), past)
        slow = ArmTick(requests=300, assigned=300, amounts={"latency_ms": Histogram.of([9_000] * 300).buckets})
        add(case, WARM, slow)
        assert look(case).judgement is Judgement.BREACH

    @pytest.mark.parametrize("seen", [0, 19])
    @pytest.mark.parametrize("metric", ["success", "tokens", "latency_p95", "quality_score"])
    def test_with_neither_history_nor_stable_units_it_holds_and_says_so(self, metric, seen):
        """Given (almost) nothing known of stable, when the candidate serves, then that is no good news."""
        case = Case(plan(Check(metric=metric)))
        add(case, HALF, counted(seen, 0), counted(seen, 0))
        add(case, WARM, counted(500, 10))
        assert (look(case).judgement, look(case).why) == (Judgement.HOLD, Why.NO_REFERENCE)

    def test_a_metric_that_is_only_watched_needs_no_reference(self):
        """Nobody has to record what is not required."""
        case = Case(plan(Check(metric="success"), Check(metric="safety", required=False)))
        add(case, HALF, counted(300, 3), counted(300, 3))
        add(case, WARM, counted(500, 5))
        assert look(case).why is Why.GATHERING

    def test_200_live_units_speak_for_themselves(self):
        """Given a history that was better than stable is now, then the candidate is held against stable as it is."""
        case = Case(plan(), History(counts={"success": Count(20_000, 20)}))
        add(case, HALF, counted(400, 80), counted(400, 80))
        add(case, WARM, counted(500, 100))
        assert look(case).judgement is Judgement.HOLD

    def test_what_stable_shows_after_the_warmth_began_does_not_move_the_reference(self):
        """Given 400 live units, when the holdback suffers as the candidate does, then one is held against before."""
        case = Case(plan())
        add(case, HALF, counted(400, 8), counted(400, 8))
        add(case, WARM, counted(2_000, 1_000), counted(100, 50))
        assert look(case).judgement is Judgement.BREACH

    def test_late_outcomes_and_a_holdback_fill_a_reference_that_was_not_there(self):
        """Given a promotion before anything was known, when stable units follow, then they are what is known."""
        case = Case(plan())
        add(case, WARM, counted(100, 2))
        assert look(case).why is Why.NO_REFERENCE
        add(case, HALF, counted(300, 6), counted(300, 6))
        assert look(case).why is Why.GATHERING

    def test_identical_versions_are_rarely_taken_back_for_stables_good_luck(self):
        """Of 200 warmths after 100 stable units at 10 %, with a look after each of 80 ticks: alpha at most."""
        chance = random.Random(1)
        back = 0
        for _ in range(200):
            case = Case(plan())
            for _ in range(4):
                add(case, HALF, drawn(chance, 25, 0.1), drawn(chance, 25, 0.1))
            for _ in range(80):
                add(case, WARM, drawn(chance, 100, 0.1))
                if look(case).judgement is Judgement.BREACH:
                    back += 1
                    break
        assert back <= 10

    def test_a_candidate_that_fails_four_times_as_often_is_found_while_warm(self):
        """The doubt costs speed, not protection: 10 % to 40 % after 100 stable units, in each of 20 warmths."""
        chance = random.Random(2)
        for _ in range(20):
            case = Case(plan())
            for _ in range(4):
                add(case, HALF, drawn(chance, 25, 0.1), drawn(chance, 25, 0.1))
            for _ in range(10):
                add(case, WARM, drawn(chance, 100, 0.4))
            assert look(case).judgement is Judgement.BREACH


class TestSilenceWhileWarm:
    """Nobody heard of is not nobody harmed."""

    def warm(self, **of: object) -> Case:
        case = Case(replace(plan(), **of))
        add(case, HALF, counted(300, 3), counted(300, 3))
        add(case, WARM, counted(300, 3))
        return case

    def test_a_quarter_of_an_hour_without_a_tick_is_stale(self):
        """Given evidence that was fine, when it stops arriving, then nothing can be concluded."""
        assert look(self.warm()).why is Why.GATHERING
        assert look(self.warm(), at=T0 + timedelta(minutes=15)).why is Why.STALE

    def test_what_no_user_can_end_is_said_before_what_one_can(self):
        """Given nothing known of stable, when it is quiet too, then people hear of the first, and only once."""
        case = Case(plan())
        add(case, WARM, counted(300, 3))
        for minutes in (1, 20, 1, 20):
            assert look(case, at=T0 + timedelta(minutes=minutes)).why is Why.NO_REFERENCE

    def test_ticks_without_the_required_metric_are_no_data(self):
        """Given users whose outcomes nobody records, then the warmth has shown nothing."""
        case = Case(plan())
        add(case, HALF, counted(300, 3), counted(300, 3))
        add(case, WARM, ArmTick(requests=500, assigned=500))
        assert look(case).why is Why.NO_DATA

    @pytest.mark.parametrize(
        ("policy", "judgement"), [(NoTraffic.HOLD, Judgement.HOLD), (NoTraffic.ROLLBACK, Judgement.BREACH)]
    )
    def test_no_traffic_follows_the_plan_as_in_every_stage(self, policy, judgement):
        """Only a plan that says `no_traffic: rollback` takes back a candidate that nobody visits."""
        verdict = look(self.warm(no_traffic=policy), at=T0 + timedelta(days=2))
        assert (verdict.judgement, verdict.why) == (judgement, Why.NO_TRAFFIC)

    def test_quiet_before_the_warmth_does_not_count(self):
        """Given an order for all traffic after a silent day, then the silence is counted from the order on."""
        day = T0 + timedelta(days=1)
        case = self.warm(no_traffic=NoTraffic.ROLLBACK)
        assert look(case, at=day, entered_at=day - timedelta(minutes=1)).why is Why.GATHERING

    @settings(max_examples=30)
    @given(st.integers(1, 40))
    def test_a_tick_closed_in_the_future_is_no_sign_of_life_now(self, days):
        """Given a tick of a clock that ran ahead, when silence follows, then it is stale, and no traffic a day on."""
        case, ahead = self.warm(), T0 + timedelta(days=days)
        assert look(case, at=T0 + timedelta(minutes=15), last_tick_at=ahead).why is Why.STALE
        last = T0 + timedelta(days=days) - timedelta(seconds=1)
        assert look(case, at=last, last_tick_at=ahead).why in (Why.NO_TRAFFIC, Why.STALE)


def test_ticks_of_an_earlier_stage_do_not_fill_the_samples_of_the_open_one():
    """Given 10 units assigned in the open stage, when 5,000 of the stage before resolve late, then it has 10."""
    small = Stage(name="a", share=BasisPoints(5_000), checks=(Check(metric="success"),), min_samples=1_000)
    of = Plan(stages=(small, replace(small, name="b"), replace(small, name="c", share=ALL_TRAFFIC)))
    case = Case(of)
    second = EpochInfo(1, BasisPoints(5_000))
    for during, units in ((HALF, 5_000), (second, 10), (HALF, 5_000)):
        add(case, during, counted(units, 0), counted(units, 0))
    seen = Look(at=T0, stage=1, entered_at=T0, last_tick_at=T0)
    assert (case.judge(seen).judgement, case.judge(seen).why) == (Judgement.HOLD, Why.SOAKING)
    add(case, second, counted(990, 0), counted(990, 0))
    assert case.judge(seen).judgement is Judgement.PASS
