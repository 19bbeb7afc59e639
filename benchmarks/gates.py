"""
How often a gate blocks a version that did not change, and how often one that did: the default beside the usual rules.

Simulated agents: each case passes with a chance of its own, Beta(1.7, 0.3), mean 0.85 with a flaky tail. "No change"
runs the same chances twice; a drop breaks a random part of the cases to a fifth of their chance. Everything is judged
by `surefoot.core.proof.gating.rule`, as the command line does. Goals: the default gate blocks at most 6 % of unchanged
versions and finds a drop of ten points more often than McNemar's test on votes; where cases that flipped are tried
again it finds more, and blocks no more; the false-alarm rate that is printed beside a simple rule is the real one; the
smallest drop that is shown is found four times out of five; and every statistic equals scipy's to 1e-9 (skipped, and
said so, without scipy).

    python benchmarks/gates.py               1,000 worlds a cell (minutes on one core)
    python benchmarks/gates.py --quick       300
    python benchmarks/gates.py --json FILE   the same figures there
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from surefoot.core.proof.distributions import beta_cdf, beta_quantile, student_quantile, student_tail
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import (
    Gates,
    On,
    Operator,
    RegressionGate,
    RuleGate,
    SimpleRule,
    Test,
    ThresholdGate,
    default_gates,
)
from surefoot.core.proof.gating import FreshTrials, rule
from surefoot.core.proof.rates import clopper_pearson, wilson
from surefoot.core.proof.regression import retrials
from surefoot.core.proof.significance import fisher, mcnemar, paired_t
from surefoot.core.proof.table import Column, Sample, ScoreTable
from surefoot.core.units import Digest

MOST_FALSE_BLOCKS, CLOSE = 0.06, 1e-9
METRIC, MEAN = "success", 0.85
DROPS = (0.0, 0.05, 0.10)
DEFAULT = "the default gate: paired t on per-case means"
AGAIN = "the same, cases that flipped tried again"
VOTES = "McNemar on the majority of k"
PROVEN = "non-inferiority, margin 0.05 (blocked unless proven)"
COUNTED = "five or more degraded cases"
DROPPED = "mean drop > 0.05"
RULES = {
    DEFAULT: default_gates([METRIC]),
    "permutation on per-case means": Gates(
        gates=(RegressionGate(name="permutation", metric=METRIC, test=Test.PERMUTATION),)
    ),
    VOTES: Gates(gates=(RegressionGate(name="votes", metric=METRIC, test=Test.MCNEMAR),)),
    DROPPED: Gates(gates=(RuleGate(name="drop", metric=METRIC, rule=SimpleRule.MEAN_DROP, limit=0.05),)),
    COUNTED: Gates(gates=(RuleGate(name="counted", metric=METRIC, rule=SimpleRule.DEGRADED_CASES, limit=4),)),
    "mean >= 0.85, the true mean": Gates(
        gates=(ThresholdGate(name="mean", metric=METRIC, operator=Operator.AT_LEAST, threshold=MEAN, on=On.MEAN),)
    ),
    PROVEN: Gates(gates=(RegressionGate(name="proof", metric=METRIC, prove_within=0.05),)),
}
_SHUFFLED = 25
"""Worlds in which the printed false-alarm rates are looked at."""

SHAPES = ((50, 1), (50, 5), (100, 3), (200, 1), (200, 5))


@dataclass(frozen=True, slots=True)
class World:
    """The chances of each case, before and after."""

    before: list[float]
    after: list[float]

    @classmethod
    def drawn(cls, chance: random.Random, cases: int, drop: float, *, is_spread: bool = False) -> World:
        """Some cases break, or all of them get worse by a little."""
        rates = [chance.betavariate(1.7, 0.3) for _ in range(cases)]
        if is_spread:
            return cls(rates, [p * (1 - drop / MEAN) for p in rates])
        broken = drop / (0.8 * MEAN)
        return cls(rates, [0.2 * p if chance.random() < broken else p for p in rates])


class Cell(NamedTuple):
    """What one rule did in all worlds of a shape and a drop."""

    blocked: float
    printed: float | None
    """The mean of the false-alarm rates that stood beside it."""


def table(
    chance: random.Random, rates: list[float], trials: int, digit: str, only: Container[int] | None = None
) -> ScoreTable:
    """A version that ran every case, or only those, so often."""
    samples = {}
    for case, p in enumerate(rates):
        if only is None or case in only:
            passed = float(sum(chance.random() < p for _ in range(trials)))
            samples[f"c{case}"] = Sample(n=trials, total=passed, squares=passed)
    return ScoreTable(
        suite="simulated@1",
        version=Digest(f"sha256:{digit * 64}"),
        columns={METRIC: Column(samples=samples, is_rate=True)},
    )


def tried_again(chance: random.Random, world: World, old: ScoreTable, new: ScoreTable) -> FreshTrials:
    """What `surefoot ci run` does with cases that flipped."""
    wanted = retrials(new, old, metrics=[METRIC])
    only, trials = {int(one.case[1:]) for one in wanted}, wanted[0].trials if wanted else 1
    return FreshTrials(
        candidate=table(chance, world.after, trials, "c", only), baseline=table(chance, world.before, trials, "b", only)
    )


def cells(worlds: int, cases: int, trials: int, drop: float) -> dict[str, Cell]:
    """Every rule on the same worlds."""
    chance = random.Random(f"{cases} {trials} {drop}")
    blocked = dict.fromkeys(RULES, 0)
    printed: dict[str, list[float]] = {name: [] for name in RULES}
    blocked[AGAIN], printed[AGAIN] = 0, []
    fortune = random.Random(f"again {cases} {trials} {drop}")
    for seed in range(worlds):
        world = World.drawn(chance, cases, drop)
        old, new = table(chance, world.before, trials, "b"), table(chance, world.after, trials, "c")
        fresh = tried_again(fortune, world, old, new)
        blocked[AGAIN] += rule(RULES[DEFAULT], new, old, fresh=fresh, shuffles=0).decision is Decision.FAILED
        for name, gates in RULES.items():
            report = rule(gates, new, old, seed=seed, shuffles=500 if seed < _SHUFFLED and not drop else 0)
            stops = {Decision.FAILED, Decision.UNDECIDED} if name == PROVEN else {Decision.FAILED}
            blocked[name] += report.decision in stops
            if (alarms := report.rulings[0].false_alarms) is not None:
                printed[name].append(alarms)
    return {
        name: Cell(count / worlds, statistics.fmean(printed[name]) if printed[name] else None)
        for name, count in blocked.items()
    }


def found_when_spread(worlds: int, cases: int, drop: float) -> tuple[float, float]:
    """How often a drop that all cases share is found at the first look, and when flipped cases are tried again."""
    chance, first, again = random.Random(f"spread {cases}"), 0, 0
    for _ in range(worlds):
        world = World.drawn(chance, cases, drop, is_spread=True)
        old, new = table(chance, world.before, 1, "b"), table(chance, world.after, 1, "c")
        fresh = tried_again(chance, world, old, new)
        first += rule(RULES[DEFAULT], new, old, shuffles=0).decision is Decision.FAILED
        again += rule(RULES[DEFAULT], new, old, fresh=fresh, shuffles=0).decision is Decision.FAILED
    return first / worlds, again / worlds


def found_at_the_smallest_drop(worlds: int, cases: int, trials: int) -> tuple[float, float]:
    """The smallest drop that an A/A run shows, and how often a drop of that size is found."""
    chance = random.Random(f"smallest {cases} {trials}")
    shown = []
    for seed in range(20):
        world = World.drawn(chance, cases, 0.0)
        sides = [table(chance, world.before, trials, digit) for digit in "bc"]
        shown.append(rule(RULES[DEFAULT], *sides, seed=seed).rulings[0].smallest_drop or 1.0)
    drop = statistics.median(shown)
    return drop, cells(worlds, cases, trials, min(drop, 0.6))[DEFAULT].blocked


def largest_difference() -> float:
    """Between our statistics and scipy's, over random arguments."""
    from scipy import stats

    chance, worst = random.Random(5), 0.0
    for _ in range(2_000):
        n = int(10 ** chance.uniform(0.5, 4.5))
        k, m = chance.randint(0, n), chance.randint(1, n)
        j, p, df = chance.randint(0, m), chance.uniform(0.001, 0.999), 10 ** chance.uniform(0, 4)
        a, b, t = chance.uniform(0.5, n), chance.uniform(0.5, n), chance.uniform(-8, 8)
        test = stats.binomtest(k, n)
        values = [chance.gauss(-0.05, 1) for _ in range(5 + n % 60)]
        tried = paired_t(values)
        pairs = [
            (beta_quantile(p, a, b), stats.beta.ppf(p, a, b)),
            (beta_cdf(p, a, b), stats.beta.cdf(p, a, b)),
            (student_tail(t, df), stats.t.sf(t, df)),
            (student_quantile(p, df) if df > 2 else 0.0, stats.t.ppf(p, df) if df > 2 else 0.0),
            (wilson(k, n).low, test.proportion_ci(0.95, "wilson").low),
            (clopper_pearson(k, n).high, test.proportion_ci(0.95, "exact").high),
            (mcnemar(k, n - k), stats.binomtest(k, n, alternative="greater").pvalue),
            (fisher(k, n, j, m), stats.hypergeom.cdf(k, n + m, k + j, n)),
            (tried.p_value if tried else 0.0, stats.ttest_1samp(values, 0.0, alternative="less").pvalue),
        ]
        worst = max(worst, *(abs(own - theirs) for own, theirs in pairs))
    return float(worst)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    worlds = 300 if options.quick else 1_000
    began = time.process_time()
    found = {shape: {drop: cells(worlds, *shape, drop) for drop in DROPS} for shape in SHAPES}
    print(f"blocked at no change / -5 points / -10 points, of {worlds} simulated versions each")
    print(f"{'':54}" + "".join(f"{f'n={n}, k={k}':>16}" for n, k in SHAPES))
    for name in (DEFAULT, AGAIN, *(name for name in RULES if name != DEFAULT)):
        row = ["/".join(f"{found[shape][drop][name].blocked:.2f}" for drop in DROPS) for shape in SHAPES]
        print(f"{name:54}" + "".join(f"{cell:>16}" for cell in row))
    print("\nthe false-alarm rate that is printed beside a rule, and the real one, at no change")
    for name in (DEFAULT, DROPPED, COUNTED):
        row = [found[shape][0.0][name] for shape in SHAPES]
        print(f"{name:54}" + "".join(f"{f'{c.printed:.2f} ({c.blocked:.2f})':>16}" for c in row))
    spread = {cases: found_when_spread(worlds, cases, DROPS[-1]) for cases in (50, 100)}
    print("\na drop of ten points that all cases share, tried once: found at the first look, and when tried again")
    print("  ".join(f"n={cases}: {first:.2f}, {again:.2f}" for cases, (first, again) in spread.items()))
    smallest = {shape: found_at_the_smallest_drop(worlds, *shape) for shape in SHAPES[:3]}
    print("\nthe smallest drop that is shown, and how often it is found (four times out of five)")
    print("  ".join(f"n={n}, k={k}: {drop:.3f} ({power:.2f})" for (n, k), (drop, power) in smallest.items()))
    difference = largest_difference() if importlib.util.find_spec("scipy") else None
    print(f"\nlargest difference to scipy: {'scipy is not installed' if difference is None else f'{difference:.1e}'}")
    print(f"{time.process_time() - began:.0f} s CPU, Python {sys.version.split()[0]}")
    broken = misses(found, smallest, difference, worlds)
    broken += [
        f"n={cases}: of drops that all cases share {first:.2f} are found at once and {again:.2f} when tried again"
        for cases, (first, again) in spread.items()
        if again < first - 0.05
    ]
    if options.json:
        figures = {
            "blocked": {
                f"{n} x {k}": {
                    str(drop): {name: cell.blocked for name, cell in by.items()} for drop, by in rows.items()
                }
                for (n, k), rows in found.items()
            },
            "smallest": {f"{n} x {k}": value for (n, k), value in smallest.items()},
            "spread": {str(cases): value for cases, value in spread.items()},
            "scipy": difference,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("\n".join(f"MISSED {line}" for line in broken) or "every goal is met")
    return 1 if broken else 0


def misses(found, smallest, difference, worlds: int) -> list[str]:
    """Every goal that was not met, with three standard errors of so few worlds as slack."""
    broken = []
    for shape, rows in found.items():
        slack = 3 * math.sqrt(MOST_FALSE_BLOCKS * (1 - MOST_FALSE_BLOCKS) / worlds)
        for name in (DEFAULT, AGAIN):
            false = rows[0.0][name].blocked
            if false > MOST_FALSE_BLOCKS + slack - 0.01:
                broken.append(f"{shape}: {name} blocks {false:.3f} of unchanged versions")
        if rows[0.10][AGAIN].blocked < rows[0.10][DEFAULT].blocked - 0.02:
            broken.append(f"{shape}: less is found where flipped cases are tried again")
        if rows[0.10][DEFAULT].blocked < rows[0.10][VOTES].blocked - 0.02:
            broken.append(f"{shape}: McNemar on votes finds more than the default gate")
        for name in (DROPPED, COUNTED):
            cell = rows[0.0][name]
            if cell.printed is None or abs(cell.printed - cell.blocked) > 0.05 + slack:
                broken.append(f"{shape}: {name} prints {cell.printed} and blocks {cell.blocked}")
    for shape, (drop, power) in smallest.items():
        if not 0.75 <= power <= 0.95:
            broken.append(f"{shape}: a drop of {drop:.3f} is found {power:.2f} of the time, not at least four of five")
    if difference is not None and difference > CLOSE:
        broken.append(f"scipy differs by {difference}")
    return broken


if __name__ == "__main__":
    raise SystemExit(main())
