"""Score tables in one line, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

from surefoot.core.proof.table import Column, Sample, ScoreTable
from surefoot.core.units import Digest

__all__ = ["SUITE", "amounts", "rate", "table", "version"]

SUITE = "support@sha256:" + "5" * 64


def version(digit: str) -> Digest:
    """A digest that is told apart by one digit."""
    return Digest("sha256:" + digit * 64)


def rate(passes: Sequence[int], *, n: int = 1, errors: Sequence[int] = (), judges: tuple[str, ...] = ()) -> Column:
    """A metric that passed so often of n trials, case by case; the cases named in `errors` lost all of theirs."""
    samples = {
        f"c{place}": Sample(errors=n) if place in errors else Sample(n=n, total=float(k), squares=float(k))
        for place, k in enumerate(passes)
    }
    return Column(samples=samples, is_rate=True, judges=judges)


def amounts(values: Sequence[float | None]) -> Column:
    """A metric with one value a case; None was not recorded."""
    samples = {
        f"c{place}": Sample(skipped=1) if value is None else Sample(n=1, total=value, squares=value * value)
        for place, value in enumerate(values)
    }
    return Column(samples=samples, is_rate=False)


def table(digit: str, *, suite: str = SUITE, **columns: Column) -> ScoreTable:
    """A version's results."""
    return ScoreTable(suite=suite, version=version(digit), columns=columns)
