"""A suite run: what is kept, what stops it, and that nothing which went wrong ever counts as good."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from surefoot.core.proof.case import Case
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.score import Score, Status
from surefoot.core.proof.suite import EvaluatorSpec, Limits, rule_suite
from surefoot.core.proof.text_evaluators import Exact, Excludes, Length, NoPii
from surefoot.core.proof.trace import Trace
from surefoot.core.units import MicroUsd, Millis
from surefoot.errors import ExecutorFailed, StoreUnavailable, UsageError
from surefoot.ports.executor import Answer
from surefoot.ports.judge import Judged, Usage
from surefoot.service.judge import Run, judge_runs
from surefoot.store.results import MemoryResults
from surefoot.testing.clock import ManualClock
from surefoot.testing.samples import version
from tests.service.proofs import Agent, answer, busy, contender, order, proven, suite_of


def decided(wanted, proof):
    """What the suite says of the last version."""
    last = wanted.contenders[-1].version.digest
    return rule_suite(wanted.suite, proof.tables[last], stopped=proof.stopped).decision


def test_every_case_is_tried_as_often_as_asked_by_every_version():
    """Cases x trials x versions, side by side, and the table counts them."""
    old, new = Agent(), Agent(lambda request, nth: answer("no" if request == "1" else request))
    wanted = order(suite_of(3, trials=2), contender(old), contender(new, "v2"))
    proof = proven(wanted)
    before, after = (proof.tables[one.version.digest].columns["exact"] for one in wanted.contenders)
    assert (before.mean, after.mean, before.n, proof.made, proof.stopped) == (1.0, pytest.approx(2 / 3), 6, 12, "")
    assert list(after.samples) == ["c0", "c1", "c2"]
    assert decided(wanted, proof) is Decision.FAILED


def test_a_version_that_answers_right_passes():
    """All cases accounted for and right: passed."""
    wanted = order(suite_of(), contender(Agent()))
    assert decided(wanted, proven(wanted)) is Decision.PASSED


def test_an_answer_that_is_none_is_an_empty_answer():
    """A run that was made and said nothing is judged, not skipped: silence must not improve a version."""
    wanted = order(suite_of(), contender(Agent(lambda request, nth: answer(None))))
    assert decided(wanted, proven(wanted)) is Decision.FAILED


def test_an_agent_that_answers_nothing_passes_no_suite_of_things_that_must_not_be():
    """Twenty silent answers leak nothing, are short and name no secret, and prove nothing."""
    evaluators = (Excludes(texts=("secret",)), NoPii(), Length(most=30))
    specs = tuple(EvaluatorSpec(kind=one.metric, metric=one.metric) for one in evaluators)
    silent = contender(Agent(lambda request, nth: answer(None)), evaluators=evaluators)
    wanted = order(suite_of(20, evaluators=specs), silent)
    assert decided(wanted, proven(wanted)) is Decision.UNDECIDED
    spoken = order(suite_of(20, evaluators=specs), contender(Agent(), evaluators=evaluators))
    assert decided(spoken, proven(spoken)) is Decision.PASSED


@pytest.mark.parametrize("error", [ValueError("broken"), ExecutorFailed("a 404", hint="")], ids=["code", "endpoint"])
def test_what_the_agent_raises_is_its_result(error):
    """An error is kept with its words, is not tried again, and leaves the suite undecided."""

    def does(request, nth):
        if request == "1":
            raise error
        return answer(request)

    agent, results = Agent(does), MemoryResults()
    wanted = order(suite_of(), contender(agent))
    proof = proven(wanted, results=results)
    assert (proof.errors, agent.asked.count("1"), decided(wanted, proof)) == (1, 1, Decision.UNDECIDED)
    assert str(error) in next(result.error for result in results.results("r") if result.error)


def test_a_transport_that_fails_is_tried_again():
    """What works the third time is a result like any other."""

    def does(request, nth):
        if nth < 2:
            raise ExecutorFailed("reset by peer", hint="", transient=True)
        return answer(request)

    agent = Agent(does)
    wanted = order(suite_of(), contender(agent))
    proof = proven(wanted)
    assert (decided(wanted, proof), len(agent.asked), proof.spent.calls) == (Decision.PASSED, 9, 9)


def test_an_endpoint_that_is_busy_for_ever_ends_as_errors():
    """429 for ever: a bounded number of tries each, the endpoint is given up, and nothing is decided."""

    def does(request, nth):
        raise busy(retry_after=20)

    agent = Agent(does)
    wanted = order(suite_of(40), contender(agent))
    proof = proven(wanted)
    assert "5 attempts in a row failed" in proof.stopped
    assert 5 <= proof.errors < 40
    assert max(agent.asked.count(str(i)) for i in range(40)) == 5
    assert decided(wanted, proof) is Decision.UNDECIDED


def test_a_busy_endpoint_gets_fewer_calls_at_once():
    """Overload halves the number of calls under way; an endpoint that keeps up gets more."""
    gentle = Agent()
    proven(order(suite_of(60, concurrency=16), contender(gentle)))
    assert gentle.most_at_once == 16
    harsh = Agent()
    limited = {"most": 3}

    def does(request, nth):
        if harsh.under_way > limited["most"]:
            raise busy()
        return answer(request)

    harsh.does = does
    wanted = order(suite_of(60, concurrency=16, tries=20), contender(harsh))
    proof = proven(wanted)
    assert decided(wanted, proof) is Decision.PASSED
    assert len(harsh.asked) < 200


def test_a_call_that_hangs_ends_at_its_timeout():
    """An agent that never answers is an error of its case, and the others are run."""

    async def never():
        await asyncio.Event().wait()

    def does(request, nth):
        return never() if request == "1" else answer(request)

    agent = Agent(does)
    wanted = order(suite_of(6, timeout=Millis(4_000), tries=2, concurrency=2), contender(agent))
    proof = proven(wanted)
    assert (proof.errors, agent.asked.count("1"), proof.made) == (1, 2, 6)
    assert "no answer within 4 s (2 tries)" in {result.error for result in proof.results}


MONEY = Limits(usd=MicroUsd(50_000))
CAPS = {
    "money": (MONEY, {"usd": 0.01, "tokens": 1}, 5),
    "tokens": (Limits(tokens=500), {"tokens": 100}, 5),
    "calls": (Limits(calls=5), {}, 5),
}


@pytest.mark.parametrize("cap", CAPS)
def test_a_cap_stops_the_launching_and_keeps_what_there_is(cap):
    """A cap that is reached leaves the results that were paid for, and the suite undecided."""
    limits, used, most = CAPS[cap]
    agent = Agent(lambda request, nth: answer(request, **used))
    wanted = order(suite_of(50, limits=limits), contender(agent))
    proof = proven(wanted)
    assert (len(agent.asked), proof.made) == (most, most)
    assert "limit" in proof.stopped
    assert decided(wanted, proof) is Decision.UNDECIDED


def test_a_cap_that_is_just_enough_stops_nothing():
    """Exactly what was needed is not too much."""
    agent = Agent(lambda request, nth: answer(request, usd=0.01))
    wanted = order(suite_of(5, limits=MONEY), contender(agent))
    proof = proven(wanted)
    assert (proof.stopped, decided(wanted, proof)) == ("", Decision.PASSED)


def test_the_first_calls_do_not_pass_the_cap_together():
    """Before a price is seen one call is under way at a time; later no more than fit."""
    agent = Agent(lambda request, nth: answer(request, usd=0.04))
    proof = proven(order(suite_of(50, limits=MONEY, concurrency=32), contender(agent)))
    assert proof.spent.usd <= 0.05 + 1e-9
    assert len(agent.asked) == 1


def test_time_is_a_cap_too():
    """When the time is up nothing more is launched."""

    clock = ManualClock()

    async def slow(request):
        await clock.sleep(1)
        return answer(request)

    agent = Agent(lambda request, nth: slow(request))
    wanted = order(suite_of(400, limits=Limits(time=Millis(3_000)), concurrency=2), contender(agent))
    proof = proven(wanted, clock=clock)
    assert "limit of 3 s" in proof.stopped
    assert 0 < proof.made < 400
    assert decided(wanted, proof) is Decision.UNDECIDED


def test_what_a_call_costs_has_to_be_known_under_a_cap():
    """An unknown price is refused before the first call; a cost that stays unknown stops the run; neither is 0."""
    wanted = order(suite_of(limits=MONEY), contender(Agent(), is_priced=False))
    with pytest.raises(UsageError, match="price of test/model-1 is not known"):
        proven(wanted)
    silent = order(suite_of(9, limits=MONEY), contender(Agent()))
    proof = proven(silent)
    assert "not known" in proof.stopped
    assert decided(silent, proof) is Decision.UNDECIDED
    free = order(suite_of(limits=MONEY), contender(Agent(), is_priced=False, is_free=True))
    assert decided(free, proven(free)) is Decision.PASSED


def test_an_interrupted_run_goes_on_where_it_stopped():
    """Resumed, only what has no result is asked; a result with an error is asked again."""
    results = MemoryResults()

    def failing(request, nth):
        if request in "12":
            raise ValueError(request)
        return answer(request)

    first = order(suite_of(4), contender(Agent(failing)))
    assert proven(first, results=results).errors == 2
    agent = Agent()
    second = order(suite_of(4), contender(agent))
    proof = proven(second, results=results)
    assert (sorted(agent.asked), proof.resumed, decided(second, proof)) == (["1", "2"], 2, Decision.PASSED)


def test_a_known_answer_is_scored_again_and_not_paid_again():
    """Another run of the same digest, case and trial finds the answer; a second trial and another version do not."""
    results, agent = MemoryResults(), Agent()
    wanted = order(suite_of(), contender(agent, remembers=True))
    proven(wanted, results=results, answers=results)
    again = replace(wanted, run=replace(wanted.run, id="r2"), trials=2)
    proof = proven(again, results=results, answers=results)
    assert (proof.remembered, len(agent.asked), decided(again, proof)) == (3, 6, Decision.PASSED)
    other = order(suite_of(), contender(Agent(), "v2", remembers=True))
    assert proven(replace(other, run=replace(wanted.run, id="r3")), results=results, answers=results).remembered == 0


def test_fresh_trials_have_numbers_of_their_own():
    """Further trials of chosen cases add to a run without touching what it has."""
    results = MemoryResults()
    wanted = order(suite_of(), contender(Agent()))
    proven(wanted, results=results)
    agent = Agent()
    more = order(suite_of(), contender(agent), first_trial=1, trials=2, only=frozenset({"c1"}))
    proof = proven(more, results=results)
    assert agent.asked == ["1", "1"]
    assert proof.tables[version(system="v1").digest].columns["exact"].samples["c1"].n == 3


class FullDisk(MemoryResults):
    """A store that takes the first batch and no other."""

    def append(self, run, results):
        if self.finished(run):
            raise StoreUnavailable("the store is full", hint="free some space")
        super().append(run, results)


def test_a_full_disk_stops_the_run_and_leaves_what_was_kept():
    """Nothing more is paid for once results cannot be kept; the error reaches whoever asked."""
    results, agent = FullDisk(), Agent()
    with pytest.raises(StoreUnavailable):
        proven(order(suite_of(500, concurrency=4), contender(agent)), results=results)
    assert 0 < len(results.finished("r")) < 500
    assert len(agent.asked) < 250


class Broken(Exact):
    """An evaluator with a bug."""

    def evaluate(self, case, trace):
        raise KeyError(case.id)


def test_an_evaluator_that_raises_is_an_error_of_its_score():
    """A bug in an evaluator is neither a pass nor the end of the run."""
    wanted = order(suite_of(), contender(Agent(), evaluators=(Broken(),)))
    proof = proven(wanted)
    assert decided(wanted, proof) is Decision.UNDECIDED
    assert {score.status for result in proof.results for score in result.scores} == {Status.ERROR}


class Judging:
    """A judge that is busy at first."""

    metric, endpoint, fingerprint = "exact", "http://judge", "j1"

    def __init__(self, usage: Usage, *, patience: int = 1) -> None:
        self.asked, self.usage, self.patience = 0, usage, patience

    async def judge(self, case, trace):
        self.asked += 1
        if self.asked <= self.patience:
            raise busy()
        return Judged(Score.scored("exact", 1.0, passed=True, judge="j1"), self.usage)


def test_an_answer_that_was_paid_for_outlives_a_stop_before_it_was_judged():
    """The budget ends among the judges: the next run pays for the judging, and not for the answers again."""
    results, agent = MemoryResults(), Agent(lambda request, nth: answer(request, usd=0.01, tokens=1))
    few = suite_of(1, limits=Limits(calls=1))
    asked = contender(agent, evaluators=(), judges=(Judging(Usage(0.0, 0), patience=0),), remembers=True)
    stopped = proven(order(few, asked), results=results, answers=results)
    assert (stopped.results, "limit of 1 calls" in stopped.stopped) == ((), True)
    wanted = order(replace(few, limits=Limits()), asked)
    proof = proven(replace(wanted, run=replace(wanted.run, id="r2")), results=results, answers=results)
    assert (proof.remembered, len(agent.asked), proof.stopped) == (1, 1, "")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(usd=MicroUsd(100_000_000), tokens=10), "the limit of 10 tokens is reached: 10 used"),
        (Limits(usd=MicroUsd(20_000), tokens=1_000), "the limit of $0.02 is reached: $0.02 spent, 10 tokens"),
    ],
)
def test_the_limit_that_was_reached_is_the_one_that_is_named(limits, says):
    """Of two caps, the one without room for another call."""
    agent = Agent(lambda request, nth: answer(request, usd=0.01, tokens=5))
    assert proven(order(suite_of(9, limits=limits), contender(agent))).stopped == says


def test_an_error_of_whoever_is_told_comes_out_of_judging_as_itself():
    """Not as a group of errors, which no command catches."""

    def told(done):
        raise StoreUnavailable("full", hint="free some space")

    trace = Trace(trace_id="t", request="x", response="y")
    runs = [Run(Case(id="c", request="x"), trace)] * 3
    with pytest.raises(StoreUnavailable, match="full"):
        asyncio.run(judge_runs((Judging(Usage(), patience=0),), runs, clock=ManualClock(), seed=1, told=told))


def test_judges_go_through_the_same_chokepoint():
    """A judge's calls are repeated, counted and paid for like any other; one that stays away is an error."""
    judge = Judging(Usage(0.02, 5))
    wanted = order(suite_of(limits=MONEY), contender(Agent(), evaluators=(), judges=(judge,), is_free=True))
    proof = proven(wanted)
    assert (proof.spent.usd, "limit" in proof.stopped) == (pytest.approx(0.04), True)
    away = order(suite_of(), contender(Agent(), evaluators=(), judges=(Judging(Usage(), patience=99),)))
    gone = proven(away)
    assert decided(away, gone) is Decision.UNDECIDED
    assert "429" in gone.results[0].scores[0].reason


def test_the_same_version_twice_is_no_comparison():
    """No version, or one version as both sides, is refused before anything is asked."""
    agent = Agent()
    for wanted in (order(suite_of()), order(suite_of(), contender(agent), contender(agent))):
        with pytest.raises(UsageError):
            proven(wanted)
    assert agent.asked == []


def test_half_a_character_in_an_answer_can_be_kept():
    """Text that no file takes is mended in the record, and the run goes on."""
    wanted = order(suite_of(1), contender(Agent(lambda request, nth: Answer(output="\ud800", seen=answer("").seen))))
    assert proven(wanted).results[0].output == "?"


def test_a_run_ends_as_soon_as_enough_is_known():
    """`enough` ends it at the result that says so, `most` after the first attempts planned; neither makes an error."""
    agent, seen = Agent(), []

    def enough(result):
        seen.append(result)
        return len(seen) == 4

    proof = proven(order(suite_of(3, trials=9, concurrency=1), contender(agent), enough=enough))
    assert (agent.asked, proof.made, proof.errors) == (["0", "1", "2", "0"], 4, 0)
    assert proof.stopped == "enough is known"
    few = proven(order(suite_of(3, trials=9), contender(Agent()), most=5))
    assert ([one.attempt[::2] for one in few.results], few.stopped) == (
        [("c0", 0), ("c0", 1), ("c1", 0), ("c1", 1), ("c2", 0)],
        "",
    )
