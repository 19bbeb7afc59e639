"""Choosing among recorded runs: failures all stay, kinds all appear, the same seed chooses the same."""

from __future__ import annotations

import math
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.trace import Trace, TracedCall, TracedResult, TracedStep, observation_of
from surefoot.core.proof.trace_lint import problems_of
from surefoot.core.proof.trace_sample import Candidate, candidate_of, choose
from surefoot.core.proof.trace_stats import _COUNTED_AS_MISSING, TraceCounter

traces = st.builds(
    lambda number, tools, outcome, tenant, words: Trace(
        trace_id=f"t{number}",
        request=words,
        tool_calls=tuple(TracedCall(name=name) for name in tools),
        outcome=outcome,
        tenant=tenant,
    ),
    st.integers(0, 10**6),
    st.lists(st.sampled_from("abc"), max_size=3),
    st.sampled_from(["success", "failure", None]),
    st.sampled_from(["x", None]),
    st.sampled_from(["one", "two", "three"]),
)
files = st.lists(traces, max_size=60).map(lambda found: list(enumerate(found, 1)))


def candidates(file: list[tuple[int, Trace]], seed: int = 1) -> list[Candidate]:
    """All runs of a file as choosing sees them."""
    return [candidate_of(number, trace, seed=seed) for number, trace in file]


@given(files, st.integers(1, 40))
def test_every_failure_is_kept_and_no_more_than_asked_of_the_rest(file, size):
    """Failures stay even beyond the size; the others fill what is left, as far as they differ."""
    found = candidates(file)
    chosen = choose(found, size=size)
    failed = {one.number for one in found if one.failed}
    different = len({one.likeness for one in found if not one.failed})
    assert failed <= chosen.numbers
    assert len(chosen.numbers) == len(failed) + min(different, max(0, size - len(failed)))


@given(files)
def test_no_tenant_and_no_outcome_is_taken_for_another(file):
    """With room for all, whatever set of tools, outcome and tenant is in the file is in the sample."""
    found = candidates(file)
    kept = choose(found, size=len(file) + 1).numbers
    assert {one.stratum for one in found if one.number in kept} == {one.stratum for one in found}


@given(files, st.integers(1, 40))
def test_every_kind_appears_where_there_is_room_for_all(file, size):
    """With room for one of each, no set of tools, outcome or tenant is left out."""
    found = candidates(file)
    chosen = choose(found, size=size)
    good = [one for one in found if not one.failed]
    if size - chosen.failures >= chosen.strata:
        kept = {one.stratum for one in good if one.number in chosen.numbers}
        kinds = {one.stratum for one in good}
        assert len(kept) >= chosen.strata
        assert kept <= kinds


@given(files, st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_a_file_chooses_nothing(file, size, chance):
    """The same runs in another order are the same choice."""
    apart = {trace.trace_id: trace for _, trace in file}
    found = candidates(list(enumerate(apart.values())))
    shuffled = list(found)
    chance.shuffle(shuffled)
    draws = {one.number: one.draw for one in found}
    if len(set(draws.values())) == len(draws):
        one, other = choose(found, size=size), choose(shuffled, size=size)
        assert len(one.numbers) == len(other.numbers)
        assert one.alike == other.alike


def test_another_seed_chooses_others():
    """A seed is the only chance there is."""
    file = [
        (number, Trace(trace_id=f"t{number}", request=f"{chr(97 + number % 26)}{chr(97 + number // 26)}"))
        for number in range(200)
    ]
    one, again, other = (choose(candidates(file, seed), size=20).numbers for seed in (1, 1, 2))
    assert one == again != other


def test_runs_alike_are_kept_once_and_versions_apart():
    """The same intent with other numbers and the same tools is one run; another version's is another."""
    runs = [
        Trace(trace_id="1", request="Where is order 17?", version="v1"),
        Trace(trace_id="2", request="where is  order 18?", version="v1"),
        Trace(trace_id="3", request="Where is order 17?", version="v2"),
        Trace(trace_id="4", request="Where is order 17?", version="v1", error="timeout"),
    ]
    chosen = choose(candidates(list(enumerate(runs))), size=9)
    assert (len(chosen.numbers), chosen.alike, chosen.failures) == (3, 1, 1)
    assert 3 in chosen.numbers


def test_what_cannot_be_is_a_problem_and_what_is_missing_is_none():
    """Lint names the field of every number, position and time that cannot be so."""
    bad = Trace(
        trace_id=" ",
        request="x",
        latency_ms=-1,
        cost_tokens=5,
        input_tokens=9,
        quality=7,
        started_at="yesterday",
        tool_results=(TracedResult(latency_ms=math.nan),),
        steps=(TracedStep(kind="model", calls=(3,), input_tokens=-1),),
    )
    wrong = {problem.field for problem in problems_of(bad)}
    nested = {"tool_results", "tool_results[0].latency_ms", "steps[0].calls", "steps[0].input_tokens"}
    assert wrong == nested | {"trace_id", "latency_ms", "cost_tokens", "quality", "started_at"}
    assert problems_of(Trace(trace_id="t", request=None)) == ()


def test_stats_count_what_is_known_and_say_what_is_not():
    """A run without an outcome is in no rate; a null is counted by its field; quantiles are measured values."""
    counter = TraceCounter()
    for number, outcome in enumerate(["success", "failure", None]):
        counter.add(
            Trace(trace_id=str(number), request="x", agent="a", version="v1", outcome=outcome, latency_ms=10.0 * number)
        )
    counter.add(Trace(trace_id="o", request="x", agent="a", version="v2"))
    first, second = counter.stats()
    assert (first.n, first.judged, first.succeeded) == (3, 2, 1)
    assert first.success is not None
    assert 0 < first.success.low < 0.5 < first.success.high < 1
    assert first.amounts["latency_ms"].p50 == 10.0
    assert first.missing["cost_usd"] == 3
    assert first.missing["outcome"] == 1
    assert (second.success, "latency_ms" in second.amounts) == (None, False)


@given(st.sampled_from([-1.0, -1e-9, math.nan, math.inf, -math.inf, 1e300]))
def test_a_number_that_cannot_be_is_counted_as_unusable_and_enters_no_figure(value):
    """NaN, infinities, less than nothing and more than all there is: named, and neither in stats nor observed."""
    bad = Trace(trace_id="b", request="x", latency_ms=value, cost_usd=value, feedback=value, ttft_ms=value)
    seen = observation_of(bad)
    assert (seen.latency_ms, seen.cost, seen.ttft_ms) == (None, None, None)
    counter = TraceCounter()
    counter.add(bad)
    counter.add(Trace(trace_id="g", request="x", latency_ms=3.0))
    [stats] = counter.stats()
    assert stats.unusable == {"latency_ms": 1, "cost_usd": 1, "ttft_ms": 1, "feedback": 1}
    assert (stats.amounts["latency_ms"].n, stats.amounts["latency_ms"].mean) == (1, 3.0)


def test_what_is_counted_as_missing_are_fields_of_a_trace():
    """A field that was renamed would be missing from every run."""
    assert {member.name for member in fields(Trace)} >= set(_COUNTED_AS_MISSING)
