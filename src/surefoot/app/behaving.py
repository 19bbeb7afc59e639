"""A project's behaviours: run against a version, one trial after another, until each is decided."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path

from ..config.behaviours import Behaviour
from ..core.artifact.canonical import parse_object
from ..core.artifact.version import AgentVersion
from ..core.proof.behaviour import PREDICATE, InOrder, Observed, Outcome, Predicate, Trial, ruling_of, trial_of
from ..core.proof.gate import GateReport, decision_of
from ..core.proof.score import Result
from ..core.proof.suite import Suite
from ..core.proof.table import Column, Sample, ScoreTable
from ..core.units import Digest
from ..service.budget import Spending
from ..service.prove import Contender, Progress
from .proving import Asked, Proving

__all__ = ["Found", "identity_of", "observe", "report_of", "scores_of"]

_PURPOSE = "behaviour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of one behaviour."""

    behaviour: Behaviour
    seen: Observed
    samples: dict[str, Sample]
    """By case, of the runs that decided; those still under way then count nowhere."""

    spent: Spending


async def observe(
    proving: Proving,
    behaviour: Behaviour,
    version: AgentVersion,
    *,
    fresh: bool = False,
    told: Callable[[Progress], None] | None = None,
) -> Found:
    """
    Run it until it is decided, its cap is reached, or one of its limits is. Raises as `service.prove.prove` does.

    Runs are looked at in their planned order, so what is decided does not depend on which of them end first.
    """
    suite, most = behaviour.suite, behaviour.how.at_most
    watch = _Watch(behaviour)
    proof = await proving.run(
        Asked(
            suite=suite,
            versions=(version,),
            trials=ceil(most / len(suite.cases)),
            most=most,
            enough=watch.enough,
            fresh=fresh,
            purpose=_PURPOSE,
        ),
        told=told,
        fit=partial(_with_functions, suite, proving.root),
    )
    seen = watch.seen.ended(proof.stopped or "the run ended")
    return Found(behaviour=behaviour, seen=seen, samples=watch.samples, spent=proof.spent)


def report_of(found: Sequence[Found], version: Digest) -> GateReport:
    """One ruling for each. No behaviour at all decides nothing."""
    rulings = tuple(ruling_of(one.behaviour.name, one.seen) for one in found)
    return GateReport(
        decision=decision_of(rulings),
        version=version,
        suite=identity_of([one.behaviour for one in found]),
        rulings=rulings,
    )


def scores_of(found: Sequence[Found], version: Digest) -> ScoreTable:
    """The counts as gates read them: a metric for each behaviour, by its cases."""
    return ScoreTable(
        suite=identity_of([one.behaviour for one in found]),
        version=version,
        columns={one.behaviour.name: Column(samples=one.samples, is_rate=True) for one in found},
    )


def identity_of(behaviours: Sequence[Behaviour]) -> str:
    """Name and digest of what was asked together: other expectations, cases, validators or bars are another suite."""
    text = "\n".join(f"{one.suite.identity} {one.how}" for one in behaviours)
    return f"behaviours@sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _with_functions(suite: Suite, root: Path, contender: Contender) -> Contender:
    """With the validators that are functions of the project's. Raises ArtifactError for one that is not there."""
    from ..adapters.executors.python import function_named

    functions = [
        Predicate(
            metric=spec.metric,
            holds=function_named(
                str(parse_object(spec.parameters)["callable"]), root, who=f"the validator of {suite.name}"
            ),
        )
        for spec in suite.evaluators
        if spec.kind == PREDICATE
    ]
    return replace(contender, evaluators=(*contender.evaluators, *functions))


class _Watch:
    """A behaviour while it runs."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.seen = Observed(how=behaviour.how, keeps=behaviour.samples)
        self.samples: dict[str, Sample] = {}
        self._cases = [case.id for case in behaviour.suite.cases]
        self._places = {case: place for place, case in enumerate(self._cases)}
        self._order = InOrder()

    def enough(self, result: Result) -> bool:
        """Whether it is decided with this one."""
        attempt = result.attempt
        number = attempt.trial * len(self._cases) + self._places[attempt.case]
        for trial in self._order.ended(number, trial_of(result)):
            self._count(trial)
        return self.seen.outcome is not Outcome.OPEN

    def _count(self, trial: Trial) -> None:
        if self.seen.outcome is not Outcome.OPEN:
            return
        case = self._cases[self.seen.trials % len(self._cases)]
        passed = float(trial.passed is True)
        one = Sample(errors=1) if trial.passed is None else Sample(1, passed, passed)
        self.samples[case] = self.samples.get(case, Sample()).plus(one)
        self.seen = self.seen.after(trial)
