"""Every call is answered from the recording, or not at all; where the answer comes from is always said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import Effect, ToolSpec
from surefoot.core.proof.call_keys import alike, arguments_key, normalised_key
from surefoot.core.proof.tape import MissedWrite, Pool, Source, Tape, TapeRules, schema_digest
from surefoot.core.proof.trace import TracedCall, TracedResult
from surefoot.core.protection.redaction import Redactor
from tests.core.proof.recordings import called, trace

READS = TapeRules(effects={"find": Effect.READ, "get": Effect.READ, "note": Effect.IDEMPOTENT_WRITE})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=2), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(
    st.builds(
        lambda name, args: TracedCall(name=name, args=args),
        st.sampled_from(["find", "get", "pay"]),
        st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2),
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(CALLS)
def test_a_run_replayed_on_its_own_tape_is_exact(calls):
    """Whoever does what was recorded gets what was recorded, in that order, and nothing is left."""
    recorded = trace(*calls)
    tape = Tape(recorded, READS)
    for place, call in enumerate(calls):
        served = tape.call(call.name, call.args)
        assert served.source is Source.EXACT
        assert served.result == f"result {place}" or calls.count(call) > 1
    report = tape.report()
    assert (report.is_diverged, report.unconsumed, report.extra) == (False, (), ())
    assert report.fidelity == (1.0 if calls else None)


@settings(max_examples=60)
@given(CALLS, CALLS)
def test_a_write_that_was_not_recorded_never_succeeds(recorded, wanted):
    """Whatever is asked, a write without a recording is the end of the run, and nothing after it is answered."""
    tape = Tape(trace(*recorded), READS)
    known = {("pay", arguments_key(call.args)) for call in recorded} | {
        ("pay", normalised_key(call.args)) for call in recorded
    }
    stopped = False
    for call in wanted:
        served = tape.call(call.name, call.args)
        is_known = ("pay", arguments_key(call.args)) in known or ("pay", normalised_key(call.args)) in known
        if stopped or (call.name == "pay" and not is_known):
            assert (served.source, served.success) == (Source.MISSED, False)
        stopped = stopped or served.stops
    assert tape.report().is_diverged == any(played.served.source is Source.MISSED for played in tape.report().calls)


@settings(max_examples=80)
@given(JSON)
def test_equal_json_has_one_key(value):
    """A value is itself, in any order of names, and what is normalised is not told apart more finely."""
    turned = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert arguments_key(turned) == arguments_key(value)
    assert normalised_key(turned) == normalised_key(value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"n": 1}, {"n": 1.0}, True),
        ({"n": 1}, {"n": True}, False),
        ({"n": 1, "m": None}, {"n": 1}, True),
        ({"n": [1, 2]}, {"n": [2, 1]}, False),
        ({"n": "1"}, {"n": 1}, False),
    ],
)
def test_arguments_are_equal_as_json_is(one, other, same):
    """Null is left out and 1.0 is 1; true is not 1, and order in lists matters."""
    assert (arguments_key(one) == arguments_key(other)) is same


@pytest.mark.parametrize(
    "arguments",
    [{"city": " new  YORK", "on": "2026-05-01"}, {"city": "New York", "on": "2026-05-01T00:00:00"}],
)
def test_the_second_rung_forgives_writing(arguments):
    """Case, white space, the way a date is written, and the defaults of the schema make no other call."""
    rules = TapeRules(effects=READS.effects, defaults={"find": {"limit": 10}})
    tape = Tape(trace(called("find", city="New York", on="2026-05-01", limit=10)), rules)
    assert tape.call("find", arguments).source is Source.NORMALISED


def test_a_read_may_be_repeated():
    """A read that was answered is answered the same again; after a write that answer may be out of date."""
    tape = Tape(trace(called("find", id=1), called("pay", id=1)), READS)
    assert tape.call("find", {"id": 1}).source is Source.EXACT
    assert tape.call("find", {"id": 1})[:3] == (Source.REPEATED, True, "result 0")
    tape.call("pay", {"id": 1})
    assert tape.call("find", {"id": 1}).source is Source.APPROXIMATE


def test_a_second_identical_write_is_a_duplicate():
    """It gets the first one's answer and is not made; an idempotent write is just repeated."""
    tape = Tape(trace(called("pay", id=1), called("note", text="a")), READS)
    tape.call("pay", {"id": 1})
    tape.call("note", {"text": "a"})
    assert tape.call("pay", {"id": 1}).source is Source.DUPLICATE
    assert tape.call("note", {"text": "a"}).source is Source.REPEATED
    assert tape.report().extra == (2, 3)


def test_only_free_text_of_reads_is_approximated():
    """A search in other words is the same search; another order is another order, and a write is never nearly one."""
    recorded = trace(
        called("find", q="shoes for long winter walks"),
        called("get", id="order_12345678"),
        called("pay", note="for the shoes of May"),
    )
    tape = Tape(recorded, READS)
    assert tape.call("find", {"q": "shoes for a long winter walk"}).source is Source.APPROXIMATE
    assert tape.call("get", {"id": "order_12345679"}).source is Source.MISSED
    assert tape.call("pay", {"note": "for the shoes of June"}).stops
    assert alike({"id": 1}, {"id": 2}) == 0.0


def test_a_read_may_come_from_the_pool_of_its_tenant_and_hour():
    """What another trace read for the same tenant at the same time stands in; another tenant's never does."""
    mine = trace(tenant="a", started_at="2026-05-01T10:00:00+00:00")
    near = trace(called("find", id=7), tenant="a", started_at="2026-05-01T10:30:00+00:00")
    for others, source in (
        ([near], Source.POOLED),
        ([trace(called("find", id=7), tenant="b", started_at="2026-05-01T10:30:00+00:00")], Source.MISSED),
        ([trace(called("find", id=7), tenant="a", started_at="2026-05-03T10:30:00+00:00")], Source.MISSED),
        ([trace(called("find", id=7), tenant="a")], Source.MISSED),
    ):
        assert Tape(mine, READS, pool=Pool(others)).call("find", {"id": 7}).source is source


def test_a_read_without_a_recording_is_an_ordinary_error():
    """The agent is told what a failing tool tells it and may go on; the run has left its tape all the same."""
    tape = Tape(trace(called("find", id=1)), READS)
    served = tape.call("get", {"id": 2})
    assert (served.source, served.success, served.stops) == (Source.MISSED, False, False)
    tape.call("find", {"id": 1})
    report = tape.report()
    assert (report.first_divergence, report.fidelity, report.extra) == (0, 0.5, (0,))


def test_an_intent_is_held_against_the_schema():
    """A write that is only noted down is acknowledged if its arguments are right, and leaves the tape."""
    rules = TapeRules(
        missed_write=MissedWrite.INTENT, problems={"pay": lambda value: None if value else "amount is missing"}
    )
    tape = Tape(trace(), rules)
    assert tape.call("pay", {"amount": 1})[:2] == (Source.INTENT, True)
    assert tape.call("pay", {})[:2] == (Source.INTENT, False)
    assert tape.report().first_divergence == 0


@pytest.mark.parametrize("result", [TracedResult(success=True, result="cut...", truncated=True), TracedResult()])
def test_a_recording_that_is_cut_or_empty_answers_nothing(result):
    """Half a result would be another result."""
    assert Tape(trace(called("find"), results=(result,)), READS).call("find", {}).source is Source.MISSED


def test_a_recorded_failure_fails_again():
    """What failed then fails now, and may be tried again as it was then."""
    results = (TracedResult(success=False, result="timeout"), TracedResult(success=True, result="ok"))
    tape = Tape(trace(called("pay", id=1), called("pay", id=1), results=results))
    assert [tape.call("pay", {"id": 1}).success for _ in range(2)] == [False, True]


def test_arguments_redacted_by_their_names_still_match():
    """A recording redacted as a whole is found, also where a name says what its value is or is an address itself."""
    redactor = Redactor(key=b"k")
    args = {"ssn": "078051120", "phone": 5551234567, "ann@example.com": [{"dob": "1990-01-02"}]}
    kept = redactor.value({"tool_calls": [{"args": args}]}).value["tool_calls"][0]["args"]
    assert not set(args["ssn"]) & set(str(kept["ssn"]))
    rules = TapeRules(redact=lambda value: redactor.value(value).value)
    assert Tape(trace(called("find", **kept)), rules).call("find", args).source is Source.EXACT


def test_redacted_arguments_still_match():
    """Both sides are redacted with the same code and key, so personal data is not needed to find a recording."""
    redactor = Redactor(key=b"k")
    kept = redactor.text("mail ann@example.com")
    rules = TapeRules(redact=lambda value: redactor.value(value).value)
    assert (
        Tape(trace(called("send", to=kept)), rules).call("send", {"to": "mail ann@example.com"}).source is Source.EXACT
    )
    assert Tape(trace(called("send", to=kept))).call("send", {"to": "mail ann@example.com"}).source is Source.MISSED


def test_a_tape_of_another_schema_is_stale():
    """A recording made with another schema of a tool is named; one that recorded no schema is not accused."""
    tool = ToolSpec(name="find", arguments=canonical({"type": "object"}))
    rules = TapeRules(schemas={"find": schema_digest(tool)})
    assert rules.stale(trace(TracedCall(name="find", schema="sha256:other"), called("find"))) == ("find",)
    assert rules.stale(trace(TracedCall(name="find", schema=schema_digest(tool)), called("find"))) == ()


def test_ignored_arguments_make_no_difference():
    """An id that every run makes anew does not keep a call from its recording."""
    rules = TapeRules(ignored={"pay": frozenset({"request_id"})})
    assert (
        Tape(trace(called("pay", id=1, request_id="x")), rules).call("pay", {"id": 1, "request_id": "y"}).source
        is Source.EXACT
    )


def test_a_tape_cannot_call_anything():
    """There is no way to hand a tape a function, so there is none that it could call."""
    assert not [name for name in dir(Tape) if not name.startswith("_") and name not in {"call", "report"}]
