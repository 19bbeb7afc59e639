"""The services on real databases: what was tried on the fake holds where two controllers truly race."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from surefoot.core.lifecycle.rollout import Phase
from surefoot.service.explain import recompute
from surefoot.store.registry import open_store
from surefoot.testing.scenario import Scenario

from .stories import BAD, GOOD, HOUR, SECOND, ladder, stage, story

PLAN = ladder(stage("20%", 2_000), stage("all", 10_000), holdback=500)


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite:///{tmp_path}/surefoot.db"


@asynccontextmanager
async def opened(url):
    store = open_store(url)
    await store.migrate()
    try:
        yield store
    finally:
        await store.close()


async def raced(url, fails, end):
    """Two controllers, each with its own connections, look at the same time from start to end."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(url)) for _ in range(2)]
        scene = Scenario(stores[0])
        rid = await scene.given_rollout(PLAN)
        scene.given_controller(stores[1])
        for look in range(14):
            if not (await scene.then_row(rid)).phase.is_final:
                await scene.when_users_come(rid, 200, **fails)
            scene.clock.advance(11 * SECOND if look < 12 else HOUR)
            await asyncio.gather(*(controller.round() for controller in scene.controllers))
        row = await scene.then_at(rid, end)
        records, ticks = await scene.store.audit(rid), await scene.store.ticks(rid)
    again = recompute(records, ticks, row=row)
    assert again.is_reproduced, again
    assert [record.transition.after.epoch for record in records] == list(range(1, len(records) + 1))
    assert [tick.sequence for tick in ticks] == list(range(1, len(ticks) + 1))


ENDS = [pytest.param(GOOD, Phase.PROMOTED, id="good"), pytest.param(BAD, Phase.ROLLED_BACK, id="bad")]


@pytest.mark.parametrize(("fails", "end"), ENDS)
@story
async def test_racing_controllers_on_sqlite_make_every_step_once(sqlite, fails, end):
    """And what is read back from the file reproduces every decision to 1e-9."""
    await raced(sqlite, fails, end)


@pytest.mark.postgres
@pytest.mark.parametrize(("fails", "end"), ENDS)
@story
async def test_racing_controllers_on_postgres_make_every_step_once(postgres_url, fails, end):
    """The same on a server."""
    await raced(postgres_url, fails, end)
