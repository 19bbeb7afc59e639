"""Suites put together with everything they need: versions, executors, evaluators, prices, the file of results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ..adapters.clock import SystemClock, SystemIds
from ..adapters.prices import PriceTable
from ..config.agents import list_agents, list_versions, load_version, read_version
from ..config.evaluators import build
from ..config.judges import judge_of
from ..config.settings import load_settings
from ..core.artifact.version import AgentVersion, ExecutorKind
from ..core.proof.behaviour import PREDICATE
from ..core.proof.redteam.objective import ATTACK
from ..core.proof.score import Attempt, Result
from ..core.proof.suite import JUDGE, Suite
from ..core.units import Digest
from ..errors import SuiteError, SurefootError, UsageError
from ..ports.clock import Clock, Ids
from ..ports.executor import Answer
from ..ports.prices import Prices
from ..ports.results import ProofRun
from ..service.prove import Contender, Order, Progress, Proof, prove, recorded_cost
from .executing import executor_of
from .judges import judges_for
from .sources import runs_code, source_digest

if TYPE_CHECKING:
    from ..store.results import SqliteResults

__all__ = ["RESULTS_FILE", "Asked", "Proving", "Told"]

Told: TypeAlias = Callable[[str], None]
"""Hears one line before each step: proofs take minutes."""

_APART: Final = (JUDGE, ATTACK, PREDICATE)
"""Kinds of evaluators that are made elsewhere: they need a model, a plan of attacks, or code of the project."""

RESULTS_FILE: Final = ".surefoot/results.db"
"""Where a project keeps what its suites found. Made when the first suite runs; safe to remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a suite is to be run."""

    suite: Suite
    versions: tuple[AgentVersion, ...]
    trials: int | None = None
    """None: as many as the suite says."""

    first_trial: int = 0
    resume: bool = False
    """Go on with the newest run of this suite, if there is one."""

    fresh: bool = False
    """Do not use answers that are known from other runs."""

    only: frozenset[str] | None = None
    """Ids of the cases to run."""

    most: int | None = None
    enough: Callable[[Result], bool] | None = None
    """As in `service.prove.Order`."""

    purpose: str = ""
    """Runs of another purpose are apart: they are neither resumed nor judged by a gate."""


class Proving:
    """A project's suites. Opens the file of results when the first of them runs."""

    def __init__(self, root: Path, *, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self.root = root
        self._clock = clock or SystemClock()
        self._ids = ids or SystemIds()
        self._prices: Prices | None = None
        self._results: SqliteResults | None = None

    @property
    def results(self) -> SqliteResults:
        """The file of results, made if it is not there."""
        if self._results is None:
            from ..store.results import SqliteResults

            self._results = SqliteResults(self.root / RESULTS_FILE)
        return self._results

    @property
    def has_results(self) -> bool:
        """Whether any suite has ever run here."""
        return (self.root / RESULTS_FILE).is_file()

    def version(self, suite: Suite, named: str, agent: str | None = None) -> AgentVersion:
        """`LABEL` of the agent given, of the suite's, or of the only one there is; or `AGENT@LABEL`."""
        before, at, label = named.rpartition("@")
        agents = list_agents(self.root)
        chosen = before if at else agent or suite.agent or (agents[0] if len(agents) == 1 else "")
        if not chosen:
            raise UsageError(
                f"which agent's {named}? there are {len(agents)}",
                hint=f"write --version AGENT@{label}, or `agent:` into the suite",
            )
        return load_version(self.root, chosen, label)

    def contender(self, suite: Suite, version: AgentVersion) -> Contender:
        """A version with its executor, the suite's evaluators, its endpoint and its price."""
        if self._prices is None:
            self._prices = PriceTable(load_settings(self.root, os.environ).prices)
        kind, prices = version.executor.kind, self._prices
        try:
            evaluators = tuple(build(spec, version) for spec in suite.evaluators if spec.kind not in _APART)
        except ValueError as error:
            raise SuiteError(
                f"suite {suite.name} does not fit {version.agent} {version.label}: {error}",
                hint="mend the version's tools",
            ) from None
        price = partial(_price, version, prices)
        known = prices.usd(version.model, 0, 0) is not None or _has_own_price(version)
        return Contender(
            version=version,
            executor=executor_of(version, self.root),
            evaluators=evaluators,
            judges=judges_for(suite, version, prices, os.environ),
            endpoint=str(version.executor.setting("base_url") or kind.value),
            price=price,
            is_priced=True if known else None if kind is ExecutorKind.PYTHON else False,
            is_free=kind is ExecutorKind.TAPE,
            # A function's code and a model that may move are not in the digest; a tape is there already.
            remembers=kind is ExecutorKind.OPENAI and not version.model.may_move,
        )

    async def run(
        self,
        asked: Asked,
        *,
        told: Callable[[Progress], None] | None = None,
        fit: Callable[[Contender], Contender] | None = None,
    ) -> Proof:
        """
        Run the suite. See `service.prove.prove` for what is raised, and what is a result instead.

        `fit` may give a version other evaluators or another executor, where a suite's file cannot name them.
        """
        results = self.results
        contenders = tuple(
            contender if fit is None else fit(contender)
            for contender in (self.contender(asked.suite, version) for version in asked.versions)
        )
        begun = self._begun(asked, contenders)
        order = Order(
            suite=asked.suite,
            contenders=contenders,
            run=begun.run,
            first_trial=asked.first_trial,
            trials=asked.trials,
            only=asked.only,
            most=asked.most,
            enough=asked.enough,
        )
        proof = await prove(
            order,
            results=results,
            clock=self._clock,
            seed=self._ids.seed(),
            answers=None if asked.fresh else results,
            told=told,
        )
        return replace(proof, anew=begun.anew)

    def runs(self, suite: Suite) -> Sequence[ProofRun]:
        """The runs of exactly this suite, oldest first."""
        return self.results.runs(suite.identity) if self.has_results else ()

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._results is not None:
            self._results.close()

    def changed(self, suite: Suite, run: ProofRun, versions: Sequence[Digest]) -> str:
        """
        Why what a run of the suite found is not known to hold for these versions as they are now; empty if it is.

        Code, tapes and judges are compared. What a function reads besides its code, nobody can know.
        """
        was = _Settings.of(run.settings)
        now = _Settings.of(" ".join(judge_of(spec)[0].fingerprint for spec in suite.judges))
        if was.judges != now.judges:
            return f"the judges have changed since run {run.id}"
        known = {version.digest: version for version in self._versions()}
        for digest in versions:
            version, before = known.get(digest), was.sources.get(digest)
            name = str(digest) if version is None else f"{version.agent} {version.label}"
            source = None if version is None else source_digest(version, self.root)
            if before is not None and source is None:
                return f"what {name} ran in run {run.id} is no longer in the project"
            if source is not None and before is None:
                return f"run {run.id} did not note which code or tape {name} ran"
            if source != before:
                return f"the code or the tape of {name} has changed since run {run.id}"
        return ""

    def _begun(self, asked: Asked, contenders: Sequence[Contender]) -> _Begun:
        """
        A new run, or the newest of the same suite under the same judges and code: scores of others are not added to it.

        A finished run of a Python function is not gone on with. What the function reads may have changed since, and
        a verdict has to rest on something that was run. Raises UsageError for further trials of no run.
        """
        suite = f"{asked.suite.identity} {asked.purpose}".rstrip()
        settings = _settings(asked.versions, contenders, self.root)
        fresh = ProofRun(id=self._ids.new(), suite=suite, settings=settings)
        if not asked.resume:
            return _Begun(fresh)
        before = self.results.runs(suite)
        found = next((run for run in reversed(before) if run.settings == settings), None)
        if asked.first_trial and (found is None or self._other_arms(asked, found)):
            why = self._why_anew(asked, before, settings)
            raise UsageError(
                f"there is no run to try cases again in: {why or 'the suite has not run'}",
                hint=f"run the whole suite first, without --again: {_command(asked)}",
            )
        if found is None:
            return _Begun(fresh, self._why_anew(asked, before, settings))
        if runs_code(asked.versions) and self._is_finished(asked, found):
            return _Begun(fresh, "the run was finished, and what a function reads may have changed since")
        return _Begun(found)

    def _why_anew(self, asked: Asked, before: Sequence[ProofRun], settings: str) -> str:
        """Why none of the runs there were can be gone on with; empty where there was none."""
        if before:
            was, now = _Settings.of(before[-1].settings), _Settings.of(settings)
            if was.judges != now.judges:
                return "the judges have changed since the newest run"
            if why := self._other_arms(asked, before[-1]):
                return why
            return "the versions asked for, their code or their tape have changed since the newest run"
        others = [run for run in self.results.runs() if run.suite.partition("@")[0] == asked.suite.name]
        same = [run for run in others if run.suite.partition(" ")[2] == asked.purpose]
        return "cases or evaluators of the suite have changed since its newest run" if same else ""

    def _other_arms(self, asked: Asked, run: ProofRun) -> str:
        """Which of the versions asked for did not run in it, or which others did; empty where neither is the reason."""
        ran = {attempt.version for attempt in self.results.finished(run.id)}
        wanted = {version.digest: f"{version.agent} {version.label}" for version in asked.versions}
        missing = [name for digest, name in wanted.items() if digest not in ran]
        if ran and missing and ran < set(wanted):
            arms = "one arm" if len(ran) == 1 else f"{len(ran)} arms"
            return f"the newest run has only {arms}, and {' and '.join(missing)} did not run in it"
        if set(wanted) < ran:
            return f"the newest run has {len(ran)} arms, and cases are tried again in all of them"
        return ""

    def name_of(self, digest: Digest) -> str:
        """`AGENT@LABEL` of a version in the project; empty if it is not there."""
        found = self.version_of(digest)
        return "" if found is None else f"{found.agent}@{found.label}"

    def version_of(self, digest: Digest) -> AgentVersion | None:
        """The version in the project whose content has that digest, if it is there."""
        return next((one for one in self._versions() if one.digest == digest), None)

    def _versions(self) -> Iterator[AgentVersion]:
        """Of all agents, those whose file can be read: a broken one must not stand between a gate and another."""
        for agent in list_agents(self.root):
            with suppress(SurefootError):
                for file in list_versions(self.root, agent):
                    with suppress(SurefootError):
                        yield read_version(self.root, file)

    def _is_finished(self, asked: Asked, run: ProofRun) -> bool:
        """Whether the suite's own trials all have results: further trials of some cases are always added."""
        if asked.first_trial:
            return False
        trials = range(asked.suite.trials if asked.trials is None else asked.trials)
        finished = self.results.finished(run.id)
        return all(
            Attempt(case.id, version.digest, trial) in finished
            for case in asked.suite.cases
            if asked.only is None or case.id in asked.only
            for version in asked.versions
            for trial in trials
        )


def _command(asked: Asked) -> str:
    """The command that runs the whole suite with these versions; the last one is judged."""
    *before, chosen = (f"{version.agent}@{version.label}" for version in asked.versions)
    beside = f" --baseline {before[0]}" if before else ""
    return f"surefoot eval run {asked.suite.name} --version {chosen}{beside}"


class _Begun(NamedTuple):
    run: ProofRun
    anew: str = ""
    """Why it is a new one although the newest was to be gone on with."""


class _Settings(NamedTuple):
    """What a run notes of what its results depend on, beyond the suite and its versions' digests."""

    judges: frozenset[str]
    """Their fingerprints."""

    sources: dict[str, str]
    """By version digest, what `source_digest` said."""

    @classmethod
    def of(cls, text: str) -> _Settings:
        sources: dict[str, str] = {}
        judges: set[str] = set()
        for word in text.split():
            if word.startswith("sha256:"):
                digest, _, source = word.partition("=")
                sources[digest] = source
            else:
                judges.add(word)
        return cls(frozenset(judges), sources)


def _settings(versions: Sequence[AgentVersion], contenders: Sequence[Contender], root: Path) -> str:
    judges = sorted({judge.fingerprint for contender in contenders for judge in contender.judges})
    sources = ((version.digest, source_digest(version, root)) for version in versions)
    return " ".join([*judges, *(f"{digest}={source}" for digest, source in sources if source is not None)])


def _has_own_price(version: AgentVersion) -> bool:
    settings = (version.executor.setting(f"usd_per_million_{side}") for side in ("input", "output"))
    return all(isinstance(value, int | float) for value in settings)


def _price(version: AgentVersion, prices: Prices, answer: Answer) -> float | None:
    cost = recorded_cost(answer)
    if cost is not None or answer.input_tokens is None or answer.output_tokens is None:
        return cost
    return prices.usd(version.model, answer.input_tokens, answer.output_tokens)
