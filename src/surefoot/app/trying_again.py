"""
Cases that flipped, tried again in both arms before anything is concluded: chance blocks no change, and hides none.

Which way a case flipped does not matter, and only the fresh trials count for it (`core.proof.regression.retrials`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from ..core.artifact.version import ExecutorKind
from ..core.proof.baseline import Baseline
from ..core.proof.gating import Conduct, FreshTrials
from ..core.proof.suite import Suite
from .gating import Arms, Gating
from .proving import Asked, Proving, Told

__all__ = ["try_again"]

_PURPOSE: Final = "flipped"
"""Such a run is apart: nobody resumes it, and no gate takes it for a run of the whole suite."""


def try_again(proving: Proving, gating: Gating, suite: Suite, arms: Arms, told: Told) -> Arms:
    """
    With fresh trials of the cases that flipped, beside the version that they are compared with.

    The suite's limits hold for them once more. They stay as they are, with a note that says why, where nothing can be
    tried again: the version is its own baseline, the project no longer has the one that the baseline is of, or one of
    both answers from a recording, of which no trial is fresh.
    """
    wanted, before = gating.again(arms), gating.before(arms)
    if not wanted or before is None:
        return arms
    flipped = f"suite {suite.name}: {len(wanted)} of {len(suite.cases)} cases flipped"
    new = proving.version_of(arms.candidate.version)
    old = proving.version_of(before.table.version if isinstance(before, Baseline) else before.version)
    if new is None or old is None:
        return replace(arms, note=f"{flipped} and were not tried again: the project no longer has both versions")
    if new.digest == old.digest:
        return replace(arms, note=f"{flipped} and were not tried again: the version is its own baseline")
    if ExecutorKind.TAPE in {new.executor.kind, old.executor.kind}:
        return replace(arms, note=f"{flipped} and were not tried again: a recording has no fresh trials")
    trials = wanted[0].trials
    note = f"{flipped} and were tried again, {trials} times in both arms: only those trials count for them"
    told(f"{new.agent} {new.label}: {note}")
    asked = Asked(
        suite=suite,
        versions=(old, new),
        first_trial=suite.trials,
        trials=trials,
        only=frozenset(one.case for one in wanted),
        purpose=_PURPOSE,
    )
    proof = asyncio.run(proving.run(asked))
    fresh = FreshTrials(candidate=proof.tables[new.digest], baseline=proof.tables[old.digest])
    conduct = arms.conduct or Conduct()
    if proof.stopped and not conduct.stopped:
        conduct = replace(conduct, stopped=f"cases that flipped were tried again, and {proof.stopped}")
    return replace(arms, fresh=fresh, note=note, conduct=conduct)
