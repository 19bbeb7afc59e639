"""Each kind of misuse is found where it is, once, and nowhere else."""

from __future__ import annotations

import pytest

from surefoot.core.artifact.version import Effect
from surefoot.core.proof.misuse import MisuseKind, ToolRules, misuses
from surefoot.core.proof.trace import TracedCall, TracedResult
from tests.core.proof.recordings import called

RULES = ToolRules(
    known=frozenset({"find", "pay", "drop"}),
    allowed=frozenset({"find", "pay"}),
    effects={"find": Effect.READ, "pay": Effect.WRITE, "drop": Effect.EXTERNAL},
    problems={"pay": lambda value: None if isinstance(value, dict) and "id" in value else "id is missing"},
    requires={"pay": ("find",)},
    denied={"pay": lambda call: "too much" if call.args.get("amount", 0) > 100 else None},
    required=("find",),
)
FIND, PAY = called("find", id=1), called("pay", id=1)


@pytest.mark.parametrize(
    ("calls", "kind", "place"),
    [
        ([FIND, called("drop")], MisuseKind.FORBIDDEN_TOOL, 1),
        ([FIND, called("serch")], MisuseKind.UNKNOWN_TOOL, 1),
        ([FIND, called("pay", amount=1)], MisuseKind.BAD_ARGUMENTS, 1),
        ([PAY, FIND], MisuseKind.MISSING_READ, 0),
        ([FIND, PAY, PAY], MisuseKind.DUPLICATE_WRITE, 2),
        ([FIND] * 6, MisuseKind.LOOP, 3),
        ([FIND, called("pay", id=1, amount=200)], MisuseKind.DENIED_ARGUMENTS, 1),
        ([], MisuseKind.MISSING_CALL, None),
    ],
)
def test_each_kind_is_found_where_it_is(calls, kind, place):
    """One wrong thing is one finding, with the position of its call."""
    (found,) = misuses(calls, (), RULES)
    assert (found.kind, found.place) == (kind, place)


def test_a_right_run_has_no_findings():
    """Reading, then writing once, is how it should be; and so is doing nothing where nothing is known."""
    assert misuses([FIND, PAY], (), RULES) == ()
    assert misuses([called("anything"), called("anything")]) == ()


def test_a_call_after_the_final_answer_is_found():
    """What happens after the answer, nobody waits for."""
    (found,) = misuses([FIND, PAY], (), RULES, final_at=1)
    assert (found.kind, found.place) == (MisuseKind.AFTER_FINAL, 1)


def test_a_write_that_failed_may_be_tried_again():
    """Only a write that had succeeded is a duplicate; a read that failed was no read."""
    failed, good = TracedResult(success=False), TracedResult(success=True)
    assert misuses([FIND, PAY, PAY], (good, failed, good), RULES) == ()
    assert [one.kind for one in misuses([FIND, PAY], (failed, good), RULES)] == [
        MisuseKind.MISSING_READ,
        MisuseKind.MISSING_CALL,
    ]


def test_a_trace_may_narrow_what_is_allowed():
    """A tool that the version may use is forbidden where the trace does not allow it."""
    (found,) = misuses([FIND], (), RULES, allowed=("pay",))
    assert found.kind is MisuseKind.FORBIDDEN_TOOL


def test_an_effect_that_the_recorder_noted_counts():
    """Without a version's word the recording's is taken; without either nobody is accused."""
    noted = TracedCall(name="pay", args={"id": 1}, effect="write")
    assert [one.kind for one in misuses([noted, noted])] == [MisuseKind.DUPLICATE_WRITE]
    assert str(misuses([noted, noted])[0]) == "duplicate_write: pay #2"


def test_writes_that_were_owed_are_missing():
    """What the recorded success wrote and this run did not is a missing call."""
    (found,) = misuses([], missing=("pay", "pay"))
    assert (found.kind, found.tool) == (MisuseKind.MISSING_CALL, "pay")


def test_an_argument_that_makes_no_difference_hides_no_repeated_call():
    """A write under another request id is the same write, and a loop with one is a loop."""
    rules = ToolRules(effects={"pay": Effect.WRITE}, ignored={name: frozenset({"request"}) for name in ("pay", "find")})
    pays, finds = ([called(name, id=1, request=n) for n in range(times)] for name, times in (("pay", 2), ("find", 4)))
    assert [one.kind for one in misuses(pays, (), rules)] == [MisuseKind.DUPLICATE_WRITE]
    assert [one.kind for one in misuses(finds, (), rules)] == [MisuseKind.LOOP]
    assert misuses([called("pay", id=n, request=1) for n in range(2)], (), rules) == ()
