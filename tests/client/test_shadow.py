"""Shadow runs: nobody sees their answers, nothing they do has an effect, and they never cost more than they may."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.client.shadow import Shadow, ShadowLimits
from surefoot.client.whole import MOST_CHARACTERS, MOST_PIECES
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import Effect, ToolSpec
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.units import ALL_TRAFFIC, NO_TRAFFIC, RolloutId
from surefoot.errors import Diverged, StoreUnavailable, UsageError
from surefoot.testing.clock import ManualClock
from surefoot.testing.samples import NOON
from tests.client.agents import NEW, OLD, TRAFFIC, Hosted, story

BY = {"reason": "it leaks", "author": "ada", "raised_at": NOON}
MIRRORING = replace(TRAFFIC, split=replace(TRAFFIC.split, share=NO_TRAFFIC, shadow=ALL_TRAFFIC, unit=UnitKind.SESSION))


class Store:
    """Keeps what is shipped; may be away for a while, or take a batch and be cut off before it says so."""

    def __init__(self):
        self.pairs, self.dropped, self.is_away = [], 0, False
        self.batches = []

    def __call__(self, rollout, pairs, dropped, /):
        self.batches.append((pairs, dropped))
        if self.is_away:
            raise StoreUnavailable("away", hint="wait")
        self.pairs += pairs
        self.dropped += dropped


class Reading(Hosted):
    """The candidate declares one tool, which only reads."""

    @staticmethod
    def version(digest):
        found = Hosted.version(digest)
        tools = (ToolSpec(name="look", effect=Effect.READ, arguments=canonical({})),)
        return found if digest == OLD.digest else replace(found, tools=tools)


class Mirroring:
    """An agent in a shadow stage."""

    def __init__(self, every=3600, **limits):
        self.store = Store()
        self.shadow = Shadow(ShadowLimits(**limits), ships=self.store, clock=ManualClock(), every=every)
        self.hosted = Reading(MIRRORING, shadow=self.shadow)
        self.agent = self.hosted.agent

    def any_run(self):
        """A run of the rollout, to be dropped."""
        with self.agent.observing(session="s") as run:
            return run

    def settled(self):
        """All pairs, when every shadow run is over."""
        self.shadow.flush()
        return self.store.pairs


@pytest.fixture
def mirroring():
    """The usual limits."""
    made = Mirroring()
    yield made
    made.shadow.close()


def test_the_user_gets_stables_answer_and_the_pair_holds_both(mirroring):
    """The candidate's answer is compared and never returned."""

    @mirroring.agent.runs
    def answer(version, request, ctx):
        ctx.observe(success=version.label == "v1", tokens=10 if version.label == "v1" else 30)
        return f"{version.label} says {request}"

    reply = mirroring.agent.run("hello", session="s-1")
    (pair,) = mirroring.settled()
    assert (reply.output, reply.version) == ("v1 says hello", "v1")
    assert (pair.run_id, pair.rollout) == (reply.run_id, "r1")
    assert (pair.stable_bad["success"], pair.candidate_bad["success"]) == (False, True)
    assert pair.detail["candidate"] == "v2 says hello"
    assert pair.detail["tokens"] == {"stable": 10, "candidate": 30}
    assert len(mirroring.hosted.records) == 1, "a shadow run is recorded nowhere else"


def test_the_candidate_is_asked_what_the_user_asked(mirroring):
    """A function that adds its answer to the request, as to a list of messages, changes nobody else's request."""
    asked = {}

    @mirroring.agent.runs
    def answer(version, request, ctx):
        asked[version.label] = list(request)
        request.append(f"assistant: {version.label}")
        return "fine"

    messages = ["user: hi"]
    mirroring.agent.run(messages, session="s-1")
    mirroring.settled()
    assert asked == {"v1": ["user: hi"], "v2": ["user: hi"]}
    assert messages == ["user: hi", "assistant: v1"]


def test_a_request_that_cannot_be_copied_is_answered_and_not_mirrored(mirroring):
    """What holds a lock has no copy: the user gets the answer, and the shadow run is dropped and counted."""
    mirroring.agent.runs(lambda version, request, ctx: "fine")
    assert mirroring.agent.run({"lock": threading.Lock()}, session="s-1").output == "fine"
    assert mirroring.settled() == []
    assert mirroring.shadow.health.dropped == {"broken": 1}


STOPS = {
    "a switch on the version": lambda hosted: hosted.feed.switch(KillSwitch(id="k", version=NEW.digest, **BY)),
    "a switch on everything": lambda hosted: hosted.feed.switch(KillSwitch(id="k", **BY)),
    "a switch on a feature": lambda hosted: hosted.feed.switch(KillSwitch(id="k", feature="refunds", **BY)),
    "an abort": lambda hosted: hosted.feed.put(replace(MIRRORING, split=None)),
    "another candidate": lambda hosted: hosted.feed.put(
        replace(MIRRORING, split=replace(MIRRORING.split, rollout=RolloutId("r2")))
    ),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_what_waits_for_its_turn_does_not_begin_after_it_was_stopped(stop):
    """One shadow run is under way and four wait when the candidate is stopped: it is not called again."""
    made = Mirroring(concurrency=1, queue=9)
    began, go, called = threading.Event(), threading.Event(), []

    @made.agent.runs
    def answer(version, request, ctx):
        if version.label == "v2":
            called.append(request)
            began.set()
            go.wait(10)
        return "fine"

    for i in range(5):
        made.agent.run(i, session=f"s-{i}")
    assert began.wait(10)
    stop(made.hosted)
    go.set()
    made.settled()
    assert called == [0]
    assert made.shadow.health.dropped == {"stopped": 4}
    made.shadow.close()


def test_a_failure_of_the_candidate_is_an_outcome_and_of_stable_too(mirroring):
    """Exceptions are compared like answers; the user's is raised unchanged."""

    @mirroring.agent.runs
    def answer(version, request, ctx):
        if version.label == request:
            raise LookupError(request)
        return "fine"

    assert mirroring.agent.run("v2", session="a").output == "fine"
    with pytest.raises(LookupError):
        mirroring.agent.run("v1", session="b")
    pairs = mirroring.settled()
    found = {pair.detail["stable"]: (pair.stable_bad["success"], pair.candidate_bad["success"]) for pair in pairs}
    assert found == {"fine": (False, True), None: (True, False)}


class Shop:
    """A world in which things can happen."""

    def __init__(self):
        self.done = []

    def refund(self, order):
        self.done.append(order)
        return f"refunded {order}"


def test_a_tool_with_an_effect_is_answered_from_what_stable_got(mirroring):
    """The candidate makes the same call, gets the same result, and nothing happens twice."""
    shop = Shop()

    @mirroring.agent.runs
    def answer(version, request, ctx):
        return ctx.tool("refund", {"order": 7}, shop.refund)

    reply = mirroring.agent.run("refund me", session="s")
    (pair,) = mirroring.settled()
    assert shop.done == [7]
    assert reply.tool_calls[0].result == "refunded 7"
    assert (pair.detail["candidate"], pair.divergences, pair.similarity) == ("refunded 7", (), 1.0)


def test_an_effect_that_stable_did_not_cause_is_a_divergence_and_not_an_action(mirroring):
    """Undeclared tools count as writing ones; a run that diverged has no outcome to compare."""
    shop = Shop()

    @mirroring.agent.runs
    def answer(version, request, ctx):
        ctx.observe(success=True)
        return ctx.tool("refund", {"order": 7 if version.label == "v1" else 8}, shop.refund)

    mirroring.agent.run("refund me", session="s")
    (pair,) = mirroring.settled()
    assert shop.done == [7]
    assert pair.divergences == ("not recorded: refund", "not called: refund")
    assert pair.candidate_bad == {}


def test_reading_tools_may_be_executed_when_stable_did_not_call_them(mirroring):
    """A tool declared as `read` changes nothing, so the shadow run may look."""
    looked = []

    @mirroring.agent.runs
    def answer(version, request, ctx):
        return (
            ctx.tool("look", {}, lambda: looked.append(version.label) or "seen") if version.label == "v2" else "blind"
        )

    mirroring.agent.run("x", session="s")
    (pair,) = mirroring.settled()
    assert looked == ["v2"]
    assert pair.divergences == ("called in addition: look",)


def test_a_tool_that_failed_for_stable_is_not_tried_again(mirroring):
    """The shadow run gets no invented result."""
    tried, diverged = [], []

    @mirroring.agent.runs
    def answer(version, request, ctx):
        def pay():
            tried.append(version.label)
            raise TimeoutError

        try:
            return ctx.tool("pay", {}, pay)
        except Diverged as error:
            diverged.append(error.hint)
            raise

    with pytest.raises(TimeoutError):
        mirroring.agent.run("x", session="s")
    mirroring.settled()
    assert (tried, len(diverged)) == (["v1"], 1)


@pytest.mark.parametrize("recorded", [(), (False,)], ids=["not called", "failed"])
def test_a_divergence_that_the_agent_caught_itself_has_no_outcome_either(mirroring, recorded):
    """Tool loops catch what a tool raises and go on; what they go on to say was never true."""

    @mirroring.agent.runs
    def answer(version, request, ctx):
        for success in recorded if version.label == "v1" else ():
            ctx.tool_called("refund", {}, success=success)
        if version.label == "v2":
            with suppress(Diverged):
                ctx.tool("refund", {}, Shop().refund)
        return "done"

    mirroring.agent.run("x", session="s")
    (pair,) = mirroring.settled()
    assert pair.candidate_bad == {}
    assert "refund" in pair.divergences[0]


@story
async def test_coroutines_are_mirrored_in_their_own_loop_and_their_tools_are_awaitable():
    """Clients of a loop stay in it; a recorded result is awaited as the real one was."""
    made = Mirroring()
    loops, effects = set(), []

    async def send(to):
        effects.append(to)
        return "sent"

    @made.agent.runs
    async def answer(version, request, ctx):
        loops.add(asyncio.get_running_loop())
        return await ctx.tool("send", {"to": "ann"}, send)

    assert (await answer.run("x", session="s")).output == "sent"
    (pair,) = await asyncio.to_thread(made.settled)
    assert (loops, effects, pair.similarity) == ({asyncio.get_running_loop()}, ["ann"], 1.0)


@story
async def test_an_object_whose_call_is_a_coroutine_is_mirrored_as_one():
    """It is awaited for the candidate as it was for the user."""

    class Answering:
        async def __call__(self, version, request, ctx):
            return f"{version.label} says {request}"

    made = Mirroring()
    made.agent.runs(Answering())
    await made.agent.run("hello", session="s")
    (pair,) = await asyncio.to_thread(made.settled)
    assert pair.detail["candidate"] == "v2 says hello"


@story
async def test_a_candidate_that_hangs_is_a_failure_of_the_candidate():
    """The time limit of shadow runs is its own."""
    made = Mirroring(timeout=timedelta(milliseconds=10))

    @made.agent.runs
    async def answer(version, request, ctx):
        if version.label == "v2":
            await asyncio.Event().wait()
        return "fine"

    await answer.run("x", session="s")
    (pair,) = await asyncio.to_thread(made.settled)
    assert pair.candidate_bad["success"] is True


def spoken(version, request, ctx):
    yield from ("I", " am ", version.label)


async def awaited_speech(version, request, ctx):
    words = spoken(version, request, ctx)
    while (word := await asyncio.to_thread(next, words, None)) is not None:
        yield word


async def read(agent, function, *, pieces=None):
    """The stream, or so many of its pieces."""
    agent.runs(function)
    if function is awaited_speech:
        async with agent.stream("x", session="s") as stream:
            return [await anext(stream) for _ in range(pieces)] if pieces else [piece async for piece in stream]
    with agent.stream("x", session="s") as stream:
        return [next(stream) for _ in range(pieces)] if pieces else list(stream)


BOTH_COLOURS = pytest.mark.parametrize("function", [spoken, awaited_speech])


@BOTH_COLOURS
@story
async def test_a_stream_that_was_read_to_its_end_is_mirrored_as_a_whole(function):
    """Both answers are put together from their pieces."""
    made = Mirroring()
    assert "".join(await read(made.agent, function)) == "I am v1"
    (pair,) = await asyncio.to_thread(made.settled)
    assert (pair.detail["stable"], pair.detail["candidate"]) == ("I am v1", "I am v2")
    assert pair.detail["ttft_ms"]["candidate"] is not None
    assert pair.candidate_bad["success"] is False


@BOTH_COLOURS
@story
async def test_who_stops_reading_has_no_answer_to_compare(function):
    """Nobody knows how stable's would have gone on."""
    made = Mirroring()
    await read(made.agent, function, pieces=2)
    assert await asyncio.to_thread(made.settled) == []
    assert made.shadow.health.dropped == {}


def test_a_stream_that_fails_is_mirrored_like_an_answer_that_does(mirroring):
    """Stable's failures are evidence, too."""

    @mirroring.agent.runs
    def answer(version, request, ctx):
        yield "well"
        if version.label == "v1":
            raise LookupError(request)

    with pytest.raises(LookupError):
        list(mirroring.agent.stream("x", session="s"))
    (pair,) = mirroring.settled()
    assert (pair.stable_bad["success"], pair.candidate_bad["success"]) == (True, False)


@pytest.mark.parametrize("lengths", [[MOST_CHARACTERS, 1], [1] * (MOST_PIECES + 1)])
def test_a_stream_that_is_too_long_to_keep_is_dropped_and_counted(mirroring, lengths):
    """The user reads all of it; the shadow gets none of it."""

    @mirroring.agent.runs
    def answer(version, request, ctx):
        for length in lengths:
            yield "x" * length

    assert sum(map(len, mirroring.agent.stream("x", session="s"))) == sum(lengths)
    assert mirroring.settled() == []
    assert mirroring.shadow.health.dropped == {"long": 1}


def test_a_candidate_that_talks_without_end_is_read_and_not_kept(mirroring):
    """Its answer is compared by its beginning."""

    @mirroring.agent.runs
    def answer(version, request, ctx):
        yield "so"
        if version.label == "v2":
            for _ in range(MOST_PIECES):
                yield "on"
            ctx.observe(tokens=7)

    list(mirroring.agent.stream("x", session="s"))
    (pair,) = mirroring.settled()
    assert pair.detail["tokens"]["candidate"] == 7


def test_more_than_may_wait_is_dropped_and_counted():
    """A slow candidate never makes a queue without end; drops reach the store with the pairs."""
    made = Mirroring(concurrency=1, queue=1)
    go = threading.Event()

    @made.agent.runs
    def answer(version, request, ctx):
        if version.label == "v2":
            go.wait(10)
        return "fine"

    for i in range(5):
        assert made.agent.run("x", session=f"s-{i}").output == "fine"
    go.set()
    assert len(made.settled()) == 2
    assert (made.store.dropped, made.shadow.health.dropped) == (3, {"full": 3})


def leaves(version, request, ctx):
    if version.label == "v2":
        raise SystemExit(1)
    return "fine"


class Unlike:
    """An answer that cannot be compared."""

    def __eq__(self, other):
        raise ValueError("not with me")

    __hash__ = None


@pytest.mark.parametrize(
    ("function", "pairs", "dropped"),
    [(leaves, 6, {}), (lambda version, request, ctx: Unlike(), 0, {"broken": 6})],
    ids=["SystemExit", "incomparable"],
)
def test_however_a_shadow_run_ends_its_place_is_free_again(function, pairs, dropped):
    """Else a few such runs would end the mirroring for ever."""
    made = Mirroring(concurrency=1, queue=0)
    made.agent.runs(function)
    for i in range(6):
        made.agent.run("x", session=f"s-{i}")
        assert made.shadow.flush()
    assert (len(made.settled()), made.shadow.health.dropped) == (pairs, dropped)


def test_a_candidate_that_leaves_does_not_end_the_users_loop():
    """SystemExit in a shadow run is an outcome; and a run that is cancelled unbegun gives its place back."""
    made = Mirroring(concurrency=1, queue=0)

    @made.agent.runs
    async def answer(version, request, ctx):
        return leaves(version, request, ctx)

    async def ended_by_the_loop():
        await answer.run("x", session="s-0")
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def ended_by_itself():
        await answer.run("x", session="s-1")
        assert await asyncio.to_thread(made.shadow.flush)

    asyncio.run(ended_by_the_loop())
    asyncio.run(ended_by_itself())
    assert (len(made.settled()), made.shadow.health.dropped) == (1, {"closed": 1})


def test_a_shadow_that_closes_meanwhile_costs_the_user_nothing():
    """What is under way, what waits for its turn and what comes later is dropped and counted, each once."""
    made = Mirroring(concurrency=1)
    begun, go, over = threading.Event(), threading.Event(), threading.Event()

    @made.agent.runs
    def answer(version, request, ctx):
        if version.label == "v2":
            begun.set()
            go.wait(10)
            over.set()
        return "fine"

    for i in range(2):
        assert made.agent.run("x", session=f"s-{i}").output == "fine"
    assert begun.wait(10)
    made.shadow.close()
    assert made.agent.run("x", session="later").output == "fine"
    go.set()
    assert over.wait(10)
    assert made.shadow.flush()
    assert made.shadow.health.dropped == {"closed": 3}
    assert (made.store.pairs, made.store.dropped) == ([], 3)


def test_a_candidate_that_hangs_in_its_thread_is_a_failure_and_another_thread_goes_on():
    """It cannot be stopped; what it says in the end is not heard any more."""
    made = Mirroring(every=0.01, concurrency=1, timeout=timedelta(milliseconds=10))
    go, over = threading.Event(), threading.Event()

    @made.agent.runs
    def answer(version, request, ctx):
        if (version.label, request) == ("v2", "hang"):
            go.wait(30)
            over.set()
        return "fine"

    made.agent.run("hang", session="a")
    assert made.shadow.flush()
    made.shadow.limits = ShadowLimits()
    made.agent.run("answer", session="b")
    assert made.shadow.flush()
    go.set()
    assert over.wait(10)
    assert [pair.candidate_bad["success"] for pair in made.store.pairs] == [True, False]
    made.shadow.close()


def test_a_hung_candidate_does_not_keep_the_program_from_ending():
    """A program that has nothing else to do ends, whatever the shadow run waits for."""
    program = (
        "import threading\n"
        "from tests.client.test_shadow import Mirroring\n"
        "made, begun = Mirroring(), threading.Event()\n"
        "@made.agent.runs\n"
        "def answer(version, request, ctx):\n"
        "    if version.label == 'v2':\n"
        "        begun.set()\n"
        "        threading.Event().wait()\n"
        "made.agent.run('x', session='s')\n"
        "assert begun.wait(20)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_mirrors_with_threads_of_its_own():
    """Whatever the parent was doing: its runs and pairs are its own, and its locks do not stop the child."""
    made = Mirroring(concurrency=1, queue=0)
    begun, go = threading.Event(), threading.Event()

    @made.agent.runs
    def answer(version, request, ctx):
        if (version.label, request) == ("v2", "wait"):
            begun.set()
            go.wait(30)
        return "fine"

    made.agent.run("before", session="a")
    with made.shadow._idle:  # noqa: SLF001 - any other thread may hold it in the moment of the fork
        made.shadow._idle.wait_for(lambda: made.shadow._ready, 10)  # noqa: SLF001
    made.agent.run("wait", session="b")
    assert begun.wait(10)
    with made.shadow._lock:  # noqa: SLF001
        child = os.fork()
        if not child:  # pragma: no cover - another process
            made.shadow.after_fork()
            made.agent.run("child", session="c")
            is_done = made.shadow.flush(10) and len(made.store.pairs) == 1 and made.shadow.health.paired == 1
            os._exit(0 if is_done else 1)
    go.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(made.settled()) == 2


@pytest.mark.parametrize(
    ("limits", "cost", "paired"),
    [({"runs_per_hour": 2}, 0.0, 2), ({"usd_per_hour": 0.03}, 0.01, 3), ({"usd_per_hour": 5.0}, None, 1)],
)
def test_a_budget_ends_the_mirroring_and_an_unknown_cost_is_not_free(limits, cost, paired):
    """By number, by money, and at once where money is limited and a run's cost is not recorded."""
    made = Mirroring(concurrency=1, queue=0, **limits)

    @made.agent.runs
    def answer(version, request, ctx):
        ctx.observe(cost_usd=cost)
        return "fine"

    for i in range(6):
        made.agent.run("x", session=f"s-{i}")
        made.shadow.flush()
    assert len(made.settled()) == paired
    assert made.shadow.health.dropped == {"budget": 6 - paired}


def test_pairs_wait_for_a_store_that_is_away(mirroring):
    """Nothing is lost and nothing is given twice."""
    mirroring.agent.runs(lambda version, request, ctx: "fine")
    mirroring.store.is_away = True
    mirroring.agent.run("x", session="s")
    with pytest.raises(StoreUnavailable):
        mirroring.shadow.flush()
    assert mirroring.shadow.health.waiting == 1
    mirroring.store.is_away = False
    mirroring.shadow.flush()
    mirroring.shadow.flush()
    assert (len(mirroring.store.pairs), mirroring.shadow.health.waiting) == (1, 0)


def ready(made, count):
    """So many pairs that wait to be shipped."""
    for i in range(count):
        made.agent.run("x", session=f"s-{i}")
    with made.shadow._idle:  # noqa: SLF001 - `flush` would ship them
        assert made.shadow._idle.wait_for(lambda: not made.shadow._open, 20)  # noqa: SLF001


def test_more_pairs_than_may_wait_for_the_store_are_dropped_and_counted():
    """Those that wait longest stay; the store hears of the others when it is back."""
    made = Mirroring(pairs=3)
    made.agent.runs(lambda version, request, ctx: "fine")
    made.store.is_away = True
    ready(made, 2)
    with pytest.raises(StoreUnavailable):
        made.shadow.flush()
    ready(made, 3)
    health = made.shadow.health
    assert (health.paired, health.waiting, health.dropped) == (3, 3, {"full": 2})
    made.store.is_away = False
    assert len(made.settled()) == 3
    assert made.store.dropped == 2


def test_many_pairs_are_shipped_in_batches(mirroring):
    """After an outage, each of them is small enough to be written in time; what was dropped is told once."""
    mirroring.agent.runs(lambda version, request, ctx: "fine")
    for _ in range(9):
        ready(mirroring, 50)
    mirroring.shadow.drop(mirroring.any_run(), "long")
    assert len(mirroring.settled()) == 450
    assert [(len(pairs), dropped) for pairs, dropped in mirroring.store.batches] == [(200, 1), (200, 0), (50, 0)]
    assert mirroring.shadow.health.waiting == 0


def test_a_batch_is_given_again_as_it_was(mirroring):
    """The store may have taken it without being able to say so, and knows a repeated batch by its pairs."""
    mirroring.agent.runs(lambda version, request, ctx: "fine")
    ready(mirroring, 2)
    mirroring.store.is_away = True
    with pytest.raises(StoreUnavailable):
        mirroring.shadow.flush()
    ready(mirroring, 3)
    mirroring.store.is_away = False
    mirroring.settled()
    first, again, rest = [[pair.run_id for pair in pairs] for pairs, _ in mirroring.store.batches]
    assert first == again
    assert (len(first), len(rest)) == (2, 3)


def test_two_who_ship_at_once_ship_everything_once():
    """The shipping thread and somebody's `flush` take turns."""
    both = threading.Barrier(2)

    class Slow(Store):
        def __call__(self, rollout, pairs, dropped, /):
            with suppress(threading.BrokenBarrierError):
                both.wait(0.2)  # the other one would be here, too
            super().__call__(rollout, pairs, dropped)

    made = Mirroring()
    made.store = made.shadow._ships = Slow()  # noqa: SLF001
    made.agent.runs(lambda version, request, ctx: "fine")
    ready(made, 5)
    made.shadow.drop(made.any_run(), "long")
    threads = [threading.Thread(target=made.shadow.flush) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(made.store.pairs), made.store.dropped, len(made.store.batches)) == (5, 1, 1)


def test_pairs_that_the_store_refuses_hold_up_no_others(mirroring, caplog):
    """A refusal is no outage: it would be the same tomorrow."""

    class Refusing(Store):
        def __call__(self, rollout, pairs, dropped, /):
            super().__call__(rollout, pairs, dropped)
            if len(self.batches) == 1:
                self.pairs.clear()
                raise UsageError("not this one", hint="never")

    mirroring.shadow._ships = store = Refusing()  # noqa: SLF001
    mirroring.agent.runs(lambda version, request, ctx: "fine")
    ready(mirroring, 1)
    assert mirroring.shadow.flush()
    mirroring.agent.run("x", session="s-1")
    assert mirroring.shadow.flush()
    assert mirroring.shadow.health.dropped == {"broken": 1}
    assert (len(store.pairs), store.dropped) == (1, 1)
    assert "refused 1 shadow pairs" in caplog.text


def test_half_a_character_in_an_answer_is_shown_as_what_it_is_not(mirroring):
    """A stream that was cut inside one leaves it; no store could keep it, nor any pair that waits behind it."""
    mirroring.agent.runs(lambda version, request, ctx: "cut \ud83d")
    mirroring.agent.run("x", session="s")
    (pair,) = mirroring.settled()
    assert pair.detail["candidate"] == "cut ?"


def test_an_agent_that_nobody_declared_safe_is_never_mirrored(caplog):
    """Without `shadow=` the function runs once, for the user, and the log says what to do."""
    hosted = Hosted(MIRRORING)
    seen = []
    hosted.agent.runs(lambda version, request, ctx: seen.append(version.label))
    hosted.agent.run("x", session="s")
    hosted.agent.run("x", session="s")
    assert seen == ["v1", "v1"]
    assert [record.message for record in caplog.records if "nothing is mirrored" in record.message] != []
    assert len(caplog.records) == 1
