"""
Seeded simulations of the promised error rates, beside rules that do not keep them in the same traffic.

Each bound is 5 % plus three standard errors of that many rollouts at 5 %; seeds are fixed, so a failure is a change of
the code.
"""

from __future__ import annotations

import math
import statistics

import pytest
from _evidence_amounts import costs, latencies
from _evidence_worlds import (
    BASES,
    Chance,
    drifting,
    fixed_ladder,
    harm_test,
    promotion,
    sessions,
    spec_ladder,
    steady,
)

from surefoot.core.evidence.eprocess import LN_20, LN_1000, Binary
from surefoot.core.evidence.mismatch import mismatch


def bound(rollouts):
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / rollouts)


def said(results, rule):
    """Share of the rollouts in which the rule spoke."""
    return sum(bool(result[rule]) for result in results) / len(results)


@pytest.mark.parametrize(
    ("base", "share", "naive_at_least"), [(0.05, 0.05, 0.2), (0.05, 0.5, 0.25), (0.001, 0.05, 0.15), (0.001, 0.5, 0.1)]
)
def test_an_equal_candidate_stays_at_a_constant_share(base, share, naive_at_least):
    """
    A/A, 400 looks: at most 5 % false rollbacks, where a significance test looked at each time has several times that.
    """
    results = [steady(("aa", base, share, i), base, 0.0, share, 20_000, stop=False) for i in range(250)]
    assert said(results, "spec") <= bound(250)
    assert said(results, "significant") >= naive_at_least


@pytest.mark.parametrize("world", list(BASES))
def test_an_equal_candidate_stays_while_the_base_rate_moves(world):
    """A/A on the ramp under drift, waves and an outage: at most 5 % false rollbacks."""
    results = [drifting(("drift", world, i), world) for i in range(200)]
    assert said(results, "spec") <= bound(200)
    if world.startswith("step"):
        assert said(results, "growthbook") > 0.9, "a test on pooled counts takes the step for harm (Simpson)"


def test_a_healthy_candidate_climbs_the_whole_ladder():
    """
    Four metrics, 1 to 100 %: an equal candidate gets there in at least 95 %, a broken one is gone in about ten
    requests.
    """
    equal = [spec_ladder(("ladder", i), {}) for i in range(150)]
    assert sum(rollout.end == "rolled back" for rollout in equal) / 150 <= bound(150)
    assert all(rollout.end != "undecided" for rollout in equal)
    assert sum(fixed_ladder(("ladder", i), "significant", {}).end == "rolled back" for i in range(150)) / 150 > 0.6
    broken = [spec_ladder(("broken", i), {"success": 0.5}) for i in range(100)]
    assert all(rollout.end == "rolled back" for rollout in broken)
    assert statistics.median(rollout.candidate for rollout in broken) <= 12


@pytest.mark.parametrize(("metric", "excess"), [("success", 0.02), ("policy", 0.005)])
def test_a_candidate_at_the_margin_does_not_reach_everybody(metric, excess):
    """Worse by exactly the margin: at most 5 % reach 100 %, most with a fixed rule on the same ladder."""
    ours = [spec_ladder(("margin", metric, i), {metric: excess}).end for i in range(80)]
    fixed = [fixed_ladder(("margin", metric, i), "points_dropped", {metric: excess}).end for i in range(80)]
    assert ours.count("promoted") / 80 <= bound(80)
    assert fixed.count("promoted") / 80 > 0.5


@pytest.mark.parametrize(
    ("base", "margin", "share"), [(0.05, 0.02, 0.25), (0.2, 0.03, 0.25), (0.001, 0.005, 0.05), (0.001, 0.005, 0.5)]
)
def test_rare_failures_prove_nothing_too_early(base, margin, share):
    """At a true difference equal to the margin: at most 5 % false proofs, also where failures are one in a thousand."""
    results = [promotion(("proof", base, share, i), base, margin, margin, share) for i in range(150)]
    assert said(results, "spec") <= bound(150)
    naive = "interval from 30" if base == 0.001 else "z from 30"
    assert said(results, naive) > 0.2


def test_a_late_regression_is_found_sooner_with_restarts():
    """
    Five points worse after 20,000 calm units: regular starts at least halve the median delay of the first bettor alone.
    """
    delays = {"mixed": [], "single": []}
    for i in range(40):
        chance, harm, found = Chance("late", i), harm_test(0.05), {}
        for look in range(2000):
            bad = 0.05 if look < 400 else 0.10
            n_c = chance.binomial(50, 0.5)
            harm.update(Binary(n_c, chance.binomial(n_c, bad), 50 - n_c, chance.binomial(50 - n_c, 0.05)))
            if look < 400:
                continue
            if harm.ln_e >= LN_20:
                found.setdefault("mixed", look - 400)
            if harm.ln_e_from_start >= LN_20:
                found.setdefault("single", look - 400)
            if len(found) == 2:
                break
        for name, delay in delays.items():
            delay.append(found.get(name, 1600))
    assert statistics.median(delays["mixed"]) * 2 <= statistics.median(delays["single"])


@pytest.mark.parametrize(("length", "share"), [(8, None), (30, None), (8, 0.5)])
def test_sessions_count_once_in_their_epoch(length, share):
    """
    Failures that hang together within sessions: first failures in epoch cohorts stay within 5 %, single requests do
    not.
    """
    results = [sessions(("sessions", length, share, i), icc=0.3, length=length, gap=3, share=share) for i in range(100)]
    assert said(results, "first failure") <= bound(100)
    assert said(results, "single requests") > 0.15
    if length == 30:
        assert said(results, "epochs pooled") > bound(100)


@pytest.mark.parametrize("share", [0.05, None])
def test_equal_costs_do_not_roll_back(share):
    """
    Heavy-tailed costs, lognormal with sigma 1.5, constant share and ramp: at most 5 %, a fixed rule on means far more.
    """
    results = [costs(("cost", share, i), 1.0, share=share, requests=12_000) for i in range(80)]
    assert said(results, "harm") <= bound(80)
    assert said(results, "mean 20 % up") > 0.2


def test_costs_up_by_the_margin_are_not_proven_harmless():
    """Every cost up by exactly 20 %: at most 5 % false proofs of "less than 20 % up", at a small share too."""
    results = [costs(("margin", i), 1.2, share=0.05, requests=12_000) for i in range(80)]
    assert said(results, "proof") <= bound(80)
    assert said(results, "interval proof") > said(results, "proof")


def test_equal_latencies_do_not_roll_back():
    """
    p95 as exceedances on the ramp: at most 5 % false rollbacks, and a candidate half again as slow is always found.
    """
    results = [latencies(("latency", i), 1.0) for i in range(80)]
    assert said(results, "exceedance") <= bound(80)
    slow = [latencies(("slow", i), 1.5, share=0.5, requests=4000) for i in range(20)]
    assert said(slow, "exceedance") == 1.0


@pytest.mark.parametrize(("share", "true_share"), [(0.01, 0.02), (0.05, 0.06), (0.5, 0.6)])
def test_a_right_assignment_raises_no_alarm_and_a_wrong_one_does(share, true_share):
    """
    The mismatch alarm of one in a thousand stays silent on the ordered share and finds one that is a fifth too large.
    """

    def alarmed(seed, assigned):
        chance, n_c = Chance(seed), 0
        for look in range(1, 401):
            n_c += chance.binomial(50, assigned)
            if mismatch(n_c, look * 50 - n_c, share) >= LN_1000:
                return True
        return False

    assert sum(alarmed(("right", share, i), share) for i in range(150)) <= 1
    assert sum(alarmed(("wrong", share, i), true_share) for i in range(20)) >= 18
