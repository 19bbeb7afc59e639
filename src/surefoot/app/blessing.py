"""A promoted version's results become the baselines that later versions are compared with, where its plan says so."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..core.lifecycle.rollout import Bless, Effect
from ..core.units import RolloutId
from ..errors import UsageError
from ..ports.clock import Clock

__all__ = ["Blessing"]

_log: Final = logging.getLogger("surefoot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blessing:
    """
    The `Notifier` that does `Bless`. Other effects are not its business.

    Doing it again writes the same file again. What can never be blessed (no suite ran the version, a run has holes) is
    said in the log and is done with; a disk or a store that is away is tried again.
    """

    project: Path
    clock: Clock

    async def notify(self, rollout: RolloutId, effect: Effect, *, key: str) -> None:
        """Write the baselines of all suites that the version ran."""
        if isinstance(effect, Bless):
            await asyncio.to_thread(self._bless, rollout, effect)

    def _bless(self, rollout: RolloutId, effect: Bless) -> None:
        from ..config.baselines import baseline_path, write_baseline
        from ..config.suites import list_suites, load_suite
        from ..core.proof.baseline import Baseline, refuse_unfit
        from .gating import arms_of
        from .proving import Proving

        written = 0
        with closing(Proving(self.project)) as proving:
            for name in list_suites(self.project):
                try:
                    arms = arms_of(proving, load_suite(self.project, name), version=effect.version)
                    if arms.conduct is not None:
                        refuse_unfit(arms.candidate, stopped=arms.conduct.stopped, changed=arms.conduct.changed)
                except UsageError as error:
                    _log.info("%s is no baseline of %s: %s", effect.version, name, error.message)
                    continue
                baseline = Baseline(
                    table=arms.candidate,
                    blessed_by=f"rollout {rollout}",
                    blessed_at=self.clock.now(),
                    agent=effect.agent,
                    why="promoted",
                )
                write_baseline(baseline_path(self.project, arms.candidate.suite), baseline)
                written += 1
        if not written:
            _log.warning("%s was promoted, and no suite has results of it to bless", effect.version)
