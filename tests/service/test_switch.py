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
async def test_blanks_around_a_name_do_not_make_another_name():
    """Typed or pasted with a blank, it still stops whom it names."""
    scene, _, services = await scene_with_agent()
    raised = await kill(Scope(feature="Refunds ", tenant=" acme"), reason="r", author="a", **services)
    assert (raised.feature, raised.tenant) == ("Refunds", "acme")
    assert (await kill(Scope(agent=f" {scene.agent}"), reason="r", author="a", **services)).agent == scene.agent


@story
async def test_no_other_target_is_suggested():
    """A name that is nearly right is answered with all that are known, and none of them as the one that was meant."""
    scene, stable, services = await scene_with_agent()
    for scope, known in (
        (Scope(agent=AgentName(f"{scene.agent}x")), scene.agent),
        (Scope(version=stable[:-1]), stable),
    ):
        with pytest.raises(UnknownName) as error:
            await kill(scope, reason="r", author="a", **services)
        assert (known in error.value.hint, "did you mean" in error.value.hint) == (True, False)


@story
async def test_an_agent_may_be_stopped_before_the_store_hears_of_it():
    """Where the caller says that it exists: its first request must already be stopped."""
    _, _, services = await scene_with_agent()
    fresh = AgentName("fresh")
    raised = await kill(Scope(agent=fresh), reason="r", author="a", agents=(fresh,), **services)
    assert raised.agent == fresh


@story
async def test_lifting_needs_a_name_and_a_switch():
    """Nobody lifts nothing."""
    scene, stable, services = await scene_with_agent()
    raised = await kill(Scope(version=stable), reason="r", author="a", **services)
    with pytest.raises(UsageError):
        await unkill(raised.id, by="", store=scene.store, clock=scene.clock)
    with pytest.raises(UnknownName):
        await unkill("other", by="ann", store=scene.store, clock=scene.clock)
