"""The usual plans by name, and what no plan may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.traffic.plan import Check, Control, Plan, Stage, Strategy, Targeting
from surefoot.core.traffic.presets import (
    DEFAULT_CHECKS,
    PRESETS,
    blue_green,
    canary,
    experiment,
    manual,
    preset,
    share_text,
)
from surefoot.errors import PlanError, UnknownName

CHECKS = (Check(metric="success"),)


def shape(plan):
    """Shares in percent, and what is special about a stage."""
    return [
        (stage.share / 100, "shadow" if stage.shadow else "approval" if stage.needs_approval else "")
        for stage in plan.stages
    ]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("canary", [(1, ""), (5, ""), (25, ""), (50, ""), (100, "")]),
        ("blue_green", [(0, "shadow"), (10, ""), (50, ""), (100, "")]),
        ("manual", [(100, "approval")]),
        ("shadow_first", [(0, "shadow"), (1, ""), (5, ""), (25, ""), (50, ""), (100, "")]),
        ("experiment", [(50, "")]),
    ],
)
def test_each_preset_has_its_stages(name, stages):
    """A preset is the plan of the strategy of its name."""
    assert shape(preset(name)) == stages
    assert preset(name).strategy == name


def test_presets_take_other_shares():
    """Any preset can be given its live shares; a manual one asks before each."""
    assert shape(canary((1, 300, 10_000))) == [(0.01, ""), (3, ""), (100, "")]
    assert shape(manual((1_000, 10_000))) == [(10, "approval"), (100, "approval")]
    assert shape(blue_green((10_000,))) == [(0, "shadow"), (100, "")]
    assert shape(experiment((100,))) == [(1, "")]


def test_blue_green_keeps_the_old_version_warm():
    """The way back stays open for longer than after a canary."""
    assert blue_green().keep_warm > canary().keep_warm


def test_the_default_checks_demand_success_and_watch_harm():
    """Success has to be proven; one unsafe run is enough to act on."""
    assert [check.metric for check in DEFAULT_CHECKS if check.required] == ["success"]
    assert {check.metric for check in DEFAULT_CHECKS} >= {"success", "safety", "policy"}
    assert [check.metric for check in DEFAULT_CHECKS if check.zero_tolerance] == ["safety"]


def test_an_unknown_preset_is_refused():
    """A wrong name is an error that lists the right ones."""
    with pytest.raises(UnknownName) as refused:
        preset("canari")
    assert all(name in refused.value.hint for name in PRESETS)


@given(st.integers(0, 10_000))
def test_shares_are_written_as_people_write_them(points):
    """The text of a share is its percentage without a superfluous digit."""
    text = share_text(points)
    assert float(text.removesuffix("%")) == points / 100
    assert not text.endswith(("0%", ".%")) or points % 1_000 == 0 or points % 100 == 0


STAGE = Stage(name="5%", share=500, checks=CHECKS)
ALL = Stage(name="100%", share=10_000, checks=CHECKS)
PLAN = Plan(stages=(STAGE, ALL))


@pytest.mark.parametrize(
    "change",
    [
        {"min_samples": 0},
        {"min_duration": timedelta(seconds=-1)},
        {"max_duration": timedelta(0)},
        {"min_duration": timedelta(hours=2), "max_duration": timedelta(hours=1)},
        {"checks": CHECKS + CHECKS},
    ],
)
def test_a_stage_that_cannot_be_is_refused(change):
    """A stage has samples to wait for, time to pass, and one check a metric."""
    with pytest.raises(PlanError):
        replace(STAGE, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"stages": ()},
        {"stages": (ALL, STAGE)},
        {"stages": (STAGE,)},
        {"stages": (STAGE, replace(STAGE, share=600), ALL)},
        {"stages": (replace(STAGE, checks=()), ALL)},
        {"stages": (replace(STAGE, shadow=True), ALL)},
        {"stages": (STAGE, replace(ALL, share=10_001))},
        {"holdback": 10_000},
        {"alpha": 0.0},
        {"alpha_promote": float("nan")},
        {"targeting": Targeting(allow=frozenset("ab"), deny=frozenset("bc"))},
        {"targeting": Targeting(cohort="beta"), "control": Control.MIRRORED},
        {"targeting": Targeting(cohort="beta", flag=True, segments=frozenset({"gold"}))},
        {"targeting": Targeting(flag=True)},
    ],
)
def test_a_plan_with_a_hole_is_refused(change):
    """A plan has stages that grow to all traffic, each checked, and says nothing that contradicts itself."""
    with pytest.raises(PlanError) as refused:
        replace(PLAN, **change)
    assert refused.value.hint


def test_only_an_experiment_may_end_early():
    """Fixed shares below 100 % are for comparing, not for replacing."""
    assert replace(PLAN, strategy=Strategy.EXPERIMENT, stages=(STAGE,)).share_after(0) == 500
