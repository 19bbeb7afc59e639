"""A shadow stage through the front door: pairs decide in the store, and no user meets what they refuse."""

from __future__ import annotations

import os
import threading

import pytest

import surefoot
from surefoot.adapters.clock import SystemClock
from surefoot.app.control import Control
from surefoot.client.shadow import ShadowLimits
from surefoot.core.lifecycle.rollout import Phase
from surefoot.service.controller import Controller
from surefoot.testing.clock import FastClock

PLAN = (
    "preset: shadow_first\nchecks: [{metric: success, margin: 40%}]\nstages: {shadow: {min_samples: 5}}\n"
    "shares: [50%, 100%]\n"
)
VERSION = (
    "model: {provider: test, name: MODEL}\nprompt: {system: You answer.}\n"
    "tools: [{name: refund, effect: write, arguments: {}}, {name: look, effect: read, arguments: {}}]\n"
)
GOOD, BAD = "good", "bad"


@pytest.fixture
def project(tmp_path):
    """One stable version, and a candidate that is fine or is not."""
    folder = tmp_path / "agents" / "bot"
    folder.mkdir(parents=True)
    for label in ("v1", GOOD, BAD):
        (folder / f"{label}.yaml").write_text(VERSION.replace("MODEL", label))
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / "bot.yaml").write_text(PLAN)
    with surefoot.open(
        tmp_path, stable={"bot": "v1"}, controller="external", clock=FastClock(SystemClock(), 100)
    ) as sf:
        yield sf


class Shop:
    """An agent that refunds for real, once per request that a user made."""

    def __init__(self, sf, queue=64):
        self.sf, self.refunded, self.met = sf, [], []
        self.agent = sf.agent("bot", shadow=ShadowLimits(concurrency=1, queue=queue))
        self.agent.runs(self.answer)

    def answer(self, version, request, ctx):
        if version.label == BAD:
            raise LookupError("the bad candidate never finds anything")
        return ctx.tool("refund", {"order": request}, lambda order: self.refunded.append(order) or f"refunded {order}")

    def serve(self, count):
        """That many users, one after the other."""
        before = len(self.met)
        self.met += [self.agent.run(number, session=f"s-{number}").version for number in range(before, before + count)]


async def looked(control: Control):
    """One round of a controller; the rollout after it."""
    which = await control.find("bot")
    await Controller(store=control.store, clock=control.clock, cases=control.cases).round()
    return (await control.store.rollout(which)).rollout


async def pairs_of(control: Control):
    """What is known of the pairs."""
    which = await control.find("bot")
    return await control.store.pair_totals(which), await control.store.pairs(which, limit=1000)


def until_decided(sf, shop, batches=20, size=30):
    """Users come, pairs arrive, a controller looks, until the shadow stage is over."""
    for _ in range(batches):
        shop.serve(size)
        assert sf.flush()
        row = sf.control(looked)
        if row.opened != 1 or row.phase is not Phase.RUNNING:
            return row
    raise AssertionError("the pairs decided nothing")


def test_pairs_open_the_first_live_stage(project):
    """A candidate that does what stable does is proven on mirrored traffic, without a second refund, then met."""
    shop = Shop(project)
    started = project.control(lambda control: control.start("bot", GOOD, by="ann"))
    assert (started.stage.shadow, started.share) == (True, 0)
    row = until_decided(project, shop)
    totals, pairs = project.control(pairs_of)
    assert (row.phase, row.stage.name, row.share) == (Phase.RUNNING, "50%", 5_000)
    assert totals.pairs == totals.compared["success"] == len(pairs) == len(shop.met)
    assert (totals.only_candidate_bad, totals.diverged, totals.dropped) == ({}, 0, 0)
    assert set(shop.met) == {"v1"}
    assert shop.refunded == list(range(len(shop.met)))
    assert project.health.shadows["bot"].paired == len(pairs)
    shop.serve(40)
    assert set(shop.met) == {"v1", GOOD}


def test_a_candidate_that_fails_is_gone_before_any_user_met_it(project):
    """Much worse on mirrored traffic is rolled back; every answer a user got was stable's."""
    shop = Shop(project)
    project.control(lambda control: control.start("bot", BAD, by="ann"))
    row = until_decided(project, shop)
    totals, _ = project.control(pairs_of)
    assert row.phase is Phase.ROLLED_BACK
    assert totals.only_candidate_bad == {"success": totals.pairs}
    shop.serve(20)
    assert set(shop.met) == {"v1"}
    assert shop.refunded == list(range(len(shop.met)))


def test_what_exceeds_the_limits_is_dropped_and_counted_with_the_rollout(project):
    """A full queue costs pairs and nothing else, and whoever looks at the rollout sees how many."""
    shop = Shop(project, queue=5)
    project.control(lambda control: control.start("bot", GOOD, by="ann"))
    gate = threading.Event()

    @shop.agent.runs
    def held(version, request, ctx):
        return version.label == "v1" or gate.wait(30)

    for number in range(20):
        assert held.run(number, session=f"s-{number}").version == "v1"
    gate.set()
    assert project.flush(30)
    totals, _ = project.control(pairs_of)
    assert (totals.pairs, totals.dropped) == (6, 14)
    assert project.health.shadows["bot"].dropped == {"full": 14}


def test_a_forked_child_mirrors_too(project):
    """As under a server that opens the project and then forks its workers: their pairs count like any others."""
    shop = Shop(project)
    project.control(lambda control: control.start("bot", GOOD, by="ann"))
    shop.serve(3)
    assert project.flush()
    child = os.fork()
    if not child:  # pragma: no cover - another process
        code = 1
        try:
            shop.serve(4)
            code = 0 if project.flush(20) and project.health.shadows["bot"].paired == 4 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    totals, pairs = project.control(pairs_of)
    assert (totals.pairs, len(pairs), totals.dropped) == (7, 7, 0)
