"""The audit trail: whole when honest, and broken visibly whatever is done to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.artifact.canonical import canonical
from surefoot.core.evidence.tally import ArmTick, Count, History, Tick
from surefoot.core.lifecycle import rollout as ro
from surefoot.core.lifecycle.audit import GENESIS, _plain, chained, epochs_of, hash_of, text_of, tick_hash, verify
from surefoot.core.lifecycle.judge import EpochInfo
from surefoot.core.lifecycle.machine import transition
from surefoot.core.lifecycle.rollout import Phase, traffic_of
from surefoot.core.units import RolloutId

from .walks import NEW, PASS, PICKS, PLANS, T0, WALKS, a_life, a_plan, a_rollout, a_stage, a_trail, a_verdict, walk

START, APPROVE = ro.Start(by="ann"), ro.Approve(by="bob", candidate=NEW)
TRAIL = a_trail(a_life(START, PASS, PASS, APPROVE, ro.WarmthEnded()))


numbers = st.integers(0, 2**40)
names = st.sampled_from(["success", "(presence)", "tokens", "cost"])
counts = st.dictionaries(names, st.builds(Count, numbers, numbers), max_size=3)
arms = st.builds(
    ArmTick,
    requests=numbers,
    assigned=numbers,
    first=counts,
    resolved=counts,
    amounts=st.dictionaries(names, st.dictionaries(st.integers(-3, 2000), numbers, max_size=8), max_size=2),
)
a_tick = st.builds(
    Tick,
    rollout=st.just(RolloutId("r-1")),
    sequence=numbers,
    epoch=numbers,
    opened_at=st.datetimes(timezones=st.just(UTC)),
    closed_at=st.datetimes(timezones=st.just(timezone(timedelta(hours=2)))),
    stable=arms,
    candidate=arms,
)


@given(a_tick)
def test_a_tick_is_hashed_as_its_canonical_text(tick):
    """The fast way writes what RFC 8785 asks for, so that any auditor's tools come to the same hash."""
    text = GENESIS + canonical(_plain(tick))
    assert tick_hash(tick) == hashlib.sha256(text.encode()).hexdigest()
    assert tick_hash(tick, previous=tick_hash(tick)) != tick_hash(tick)


def test_a_record_can_be_checked_with_any_sha256():
    """Its hash is that of the hash before it followed by its canonical text; nothing of surefoot is needed."""
    previous = GENESIS
    for record in TRAIL:
        assert hashlib.sha256(previous.encode() + text_of(record.transition).encode()).hexdigest() == record.hash
        previous = record.hash


def test_the_canonical_text_is_json_that_names_its_events():
    """An auditor reads it with any JSON reader; 64-bit seeds survive programs that know floats only."""
    read = json.loads(text_of(TRAIL[0].transition))
    assert read["event"]["type"] == "Start"
    assert read["after"]["seed"] == str(2**64 - 3)
    assert read["at"] == "2026-01-05T09:00:00.000000+00:00"


TAMPERINGS = {
    "a number in the past": lambda rs: [_edited(rs[0], seed=1), *rs[1:]],
    "the author": lambda rs: [_rewritten(rs[0], event=ro.Start(by="eve")), *rs[1:]],
    "the instant": lambda rs: [_rewritten(rs[0], at=T0 + timedelta(microseconds=1)), *rs[1:]],
    "a record is dropped": lambda rs: [*rs[:1], *rs[2:]],
    "the first record is dropped": lambda rs: rs[1:],
    "two records change places": lambda rs: [rs[0], rs[2], rs[1], *rs[3:]],
    "a record is repeated": lambda rs: [rs[0], rs[0], *rs[1:]],
}


def _rewritten(record, **changes):
    return replace(record, transition=replace(record.transition, **changes))


def _edited(record, **changes):
    return _rewritten(record, after=replace(record.transition.after, **changes))


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_every_tampering_is_found(tampering):
    """Nobody changes the past unseen."""
    assert verify(TRAIL) is None
    assert verify(TAMPERINGS[tampering](TRAIL)) is not None


@given(st.integers(0, len(TRAIL) - 1))
def test_the_first_broken_record_is_named(index):
    """Whoever looks into it knows where to begin."""
    forged = [*TRAIL]
    forged[index] = _edited(forged[index], note="nothing to see here")
    broken = verify(forged)
    assert broken is not None
    assert broken.sequence == index + 1


def test_a_forger_who_recomputes_the_hashes_still_has_to_fit_row_to_row():
    """Each record begins where the one before it ended, so a step cannot be cut out and the rest re-chained."""
    moves = [record.transition for record in TRAIL]
    assert verify(a_trail([*moves[:1], *moves[2:]])) is not None


def test_a_trail_whose_end_was_cut_off_does_not_fit_the_row():
    """A chain cannot show what is missing after its end; the rollout's row can."""
    row = TRAIL[-1].transition.after
    assert verify(TRAIL, row=row) is None
    assert verify(TRAIL[:-1], row=row) is not None
    assert verify([], row=row) is not None
    assert verify([], row=a_rollout()) is None


@settings(max_examples=100)
@given(WALKS)
def test_no_two_steps_have_one_text(moves):
    """What differs in anything differs in its hash: an Abort is not a Reject with the same words."""
    texts = {text_of(move): move for move in moves}
    assert all(texts[text_of(move)] == move for move in moves)
    row = a_rollout(phase=Phase.WAITING, opened=1)
    twins = [ro.Promote(by="a", why="w"), ro.Abort(by="a", why="w"), ro.Reject(by="a", why="w")]
    assert len({text_of(replace(transition(row, twins[0], at=T0), event=twin)) for twin in twins}) == 3


def test_the_text_does_not_depend_on_zone_or_order():
    """The same instant in another zone, and the same mapping in another order, are the same record."""
    move = TRAIL[0].transition
    elsewhere = replace(move, at=move.at.astimezone(timezone(timedelta(hours=5))))
    assert hash_of(elsewhere, previous=GENESIS) == hash_of(move, previous=GENESIS)

    def started(*names: str) -> ro.Start:
        return ro.Start(by="ann", history=History(counts={name: Count(5, 1) for name in names}))

    assert text_of(replace(move, event=started("a", "b"))) == text_of(replace(move, event=started("b", "a")))


@pytest.mark.parametrize("ln_e", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_does_not_know_are_kept_as_text(ln_e):
    """A verdict with an infinite e-value can still be written down and verified."""
    verdict = replace(a_verdict(PASS.verdict.judgement), ln_e_average=ln_e)
    move = transition(a_rollout(phase=Phase.RUNNING, opened=1), replace(PASS, verdict=verdict), at=T0)
    assert json.loads(text_of(move))["event"]["verdict"]["ln_e_average"] == str(ln_e)
    assert verify([chained(move, None)]) is None


@settings(max_examples=100)
@given(PLANS, PICKS)
def test_every_epoch_with_traffic_is_known_and_every_known_epoch_had_traffic(plan, picks):
    """Routers stamp units with epochs that the trail can explain, and with no others."""
    moves = walk(a_rollout(plan), picks)
    epochs = epochs_of(moves)
    for after in (move.after for move in moves):
        split = traffic_of(after)
        if split is None:
            assert after.epoch not in epochs or after.epoch == 0
        else:
            assert epochs[split.epoch] == EpochInfo(
                stage=after.opened - 1, share=split.share, is_warm=after.phase is Phase.WARM
            )


def test_epochs_say_what_was_constant():
    """Stage, share and warmth of each epoch, as the judge needs them."""
    plan = a_plan(a_stage("5%", 500), a_stage("all", 10_000), holdback=100)
    moves = a_life(START, ro.Pause(by="a"), ro.Resume(by="a"), PASS, plan=plan)
    assert epochs_of(moves) == {
        1: EpochInfo(stage=0, share=500),
        2: EpochInfo(stage=0, share=500),
        3: EpochInfo(stage=0, share=500),
        4: EpochInfo(stage=1, share=9_900, is_warm=True),
    }


def test_a_field_that_a_later_release_adds_leaves_old_records_whole():
    """What has its default is not hashed, so an old trail still verifies when values have learned new fields."""

    def names(value):
        if isinstance(value, dict):
            return set(value) | {name for inner in value.values() for name in names(inner)}
        return {name for inner in value for name in names(inner)} if isinstance(value, list) else set()

    said = names(json.loads(text_of(TRAIL[0].transition)))
    assert {"seed", "plan", "stages", "metric", "by"} <= said
    assert not {"holdback", "targeting", "freeze", "tolerance", "alpha"} & said
