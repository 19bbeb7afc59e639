"""Rollouts as stories: given a plan, when users come and time passes, then the rollout is where it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from ..core.artifact.version import AgentVersion, ModelRef, Prompt
from ..core.evidence.observation import Arm
from ..core.evidence.tally import ArmCounts, Count, Delta, DeltaKey
from ..core.lifecycle.audit import epochs_of
from ..core.lifecycle.judge import Case
from ..core.lifecycle.rollout import Phase, Rollout
from ..core.traffic.plan import Plan
from ..core.units import ALL_TRAFFIC, AgentName, Digest, RolloutId
from ..ports.notifier import Notifier
from ..ports.store import Store
from ..service import rollouts
from ..service.cases import Cases, Folds
from ..service.controller import Controller
from .clock import ManualClock, SequentialIds

__all__ = ["Scenario", "a_version"]

_NO_FAILURES: Final[Mapping[str, float]] = {}


def a_version(agent: str, label: str) -> AgentVersion:
    """A version that differs from others in its prompt, which says its label."""
    model = ModelRef(provider="scenario", name="model-1")
    return AgentVersion(agent=AgentName(agent), label=label, model=model, prompt=Prompt(system=f"You are {label}."))


class Scenario:
    """
    One agent, `bot`, on a store of yours, with a clock that moves when told to and as many controllers as you add.

    Users are counted, not drawn: of 200 users with a failure rate of 0.05 exactly 10 fail, so a story ends the same in
    every run. Each method is one step; any of them may be given in any order that makes sense.
    """

    def __init__(self, store: Store, *, folds: Folds = Case, notifiers: Sequence[Notifier] = ()) -> None:
        self.store = store
        self.clock = ManualClock()
        self.ids = SequentialIds("r")
        self.agent = AgentName("bot")
        self.controllers: list[Controller] = []
        self._folds = folds
        self._notifiers = notifiers
        self._shipped = 0
        self._users = 0
        self._owed: dict[tuple[Arm, str], float] = {}

    # --- given

    async def given_stable(self, label: str = "v1") -> Digest:
        """The agent is known, and this version is stable."""
        digest = await self.given_version(label)
        await rollouts.set_stable(self.agent, digest, by="ann", store=self.store)
        return digest

    async def given_history(self, units: int, fails: Mapping[str, float], label: str = "v1") -> None:
        """That version has answered so many users before any rollout; per metric, the rate at which it failed."""
        digest = await self.given_stable(label)
        resolved = {metric: Count(units, round(units * rate)) for metric, rate in fails.items()}
        counts = ArmCounts(requests=units, assigned=units, resolved=resolved)
        key = DeltaKey(self.agent, digest, None, 0, Arm.STABLE)
        await self.store.absorb(Delta(source="history", sequence=1, at=self.clock.now(), counts={key: counts}))

    async def given_version(self, label: str) -> Digest:
        """A version is known."""
        return await self.store.put_version(a_version(self.agent, label))

    async def given_rollout(self, plan: Plan, *, stable: str = "v1", candidate: str = "v2") -> RolloutId:
        """`candidate` has been started against `stable`, and one controller is there."""
        await self.given_stable(stable)
        started = await self.when_started(candidate, plan)
        if not self.controllers:
            self.given_controller()
        return started.id

    def given_controller(self, store: Store | None = None) -> Controller:
        """One more controller, on the same store or on its own view of it."""
        kept = store or self.store
        cases = Cases(kept, folds=self._folds)
        controller = Controller(store=kept, clock=self.clock, notifiers=self._notifiers, cases=cases)
        self.controllers.append(controller)
        return controller

    # --- when

    async def when_started(self, label: str, plan: Plan) -> Rollout:
        """Ann starts a rollout of that version."""
        digest = await self.given_version(label)
        return await rollouts.start(
            self.agent, digest, plan, by="ann", store=self.store, clock=self.clock, ids=self.ids
        )

    async def when_users_come(
        self,
        id: RolloutId,
        users: int,
        *,
        stable_fails: Mapping[str, float] = _NO_FAILURES,
        candidate_fails: Mapping[str, float] = _NO_FAILURES,
        epoch: int | None = None,
        stay: bool = False,
    ) -> None:
        """
        So many new users are answered and their outcomes known; per metric, the rates at which each arm fails.

        Of users who `stay`, failures are known and nothing is final yet, as in a session that is still open.

        They are assigned in the present epoch unless another is named, and split as routers split users in it; in an
        epoch that never was, as they would now.
        """
        row = (await self.store.rollout(id)).rollout
        epochs = epochs_of(record.transition for record in await self.store.audit(id))
        during = epochs.get(row.epoch if epoch is None else epoch)
        share = during.share if during else row.share
        candidates = self._whole(Arm.CANDIDATE, "users", users * share / ALL_TRAFFIC)
        counts = {
            DeltaKey(self.agent, row.stable, id, row.epoch if epoch is None else epoch, Arm.STABLE): self._arm(
                Arm.STABLE, users - candidates, stable_fails, stay=stay
            ),
            DeltaKey(self.agent, row.candidate, id, row.epoch if epoch is None else epoch, Arm.CANDIDATE): self._arm(
                Arm.CANDIDATE, candidates, candidate_fails, stay=stay
            ),
        }
        self._shipped += 1
        await self.store.absorb(Delta(source="scenario", sequence=self._shipped, at=self.clock.now(), counts=counts))

    async def when_time_passes(self, by: timedelta, *, look_every: timedelta = timedelta(seconds=1)) -> None:
        """The clock goes on, and every controller looks each time."""
        end = self.clock.now() + by
        while self.clock.now() < end:
            self.clock.advance(min(look_every, end - self.clock.now()))
            await self.when_looked_at()

    async def when_looked_at(self) -> None:
        """Every controller makes one round now."""
        for controller in self.controllers:
            await controller.round()

    # --- then

    async def then_row(self, id: RolloutId) -> Rollout:
        """The rollout as it is stored."""
        return (await self.store.rollout(id)).rollout

    async def then_at(self, id: RolloutId, phase: Phase, stage: str | None = None) -> Rollout:
        """It is in that phase and, if given, at that stage. Raises AssertionError, which says where it is instead."""
        row = await self.then_row(id)
        name = row.stage.name if row.stage else None
        if row.phase is not phase or stage not in (None, name):
            raise AssertionError(f"expected {phase} at {stage or 'any stage'}, is {row.phase} at {name}: {row.note}")
        return row

    # --- counting

    def _arm(self, arm: Arm, users: int, fails: Mapping[str, float], *, stay: bool) -> ArmCounts:
        names = {
            metric: [self._name() for _ in range(self._whole(arm, metric, users * p))] for metric, p in fails.items()
        }
        return ArmCounts(
            requests=users,
            assigned=users,
            exposed=dict.fromkeys(fails, users),
            failed={metric: tuple(units) for metric, units in names.items()},
            resolved={} if stay else {metric: Count(users, len(units)) for metric, units in names.items()},
        )

    def _whole(self, arm: Arm, what: str, amount: float) -> int:
        """The whole part of what is owed by now; the rest is owed next time, so rates come out exactly."""
        owed = self._owed.get((arm, what), 0.0) + amount
        # A billionth: 0.1 ten times is one user, though not in binary fractions.
        whole = int(owed + 1e-9)
        self._owed[arm, what] = owed - whole
        return whole

    def _name(self) -> str:
        self._users += 1
        return f"{self._users:016x}"
