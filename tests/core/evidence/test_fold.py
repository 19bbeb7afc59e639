"""The fold: counts that do not depend on where they are cut, and units that count once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.histogram import Scale, bucket_of, censored
from surefoot.core.evidence.observation import Arm, Assignment, Observation, Record
from surefoot.core.evidence.tally import PRESENCE, Count, DeltaKey
from surefoot.core.units import AgentName, Digest, MicroUsd, Millis, Nanos, RolloutId, UnitKey

SECOND = 1_000_000_000
IDLE = 60 * SECOND
FAR = Nanos(10**18)
OLD, NEW = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)
CANDIDATE = Assignment(AgentName("shop"), NEW, RolloutId("r1"), 3, Arm.CANDIDATE, randomised=True)
KEY = DeltaKey(AgentName("shop"), NEW, RolloutId("r1"), 3, Arm.CANDIDATE)
GOOD = Observation(success=True, latency_ms=Millis(100))
BAD = Observation(success=False)


def turn(unit, second, seen=GOOD, *, assignment=CANDIDATE, idle=IDLE, late=False):
    return Record("run", assignment, UnitKey(unit), Nanos(int(second * SECOND)), seen, late=late, idle=Nanos(idle))


def totals(deltas):
    """Deltas added up the way a store does, failures once a unit."""
    sums = Counter()
    failed = set()
    for delta in deltas:
        for key, counts in delta.counts.items():
            sums[key, "requests"] += counts.requests
            sums[key, "assigned"] += counts.assigned
            for name, n in counts.exposed.items():
                sums[key, "exposed", name] += n
            for name, units in counts.failed.items():
                failed.update((key, name, unit) for unit in units)
                sums[key, "failed", name] += len(units)
            for name, units in counts.late.items():
                failed.update((key, name, unit) for unit in units)
                sums[key, "late", name] += len(units)
            for name, (n, k) in counts.resolved.items():
                sums[key, "resolved", name] += n
                sums[key, "bad", name] += k
            for field, buckets in counts.amounts.items():
                for bucket, n in buckets.items():
                    sums[key, field, bucket] += n
    return +sums, failed


def as_stored(deltas, metric="success"):
    """Exposed, first failures, resolved and bad of one metric, as a store adds them up: each failed unit once."""
    exposed = first = resolved = bad = 0
    known = set()
    for delta in deltas:
        for counts in delta.counts.values():
            n, k = counts.resolved.get(metric, Count())
            exposed, resolved, bad = exposed + counts.exposed.get(metric, 0), resolved + n, bad + k
            for units, is_late in ((counts.failed, False), (counts.late, True)):
                new = set(units.get(metric, ())) - known
                known |= new
                first, bad = first + len(new), bad + (len(new) if is_late else 0)
    return [exposed, first, resolved, bad]


def folded(records, cuts=(), **options):
    fold = Fold("p1", **options)
    deltas = []
    for position, record in enumerate(records):
        fold.add(record)
        if position in cuts:
            deltas.append(fold.cut(record.at))
    deltas.append(fold.close(FAR))
    return deltas


def one(records):
    """The only arm's counts of a run of the fold that ends with a close."""
    (delta,) = folded(records)
    return delta.counts[KEY]


observations = st.builds(
    Observation,
    success=st.none() | st.booleans(),
    safety_violation=st.none() | st.booleans(),
    quality=st.none() | st.floats(1, 5) | st.just(float("nan")),
    cost=st.none() | st.integers(0, 10**6).map(MicroUsd),
    model_calls=st.none() | st.integers(0, 9),
    latency_ms=st.none() | st.integers(0, 10**5).map(Millis),
    feedback=st.none() | st.floats(0, 1),
    timed_out=st.none() | st.booleans(),
)
assignments = st.sampled_from(
    [
        CANDIDATE,
        CANDIDATE._replace(epoch=4),
        CANDIDATE._replace(arm=Arm.STABLE, version=OLD),
        CANDIDATE._replace(randomised=False),
        Assignment(AgentName("shop"), OLD, None, 0, Arm.STABLE, randomised=False),
    ]
)


@st.composite
def logs(draw):
    """Records in the order of their times, as a recorder has them."""
    gaps = draw(st.lists(st.integers(0, 25), max_size=40))
    records = []
    second = 0
    for gap in gaps:
        second += gap
        records.append(
            turn(
                draw(st.sampled_from("abcde")),
                second,
                draw(observations),
                assignment=draw(assignments),
                idle=draw(st.sampled_from([0, 40 * SECOND])),
                late=draw(st.booleans()),
            )
        )
    return records


@given(logs(), st.sets(st.integers(0, 40)))
def test_where_it_is_cut_does_not_change_what_is_counted(records, cuts):
    """Any cuts, the same totals."""
    assert totals(folded(records, cuts)) == totals(folded(records))


@given(logs(), st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_a_fold_that_was_told_what_another_remembered_goes_on_as_that_one(records, cuts, handover):
    """State handed over at a cut is complete: every later delta is the same."""
    cuts = cuts | {handover}
    first, second = Fold("p1"), Fold("p1")
    for position, record in enumerate(records):
        first.add(record)
        if position > handover:
            second.add(record)
        if position in cuts:
            delta = first.cut(record.at)
            if position > handover:
                assert second.cut(record.at) == delta
        if position == handover:
            second = Fold("p1", sequence=first.sequence)
            for known in first.remembered():
                second.remember(known)
    if len(records) > handover:
        assert second.close(FAR) == first.close(FAR)


@given(logs(), st.integers(0, 40))
def test_what_a_fold_remembered_is_of_when_it_was_asked(records, asked):
    """It may be read while the fold goes on counting."""
    fold = Fold("p1")
    for record in records[:asked]:
        fold.add(record)
    fold.cut(FAR)
    at_once, later = list(fold.remembered()), fold.remembered()
    for record in records[asked:]:
        fold.add(record)
    assert list(later) == at_once


@given(logs())
def test_folding_a_log_again_gives_the_same_deltas_number_by_number(records):
    """Replay is live."""
    cuts = range(0, len(records), 3)
    assert folded(records, cuts) == folded(records, cuts)
    assert [delta.sequence for delta in folded(records, cuts)] == list(range(1, len(cuts) + 2))


@given(logs())
def test_no_unit_fails_twice(records):
    """Within what is remembered, a unit's failure on a metric is reported once."""
    sums, failed = totals(folded(records, range(0, 40, 4)))
    singles = {record.unit for record in records if record.idle == 0}
    reported = sum(n for key, n in sums.items() if key[1] == "failed")
    if not singles:
        assert reported == len(failed)
    for key, n in sums.items():
        if key[1] == "failed":
            assert n <= sums[key[0], "exposed", key[2]]


@given(st.lists(st.tuples(st.sampled_from("abc"), observations), max_size=12), st.randoms(use_true_random=False))
def test_within_a_slot_the_order_of_turns_does_not_matter(turns, chance):
    """Ten seconds are one moment."""
    records = [turn(unit, 5 + i / 100, seen) for i, (unit, seen) in enumerate(turns)]
    shuffled = list(turns)
    chance.shuffle(shuffled)
    again = [turn(unit, 5 + i / 100, seen) for i, (unit, seen) in enumerate(shuffled)]
    assert totals(folded(again)) == totals(folded(records))


def test_a_session_counts_once_a_slot_until_it_fails():
    """First-failure stream: three slots, a failure in the second, one exposure in each slot up to it."""
    counts = one([turn("s", 1), turn("s", 2), turn("s", 11, BAD), turn("s", 12, BAD), turn("s", 21), turn("t", 3)])
    assert counts.exposed == {"success": 3}
    assert counts.failed == {"success": ("s",)}
    assert (counts.requests, counts.assigned) == (6, 2)


def test_a_session_is_resolved_once_with_all_it_added_up_to():
    """Resolved stream: any failure is the session's failure; costs add up, the worst latency and quality stay."""
    counts = one(
        [
            turn("s", 1, Observation(success=True, cost=MicroUsd(300), latency_ms=Millis(900), quality=4.6)),
            turn("s", 2, Observation(success=False, cost=MicroUsd(200), latency_ms=Millis(50), quality=2.5)),
        ]
    )
    assert counts.resolved == {"success": Count(1, 1), "quality": Count(1, 0)}
    assert counts.amounts == {
        "cost": {bucket_of(500): 1},
        "latency_ms": {bucket_of(900): 1},
        "quality": {bucket_of(3, Scale.EXACT): 1},
    }


def test_a_session_with_a_turn_that_timed_out_has_timed_out():
    """Given up after 200 ms is worse than an answer after 900; nobody saw a first token of it, and no cost is lost."""
    slow = Observation(success=True, cost=MicroUsd(300), latency_ms=Millis(900), ttft_ms=Millis(50))
    given_up = Observation(success=False, cost=MicroUsd(200), latency_ms=Millis(200), timed_out=True)
    for turns in ((slow, given_up), (given_up, slow)):
        counts = one([turn("s", second, seen) for second, seen in enumerate(turns)])
        assert counts.amounts == {
            "cost": {bucket_of(500): 1},
            "latency_ms": {censored(bucket_of(900)): 1},
            "ttft_ms": {censored(bucket_of(200)): 1},
        }


def test_a_session_is_over_when_it_was_silent_for_long_enough():
    """At the cut, not before; what comes later of it is not resolved again but may still fail."""
    fold = Fold("p1")
    fold.add(turn("s", 0))
    assert fold.cut(Nanos(IDLE - 1)).counts[KEY].resolved == {}
    assert not fold.due(Nanos(IDLE - 1))
    assert fold.due(Nanos(IDLE))
    assert fold.cut(Nanos(IDLE)).counts[KEY].resolved == {"success": Count(1, 0)}
    fold.add(turn("s", 200, BAD))
    counts = fold.close(FAR).counts[KEY]
    assert (counts.assigned, counts.failed, counts.resolved) == (0, {"success": ("s",)}, {})


def test_a_request_of_its_own_is_exposed_and_resolved_at_once():
    """For `unit: request` both streams are the same."""
    fold = Fold("p1")
    fold.add(turn("q1", 0, idle=0))
    fold.add(turn("q2", 0, BAD, idle=0))
    counts = fold.cut(Nanos(SECOND)).counts[KEY]
    assert counts.exposed == {"success": 2}
    assert counts.resolved == {"success": Count(2, 1)}
    assert counts.failed == {"success": ("q2",)}
    assert counts.assigned == 2


def test_what_was_not_recorded_adds_nothing():
    """Null is not zero, and neither is NaN."""
    counts = one([turn("s", 0, Observation()), turn("t", 0, Observation(quality=float("nan")))])
    assert (counts.exposed, counts.failed, counts.resolved, counts.amounts) == ({}, {}, {}, {})
    assert (counts.requests, counts.assigned) == (2, 2)


def test_who_was_not_randomised_is_not_counted():
    """Pinned, listed and forced runs are served and never analysed."""
    (delta,) = folded([turn("s", 0, assignment=CANDIDATE._replace(randomised=False))])
    assert delta.counts == {}


def test_without_a_rollout_runs_are_the_history_of_their_version():
    """Whatever the assignment says besides, history has one place."""
    plain = Assignment(AgentName("shop"), OLD, None, 7, Arm.CANDIDATE, randomised=True)
    (delta,) = folded([turn("s", 0, assignment=plain), turn("t", 0, assignment=plain._replace(randomised=False))])
    assert delta.counts[DeltaKey(AgentName("shop"), OLD, None, 0, Arm.STABLE)].requests == 2
    assert len(delta.counts) == 1


def test_a_late_outcome_joins_its_open_session():
    """Feedback is neither a request nor a new unit, and is resolved with the session."""
    counts = one([turn("s", 0), turn("s", 5, Observation(feedback=0.1), late=True)])
    assert (counts.requests, counts.assigned) == (1, 1)
    assert counts.resolved == {"success": Count(1, 0), "feedback": Count(1, 1)}


def test_a_late_outcome_of_an_unknown_unit_counts_by_its_own_assignment():
    """Days later, in another process: outcome and failure count once, however often they are repeated."""
    late = turn("s", 0, replace(BAD, complaint=False), late=True)
    counts = one([late, late])
    assert (counts.requests, counts.assigned) == (0, 0)
    assert counts.exposed == {"success": 1, "complaint": 1}
    assert counts.failed == {"success": ("s",)}
    assert counts.resolved == {"success": Count(1, 1), "complaint": Count(1, 0)}


def test_a_failure_learned_after_the_session_was_resolved_adds_a_failure_and_no_unit():
    """The session counts once, however late its failure is told; success that is confirmed adds nothing."""
    fold = Fold("p1")
    fold.add(turn("s", 0))
    assert fold.cut(Nanos(IDLE)).counts[KEY].resolved == {"success": Count(1, 0)}
    fold.add(turn("s", 100, Observation(success=True), late=True))
    assert fold.cut(Nanos(100 * SECOND)).counts[KEY].resolved == {}
    fold.add(turn("s", 101, BAD, late=True))
    fold.add(turn("s", 102, BAD, late=True))
    counts = fold.cut(Nanos(102 * SECOND)).counts[KEY]
    assert (counts.exposed, counts.failed, counts.resolved) == ({}, {}, {})
    assert counts.late == {"success": ("s",)}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("idle", [0, IDLE])
def test_a_failure_that_is_reported_again_is_still_one(idle, elsewhere):
    """A run that raised, and a webhook that says the same an hour later, here or in another process: one bad unit."""
    fold, other = Fold("p1"), Fold("p2")
    for i in range(20):
        fold.add(turn(f"u{i}", i, BAD if i < 10 else GOOD, idle=idle))
    deltas = [fold.cut(Nanos(4000 * SECOND))]
    for i in range(10):
        (other if elsewhere else fold).add(turn(f"u{i}", 4000 + i, BAD, late=True)._replace(assumed=True))
    deltas += [other.close(FAR), fold.close(FAR)]
    assert as_stored(deltas) == [20, 10, 20, 10]


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("idle", [0, IDLE])
def test_a_corrected_success_is_one_unit_with_one_failure(idle, elsewhere):
    """Both streams, sessions and requests, told in the process of the run or in any other: n units, k of them bad."""
    fold, other = Fold("p1"), Fold("p2")
    for i in range(100):
        fold.add(turn(f"u{i}", i, idle=idle))
    deltas = [fold.cut(Nanos(300 * SECOND))]
    for i in range(50):
        correction = turn(f"u{i}", 400 + i, BAD, late=True)._replace(assumed=True)
        for _ in range(2):
            (other if elsewhere else fold).add(correction)
    deltas += [fold.close(FAR), other.close(FAR)]
    assert as_stored(deltas) == [100, 50, 100, 50]


@pytest.mark.parametrize("idle", [0, IDLE])
def test_a_failure_that_is_reported_again_is_one_failure(idle):
    """A run that raised, and a person who reports it too: one unit, bad once in both streams; a complaint is new."""
    fold = Fold("p1")
    fold.add(turn("u", 0, replace(BAD, tokens=7), idle=idle))
    deltas = [fold.cut(Nanos(300 * SECOND))]
    report = turn("u", 400, replace(BAD, complaint=True, tokens=7), late=True)._replace(assumed=True)
    for _ in range(2):
        fold.add(report)
    deltas.append(fold.close(FAR))
    assert as_stored(deltas) == [1, 1, 1, 1]
    assert as_stored(deltas, "complaint")[2:] == [1, 1]
    sums, _ = totals(deltas)
    assert sum(n for (_, field, *_), n in sums.items() if field == "tokens") == 1


def test_what_was_never_assumed_is_learned_as_a_unit():
    """A late complaint beside a correction: the complaint is new, the success was counted."""
    late = turn("s", 0, Observation(success=False, complaint=True), late=True)._replace(assumed=True)
    counts = one([late])
    assert counts.exposed == {"complaint": 1}
    assert counts.resolved == {"complaint": Count(1, 1)}
    assert counts.late == {"success": ("s",)}


def test_a_clock_that_jumped_ahead_and_back_holds_nobody_up():
    """A session stamped a day ahead is over once silent from then on; those behind it are resolved in time."""
    fold = Fold("p1")
    fold.add(turn("ahead", 86_400))
    for i in range(10):
        fold.add(turn(f"u{i}", i))
    assert fold.due(Nanos(20 * SECOND))
    assert fold.cut(Nanos(20 * SECOND)).counts[KEY].resolved == {}
    assert not fold.due(Nanos(30 * SECOND))
    assert fold.cut(Nanos(75 * SECOND)).counts[KEY].resolved == {"success": Count(10, 0)}
    assert fold.cut(Nanos(80 * SECOND)).counts[KEY].resolved == {"success": Count(1, 0)}
    assert fold.open_units == 0


def test_every_process_names_the_same_sample_of_the_units_it_assigns():
    """Hashes that end with 0, once each a process, so that a store can tell how many processes a session meets."""
    counts = one([turn(unit, second) for second in (0, 20) for unit in ("aa10", "aa11", "bb20")])
    assert (counts.exposed[PRESENCE], counts.failed[PRESENCE]) == (2, ("aa10", "bb20"))
    history = CANDIDATE._replace(rollout=None)
    (delta,) = folded([turn("aa10", 0, assignment=history)])
    assert [PRESENCE in counts.exposed for counts in delta.counts.values()] == [False]


def test_memory_is_bounded_and_what_was_hurried_is_counted():
    """Beyond the capacity the longest silent units are resolved early, and the oldest closed ones forgotten."""
    fold = Fold("p1", capacity=32)
    for i in range(1000):
        fold.add(turn(f"u{i}", i / 1000))
    assert fold.open_units <= 32
    assert fold.hurried == 1000 - fold.open_units
    assert len(list(fold.remembered())) <= 64
    counts = fold.close(FAR).counts[KEY]
    assert counts.resolved == {"success": Count(1000, 0)}
    assert counts.assigned == 1000


def test_epochs_that_ended_leave_nothing_behind():
    """A process that lives for years does not grow with the epochs it has seen."""
    fold = Fold("p1")
    for epoch in range(50):
        fold.add(turn("q", epoch, idle=0, assignment=CANDIDATE._replace(epoch=epoch)))
        fold.cut(Nanos(epoch * SECOND))
    assert list(fold.remembered()) == []
    assert not fold.due(FAR)
