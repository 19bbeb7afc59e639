"""Both arms of a comparison in one line, and what laws do to them: in another order, twice, worse, lost."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import strategies as st

from surefoot.core.proof.baseline import COUNTS_SUITE, plain_column
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import Gates
from surefoot.core.proof.judged import Judged
from surefoot.core.proof.table import Sample, ScoreTable
from tests.core.proof.tables import amounts, rate, table, version

__all__ = [
    "BADNESS",
    "costs",
    "doubled",
    "judged",
    "lost",
    "rates",
    "scaled",
    "shuffled",
    "totals",
    "with_all",
    "with_less",
]

BADNESS = (Decision.PASSED, Decision.UNDECIDED, Decision.FAILED).index
"""How bad a decision is: 0, 1, 2."""


def judged(*gates, candidate, baseline=None, settings=None, **changes):
    """What is held against these gates: columns of the metric `m`, or whole tables; no shuffles, so it is quick."""
    sides = [
        side if side is None or isinstance(side, ScoreTable) else table(digit, m=side)
        for digit, side in (("c", candidate), ("b", baseline))
    ]
    given = Judged(
        gates=Gates(gates=gates, **(settings or {})),
        candidate=sides[0],
        baseline=sides[1],
        no_baseline="" if sides[1] is not None else "no baseline",
        quarantined=lambda metric: frozenset(),
        seed=1,
        shuffles=0,
    )
    return replace(given, **changes)


def totals(passed, n, *, errors=0, digit="c"):
    """A rate whose cases are not known."""
    column = plain_column(Sample(n=n, total=float(passed), squares=float(passed), errors=errors), is_rate=True)
    return ScoreTable(suite=COUNTS_SUITE, version=version(digit), columns={"m": column})


def rates(*, arms=1, trials=None, cases=None):
    """So many columns over the same cases, with one to three trials a case; a column alone if there is one arm."""
    return _columns(
        arms,
        cases,
        lambda values, n: rate([value % (n + 1) for value in values], n=n),
        st.integers(1, 3) if trials is None else st.just(trials),
    )


def costs(*, arms=1, cases=None):
    """So many columns of amounts over the same cases, in whole cents."""
    return _columns(arms, cases, lambda values, _: amounts([(1 + value) / 100 for value in values]), st.just(1))


def _columns(arms, cases, made, trials):
    """Drawn as one list of numbers, case by case: nothing is drawn faster."""
    least, most = (arms * (cases or size) for size in (10, 14))
    numbers = st.lists(st.integers(0, 419), min_size=least, max_size=most)

    def columns(values, n):
        whole = len(values) - len(values) % arms
        found = tuple(made(values[arm:whole:arms], n) for arm in range(arms))
        return found if arms > 1 else found[0]

    return st.builds(columns, numbers, trials)


def shuffled(column, seed):
    """The same cases in another order."""
    names = list(column.samples)
    random.Random(seed).shuffle(names)
    return replace(column, samples={name: column.samples[name] for name in names})


def doubled(column):
    """Every case once more, under another name."""
    again = {f"{case} again": sample for case, sample in column.samples.items()}
    return replace(column, samples={**column.samples, **again})


def scaled(column, factor):
    """Amounts in another unit."""
    return replace(
        column,
        samples={
            case: one._replace(total=one.total * factor, squares=one.squares * factor**2)
            for case, one in column.samples.items()
        },
    )


def with_less(column, place, by=1.0):
    """A case whose total is lower by that much, and never below 0: a pass fewer, or a cost saved."""
    case = list(column.samples)[place % len(column.samples)]
    total = max(0.0, column.samples[case].total - by)
    squares = total if column.is_rate else total * total
    changed = column.samples[case]._replace(total=total, squares=squares)
    return replace(column, samples={**column.samples, case: changed})


def with_all(column, place, passed):
    """A rate of which a case passed in all of its trials (1), or in none (0)."""
    case = list(column.samples)[place % len(column.samples)]
    n = column.samples[case].n
    return replace(column, samples={**column.samples, case: Sample(n, float(n * passed), float(n * passed))})


def lost(column, place):
    """A case all of whose trials gave no score."""
    case = list(column.samples)[place % len(column.samples)]
    return replace(column, samples={**column.samples, case: Sample(errors=column.samples[case].n)})
