"""The gates' statistics, in the standard library alone, equal scipy's to a thousand-millionth."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surefoot.core.proof.distributions import (
    beta_cdf,
    beta_quantile,
    binomial_pmf,
    hypergeometric_pmf,
    normal_cdf,
    normal_quantile,
    student_quantile,
    student_tail,
)
from surefoot.core.proof.rates import clopper_pearson, wilson
from surefoot.core.proof.significance import fisher, mcnemar, mcnemar_mid_p, paired_permutation, paired_t

CLOSE = 1e-9
SIZES = st.integers(1, 20_000)
SHARES = st.floats(0.001, 0.999)
PARAMETERS = st.floats(0.5, 50_000.0)


@st.composite
def counts(draw, most: int = 20_000):
    """Some of n."""
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@settings(max_examples=150, deadline=None)
@given(SHARES, PARAMETERS, PARAMETERS)
def test_beta_distribution(p, a, b):
    """The incomplete beta and its inverse are scipy's, from half a case to fifty thousand."""
    x = stats.beta.ppf(p, a, b)
    assert beta_quantile(p, a, b) == pytest.approx(x, abs=CLOSE)
    assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=CLOSE)


@settings(max_examples=150, deadline=None)
@given(SHARES, st.floats(1.0, 20_000.0), st.floats(-9.0, 9.0))
def test_student_and_normal(p, df, t):
    """Tails and quantiles of Student's t and of the normal distribution are scipy's."""
    assert student_tail(t, df) == pytest.approx(stats.t.sf(t, df), abs=CLOSE)
    assert student_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=CLOSE, abs=CLOSE)
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), abs=CLOSE)
    assert normal_cdf(t) == pytest.approx(stats.norm.cdf(t), rel=CLOSE)


@settings(max_examples=150, deadline=None)
@given(counts(), SHARES, st.data())
def test_counted_distributions(count, p, data):
    """Binomial and hypergeometric chances are scipy's."""
    k, n = count
    drawn, good = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    assert binomial_pmf(k, n, p) == pytest.approx(stats.binom.pmf(k, n, p), abs=CLOSE)
    found = hypergeometric_pmf(min(k, drawn), drawn=drawn, good=good, total=n)
    assert found == pytest.approx(stats.hypergeom.pmf(min(k, drawn), n, good, drawn), abs=CLOSE)


@settings(max_examples=150, deadline=None)
@given(counts(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_intervals_of_rates(count, confidence):
    """Wilson's and Clopper and Pearson's intervals are scipy's, at none and at all as well."""
    passed, n = count
    test = stats.binomtest(passed, n)
    for own, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        assert own(passed, n, confidence=confidence) == pytest.approx(
            tuple(test.proportion_ci(confidence, method)), abs=CLOSE
        )


@settings(max_examples=150, deadline=None)
@given(counts(3_000), counts(3_000))
def test_exact_tests(one, other):
    """McNemar's test is the binomial one of the cases that turned, and Fisher's is scipy's."""
    worse, n = one
    better = n - worse
    assert mcnemar(worse, better) == pytest.approx(stats.binomtest(worse, n, alternative="greater").pvalue, abs=CLOSE)
    assert mcnemar(worse, better, two_sided=True) == pytest.approx(stats.binomtest(worse, n).pvalue, abs=CLOSE)
    half = stats.binom.sf(worse, n, 0.5) + 0.5 * stats.binom.pmf(worse, n, 0.5)
    assert mcnemar_mid_p(worse, better) == pytest.approx(half, abs=CLOSE)
    table = [[worse, better], [other[0], other[1] - other[0]]]
    assert fisher(*one, *other) == pytest.approx(stats.fisher_exact(table, alternative="less").pvalue, abs=CLOSE)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=200), st.floats(0.001, 0.1))
def test_paired_t(values, step):
    """The paired t test is scipy's wherever differences differ."""
    spread = [value + step * place for place, value in enumerate(values)]
    if len(set(spread)) < 2:
        return
    own, theirs = paired_t(spread), stats.ttest_1samp(spread, 0.0, alternative="less")
    assert own is not None
    assert own.statistic == pytest.approx(theirs.statistic, rel=1e-6)
    assert own.p_value == pytest.approx(theirs.pvalue, abs=CLOSE)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=10), st.sampled_from([1, 2, 3, 5]))
def test_exact_permutation(steps, trials):
    """Where all signs can be counted the permutation test is scipy's exact one."""
    # whole numbers for scipy: thirds that should add up to nothing do not, and it would miss the ties
    theirs = stats.permutation_test(
        (steps, [0] * len(steps)),
        lambda one, other: math.fsum(one) - math.fsum(other),
        permutation_type="samples",
        alternative="less",
        n_resamples=math.inf,
    )
    values = [step / trials for step in steps]
    assert paired_permutation(values, seed=1) == pytest.approx(theirs.pvalue, abs=CLOSE)
