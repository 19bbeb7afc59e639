"""The plan file: what it may say, and that every hole in it is named with its line."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.config.plan_calendar import FREEZE_KEYS
from surefoot.config.plan_checks import CHECK_KEYS
from surefoot.config.plan_stages import STAGE_KEYS
from surefoot.config.plans import PLAN_KEYS, TARGETING_KEYS, list_plans, load_plan, parse_plan
from surefoot.core.artifact.diff import RiskClass
from surefoot.core.traffic.calendar import FreezeWindow
from surefoot.core.traffic.plan import Check, Control, OnTimeout, Plan, Strategy, Targeting, UnitKind, flaw
from surefoot.core.traffic.presets import PRESETS, preset
from surefoot.errors import PlanError
from tests.docs.pages import REPOSITORY, blocks_of

PAGE = (REPOSITORY / "docs/plans.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in blocks_of(PAGE) if block.language == "yaml"]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"line {block.line}")
def test_every_example_of_the_page_is_a_plan(block):
    """What docs/plans.md shows can be copied."""
    assert parse_plan(block.code).plan.stages


def test_every_key_is_on_the_page():
    """A key that can be written is described in docs/plans.md."""
    keys = {*PLAN_KEYS, *CHECK_KEYS, *STAGE_KEYS, *FREEZE_KEYS, *TARGETING_KEYS}
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []


def test_every_field_of_a_plan_can_be_written():
    """The file can say whatever a plan can hold."""
    assert {field.name for field in fields(Plan)} <= set(PLAN_KEYS)
    assert {field.name for field in fields(Targeting)} == {*TARGETING_KEYS, "flag"}  # `cohort: {flag: NAME}`
    assert {field.name for field in fields(Check)} == set(CHECK_KEYS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_in_a_file_is_the_preset(name):
    """One line is a whole plan, and it is the same as in Python."""
    assert parse_plan(f"preset: {name}\n").plan == preset(name)


def test_a_preset_is_changed_field_by_field():
    """Shares, checks, single stages and all of them can be said differently; the nearest word wins."""
    plan = parse_plan(
        """
preset: canary
shares: [0.01%, 20%, 100%]
checks: [success, {metric: cost, tolerance: 10%, margin: 0.3, required: false}]
each_stage: {min_duration: 30m, max_duration: 24h, on_timeout: promote}
stages:
  20%: {min_duration: 1h, min_samples: 7, approval: true, checks: [safety]}
control: mirrored
unit: user
holdback: 5%
"""
    ).plan
    first, second, last = plan.stages
    assert (first.name, first.share, first.min_duration) == ("0.01%", 1, timedelta(minutes=30))
    assert first.checks == (Check(metric="success"), Check(metric="cost", tolerance=0.1, margin=0.3, required=False))
    assert (second.min_duration, second.max_duration) == (timedelta(hours=1), timedelta(hours=24))
    assert (second.min_samples, second.needs_approval, second.checks) == (7, True, (Check(metric="safety"),))
    assert (last.share, last.on_timeout) == (10_000, OnTimeout.PROMOTE)
    assert (plan.control, plan.unit, plan.holdback) == (Control.MIRRORED, UnitKind.USER, 500)


def test_stages_can_be_written_one_by_one():
    """A name comes from the share unless it is given, and checks from the plan."""
    plan = parse_plan(
        """
strategy: blue_green
checks: [success]
stages:
  - shadow: true
    min_samples: 5
  - share: 12.5%
  - {name: all, share: 100%, approval: true}
"""
    ).plan
    assert plan.strategy is Strategy.BLUE_GREEN
    assert [(stage.name, stage.share, stage.shadow) for stage in plan.stages] == [
        ("shadow", 0, True),
        ("12.5%", 1_250, False),
        ("all", 10_000, False),
    ]
    assert plan.stages[-1].needs_approval
    assert plan.stages[0].checks == (Check(metric="success"),)


def test_freeze_windows_are_read():
    """Weekdays may be ranges over the end of the week; hours and days are exact."""
    (window,) = parse_plan(
        "preset: canary\nfreeze:\n- name: w\n  zone: Europe/Berlin\n  weekdays: [sat-mon, wed]\n"
        '  from: "18:00"\n  to: "08:30"\n  first: 2026-12-20\n  last: 2027-01-06\n'
    ).plan.freeze
    assert window == FreezeWindow(
        name="w",
        zone="Europe/Berlin",
        weekdays=frozenset({5, 6, 0, 2}),
        start=time(18),
        end=time(8, 30),
        first=date(2026, 12, 20),
        last=date(2027, 1, 6),
    )


@pytest.mark.parametrize(
    ("rule", "risk", "asks"),
    [
        ("high", RiskClass.HIGH, ["1%"]),
        ("high", RiskClass.MEDIUM, []),
        ("high", None, ["1%"]),
        ("medium", RiskClass.MEDIUM, ["1%"]),
        ("low", RiskClass.LOW, ["1%"]),
    ],
)
def test_a_risky_change_waits_for_a_person(rule, risk, asks):
    """From the class on that the rule names, and when the class is not known, the first live stage needs a yes."""
    file = parse_plan(f"preset: shadow_first\napproval_if_risk: {rule}\n")
    plan = file.plan_for(risk)
    assert [stage.name for stage in plan.stages if stage.needs_approval] == asks
    assert bool(plan.notes) == bool(asks)
    assert parse_plan("preset: shadow_first\n").plan_for(risk) == file.plan


REFUSED = {
    "": ("1:1", "expected a mapping"),
    "preset: canari": ("1:9: preset", "'canari' is not one of"),
    "preset: canary\nfoo: 1": ("2:1: foo", "unknown key 'foo'"),
    "unit: user": ("1:1", "neither a preset nor stages"),
    "preset: canary\nstrategy: canary": ("2:11: strategy", "its own strategy"),
    "preset: canary\nunit: person": ("2:7: unit", "'person' is not one of"),
    # shares
    "preset: canary\nshares: [5%, 1%, 100%]": ("2:14: shares[1]", "shrinks from 5% to 1%"),
    "preset: canary\nshares: [5%, 50%]": ("2:14: shares[1]", "does not take all traffic"),
    "preset: canary\nshares: [5, 100%]": ("2:10: shares[0]", "expected a share"),
    "preset: canary\nshares: [0.001%, 100%]": ("2:10: shares[0]", "finer than 0.01 %"),
    "preset: canary\nshares: [5%, 101%]": ("2:14: shares[1]", "more than all traffic"),
    "preset: canary\nshares: [5%, 5%, 100%]": ("2:14: shares[1]", "two stages are called '5%'"),
    "preset: experiment\nshares: [100%]": ("2:10: shares[0]", "nobody is left to compare with"),
    "preset: experiment\nshares: [10%, 30%]": ("2:15: shares[1]", "share is fixed"),
    "preset: canary\ntargeting: {tenants: []}": ("2:22: targeting.tenants", "at least 1"),
    "preset: canary\nshares: []": ("2:9: shares", "at least 1"),
    "checks: [success]\nstages: [{share: 5%}, {share: 100%}]\nshares: [5%]": ("3:9: shares", "shares are for presets"),
    # stages
    "stages: [{share: 5%}, {share: 100%}]": ("1:10: stages[0]", "this stage checks nothing"),
    "checks: []\nstages: [{share: 100%}]": ("1:9: checks", "at least 1"),
    "checks: [success]\nstages: []": ("2:9: stages", "at least 1"),
    "checks: [success]\nstages:\n- share: 5%\n- share: 2%": ("4:10: stages[1].share", "shrinks"),
    "checks: [success]\nstages:\n- share: 5%": ("3:10: stages[0].share", "does not take all traffic"),
    "checks: [success]\nstages:\n- min_samples: 5": ("3:3: stages[0]", "'share' is missing"),
    "checks: [success]\nstages:\n- share: 0%\n- share: 100%": ("3:10: stages[0].share", "can never end"),
    "checks: [success]\nstages:\n- {shadow: true, share: 1%}\n- share: 100%": ("3:25", "answers nobody"),
    "checks: [success]\nstages:\n- {name: a, share: 1%}\n- {name: a, share: 100%}": ("4:3: stages[1]", "called 'a'"),
    "checks: [success]\nstages:\n- {share: 1%, min_duration: 2h, max_duration: 1h}\n- share: 100%": (
        "3:47: stages[0].max_duration",
        "below min_duration",
    ),
    "checks: [success]\nstages:\n- {share: 1%, on_timeout: hold}\n- share: 100%": ("3:27", "never runs out of time"),
    "checks: [success]\nstages:\n- {share: 1%, min_samples: 0}\n- share: 100%": ("3:28", "less than 1"),
    "checks: [success]\nstages:\n- {share: 1%, min_duration: 30}\n- share: 100%": ("3:29", "span of time"),
    "checks: [{metric: cost, required: false}]\nstages:\n- share: 1%\n- share: 100%": (
        "3:3: stages[0]",
        "requires no proof",
    ),
    "checks: [cost]\nstages:\n- shadow: true\n- share: 100%": ("3:3: stages[0]", "requires no outcome"),
    "preset: canary\nstages: [{share: 5%}]": ("2:9: stages", "changed by name"),
    "preset: canary\nstages: {6%: {approval: true}}": ("2:10: stages.6%", "unknown key '6%'"),
    "preset: canary\nstages: {5%: {share: 6%}}": ("2:15: stages.5%.share", "unknown key 'share'"),
    "preset: canary\neach_stage: {share: 6%}": ("2:14: each_stage.share", "unknown key 'share'"),
    # checks
    "preset: canary\nchecks: [sucess]": ("2:10: checks[0]", "'sucess' is not one of"),
    "preset: canary\nchecks: [success, success]": ("2:19: checks[1]", "checked twice"),
    "preset: canary\nchecks:\n- {metric: success, margin: 0}": ("3:29: checks[0].margin", "can never be proven"),
    "preset: canary\nchecks:\n- {metric: success, margin: 150%}": ("3:29: checks[0].margin", "margin is 1.5"),
    "preset: canary\nchecks:\n- {metric: success, margin: -0.1}": ("3:29: checks[0].margin", "less than 0"),
    "preset: canary\nchecks:\n- {metric: success, limit: lots}": ("3:28: checks[0].limit", "expected a fraction"),
    "preset: canary\nchecks:\n- {metric: success, margin: null}": ("3:29: checks[0].margin", "expected a fraction"),
    "preset: canary\neach_stage: {min_duration: null}": ("2:28: each_stage.min_duration", "expected a span of time"),
    "preset: canary\nholdback: null": ("2:11: holdback", "expected a share of traffic"),
    "preset: canary\nchecks:\n- {metric: success, margin: .nan}": ("3:29: checks[0].margin", "finite"),
    "preset: canary\nchecks:\n- {metric: success, max_count: 1.5}": ("3:32", "whole number"),
    "preset: canary\nchecks:\n- {metric: success, weight: 0}": ("3:29: checks[0].weight", "never stop anything"),
    "preset: canary\nchecks:\n- metric: cost\n  max_count: 3": ("4:14: checks[0].max_count", "no single run is bad"),
    "preset: canary\nchecks:\n- metric: latency_p95\n  max_count: 0": ("4:14: checks[0].max_count", "no single run"),
    "preset: canary\nchecks:\n- metric: tokens\n  limit: 0": ("4:10: checks[0].limit", "cannot be tested"),
    "preset: canary\nchecks:\n- {margin: 1%}": ("3:3: checks[0]", "'metric' is missing"),
    "preset: canary\nchecks:\n- {metric: success, max: 1}": ("3:21: checks[0].max", "unknown key"),
    # approvals and freezes
    "preset: canary\napprovals: [30%]": ("2:13: approvals[0]", "no stage is called '30%'"),
    "preset: canary\napproval_if_risk: severe": ("2:19: approval_if_risk", "'severe' is not one of"),
    "preset: canary\nfreeze: [{name: w}]": ("2:10: freeze[0]", "freezes for ever"),
    "preset: canary\nfreeze: [{name: w, weekdays: [fry]}]": ("2:31: freeze[0].weekdays[0]", "no weekday"),
    "preset: canary\nfreeze: [{name: w, zone: Europe/Berlni, weekdays: [fri]}]": ("2:26", "unknown time zone"),
    "preset: canary\nfreeze: [{name: w, zone: ../etc, weekdays: [fri]}]": ("2:26", "unknown time zone"),
    'preset: canary\nfreeze: [{name: w, from: "18:00"}]': ("2:26: freeze[0].from", "both ends"),
    'preset: canary\nfreeze: [{name: w, from: "8:00", to: "9:00"}]': ("2:26: freeze[0].from", "time of day"),
    'preset: canary\nfreeze: [{name: w, from: "08:00", to: "08:00"}]': ("2:39", "end as they begin"),
    "preset: canary\nfreeze: [{name: w, first: 2026-02-30}]": ("2:27: freeze[0].first", "expected a day"),
    "preset: canary\nfreeze: [{name: w, first: 2026-02-02, last: 2026-02-01}]": ("2:45", "ends before it begins"),
    "preset: canary\nfreeze: [{weekdays: [fri]}]": ("2:10: freeze[0]", "'name' is missing"),
    "preset: canary\nfreeze: [{name: w, weekdays: [fri]}, {name: w, weekdays: [sat]}]": ("2:38", "two windows"),
    # the rest
    "preset: canary\nchecks:\n- {metric: cost, limit: 5%}": ("3:25: checks[0].limit", "cannot limit cost"),
    "preset: canary\nchecks:\n- {metric: quality_score, limit: 5 %}": ("3:34: checks[0].limit", "which is an amount"),
    "preset: canary\nsession_idle: 0s": ("2:15: session_idle", "each request would count as a session"),
    "preset: canary\nunit: user\nsession_idle: 999ms": ("3:15: session_idle", "each request would count as a user"),
    "preset: canary\nno_traffic_after: 0s": ("2:19: no_traffic_after", "taken for one without"),
    "preset: canary\nno_traffic_after: 14m": ("2:19: no_traffic_after", "taken for one without"),
    "preset: canary\nstages:\n  5%: {checks: [{metric: success, tolerance: 1%}]}": (
        "3:7: stages.5%",
        "stage '5%' tolerates 0.01 of success, but stage '1%' before it 0",
    ),
    "preset: canary\nalpha: 1": ("2:8: alpha", "no probability"),
    "preset: canary\nholdback: 100%": ("2:11: holdback", "keep everybody"),
    "preset: canary\nshadow_sample: 0%": ("2:16: shadow_sample", "mirrors nobody"),
    "preset: canary\nkeep_warm: soon": ("2:12: keep_warm", "span of time"),
    "preset: canary\ntargeting: {allow: [a], deny: [b, a]}": ("2:35: targeting.deny[1]", "allowed and denied"),
    "preset: canary\ntargeting: {tenant: a}": ("2:13: targeting.tenant", "unknown key 'tenant'"),
    "preset: canary\ntargeting: {tenants: [a, a]}": ("2:26: targeting.tenants[1]", "listed twice"),
    "preset: canary\ntargeting: {cohort: beta}": ("2:21: targeting.cohort", "assigned by somebody else"),
    "preset: experiment\ncontrol: mirrored\ntargeting: {cohort: beta}": ("3:21: targeting.cohort", "no mirror"),
    "preset: canary\ntargeting: {cohort: {flag: new}}": ("2:21: targeting.cohort", "assigned by somebody else"),
    "preset: experiment\ntargeting: {cohort: {}}": ("2:21: targeting.cohort", "'flag' is missing"),
    "preset: experiment\ntargeting: {cohort: {flg: a}}": ("2:22: targeting.cohort.flg", "unknown key"),
    "preset: experiment\ntargeting: {cohort: {flag: 7}}": ("2:28: targeting.cohort.flag", "expected text"),
    "preset: experiment\ntargeting: {segments: [a], cohort: {flag: f}}": ("2:23: targeting.segments", "knows the"),
    "preset: canary\npreset: canary": ("2:1: preset", "written twice"),
    "preset: [canary": ("2:1", "no YAML"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_hole_is_named_with_its_place(text):
    """A plan that cannot work is refused with file, line, column, key and a hint."""
    place, why = REFUSED[text]
    with pytest.raises(PlanError) as refused:
        parse_plan(text + "\n" if text else text, source="rollouts/a.yaml")
    assert refused.value.message.startswith(f"rollouts/a.yaml:{place}"), refused.value.message
    assert why in refused.value.message
    assert refused.value.hint


def test_what_counts_requests_needs_no_idle_time():
    """With `unit: request` nothing waits for a session to end; and the least values are accepted."""
    assert parse_plan("preset: canary\nunit: request\nsession_idle: 0s\n").plan.session_idle == timedelta(0)
    plan = parse_plan("preset: canary\nsession_idle: 1s\nno_traffic_after: 15m\n").plan
    assert flaw(plan) is None


def test_a_tolerance_may_be_written_in_every_stage_if_it_is_the_same():
    """What is refused is that one stage's tolerance would silently hold for another."""
    checks = "[{metric: success, tolerance: 1%}]"
    text = f"preset: canary\nchecks: {checks}\nstages:\n  5%: {{checks: {checks}}}\n"
    assert parse_plan(text).plan.stages[1].checks[0].tolerance == 0.01


def test_a_plan_of_an_older_release_can_still_be_held():
    """Stored rollouts may hold what no new rollout is started with: reading them must not fail."""
    assert flaw(replace(preset("canary"), session_idle=timedelta(0))) is not None


words = st.sampled_from(["canary", "5%", "100%", "success", "30m", "true", "0", "-1", "null", "[]", "{}", "x", "1e999"])
values = st.one_of(
    words, words.map("[{}]".format), words.map("{{share: {}}}".format), words.map("[{{name: {}}}]".format)
)


@given(st.dictionaries(st.sampled_from(PLAN_KEYS), values, max_size=6), st.booleans())
@settings(max_examples=200)
def test_any_file_is_a_plan_or_an_error(keys, with_preset):
    """Whatever the keys say, the answer is a valid plan or a PlanError with a hint, never anything else."""
    if with_preset:
        keys["preset"] = "canary"
    text = "".join(f"{key}: {value}\n" for key, value in keys.items())
    refusal = None
    try:
        assert parse_plan(text).plan.stages
    except PlanError as refused:
        refusal = refused
    assert refusal is None or (refusal.hint and refusal.message.startswith("plan.yaml:"))


def test_a_cohort_is_a_segment_or_a_flag():
    """By its name alone it is a segment of the requests; said to be one, a flag."""
    by_segment = parse_plan("preset: experiment\ntargeting: {cohort: new}\n").plan.targeting
    by_flag = parse_plan("preset: experiment\ntargeting: {tenants: [a], cohort: {flag: new}}\n").plan.targeting
    assert by_segment == Targeting(cohort="new")
    assert by_flag == Targeting(tenants=frozenset("a"), cohort="new", flag=True)


def test_plans_are_found_by_agent(tmp_path):
    """The plan of an agent is `rollouts/<agent>.yaml`; none, two, or a path is an error that lists what there is."""
    folder = tmp_path / "rollouts"
    with pytest.raises(PlanError, match="no plan for agent 'a'"):
        load_plan(tmp_path, "a")
    folder.mkdir()
    (folder / "a.yaml").write_text("preset: manual\n")
    (folder / "b.yml").write_text("preset: canary\nfoo: 1\n")
    assert list_plans(tmp_path) == ("a", "b")
    assert load_plan(tmp_path, "a").plan == preset("manual")
    with pytest.raises(PlanError, match=r"^rollouts/b\.yml:2:1: foo"):
        load_plan(tmp_path, "b")
    for name in ("c", "../rollouts/a", "rollouts/a", ""):
        with pytest.raises(PlanError) as refused:
            load_plan(tmp_path, name)
        assert "a, b" in refused.value.hint
    (folder / "a.yml").write_text("preset: manual\n")
    with pytest.raises(PlanError, match="there is also"):
        load_plan(tmp_path, "a")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("success", {"weight": 0.0}),
        *((metric, {"max_count": 0}) for metric in ("cost", "latency_p95", "quality_score")),
        *((metric, {"limit": 0.0}) for metric in ("cost", "tokens", "quality_score")),
    ],
)
def test_a_check_that_could_never_act_is_refused_in_python_too(metric, said):
    """Given something that looks like protection and is none, then no plan can hold it."""
    with pytest.raises(PlanError) as refused:
        Check(metric=metric, **said)
    assert refused.value.hint
