"""The router inside the user's process: what it obeys, what it survives, what it remembers."""

from __future__ import annotations

import threading
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.client.conversations import Conversations
from surefoot.client.last_seen import LastSeen
from surefoot.client.router import AfterLease, Lease, Router
from surefoot.core.evidence.observation import Arm
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.traffic.route import AgentTraffic, Reason, Request, Route, Split, route
from surefoot.errors import StoreUnavailable, UnknownName, UsageError
from surefoot.testing.feed import ManualFeed

AGENT = "support"
SPLIT = Split(rollout="r", stage="25%", candidate="new", share=2_500, epoch=2, seed=7, unit=UnitKind.USER)
TRAFFIC = AgentTraffic(agent=AGENT, stable="old", split=SPLIT)
EVERYTHING = KillSwitch(id="k", reason="on fire", author="ann", raised_at=datetime(2026, 1, 1, tzinfo=UTC))
USERS = [f"u-{i}" for i in range(200)]


class Stopwatch:
    """A monotonic clock that stands still until it is told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def shared(share, **changes):
    """The usual rollout at another share."""
    return replace(TRAFFIC, split=replace(SPLIT, share=share, **changes))


def user_of(reason):
    """Somebody whom the usual rollout gives this arm."""
    router = Router(ManualFeed(TRAFFIC))
    return next(user for user in USERS if router.decide(AGENT, user).reason is reason)


def test_it_decides_as_the_pure_function_does():
    """What the router says is what `route` says of the feed's snapshot."""
    feed = ManualFeed(TRAFFIC, AgentTraffic(agent="sales", stable="s1", pins={"acme": "s0"}))
    router = Router(feed)
    for user in USERS:
        assert router.decide(AGENT, user) == route(feed.snapshot, Request(agent=AGENT, user=user))
    pinned = Request(agent="sales", tenant="acme", user="u", session="", feature="f", segment="g", request="q")
    assert router.decide("sales", "u", "acme", "", "f", "g", "q") == route(feed.snapshot, pinned)


def test_a_switch_is_obeyed_by_the_next_decision():
    """Between the bell and the next decision there is nothing."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed)
    feed.switch(EVERYTHING)
    answer = router.decide(AGENT, "u")
    assert (answer.serve, answer.reason, answer.kill) == (None, Reason.KILLED, EVERYTHING)
    feed.switch()
    assert router.decide(AGENT, "u").serve is not None


def test_the_feed_is_read_only_when_the_bell_has_rung():
    """A thousand decisions cost the store nothing."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed)
    before = feed.reads
    for _ in range(1000):
        router.decide(AGENT, "u")
    assert feed.reads == before


def test_a_lost_bell_is_made_up_for_by_the_poll():
    """A writer that died before it rang is heard at the next poll."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed)
    feed.switch(EVERYTHING, quiet=True)
    assert router.decide(AGENT, "u").serve is not None
    router.poll()
    assert router.decide(AGENT, "u").serve is None


def test_a_feed_without_a_bell_is_asked():
    """A feed that offers only `epoch()` is obeyed as quickly."""

    class Plain:
        def __init__(self, inner):
            self.epoch, self.changes, self.listen, self.close = inner.epoch, inner.changes, inner.listen, inner.close

    feed = ManualFeed(TRAFFIC)
    router = Router(Plain(feed))
    feed.switch(EVERYTHING)
    assert router.decide(AGENT, "u").serve is None


def test_the_thread_polls_when_the_feed_calls():
    """With `start`, a feed that calls is read at once, without a decision; `close` ends the thread and the feed."""
    feed = ManualFeed(TRAFFIC)
    heard = threading.Event()
    inner = feed.changes

    def changes(since):
        news = inner(since)
        if news.kills:
            heard.set()
        return news

    feed.changes = changes
    router = Router(feed)
    router.start(every=3600)
    feed.switch(EVERYTHING)
    assert heard.wait(10)
    assert router.decide(AGENT, "u").serve is None
    router.close()
    assert feed.is_closed


def test_a_closed_router_decides_nothing():
    """It would hear of no switch any more, so it says so instead of serving."""
    router = Router(ManualFeed(TRAFFIC))
    router.close()
    with pytest.raises(UsageError, match="closed"):
        router.decide(AGENT, "u", session="s")


# --- the store is away


def test_a_feed_that_is_down_changes_nothing():
    """The last snapshot goes on serving, requests do not fail, and health says what is wrong."""
    feed, clock = ManualFeed(TRAFFIC), Stopwatch()
    router = Router(feed, clock=clock)
    before = [router.decide(AGENT, user) for user in USERS]
    feed.is_down = True
    feed.switch(EVERYTHING)
    clock.now += 3
    assert [router.decide(AGENT, user) for user in USERS] == before
    health = router.health()
    assert (health.is_connected, health.silent_seconds, health.last_error) == (False, 3, "the store is down")
    feed.is_down = False
    router.poll()
    assert router.decide(AGENT, "u").serve is None
    assert router.health().is_connected


def test_a_feed_that_fails_is_not_asked_by_every_request():
    """Requests wait for a failing store no more than once per back-off, which grows to 5 s."""
    feed, clock = ManualFeed(TRAFFIC), Stopwatch()
    router = Router(feed, clock=clock)
    feed.is_down = True
    feed.bell[0] += 1
    for _ in range(6_000):
        clock.now += 0.01
        router.decide(AGENT, "u")
    assert 10 < feed.reads < 30


def test_a_feed_that_has_recovered_is_heard_at_once():
    """What is left of the pause after a failure does not delay a switch once a poll has got through."""
    feed, clock = ManualFeed(TRAFFIC), Stopwatch()
    feed.is_down = True
    router = Router(feed, clock=clock)
    feed.is_down = False
    router.poll()
    feed.switch(EVERYTHING)
    assert router.decide(AGENT, "u").reason is Reason.KILLED


def test_any_error_of_a_feed_is_survived():
    """Also what a feed should never raise is counted, not handed to somebody's request."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed)
    feed.changes = lambda since: 1 / 0
    feed.bell[0] += 1
    assert router.decide(AGENT, "u").serve is not None
    assert router.health().failed_reads == 1


def test_a_clock_that_jumps_back_is_harmless():
    """Waits are measured on the monotonic clock, and even if that went back, the bell is still obeyed."""
    feed, clock = ManualFeed(TRAFFIC), Stopwatch()
    router = Router(feed, clock=clock, lease=Lease(60, AfterLease.NOBODY))
    clock.now = -1e9
    feed.switch(EVERYTHING)
    router.poll()
    assert router.decide(AGENT, "u").kill == EVERYTHING


@pytest.mark.parametrize(("then", "serve"), [(AfterLease.STABLE, "old"), (AfterLease.NOBODY, None)])
def test_the_lease_runs_out(then, serve):
    """Silence beyond the lease takes the candidate, or everything, out; the first word from the feed ends that."""
    feed, clock = ManualFeed(shared(10_000)), Stopwatch()
    router = Router(feed, clock=clock, lease=Lease(60, then))
    feed.is_down = True
    clock.now = 59
    router.poll()
    assert router.decide(AGENT, "u").serve == "new"
    clock.now = 61
    router.poll()
    assert router.decide(AGENT, "u").serve == serve
    assert router.health().is_expired
    feed.is_down = False
    router.poll()
    assert router.decide(AGENT, "u").serve == "new"
    assert not router.health().is_expired


def test_without_a_lease_silence_changes_nothing():
    """Fail static: the last snapshot serves for as long as it takes."""
    feed, clock = ManualFeed(shared(10_000)), Stopwatch()
    router = Router(feed, clock=clock)
    feed.is_down = True
    clock.now = 1e9
    router.poll()
    assert router.decide(AGENT, "u").serve == "new"


# --- the disk


def down(feed):
    """The same feed, now failing."""
    feed.is_down = True
    return feed


def test_a_switch_that_was_seen_survives_a_restart(tmp_path):
    """A process that dies right after a decision has kept the switch it obeyed, and the next one obeys it too."""
    feed = ManualFeed(TRAFFIC)
    first = Router(feed, disk=tmp_path)
    first.close()
    feed.switch(EVERYTHING)
    second = Router(feed, disk=tmp_path)
    assert second.decide(AGENT, "u").serve is None
    third = Router(down(feed), disk=tmp_path)  # the second never polled, closed or flushed anything
    assert third.decide(AGENT, "u").kill == EVERYTHING
    assert third.health().is_from_disk


def test_the_whole_snapshot_survives_a_restart(tmp_path):
    """Without a store the next process gives everybody the same version as before."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed, disk=tmp_path)
    before = [router.decide(AGENT, user) for user in USERS]
    router.close()
    again = Router(down(feed), disk=tmp_path)
    assert [again.decide(AGENT, user) for user in USERS] == before


def test_a_long_running_process_keeps_its_snapshot(tmp_path):
    """Polling writes the whole snapshot, at most every five seconds."""
    feed, clock = ManualFeed(TRAFFIC), Stopwatch()
    router = Router(feed, disk=tmp_path, clock=clock)
    router.poll()
    assert LastSeen(tmp_path).load() is None
    clock.now = 6
    router.poll()
    assert LastSeen(tmp_path).load() == feed.snapshot


def test_nothing_known_is_said_and_not_guessed(tmp_path):
    """With neither store nor disk a decision raises StoreUnavailable, and works once the store is there."""
    feed = down(ManualFeed(TRAFFIC))
    router = Router(feed, disk=tmp_path / "none")
    with pytest.raises(StoreUnavailable, match="no traffic is known yet"):
        router.decide(AGENT, "u")
    feed.is_down = False
    router.poll()
    assert router.decide(AGENT, "u").serve is not None
    with pytest.raises(UnknownName):
        router.decide("nobody", "u")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"revision": "x"}', b"\xff\xfe"])
def test_damaged_files_are_passed_over(tmp_path, damage):
    """Half a file or somebody else's is ignored for the last whole one."""
    kept = LastSeen(tmp_path)
    world = replace(ManualFeed(TRAFFIC).snapshot, revision=3)
    kept.keep(world)
    (tmp_path / "snapshot-9.json").write_bytes(damage)
    (tmp_path / "switches-9.json").write_bytes(damage)
    (tmp_path / "switches-x.json").write_bytes(damage)
    (tmp_path / ".snapshot-9.tmp").write_bytes(damage)
    assert kept.load() == world


def test_a_slow_process_cannot_bring_back_the_past(tmp_path):
    """The highest revision wins, whoever writes last; files that were overtaken are removed."""
    kept = LastSeen(tmp_path)
    world = ManualFeed(TRAFFIC).snapshot
    kept.keep(replace(world, revision=5))
    kept.keep_switches(7, (EVERYTHING,), durable=True)
    kept.keep_switches(6, (), durable=False)
    kept.keep(replace(world, revision=4))
    assert kept.load() == replace(world, revision=5, kills=(EVERYTHING,))
    kept.keep_switches(8, (), durable=False)
    assert kept.load() == replace(world, revision=5, kills=())
    assert len(list(tmp_path.glob("switches-*"))) == 1


def test_switches_older_than_the_snapshot_do_not_count(tmp_path):
    """A switch that was lifted before the snapshot was written stays lifted."""
    kept = LastSeen(tmp_path)
    kept.keep_switches(3, (EVERYTHING,), durable=True)
    world = replace(ManualFeed(TRAFFIC).snapshot, revision=5)
    kept.keep(world)
    assert kept.load() == world


def test_a_disk_that_cannot_be_written_is_counted(tmp_path):
    """A full or forbidden disk costs the memory of a restart and no request."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    feed = ManualFeed(TRAFFIC)
    router = Router(feed, disk=blocked)
    feed.switch(EVERYTHING)
    assert router.decide(AGENT, "u").serve is None
    assert router.health().failed_writes > 0
    assert "disk" in router.health().last_error


def test_a_store_with_another_history_is_believed_except_in_what_it_does_not_know(tmp_path):
    """Agents are as it says, in memory and on disk. One it has never heard of keeps its stable version alone."""
    feed = ManualFeed(TRAFFIC, replace(shared(10_000), agent="gone"))
    router = Router(feed, disk=tmp_path)
    feed.restart(shared(10_000))
    router.poll()
    assert router.decide(AGENT, "u").serve == "new"
    assert (router.decide("gone", "u").serve, router.decide("gone", "u").reason) == ("old", Reason.NO_ROLLOUT)
    router.close()
    kept = LastSeen(tmp_path).load()
    assert (kept.revision, kept.agents[AGENT], kept.agents["gone"].split) == (1, shared(10_000), None)


LOSSES = {
    "emptied": lambda feed: feed.restart(),
    "made anew": lambda feed: feed.restart(TRAFFIC),
    "made anew, and further on than the old one": lambda feed: feed.restart(*[TRAFFIC] * 9),
    "made anew, and as far as the old one": lambda feed: feed.restart(*[TRAFFIC] * 2),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "restarted"])
def test_a_switch_is_obeyed_until_somebody_lifts_it(tmp_path, caplog, loss, is_running):
    """Whatever became of the store: by the process that saw it, by the next ones, named in health and in the log."""
    feed = ManualFeed(TRAFFIC)
    feed.switch(EVERYTHING)
    router = Router(feed, disk=tmp_path)
    LOSSES[loss](feed)
    for _ in range(3):
        if not is_running:
            router.close()
            router = Router(feed, disk=tmp_path)
        router.poll()
        assert router.decide(AGENT, "u").kill == EVERYTHING
        assert router.health().unknown_kills == ("k",)
    assert caplog.text.count("surefoot unkill --lost ID") == (1 if is_running else 3)
    assert Router(down(feed), disk=tmp_path).decide(AGENT, "u").kill == EVERYTHING
    feed.is_down = False
    feed.switch(EVERYTHING)
    router.poll()
    assert router.health().unknown_kills == ()
    feed.switch()
    router.poll()
    assert router.decide(AGENT, "u").serve is not None
    assert Router(down(feed), disk=tmp_path).decide(AGENT, "u").serve is not None


def test_a_switch_of_the_new_store_is_obeyed_beside_one_of_the_old(tmp_path):
    """Raising and lifting others changes nothing about the one that is unknown."""
    feed = ManualFeed(TRAFFIC)
    feed.switch(replace(EVERYTHING, tenant="acme"))
    router = Router(feed, disk=tmp_path)
    feed.restart(TRAFFIC)
    other = replace(EVERYTHING, id="other", tenant="globex")
    for kills, served in (((other,), False), ((), True)):
        feed.switch(*kills)
        assert router.decide(AGENT, "u", "acme").serve is None
        assert (router.decide(AGENT, "u", "globex").serve is not None) == served


def test_a_store_with_other_revisions_of_its_own_is_noticed():
    """One that is as far as the old one, with a switch from before that, is read from the start."""
    feed = ManualFeed(TRAFFIC, AgentTraffic(agent="sales", stable="s1"))
    router = Router(feed)
    feed.restart()
    feed.switch(EVERYTHING)
    feed.put(TRAFFIC)
    router.poll()
    assert router.decide("sales", "u").kill == EVERYTHING


def test_switches_are_kept_before_anything_else_is(tmp_path):
    """A process that saw a switch and died before it kept a snapshot has left the switch to the next."""
    feed = ManualFeed()
    feed.switch(EVERYTHING)
    Router(feed, disk=tmp_path)
    feed.restart(TRAFFIC)
    assert Router(feed, disk=tmp_path).decide(AGENT, "u").kill == EVERYTHING
    assert not LastSeen(tmp_path / "new").is_there


# --- conversations


def test_a_conversation_keeps_its_arm_and_epoch():
    """A user whom a bigger share takes in keeps the old version, arm and epoch until the conversation ends."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed)
    user = user_of(Reason.CONTROL)
    first = router.decide(AGENT, user, session="s-1")
    feed.put(shared(10_000, epoch=3))
    later = router.decide(AGENT, user, session="s-1")
    assert (later.serve, later.arm, later.epoch, later.randomised) == ("old", Arm.STABLE, first.epoch, True)
    assert later.reason is Reason.CONVERSATION
    assert router.decide(AGENT, user, session="s-2").serve == "new"
    assert router.decide(AGENT, user, session="other", pin=first.pin) == later  # by hand, in any process


def test_a_conversation_that_began_before_the_rollout_is_left_alone():
    """Nobody's version changes in mid-sentence because a rollout starts, and nobody is analysed who was not drawn."""
    feed = ManualFeed(replace(TRAFFIC, split=None))
    router = Router(feed)
    router.decide(AGENT, "u", session="s")
    feed.put(shared(10_000))
    later = router.decide(AGENT, "u", session="s")
    assert (later.serve, later.reason, later.randomised) == ("old", Reason.CONVERSATION, False)


def test_a_switch_ends_a_conversation_for_good():
    """A candidate that was killed does not come back into a conversation when the switch is lifted."""
    feed = ManualFeed(shared(10_000))
    router = Router(feed)
    assert router.decide(AGENT, "u", session="s").serve == "new"
    feed.switch(replace(EVERYTHING, version="new"))
    assert router.decide(AGENT, "u", session="s").serve == "old"
    feed.switch()
    after = router.decide(AGENT, "u", session="s")
    assert (after.serve, after.randomised) == ("old", False)


def test_a_conversation_starts_anew_when_nothing_was_served():
    """After a global switch the next turn is a first turn."""
    feed = ManualFeed(TRAFFIC)
    router = Router(feed)
    user = user_of(Reason.CONTROL)
    router.decide(AGENT, user, session="s")
    feed.switch(EVERYTHING)
    assert router.decide(AGENT, user, session="s").serve is None
    feed.switch()
    feed.put(shared(10_000))
    assert router.decide(AGENT, user, session="s").serve == "new"


def test_a_conversation_outlives_neither_its_version_nor_the_rollout():
    """When the candidate is rolled back, or promoted, its conversations go where everybody goes."""
    feed = ManualFeed(shared(10_000))
    router = Router(feed)
    router.decide(AGENT, "u", session="s")
    feed.put(replace(TRAFFIC, split=None))
    assert router.decide(AGENT, "u", session="s").serve == "old"
    feed.put(AgentTraffic(agent=AGENT, stable="new"))
    assert router.decide(AGENT, "u", session="s").serve == "new"


ROUTE = Route(agent=AGENT, serve="old", reason=Reason.NO_ROLLOUT, revision=1)


@given(st.integers(2, 20), st.lists(st.integers(0, 60), max_size=300))
@settings(max_examples=60)
def test_memory_of_conversations_is_bounded(most, turns):
    """At most `most` conversations are kept, and the last `most // 2` that spoke are among them."""
    kept = Conversations(most)
    for number in turns:
        talk = (AGENT, str(number))
        if kept.first(talk) is None:
            kept.keep(talk, ROUTE)
    assert len(kept) <= most
    for number in list(dict.fromkeys(reversed(turns)))[: most // 2]:
        assert deepcopy(kept).first((AGENT, str(number))) == ROUTE


def test_decisions_never_see_half_a_snapshot():
    """While one thread writes, readers get the old route or the new one, each whole."""
    feed = ManualFeed(shared(0, epoch=0))
    router = Router(feed)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            answer = router.decide(AGENT, "u")
            seen.add((answer.serve, answer.epoch % 2))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for epoch in range(300):
        feed.put(shared(10_000 if epoch % 2 else 0, epoch=epoch))
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= {("old", 0), ("new", 1)}
