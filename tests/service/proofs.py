"""Suites, agents and endpoints to prove things with: all of them fakes, none of them waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from surefoot.core.evidence.observation import Observation
from surefoot.core.proof.case import Case
from surefoot.core.proof.suite import NO_LIMITS, EvaluatorSpec, Limits, Suite
from surefoot.core.proof.text_evaluators import Exact
from surefoot.core.units import MicroUsd
from surefoot.errors import ExecutorFailed
from surefoot.ports.executor import Answer
from surefoot.ports.results import ProofRun
from surefoot.service.prove import Contender, Order, Proof, prove
from surefoot.store.results import MemoryResults
from surefoot.testing.clock import ManualClock
from surefoot.testing.samples import version

__all__ = ["Agent", "answer", "busy", "contender", "order", "proven", "suite_of"]


def suite_of(count: int = 3, *, limits: Limits = NO_LIMITS, **changes) -> Suite:
    """Cases that expect their own number."""
    return Suite(
        name="small",
        cases=tuple(Case(id=f"c{i}", request=str(i), expected=str(i)) for i in range(count)),
        limits=limits,
        **{"evaluators": (EvaluatorSpec(kind="exact", metric="exact"),), **changes},
    )


def answer(output: object, *, usd: float | None = None, tokens: int | None = None) -> Answer:
    """What an agent said and used."""
    cost = None if usd is None else MicroUsd(round(usd * 1e6))
    return Answer(output=output, seen=Observation(cost=cost, tokens=tokens))


def busy(retry_after: float | None = None) -> ExecutorFailed:
    """What an endpoint says that has too much to do."""
    return ExecutorFailed("answered 429", hint="later", overloaded=True, retry_after=retry_after)


@dataclass
class Agent:
    """An agent whose every call is a function of the request and of how often it was asked before."""

    does: Callable[[str, int], Awaitable[Answer] | Answer] = lambda request, nth: answer(request)
    asked: list[str] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0

    async def run(self, version, request, *, key):
        nth = self.asked.count(request)
        self.asked.append(request)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            return await asyncio.create_task(self._answer(request, nth))
        finally:
            self.under_way -= 1

    async def _answer(self, request, nth):
        """In a task of its own, as at an endpoint: whoever asked waits, and others ask meanwhile."""
        found = self.does(request, nth)
        return await found if isinstance(found, Awaitable) else found

    def stream(self, version, request, *, key):
        raise NotImplementedError


def contender(agent: Agent, label: str = "v1", **changes) -> Contender:
    """A version that this agent runs."""
    made = Contender(version=version(label, system=label), executor=agent, evaluators=(Exact(),))
    return made if not changes else type(made)(**{**{f: getattr(made, f) for f in made.__slots__}, **changes})


def order(suite: Suite, *contenders: Contender, **changes) -> Order:
    """One run of a suite."""
    return Order(suite=suite, contenders=contenders, run=ProofRun(id="r", suite=suite.identity), **changes)


def proven(wanted: Order, *, results=None, answers=None, clock=None, seconds: float = 10_000) -> Proof:
    """Run it while a manual clock passes that much time, sleeper by sleeper."""
    from datetime import timedelta

    clock = clock or ManualClock()

    async def story() -> Proof:
        running = asyncio.create_task(
            prove(wanted, results=results or MemoryResults(), clock=clock, seed=1, answers=answers)
        )
        passed = 0.0
        while not running.done() and passed < seconds:
            await clock.settle()
            if not running.done():
                await clock.run(timedelta(seconds=1))
                passed += 1
        assert running.done(), "it hangs"
        return running.result()

    return asyncio.run(story())
