"""The recorder: everything counts once, nothing reaches the caller, and what is lost is counted too."""

from __future__ import annotations

import os
from threading import Event, Thread

import pytest

from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.client.recorder import Pace, Recorder
from surefoot.core.evidence.observation import Observation
from surefoot.errors import StoreUnavailable
from tests.client.sinks import KEY, MemorySink, Seen, record

FOREVER = 4 * 10**18
QUICK = Pace(wake=0.002, ship=0.01, retry=0.002, repair=0.0, adopt=3600.0)


@pytest.fixture
def sink():
    """A store."""
    return MemorySink()


@pytest.fixture
def recorder(sink, tmp_path):
    """A recorder that spools."""
    made = started(sink, tmp_path)
    yield made
    made.close()


def started(sink, spools, *, durable=False, pace=QUICK):
    return Recorder(sink=sink, clock=SystemClock(), ids=SystemIds(), spools=spools, durable=durable, pace=pace)


def put(recorder, *numbers):
    for number in numbers:
        recorder.put(Seen(record(number)))


def spools(folder):
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("durable", [False, True])
def test_what_was_put_is_in_the_store_after_a_flush(sink, tmp_path, durable):
    """Each run once, however many threads put them."""
    recorder = started(sink, tmp_path, durable=durable)
    threads = [Thread(target=put, args=(recorder, *range(n, n + 500))) for n in range(0, 2000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.flush(10)
    assert sink.requests == 2000
    assert sum(len(delta.counts[KEY].failed["success"]) for delta in sink.deltas) == 200
    assert recorder.health.recorded == 2000
    assert recorder.close()
    assert sink.requests == 2000


def test_close_resolves_what_is_open_and_leaves_no_spool(sink, tmp_path):
    """At the end of the process every session's outcome is final."""
    recorder = started(sink, tmp_path)
    recorder.put(Seen(record(1, unit="s", idle=FOREVER)))
    assert recorder.flush(10)
    assert not any(counts.resolved for delta in sink.deltas for counts in delta.counts.values())
    assert recorder.close()
    assert sink.deltas[-1].counts[KEY].resolved["success"].n == 1
    assert spools(tmp_path) == []


def test_a_durable_run_is_in_the_spool_before_put_returns(sink, tmp_path):
    """The caller's own thread writes it."""
    recorder = started(sink, tmp_path, durable=True, pace=Pace(wake=60, ship=60))
    put(recorder, 1, 2, 3)
    (folder,) = spools(tmp_path)
    assert (folder / "00000001.log").read_bytes().count(b'["r"') == 3
    assert recorder.close()
    assert sink.requests == 3


def test_while_the_store_is_away_nothing_is_lost_and_afterwards_nothing_counts_twice(sink, recorder):
    """It keeps folding and tries again."""
    sink.is_down = True
    put(recorder, *range(100))
    assert not recorder.flush(0.05)
    assert "gone" in recorder.health.error
    assert recorder.health.unshipped >= 1
    put(recorder, *range(100, 200))
    sink.is_down = False
    assert recorder.flush(10)
    assert sink.requests == 200
    assert recorder.health.error == ""
    assert recorder.health.unshipped == 0


def test_what_the_store_did_not_take_before_the_end_is_taken_from_the_spool_by_the_next(sink, tmp_path):
    """The exit is bounded; the next start goes on."""
    sink.is_down = True
    first = started(sink, tmp_path)
    put(first, *range(50))
    assert not first.close()
    assert len(spools(tmp_path)) == 1
    sink.is_down = False
    arrived = Event()
    absorb = sink.absorb
    sink.absorb = lambda delta: absorb(delta) and not arrived.set()
    second = started(sink, tmp_path)
    assert arrived.wait(10)
    assert second.close()
    assert sink.requests == 50
    assert spools(tmp_path) == []


def test_a_store_that_lost_what_it_had_gets_what_is_left_from_a_new_source(sink, recorder):
    """Restored from a backup, or deleted: counting goes on without a gap in the numbers."""
    put(recorder, 1)
    assert recorder.flush(10)
    sink.lose_everything()
    put(recorder, 2, 3)
    assert recorder.flush(10)
    assert sink.requests == 2
    assert sink.deltas[0].sequence == 1
    put(recorder, 4)
    assert recorder.flush(10)
    assert recorder.health.error == ""
    assert sink.requests == 3


def test_a_place_that_cannot_be_written_only_degrades(sink, tmp_path):
    """Runs are counted, and so is that they were not spooled."""
    place = tmp_path / "spool"
    place.write_text("no folder")
    recorder = started(sink, place)
    put(recorder, 1, 2)
    assert recorder.flush(10)
    assert sink.requests == 2
    assert recorder.health.unspooled == 2
    assert "not spooling" in recorder.health.error
    place.unlink()
    put(recorder, 3)
    assert recorder.flush(10)
    put(recorder, 4)
    assert recorder.flush(10)
    assert recorder.health.error == ""
    assert recorder.health.unspooled < 4
    recorder.close()


def test_a_full_buffer_is_counted_and_reported(sink, tmp_path, caplog):
    """More runs than may wait are lost, one by one, never silently."""
    recorder = started(sink, tmp_path, pace=Pace(wake=60, ship=60, buffer=10))
    put(recorder, *range(25))
    assert recorder.health.lost == 15
    recorder.flush(1)
    recorder.close()
    assert "15 runs were not counted" in caplog.text
    assert sink.requests == 10
    put(recorder, 1)
    assert recorder.health.lost == 16


@pytest.mark.parametrize("durable", [False, True])
def test_a_run_that_makes_no_record_hurts_nobody(sink, tmp_path, durable):
    """Its neighbours are counted."""

    class Strange:
        def record(self, wall):
            raise RuntimeError("no")

    recorder = started(sink, tmp_path, durable=durable)
    recorder.put(Strange())
    put(recorder, 1)
    assert recorder.flush(10)
    assert sink.requests == 1
    assert recorder.health.unreadable == 1
    recorder.close()


def test_an_unexpected_error_of_the_store_does_not_end_the_thread(sink, recorder):
    """It is shown, and tried again."""
    absorb, broken = sink.absorb, Event()

    def absorb_badly(delta):
        broken.set()
        raise ZeroDivisionError("bug")

    sink.absorb = absorb_badly
    put(recorder, 1)
    assert broken.wait(10)
    sink.absorb = absorb
    assert recorder.flush(10)
    assert sink.requests == 1


def test_the_end_of_the_process_waits_no_longer_than_it_says(tmp_path):
    """A store that hangs keeps nobody from leaving."""
    release = Event()

    class Hanging(MemorySink):
        def absorb(self, delta):
            release.wait(30)
            raise StoreUnavailable("hung", hint="wait")

    recorder = started(Hanging(), tmp_path)
    put(recorder, 1)
    assert not recorder.close(timeout=0.05)
    release.set()
    assert len(spools(tmp_path)) == 1


def test_a_forked_child_counts_by_itself(sink, tmp_path):
    """The parent's runs are the parent's, the child's have a spool and numbers of their own."""
    recorder = started(sink, tmp_path, pace=Pace(wake=0.002, ship=60))
    nonce = recorder.serial(1)
    put(recorder, 1, 2)
    read, write = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover - another process
        put(recorder, 3)
        done = recorder.flush(10) and recorder.close(10) and recorder.serial(1) != nonce and sink.requests == 1
        os.write(write, b"1" if done else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"1"
    assert recorder.serial(1) == nonce
    assert recorder.close()
    assert sink.requests == 2


def test_sessions_span_deltas(sink, recorder):
    """A unit is exposed once a slot whatever is cut in between, and late outcomes join it."""
    base = 10**18
    for second in range(3):
        recorder.put(Seen(record(1, unit="s", idle=FOREVER, at=base + second * 10**9)))
        assert recorder.flush(10)
    recorder.put(Seen(record(1, unit="s", at=base + 10**10, seen=Observation(feedback=0.0), late=True)))
    assert recorder.close()
    assert sum(delta.counts[KEY].exposed.get("success", 0) for delta in sink.deltas) == 1
    assert sum(delta.counts[KEY].requests for delta in sink.deltas) == 3
    assert sink.deltas[-1].counts[KEY].resolved["feedback"] == (1, 1)
