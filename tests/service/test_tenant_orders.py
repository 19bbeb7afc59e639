"""Orders for one tenant: who gave them, why, and that no other write is lost under them."""

from __future__ import annotations

import pytest

from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.traffic.orders import TrafficOrderKind
from surefoot.core.traffic.route import Reason, Request, route
from surefoot.core.units import AgentName
from surefoot.errors import Conflict, Denied, Killed, UnknownName, UsageError
from surefoot.service import rollouts, switch
from surefoot.service.traffic import opt_in, opt_out, pin, traffic, unpin
from surefoot.testing.scenario import a_version

from .stories import ladder, scripted, stage, story


async def under_way():
    """A rollout that gives the candidate nearly everybody, and what an order takes."""
    scene, _ = scripted()
    rid = await scene.given_rollout(ladder(stage("most", 9_900), stage("all", 10_000)))
    words = {"by": "ann", "reason": "their contract", "store": scene.store, "clock": scene.clock}
    return scene, (await scene.then_at(rid, Phase.RUNNING)), words


async def routed(scene, tenant):
    return route(await scene.store.snapshot(), Request(agent=scene.agent, session="s-1", tenant=tenant))


@story
async def test_a_tenant_that_is_opted_out_gets_stable_until_it_is_opted_in():
    """Nobody else is concerned."""
    scene, row, words = await under_way()
    await opt_out(scene.agent, " acme ", **words)
    assert (await routed(scene, "acme")).reason is Reason.OPTED_OUT
    assert (await routed(scene, "globex")).serve == row.candidate
    await opt_in(scene.agent, "acme", **words)
    assert (await routed(scene, "acme")).serve == row.candidate


@story
async def test_a_pinned_tenant_gets_its_version_until_it_is_unpinned():
    """Whatever the rollout says."""
    scene, row, words = await under_way()
    await pin(await scene.store.version(row.stable), "acme", **words)
    found = await routed(scene, "acme")
    assert (found.serve, found.reason) == (row.stable, Reason.PINNED)
    await unpin(scene.agent, "acme", **words)
    assert (await routed(scene, "acme")).serve == row.candidate


@story
async def test_every_order_is_kept_with_who_when_and_why():
    """What holds names the order behind it; what was taken back is still in the log."""
    scene, row, words = await under_way()
    await opt_out(scene.agent, "acme", **words)
    await pin(await scene.store.version(row.stable), "globex", **words)
    await opt_in(scene.agent, "acme", **{**words, "by": "bob"})
    found = await traffic(scene.agent, store=scene.store)
    (line,) = found.pins
    assert (line.tenant, line.digest, line.author, line.reason) == ("globex", row.stable, "ann", "their contract")
    assert line.since == scene.clock.now()
    assert found.opted_out == ()
    assert [(order.kind, order.author) for order in found.orders] == [
        (TrafficOrderKind.OPT_OUT, "ann"),
        (TrafficOrderKind.PIN, "ann"),
        (TrafficOrderKind.OPT_IN, "bob"),
    ]
    assert found.orders[-1].revision == (await scene.store.traffic(scene.agent)).revision


@story
async def test_nobody_is_pinned_to_what_must_not_be_served():
    """Neither a version that was rolled back, nor one under a switch, nor one of an agent that nobody has."""
    scene, row, words = await under_way()
    candidate = await scene.store.version(row.candidate)
    services = {"store": scene.store, "clock": scene.clock}
    kill = await switch.kill(
        switch.Scope(version=row.candidate), reason="leak", author="eve", ids=scene.ids, **services
    )
    for version, error in ((candidate, Killed), (a_version("other", "v1"), UnknownName)):
        with pytest.raises(error):
            await pin(version, "acme", **words)
    await scene.when_looked_at()
    await switch.unkill(kill.id, by="eve", **services)
    with pytest.raises(Denied):
        await pin(candidate, "acme", **words)
    assert (await traffic(scene.agent, store=scene.store)).orders == ()


@story
async def test_an_order_needs_a_tenant_a_name_a_reason_and_a_known_agent():
    """Without them nothing is written."""
    scene, _, words = await under_way()
    for agent, tenant, more, error in (
        (scene.agent, " ", {}, UsageError),
        (scene.agent, "acme", {"by": ""}, UsageError),
        (scene.agent, "acme", {"reason": " "}, UsageError),
        (AgentName("bto"), "acme", {}, UnknownName),
    ):
        with pytest.raises(error):
            await opt_out(agent, tenant, **{**words, **more})
    assert (await traffic(scene.agent, store=scene.store)).orders == ()


class _Meanwhile:
    """A store in which something else happens just before traffic is written, so many times."""

    def __init__(self, store, happens, times=1):
        self._store, self._happens, self._times = store, happens, times

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def set_traffic(self, *words, **named):
        if self._times:
            self._times -= 1
            await self._happens()
        return await self._store.set_traffic(*words, **named)


@story
async def test_neither_an_order_nor_a_new_stable_version_is_lost_under_the_other():
    """Whoever writes second reads again and writes over what is there then."""
    scene, _ = scripted()
    await scene.given_stable("v1")
    new, words = await scene.given_version("v2"), {"reason": "r", "clock": scene.clock, "by": "ann"}

    async def opted_out():
        await opt_out(scene.agent, "acme", store=scene.store, **words)

    async def moved():
        await rollouts.set_stable(scene.agent, new, by="ann", store=scene.store)

    raced = _Meanwhile(scene.store, opted_out)
    await rollouts.set_stable(scene.agent, new, by="ann", store=raced)
    found = await scene.store.traffic(scene.agent)
    assert (found.stable, found.opted_out) == (new, {"acme"})
    await pin(await scene.store.version(new), "globex", store=_Meanwhile(scene.store, moved), **words)
    found = await scene.store.traffic(scene.agent)
    assert (found.stable, found.opted_out, dict(found.pins)) == (new, {"acme"}, {"globex": new})


@story
async def test_traffic_that_never_holds_still_is_given_up():
    """Both say so instead of trying for ever."""
    scene, _ = scripted()
    stable = await scene.given_stable("v1")

    async def moved():
        known = await scene.store.traffic(scene.agent)
        await scene.store.set_traffic(known)

    restless = _Meanwhile(scene.store, moved, times=100)
    with pytest.raises(Conflict):
        await opt_out(scene.agent, "acme", by="ann", reason="r", store=restless, clock=scene.clock)
    with pytest.raises(Conflict):
        await rollouts.set_stable(scene.agent, stable, by="ann", store=restless)
