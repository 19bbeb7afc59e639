"""Exact enumeration: under the null no test's e-value exceeds 1 on average, whatever the true rates."""

from __future__ import annotations

import itertools
import math

import pytest

from surefoot.core.evidence.eprocess import SAFETY_BASELINE, SAFETY_WEIGHTS, Baseline, Binary
from surefoot.core.evidence.harm import BinaryHarm
from surefoot.core.evidence.limit import limit
from surefoot.core.evidence.means import MeanHarm, MeanNonInferiority
from surefoot.core.evidence.mismatch import mismatch
from surefoot.core.evidence.noninferiority import BinaryNonInferiority
from surefoot.core.evidence.paired import Pairs, paired_harm, paired_non_inferiority

ONE = 1.0 + 1e-9
RATES = (0.0, 0.001, 0.02, 0.05, 0.1, 0.3, 0.5, 0.8, 0.97, 1.0)
BASELINES = [Baseline(0.001, 20), Baseline(0.05, 20), Baseline(0.4, 20), Baseline(0.9, 20)]
ARMS = [(1, 20), (5, 20), (8, 8), (20, 3)]


def binomial(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def table(n_c, n_s, ln_e):
    """The e-value of each possible tick."""
    return {(k_c, k_s): math.exp(ln_e(Binary(n_c, k_c, n_s, k_s))) for k_c in range(n_c + 1) for k_s in range(n_s + 1)}


def mean_of(e_values, n_c, n_s, p_c, p_s):
    chance_c, chance_s = binomial(n_c, p_c), binomial(n_s, p_s)
    return math.fsum(chance_c[k_c] * chance_s[k_s] * e for (k_c, k_s), e in e_values.items())


def one_tick(make):
    def ln_e(tick):
        test = make()
        test.update(tick)
        return test.ln_e_from_start if hasattr(test, "ln_e_from_start") else test.ln_e

    return ln_e


@pytest.mark.parametrize(("n_c", "n_s"), ARMS)
@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.3])
def test_harm(n_c, n_s, baseline, tolerance):
    """No candidate that is at most the tolerance worse makes harm evidence grow on average, at any base rate."""
    e_values = table(n_c, n_s, one_tick(lambda: BinaryHarm(baseline=baseline, tolerance=tolerance)))
    for a, b in itertools.product(RATES, RATES):
        if a <= b + tolerance:
            assert mean_of(e_values, n_c, n_s, a, b) <= ONE, (a, b)


def test_a_harmful_candidate_makes_evidence_grow():
    """The enumeration can fail: for a candidate that is worse the same sum is far above 1."""
    harm = table(8, 8, one_tick(BinaryHarm))
    proof = table(20, 20, one_tick(lambda: BinaryNonInferiority(0.1)))
    assert mean_of(harm, 8, 8, 0.5, 0.05) > 5.0
    assert mean_of(proof, 20, 20, 0.05, 0.05) > 1.1


def test_harm_with_safety_weights():
    """The same holds for the weights of rare events."""
    make = one_tick(lambda: BinaryHarm(weights=SAFETY_WEIGHTS, baseline=SAFETY_BASELINE))
    e_values = table(5, 30, make)
    assert max(mean_of(e_values, 5, 30, a, b) for a in RATES for b in RATES if a <= b) <= ONE


@pytest.mark.parametrize(("n_c", "n_s"), ARMS)
@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1, 0.4])
def test_non_inferiority(n_c, n_s, baseline, margin):
    """No candidate worse by the margin or more makes proof grow on average."""
    e_values = table(n_c, n_s, one_tick(lambda: BinaryNonInferiority(margin, baseline=baseline)))
    for b in RATES:
        for excess in (0.0, 0.01, 0.3):
            if b + margin + excess <= 1.0:
                assert mean_of(e_values, n_c, n_s, b + margin + excess, b) <= ONE, b


def test_two_ticks_with_drift_and_a_restart():
    """The base rate may jump between ticks and a start may lie between them: evidence still does not grow."""
    first, second = (3, 5), (4, 3)
    e_values = {}
    for k in itertools.product(range(4), range(6), range(5), range(4)):
        harm = BinaryHarm()
        harm.update(Binary(first[0], k[0], first[1], k[1]))
        harm.restart()
        harm.update(Binary(second[0], k[2], second[1], k[3]))
        e_values[k] = math.exp(harm.ln_e)
    rates = (0.01, 0.05, 0.4, 0.9)
    worst = 0.0
    for b1, b2 in itertools.product(rates, rates):
        chances = [binomial(first[0], b1), binomial(first[1], b1), binomial(second[0], b2), binomial(second[1], b2)]
        mean = math.fsum(
            chances[0][k[0]] * chances[1][k[1]] * chances[2][k[2]] * chances[3][k[3]] * e for k, e in e_values.items()
        )
        worst = max(worst, mean)
    assert 0.9 < worst <= ONE


def test_rates_that_vary_between_units_of_a_tick():
    """Only the tick's average rates matter: units of one tick may differ as much as they like."""
    rates_c, rates_s = (0.0, 0.0, 0.3), (0.0, 0.05, 0.1, 0.25)
    harm = one_tick(BinaryHarm)
    mean = 0.0
    for outcome in itertools.product((0, 1), repeat=7):
        rates = rates_c + rates_s
        chance = math.prod(p if y else 1 - p for p, y in zip(rates, outcome, strict=True))
        mean += chance * math.exp(harm(Binary(3, sum(outcome[:3]), 4, sum(outcome[3:]))))
    assert mean <= ONE


VALUES = (0.0, 0.5, 1.0, 4.0)
SHAPES = ((1, 0, 0, 0), (0.2, 0.6, 0.2, 0), (0.5, 0, 0.5, 0), (0.6, 0.2, 0.1, 0.1), (0, 0.3, 0.6, 0.1), (0, 0, 0, 1))
HISTORY = {0.0: 10, 0.5: 50, 1.0: 30, 4.0: 2}


def samples(n, chances):
    """Every multiset of n values with its probability."""
    for counts in itertools.product(range(n + 1), repeat=len(chances)):
        if sum(counts) == n:
            ways = math.factorial(n) // math.prod(math.factorial(count) for count in counts)
            yield counts, ways * math.prod(p**count for p, count in zip(chances, counts, strict=True))


def mean_e(make, chances_c, chances_s, candidate_values):
    total = 0.0
    for counts_c, chance_c in samples(3, chances_c):
        if chance_c == 0.0:
            continue
        for counts_s, chance_s in samples(3, chances_s):
            if chance_s > 0.0:
                test = make()
                test.update(
                    dict(zip(candidate_values, counts_c, strict=True)), dict(zip(VALUES, counts_s, strict=True))
                )
                ln_e = test.ln_e_from_start if isinstance(test, MeanHarm) else test.ln_e
                total += chance_c * chance_s * math.exp(ln_e)
    return total


def dot(values, chances):
    return math.fsum(value * chance for value, chance in zip(values, chances, strict=True))


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_mean_harm(tolerance):
    """No candidate whose capped mean is within the tolerance makes harm evidence grow on average."""
    cap = 3.0
    compared = 0
    for chances_c, chances_s in itertools.product(SHAPES, SHAPES):
        least = dot([min(v, (1 + tolerance) * cap) for v in VALUES], chances_c)
        most = (1 + tolerance) * dot([min(v, cap) for v in VALUES], chances_s)
        if least <= most:
            compared += 1
            make = lambda: MeanHarm(cap=cap, tolerance=tolerance, history=HISTORY)  # noqa: E731 - one line, used at once
            assert mean_e(make, chances_c, chances_s, VALUES) <= ONE, (chances_c, chances_s)
    assert compared > 10


def test_mean_non_inferiority():
    """No candidate whose capped mean is worse by the margin or more makes proof grow on average."""
    cap, margin = 3.0, 0.2
    candidate_values = tuple(value * (1 + margin) for value in VALUES)
    compared = 0
    for chances_c, chances_s in itertools.product(SHAPES, SHAPES):
        mean_c = dot([min(v, (1 + margin) * cap) for v in candidate_values], chances_c)
        if mean_c >= (1 + margin) * dot([min(v, cap) for v in VALUES], chances_s) - 1e-12:
            compared += 1
            make = lambda: MeanNonInferiority(margin, cap=cap, history=HISTORY)  # noqa: E731 - one line, used at once
            assert mean_e(make, chances_c, chances_s, candidate_values) <= ONE, (chances_c, chances_s)
    assert compared > 10


@pytest.mark.parametrize("n", [1, 6, 25])
def test_pairs(n):
    """Paired evidence does not grow when differing pairs are evenly split, or worse by exactly the margin."""
    for differ in (0.05, 0.3, 0.9):
        for margin in (0.02, 0.05):
            even, border = 0.0, 0.0
            for worse in range(n + 1):
                for better in range(n + 1 - worse):
                    pairs = Pairs(worse, n - worse - better, better)
                    ways = math.comb(n, worse) * math.comb(n - worse, better)
                    rest = (1 - differ) ** pairs.same
                    even += ways * (differ / 2) ** (worse + better) * rest * math.exp(paired_harm(pairs))
                    more, less = (differ + margin) / 2, (differ - margin) / 2
                    proof = math.exp(paired_non_inferiority(pairs, margin))
                    border += ways * more**worse * less**better * rest * proof
            assert even <= ONE
            assert border == pytest.approx(1.0, abs=1e-9), "at the border each factor has mean exactly one"


@pytest.mark.parametrize("n", [1, 10, 60])
def test_limit_and_mismatch(n):
    """At their border both one-sample tests have mean exactly one, below the limit less."""
    for rate in (0.01, 0.05, 0.5):
        chances = binomial(n, rate)
        at = math.fsum(chance * math.exp(limit(k, n, rate)) for k, chance in enumerate(chances))
        below = math.fsum(chance * math.exp(limit(k, n, rate * 1.2)) for k, chance in enumerate(chances))
        shares = math.fsum(chance * math.exp(mismatch(k, n - k, rate)) for k, chance in enumerate(chances))
        assert at == pytest.approx(1.0, abs=1e-9)
        assert shares == pytest.approx(1.0, abs=1e-9)
        assert below < 1.0
