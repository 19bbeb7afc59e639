"""Laws every test of the evidence engine obeys, whatever the counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from surefoot.core.evidence.eprocess import (
    LN_20,
    ODDS_RATIOS,
    SAFETY_BASELINE,
    SAFETY_WEIGHTS,
    USUAL_BASELINE,
    USUAL_WEIGHTS,
    Baseline,
    Binary,
    StartMixture,
    average,
    log_sum_exp,
    log_weights,
    threshold,
)
from surefoot.core.evidence.harm import BinaryHarm
from surefoot.core.evidence.information import (
    least_units_to_detect,
    non_inferiority_growth,
    units_still_needed,
)
from surefoot.core.evidence.interval import stratified_difference
from surefoot.core.evidence.limit import limit
from surefoot.core.evidence.mismatch import CERTAIN, mismatch
from surefoot.core.evidence.noninferiority import BinaryNonInferiority
from surefoot.core.evidence.paired import Pairs, paired_harm, paired_non_inferiority
from surefoot.core.evidence.projection import null_rate
from surefoot.core.evidence.stages import relative_stage_margin, stage_margin


def ticks(most=60):
    arm = st.integers(0, most).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
    return st.tuples(arm, arm).map(lambda arms: Binary(*arms[0], *arms[1]))


def folded(test, some_ticks):
    for tick in some_ticks:
        test.update(tick)
    return test


rates = st.floats(1e-6, 1 - 1e-6)
margins = st.floats(1e-4, 0.9)
shares = st.floats(1e-6, 1 - 1e-6)
steady = st.builds(Baseline, rate=st.floats(0.001, 0.9), weight=st.just(1e15))


@given(st.lists(ticks(10**9), max_size=6), margins, st.floats(0, 0.9))
def test_evidence_is_always_a_finite_number(some_ticks, margin, tolerance):
    """No counts, however absurd, make evidence overflow or lose its value."""
    plain = folded(BinaryHarm(weights=SAFETY_WEIGHTS, baseline=SAFETY_BASELINE), some_ticks)
    tolerant = folded(BinaryHarm(tolerance=tolerance), some_ticks)
    proof = folded(BinaryNonInferiority(margin), some_ticks)
    assert all(math.isfinite(number) for number in (plain.ln_e, plain.ln_e_from_start, tolerant.ln_e, proof.ln_e))


@given(st.lists(ticks(), max_size=8))
def test_the_same_ticks_give_the_same_evidence_to_the_last_bit(some_ticks):
    """A fold over stored ticks can be repeated exactly: that is what makes a verdict recomputable."""
    for make in (BinaryHarm, lambda: BinaryNonInferiority(0.02)):
        assert folded(make(), some_ticks).ln_e == folded(make(), some_ticks).ln_e


@given(ticks(), st.sampled_from([USUAL_BASELINE, SAFETY_BASELINE]))
def test_a_further_failure_moves_evidence_towards_its_arm(tick, baseline):
    """One more failure of the candidate raises harm and lowers proof; one more of stable does the opposite."""
    assume(tick.n_c and tick.n_s)

    def both(changed):
        harm = folded(BinaryHarm(baseline=baseline), [changed])
        return harm.ln_e, folded(BinaryNonInferiority(0.02, baseline=baseline), [changed]).ln_e

    harm, proof = both(tick)
    if tick.k_c < tick.n_c:
        harm_c, proof_c = both(tick._replace(k_c=tick.k_c + 1))
        assert harm_c > harm
        assert proof_c < proof
    if tick.k_s < tick.n_s:
        harm_s, proof_s = both(tick._replace(k_s=tick.k_s + 1))
        assert harm_s < harm
        assert proof_s > proof


@given(ticks(30), ticks(30), steady)
def test_splitting_a_tick_changes_nothing_while_rate_and_share_stay(first, second, baseline):
    """With a settled baseline and one share, two ticks and their sum are the same evidence."""
    assume(first.n_c and first.n_s)
    second = Binary(first.n_c, min(second.k_c, first.n_c), first.n_s, min(second.k_s, first.n_s))
    whole = Binary(*(a + b for a, b in zip(first, second, strict=True)))
    for make in (
        lambda: BinaryHarm(baseline=baseline),
        lambda: BinaryHarm(baseline=baseline, tolerance=0.03),
        lambda: BinaryNonInferiority(0.05, baseline=baseline),
    ):
        assert folded(make(), [first, second]).ln_e == pytest.approx(folded(make(), [whole]).ln_e, abs=1e-9)


@given(st.lists(ticks(), max_size=5))
def test_a_tick_without_one_arm_only_teaches_the_baseline(some_ticks):
    """Units that have nothing to be compared with never become evidence."""
    harm, proof = folded(BinaryHarm(), some_ticks), folded(BinaryNonInferiority(0.02), some_ticks)
    before = harm.levels, proof.levels
    for lone in (Binary(0, 0, 50, 20), Binary(50, 50, 0, 0), Binary(0, 0, 0, 0)):
        harm.update(lone)
        proof.update(lone)
    assert (harm.levels, proof.levels) == before
    n = sum(tick.n_s for tick in some_ticks) + 70
    assert harm.stable_rate == pytest.approx((sum(tick.k_s for tick in some_ticks) + 21) / n)


@pytest.mark.parametrize("tick", [Binary(5, 6, 5, 0), Binary(5, 0, 5, 6), Binary(-1, 0, 5, 0), Binary(5, -1, 5, 0)])
def test_impossible_counts_are_refused(tick):
    """More failures than units, or less than none, never become evidence."""
    for test in (BinaryHarm(), BinaryNonInferiority(0.02)):
        with pytest.raises(ValueError, match="0 <= bad <= units"):
            test.update(tick)


@given(rates, rates, st.one_of(st.just(0.0), margins), shares)
def test_the_null_rate_is_the_root(candidate, stable, margin, share):
    """Newton finds what plain bisection finds, to a relative 1e-12."""
    assume(candidate - margin != stable)
    low = max(min(candidate - margin, stable), 0.0)
    high = min(max(candidate - margin, stable), 1.0 - margin)

    def falling(q):
        gap_c, gap_s = candidate - margin - q, stable - q
        return share * gap_c * q * (1 - q) + (1 - share) * gap_s * (q + margin) * (1 - q - margin)

    q = null_rate(candidate, stable, margin, share)
    assert low <= q <= high
    assume(low < q * (1 - 1e-12))
    assert falling(max(q * (1 - 1e-11), low)) >= -1e-25
    assert falling(min(q * (1 + 1e-11), high)) <= 1e-25


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=8))
def test_a_sum_of_exponentials_lies_between_its_greatest_and_n_times_it(terms):
    """Adding in logarithms neither overflows nor loses the greatest term."""
    assert max(terms) <= log_sum_exp(terms) <= max(terms) + math.log(len(terms)) + 1e-12


@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(-300, 300)), min_size=1, max_size=6), st.floats(0.1, 10))
def test_the_average_lies_between_and_knows_only_proportions(pairs, factor):
    """The average is between least and greatest, at least each weighted share, and scale-free in its weights."""
    ln_e = average(pairs)
    total = sum(weight for weight, _ in pairs)
    assert min(e for _, e in pairs) - 1e-9 <= ln_e <= max(e for _, e in pairs) + 1e-9
    assert all(ln_e >= math.log(weight / total) + e - 1e-9 for weight, e in pairs)
    assert average([(weight * factor, e) for weight, e in pairs]) == pytest.approx(ln_e, abs=1e-9)


def test_an_average_of_nothing_is_evidence_of_nothing():
    """No metric: the e-value one, which neither rolls back nor proves anything."""
    assert average([]) == 0.0
    assert log_sum_exp([]) == -math.inf


@given(st.lists(ticks(), min_size=1, max_size=12), st.integers(1, 400), st.integers(1, 6))
def test_the_mixture_over_starts_is_the_sum_it_stands_for(some_ticks, every, most):
    """Folding the starts into one weight per alternative equals writing every bettor out."""
    mixture = StartMixture(log_weights(USUAL_WEIGHTS, 10), restart_every=every, max_starts=most)
    plain = BinaryHarm()
    starts, since = [(0.0,) * 10], 0
    for tick in some_ticks:
        plain.update(tick)
        units = tick.n_c + tick.n_s if tick.n_c and tick.n_s else 0
        mixture.advance(list(plain.levels), units)
        since += units
        if since >= every and len(starts) < most:
            starts.append(plain.levels)
            since = 0
    total = 1 / (len(starts) + 1)
    for i, start in enumerate(starts):
        for weight, level, at_start in zip(USUAL_WEIGHTS, plain.levels, start, strict=True):
            total += weight * math.exp(level - at_start) / ((i + 1) * (i + 2))
    assert mixture.starts == len(starts)
    assert mixture.ln_e == pytest.approx(math.log(total), abs=1e-9)


def test_a_start_needs_new_data():
    """Starting twice at one point would only waste stake."""
    harm = BinaryHarm()
    harm.restart()
    once = folded(BinaryHarm(), [Binary(25, 3, 25, 1)])
    harm.update(Binary(25, 3, 25, 1))
    assert harm.ln_e == once.ln_e
    once.restart()
    after = once.ln_e
    once.restart()
    assert once.ln_e == after


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), margins)
def test_one_sample_tests_know_no_order(a, b, c, margin):
    """Totals decide: finite, harm grows with worse pairs, proof with better ones, the limit with bad units."""
    pairs = Pairs(a, b, c)
    assert paired_harm(pairs._replace(worse=a + 1)) > paired_harm(pairs) > paired_harm(pairs._replace(better=c + 1))
    proof = paired_non_inferiority(pairs, margin)
    assert paired_non_inferiority(pairs._replace(worse=a + 1), margin) < proof
    assert paired_non_inferiority(pairs._replace(same=b + 1), margin) > proof
    assert limit(a + 1, a + b + 1, margin) > limit(a, a + b + 1, margin)


def test_an_arm_without_a_share_that_gets_units_is_broken():
    """Units in an arm that has no share are certain proof of a broken assignment; none is none."""
    assert mismatch(1, 100, 0.0) == mismatch(100, 1, 1.0) == CERTAIN
    assert mismatch(0, 100, 0.0) == mismatch(100, 0, 1.0) == mismatch(0, 0, 0.5) == 0.0


@given(margins, st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_the_risk_budget_is_the_same_at_every_stage(margin, a, b):
    """Next share times stage margin never exceeds the margin, and a larger share never gets a larger one."""
    low, high = sorted((a, b))
    assert stage_margin(margin, low) >= stage_margin(margin, high)
    assert stage_margin(margin, high) * high <= margin + 1e-12
    assert stage_margin(margin, low) <= 0.4
    assert relative_stage_margin(margin, low) == min(3.0, margin / low)


@given(st.floats(0.001, 0.4), st.floats(0.001, 0.3), st.floats(0.01, 0.5))
def test_the_forecast_is_what_evidence_grows_by(rate, margin, share):
    """Growth is positive for a healthy candidate, more for a wider margin, and the forecast ends at the bar."""
    growth = non_inferiority_growth(rate, margin, share)
    assert 0.0 < growth <= non_inferiority_growth(rate, margin * 1.5, share)
    needed = units_still_needed(0.0, growth)
    assert needed is not None
    assert (needed - 1) * growth < LN_20 - math.log(0.8) <= needed * growth + 1e-9
    assert units_still_needed(LN_20, growth) == 0
    assert units_still_needed(0.0, 0.0) is None
    assert least_units_to_detect(rate, rate, share) == math.inf


@pytest.mark.parametrize(("rate", "margin", "share"), [(0.05, 0.02, 0.5), (0.05, 0.08, 0.05), (0.002, 0.005, 0.25)])
def test_the_forecast_is_the_level_of_exactly_expected_counts(rate, margin, share):
    """A tick in which both arms fail exactly as often as expected brings growth times units."""
    n_c, n_s = round(10**6 * share), round(10**6 * (1 - share))
    proof = folded(
        BinaryNonInferiority(margin, baseline=Baseline(rate, 1e15)),
        [Binary(n_c, round(n_c * rate), n_s, round(n_s * rate))],
    )
    assert proof.levels[0] == pytest.approx(10**6 * non_inferiority_growth(rate, margin, share), rel=1e-9)


def test_the_drawn_interval_shrinks_rates_of_small_arms():
    """An arm of ten without failures is drawn with the spread of one failure in twelve."""
    difference = stratified_difference([Binary(10, 0, 20, 0)])
    assert difference is not None
    expected = math.sqrt(1 / 12 * 11 / 12 / 10 + 1 / 22 * 21 / 22 / 20)
    assert difference.standard_error == pytest.approx(expected)


@pytest.mark.parametrize(("candidate", "share", "bound"), [(0.06, 0.05, 63_800), (0.1, 0.5, 653), (0.15, 0.01, 4_330)])
def test_the_information_bound(candidate, share, bound):
    """The bound agrees with the published table for a base rate of 5 %."""
    assert least_units_to_detect(candidate, 0.05, share) == pytest.approx(bound, rel=0.005)


@given(st.lists(ticks(), max_size=5))
def test_the_drawn_interval_holds_its_estimate(some_ticks):
    """The interval is there exactly if some epoch has both arms, is finite, and never claims certainty."""
    difference = stratified_difference(some_ticks)
    if not any(tick.n_c and tick.n_s for tick in some_ticks):
        assert difference is None
    else:
        assert difference is not None
        assert -1.0 <= difference.estimate <= 1.0
        assert difference.low < difference.estimate < difference.high < math.inf


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: BinaryHarm(tolerance=1.0),
        lambda: BinaryHarm(weights=(0.5, 0.5)),
        lambda: BinaryHarm(weights=(0.0, *USUAL_WEIGHTS[1:])),
        lambda: BinaryHarm(baseline=Baseline(math.nan, 20)),
        lambda: BinaryHarm(baseline=Baseline(0.1, 0)),
        lambda: BinaryHarm(restart_every=0),
        lambda: BinaryNonInferiority(0.0),
        lambda: BinaryNonInferiority(math.nan),
        lambda: Baseline.from_history(3, 4, otherwise=USUAL_BASELINE),
        lambda: average([(0.0, 1.0)]),
        lambda: average([(1.0, 1.0), (math.inf, 1.0)]),
        lambda: average([(1.0, 1.0), (1.0, math.nan)]),
        lambda: average([(1.0, math.inf)]),
        lambda: threshold(0.0),
        lambda: limit(1, 2, 0.0),
        lambda: limit(3, 2, 0.1),
        lambda: mismatch(-1, 2, 0.1),
        lambda: mismatch(1, 2, 1.1),
        lambda: paired_harm(Pairs(-1, 0, 0)),
        lambda: paired_non_inferiority(Pairs(1, 1, 1), 1.0),
        lambda: stage_margin(0.02, 0.0),
        lambda: relative_stage_margin(0.0, 0.5),
        lambda: stratified_difference([Binary(1, 0, 1, 0)], alpha=0.0),
    ],
)
def test_a_wrong_argument_is_refused(mistake):
    """Impossible arguments raise instead of becoming evidence."""
    with pytest.raises(ValueError, match=r"\w"):
        mistake()


@pytest.mark.parametrize(("units", "bad"), [(500, 0), (500, 500)])
def test_a_history_without_failures_or_without_successes_can_be_bet_on(units, bad):
    """A stable version that never failed, or always did, is a baseline like any other."""
    baseline = Baseline.from_history(units, bad, otherwise=USUAL_BASELINE)
    harm = folded(BinaryHarm(baseline=baseline), [Binary(10, 5, 40, 0)])
    assert math.isfinite(harm.ln_e)
    assert 0.0 < BinaryHarm(baseline=baseline).stable_rate < 1.0


def test_a_start_follows_every_two_thousand_units_and_thirty_are_the_most():
    """By default a late harm is met by a bettor that began at most 2000 units before, until thirty have begun."""

    def starts_differ(calm_ticks):
        calm = [Binary(250, 25, 250, 25)] * calm_ticks
        harmful = [Binary(250, 75, 250, 25)]
        plain = folded(BinaryHarm(restart_every=10**9), calm + harmful)
        return folded(BinaryHarm(), calm + harmful).ln_e - plain.ln_e

    assert starts_differ(2) == 0.0
    assert starts_differ(4) != 0.0
    many = [Binary(250, 25, 250, 25)] * (4 * 40)
    thirty = folded(BinaryHarm(), many)
    assert thirty.ln_e == folded(BinaryHarm(max_starts=30), many).ln_e
    assert thirty.ln_e != folded(BinaryHarm(max_starts=31), many).ln_e


def test_history_becomes_a_baseline_of_at_most_two_thousand_units():
    """A stable version's past is worth its size, at most 2000; no past leaves the default."""
    assert Baseline.from_history(500, 10, otherwise=USUAL_BASELINE) == Baseline(0.02, 500)
    assert Baseline.from_history(10**6, 10**4, otherwise=USUAL_BASELINE) == Baseline(0.01, 2000)
    assert Baseline.from_history(0, 0, otherwise=SAFETY_BASELINE) == SAFETY_BASELINE
    assert threshold(0.05) == pytest.approx(LN_20)
    assert len(ODDS_RATIOS) == len(SAFETY_WEIGHTS)
