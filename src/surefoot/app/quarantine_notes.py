"""Entries of the quarantine that hold nothing back, although whoever wrote them thinks so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from ..config.suites import list_suites, load_suite
from ..core.proof.regression import Quarantined
from ..errors import SurefootError

__all__ = ["idle_entries"]


def idle_entries(
    root: Path, listed: Sequence[Quarantined], *, today: date, judged: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """
    One line for each entry whose last day is over, or whose case is neither among those `judged` nor in a suite.

    Suites that cannot be read are named by the commands that need them; here they have no cases.
    """
    unknown = {one.case for one in listed} - judged
    if unknown:
        unknown -= {case for name in list_suites(root) for case in _cases(root, name)}
    return tuple(line for one in listed if (line := _said(one, today, is_known=one.case not in unknown)))


def _said(one: Quarantined, today: date, *, is_known: bool) -> str:
    if not is_known:
        return f"quarantine: no suite has a case {one.case!r}, so its entry holds nothing back: correct or remove it"
    if one.until < today:
        return f"quarantine: the entry of {one.case!r} ended on {one.until}, and the case counts again: remove it"
    return ""


def _cases(root: Path, name: str) -> Iterator[str]:
    try:
        suite = load_suite(root, name)
    except SurefootError:
        return
    yield from (case.id for case in suite.cases)
