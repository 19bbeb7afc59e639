"""What the stories of the services share: plans, a judge that says what it is told, stores that fail on purpose."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from datetime import timedelta

from surefoot.core.evidence.verdict import Judgement, Verdict, Why
from surefoot.core.traffic.plan import Check, Plan, Stage
from surefoot.core.units import BasisPoints
from surefoot.errors import StoreUnavailable
from surefoot.store.memory import MemoryStore
from surefoot.testing.scenario import Scenario

CHECKS = (Check(metric="success", margin=0.1),)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
GOOD = {"stable_fails": {"success": 0.05}, "candidate_fails": {"success": 0.05}}
BAD = {"stable_fails": {"success": 0.05}, "candidate_fails": {"success": 0.5}}


def story(test):
    """A test that is a story: an async function, played to its end."""

    @functools.wraps(test)
    def played(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return played


def stage(name: str, share: int, **more: object) -> Stage:
    return replace(Stage(name=name, share=BasisPoints(share), checks=CHECKS), **more)


def ladder(*stages: Stage, **more: object) -> Plan:
    """5 %, 50 %, all; kept warm for an hour."""
    steps = stages or (stage("5%", 500), stage("50%", 5_000), stage("all", 10_000))
    return Plan(**{"stages": steps, "keep_warm": HOUR, **more})


class Script:
    """A judge that says what it is told, and never without having been told."""

    def __init__(self, judgement: Judgement = Judgement.HOLD, why: Why = Why.GATHERING) -> None:
        self.says(judgement, why)

    def says(self, judgement: Judgement, why: Why | None = None) -> None:
        usual = {Judgement.PASS: Why.PROVEN, Judgement.HOLD: Why.GATHERING, Judgement.BREACH: Why.HARM}
        self.judgement, self.why = judgement, why or usual[judgement]

    def __call__(self, plan, history):
        return _Scripted(self)


class _Scripted:
    def __init__(self, script: Script) -> None:
        self._script = script
        self.tick = 0

    def add(self, tick, during):
        self.tick = tick.sequence

    def judge(self, look, *, detailed=True):
        return Verdict(judgement=self._script.judgement, why=self._script.why, tick=self.tick, ln_e_average=0.0)


def scripted(*, notifiers=()) -> tuple[Scenario, Script]:
    """A scenario whose verdicts are told."""
    script = Script()
    return Scenario(MemoryStore(), folds=script, notifiers=notifiers), script


class Crash(Exception):
    """The process is gone."""


WRITES = frozenset(
    {"create", "commit", "close_tick", "kill", "unkill", "done", "retry", "set_traffic", "put_version", "reopen"}
)


class CrashingStore:
    """A store that is there, for a process that dies at its n-th write: just before it, or just after."""

    def __init__(self, store: MemoryStore, *, at: int, after: bool) -> None:
        self._store = store
        self._left = at
        self._after = after
        self.crashed = False

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in WRITES:
            return method

        async def write(*args, **kwargs):
            self._left -= 1
            if self._left == 0:
                self.crashed = True
                if self._after:
                    await method(*args, **kwargs)
                raise Crash
            return await method(*args, **kwargs)

        return write


def away() -> StoreUnavailable:
    return StoreUnavailable("the store is away", hint="wait")
