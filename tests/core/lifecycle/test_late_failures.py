"""Failures that come in a later tick than their unit: carried within their epoch, lost to no sum, harmless."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.eprocess import LN_20
from surefoot.core.evidence.tally import ArmTick, Count, History, Tick
from surefoot.core.lifecycle.probe import probe_for
from surefoot.core.traffic.plan import Check
from surefoot.core.units import RolloutId

AT = datetime(2026, 1, 5, tzinfo=UTC)
CHECK = Check(metric="success")
counts = st.builds(Count, st.integers(0, 20), st.integers(0, 30))


def fed(ticks, history=None):
    """A probe that has seen (epoch, stable, candidate) ticks."""
    probe = probe_for(CHECK, [0.02], history or History())
    for number, (epoch, stable, candidate) in enumerate(ticks, start=1):
        arms = [ArmTick(first={"success": count}, resolved={"success": count}) for count in (stable, candidate)]
        tick = Tick(
            rollout=RolloutId("r"),
            sequence=number,
            epoch=epoch,
            opened_at=AT,
            closed_at=AT,
            stable=arms[0],
            candidate=arms[1],
        )
        probe.add(tick, is_warm=False, in_stage=True)
    return probe


@given(st.lists(st.tuples(st.integers(1, 3), counts, counts), max_size=12))
def test_any_ticks_can_be_judged_and_no_failure_is_lost_or_late_for_a_count_limit(ticks):
    """More bad units than units are no error; once there are units for them, both sums are what came in."""
    probe = fed(ticks)
    assert probe.bad == sum(candidate.k for _, _, candidate in ticks)
    assert probe.total.k_c <= probe.total.n_c
    assert probe.total.k_s <= probe.total.n_s
    later = fed([*ticks, (4, Count(1000, 0), Count(1000, 0))]).total
    assert (later.n_s, later.k_s) == (1000 + sum(s.n for _, s, _ in ticks), sum(s.k for _, s, _ in ticks))
    assert (later.n_c, later.k_c) == (1000 + sum(c.n for _, _, c in ticks), sum(c.k for _, _, c in ticks))


def test_within_an_epoch_a_late_failure_is_as_good_as_one_in_time():
    """The same failures, all of them a tick late: the same harm, give or take that tick."""
    in_time = fed([(1, Count(50, 2), Count(50, 12))] * 8).harm()
    late = [(1, Count(50, 0), Count(50, 0)), *[(1, Count(50, 2), Count(50, 12))] * 7, (1, Count(0, 2), Count(0, 12))]
    assert in_time > LN_20
    assert abs(fed(late).harm() - in_time) < 0.25 * in_time


def test_what_an_epoch_owes_is_not_held_against_the_next():
    """Stable's failures of a time when it had nearly all users prove nothing for a candidate that now has half."""
    before = [(1, Count(95, 0), Count(5, 0))] * 20
    owed = [(1, Count(0, 95), Count(0, 5))]
    after = [(2, Count(50, 2), Count(50, 2))] * 5
    assert fed([*before, *owed, *after]).proof(0.02) == fed([*before, *after]).proof(0.02)


def test_a_history_that_knows_more_failures_than_units_is_read_as_all_bad():
    """A late failure may be all that was ever recorded."""
    assert fed([(1, Count(9, 3), Count(9, 3))], History(counts={"success": Count(0, 3)})).harm() < LN_20
    assert fed([(1, Count(9, 3), Count(9, 3))], History(counts={"success": Count(2, 3)})).harm() < LN_20
