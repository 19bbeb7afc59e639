"""A run of several calls of which a later one fails has used what the earlier ones used."""

from __future__ import annotations

import asyncio

import pytest

from surefoot.adapters.executors.tool_loop import loop
from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.suite import Limits
from surefoot.core.proof.tape import Served, Source
from surefoot.core.proof.trace import Trace
from surefoot.core.units import MicroUsd
from surefoot.errors import ExecutorFailed
from surefoot.ports.executor import Answer, ToolCall, Unfinished
from surefoot.service.prove import recorded_cost
from surefoot.testing.samples import version
from tests.service.proofs import contender, order, proven, suite_of


class Model:
    """Calls a tool again and again, for 0.01 dollars and 100 tokens each time; its n-th call fails."""

    def __init__(self, fails: int, *, transient: bool = False) -> None:
        self.fails, self.transient, self.asked = fails, transient, 0

    async def run(self, version, request, *, key):
        self.asked += 1
        if int(key.rpartition(":")[2]) + 1 == self.fails:
            raise ExecutorFailed("gone", hint="", transient=self.transient)
        seen = Observation(tokens=100, cost=MicroUsd(10_000))
        return Answer(output=None, seen=seen, tool_calls=(ToolCall(name="look"),))

    def stream(self, version, request, *, key):
        raise NotImplementedError


class Looping:
    """A version whose every run is the model's loop with a tool that finds nothing."""

    def __init__(self, model: Model) -> None:
        self.model = model

    async def run(self, version, request, *, key):
        served = Served(source=Source.EXACT, success=True, result="nothing")
        ended = await loop(
            self.model, version, Trace(trace_id="t", request=request), lambda name, args: served, key=key
        )
        return ended.answer

    def stream(self, version, request, *, key):
        raise NotImplementedError


@pytest.mark.parametrize(("fails", "paid"), [(1, 0), (2, 1), (4, 3)])
def test_earlier_calls_of_a_run_that_failed_are_charged(fails, paid):
    """Money and tokens of all calls before the one that failed; the failure stays the attempt's result."""
    proof = proven(order(suite_of(1), contender(Looping(Model(fails)), price=recorded_cost)))
    assert (proof.errors, proof.results[0].error) == (1, "gone")
    assert (proof.spent.usd, proof.spent.tokens) == (pytest.approx(0.01 * paid), 100 * paid)


def test_a_loop_that_is_tried_again_stays_within_its_cap():
    """Each try is charged for what it used: five tries of three paid calls do not slip through a cap of ten."""
    model = Model(4, transient=True)
    wanted = order(suite_of(3, limits=Limits(tokens=1_000), concurrency=1), contender(Looping(model)))
    proof = proven(wanted)
    assert "limit of 1000 tokens" in proof.stopped
    assert proof.spent.tokens == 900


def test_the_first_call_that_fails_has_used_nothing():
    """It is raised as it is; a later one carries what was used, and may be tried again as before."""

    def raised(fails):
        with pytest.raises(ExecutorFailed) as failed:
            asyncio.run(Looping(Model(fails, transient=True)).run(version(), "q", key="k"))
        return failed.value

    assert not isinstance(raised(1), Unfinished)
    later = raised(3)
    assert isinstance(later, Unfinished)
    assert (later.so_far.seen.tokens, later.so_far.seen.model_calls, later.transient) == (200, 2, True)
