"""Values of metrics in words: every one with its unit, money in dollars, and no digit that is not known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.evidence.metrics import METRICS, MetricKind
from surefoot.core.lifecycle.quantity import dollars, is_amount, percent, quantity, unit_of
from surefoot.errors import UnknownName

AMOUNTS = [name for name, metric in METRICS.items() if metric.kind is not MetricKind.BINARY]


@pytest.mark.parametrize(
    ("metric", "amount", "words"),
    [
        ("tokens", 812, "812 tokens"),
        ("tokens", 999.96, "1000 tokens"),
        ("tokens", 1_234_567, "1,234,567 tokens"),
        ("latency", 0, "0 ms"),
        ("latency", 12.3456, "12.35 ms"),
        ("latency_p95", 4_000, "4,000 ms"),
        ("ttft_p95", 250.4, "250.4 ms"),
        ("model_calls", 3, "3 calls"),
        ("quality_score", 4.25, "4.25 of 5"),
        ("cost", 27.7, "US$0.0000277"),
        ("cost", 2_500_000, "US$2.50"),
    ],
)
def test_an_amount_in_words(metric, amount, words):
    """Four digits below a thousand, whole numbers above, and the unit of the metric."""
    assert quantity(metric, amount) == words


@pytest.mark.parametrize(
    ("distance", "words"), [(0.0, "5 of 5"), (0.25, "4 of 5"), (0.5, "3 of 5"), (1.0, "1 of 5"), (0.2, "4.2 of 5")]
)
def test_a_distance_from_the_best_score_is_told_as_a_score(distance, words):
    """What is weighed is how far a score stays under 5; people read the score. Of other metrics it is an amount."""
    assert quantity("quality_score", distance, is_distance=True) == words
    assert quantity("tokens", distance, is_distance=True) == quantity("tokens", distance)


@pytest.mark.parametrize(
    ("micro", "words"),
    [
        (0, "US$0.00"),
        (1, "US$0.00000100"),
        (27.7, "US$0.0000277"),
        (10_000, "US$0.0100"),
        (123_456, "US$0.123"),
        (999_000, "US$0.999"),
        (1_000_000, "US$1.00"),
        (1_234_567_890, "US$1,234.57"),
        (-500_000, "US$-0.50"),
    ],
)
def test_money_in_dollars(micro, words):
    """Three digits below a dollar, however small, and cents from there on."""
    assert dollars(micro) == words


@given(st.floats(1e-3, 1e12))
def test_no_amount_of_money_is_told_wrong(micro):
    """What stands there is what it was, to half of its last digit, and something is never nothing."""
    told = float(dollars(micro).removeprefix("US$").replace(",", ""))
    assert told == pytest.approx(micro / 1e6, rel=0.006)
    assert told > 0


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0%"), (0.075, "7.5%"), (1 / 3, "33.33%"), (1.0, "100%"), (0.0001, "0.01%"), (-0.02, "-2%"), (1.5, "150%")],
)
def test_a_share_in_words(share, words):
    """Four digits, and none that says nothing."""
    assert percent(share) == words


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_the_unit_of_its_kind(metric):
    """What has amounts has a unit for them, and what is only good or bad has none."""
    assert bool(unit_of(metric)) is (metric in AMOUNTS)
    assert is_amount(metric) is (METRICS[metric].kind in (MetricKind.SCALAR, MetricKind.SCORE))


@pytest.mark.parametrize("metric", AMOUNTS)
@given(amount=st.floats(0, 1e9))
def test_every_amount_ends_with_its_unit(metric, amount):
    """A number alone is never told."""
    assert re.fullmatch(r"US\$[\d,]+\.\d+|[\d,.e+-]+ (ms|tokens|calls|of 5)", quantity(metric, amount))


@pytest.mark.parametrize("ask", [unit_of, is_amount, lambda name: quantity(name, 1)])
def test_an_unknown_metric_has_no_unit(ask):
    """It is an error that lists the known ones."""
    with pytest.raises(UnknownName, match="speed"):
        ask("speed")
