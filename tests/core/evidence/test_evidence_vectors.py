"""The reference vectors V1 to V15 of the specification, computed outside this project by a scalar reference."""

from __future__ import annotations

import math

import pytest

from surefoot.core.evidence.eprocess import (
    LN_20,
    SAFETY_BASELINE,
    SAFETY_WEIGHTS,
    USUAL_BASELINE,
    USUAL_WEIGHTS,
    Binary,
    average,
    odds,
)
from surefoot.core.evidence.harm import BinaryHarm
from surefoot.core.evidence.interval import (
    asymptotic_half_width,
    asymptotic_one_sided_width,
    stratified_difference,
)
from surefoot.core.evidence.limit import limit
from surefoot.core.evidence.means import MeanHarm, MeanNonInferiority
from surefoot.core.evidence.mismatch import mismatch
from surefoot.core.evidence.noninferiority import BinaryNonInferiority
from surefoot.core.evidence.paired import Pairs, paired_harm, paired_non_inferiority
from surefoot.core.evidence.projection import null_rate
from surefoot.core.evidence.stages import stage_margin


def six_digits(value):
    return pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("rate", "ratio", "expected"), [(0.05, 2.4, 0.112150), (0.001, 25, 0.024414), (0.4, 1.4, 0.482759)]
)
def test_odds(rate, ratio, expected):
    """A rate is moved by multiplying its odds."""
    assert odds(rate, ratio) == six_digits(expected)


@pytest.mark.parametrize(
    ("candidate", "stable", "margin", "share", "expected"),
    [
        (0.05, 0.05, 0.02, 0.5, 0.041828),
        (0.05, 0.05, 0.02, 0.05, 0.049263),
        (0.10, 0.05, 0.0, 0.25, 0.062500),
        (0.001, 0.001, 0.005, 0.05, 0.000958),
    ],
)
def test_null_rate(candidate, stable, margin, share, expected):
    """The nearest null pair is found for common and rare events, equal and unequal shares."""
    assert null_rate(candidate, stable, margin, share) == six_digits(expected)


V1 = [
    ((1, 0, 49, 2), 0.050000, -0.007955, -0.053925, -0.638672, -0.097804),
    ((0, 0, 50, 3), 0.043478, -0.007955, -0.053925, -0.638672, -0.097804),
    ((2, 1, 48, 1), 0.050420, 0.158486, 0.714935, 1.366399, 0.657708),
    ((3, 2, 47, 4), 0.041916, 0.452016, 2.001772, 3.919590, 2.359064),
    ((10, 3, 40, 2), 0.051402, 0.804028, 3.434726, 5.250360, 4.125471),
    ((25, 4, 25, 1), 0.051181, 1.058431, 4.325256, 3.554771, 4.867043),
]
V2 = [
    ((5, 0, 95, 0), 0.002000, -0.000000, -0.000019, -0.005148, -0.010593),
    ((5, 1, 95, 0), 0.001356, 0.172373, 0.807901, 2.439351, 1.758788),
    ((5, 0, 95, 1), 0.001026, 0.162425, 0.740326, 1.662041, 1.117723),
    ((5, 2, 95, 0), 0.002887, 0.507177, 2.356408, 6.580958, 5.513744),
]


@pytest.mark.parametrize(
    ("weights", "baseline", "rows"),
    [
        pytest.param(USUAL_WEIGHTS, USUAL_BASELINE, V1, id="V1-usual"),
        pytest.param(SAFETY_WEIGHTS, SAFETY_BASELINE, V2, id="V2-safety"),
    ],
)
def test_harm(weights, baseline, rows):
    """V1, V2: harm evidence follows the reference tick by tick, the rate it bets with included."""
    harm = BinaryHarm(weights=weights, baseline=baseline)
    for tick, rate, l2, l5, l8, ln_e in rows:
        assert harm.stable_rate == six_digits(rate)
        harm.update(Binary(*tick))
        assert (harm.levels[2], harm.levels[5], harm.levels[8]) == six_digits((l2, l5, l8))
        assert harm.ln_e_from_start == six_digits(ln_e)


def test_the_fifth_tick_of_v1_rolls_back():
    """V1: the evidence crosses ln 20 on the fifth tick and not before."""
    harm = BinaryHarm()
    crossed = []
    for tick, *_ in V1:
        harm.update(Binary(*tick))
        crossed.append(harm.ln_e_from_start >= LN_20)
    assert crossed == [False, False, False, False, True, True]


def test_harm_with_tolerance():
    """V3: with a tolerance the grid starts at the tolerated rate."""
    harm = BinaryHarm(tolerance=0.02)
    for tick, l2, l5, l8, ln_e in [
        ((50, 6, 50, 2), 0.275805, 0.634112, -9.998817, 0.271761),
        ((50, 7, 50, 3), 0.545970, 1.056222, -20.124319, 0.600295),
    ]:
        harm.update(Binary(*tick))
        assert (harm.levels[2], harm.levels[5], harm.levels[8]) == six_digits((l2, l5, l8))
        assert harm.ln_e_from_start == six_digits(ln_e)


def test_restart():
    """V4: a second start after four calm ticks finds the harm of the next three sooner than the first one alone."""
    harm = BinaryHarm()
    for _ in range(4):
        harm.update(Binary(25, 1, 25, 1))
    harm.restart()
    for _ in range(3):
        harm.update(Binary(25, 5, 25, 1))
    assert harm.ln_e_from_start == six_digits(2.104910)
    assert harm.ln_e == six_digits(2.275404)


@pytest.mark.parametrize(
    ("margin", "baseline", "rows"),
    [
        pytest.param(
            0.02,
            USUAL_BASELINE,
            [
                ((25, 1, 25, 1), 0.061242, 0.038744, 0.056782),
                ((100, 4, 100, 5), 0.518222, 0.305728, 0.479183),
                ((500, 24, 500, 26), 1.977901, 1.251589, 1.868909),
            ],
            id="V5",
        ),
        pytest.param(
            0.005,
            SAFETY_BASELINE,
            [
                ((50, 0, 950, 1), 0.215455, 0.107480, 0.194773),
                ((50, 0, 950, 1), 0.458366, 0.228809, 0.416478),
                ((400, 0, 600, 1), 2.495390, 1.228313, 2.340291),
            ],
            id="V6-rare",
        ),
    ],
)
def test_non_inferiority(margin, baseline, rows):
    """V5, V6: proof of non-inferiority follows the reference for common and rare failures."""
    proof = BinaryNonInferiority(margin, baseline=baseline)
    for tick, none, half, ln_e in rows:
        proof.update(Binary(*tick))
        assert proof.levels == six_digits((none, half))
        assert proof.ln_e == six_digits(ln_e)


SEED = {0.5: 30, 1: 40, 2: 20, 5: 8, 20: 2}


def test_mean_harm():
    """V7: evidence on means follows the reference; the first tick of stable values only teaches."""
    harm = MeanHarm(cap=20, tolerance=0.0)
    harm.update({}, SEED)
    harm.update({1: 3, 5: 1, 20: 1}, {0.5: 12, 1: 18, 2: 12, 5: 3})
    expected = (0.115424, 0.221196, 0.409077, 0.735756, 1.164261, 1.586019, 1.672827, 1.000003)
    assert harm.levels == six_digits(expected)
    assert harm.ln_e_from_start == six_digits(1.018644)
    harm.update({2: 4, 5: 4, 20: 2}, {0.5: 10, 1: 20, 2: 8, 5: 2})
    assert harm.ln_e_from_start == six_digits(5.805811)


def test_mean_non_inferiority():
    """V8: proof on means follows the reference."""
    proof = MeanNonInferiority(0.2, cap=20, history=SEED)
    same = {0.5: 60, 1: 80, 2: 40, 5: 16, 20: 4}
    proof.update(same, same)
    assert proof.levels == six_digits((0.407549, 0.568008, 0.581587))
    assert proof.ln_e == six_digits(0.522112)


@pytest.mark.parametrize(("worse", "better", "expected"), [(7, 2, 0.898228), (18, 4, 3.528563), (1, 9, -1.596888)])
def test_paired_harm(worse, better, expected):
    """V9: only pairs that differ count."""
    assert paired_harm(Pairs(worse, 0, better)) == six_digits(expected)
    assert paired_harm(Pairs(worse, 1000, better)) == six_digits(expected)


@pytest.mark.parametrize(
    ("pairs", "margin", "expected"),
    [((6, 288, 6), 0.03, 2.057807), ((2, 95, 3), 0.05, 1.836009), ((20, 960, 20), 0.02, 3.468821)],
)
def test_paired_non_inferiority(pairs, margin, expected):
    """V9: agreement is evidence of non-inferiority."""
    assert paired_non_inferiority(Pairs(*pairs), margin) == six_digits(expected)


@pytest.mark.parametrize(
    ("bad", "units", "allowed", "expected"),
    [(9, 60, 0.05, 2.890598), (3, 100, 0.01, 0.681152), (0, 200, 0.05, -2.493841)],
)
def test_limit(bad, units, allowed, expected):
    """V10: one arm against an absolute limit."""
    assert limit(bad, units, allowed) == six_digits(expected)


@pytest.mark.parametrize(
    ("candidate", "stable", "share", "concentration", "expected"),
    [
        (620, 9380, 0.05, 1000, 11.629070),
        (5210, 4790, 0.5, 1000, 6.821686),
        (130, 9870, 0.01, 1000, 2.478163),
        (100, 900, 0.05, 100, 17.597938800),
    ],
)
def test_mismatch(candidate, stable, share, concentration, expected):
    """V11: a wrong share shows; the last line is another implementation's figure."""
    assert mismatch(candidate, stable, share, concentration=concentration) == six_digits(expected)


@pytest.mark.parametrize(
    ("error", "units", "alpha", "tightest_at", "two_sided", "one_sided"),
    [
        (0.01, 3000, 0.05, 5000, 0.03060839, 0.02812777),
        (0.005, 20000, 0.05, 5000, 0.01563557, 0.01434098),
        (0.02, 500, 0.01, 500, 0.07143260, 0.06710397),
    ],
)
def test_asymptotic_width(error, units, alpha, tightest_at, two_sided, one_sided):
    """V12: widths of the display interval, two- and one-sided."""
    arguments = {"alpha": alpha, "tightest_at": tightest_at}
    assert asymptotic_half_width(error, units, **arguments) == pytest.approx(two_sided, abs=1e-8)
    assert asymptotic_one_sided_width(error, units, **arguments) == pytest.approx(one_sided, abs=1e-8)


@pytest.mark.parametrize(
    ("stable", "candidate", "low", "high"),
    [
        ((4275, 4500), (460, 500), -0.0681224612, 0.0081224612),
        ((950, 1000), (930, 1000), -0.0531474030, 0.0131474030),
    ],
)
def test_width_agrees_with_gbstats(stable, candidate, low, high):
    """V12: with plugged-in variances and total units the width is that of gbstats 0.8.0."""
    (good_s, n_s), (good_c, n_c) = stable, candidate
    p_s, p_c = good_s / n_s, good_c / n_c
    error = math.sqrt(p_s * (1 - p_s) / n_s + p_c * (1 - p_c) / n_c)
    half = asymptotic_half_width(error, n_s + n_c, alpha=0.05, tightest_at=5000)
    assert (p_c - p_s - half, p_c - p_s + half) == pytest.approx((low, high), abs=1e-10)


def test_stratified_difference():
    """V13: the difference is taken inside each epoch and averaged by effective size."""
    epochs = [Binary(50, 4, 4950, 240), Binary(250, 20, 4750, 380), Binary(1250, 130, 3750, 390)]
    difference = stratified_difference(epochs)
    assert difference is not None
    assert difference == six_digits((0.001273989, 0.008570806, 1224.5, 0.026378405))


def test_average():
    """V14: weights need not sum to one."""
    assert average([(1, 1.2), (1, 4.0), (2, -0.5), (1, 0.3)]) == six_digits(2.492894)


def test_stage_margins():
    """V15: the margin shrinks as the next share grows, from at most 0.4."""
    assert [stage_margin(0.02, share) for share in (0.01, 0.05, 0.25, 0.5, 1.0)] == six_digits(
        [0.40, 0.40, 0.08, 0.04, 0.02]
    )
