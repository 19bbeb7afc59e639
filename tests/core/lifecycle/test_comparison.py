"""The comparison shows what was recorded, on both arms, and says nothing where nothing was."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.histogram import Histogram, Scale, bucket_of, censored
from surefoot.core.evidence.tally import ArmTick, Count, Tick
from surefoot.core.lifecycle.comparison import Comparison, compare
from surefoot.core.units import RolloutId

AT = datetime(2026, 1, 5, tzinfo=UTC)


def tick(stable: ArmTick, candidate: ArmTick, *, epoch: int = 1) -> Tick:
    return Tick(
        rollout=RolloutId("r"), sequence=1, epoch=epoch, opened_at=AT, closed_at=AT, stable=stable, candidate=candidate
    )


def rate(n: int, k: int) -> ArmTick:
    return ArmTick(resolved={"safety": Count(n, k)})


def served(n: int, k: int, final: Count) -> ArmTick:
    return ArmTick(assigned=n, first={"safety": Count(n, k)}, resolved={"safety": final})


def latency(*values: int) -> ArmTick:
    return ArmTick(amounts={"latency_ms": Histogram.of(values, Scale.LOG).buckets})


def row(metric: str, *ticks: Tick) -> Comparison:
    return next(found for found in compare(ticks) if found.metric == metric)


def test_nothing_recorded_is_nothing_shown() -> None:
    """No tick and no metric: no row."""
    assert compare([]) == ()
    assert compare([tick(ArmTick(), ArmTick())]) == ()


def test_a_rate_is_shown_with_its_difference_and_never_with_a_verdict() -> None:
    """Given an interval that is not sure, when the decision was, then the words do not contradict it."""
    assert row("safety", tick(rate(1000, 500), rate(1000, 100))).words.startswith(
        "safety: 10.0% bad instead of 50.0% (-40.0 points, about -"
    )
    for candidate in (1, 15, 50):
        said = row("safety", tick(rate(128, 1), rate(80, candidate))).words
        assert not any(word in said for word in ("worse", "better", "no clear difference"))
    assert row("safety", tick(rate(100, 10), rate(100, 10))).words.count("+0.0 points") == 1


def test_what_is_known_before_it_is_final_is_counted_as_the_decision_counts_it() -> None:
    """33 were served and 3 are known to be bad, though only 26 with 1 are final: that stands beside a rollback on 3."""
    found = row("safety", tick(served(2_743, 14, Count(2_700, 14)), served(33, 3, Count(26, 1))))
    assert (found.n_candidate, found.bad_candidate, found.final_candidate) == (33, 3, 26)
    assert found.candidate == pytest.approx(3 / 33)
    assert found.words == (
        "safety: so far 9.1% bad instead of 0.5% (+8.6 points; 3 of 33 served against 14 of 2,743; final: 26 and 2,700)"
    )


def test_what_is_all_final_is_counted_by_unit() -> None:
    """Nothing is ahead where both counts agree, and ticks of before first failures were kept have one count only."""
    found = row("safety", tick(served(100, 5, Count(100, 5)), served(100, 10, Count(100, 10))))
    assert (found.is_ahead, found.final_candidate, "so far" in found.words) == (False, 100, False)
    assert "10 of 100 against 5 of 100" in found.words
    assert not row("safety", tick(rate(100, 5), rate(100, 10))).is_ahead


def test_money_and_times_are_said_with_their_unit() -> None:
    """Cost is stored in micro-dollars and said in dollars; the JSON says what the stored number is."""
    cost = ArmTick(amounts={"cost": Histogram.of([20], Scale.LOG).buckets})
    found = row("cost", tick(cost, cost))
    assert (found.words, found.value_unit) == (
        "cost: on average US$0.0000200 instead of US$0.0000200 (+0%)",
        "micro-dollars",
    )


def test_a_rise_of_an_unchecked_amount_is_shown_as_a_fraction_of_stable() -> None:
    """Latency that doubled reads as +100 %, since the buckets' errors even out."""
    found = row("latency", tick(latency(*range(500, 1500)), latency(*range(1000, 3000, 2))))
    assert found.change == pytest.approx(1.0, abs=0.05)
    assert "instead of" in found.words


def test_one_arm_without_data_is_said_and_not_compared() -> None:
    """A metric only one version recorded has no difference, and what there is is shown, as of a candidate at 100 %."""
    found = row("safety", tick(rate(100, 1), ArmTick()))
    assert (found.change, found.low) == (None, None)
    assert found.words == "safety: stable 1.0% bad (1 of 100), not recorded of the candidate version"
    found = row("safety", tick(ArmTick(), rate(4_000, 4_000)))
    assert found.words == "safety: candidate 100.0% bad (4,000 of 4,000), not recorded of the stable version"
    said = row("latency", tick(ArmTick(), latency(10))).words
    assert said == "latency: candidate on average 10 ms, not recorded of the stable version"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 3)), max_size=8))
def test_totals_do_not_depend_on_how_ticks_were_cut(parts: list[tuple[int, int, int]]) -> None:
    """Any split of the same counts over ticks and epochs gives the same rates."""
    ticks = [tick(rate(n + k, k), rate(n + k, n), epoch=epoch) for n, k, epoch in parts]
    units, bad = sum(n + k for n, k, _ in parts), sum(k for _, k, _ in parts)
    for found in compare(ticks):
        assert (found.n_stable, found.stable) == (units, bad / units)


def test_a_quantile_among_timeouts_is_said_to_be_more_than_when_they_were_given_up() -> None:
    """And has no difference; the mean goes on with the time they took, and nobody's first tokens are made up."""
    stable = latency(*range(500, 1500))
    late = Counter(latency(*range(500, 1400)).amounts["latency_ms"])
    late[censored(bucket_of(30_000))] = 100
    ttft = {censored(bucket_of(30_000)): 100}
    seen = tick(stable, ArmTick(amounts={"latency_ms": late, "ttft_ms": ttft}))
    found = row("latency_p95", seen)
    assert (found.candidate_is_least, found.stable_is_least, found.change) == (True, False, None)
    assert found.candidate == pytest.approx(30_000, rel=0.0201)
    assert re.fullmatch(r"latency_p95: 95 % within more than (29|30),\d{3} ms instead of 1,4\d\d ms", found.words)
    assert row("latency", seen).candidate == pytest.approx(0.9 * 950 + 0.1 * 30_000, rel=0.02)
    assert all(other.metric != "ttft_p95" for other in compare([seen]))
