"""Work that is told to stop ends between two steps, and at once while it rests."""

from __future__ import annotations

import asyncio
import math

import pytest

from surefoot.app.pauses import Pauses
from surefoot.testing.clock import ManualClock


def ended(stops, seconds):
    """What the work had done when it ended: it takes a step, rests, and would take another."""
    done = []

    async def work():
        pauses = Pauses(ManualClock(), asyncio.current_task())
        if stops == "in a step":
            pauses.stop()
        else:
            asyncio.get_running_loop().call_soon(pauses.stop)
        await asyncio.to_thread(done.append, "step") if stops == "in a step" else done.append("step")
        await pauses.sleep(seconds)
        done.append("another")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    return done


@pytest.mark.parametrize("stops", ["in a step", "at rest"])
@pytest.mark.parametrize("seconds", [5.0, math.inf])
def test_a_step_that_was_begun_is_finished_and_no_other_is_begun(stops, seconds):
    """However long the rest would have been."""
    assert ended(stops, seconds) == ["step"]
