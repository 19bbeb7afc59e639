"""An agent with a router and a recorder of its own, and everything it recorded."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace

from surefoot.client.agent import Agent
from surefoot.client.router import Router
from surefoot.core.evidence.observation import Record
from surefoot.core.traffic.plan import UnitKind
from surefoot.core.traffic.route import AgentTraffic, Split
from surefoot.core.units import AgentName, BasisPoints, RolloutId
from surefoot.errors import UnknownName
from surefoot.testing.feed import ManualFeed
from surefoot.testing.samples import version

__all__ = ["AGENT", "NEW", "OLD", "TRAFFIC", "Hosted", "Notebook", "story"]

AGENT = AgentName("support-agent")
OLD, NEW = version("v1"), version("v2", system="You are better at answering questions about orders.")
SPLIT = Split(
    rollout=RolloutId("r1"), stage="half", candidate=NEW.digest, share=BasisPoints(5_000), epoch=4, seed=7,
    unit=UnitKind.SESSION,
)  # fmt: skip
TRAFFIC = AgentTraffic(agent=AGENT, stable=OLD.digest, split=SPLIT)


def story(test):
    """A test that is an async function, played to its end."""

    @functools.wraps(test)
    def played(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return played


class Notebook:
    """A recorder that keeps every record at once."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.numbers = iter(range(10**6))

    def put(self, item) -> None:
        self.records.append(item.record(10**18))

    def serial(self, number: int) -> str:
        return f"p-{number:x}"


class Hosted:
    """The agent, and what a test wants to look at."""

    def __init__(self, traffic: AgentTraffic = TRAFFIC, **options) -> None:
        self.feed = ManualFeed(traffic)
        self.notebook = Notebook()
        self.agent = Agent(AGENT, router=Router(self.feed), recorder=self.notebook, versions=self.version, **options)

    @staticmethod
    def version(digest):
        known = {OLD.digest: OLD, NEW.digest: NEW}
        if digest not in known:
            raise UnknownName("version", digest, tuple(known))
        return known[digest]

    @property
    def records(self) -> list[Record]:
        return self.notebook.records

    @property
    def seen(self):
        """What the only record shows."""
        (record,) = self.records
        return record.seen

    def count_by(self, unit: UnitKind) -> None:
        """Let another rollout begin, that counts by something else."""
        self.feed.put(replace(TRAFFIC, split=replace(SPLIT, rollout=RolloutId(f"r-{unit}"), unit=unit)))
