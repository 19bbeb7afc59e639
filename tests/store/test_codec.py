"""What is written is read back equal, and what is not understood is refused with its name."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.evidence.histogram import censored
from surefoot.core.evidence.metrics import METRICS
from surefoot.core.evidence.tally import ArmCounts, Delta, History, PairTotals, Tick
from surefoot.core.lifecycle.rollout import Abort, Effect, Event, Judged, Notify, Rollout, ShiftTraffic, Transition
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import Check, Plan, Stage, Targeting
from surefoot.core.traffic.route import AgentTraffic
from surefoot.errors import Unreadable
from surefoot.ports.store import GateVerdict, ShadowPair
from surefoot.store.accumulate import Gathering, remembered
from surefoot.store.codec import STORED, decode, decode_effect, encode
from surefoot.store.traffic_text import decode_traffic
from surefoot.testing.samples import NOON, PLAN, rollout, version

ZONES = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), st.lists, max_leaves=3)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PLAIN = {
    str: TEXT,
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    type(None): st.none(),
    object: JSON,
    date: st.dates(),
    time: st.times(),
    datetime: st.datetimes(timezones=st.just(UTC) | ZONES, min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001 - zones are drawn
    timedelta: st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
}

MANY = {
    tuple: lambda items: st.lists(items, max_size=2).map(tuple),
    frozenset: lambda items: st.frozensets(items, max_size=3),
    Mapping: lambda keys, items: st.dictionaries(keys, items, max_size=2),
}


@st.composite
def plans(draw):
    """Plans that are executable, with every other field as it comes."""
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))
    shares = sorted(draw(st.lists(st.integers(0, 10_000), min_size=len(names) - 1, max_size=len(names) - 1)))
    checks = st.lists(st.sampled_from(sorted(METRICS)), min_size=1, max_size=3, unique=True)
    small = st.floats(1e-9, 0.99) | st.none()
    limits = draw(st.fixed_dictionaries({"margin": small, "tolerance": small, "limit": small}))
    counted = {"max_count": draw(st.integers(0, 9))}
    stages = tuple(
        Stage(
            name=name,
            share=share,
            checks=tuple(
                Check(metric=metric, **limits, **(counted if METRICS[metric].kind == "binary" else {}))
                for metric in draw(checks)
            ),
            min_duration=draw(st.timedeltas(timedelta(0), timedelta(days=9))),
        )
        for name, share in zip(names, [*shares, 10_000], strict=True)
    )
    groups = {"tenants", "segments", "deny"}
    lists = {name: draw(st.frozensets(TEXT, max_size=3)) for name in groups}
    return replace(
        PLAN,
        stages=stages,
        targeting=Targeting(**lists),
        freeze=draw(of(tuple[get_args(get_type_hints(Plan)["freeze"])[0], ...])),
        keep_warm=draw(PLAIN[timedelta]),
        alpha=draw(st.floats(1e-6, 0.5)),
    )


def of(hint):
    """Values of a type, by its annotations: a field added tomorrow is tried tomorrow."""
    if hasattr(hint, "__supertype__"):
        return of(hint.__supertype__)
    if hint in PLAIN:
        return PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([of(argument) for argument in arguments])
    if origin is not None:
        return MANY[origin](*(of(argument) for argument in arguments if argument is not ...))
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    hints = get_type_hints(hint)
    names = [field.name for field in fields(hint) if field.init] if is_dataclass(hint) else hint._fields
    return st.builds(hint, **{name: of(hints[name]) for name in names})


PLAIN[Plan] = plans()


@pytest.mark.parametrize(
    "kind",
    [Plan, Rollout, Transition, Tick, Delta, KillSwitch, AgentTraffic, Gathering, GateVerdict, PairTotals, ShadowPair],
    ids=lambda kind: kind.__name__,
)
def test_every_value_reads_back_equal(kind):
    """Encoding and decoding lose nothing, and equal values are equal texts."""

    @settings(max_examples=40)
    @given(of(kind))
    def law(value):
        text = encode(value)
        again = decode(kind, text)
        assert again == value
        assert encode(again) == text

    law()


@settings(max_examples=60)
@given(of(AgentTraffic))
def test_the_fast_reader_reads_what_the_strict_one_reads(traffic):
    """What routers read by the thousand is the same value."""
    text = encode(traffic)
    assert decode_traffic(text) == decode(AgentTraffic, text) == traffic
    assert decode_traffic(text).revision == traffic.revision


@given(of(Effect))
def test_an_effect_says_its_type(effect):
    """Members of a union are told apart by name."""
    text = encode(effect)
    assert json.loads(text)["type"] == type(effect).__name__
    assert decode_effect(text) == effect


def test_a_version_keeps_its_identity():
    """Its digest is computed again from what was read, and is the same."""
    kept = version()
    assert decode(type(kept), encode(kept)).digest == kept.digest


def test_every_kind_can_be_stored_from_its_annotations():
    """The types in a value's annotations exist at run time, also for fields nobody fills."""
    for kind in (*STORED, *get_args(Event), *get_args(Effect)):
        assert set(get_type_hints(kind)) == {field.name for field in fields(kind)}


STEP = Transition(
    before=rollout(), event=Abort(by="ada", why="a typo"), after=rollout(), effects=(Notify(what="x"),), at=NOON
)


@pytest.mark.parametrize(
    ("kind", "value", "break_", "named"),
    [
        (Transition, STEP, lambda row: row["event"].update(type="Vote"), "Vote"),
        (Transition, STEP, lambda row: row["event"].pop("type"), "None"),
        (Transition, STEP, lambda row: row["event"].update(mood="good"), "mood"),
        (Transition, STEP, lambda row: row.update(mood="good"), "mood"),
        (Transition, STEP, lambda row: row.pop("at"), "at"),
        (Transition, STEP, lambda row: row["effects"][0].update(type="Sing"), "Sing"),
        (Transition, STEP, lambda row: row["before"]["plan"]["stages"][0]["checks"][0].update(mood=1), "checks.mood"),
        (Rollout, rollout(), lambda row: row.update(seed="many"), "seed"),
        (Rollout, rollout(), lambda row: row.update(phase="asleep"), "asleep"),
        (Rollout, rollout(), lambda row: row["plan"].update(stages=[]), "no stage"),
        (AgentTraffic, AgentTraffic(agent="a", stable="s"), lambda row: row.update(mood="good"), "mood"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(kind, value, break_, named):
    """An unknown type, an unknown field, a missing one, a wrong one: the error names it and says what to do."""
    row = json.loads(encode(value))
    break_(row)
    with pytest.raises(Unreadable, match=named) as refusal:
        decode(kind, json.dumps(row))
    assert "newer surefoot" in refusal.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', '{"agent":'])
def test_what_is_no_object_is_refused(text):
    """A damaged row never becomes a value."""
    for read in (
        decode_traffic,
        decode_effect,
        lambda text: decode(Rollout, text),
        lambda text: decode(Transition, text),
    ):
        with pytest.raises(Unreadable):
            read(text)


def test_a_field_that_came_later_is_filled_by_its_default():
    """Rows of an earlier release are read by a later one."""
    row = json.loads(encode(rollout()))
    defaults = [field.name for field in fields(Rollout) if field.default is not MISSING]
    for name in defaults:
        del row[name]
    assert decode(Rollout, json.dumps(row)) == rollout()


def test_counts_of_before_timeouts_were_told_apart_read_as_they_were():
    """Runs that timed out are one more bucket of the same histogram: no field is new, and nothing stored changes."""
    old = '{"amounts":{"latency_ms":{"233":7}}}'
    kept = decode(History, old)
    assert kept.amounts == {"latency_ms": {233: 7}}
    more = remembered(kept, ArmCounts(amounts={"latency_ms": {233: 1, censored(233): 2}}))
    assert decode(History, encode(more)) == History(amounts={"latency_ms": {233: 8, 1257: 2}})


def test_infinities_are_kept():
    """Evidence that is certain, or was never looked for, is a number like any other."""
    (judged,) = (kind for kind in get_args(Event) if kind is Judged)
    hints = get_type_hints(judged)

    @settings(max_examples=5)
    @given(of(hints["verdict"]), of(hints["look"]))
    def law(verdict, look):
        step = replace(STEP, event=Judged(verdict=replace(verdict, ln_e_average=float("-inf")), look=look))
        assert decode(Transition, encode(step)) == step

    law()


def test_equal_values_are_equal_texts():
    """The order in which a set or a mapping was filled does not show."""
    one = AgentTraffic(agent="a", stable="s", pins={"x": "1", "y": "2"}, opted_out=frozenset(["b", "a", "c"]))
    two = AgentTraffic(agent="a", stable="s", pins={"y": "2", "x": "1"}, opted_out=frozenset(["c", "b", "a"]))
    assert encode(one) == encode(two)
    assert encode(ShiftTraffic(share=5)) == '{"type":"ShiftTraffic","share":5}'
