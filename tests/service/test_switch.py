"""Kill switches: who raised them, why, and no switch that stops nothing by mistake."""

from __future__ import annotations

import pytest

from surefoot.core.units import AgentName, Digest
from surefoot.errors import UnknownName, UsageError
from surefoot.service.switch import Scope, kill, kills, unkill
from surefoot.testing.scenario import a_version

from .stories import scripted, story


async def scene_with_agent():
    scene, _ = scripted()
    stable = await scene.given_stable()
    return scene, stable, {"store": scene.store, "clock": scene.clock, "ids": scene.ids}


@story
async def test_a_switch_says_who_why_and_since_when():
    """It is listed until it is lifted."""
    scene, stable, services = await scene_with_agent()
    raised = await kill(Scope(version=stable), reason="leak", author="eve", **services)
    assert (raised.agent, raised.version, raised.author, raised.reason) == (scene.agent, stable, "eve", "leak")
    assert raised.raised_at == scene.clock.now()
    assert await kills(store=scene.store) == (raised,)
    await unkill(raised.id, by="ann", store=scene.store, clock=scene.clock)
    assert await kills(store=scene.store) == ()


@story
async def test_the_empty_scope_is_everything():
    """One command for the worst night."""
    _, _, services = await scene_with_agent()
    assert (await kill(Scope(), reason="r", author="a", **services)).breadth == 4


@story
async def test_a_typing_error_raises_no_switch_that_stops_nothing():
    """An unknown version or agent, a version of another agent, an empty word: an error, and nothing is written."""
    scene, stable, services = await scene_with_agent()
    foreign = await scene.store.put_version(a_version("other", "v1"))
    for scope, error in (
        (Scope(version=Digest("sha256:none")), UnknownName),
        (Scope(agent=AgentName("bto")), UnknownName),
        (Scope(agent=scene.agent, version=foreign), UsageError),
        (Scope(tenant=""), UsageError),
        (Scope(feature=" "), UsageError),
    ):
        with pytest.raises(error):
            await kill(scope, reason="r", author="a", **services)
    for words in ({"reason": "", "author": "a"}, {"reason": "r", "author": " "}):
        with pytest.raises(UsageError):
            await kill(Scope(version=stable), **words, **services)
    assert await kills(store=scene.store) == ()


@story
async def test_lifting_needs_a_name_and_a_switch():
    """Nobody lifts nothing."""
    scene, stable, services = await scene_with_agent()
    raised = await kill(Scope(version=stable), reason="r", author="a", **services)
    with pytest.raises(UsageError):
        await unkill(raised.id, by="", store=scene.store, clock=scene.clock)
    with pytest.raises(UnknownName):
        await unkill("other", by="ann", store=scene.store, clock=scene.clock)
