"""A forecast answers before the first user: how often the plan errs, how soon it notices, and at what price."""

from __future__ import annotations

import pytest

from surefoot.core.evidence.observation import Observation
from surefoot.core.traffic.plan import Check, Plan, Stage
from surefoot.core.units import BasisPoints
from surefoot.errors import UnknownName, UsageError
from surefoot.service.forecast import Batch, Course, Recorded, Spread, cases, forecast, run_batch, synthetic
from surefoot.service.simulate import End, Ended, Traffic

CHECKS = tuple(Check(metric=name) for name in ("success", "tokens"))
PLAN = Plan(stages=tuple(Stage(name=str(s), share=BasisPoints(s), checks=CHECKS) for s in (500, 2500, 5000, 10_000)))


def test_every_size_asked_for_is_a_case_beside_no_change_and_the_recorded_candidate() -> None:
    """The report always starts with what the plan does when nothing changed."""
    made = synthetic(1)
    names = [case.name for case in cases(PLAN, made, made, metric="success", sizes=(1, 10), seed=1)]
    assert names == ["no change", "success 1 points worse", "success 10 points worse", "the recorded candidate"]


@pytest.mark.parametrize(("metric", "size"), [("success", 10.0), ("tokens", 100.0)])
def test_a_named_regression_is_found_and_blamed_on_its_metric(metric: str, size: float) -> None:
    """Ten points of success or twice the tokens: rolled back, and the culprit is the metric that was made worse."""
    _, worse = cases(PLAN, synthetic(1), None, metric=metric, sizes=(size,), seed=1)
    summed = forecast(*run_batch(Batch(PLAN, worse, Traffic(), range(10))))
    assert (summed.rolled_back, summed.culprits[0]) == (10, metric)


def test_a_metric_nobody_recorded_cannot_be_made_worse() -> None:
    """The error says what to do instead."""
    bare = Recorded([Observation(success=True)])
    with pytest.raises(UsageError, match="never recorded"):
        cases(PLAN, bare, None, metric="tokens", sizes=(10,), seed=1)
    with pytest.raises(UnknownName):
        cases(PLAN, bare, None, metric="vibes", sizes=(10,), seed=1)


def test_the_chance_of_a_rollback_comes_with_its_interval() -> None:
    """Two of a hundred is not 2 %: it is somewhere between half a per cent and seven."""
    ends = [End(Ended.ROLLED_BACK if i < 2 else Ended.PROMOTED, 100, 10, 1, 60.0) for i in range(100)]
    summed = forecast("x", ends)
    assert summed.rollback_low < 0.02 < summed.rollback_high < 0.08
    assert (summed.promoted, summed.rolled_back, summed.exposed.median) == (98, 2, 10)


def test_detection_is_of_those_rolled_back_alone_and_duration_of_those_promoted() -> None:
    """One rollback in an hour beside nine promotions in ten hours: noticed in one hour, at the price of that one."""
    back = End(Ended.ROLLED_BACK, 100, 10, 3, 3600.0)
    on = [End(Ended.PROMOTED, 900, 400, 20, 36_000.0) for _ in range(9)]
    summed = forecast("x", [*on, back, End(Ended.UNDECIDED, 5000, 2500, 99, 180_000.0)])
    assert summed.detection == Course(Spread(100, 100), Spread(1, 1), Spread(10, 10), Spread(3, 3))
    assert summed.promotion is not None
    assert (summed.promotion.hours, summed.promotion.requests) == (Spread(10, 10), Spread(900, 900))
    assert summed.hours == Spread(10, 10)


def test_what_never_came_took_no_time() -> None:
    """No rollback, no detection; no promotion, no duration: nothing, and not zero."""
    summed = forecast("x", [End(Ended.UNDECIDED, 100, 10, 1, 60.0)])
    assert (summed.detection, summed.promotion) == (None, None)


def test_a_forecast_of_nothing_is_an_error() -> None:
    """Zero rollouts forecast nothing."""
    with pytest.raises(ValueError, match="at least one"):
        forecast("x", [])
