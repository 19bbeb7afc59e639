"""Case by case: what became of each, which are tried again, and what a shuffle of nothing changed looks like."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.regression import Change, Tier, case_changes, flipped, retrials, with_fresh
from surefoot.core.proof.table import Column, Sample
from surefoot.core.proof.unchanged import (
    Pair,
    degraded_rule,
    false_alarm_rate,
    mean_drop_rule,
    paired_t_rule,
)
from tests.core.proof.tables import amounts, rate, table


def change_of(before: tuple[int, int] | None, after: tuple[int, int] | None):
    """One case: passes of trials on both sides, or nothing."""

    def column(count: tuple[int, int] | None) -> Column:
        return Column(samples={} if count is None else {"c": Sample(n=count[1], total=float(count[0]))}, is_rate=True)

    return case_changes("exact", column(after), column(before))[0]


@pytest.mark.parametrize(
    ("before", "after", "change", "tier"),
    [
        ((5, 5), (0, 5), Change.DEGRADED, Tier.HARD),
        ((0, 5), (5, 5), Change.IMPROVED, Tier.HARD),
        ((5, 5), (3, 5), Change.NO_EVIDENCE, None),
        ((5, 5), (2, 5), Change.DEGRADED, Tier.SOFT),
        ((3, 5), (2, 5), Change.FLAKY, None),
        ((1, 1), (0, 1), Change.NO_EVIDENCE, None),
        ((2, 20), (0, 20), Change.FLAKY, None),
        (None, (1, 1), Change.NEW, None),
        ((1, 1), None, Change.MISSING, None),
        ((1, 1), (0, 0), Change.MISSING, None),
        ((0, 0), (1, 1), Change.NEW, None),
    ],
)
def test_what_became_of_a_case(before, after, change, tier):
    """A change needs evidence of its own; what is flaky, new or missing is called so."""
    found = change_of(before, after)
    assert (found.change, found.tier) == (change, tier)


def test_one_trial_against_one_has_flipped_and_shows_nothing():
    """A single pass that became a single failure is a reason to try again, not a regression."""
    found = change_of((1, 1), (0, 1))
    assert found.has_flipped
    assert found.p_value == pytest.approx(0.5)


@given(st.integers(1, 8), st.integers(1, 8), st.data())
def test_improved_and_degraded_mirror_each_other(n, m, data):
    """Swapping the sides swaps the word and keeps tier and p-value."""
    one, other = (data.draw(st.integers(0, n)), n), (data.draw(st.integers(0, m)), m)
    swapped = {Change.IMPROVED: Change.DEGRADED, Change.DEGRADED: Change.IMPROVED}
    there, back = change_of(one, other), change_of(other, one)
    if there.change in swapped:
        assert back.change is swapped[there.change]
    assert there.tier is back.tier
    if one[0] * m != other[0] * n:
        assert there.p_value == pytest.approx(back.p_value)


def test_every_case_of_either_side_is_there():
    """Cases of the baseline come first, new ones last, and quarantine is marked, not hidden."""
    found = case_changes("exact", rate([1, 1, 1]), rate([1, 0]), quarantined=["c1"])
    assert [(one.case, one.change) for one in found] == [
        ("c0", Change.NO_EVIDENCE),
        ("c1", Change.NO_EVIDENCE),
        ("c2", Change.NEW),
    ]
    assert [one.is_quarantined for one in found] == [False, True, False]


def test_a_case_that_the_metric_is_not_about_is_not_new():
    """Skipped on both sides is nothing to report; skipped before and scored now is new, the other way is missing."""
    skipped, scored = Column(samples={"c0": Sample(skipped=3)}, is_rate=True), rate([2], n=3)
    pairs = [(skipped, skipped), (scored, skipped), (skipped, scored)]
    found = [case_changes("m", after, before)[0].change for after, before in pairs]
    assert found == [Change.NO_EVIDENCE, Change.NEW, Change.MISSING]


def test_amounts_do_not_flip():
    """A value that only measures has no side to flip to, and no evidence case by case."""
    assert flipped(amounts([1.0]), amounts([0.0])) == ()
    assert case_changes("tokens", amounts([9.0]), amounts([1.0]))[0].change is Change.NO_EVIDENCE


def test_cases_to_try_again_flipped_either_way():
    """Those that got better are tried again like those that got worse, once, whatever the number of metrics."""
    new, old = (
        table("c", exact=rate([1, 0, 1, 1]), safe=rate([1, 0, 1, 1])),
        table("b", exact=rate([0, 1, 1, 1]), safe=rate([1, 1, 1, 0])),
    )
    found = retrials(new, old, metrics=["exact", "safe", "unknown"], trials=4)
    assert [(retrial.case, retrial.trials) for retrial in found] == [("c0", 4), ("c1", 4), ("c3", 4)]


@pytest.mark.parametrize(("broken", "trials"), [(1, 20), (6, 14), (8, 10), (20, 5), (40, 5)])
def test_the_second_look_is_twice_as_large_as_the_first(broken, trials):
    """Of 40 cases, from five to twenty trials each: with fewer it would miss what the first look saw."""
    old, new = table("b", exact=rate([1] * 40)), table("c", exact=rate([0] * broken + [1] * (40 - broken)))
    assert {retrial.trials for retrial in retrials(new, old, metrics=["exact"])} == {trials}
    assert retrials(old, old, metrics=["exact"]) == ()


def test_fresh_trials_replace_the_first_ones():
    """The first trials of such a case are forgotten; a case without fresh ones is left without any."""
    first, fresh = table("c", exact=rate([1, 0, 0])), table("c", exact=rate([0, 4], n=5))
    renewed = with_fresh(first, fresh, ["c1", "c2"]).columns["exact"].samples
    assert (renewed["c0"].total, renewed["c1"].total, renewed["c2"].n) == (1.0, 4.0, 0)


RULES = {
    "drop": (mean_drop_rule(0.05), 0.20),
    "counted": (degraded_rule(4, 0.1), 0.41),
    "paired t": (paired_t_rule(0.05, 50), 0.05),
}


@pytest.mark.parametrize("name", RULES)
def test_false_alarms_are_those_of_runs_without_a_change(name):
    """The printed rate is, on average, the published one for 50 cases of the flaky kind tried once on both sides."""
    chance, (rule, published), seen = random.Random(11), RULES[name], []
    for world in range(40):
        rates = [chance.betavariate(1.7, 0.3) for _ in range(50)]
        pairs = [
            Pair(str(case), *(Sample(n=1, total=float(chance.random() < p)) for _ in range(2)))
            for case, p in enumerate(rates)
        ]
        seen.append(false_alarm_rate(pairs, rule, seed=world, is_rate=True, repetitions=500))
    assert sum(seen) / len(seen) == pytest.approx(published, abs=0.045)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30), st.integers(0, 9))
def test_false_alarm_rate_is_a_repeatable_share(counts, seed):
    """Between 0 and 1, the same for the same seed, None without cases, and 0 where no case is flaky."""
    pairs = [Pair(str(at), Sample(n=3, total=one), Sample(n=3, total=two)) for at, (one, two) in enumerate(counts)]
    found = false_alarm_rate(pairs, mean_drop_rule(0.05), seed=seed, is_rate=True, repetitions=50)
    assert found == false_alarm_rate(pairs, mean_drop_rule(0.05), seed=seed, is_rate=True, repetitions=50)
    if not pairs:
        assert found is None
        return
    assert found is not None
    assert 0.0 <= found <= 1.0
    if all(one + two in {0, 6} for one, two in counts):
        assert found == 0.0
