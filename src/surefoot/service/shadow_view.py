"""What the pairs of a shadow stage show: outcomes, which decide, and for people tools, answers, times and money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, cast

from ..core.evidence.histogram import MAX_VALUE
from ..core.evidence.tally import PairTotals
from ..core.lifecycle.rollout import Rollout
from ..core.traffic.plan import UnitKind
from ..core.traffic.presets import share_text
from ..core.units import BasisPoints
from ..ports.store import Shadow, ShadowPair

__all__ = ["PairedAmount", "PairedOutcome", "ShadowView", "shadow_of", "shadow_view"]

_NEWEST: Final = 500
"""Pairs that are read for what no total is kept of."""

_SAID: Final = 3
"""Kinds of divergence that are said in words; all are in the JSON."""

_ENDED: Final = ("not recorded: ", "failed for stable: ")
"""Divergences that end a shadow run (`client.mirror`): what it would have answered, taken and cost is not known."""

_AMOUNTS: Final = ("latency_ms", "tokens", "cost")
_NAMES: Final = {"latency_ms": "latency", "cost": "cost", "tokens": "tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedOutcome:
    """One yes-or-no metric over all pairs that recorded it on both sides."""

    metric: str
    compared: int
    worse: int
    """Only the candidate was bad."""

    better: int
    """Only stable was."""

    same: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAmount:
    """A time, tokens or money on both sides of the same requests; what timed out or diverged is left out."""

    field: str
    """`latency_ms`, `tokens` or `cost`, which is in micro-dollars."""

    n: int
    stable: float
    candidate: float
    """Means."""

    ratio: float | None
    """The candidate's mean over stable's; None where stable's is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowView:
    """A rollout's shadow pairs, one a unit: the same request answered by both versions."""

    unit: UnitKind
    sample: BasisPoints
    """The share of units that is mirrored."""

    pairs: int
    diverged: int
    """Pairs in which the candidate called other tools, or was stopped at a call that stable had not made."""

    dropped: int
    """Runs that should have been mirrored and were not, by limits or for want of room."""

    outcomes: tuple[PairedOutcome, ...]
    looked_at: int
    """The newest pairs; all below is of these."""

    stopped: int
    """Shadow runs that ended at a call which may not be executed, or failed for stable. They have no outcome."""

    same_tools: int
    other_tools: int
    divergences: Mapping[str, int]
    """What was done otherwise, the most frequent first, and in how many pairs."""

    similarity: float | None
    """The median over answers that came to an end, from 0 to 1. None without two texts to compare."""

    amounts: tuple[PairedAmount, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """For a person, a sentence each."""
        sampled = f"{share_text(self.sample)} of {self.unit}s are mirrored"
        said = [f"{_many(self.pairs, 'pair')}, {self.diverged:,} diverged, {self.dropped:,} dropped ({sampled})"]
        said += [
            f"{of.metric}: known of both in {of.compared:,} of {self.pairs:,} pairs, "
            f"the candidate worse in {of.worse:,}, better in {of.better:,}, the same in {of.same:,}"
            for of in self.outcomes
        ]
        if not self.looked_at:
            return tuple(said)
        if self.looked_at < self.pairs:
            said.append(f"of the newest {self.looked_at:,}:")
        said.append(self._tools())
        if self.similarity is not None:
            said.append(f"answers: {self.similarity:.0%} alike in the middle case")
        ratios = [f"{_NAMES[of.field]} {of.ratio:.2f}" for of in self.amounts if of.ratio is not None]
        if ratios:
            said.append(f"{', '.join(ratios)} times stable's on average, of runs that neither diverged nor timed out")
        return tuple(said)

    def _tools(self) -> str:
        most = list(self.divergences.items())[:_SAID]
        kinds = ", ".join(f"{what} ({count:,})" for what, count in most)
        more = len(self.divergences) - len(most)
        others = f": {kinds}{f' and {more} more kinds' if more else ''}" if kinds else ""
        return f"tool calls: the same in {self.same_tools:,}, others in {self.other_tools:,}{others}"


async def shadow_of(row: Rollout, *, store: Shadow) -> ShadowView | None:
    """The pairs of a rollout; None if its plan mirrors nothing."""
    if not any(stage.shadow for stage in row.plan.stages):
        return None
    totals = await store.pair_totals(row.id)
    newest = await store.pairs(row.id, limit=_NEWEST)
    return shadow_view(totals, newest, unit=row.plan.unit, sample=row.plan.shadow_sample)


def shadow_view(totals: PairTotals, newest: Sequence[ShadowPair], *, unit: UnitKind, sample: BasisPoints) -> ShadowView:
    """The totals, and what the newest pairs say of things that have none."""
    whole = [pair for pair in newest if not _is_stopped(pair)]
    alike = [pair.similarity for pair in whole if pair.similarity is not None]
    others = sum(1 for pair in newest if pair.divergences)
    return ShadowView(
        unit=unit,
        sample=sample,
        pairs=totals.pairs,
        diverged=totals.diverged,
        dropped=totals.dropped,
        outcomes=_outcomes(totals),
        looked_at=len(newest),
        stopped=len(newest) - len(whole),
        same_tools=len(newest) - others,
        other_tools=others,
        divergences=dict(Counter(what for pair in newest for what in _divergences(pair)).most_common()),
        similarity=median(alike) if alike else None,
        amounts=tuple(of for field in _AMOUNTS if (of := _amount(field, whole)) is not None),
    )


def _outcomes(totals: PairTotals) -> tuple[PairedOutcome, ...]:
    return tuple(
        PairedOutcome(
            metric=metric,
            compared=compared,
            worse=(worse := totals.only_candidate_bad.get(metric, 0)),
            better=(better := totals.only_stable_bad.get(metric, 0)),
            same=compared - worse - better,
        )
        for metric, compared in sorted(totals.compared.items())
    )


def _is_stopped(pair: ShadowPair) -> bool:
    return any(what.startswith(_ENDED) for what in pair.divergences)


def _divergences(pair: ShadowPair) -> Iterable[str]:
    """Each once. Where the run was stopped, calls that it made no more say nothing."""
    kept = [what for what in pair.divergences if what.startswith(_ENDED)] if _is_stopped(pair) else pair.divergences
    return dict.fromkeys(kept)


def _amount(field: str, pairs: Iterable[ShadowPair]) -> PairedAmount | None:
    both = [found for pair in pairs if (found := _sides(pair, field)) is not None]
    if not both:
        return None
    stable, candidate = (fmean(side) for side in zip(*both, strict=True))
    return PairedAmount(
        field=field, n=len(both), stable=stable, candidate=candidate, ratio=candidate / stable if stable else None
    )


def _sides(pair: ShadowPair, field: str) -> list[float] | None:
    """Stable's and the candidate's amount; None where one is not known, or a wait was given up and is longer."""
    found = (pair.detail or {}).get(field)
    if not isinstance(found, Mapping):
        return None
    sides = cast("Mapping[str, object]", found)
    amounts = [
        float(value)
        for value in (sides.get("stable"), sides.get("candidate"))
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_VALUE
    ]
    return amounts if len(amounts) == len(("stable", "candidate")) else None


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
