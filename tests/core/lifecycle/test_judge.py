"""The judge, given ticks drawn from known rates: it must find harm, prove health, and never take silence for either."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.evidence.histogram import Histogram
from surefoot.core.evidence.metrics import METRICS
from surefoot.core.evidence.tally import ArmTick, Count, PairTotals, Tick
from surefoot.core.evidence.verdict import FindingKind, Judgement, Look, Verdict, Why
from surefoot.core.lifecycle.findings import summary
from surefoot.core.lifecycle.judge import Case, EpochInfo, margin_at
from surefoot.core.traffic.plan import Check, NoTraffic, OnTimeout, Plan, Stage, Strategy, Targeting
from surefoot.core.units import ALL_TRAFFIC, BasisPoints, RolloutId

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)
SUCCESS = Check(metric="success")
TOKENS = Check(metric="tokens")
RATES = {"success": (0.05, 0.05)}


def plan(*shares: int, checks: tuple[Check, ...] = (SUCCESS,), **stage: object) -> Plan:
    stages = tuple(
        replace(Stage(name=f"{share}", share=BasisPoints(share), checks=checks), **stage)
        for share in shares or (500, 2500, 10_000)
    )
    return Plan(stages=stages)


def look(stage: int = 0, minutes: float = 60, **more: object) -> Look:
    at = T0 + timedelta(minutes=minutes)
    return replace(Look(at=at, stage=stage, entered_at=T0, last_tick_at=at), **more)


def arm(rng: random.Random, n: int, rates: dict[str, float], tokens: int) -> ArmTick:
    counts = {name: Count(n, sum(rng.random() < rate for _ in range(n))) for name, rate in rates.items()}
    amounts = {"tokens": Histogram.of([int(rng.lognormvariate(0, 0.5) * tokens) for _ in range(n)]).buckets}
    return ArmTick(requests=n, assigned=n, first=counts, resolved=counts, amounts=amounts if tokens else {})


def ticks(
    count: int,
    *,
    rates: dict[str, tuple[float, float]] = RATES,
    size: int = 200,
    share: float = 0.05,
    tokens: tuple[int, int] = (0, 0),
    seed: int = 1,
    epoch: int = 1,
    first: int = 1,
) -> list[Tick]:
    """Ticks of `size` units; rates are (stable, candidate)."""
    rng = random.Random(seed)
    made = []
    for number in range(first, first + count):
        n_c = sum(rng.random() < share for _ in range(size))
        stable = arm(rng, size - n_c, {name: pair[0] for name, pair in rates.items()}, tokens[0])
        candidate = arm(rng, n_c, {name: pair[1] for name, pair in rates.items()}, tokens[1])
        at = T0 + timedelta(seconds=10 * number)
        made.append(
            Tick(
                rollout=RolloutId("r"),
                sequence=number,
                epoch=epoch,
                opened_at=at - timedelta(seconds=10),
                closed_at=at,
                stable=stable,
                candidate=candidate,
            )
        )
    return made


def case(of: Plan, made: list[Tick], *, stage: int = 0, share: int = 500, is_warm: bool = False) -> Case:
    full = Case(of)
    for tick in made:
        full.add(tick, EpochInfo(stage, BasisPoints(share), is_warm))
    return full


def judged(of: Plan, made: list[Tick], at: Look) -> Verdict:
    return case(of, made, stage=at.stage, share=of.stages[at.stage].share).judge(at)


def test_nothing_seen_holds_for_want_of_data() -> None:
    """Without a single tick the verdict is to hold, because no data is never good news."""
    verdict = judged(plan(), [], look())
    assert (verdict.judgement, verdict.why) == (Judgement.HOLD, Why.NO_DATA)


def test_a_candidate_as_good_as_stable_is_proven() -> None:
    """Enough equal outcomes prove non-inferiority at the stage's margin."""
    verdict = judged(plan(), ticks(60), look())
    assert (verdict.judgement, verdict.why) == (Judgement.PASS, Why.PROVEN)


def test_a_candidate_that_fails_much_more_is_rolled_back() -> None:
    """Harm beyond 1/alpha breaches, and the metric that carries it is named."""
    verdict = judged(plan(), ticks(30, rates={"success": (0.05, 0.4)}), look())
    assert (verdict.judgement, verdict.why, verdict.culprits) == (Judgement.BREACH, Why.HARM, ("success",))


def test_one_bad_metric_is_enough_and_the_good_ones_do_not_hide_it() -> None:
    """Success that got better cannot buy a safety that collapsed."""
    both = plan(checks=(SUCCESS, Check(metric="safety")))
    verdict = judged(both, ticks(60, rates={"success": (0.3, 0.05), "safety": (0.002, 0.2)}), look())
    assert (verdict.judgement, verdict.culprits) == (Judgement.BREACH, ("safety",))


@pytest.mark.parametrize(
    ("asked", "weight", "of_all"),
    [
        (((SUCCESS,), (SUCCESS,)), 2.0, 2.0),
        (((SUCCESS,), (SUCCESS, TOKENS)), 2.0, 3.0),
        (((TOKENS,), (SUCCESS,)), 1.0, 3.0),
        (((SUCCESS,), (replace(SUCCESS, limit=0.1),)), 2.0, 4.0),
        (((replace(SUCCESS, weight=1.0),), (replace(SUCCESS, weight=5.0),)), 1.0, 5.0),
    ],
)
def test_stages_that_ask_different_questions_share_one_alpha(
    asked: tuple[tuple[Check, ...], ...], weight: float, of_all: float
) -> None:
    """A stage answers for its part of the weights of the whole plan; with the same checks everywhere for all."""
    first, second = (Stage(name=str(n), share=BasisPoints(500 * n), checks=checks) for n, checks in enumerate(asked, 1))
    last = replace(second, name="all", share=ALL_TRAFFIC)
    verdict = judged(Plan(stages=(first, second, last)), ticks(3, tokens=(100, 100)), look())
    bar = next(finding.threshold for finding in verdict.findings if finding.kind is FindingKind.HARM)
    assert bar == pytest.approx(math.log(20) + math.log(of_all / weight))


def test_a_required_metric_without_data_blocks_promotion() -> None:
    """However well success is proven, a required metric nobody recorded holds the stage."""
    both = plan(checks=(SUCCESS, Check(metric="quality")))
    verdict = judged(both, ticks(100), look())
    assert (verdict.judgement, verdict.why) == (Judgement.HOLD, Why.NO_DATA)


def test_a_metric_that_is_not_required_is_still_watched_for_harm() -> None:
    """`required: false` drops the proof, not the protection."""
    watched = plan(checks=(SUCCESS, Check(metric="complaint", required=False)))
    calm = judged(watched, ticks(60), look())
    harmed = judged(watched, ticks(60, rates={"success": (0.05, 0.05), "complaint": (0.01, 0.4)}), look())
    assert (calm.judgement, harmed.judgement) == (Judgement.PASS, Judgement.BREACH)


def test_doubled_tokens_object_though_success_got_better() -> None:
    """A budget check stops a candidate that is better and twice as dear."""
    both = plan(checks=(SUCCESS, TOKENS))
    verdict = judged(both, ticks(60, rates={"success": (0.3, 0.1)}, tokens=(1000, 2200)), look())
    assert (verdict.judgement, verdict.culprits) == (Judgement.BREACH, ("tokens",))


def test_an_absolute_limit_is_tested_on_the_candidate_alone() -> None:
    """A candidate over its limit is taken back though stable is just as bad."""
    limited = plan(checks=(Check(metric="success", limit=0.05),))
    verdict = judged(limited, ticks(100, rates={"success": (0.2, 0.2)}), look())
    assert verdict.judgement is Judgement.BREACH
    assert any(f.kind is FindingKind.LIMIT and f.ln_e >= f.threshold for f in verdict.findings)


@pytest.mark.parametrize(("closed", "waiting", "stops"), [(0, 0, False), (0, 1, True), (1, 0, True)])
def test_a_count_limit_does_not_wait_for_a_tick_to_close(*, closed: int, waiting: int, stops: bool) -> None:
    """One leaked secret stops the rollout at once, whether its tick is closed or still open."""
    none_allowed = plan(checks=(SUCCESS, Check(metric="safety", max_count=0)))
    made = ticks(1, rates={"success": (0.05, 0.05), "safety": (0.0, 0.0)})
    leaked = replace(made[0].candidate, first={"safety": Count(10, closed)})
    verdict = judged(none_allowed, [replace(made[0], candidate=leaked)], look(open_bad={"safety": waiting}))
    assert (verdict.judgement is Judgement.BREACH, verdict.why is Why.COUNT_LIMIT) == (stops, stops)


def test_broken_assignment_holds_what_would_pass() -> None:
    """Arms that do not fit their shares conclude nothing: hold, never promote."""
    verdict = judged(plan(), ticks(60, share=0.09), look())
    assert (verdict.judgement, verdict.why) == (Judgement.HOLD, Why.MISMATCH)


def test_where_no_share_is_promised_none_can_be_missed() -> None:
    """A cohort is as large as whoever assigns makes it: the arms' sizes neither hold anything nor are they shown."""
    fixed = plan(5_000, 10_000).stages[:1]
    of = Plan(strategy=Strategy.EXPERIMENT, stages=fixed, targeting=Targeting(cohort="beta"))
    verdict = case(of, ticks(100, share=0.2), share=5_000).judge(look())
    assert (verdict.judgement, verdict.why) == (Judgement.PASS, Why.PROVEN)
    assert all(finding.kind is not FindingKind.MISMATCH for finding in verdict.findings)


def test_broken_assignment_does_not_shield_a_harmful_candidate() -> None:
    """Harm is looked for before integrity, since its test stays valid when assignment is broken."""
    verdict = judged(plan(), ticks(60, share=0.09, rates={"success": (0.05, 0.5)}), look())
    assert (verdict.judgement, verdict.why) == (Judgement.BREACH, Why.HARM)


def test_old_evidence_never_advances_a_stage_nobody_visits_now() -> None:
    """A proof is not acted upon when no tick has been closed for a quarter of an hour."""
    verdict = judged(plan(), ticks(60), look(last_tick_at=T0))
    assert (verdict.judgement, verdict.why) == (Judgement.HOLD, Why.STALE)


@pytest.mark.parametrize(
    ("policy", "expected"), [(NoTraffic.HOLD, Judgement.HOLD), (NoTraffic.ROLLBACK, Judgement.BREACH)]
)
def test_no_traffic_follows_the_plan(policy: NoTraffic, expected: Judgement) -> None:
    """A stage nobody visits holds or goes back, as the plan says; it never goes on."""
    verdict = judged(replace(plan(), no_traffic=policy), [], look(minutes=60 * 25, last_tick_at=None))
    assert (verdict.judgement, verdict.why) == (expected, Why.NO_TRAFFIC)


@pytest.mark.parametrize(
    ("then", "judgement", "why"),
    [
        (OnTimeout.HOLD, Judgement.HOLD, Why.TIMED_OUT),
        (OnTimeout.ROLLBACK, Judgement.BREACH, Why.TIMED_OUT),
        (OnTimeout.PROMOTE, Judgement.PASS, Why.UNPROVEN),
    ],
)
def test_an_undecided_stage_ends_as_the_plan_says(then: OnTimeout, judgement: Judgement, why: Why) -> None:
    """Time-out: hold, go back, or go on marked as unproven."""
    short = plan(2500, 10_000, max_duration=timedelta(minutes=30), on_timeout=then)
    verdict = judged(short, ticks(1, share=0.25, size=100, rates={"success": (0.0, 0.0)}), look())
    assert (verdict.judgement, verdict.why) == (judgement, why)


def test_a_time_out_without_data_never_goes_on() -> None:
    """`on_timeout: promote` needs a harmless estimate, and nothing has no estimate."""
    short = plan(max_duration=timedelta(minutes=30), on_timeout=OnTimeout.PROMOTE)
    assert judged(short, [], look()).judgement is Judgement.HOLD


@pytest.mark.parametrize("short_of", ["duration", "samples"])
def test_a_proof_waits_for_the_stage_to_soak(short_of: str) -> None:
    """Proven is not enough before the stage's duration and samples are complete."""
    patient = plan(min_duration=timedelta(hours=2)) if short_of == "duration" else plan(min_samples=100_000)
    verdict = judged(patient, ticks(60), look())
    assert (verdict.judgement, verdict.why) == (Judgement.HOLD, Why.SOAKING)


def test_a_new_stage_starts_its_samples_at_zero() -> None:
    """Units of the stage before do not soak the next one, though their evidence stays."""
    of = plan(500, 2500, 10_000, min_samples=20)
    full = case(of, ticks(400))
    verdict = full.judge(look(stage=1))
    assert (verdict.judgement, verdict.why) == (Judgement.HOLD, Why.SOAKING)


def test_the_proof_asked_for_grows_with_the_share_put_at_risk() -> None:
    """Margins tighten as the next share grows: 0.02 over 25 % and over all traffic."""
    of = plan(500, 2500, 10_000)
    assert [margin_at(of, index, SUCCESS) for index in range(3)] == pytest.approx([0.08, 0.02, 0.02])


def test_a_manual_plan_is_carried_by_the_person_who_approved_it() -> None:
    """With all traffic on the candidate nothing can be compared: soaking is enough, and it is marked unproven."""
    given_by_hand = replace(plan(10_000, min_samples=20), strategy=Strategy.MANUAL)
    verdict = judged(given_by_hand, ticks(10, share=1.0), look())
    assert (verdict.judgement, verdict.why) == (Judgement.PASS, Why.UNPROVEN)


def test_late_harm_is_found_after_promotion_without_a_stable_arm() -> None:
    """While the old version is warm, the candidate alone is held against stable's last known rate."""
    of = plan()
    full = case(of, ticks(60), stage=2, share=10_000)
    for tick in ticks(20, share=1.0, rates={"success": (0.05, 0.3)}, epoch=4, first=61):
        full.add(tick, EpochInfo(2, ALL_TRAFFIC, is_warm=True))
    assert full.judge(look(stage=2, is_warm=True)).judgement is Judgement.BREACH


def test_a_healthy_candidate_stays_after_promotion() -> None:
    """Being warm finds no harm where there is none, and never passes by itself."""
    of = plan()
    full = case(of, ticks(60), stage=2, share=10_000)
    for tick in ticks(60, share=1.0, epoch=4, first=61):
        full.add(tick, EpochInfo(2, ALL_TRAFFIC, is_warm=True))
    assert full.judge(look(stage=2, is_warm=True)).judgement is Judgement.HOLD


def test_a_broken_limit_is_told_as_such() -> None:
    """A candidate no worse than stable, over the plan's limit: the reason names the limit, not a comparison."""
    of = plan(5000, 10_000, checks=(Check(metric="success", limit=0.04),))
    verdict = judged(of, ticks(60, share=0.5, rates={"success": (0.12, 0.12)}), look())
    assert (verdict.judgement, verdict.why) == (Judgement.BREACH, Why.HARM)
    assert summary(verdict).startswith("The candidate breaks a limit that the plan sets: success: ")
    assert "against a limit of 4" in summary(verdict)


def test_a_stage_without_a_duration_waits_for_no_clock() -> None:
    """Opened by a clock that ran years ahead and was set back: what is proven goes on, where no time has to pass."""
    ahead = T0 + timedelta(days=2000)
    pairs = PairTotals(pairs=300, compared={"success": 300})
    live = judged(plan(5000, 10_000), ticks(60, share=0.5), look(entered_at=ahead))
    dark = judged(shadowed(), [], look(pairs=pairs, entered_at=ahead, last_pair_at=T0 + timedelta(minutes=60)))
    assert (live.judgement, dark.judgement) == (Judgement.PASS, Judgement.PASS)
    soaking = judged(plan(5000, 10_000, min_duration=timedelta(hours=1)), ticks(60, share=0.5), look(entered_at=ahead))
    assert (soaking.judgement, soaking.why) == (Judgement.HOLD, Why.SOAKING)


def shadowed() -> Plan:
    stage = Stage(name="shadow", share=BasisPoints(0), shadow=True, checks=(SUCCESS,))
    live = plan().stages
    return Plan(stages=(stage, *live))


@pytest.mark.parametrize(
    ("worse", "better", "judgement"), [(3, 3, Judgement.PASS), (60, 10, Judgement.BREACH), (0, 0, Judgement.PASS)]
)
def test_shadow_pairs_decide_before_anybody_is_exposed(worse: int, better: int, judgement: Judgement) -> None:
    """Pairs in which only one version failed carry all the evidence of a shadow stage."""
    pairs = PairTotals(
        pairs=300,
        compared={"success": 300},
        only_candidate_bad={"success": worse},
        only_stable_bad={"success": better},
    )
    assert judged(shadowed(), [], look(pairs=pairs)).judgement is judgement


def test_one_unlucky_pair_never_rolls_back() -> None:
    """As live, harm rests on three bad answers at least, or on one where nothing is tolerated."""
    alpha = replace(shadowed(), alpha=0.9)
    one = PairTotals(pairs=1, compared={"success": 1}, only_candidate_bad={"success": 1})
    assert judged(alpha, [], look(pairs=one)).judgement is Judgement.HOLD


def test_a_shadow_stage_without_pairs_never_passes() -> None:
    """No pair, no metric in common: hold; after a quarter of an hour as stale, as live stages are."""
    assert judged(shadowed(), [], look(minutes=14, pairs=PairTotals())).why is Why.NO_DATA
    assert judged(shadowed(), [], look(pairs=PairTotals())).why is Why.STALE
    assert judged(shadowed(), [], look(pairs=PairTotals(pairs=500))).why is Why.NO_DATA


@given(
    st.none() | st.integers(-60, 3000), st.integers(-60, 3000), st.integers(15, 2000), st.sampled_from(list(NoTraffic))
)
def test_equal_silence_means_the_same_live_and_in_a_shadow_stage(
    last: int | None, entered: int, patience: int, no_traffic: NoTraffic
) -> None:
    """Pairs that stopped coming are noticed as ticks are: held as stale, then whatever the plan says."""
    of = replace(shadowed(), no_traffic=no_traffic, no_traffic_after=timedelta(minutes=patience))
    at = T0 + timedelta(minutes=2000)
    heard = None if last is None else at - timedelta(minutes=last)
    begun = at - timedelta(minutes=entered)
    live = judged(of, [], Look(at=at, stage=1, entered_at=begun, last_tick_at=heard))
    pairs = PairTotals() if heard is None else PairTotals(pairs=1, compared={"success": 1})
    dark = judged(of, [], Look(at=at, stage=0, entered_at=begun, pairs=pairs, last_pair_at=heard))
    quiet = {Why.STALE, Why.NO_TRAFFIC}
    assert (live.why in quiet) == (dark.why in quiet)
    if live.why in quiet:
        assert (dark.judgement, dark.why) == (live.judgement, live.why)


def test_a_shadow_stage_does_not_pass_on_proof_while_nothing_is_mirrored() -> None:
    """Enough pairs to pass, but the last one came an hour ago: held until more come, as a live stage is."""
    pairs = PairTotals(pairs=300, compared={"success": 300})
    now = look(pairs=pairs, last_pair_at=T0 + timedelta(minutes=59))
    assert judged(shadowed(), [], now).judgement is Judgement.PASS
    stale = judged(shadowed(), [], replace(now, last_pair_at=T0))
    assert (stale.judgement, stale.why) == (Judgement.HOLD, Why.STALE)


def test_a_look_of_an_older_trail_is_judged_as_it_was() -> None:
    """Before it was written down when the last pair came, pairs were never found silent; that must not change."""
    one = PairTotals(pairs=1, compared={"success": 1})
    assert judged(shadowed(), [], look(minutes=60 * 24 * 30, pairs=one)).why is Why.GATHERING


def test_a_gap_in_the_ticks_is_an_error_not_a_verdict() -> None:
    """A case that missed a tick must be rebuilt, never judged on."""
    of, made = plan(), ticks(3)
    full = case(of, made[:1])
    with pytest.raises(ValueError, match="does not follow"):
        full.add(made[2], EpochInfo(0, BasisPoints(500)))


@settings(max_examples=20)
@given(
    stable=st.floats(0, 0.6),
    candidate=st.floats(0, 0.6),
    looks=st.sets(st.integers(1, 12), max_size=5),
    seed=st.integers(0, 1000),
)
def test_looking_more_often_changes_no_verdict(stable: float, candidate: float, looks: set[int], seed: int) -> None:
    """The same ticks and last look give the same verdict to the last digit, however often one looked before."""
    made = ticks(12, rates={"success": (stable, candidate)}, size=60, share=0.3, seed=seed, tokens=(500, 700))
    of = plan(3000, 10_000, checks=(SUCCESS, TOKENS))
    curious = Case(of)
    for tick in made:
        curious.add(tick, EpochInfo(0, BasisPoints(3000)))
        if tick.sequence in looks:
            curious.judge(look())
    assert curious.judge(look()) == judged(of, made, look())


@pytest.mark.parametrize("name", sorted(METRICS))
def test_no_metric_passes_on_silence(name: str) -> None:
    """Whatever a stage checks, ticks that never recorded it hold the stage."""
    verdict = judged(plan(checks=(Check(metric=name),)), ticks(60, rates={}), look())
    assert verdict.judgement is Judgement.HOLD
