"""garak: the `*.report.jsonl` of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...core.proof.redteam.outcome import AttackOutcome
from ...core.proof.redteam.report import Fate
from ..converters.untyped import as_count, as_list, as_mapping, as_text, first_of
from .imported import RUN_ENDED, Imported, attacked, parsed, raw, refused

__all__ = ["garak_results"]

_MOST: Final = 1_000_000
"""Outputs of one probe and detector: more is a number that nobody counted."""


def garak_results(path: Path, arm: str | None = None) -> Imported:
    """
    One attack for each output that a detector judged, from the `eval` lines: category is the probe's module, strategy
    the probe, the case is probe and detector.

    What a detector could not judge (`nones`) is an error, and so are a probe without any judged output, one that was
    announced and never ran, and a scan that has no `completion` line. `arm` chooses one detector. The hit log alone is
    refused: it has only what got through.
    """
    lines = [as_mapping(line) for line in as_list(parsed(path, raw(path), lines=True))]
    kinds = {as_text(line.get("entry_type")) for line in lines}
    if not kinds & {"init", "start_run setup", "eval"}:
        is_hits = all("attempt_id" in line and "detector" in line for line in lines)
        refused(path, "garak's hit log: the report lies beside it" if is_hits else "no report of garak")
    evaluated = [line for line in lines if line.get("entry_type") == "eval"]
    outcomes = [
        outcome for line in evaluated if arm is None or arm == _detector(line) for outcome in _outcomes(path, line)
    ]
    probed = {as_text(line.get("probe")) for line in evaluated}
    tried = [as_text(line.get("probe_classname")) for line in lines if line.get("entry_type") == "attempt"]
    told = [as_text(probe) for line in lines for probe in as_list(line.get("transient.active_probes"))]
    attempted = {probe.removeprefix("probes.") for probe in tried + told if probe}
    outcomes += [
        AttackOutcome(probe, probe.partition(".")[0], probe, Fate.ERROR) for probe in sorted(attempted - probed)
    ]
    if "completion" not in kinds:
        outcomes.append(AttackOutcome(RUN_ENDED, "scan", "scan", Fate.ERROR))
    return attacked(path, "garak", outcomes)


def _detector(line: dict[str, object]) -> str:
    return (as_text(line.get("detector")) or "?").removeprefix("detector.")


def _outcomes(path: Path, line: dict[str, object]) -> Iterator[AttackOutcome]:
    probe = as_text(line.get("probe"))
    total, resisted = as_count(first_of(line, "total_evaluated", "total")), as_count(line.get("passed"))
    nones = as_count(line.get("nones")) or 0
    if probe is None or total is None or resisted is None or resisted > total or max(total, nones) > _MOST:
        refused(path, f"an eval line with impossible counts: {line}")
    counts = ((Fate.COMPLIED, total - resisted), (Fate.REFUSED, resisted), (Fate.ERROR, nones or int(not total)))
    for fate, count in counts:
        for _ in range(count):
            yield AttackOutcome(f"{probe} {_detector(line)}", probe.partition(".")[0], probe, fate)
