"""The spool: what was written is found again, whole, by whoever comes after."""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.client.adoption import NOTHING_ADOPTED, Adopted, adopt_all, orphans, replay
from surefoot.client.line import Head, encode, read_lines, record_in, turn, unit_state
from surefoot.client.spool import Spool, claim, segments
from surefoot.core.evidence.fold import Fold
from surefoot.core.evidence.observation import Observation
from surefoot.core.units import Nanos
from surefoot.errors import StoreUnavailable
from tests.client.sinks import KEY, MemorySink, record

FAR = Nanos(10**18)


def nothing():
    """A pause that is none."""


def spooled(tmp_path, records, cuts=(), *, die=True, **limits):
    """A process that writes, folds, cuts and dies; what it would have shipped."""
    spool, fold = Spool(tmp_path, "p1", **limits), Fold("p1")
    assert spool.open()
    deltas = []
    for position, made in enumerate(records):
        assert spool.write(encode(turn(made)))
        fold.add(made)
        if position in cuts:
            at = made.at
            assert spool.cut(fold.sequence + 1, at)
            is_next = spool.is_full(0) and spool.next_segment(fold.sequence + 1)
            deltas.append(fold.cut(at))
            if is_next:
                spool.remember(map(unit_state, fold.remembered()), fold.sequence)
    deltas.append(fold.close(FAR))
    if die:
        spool.abandon()
    return spool, deltas


@given(
    seen=st.builds(
        Observation,
        success=st.none() | st.booleans(),
        quality=st.none() | st.floats(1, 5),
        tokens=st.none() | st.integers(0, 10**9),
        feedback=st.none() | st.floats(0, 1),
        timed_out=st.none() | st.booleans(),
    ),
    late=st.booleans(),
    idle=st.integers(0, 10**13),
)
def test_a_line_says_all_that_the_record_said(seen, late, idle):
    """What is read is what was written."""
    made = record(7, seen=seen, late=late, idle=idle)
    assert record_in(turn(made)) == made


def test_fields_of_another_release_are_read_by_name():
    """A spool may be older or newer than whoever adopts it."""
    line = turn(record(7, seen=Observation(success=False)))
    fields = ("invented", "success")
    other = line.__class__(line.run_id, line.at, line.idle, line.late, (3, False))
    assert record_in(other, fields).seen == Observation(success=False)


def test_a_spool_from_before_timeouts_were_told_apart_reads_as_it_was():
    """Its runs took the time they took, and its units are taken over."""
    line = turn(record(7, seen=Observation(success=False, latency_ms=30_000)))
    seen = dict(zip(Observation.__dataclass_fields__, line.seen, strict=True))
    del seen["timed_out"]
    fields = tuple(seen)
    older = line.__class__(line.run_id, line.at, line.idle, line.late, tuple(seen.values()))
    assert Head(source="p1", sequence=3, fields=fields).speaks_of_units_as_we_do
    assert record_in(older, fields) == record_in(line)


def test_replay_gives_the_deltas_that_were_cut_and_one_for_the_rest(tmp_path):
    """A dead process's deltas come out number by number."""
    records = [record(i, unit=f"s{i % 5}", idle=10**9) for i in range(40)]
    spool, live = spooled(tmp_path, records, cuts=(9, 19, 20))
    assert list(replay(spool.folder, at=FAR, pause=nothing)) == live


def test_replay_across_segments_needs_only_those_that_are_kept(tmp_path):
    """What a segment began with is written beside it, so applied ones can go."""
    records = [record(i, unit=f"s{i % 7}", idle=10**9) for i in range(60)]
    spool, live = spooled(tmp_path, records, cuts=range(4, 60, 5), segment_bytes=2_000)
    assert len(segments(spool.folder)) > 3
    assert list(replay(spool.folder, at=FAR, pause=nothing)) == live
    spool.forget(applied=8)
    assert len(segments(spool.folder)) < 5
    again = list(replay(spool.folder, at=FAR, pause=nothing))
    assert again == live[-len(again) :]
    assert again[0].sequence <= 9


@pytest.mark.parametrize("steps", [0, 1, 3, 99])
def test_a_process_that_dies_while_it_writes_what_it_remembers_loses_nothing(tmp_path, steps):
    """Until all of it is written, the segments before are kept; what is recorded meanwhile goes to the new one."""
    records = [record(i, unit=f"s{i}", idle=10**12) for i in range(300)]
    spool, fold = Spool(tmp_path, "p1", segment_bytes=1), Fold("p1")
    assert spool.open()
    live = []
    for position, made in enumerate(records):
        assert spool.write(encode(turn(made)))
        fold.add(made)
        if position == 200:
            assert spool.cut(1, made.at)
            assert spool.next_segment(1)
            live.append(fold.cut(made.at))
            writing = spool.remembering(map(unit_state, fold.remembered()), 1)
        if 200 <= position < 200 + steps:
            next(writing, None)
    live.append(fold.close(FAR))
    spool.forget(applied=1)
    spool.abandon()
    found = list(replay(spool.folder, at=FAR, pause=nothing))
    assert found == live[-len(found) :]
    assert len(segments(spool.folder)) == len(found) == (1 if steps == 99 else 2)


@given(st.integers(1, 300))
def test_a_line_torn_by_a_crash_is_skipped(tmp_path_factory, cut_off):
    """However much of the end is missing, all before it counts."""
    spool, _ = spooled(tmp_path_factory.mktemp("spool"), [record(i) for i in range(5)])
    log = spool.folder / "00000001.log"
    whole = log.read_bytes()
    os.truncate(log, len(whole) - cut_off)
    kept = whole[: len(whole) - cut_off].count(b"\n") - 1
    sink = MemorySink()
    found = adopt_all(spool.folder.parent, sink, at=FAR, pause=nothing)
    assert sink.requests == kept
    assert found.torn <= 1
    assert not spool.folder.exists()


def test_adoption_ships_what_the_store_lacks_and_only_that(tmp_path):
    """Deltas that were applied before the process died are not applied again."""
    _, live = spooled(tmp_path, [record(i) for i in range(30)], cuts=(9, 19))
    sink = MemorySink()
    sink.absorb(live[0])
    found = adopt_all(tmp_path, sink, at=FAR, pause=nothing)
    assert (found.spools, found.deltas) == (1, 2)
    assert sink.requests == 30
    assert adopt_all(tmp_path, sink, at=FAR, pause=nothing) == NOTHING_ADOPTED


def test_a_spool_stays_until_the_store_has_taken_it(tmp_path):
    """A store that is away is asked again later."""
    spooled(tmp_path, [record(i) for i in range(30)], cuts=(9,))
    sink = MemorySink()
    sink.is_down = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            adopt_all(tmp_path, sink, at=FAR, pause=nothing)
    sink.is_down = False
    adopt_all(tmp_path, sink, at=FAR, pause=nothing)
    assert sink.requests == 30


def test_a_spool_whose_beginning_the_store_has_lost_is_set_aside(tmp_path):
    """It can never be applied, must not be tried for ever, and a person may want to look at it."""
    records = [record(i) for i in range(60)]
    spool, _ = spooled(tmp_path, records, cuts=range(4, 60, 5), segment_bytes=2_000)
    spool.forget(applied=8)
    found = adopt_all(tmp_path, MemorySink(), at=FAR, pause=nothing)
    assert found.refused == 1
    assert (tmp_path / ".refused-p1").is_dir()
    assert list(orphans(tmp_path)) == []


def test_the_spool_of_a_living_process_is_left_alone(tmp_path):
    """Its lock is held."""
    spool, _ = spooled(tmp_path, [record(1)], die=False)
    assert list(orphans(tmp_path)) == []
    assert claim(spool.folder) is None
    spool.close(delete=True)
    assert not spool.folder.exists()


def test_only_the_owner_may_read_it(tmp_path):
    """Folders 0700, files 0600."""
    spool, _ = spooled(tmp_path / "deep" / "spool", [record(1)])
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(spool.folder.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in spool.folder.iterdir()} == {0o600}


def test_a_place_that_cannot_be_written_puts_the_spool_out_of_service(tmp_path):
    """No error reaches the caller; the reason is kept, and when the place is back, so is the spool."""
    place = tmp_path / "spool"
    place.write_text("a file where the folder should be")
    spool = Spool(place, "p1")
    assert not spool.open()
    assert str(place) in spool.failure
    assert not spool.write(b"line\n")
    place.unlink()
    assert spool.begin_again((), 4)
    assert spool.failure == ""


def test_a_full_disk_never_leaves_a_cut_without_its_records(tmp_path):
    """After one failed write nothing is written until the spool begins again."""
    spool, fold = Spool(tmp_path, "p1"), Fold("p1")
    spool.open()
    made = record(1, unit="s", idle=10**9)
    spool.write(encode(turn(made)))
    fold.add(made)
    log, spool._log = spool._log, os.open("/dev/full", os.O_WRONLY)  # noqa: SLF001 - a disk that is full
    assert not spool.write(encode(turn(record(2))))
    assert "space" in spool.failure
    spool._log = log  # noqa: SLF001 - there is room again, too late for the cut
    assert not spool.cut(1, 5)
    fold.add(record(2))
    fold.cut(Nanos(5))
    assert spool.begin_again(map(unit_state, fold.remembered()), fold.sequence)
    spool.write(encode(turn(record(3))))
    fold.add(record(3))
    spool.abandon()
    assert list(replay(spool.folder, at=FAR, pause=nothing)) == [fold.close(FAR)]


def test_what_piles_up_is_bounded(tmp_path):
    """A store that is away for days fills no disk."""
    spool = Spool(tmp_path, "p1", limit_bytes=1_000)
    spool.open()
    written = sum(spool.write(encode(turn(record(i)))) for i in range(100))
    assert 0 < written < 10
    assert "wait for the store" in spool.failure


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_garbage_in_a_spool_is_skipped(lines):
    """Every unreadable line is one None."""
    assert list(read_lines(iter([line + b"\n" for line in lines]), ())) == [None] * len(lines)


def test_the_bucket_an_orphan_counts_in_is_its_own(tmp_path):
    """Adopted evidence belongs to the arm and epoch of the run, not to whoever adopts it."""
    spooled(tmp_path, [record(i) for i in range(3)])
    sink = MemorySink()
    adopt_all(tmp_path, sink, at=FAR, pause=nothing)
    assert sink.deltas[0].counts.keys() == {KEY}


def test_a_spool_that_makes_no_sense_keeps_no_other_from_being_adopted(tmp_path, caplog):
    """Those before and behind it are shipped; it is set aside, counted and named, and met once."""
    for source in ("a", "b", "c"):
        spool = Spool(tmp_path, source)
        assert spool.open()
        assert spool.write(encode(turn(record(1))))
        if source == "b":
            assert spool.write(b'["c",1,9223372036854775807000]\n')  # a time that is none
        spool.abandon()
    sink = MemorySink()
    found = adopt_all(tmp_path, sink, at=FAR, pause=nothing)
    assert found == Adopted(spools=2, deltas=2, damaged=("b",))
    assert {delta.source for delta in sink.deltas} == {"a", "c"}
    assert "spool b is damaged" in caplog.text
    assert (tmp_path / ".damaged-b").is_dir()
    assert adopt_all(tmp_path, sink, at=FAR, pause=nothing) == NOTHING_ADOPTED
