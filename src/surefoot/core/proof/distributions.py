"""
Binomial, beta, Student's and normal distribution, to about 1e-12 relative, from the standard library alone.

Densities after Loader (2000), Fast and accurate computation of binomial probabilities: deviances instead of differences
of log-gammas, so that a million trials lose no digits. The incomplete beta by its continued fraction (Didonato and
Morris 1992, ACM TOMS 18(3), in Lentz's form). Quantiles by Newton's steps inside a bracket that only shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

__all__ = [
    "beta_cdf",
    "beta_quantile",
    "binomial_pmf",
    "hypergeometric_pmf",
    "normal_cdf",
    "normal_quantile",
    "student_quantile",
    "student_tail",
]

_TINY: Final = 1e-300
_CLOSE: Final = 1e-16
_STEPS: Final = 200
_STIRLING_SERIES_FROM: Final = 15.0
_HALF_LN_2PI: Final = 0.5 * math.log(2.0 * math.pi)


def normal_cdf(z: float) -> float:
    """P(Z <= z), without losing the lower tail to cancellation."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """The z with P(Z <= z) = p. Raises ValueError outside 0 < p < 1."""
    _refuse_impossible(p)
    if p > 0.5:
        return -normal_quantile(1.0 - p)
    return _root(normal_cdf, lambda z: math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi), p, low=-40.0, high=0.0)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b). Raises ValueError unless a and b are positive."""
    if not (a > 0.0 and b > 0.0):
        raise ValueError(f"a beta distribution has positive parameters, got {a} and {b}")
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    return _either_side(x, 1.0 - x, a, b)


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p. Raises ValueError outside 0 < p < 1."""
    _refuse_impossible(p)
    return _root(lambda x: beta_cdf(x, a, b), lambda x: _beta_weight(x, 1.0 - x, a, b) / (x * (1.0 - x)), p, 0.0, 1.0)


def student_tail(t: float, df: float) -> float:
    """P(T >= t) for Student's t with df degrees of freedom."""
    if math.isinf(t):
        return float(t < 0.0)
    square = t * t
    both = _either_side(df / (df + square), square / (df + square), 0.5 * df, 0.5)
    return 0.5 * both if t >= 0.0 else 1.0 - 0.5 * both


def student_quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p. Raises ValueError outside 0 < p < 1."""
    _refuse_impossible(p)
    if p == 0.5:
        return 0.0
    tails = 2.0 * min(p, 1.0 - p)
    if tails > 0.5:  # near the middle it is the other variable that keeps its digits
        y = beta_quantile(1.0 - tails, 0.5, 0.5 * df)
        return math.copysign(math.sqrt(df * y / (1.0 - y)), p - 0.5)
    x = beta_quantile(tails, 0.5 * df, 0.5)
    return math.copysign(math.sqrt(df * (1.0 - x) / x), p - 0.5)


def binomial_pmf(k: float, n: float, p: float) -> float:
    """P(X = k) of n trials with chance p each. Loader (2000)."""
    return _binomial_weight(k, n, p, 1.0 - p)


def hypergeometric_pmf(k: int, *, drawn: int, good: int, total: int) -> float:
    """P(k good ones among `drawn`) without replacement from `total`, of which `good` are good. Loader (2000)."""
    if k < max(0, drawn + good - total) or k > min(drawn, good):
        return 0.0
    if drawn in (0, total):
        return 1.0
    p, q = drawn / total, (total - drawn) / total
    above = _binomial_weight(k, good, p, q) * _binomial_weight(drawn - k, total - good, p, q)
    return above / _binomial_weight(drawn, total, p, q)


def _refuse_impossible(p: float) -> None:
    if not 0.0 < p < 1.0:
        raise ValueError(f"a quantile is asked for at a probability between 0 and 1, got {p}")


def _either_side(x: float, upper: float, a: float, b: float) -> float:
    """I_x(a, b) from the side where the fraction is short; `upper` is 1 - x, which the caller may know better."""
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _lower_beta(upper, b, a, upper=x)
    return _lower_beta(x, a, b, upper=upper)


def _lower_beta(x: float, a: float, b: float, *, upper: float) -> float:
    return min(1.0, _beta_weight(x, upper, a, b) * _fraction(x, a, b) / a)


def _beta_weight(x: float, upper: float, a: float, b: float) -> float:
    """x^a (1-x)^b / B(a, b): a binomial density in disguise."""
    return _binomial_weight(a, a + b, x, upper) * a * b / (a + b)


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta, by Lentz's method as Thompson and Barnett (1986) mended it."""
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    c, value = 1.0, d
    for m in range(1, 1000 + 10 * math.isqrt(int(max(a, b)) + 1)):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        factor = 1.0
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            factor *= c * d
        value *= factor
        if abs(factor - 1.0) <= 4.0 * _CLOSE:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _binomial_weight(k: float, n: float, p: float, q: float) -> float:
    """n! / (k! (n-k)!) p^k q^(n-k), also for k and n that are no integers."""
    if p <= 0.0 or q <= 0.0:
        return float(k == (n if q <= 0.0 else 0.0))
    if k in (0.0, n):
        return math.exp(n * (math.log1p(-p) if p < 0.5 else math.log(q)) if k == 0.0 else n * _ln(p, q))
    rest = n - k
    exponent = (
        _stirling_error(n) - _stirling_error(k) - _stirling_error(rest) - _deviance(k, n * p) - _deviance(rest, n * q)
    )
    return math.exp(exponent) * math.sqrt(n / (2.0 * math.pi * k * rest))


def _ln(p: float, q: float) -> float:
    return math.log1p(-q) if q < 0.5 else math.log(p)


def _stirling_error(n: float) -> float:
    """ln n! minus Stirling's formula for it."""
    if n <= _STIRLING_SERIES_FROM:
        return math.lgamma(n + 1.0) - (n + 0.5) * math.log(n) + n - _HALF_LN_2PI
    s = 1.0 / (n * n)
    series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * 691 / 360360))))
    return series / n


def _deviance(x: float, mean: float) -> float:
    """x ln(x / mean) + mean - x, without cancellation where they are close."""
    if abs(x - mean) >= 0.1 * (x + mean):
        return x * math.log(x / mean) + mean - x
    v = (x - mean) / (x + mean)
    total, term, j = (x - mean) * v, 2.0 * x * v, 1
    while True:
        term *= v * v
        following = total + term / (2 * j + 1)
        if following == total:
            return total
        total, j = following, j + 1


def _root(cdf: Callable[[float], float], density: Callable[[float], float], p: float, low: float, high: float) -> float:
    """Where a distribution function reaches p. Newton's step if it stays in the bracket, else the bracket's middle."""
    x = 0.5 * (low + high)
    for _ in range(_STEPS):
        miss = cdf(x) - p
        low, high = (x, high) if miss < 0.0 else (low, x)
        slope = density(x)
        following = x - miss / slope if slope > _TINY else math.nan
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - x) <= 2.0 * _CLOSE * abs(x) or high - low <= 2.0 * _CLOSE * abs(high):
            return following
        x = following
    return x
