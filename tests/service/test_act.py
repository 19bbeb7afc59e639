"""The outbox: every effect at least once, under one key, and no channel holds up another effect."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.service.act import Acted, act, backoff
from surefoot.service.rollouts import pause

from .stories import SECOND, ladder, scripted, story


class Channel:
    """Delivers once per key, and fails as often as it is told to."""

    def __init__(self, *, failures: int = 0, error: Exception | None = None) -> None:
        self.delivered = {}
        self.asked = []
        self._failures = failures
        self._error = error or ConnectionError("refused")

    async def notify(self, rollout, effect, *, key):
        self.asked.append(key)
        if self._failures:
            self._failures -= 1
            raise self._error
        self.delivered[key] = effect


async def started():
    scene, _ = scripted()
    await scene.given_stable()
    await scene.when_started("v2", ladder())
    return scene


@story
async def test_what_is_committed_is_told_and_confirmed():
    """Oldest first, on every channel, once."""
    scene = await started()
    one, two = Channel(), Channel()
    assert await act(store=scene.store, notifiers=[one, two], clock=scene.clock) == Acted(2, 0)
    assert list(one.delivered) == list(two.delivered) == one.asked
    assert await act(store=scene.store, notifiers=[one, two], clock=scene.clock) == Acted(0, 0)


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError(), ValueError("their bug")])
@story
async def test_a_channel_that_fails_is_tried_again_under_the_same_key(error):
    """Whatever it raises; later and later; until it works."""
    scene = await started()
    channel = Channel(failures=4, error=error)
    assert await act(store=scene.store, notifiers=[channel], clock=scene.clock) == Acted(0, 2)
    assert await act(store=scene.store, notifiers=[channel], clock=scene.clock) == Acted(0, 0)
    scene.clock.advance(SECOND)
    assert await act(store=scene.store, notifiers=[channel], clock=scene.clock) == Acted(0, 2)
    scene.clock.advance(SECOND)
    assert await act(store=scene.store, notifiers=[channel], clock=scene.clock) == Acted(0, 0)
    scene.clock.advance(SECOND)
    assert await act(store=scene.store, notifiers=[channel], clock=scene.clock) == Acted(2, 0)
    assert sorted(channel.asked) == sorted([*channel.delivered] * 3)


@story
async def test_a_failing_effect_holds_up_no_other():
    """The news of a pause arrives though the news of the start cannot be told."""
    scene = await started()
    await act(store=scene.store, notifiers=[Channel(failures=9)], clock=scene.clock)
    await pause((await scene.store.rollouts())[0].rollout.id, by="ann", store=scene.store, clock=scene.clock)
    channel = Channel()
    assert (await act(store=scene.store, notifiers=[channel], clock=scene.clock)).done == 2


@story
async def test_what_one_controller_has_in_hand_no_other_repeats():
    """Two controllers a moment apart tell it once; if the first one dies of it, the second tells it a minute later."""
    scene = await started()
    second = Channel()

    class Slow(Channel):
        async def notify(self, rollout, effect, *, key):
            await act(store=scene.store, notifiers=[second], clock=scene.clock)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await act(store=scene.store, notifiers=[Slow()], clock=scene.clock)
    assert len(second.delivered) == 1  # the other effect, which nobody had in hand
    scene.clock.advance(60 * SECOND)
    await act(store=scene.store, notifiers=[second], clock=scene.clock)
    assert len(second.delivered) == len(second.asked) == 2


@story
async def test_a_channel_that_hangs_is_left_after_its_time():
    """It has failed, and is tried again later."""

    class Hanging:
        async def notify(self, rollout, effect, *, key):
            await asyncio.Event().wait()

    scene = await started()
    assert await act(store=scene.store, notifiers=[Hanging()], clock=scene.clock, patience=0.01) == Acted(0, 2)


@story
async def test_cancelling_leaves_the_effect_in_the_outbox():
    """Nothing is confirmed that was not told."""
    scene = await started()

    class Cancelled:
        async def notify(self, rollout, effect, *, key):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await act(store=scene.store, notifiers=[Cancelled()], clock=scene.clock)
    assert len(await scene.store.due(at=scene.clock.now() + 60 * SECOND)) == 2


@given(st.integers(0, 10_000))
def test_pauses_grow_and_are_bounded(attempts):
    """From a second to ten minutes."""
    assert timedelta(seconds=1) <= backoff(attempts) <= backoff(attempts + 1) <= timedelta(minutes=10)
