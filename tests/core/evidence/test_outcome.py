"""What an observation says about each metric: nothing where nothing was recorded, and bad only where it is."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.amount import AMOUNT_FIELDS, NO_AMOUNTS, amounts_of, bucket_for, joined, scale_of
from surefoot.core.evidence.histogram import Scale, bucket_of, is_censored, upper_edge
from surefoot.core.evidence.metrics import METRICS, MetricKind
from surefoot.core.evidence.observation import NOTHING_SEEN, Observation
from surefoot.core.evidence.outcome import BINARY_METRICS, bad_outcomes, outcomes, positions

amounts = st.tuples(*[st.none() | st.integers(0, 10**6) for _ in AMOUNT_FIELDS])
flags = st.none() | st.booleans()
observations = st.builds(
    Observation,
    success=flags,
    policy_violation=flags,
    complaint=flags,
    unresolved=flags,
    quality=st.none() | st.floats(),
    feedback=st.none() | st.floats(),
)


@given(observations)
def test_what_is_bad_was_recorded(seen):
    """And what was recorded is exactly what is finite."""
    recorded, bad = outcomes(seen)
    assert bad & ~recorded == 0
    named = bad_outcomes(seen)
    assert set(named) == {
        name
        for name in BINARY_METRICS
        if (value := getattr(seen, METRICS[name].field)) is not None and math.isfinite(value)
    }
    assert [BINARY_METRICS[bit] for bit in positions(bad)] == [name for name, is_bad in named.items() if is_bad]


@pytest.mark.parametrize(
    ("metric", "good", "bad"),
    [
        ("success", True, False), ("policy", False, True), ("safety", False, True), ("quality", 2.5, 2),
        ("checkpoint", False, True), ("tool_rollback", False, True), ("feedback", 0.5, 0.49),
        ("complaint", False, True), ("unresolved", False, True),
    ],
)  # fmt: skip
def test_every_binary_metric_has_a_good_and_a_bad_side(metric, good, bad):
    """Success is good; a violation, a complaint and the like are bad; scores have their limits."""
    field = METRICS[metric].field
    assert bad_outcomes(replace(NOTHING_SEEN, **{field: good})) == {metric: False}
    assert bad_outcomes(replace(NOTHING_SEEN, **{field: bad})) == {metric: True}


def test_no_metric_is_forgotten():
    """Each reads a field that observations have, and is either counted or weighed."""
    assert {metric.field for metric in METRICS.values()} <= {field.name for field in fields(Observation)}
    assert set(BINARY_METRICS) == {name for name, metric in METRICS.items() if metric.kind is MetricKind.BINARY}
    assert set(AMOUNT_FIELDS) == {m.field for m in METRICS.values() if m.kind is not MetricKind.BINARY}


def together(*runs):
    """What runs add up to, taken in one by one."""
    return reduce(joined, runs, NO_AMOUNTS)


@given(amounts, amounts, amounts)
def test_amounts_are_put_together_in_any_order(one, two, three):
    """Nothing recorded is neutral; sums, the worst latency and the worst quality do not depend on the order."""
    assert together(one, NO_AMOUNTS) == together(NO_AMOUNTS, one) == one
    assert together(one, two) == together(two, one)
    assert together(one, two, three) == together(one, together(two, three))


@pytest.mark.parametrize(
    ("quality", "kept"), [(3.4, 3), (2.5, 3), (1, 1), (math.nan, None), (math.inf, None), (-1, None)]
)
def test_scores_are_kept_as_whole_numbers(quality, kept):
    """The nearest, half up; what is no score is not recorded."""
    assert dict(zip(AMOUNT_FIELDS, amounts_of(replace(NOTHING_SEEN, quality=quality)), strict=True))["quality"] == kept


@given(st.sampled_from(range(len(AMOUNT_FIELDS))), st.integers(0, 10**7))
def test_small_whole_numbers_are_kept_exactly(position, amount):
    """Calls and scores by themselves, everything else in buckets that grow by 4 %."""
    field = AMOUNT_FIELDS[position]
    assert scale_of(field) is (Scale.EXACT if field in ("model_calls", "quality") else Scale.LOG)
    assert bucket_for(position, amount) == bucket_of(amount, scale_of(field))


waits = st.none() | st.integers(0, 10**14)
runs = st.builds(
    lambda latency, ttft, timed_out: replace(NOTHING_SEEN, latency_ms=latency, ttft_ms=ttft, timed_out=timed_out),
    waits, waits, st.none() | st.booleans(),
)  # fmt: skip


@given(st.lists(runs, min_size=1, max_size=6))
def test_a_unit_timed_out_if_a_run_of_it_did_and_is_known_to_have_waited_for_its_longest(seen):
    """In any order of its runs; a wait that ended is never taken for one that timed out, however long it was."""
    latency, ttft = AMOUNT_FIELDS.index("latency_ms"), AMOUNT_FIELDS.index("ttft_ms")
    timed = [run for run in seen if run.latency_ms is not None]
    for order in (seen, seen[::-1]):
        total = together(*map(amounts_of, order))
        assert (total[latency] is None) == (not timed)
        if timed:
            bucket = bucket_for(latency, total[latency])
            assert is_censored(bucket) == any(run.timed_out for run in timed)
            assert upper_edge(bucket) == upper_edge(bucket_of(max(run.latency_ms for run in timed)))
        silent = any(run.timed_out and run.ttft_ms is None for run in timed)
        assert (total[ttft] is not None and is_censored(bucket_for(ttft, total[ttft]))) == silent


def test_only_a_wait_can_time_out():
    """What a run cost until it was given up is what it cost, and the first token that came has come."""
    seen = replace(NOTHING_SEEN, cost=10**14, tokens=7, latency_ms=900, ttft_ms=80, quality=2, model_calls=1)
    before, after = (
        dict(zip(AMOUNT_FIELDS, amounts_of(one), strict=True)) for one in (seen, replace(seen, timed_out=True))
    )
    assert {name for name in before if before[name] != after[name]} == {"latency_ms"}
    cost = AMOUNT_FIELDS.index("cost")
    assert bucket_for(cost, 10**14) == bucket_for(cost, before["cost"]) == bucket_of(10**14)
