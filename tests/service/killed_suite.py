"""A process that runs a suite, answers some of it and then hangs, so that it can be killed: FILE ANSWERED."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from surefoot.adapters.clock import SystemClock
from surefoot.service.prove import prove
from surefoot.store.results import SqliteResults
from tests.service.proofs import Agent, answer, contender, order, suite_of

CASES = 30
AT_ONCE = 4


def main(path: Path, answered: int) -> None:
    """Says "hanging" when as many calls hang as may be under way."""
    agent = Agent()
    hanging: list[str] = []

    async def hang(request):
        hanging.append(request)
        if len(hanging) == AT_ONCE:
            asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(print, "hanging"))
        await asyncio.Event().wait()

    turns = iter(range(CASES))
    agent.does = lambda request, nth: answer(request) if next(turns) < answered else hang(request)
    wanted = order(suite_of(CASES, concurrency=AT_ONCE), contender(agent))
    asyncio.run(prove(wanted, results=SqliteResults(path), clock=SystemClock(), seed=1))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(Path(sys.argv[1]), int(sys.argv[2]))
