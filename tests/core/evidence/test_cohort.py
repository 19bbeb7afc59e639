"""Many processes count what one would: a stream split by unit, folded apart, cut anywhere and added up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.cohort import SLOT, Cohort, Counts, Unit
from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.observation import Observation
from surefoot.core.evidence.outcome import BINARY_METRICS, SUCCESS
from surefoot.core.evidence.tally import PRESENCE, ArmCounts, Count
from surefoot.core.units import Nanos, UnitKey
from tests.core.evidence.test_fold import BAD, CANDIDATE, FAR, GOOD, assignments, folded, observations, totals, turn

UNITS = ("a0", "b0", "c0", "d1", "e1", "f1")
"""Three of them in the sample that every process draws alike: those that end with a 0."""

IDLE = 40 * 1_000_000_000


@st.composite
def streams(draw):
    """Records in the order of their times; each unit stays in one arm, as it does in a rollout."""
    arms = {unit: draw(assignments) for unit in UNITS}
    second, records = 0, []
    for gap in draw(st.lists(st.integers(0, 25), max_size=30)):
        second += gap
        unit = draw(st.sampled_from(UNITS))
        idle = draw(st.sampled_from([0, IDLE, IDLE]))
        seen, late = draw(observations), draw(st.booleans())
        records.append(turn(unit, second, seen, assignment=arms[unit], idle=idle, late=late))
    return records


def parts(records, homes):
    """The records of each process: that of their unit, in their order."""
    return [[record for record in records if homes[record.unit] == home] for home in sorted(set(homes.values()))]


HOMES = st.fixed_dictionaries({unit: st.integers(0, 2) for unit in UNITS})


@given(streams(), HOMES)
def test_a_stream_split_by_unit_counts_the_same(records, homes):
    """As many processes as there are, each with all of its units: their deltas add up to those of a single one."""
    apart = [delta for part in parts(records, homes) for delta in folded(part)]
    assert totals(apart) == totals(folded(records))


@given(streams(), HOMES, st.lists(st.sets(st.integers(0, 29)), min_size=3, max_size=3))
def test_and_so_it_does_wherever_each_process_cuts(records, homes, cuts):
    """Each ships when it likes; what arrives in the end is the same."""
    apart = [delta for part, cut in zip(parts(records, homes), cuts, strict=False) for delta in folded(part, cut)]
    assert totals(apart) == totals(folded(records))


@given(streams(), st.integers(0, 30))
def test_a_process_that_takes_over_counts_on(records, handover):
    """What one has counted and what its successor counts, told all that is remembered, is the whole."""
    first, second = Fold("p1"), Fold("p2")
    for record in records[:handover]:
        first.add(record)
    deltas = [first.cut(max((record.at for record in records[:handover]), default=Nanos(0)))]
    for known in first.remembered():
        second.remember(known)
    for record in records[handover:]:
        second.add(record)
    assert totals([*deltas, second.close(FAR)]) == totals(folded(records))


@given(streams())
def test_counts_never_exceed_what_was_seen(records):
    """Units are assigned once, a unit fails once on each metric, and requests are turns that are not late."""
    (delta,) = folded(records)
    counted = [record for record in records if record.assignment.rollout is None or record.assignment.randomised]
    assert sum(counts.requests for counts in delta.counts.values()) == sum(not record.late for record in counted)
    for counts in delta.counts.values():
        assert counts.assigned <= counts.requests
        assert counts.exposed.get(PRESENCE, 0) == len(counts.failed.get(PRESENCE, ()))


@pytest.mark.parametrize(
    ("seconds", "exposed"),
    [((0,), 1), ((0, 9), 1), ((0, 10), 2), ((9, 10), 2), ((0, 5, 10, 15, 20), 3)],
)
def test_a_unit_counts_once_in_each_slot(seconds, exposed):
    """Slots of ten seconds by the wall clock, not from the first turn on."""
    counts, unit = Counts(), Unit()
    for second in seconds:
        counts.expose(turn("a", second), unit)
    assert counts.value().exposed["success"] == exposed
    assert SLOT == 10 * 10**9


def test_a_failure_counts_once_and_ends_the_counting():
    """Who has failed on a metric is not counted on it again, and is on the others."""
    counts, unit = Counts(), Unit()
    for second, seen in ((0, BAD), (20, BAD), (40, GOOD), (60, Observation(success=True, complaint=True))):
        counts.expose(turn("a", second, seen), unit)
    found = counts.value()
    assert (found.exposed, found.failed) == ({"success": 1, "complaint": 1}, {"success": ("a",), "complaint": ("a",)})


def test_a_correction_adds_no_unit():
    """A unit that was counted when its run ended and turns out to have failed: one failure more, and no unit."""
    counts, unit = Counts(), Unit()
    counts.expose(turn("a", 0, BAD, late=True), unit, SUCCESS)
    found = counts.value()
    assert (found.exposed, found.failed) == ({}, {"success": ("a",)})


def test_what_was_never_counted_has_no_entry():
    """An empty cohort ships nothing that a store would have to keep."""
    assert Counts().value() == ArmCounts()
    cohort = Cohort(CANDIDATE)
    cohort.counts.single(UnitKey("a"), GOOD)
    first, second = cohort.taken(), cohort.taken()
    assert (first.requests, first.assigned, first.resolved) == (1, 1, {"success": Count(1, 0)})
    assert second == ArmCounts()


@pytest.mark.parametrize(("name", "is_present"), [("a0", True), ("a1", False), ("af", False), ("0", True)])
def test_the_sample_is_the_same_in_every_process(name, is_present):
    """One unit in sixteen, by its name alone."""
    cohort = Cohort(CANDIDATE)
    cohort.assign(UnitKey(name))
    assert cohort.counts.present == ([name] if is_present else [])
    history = Cohort(CANDIDATE._replace(rollout=None))
    history.assign(UnitKey(name))
    assert history.counts.present == []


def test_the_longest_silent_unit_is_resolved_first():
    """And not before it has been silent for as long as was said."""
    cohort = Cohort(CANDIDATE)
    cohort.idle = Nanos(IDLE)
    for name, last in (("a", 0), ("b", 10)):
        cohort.open[UnitKey(name)] = Unit(last=Nanos(last))
    assert cohort.silent(Nanos(IDLE - 1)) is None
    assert cohort.silent(Nanos(IDLE)) == "a"
    assert Cohort(CANDIDATE).silent(FAR) is None


def test_a_clock_that_jumped_ahead_keeps_nobody_waiting():
    """Who was seen in the future was seen now, and goes behind those that were seen before."""
    cohort = Cohort(CANDIDATE)
    for name, last in (("ahead", 100), ("b", 5)):
        cohort.open[UnitKey(name)] = Unit(last=Nanos(last))
    assert cohort.is_ahead(Nanos(10))
    cohort.catch_up(Nanos(10))
    assert [(name, unit.last) for name, unit in cohort.open.items()] == [("b", 5), ("ahead", 10)]
    assert not cohort.is_ahead(Nanos(10))


@given(observations)
def test_a_unit_of_one_run_is_everything_at_once(seen):
    """Assigned, exposed and resolved: what it recorded is in both streams, and what it failed on too."""
    counts = Counts()
    counts.single(UnitKey("a"), seen)
    found = counts.value()
    assert (found.requests, found.assigned) == (1, 1)
    assert found.exposed == {name: 1 for name, (n, _) in found.resolved.items() if n}
    assert set(found.failed) == {name for name, (_, k) in found.resolved.items() if k}
    assert set(found.exposed) <= set(BINARY_METRICS)
