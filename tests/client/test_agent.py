"""The agent: the chosen version answers, and how it went is recorded, whatever happens."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from functools import partial

import pytest

from surefoot.client.run import current_run
from surefoot.core.evidence.observation import Arm, Assignment
from surefoot.core.evidence.run_id import parse_run_id, unit_hash
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.traffic.route import AgentTraffic, Reason
from surefoot.errors import ExecutorFailed, ExecutorTimeout, Killed, UnknownName, UsageError
from tests.client.agents import AGENT, NEW, OLD, TRAFFIC, Hosted, story

EVERYTHING = KillSwitch(id="k7", reason="on fire", author="ann", raised_at=datetime(2026, 1, 1, tzinfo=UTC))
HISTORY = AgentTraffic(agent=AGENT, stable=OLD.digest)


@pytest.fixture
def hosted():
    """An agent in the middle of a rollout."""
    return Hosted()


def labelled(version, request, ctx):
    return f"{version.label}: {request}"


def pieces(version, request, ctx):
    yield from (version.label, " ", request)


async def awaited_pieces(version, request, ctx):
    yield version.label
    yield request


async def coroutine(version, request, ctx):
    return request


# --- answering


def test_the_chosen_version_answers_and_the_run_is_recorded_in_its_arm(hosted):
    """Reply and record speak of the same run."""
    hosted.agent.runs(labelled)
    replies = [hosted.agent.run("hello", session=f"s-{i}") for i in range(40)]
    assert {reply.output for reply in replies} == {"v1: hello", "v2: hello"}
    for i, (reply, record) in enumerate(zip(replies, hosted.records, strict=True)):
        arm = Arm.CANDIDATE if reply.version == "v2" else Arm.STABLE
        assert reply.reason is (Reason.CANDIDATE if arm is Arm.CANDIDATE else Reason.CONTROL)
        assert record.assignment == Assignment(AGENT, reply.digest, "r1", 4, arm, randomised=True)
        assert record.run_id == reply.run_id
        assert record.unit == unit_hash(f"s-{i}")
        assert record.seen.success is True
        assert record.idle == 30 * 60 * 10**9
    assert len({reply.run_id for reply in replies}) == 40


@story
async def test_a_coroutine_function_is_awaited(hosted):
    """The same, with await; as a task, too."""

    @hosted.agent.runs
    async def answer(version, request, ctx):
        return await asyncio.to_thread(labelled, version, request, ctx)

    assert (await hosted.agent.run("hello", session="s")).output.endswith("hello")
    assert (await asyncio.create_task(answer.run("hello", session="s"))).run_id
    assert [record.seen.success for record in hosted.records] == [True, True]


class Callable:
    """An object whose call is a coroutine function."""

    async def __call__(self, version, request, ctx):
        return "called"


async def partly(extra, version, request, ctx):
    return extra


@pytest.mark.parametrize(("function", "output"), [(Callable(), "called"), (partial(partly, "partial"), "partial")])
@story
async def test_objects_and_partials_are_told_apart_as_functions_are(hosted, function, output):
    """What is awaited is what is written with async."""
    hosted.agent.runs(function)
    assert (await hosted.agent.run("hello", session="s")).output == output


def test_a_promise_is_no_answer(hosted):
    """A function that hides that it has to be awaited is told so, and does not count as a success."""
    hosted.agent.runs(lambda version, request, ctx: partly("x", version, request, ctx))
    with pytest.raises(UsageError, match="to be awaited"):
        hosted.agent.run("hello", session="s")
    assert hosted.seen.success is False


@pytest.mark.parametrize("promise", [lambda: (piece for piece in "ab"), lambda: awaited_pieces(OLD, "x", None)])
def test_a_generator_that_has_not_run_is_no_answer(hosted, promise):
    """A decorator between hides that the function yields; nothing has happened yet that could be a success."""
    hosted.agent.runs(lambda version, request, ctx: promise())
    with pytest.raises(UsageError, match="generator") as refused:
        hosted.agent.run("hello", session="s")
    assert "agent.stream" in refused.value.hint
    assert hosted.seen.success is False


@story
async def test_a_coroutine_that_returns_a_generator_has_not_answered_either(hosted):
    """Awaited or not, it is only promised."""

    @hosted.agent.runs
    async def answer(version, request, ctx):
        return awaited_pieces(version, request, ctx)

    with pytest.raises(UsageError, match="generator"):
        await answer.run("hello", session="s")
    assert hosted.seen.success is False


@pytest.mark.parametrize("function", [labelled, coroutine, pieces, awaited_pieces])
def test_one_function_may_answer_for_two_agents(hosted, function):
    """Decorated twice, it is of the same kind for both, and each records its own runs."""
    other = Hosted()
    inner = hosted.agent.runs(function)
    outer = other.agent.runs(inner)
    assert (type(outer), outer.function) == (type(inner), function)
    if function is labelled:
        assert outer.run("hello", session="s").output.endswith("hello")
        assert (len(other.records), len(hosted.records)) == (1, 0)


def test_the_function_stays_what_it_was(hosted):
    """It can be called, and tested, without an agent."""
    answer = hosted.agent.runs(labelled)
    assert answer.function is labelled
    assert answer(OLD, "hello", None) == "v1: hello"
    assert hosted.records == []


def test_without_a_function_there_is_a_hint(hosted):
    """Each misuse says what to use."""
    with pytest.raises(UsageError, match="no function") as none:
        hosted.agent.run("hello")
    assert "@agent.runs" in none.value.hint
    hosted.agent.runs(labelled)
    with pytest.raises(UsageError, match="in one piece"):
        hosted.agent.stream("hello")
    hosted.agent.runs(pieces)
    with pytest.raises(UsageError, match="in pieces"):
        hosted.agent.run("hello")


def test_a_version_that_nobody_has_is_an_error_and_a_failure(hosted):
    """A stable that cannot be served must not look like one that nobody asked."""
    hosted.feed.put(AgentTraffic(agent=AGENT, stable="sha256:gone"))
    hosted.agent.runs(labelled)
    with pytest.raises(UnknownName):
        hosted.agent.run("hello", session="s")
    assert hosted.seen.success is False


@pytest.mark.parametrize("traffic", [TRAFFIC, HISTORY], ids=["a rollout", "none"])
@pytest.mark.parametrize("name", ["user", "session", "tenant", "feature", "segment", "request_id", "pin"])
@pytest.mark.parametrize("value", [42, None, b"ann", 0, ("a",)])
def test_an_id_that_is_no_text_is_refused_whatever_rollout_is_up(traffic, name, value):
    """Else a switch on tenant "5" would not stop tenant 5, and a user 42 would fail only when a rollout starts."""
    agent = Hosted(traffic).agent
    agent.runs(labelled)
    ways = [
        lambda: agent.run("hello", fallback="no", **{name: value}),
        lambda: agent.observing(**{name: value}),
        lambda: agent.route(**{name: value}),
    ]
    if name in {"user", "session", "tenant", "request_id"}:
        ways.append(lambda: agent.observe(agent.route(), success=True, **{name: value}))
    for ask in ways:
        with pytest.raises(UsageError, match=f"{name} is ") as refused:
            ask()
        assert name in refused.value.hint


def test_a_text_of_another_class_is_a_text(hosted):
    """Such as a member of an enumeration."""
    hosted.agent.runs(labelled)
    assert hosted.agent.run("hello", user=Reason.PINNED, session="s").output


# --- what a run shows


def test_what_a_run_shows_adds_up(hosted):
    """Amounts add up, violations stay, the last word counts; None is not recorded."""

    @hosted.agent.runs
    def answer(version, request, ctx):
        ctx.observe(tokens=100, cost_usd=0.25, model_calls=1, policy_violation=True, quality=2, checkpoint=None)
        ctx.observe(tokens=50, cost_usd=0.000_001, model_calls=2, policy_violation=False, quality=4.5)
        ctx.tool_called("search", {"q": "orders"}, result=[1], success=True)

    reply = hosted.agent.run("hello", session="s")
    seen = hosted.seen
    assert (seen.tokens, seen.cost, seen.model_calls) == (150, 250_001, 3)
    assert (seen.policy_violation, seen.quality, seen.checkpoint) == (True, 4.5, None)
    assert (seen.success, seen.unresolved) == (True, False)
    assert reply.tool_calls[0].name == "search"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 7), ("quality", float("nan")), ("quality", "good"), ("cost_usd", -1), ("cost_usd", float("inf")),
        ("tokens", 1.5), ("tokens", -1), ("tokens", True), ("success", 2), ("success", "yes"), ("sucess", True),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused_where_it_is_said(hosted, name, value):
    """The error names what may be said; nothing is recorded of it."""
    with hosted.agent.observing(session="s") as run:
        with pytest.raises(UsageError) as refused:
            run.observe(model_calls=3, **{name: value})
        assert name in refused.value.message
        assert refused.value.hint
    assert hosted.seen.model_calls is None


class Truth:
    """As numpy's: no bool, and equal to one."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other

    def __hash__(self):
        return hash(self.value)

    def __bool__(self):
        return bool(self.value)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [("tokens", 10.0, 10), ("success", 1, True), ("success", 0, False), ("success", Truth(1), True)],
)
def test_a_value_that_means_the_same_is_taken(hosted, name, value, kept):
    """What an evaluator or another library counts does not break the answer it looks at."""
    with hosted.agent.observing(session="s") as run:
        run.observe(**{name: value})
    assert getattr(hosted.seen, name) is kept or getattr(hosted.seen, name) == kept != 0


def two_only(version, request):
    return request


MISUSES = {
    "a function of two": (lambda agent: agent.runs(two_only), "two_only(version, request)", "(version, request, ctx)"),
    "a misspelt id": (lambda agent: agent.runs(labelled).run("x", usr="u"), "'usr'", "did you mean 'user'?"),
    "a reply as run id": (
        lambda agent: agent.feedback(agent.runs(labelled).run("x", session="s"), score=1.0), "Reply", "reply.run_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_mistake_is_answered_in_the_users_words(hosted, misuse):
    """Before any request fails, and without a word about what is inside."""
    act, says, hint = MISUSES[misuse]
    with pytest.raises(UsageError) as refused:
        act(hosted.agent)
    assert says in refused.value.message
    assert hint in refused.value.hint


def test_after_the_end_there_is_feedback(hosted):
    """What is shown too late would be lost silently, so it is refused."""
    with hosted.agent.observing(session="s") as run:
        pass
    with pytest.raises(UsageError, match="ended") as refused:
        run.observe(tokens=3)
    assert "feedback" in refused.value.hint


def test_success_is_assumed_only_where_it_may_be(hosted):
    """An agent whose success is reported later records none; an agent that says so fails."""
    later = Hosted(assumes_success=False)
    with later.agent.observing(session="s"):
        pass
    assert (later.seen.success, later.seen.unresolved) == (None, None)
    with hosted.agent.observing(session="s") as run:
        run.observe(success=False)
    assert hosted.seen.success is False


def test_deep_code_finds_its_run(hosted):
    """Without passing ctx through every layer; outside there is none."""

    @hosted.agent.runs
    def answer(version, request, ctx):
        assert current_run() is ctx
        current_run().observe(tokens=5)

    hosted.agent.run("hello", session="s")
    assert hosted.seen.tokens == 5
    assert current_run() is None


# --- how it ends


def test_an_exception_is_a_failure_and_goes_on_unchanged(hosted):
    """Whatever the run had said before."""
    problem = RuntimeError("model overloaded")

    @hosted.agent.runs
    def answer(version, request, ctx):
        ctx.observe(success=True)
        raise problem

    with pytest.raises(RuntimeError) as raised:
        hosted.agent.run("hello", session="s")
    assert raised.value is problem
    assert raised.value.__context__ is None
    assert (hosted.seen.success, hosted.seen.unresolved) == (False, False)
    assert hosted.seen.latency_ms is not None


@story
async def test_a_timeout_of_the_agent_is_a_failure(hosted):
    """It is an exception like any other."""

    @hosted.agent.runs
    async def answer(version, request, ctx):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await hosted.agent.run("hello", session="s")
    assert (hosted.seen.success, hosted.seen.timed_out) == (False, True)
    assert hosted.seen.latency_ms is not None


@pytest.mark.parametrize(
    ("error", "is_timeout"),
    [
        (type("ReadTimeout", (OSError,), {}), True),
        (type("APITimeoutError", (RuntimeError,), {}), True),
        (type("PoolGone", (type("TimeoutException", (Exception,), {}),), {}), True),
        (ExecutorTimeout, True),
        (ExecutorFailed, False),
        (type("TimeoutIgnored", (Exception,), {}), False),
        (RuntimeError, False),
    ],
)
def test_timeouts_of_clients_are_timeouts(hosted, error, is_timeout):
    """HTTP and model clients have their own, which are no TimeoutError; told by the name, or that of a base."""

    @hosted.agent.runs
    def answer(version, request, ctx):
        raise error("late", hint="wait") if issubclass(error, ExecutorFailed) else error("late")

    with pytest.raises(error):
        answer.run("hello", session="s")
    assert (hosted.seen.success, bool(hosted.seen.timed_out)) == (False, is_timeout)


def test_a_timeout_that_was_caught_can_be_told(hosted):
    """Whoever apologises in time has not answered; said once, it stays."""
    with hosted.agent.observing(session="s") as run:
        run.observe(timed_out=True, success=False)
        run.observe(timed_out=False)
    assert (hosted.seen.success, hosted.seen.timed_out) == (False, True)


@story
async def test_a_cancellation_is_no_failure(hosted):
    """The caller went away: nobody knows how it would have ended, and the time it took is not forgotten."""
    started = asyncio.Event()

    @hosted.agent.runs
    async def answer(version, request, ctx):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(answer.run("hello", session="s"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (hosted.seen.success, hosted.seen.unresolved) == (None, True)
    assert hosted.seen.latency_ms is not None
    assert current_run() is None


@story
async def test_a_run_is_a_context_manager_of_both_colours(hosted):
    """For those who call the model themselves."""
    async with hosted.agent.observing(session="s") as run:
        assert run.version in (OLD, NEW)
        run.first_token()
        run.observe(success=True)
    assert hosted.seen.ttft_ms == 0
    assert hosted.records[0].run_id == run.run_id


def test_a_run_may_end_in_another_context_than_it_began(hosted):
    """As when a framework runs both ends of a dependency in different tasks."""
    run = hosted.agent.observing(session="s")
    thread = threading.Thread(target=run.__enter__)
    thread.start()
    thread.join()
    run.__exit__(None, None, None)
    assert hosted.seen.success is True


# --- by what it is counted


@pytest.mark.parametrize(
    ("unit", "ids", "counted", "lasts"),
    [
        (UnitKind.SESSION, {"session": "s", "user": "u"}, "s", True),
        (UnitKind.SESSION, {"user": "u"}, None, False),
        (UnitKind.USER, {"session": "s", "user": "u"}, "u", True),
        (UnitKind.TENANT, {"tenant": "t", "user": "u"}, "t", True),
        (UnitKind.REQUEST, {"session": "s", "request_id": "q"}, "q", False),
        (UnitKind.REQUEST, {"session": "s"}, None, False),
    ],
)
def test_the_plan_says_by_what_runs_are_counted(hosted, unit, ids, counted, lasts):
    """A request, or a run without the id that is counted by, is a unit of its own, final at once."""
    hosted.count_by(unit)
    with hosted.agent.observing(**ids) as run:
        pass
    (record,) = hosted.records
    own = parse_run_id(run.run_id).serial
    assert record.unit == unit_hash(counted or own)
    assert (record.idle > 0) is lasts
    assert record.assignment.randomised


def test_a_run_that_outlives_its_rollout_is_still_counted_by_it(hosted):
    """What the rollout counts by is learned when the run begins."""
    hosted.count_by(UnitKind.USER)
    with hosted.agent.observing(session="s", user="u"):
        hosted.feed.put(HISTORY)
        hosted.agent.router.poll()
    assert hosted.records[0].unit == unit_hash("u")


def test_without_a_rollout_a_run_is_history(hosted):
    """Counted by session, or by itself."""
    calm = Hosted(HISTORY)
    calm.agent.runs(labelled)
    calm.agent.run("hello", session="s")
    calm.agent.run("hello", user="u")
    assert [record.assignment.rollout for record in calm.records] == [None, None]
    assert [record.idle > 0 for record in calm.records] == [True, False]


def test_a_conversation_keeps_its_version_by_its_pin(hosted):
    """Also in a process that has not seen it before, and while shares change."""
    hosted.agent.runs(labelled)
    first = next(r for i in range(40) if (r := hosted.agent.run("hi", session=f"s{i}")).version == "v2")
    other = Hosted()
    other.agent.runs(labelled)
    turn = other.agent.run("and now?", session="unseen", pin=first.pin)
    assert (turn.version, turn.reason) == ("v2", Reason.CONVERSATION)


# --- kill switches


def test_a_killed_request_says_who_stopped_it_and_why(hosted):
    """The function is not called, and nothing is recorded."""
    hosted.feed.switch(EVERYTHING)
    hosted.agent.runs(labelled)
    with pytest.raises(Killed) as killed:
        hosted.agent.run("hello", session="s")
    assert "stopped by ann: on fire (kill switch k7)" in killed.value.message
    assert "surefoot unkill k7" in killed.value.hint
    assert hosted.agent.route(session="s").serve is None
    assert hosted.records == []


@story
async def test_a_fallback_answers_instead(hosted):
    """None is a fallback, too; the reply says why."""
    hosted.feed.switch(EVERYTHING)

    @hosted.agent.runs
    async def answer(version, request, ctx):
        return "never"

    reply = await answer.run("hello", session="s", fallback=None)
    assert (reply.output, reply.version, reply.run_id, reply.reason) == (None, "", "", Reason.KILLED)
    assert reply.killed is not None
    assert hosted.records == []


def test_a_fallback_of_a_stream_is_one_piece(hosted):
    """And without one the stream is refused before it begins."""
    hosted.feed.switch(EVERYTHING)
    answer = hosted.agent.runs(pieces)
    assert list(answer.stream("hello", session="s", fallback="later")) == ["later"]
    with pytest.raises(Killed):
        answer.stream("hello", session="s")


# --- outcomes that come later


def test_feedback_finds_its_run_in_any_process(hosted):
    """By the run id alone: same assignment, same unit, late."""
    hosted.agent.runs(labelled)
    reply = hosted.agent.run("hello", session="s")
    other = Hosted(HISTORY)
    other.agent.feedback(reply.run_id, score=0.2, complaint=True, quality=2)
    (record,) = other.records
    assert record.late
    assert record[:3] == hosted.records[0][:3]
    assert (record.seen.feedback, record.seen.complaint, record.seen.quality) == (0.2, True, 2)
    assert record.seen.success is None


def test_a_success_that_was_assumed_is_not_counted_again(hosted):
    """Only its contradiction is news."""
    with hosted.agent.observing(session="s") as run:
        pass
    hosted.agent.feedback(run.run_id, success=True)
    assert len(hosted.records) == 1
    hosted.agent.feedback(run.run_id, success=False)
    assert hosted.records[1].seen.success is False


def test_a_success_that_was_awaited_is_resolved_by_its_report():
    """It came, so it is not unresolved."""
    later = Hosted(assumes_success=False)
    with later.agent.observing(session="s") as run:
        pass
    later.agent.feedback(run.run_id, success=True)
    assert (later.records[1].seen.success, later.records[1].seen.unresolved) == (True, False)


@pytest.mark.parametrize("outcome", [{}, {"score": 3}, {"score": None}, {"success": "yes"}, {"tokens": 3, "mood": 1}])
def test_feedback_that_means_nothing_is_refused(hosted, outcome):
    """Nothing is counted."""
    with hosted.agent.observing(session="s") as run:
        pass
    with pytest.raises(UsageError):
        hosted.agent.feedback(run.run_id, **outcome)
    assert len(hosted.records) == 1


def test_feedback_on_another_agents_run_or_on_garbage_is_refused(hosted):
    """The error says what to pass."""
    for text in ("", "sf1.x", "run-7", "sf1." + "A" * 5000):
        with pytest.raises(UsageError, match="is no run id"):
            hosted.agent.feedback(text, score=1.0)
    with hosted.agent.observing(session="s") as run:
        pass
    hosted.agent.name = "another"
    with pytest.raises(UsageError, match="a run of support-agent"):
        hosted.agent.feedback(run.run_id, score=1.0)


# --- the lowest level


def test_a_run_that_somebody_else_timed_is_counted_as_they_say(hosted):
    """Nothing is assumed; its id is as good as any."""
    route = hosted.agent.route(session="s")
    run_id = hosted.agent.observe(route, session="s", latency_ms=120.4, tokens=9, success=False)
    (record,) = hosted.records
    assert (record.seen.latency_ms, record.seen.tokens, record.seen.success) == (120, 9, False)
    assert record.unit == unit_hash("s")
    assert parse_run_id(run_id).assignment == record.assignment
    hosted.agent.observe(route, session="s")
    assert hosted.records[1].seen.success is None
    hosted.agent.observe(route, session="s", timed_out=True, latency_ms=900)
    assert hosted.records[2].seen.timed_out
    with pytest.raises(UsageError, match="after how long"):
        hosted.agent.observe(route, session="s", timed_out=True)


def test_what_was_not_served_cannot_be_counted(hosted):
    """A killed request has no run."""
    hosted.feed.switch(EVERYTHING)
    with pytest.raises(UsageError, match="nothing was served"):
        hosted.agent.observe(hosted.agent.route(session="s"), session="s", success=True)


def test_the_traffic_of_the_example_is_a_rollout():
    """What the tests above rely on."""
    assert TRAFFIC.split is not None
