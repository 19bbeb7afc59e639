"""What the gate lets through, what it blocks, and everything on which it refuses to decide."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.baseline import COUNTS_SUITE, plain_column
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import (
    Amount,
    BudgetGate,
    Gates,
    InvariantGate,
    On,
    Operator,
    RegressionGate,
    RuleGate,
    SimpleRule,
    SuiteGate,
    Test,
    ThresholdGate,
    default_gates,
)
from surefoot.core.proof.gating import Conduct, FreshTrials, rule
from surefoot.core.proof.regression import Quarantined, retrials
from surefoot.core.proof.table import Column, Sample, ScoreTable
from surefoot.errors import GateError
from tests.core.proof.tables import SUITE, amounts, rate, table, version

PASSED, FAILED, UNDECIDED = Decision.PASSED, Decision.FAILED, Decision.UNDECIDED
FLOOR = ThresholdGate(name="floor", metric="exact", operator=Operator.AT_LEAST, threshold=0.8)
NO_WORSE = RegressionGate(name="no worse", metric="exact")
NEVER = InvariantGate(name="never", metric="pii_leak")
ALL_PASS = SuiteGate(name="all", metric="exact")
CHEAP = BudgetGate(name="cheap", metric="cost_usd", limit=0.10)
DROP = RuleGate(name="drop", metric="exact", rule=SimpleRule.MEAN_DROP, limit=0.05)
COUNTED = RuleGate(name="counted", metric="exact", rule=SimpleRule.DEGRADED_CASES, limit=5)
GOOD = rate([1] * 60)
MIXED = rate([1, 1, 1, 0] * 15)
EVERY_GATE = (FLOOR, NO_WORSE, NEVER, ALL_PASS, CHEAP, DROP, COUNTED)


def said(gate, candidate, baseline=None, **more):
    """One gate's ruling."""
    report = rule(Gates(gates=(gate,)), candidate, baseline, **more)
    assert report.exit_code == {PASSED: 0, FAILED: 1, UNDECIDED: 2}[report.decision]
    return report.rulings[-1]


@pytest.mark.parametrize("gate", EVERY_GATE, ids=lambda gate: gate.name)
@pytest.mark.parametrize(
    "column",
    [None, Column(samples={}, is_rate=False), rate([1] * 30, errors=range(30)), amounts([None] * 30)],
    ids=["not measured", "no cases", "all errors", "all skipped"],
)
def test_nothing_executed_is_never_a_pass(gate, column):
    """No cases, only errors, only skipped trials or no such metric: not decided, whatever the gate."""
    columns = {} if column is None else {gate.metric: column}
    baseline = table("b", exact=GOOD, pii_leak=GOOD, cost_usd=amounts([0.01] * 60))
    assert said(gate, table("c", **columns), baseline).decision is UNDECIDED


@pytest.mark.parametrize("gate", [NO_WORSE, DROP, COUNTED], ids=lambda gate: gate.name)
def test_nothing_to_compare_with(gate):
    """Without a baseline, with one of other cases, of another judge or without the metric, nothing is decided."""
    new = table("c", exact=rate([1] * 60, judges=("j1",)))
    for old in (
        None,
        table("b", exact=GOOD, suite="other@sha256:1"),
        table("b", exact=rate([1] * 60, judges=("j2",))),
        table("b", other=GOOD),
        table("b", exact=amounts([0.5] * 60)),
    ):
        ruling = said(gate, new, old)
        assert ruling.decision is UNDECIDED
        assert ruling.reason


@pytest.mark.parametrize(
    ("passed", "n", "decision"),
    [(49, 50, PASSED), (45, 50, PASSED), (42, 50, UNDECIDED), (38, 50, FAILED), (0, 5, FAILED), (5, 5, UNDECIDED)],
)
def test_floor_looks_at_the_bound(passed, n, decision):
    """Proven passes, a missed mean fails, and a mean that only looks good is not decided; five cases prove no good."""
    ruling = said(FLOOR, table("c", exact=rate([1] * passed + [0] * (n - passed))))
    assert ruling.decision is decision
    assert ruling.bound is not None
    assert ruling.bound <= (ruling.candidate or 0.0)


def test_limit_on_harm_uses_the_exact_bound():
    """None of 60 attacks is at most 4.9 %, which a limit of 5 % lets through and one of 4 % does not."""
    gate = replace(FLOOR, operator=Operator.AT_MOST, threshold=0.05)
    assert said(gate, table("c", exact=rate([0] * 60))).decision is PASSED
    assert said(replace(gate, threshold=0.04), table("c", exact=rate([0] * 60))).decision is UNDECIDED


def test_trials_of_a_case_are_not_cases():
    """Ten trials of each of twelve cases that always agree prove no more than twelve cases."""
    once, tenfold = (said(FLOOR, table("c", exact=rate([k * n for k in [1] * 12], n=n))) for n in (1, 10))
    assert once.bound == tenfold.bound
    assert (once.n, tenfold.n) == (12, 12)


def test_threshold_on_the_mean_says_how_often_it_is_wrong():
    """A mean right at its threshold is a coin, and the ruling says so."""
    ruling = said(replace(FLOOR, on=On.MEAN, threshold=0.75), table("c", exact=MIXED))
    assert ruling.decision is PASSED
    assert 0.3 < (ruling.false_alarms or 0.0) < 0.6


def test_amounts_have_students_bound():
    """A threshold on a value is held against the bound of its mean."""
    gate = replace(FLOOR, metric="quality", threshold=3.0)
    assert said(gate, table("c", quality=amounts([4.0, 3.5, 4.5] * 10))).decision is PASSED
    assert said(gate, table("c", quality=amounts([1.0, 5.1] * 10))).decision is UNDECIDED
    assert said(gate, table("c", quality=amounts([2.0, 2.5] * 10))).decision is FAILED


def test_suite_gate_counts_cases():
    """One case that failed one of three trials fails a suite; allowed once, it passes; an error is no pass."""
    column = rate([3] * 20 + [2], n=3)
    ruling = said(ALL_PASS, table("c", exact=column))
    assert (ruling.decision, ruling.cases) == (FAILED, ("c20",))
    assert said(replace(ALL_PASS, max_failed=1), table("c", exact=column)).decision is PASSED
    assert said(ALL_PASS, table("c", exact=rate([1] * 21, errors=[20]))).decision is UNDECIDED


def test_invariant_tolerates_nothing():
    """One leak in a thousand trials fails; none passes with what it still allows; one lost trial leaves it open."""
    assert said(NEVER, table("c", pii_leak=rate([5] * 199 + [4], n=5))).cases == ("c199",)
    clean = said(NEVER, table("c", pii_leak=rate([1] * 40)))
    assert clean.decision is PASSED
    assert clean.bound == pytest.approx(0.072, abs=5e-4)
    assert said(NEVER, table("c", pii_leak=rate([1] * 40, errors=[3]))).decision is UNDECIDED
    assert said(NEVER, table("c", pii_leak=amounts([0.0] * 40))).decision is UNDECIDED


def test_invariant_does_not_look_at_quarantine():
    """A case in quarantine that leaks still leaks."""
    held = [Quarantined(case="c0", until=date(2026, 3, 1), reason="flaky")]
    ruling = said(NEVER, table("c", pii_leak=rate([0] + [1] * 39)), quarantine=held, today=date(2026, 2, 1))
    assert ruling.decision is FAILED


@pytest.mark.parametrize(
    ("of", "limit", "decision"),
    [
        (Amount.MEAN, 0.10, PASSED),
        (Amount.MEAN, 0.02, FAILED),
        (Amount.EACH, 0.10, PASSED),
        (Amount.EACH, 0.05, FAILED),
        (Amount.TOTAL, 2.0, PASSED),
        (Amount.TOTAL, 1.0, FAILED),
    ],
)
def test_budget_amounts(of, limit, decision):
    """A budget is for the mean, for the dearest case, or for all of them together."""
    costs = amounts([0.02] * 19 + [0.08] * 11)
    assert said(replace(CHEAP, of=of, limit=limit), table("c", cost_usd=costs)).decision is decision


def test_unknown_cost_is_not_free():
    """A case without a price leaves a budget undecided, unless what is known is already too much."""
    costs = table("c", cost_usd=amounts([0.02] * 19 + [None]))
    assert said(CHEAP, costs).decision is UNDECIDED
    assert said(replace(CHEAP, of=Amount.TOTAL, limit=0.1), costs).decision is FAILED


def test_budget_against_the_baseline():
    """A quarter more tokens fails a budget of ten percent more, five percent passes, a few cases decide nothing."""
    gate = BudgetGate(name="tokens", metric="tokens", max_increase=0.10)
    old = [900.0 + 10 * place for place in range(30)]
    before = table("b", tokens=amounts(old))
    assert said(gate, table("c", tokens=amounts([1.25 * value for value in old])), before).decision is FAILED
    assert said(gate, table("c", tokens=amounts([1.05 * value for value in old])), before).decision is PASSED
    assert said(gate, table("c", tokens=amounts([1.25 * value for value in old[:5]])), before).decision is UNDECIDED
    assert said(gate, table("c", tokens=amounts(old))).decision is UNDECIDED


@pytest.mark.parametrize("most", [0.0, 0.25])
def test_a_budget_of_the_baseline_blocks_no_noise(most):
    """The same costs drawn twice are blocked in at most 6 % and never left open; half as much again is found."""
    gate, chance = BudgetGate(name="tokens", metric="tokens", max_increase=most), random.Random(7)

    def drawn(digit: str, factor: float = 1.0) -> ScoreTable:
        return table(digit, tokens=amounts([factor * chance.lognormvariate(size, 0.5) for size in sizes]))

    found: list[Decision] = []
    dear: list[Decision] = []
    for _ in range(1_000):
        sizes = [chance.gauss(7.0, 0.5) for _ in range(40)]
        found.append(said(gate, drawn("c"), drawn("b"), shuffles=0).decision)
        dear.append(said(gate, drawn("c", 2.2), drawn("b"), shuffles=0).decision)
    assert UNDECIDED not in found
    assert found.count(FAILED) / len(found) <= 0.06
    assert dear.count(FAILED) / len(dear) >= 0.8


def test_a_budget_says_what_it_could_have_shown():
    """A mean above the limit that chance explains passes, with the increase it would find and its false alarms."""
    old = [1000.0] * 30
    noisy = [1000.0 + (900.0 if at % 3 == 0 else -350.0) for at in range(30)]
    gate = BudgetGate(name="tokens", metric="tokens", max_increase=0.05)
    ruling = said(gate, table("c", tokens=amounts(noisy)), table("b", tokens=amounts(old)))
    assert ruling.decision is PASSED
    assert "not shown to cost more than +5.0 %; so many cases would show +" in ruling.reason
    assert 0.0 <= (ruling.false_alarms or 0.0) <= 0.1
    assert ruling.false_alarms is not None


def test_regression_is_found_and_named():
    """A fifth of the cases breaking fails, with the p-value, the smallest drop and the cases that broke."""
    ruling = said(NO_WORSE, table("c", exact=rate([0] * 12 + [1] * 48)), table("b", exact=GOOD))
    assert ruling.decision is FAILED
    assert ruling.cases == tuple(f"c{place}" for place in range(12))
    assert (ruling.p_value or 1.0) < 0.001
    assert ruling.smallest_drop is not None


@pytest.mark.parametrize("test", Test)
def test_version_against_itself_has_nothing_to_report(test):
    """Equal results pass, and the ruling still says what drop it could have seen."""
    ruling = said(replace(NO_WORSE, test=test), table("b", exact=MIXED), table("b", exact=MIXED))
    assert (ruling.decision, ruling.cases, ruling.p_value) == (PASSED, (), 1.0)
    assert 0.0 < (ruling.smallest_drop or 0.0) < 0.5


def test_proof_of_no_loss_is_asked_for_by_name():
    """`prove_within` passes what is shown not to be worse by more; sixty equal cases do not show half a percent."""
    same = table("b", exact=GOOD)
    assert said(replace(NO_WORSE, prove_within=0.10), same, same).decision is PASSED
    assert said(replace(NO_WORSE, prove_within=0.005), same, same).decision is UNDECIDED


def test_less_is_better_turns_the_test():
    """More tokens are worse and fewer are not."""
    old = [900.0 + 10 * (place % 7) for place in range(30)]
    gate = default_gates(["tokens"]).gates[0]
    more, less = (table("c", tokens=amounts([factor * v + v % 3 for v in old])) for factor in (1.2, 0.8))
    assert said(gate, more, table("b", tokens=amounts(old))).decision is FAILED
    assert said(gate, less, table("b", tokens=amounts(old))).decision is PASSED


def test_missing_case_is_not_a_pass():
    """A baseline's case that did not run leaves the comparison open and is named."""
    ruling = said(NO_WORSE, table("c", exact=rate([1] * 59)), table("b", exact=GOOD))
    assert (ruling.decision, ruling.cases) == (UNDECIDED, ("c59",))


@pytest.mark.parametrize("gate", [NO_WORSE, FLOOR, replace(NEVER, metric="exact"), ALL_PASS, DROP, COUNTED])
def test_skipped_trials_make_nothing_green(gate):
    """Cases that the baseline scored and that were only skipped now are missing, whatever the gate."""
    new = rate([1] * 60)
    lost = {case: Sample(skipped=1) if int(case[1:]) < 20 else one for case, one in new.samples.items()}
    ruling = said(gate, table("c", exact=replace(new, samples=lost)), table("b", exact=rate([0] * 2 + [1] * 58)))
    assert ruling.decision is UNDECIDED
    assert "20 cases" in ruling.reason


def test_trials_skipped_of_scored_cases_have_a_limit():
    """One trial in five skipped of cases that others scored passes nothing; what no trial scored is not asked."""

    def column(skipped: int, other: int = 0) -> Column:
        half = {f"c{at}": Sample(n=5 - skipped, total=5.0 - skipped, skipped=skipped) for at in range(40)}
        return Column(samples=half | {f"d{at}": Sample(skipped=5) for at in range(other)}, is_rate=True)

    for gate in (FLOOR, ALL_PASS, replace(NEVER, metric="exact")):
        assert said(gate, table("c", exact=column(1))).decision is UNDECIDED
        assert said(gate, table("c", exact=column(0, other=40))).decision is PASSED


def test_too_few_is_undecided_whatever_the_gate():
    """Five cases, or five trials of which only totals are known, pass no gate, and still fail what they break."""
    five = plain_column(Sample(n=5, total=5.0, squares=5.0), is_rate=True)
    counted = ScoreTable(suite=COUNTS_SUITE, version=version("c"), columns={"exact": five})
    for gate in (replace(FLOOR, on=On.MEAN), ALL_PASS, replace(NEVER, metric="exact")):
        assert said(gate, table("c", exact=rate([1] * 5))).decision is UNDECIDED
        assert "too few" in said(gate, counted).reason
        assert said(gate, table("c", exact=rate([1, 0, 0, 0, 0]))).decision is FAILED
    few, old = table("c", cost_usd=amounts([0.01] * 5)), table("b", cost_usd=amounts([0.01] * 5))
    for gate in (CHEAP, replace(CHEAP, limit=None, max_increase=0.1)):
        assert said(gate, few, old).decision is UNDECIDED
    assert said(CHEAP, table("c", cost_usd=amounts([0.2] * 5))).decision is FAILED


def test_errors_that_could_hide_a_regression_leave_it_open():
    """Four lost cases of sixty matter beside two that fell, and too many lost ones decide nothing by themselves."""
    before = table("b", exact=GOOD)
    assert said(NO_WORSE, table("c", exact=rate([1] * 60, errors=[7])), before).decision is PASSED
    lost = rate([0, 0] + [1] * 58, errors=[7, 8, 9, 10])
    assert said(NO_WORSE, table("c", exact=lost), before).decision is UNDECIDED
    assert said(NO_WORSE, table("c", exact=rate([1] * 60, errors=range(10))), before).decision is UNDECIDED


def test_too_few_cases_decide_nothing():
    """Nine cases are too few even if all of them broke; the number is the file's."""
    new, old = table("c", exact=rate([0] * 9)), table("b", exact=rate([1] * 9))
    assert said(NO_WORSE, new, old).decision is UNDECIDED
    assert rule(Gates(gates=(NO_WORSE,), min_cases=9), new, old).decision is FAILED


def test_many_metrics_share_one_false_alarm_rate():
    """What alone would fail does not among ten blocking metrics (Holm); a metric that only watches takes no share."""
    gates = tuple(RegressionGate(name=f"m{place}", metric=f"m{place}") for place in range(10))
    fell, same = rate([0] * 4 + [1] * 56), GOOD
    old = table("b", **{gate.name: same for gate in gates})
    new = table("c", **{gate.name: fell if gate.name == "m0" else same for gate in gates})
    assert said(gates[0], new, old).decision is FAILED
    assert rule(Gates(gates=gates), new, old).decision is PASSED
    watching = tuple(gate if gate.name == "m0" else replace(gate, is_blocking=False) for gate in gates)
    assert rule(Gates(gates=watching), new, old).decision is FAILED


@pytest.mark.parametrize(("gate", "least"), [(DROP, 0.05), (COUNTED, 0.3)], ids=["drop", "counted"])
def test_simple_rule_shows_its_false_alarms(gate, least):
    """A named rule decides as it is written, and beside it stands how often it blocks what did not change."""
    old, new = rate([1, 1, 0, 1] * 15), rate([1, 0, 1, 1] * 15)
    ruling = said(gate, table("c", exact=new), table("b", exact=old))
    assert ruling.kind == "rule"
    assert (ruling.false_alarms or 0.0) >= least
    assert "unchanged version" in ruling.reason
    assert ruling.decision is (FAILED if gate is COUNTED else PASSED)


@pytest.mark.parametrize(
    ("passes", "words"),
    [([1] * 20, "rose by 0.3"), ([1] * 14 + [0] * 6, "did not change"), ([1] * 11 + [0] * 9, "fell by 0.15")],
)
def test_a_rule_says_which_way_the_mean_went(passes, words):
    """A rise is no fall of less than nothing, and no change is not a fall of minus zero."""
    ruling = said(DROP, table("c", exact=rate(passes)), table("b", exact=rate([1] * 14 + [0] * 6)))
    assert f"the mean {words}, a drop of at most 0.05 is allowed" in ruling.reason


def test_a_p_value_says_what_it_is_adjusted_for():
    """Among several gates that block, the one that was adjusted and the one that stands alone are told apart."""
    fell, rose = rate([0] * 12 + [1] * 48), rate([1] * 60)
    gates = (NO_WORSE, RegressionGate(name="other", metric="other"))
    report = rule(Gates(gates=gates), table("c", exact=fell, other=rose), table("b", exact=rose, other=fell))
    assert ", adjusted for 2 gates)" in report.rulings[0].reason
    assert " alone)" in report.rulings[1].reason
    single = said(NO_WORSE, table("c", exact=fell), table("b", exact=rose)).reason
    assert ("adjusted" in single, "alone" in single) == (False, False)


def test_equal_data_give_equal_reports():
    """The shuffles behind a false-alarm rate have a seed made of the data's names, so a report can be made again."""
    old, new = table("b", exact=MIXED), table("c", exact=rate([1, 0, 1, 1] * 15))
    gates = Gates(gates=(NO_WORSE, DROP, COUNTED))
    assert rule(gates, new, old) == rule(gates, new, old)
    assert (
        rule(gates, new, old, seed=1).rulings[1].false_alarms != rule(gates, new, old, seed=2).rulings[1].false_alarms
    )


def test_run_that_was_cut_short_decides_nothing_good():
    """A spent budget or a tape left too often cannot pass, and does not excuse what was seen to fail."""
    new, old = table("c", exact=GOOD), table("b", exact=GOOD)
    gates = Gates(gates=(NO_WORSE,))
    assert rule(gates, new, old, conduct=Conduct(stopped="the budget of $2 is spent")).decision is UNDECIDED
    assert rule(gates, new, old, conduct=Conduct(replays=60, diverged=13)).decision is UNDECIDED
    assert rule(gates, new, old, conduct=Conduct(replays=60, diverged=12)).decision is PASSED
    broken = table("c", exact=rate([0] * 30 + [1] * 30))
    assert rule(gates, broken, old, conduct=Conduct(stopped="budget")).decision is FAILED


def test_quarantine_ends():
    """A case in quarantine does not count until its last day, then it does; and it cannot hold half of a suite."""
    new, old = table("c", exact=rate([0] * 6 + [1] * 54)), table("b", exact=GOOD)
    held = [Quarantined(case=f"c{place}", until=date(2026, 2, 1), reason="flaky") for place in range(6)]
    assert said(NO_WORSE, new, old, quarantine=held, today=date(2026, 2, 1)).decision is PASSED
    assert said(NO_WORSE, new, old, quarantine=held, today=date(2026, 2, 2)).decision is FAILED
    most = [Quarantined(case=f"c{place}", until=date(2026, 2, 1), reason="flaky") for place in range(30)]
    assert said(NO_WORSE, new, old, quarantine=most, today=date(2026, 2, 1)).decision is UNDECIDED
    with pytest.raises(GateError, match="no day"):
        said(NO_WORSE, new, old, quarantine=held)


def test_only_fresh_trials_count_for_cases_that_flipped():
    """What broke again fails, what was a fluke passes, and what was not tried again is not decided."""
    old, new = table("b", exact=GOOD), table("c", exact=rate([0] * 6 + [1] * 54))
    asked = retrials(new, old, metrics=["exact"])
    assert [retrial.case for retrial in asked] == [f"c{place}" for place in range(6)]
    again = rate([5] * 6, n=5)

    def with_new(passes: int, only: int = 6) -> Decision:
        fresh = FreshTrials(candidate=table("c", exact=rate([passes] * only, n=5)), baseline=table("b", exact=again))
        return rule(Gates(gates=(NO_WORSE,)), new, old, fresh=fresh).decision

    assert (with_new(0), with_new(5), with_new(5, only=5)) == (FAILED, PASSED, UNDECIDED)
    wrong = FreshTrials(candidate=table("d", exact=again), baseline=table("b", exact=again))
    assert rule(Gates(gates=(NO_WORSE,)), new, old, fresh=wrong).decision is not PASSED


def test_what_fresh_trials_show_is_told_apart_from_the_cases_that_never_flipped():
    """Six of 60 cases broke for good: over all of them the mean is 0.9, and over those six it is 0."""
    old, new = table("b", exact=GOOD), table("c", exact=rate([0] * 6 + [1] * 54))
    fresh = FreshTrials(
        candidate=table("c", exact=rate([0] * 6, n=20)), baseline=table("b", exact=rate([20] * 6, n=20))
    )
    (ruling,) = rule(Gates(gates=(NO_WORSE,)), new, old, fresh=fresh).rulings
    assert "6 cases flipped and count by their fresh trials, which went 1 -> 0" in ruling.reason


def test_the_smallest_drop_is_that_of_as_many_gates_as_block():
    """Ten gates share alpha, so each of them sees less; one that only tells does not have to share."""
    chance = random.Random(1)
    columns = {f"m{i}": rate([int(chance.random() < 0.8) for _ in range(60)]) for i in range(10)}
    old, new = table("b", **columns), table("c", **columns)

    def drop(blocking: int) -> float:
        gates = [RegressionGate(name=f"m{i}", metric=f"m{i}", is_blocking=i < blocking) for i in range(10)]
        found = rule(Gates(gates=tuple(gates)), new, old).rulings[0].smallest_drop
        assert found is not None
        return found

    assert drop(0) == drop(1) < drop(2) < drop(10)


def test_totals_without_cases_are_compared_with_fisher():
    """Counts alone still find a drop of twenty points, and a bare mean has no bound and says so."""

    def totals(digit: str, passed: int) -> ScoreTable:
        column = plain_column(Sample(n=100, total=float(passed), squares=float(passed)), is_rate=True)
        return ScoreTable(suite=COUNTS_SUITE, version=version(digit), columns={"exact": column})

    assert said(NO_WORSE, totals("c", 70), totals("b", 90)).decision is FAILED
    assert said(NO_WORSE, totals("c", 88), totals("b", 90)).decision is PASSED
    assert said(FLOOR, totals("c", 95)).decision is PASSED
    bare = ScoreTable(
        suite=COUNTS_SUITE,
        version=version("c"),
        columns={"exact": plain_column(Sample(n=1, total=0.95, squares=0.9025), is_rate=False)},
    )
    ruling = said(FLOOR, bare)
    assert ruling.decision is UNDECIDED
    assert "without n" in ruling.reason
    assert said(replace(FLOOR, on=On.MEAN), bare).decision is UNDECIDED


@pytest.mark.parametrize("is_lower_better", [False, True])
def test_errors_of_totals_count_as_their_worst(is_lower_better):
    """Ten errors of a hundred could be a drop that the counts alone do not show; and none failing proves no 0.0."""

    def totals(digit: str, good: int, errors: int = 0) -> ScoreTable:
        n = 100 - errors
        total = float(n - min(good, n) if is_lower_better else min(good, n))
        column = plain_column(Sample(n=n, total=total, squares=total, errors=errors), is_rate=True)
        return ScoreTable(suite=COUNTS_SUITE, version=version(digit), columns={"exact": column})

    gate = replace(NO_WORSE, is_lower_better=is_lower_better)
    assert said(gate, totals("c", 100, errors=10), totals("b", 100)).decision is UNDECIDED
    equal = said(gate, totals("c", 100), totals("b", 100))
    assert equal.decision is PASSED
    assert 0.01 < (equal.smallest_drop or 0.0) < 0.2
    assert said(replace(gate, prove_within=0.001), totals("c", 100), totals("b", 100)).decision is UNDECIDED


def test_a_lost_amount_may_be_the_worst():
    """One latency that was lost leaves every gate on amounts open, and excuses none that was seen to fail."""

    def column(value: float, lost: int) -> Column:
        known = {f"c{at}": Sample(n=1, total=value + at, squares=(value + at) ** 2) for at in range(60)}
        return Column(samples=known | {f"c{at}": Sample(errors=1) for at in range(lost)}, is_rate=False)

    limit = ThresholdGate(name="limit", metric="latency_ms", operator=Operator.AT_MOST, threshold=300.0)
    slower = RegressionGate(name="slower", metric="latency_ms", is_lower_better=True)
    drop = RuleGate(name="rise", metric="latency_ms", rule=SimpleRule.MEAN_DROP, limit=20, is_lower_better=True)
    old = table("b", latency_ms=column(100.0, 0))
    for gate in (limit, slower, drop, replace(limit, on=On.MEAN)):
        assert said(gate, table("c", latency_ms=column(100.0, 0)), old).decision is PASSED
        assert said(gate, table("c", latency_ms=column(100.0, 1)), old).decision is UNDECIDED
        assert said(gate, table("c", latency_ms=column(500.0, 1)), old).decision is FAILED


def test_equal_amounts_are_not_certain():
    """Twenty values that are all alike do not prove a mean to the last digit."""
    gate = replace(FLOOR, metric="quality", threshold=3.99)
    ruling = said(gate, table("c", quality=amounts([4.0] * 20)))
    assert ruling.decision is UNDECIDED
    assert said(replace(gate, threshold=3.0), table("c", quality=amounts([4.0] * 20))).decision is PASSED


def test_gate_of_another_suite_is_not_asked():
    """A gate belongs to its suite; where none is left, nothing is decided."""
    new = table("c", exact=GOOD)
    assert rule(Gates(gates=(replace(ALL_PASS, suite="smoke"),)), new).decision is UNDECIDED
    assert rule(Gates(gates=(replace(ALL_PASS, suite="support"),)), new).decision is PASSED
    assert SUITE.startswith("support@")


def test_gate_that_only_tells_does_not_decide():
    """A failed gate that does not block is reported beside a pass."""
    gates = Gates(gates=(replace(FLOOR, threshold=0.99, is_blocking=False), replace(FLOOR, name="low", threshold=0.5)))
    report = rule(gates, table("c", exact=MIXED))
    assert (report.decision, report.rulings[0].decision) == (PASSED, FAILED)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gates": ()},
        {"gates": (FLOOR, FLOOR)},
        {"gates": (FLOOR,), "alpha": 0.0},
        {"gates": (FLOOR,), "max_errors": 1.0},
        {"gates": (FLOOR,), "min_cases": 0},
        {"gates": (replace(FLOOR, threshold=float("nan")),)},
        {"gates": (replace(FLOOR, confidence=0.3),)},
        {"gates": (replace(CHEAP, limit=None),)},
        {"gates": (replace(CHEAP, limit=-1.0),)},
        {"gates": (replace(DROP, limit=float("inf")),)},
        {"gates": (replace(NO_WORSE, prove_within=-0.1),)},
    ],
)
def test_impossible_gates_are_refused(wrong):
    """No gates, two of a name, NaN, negative limits and probabilities of nothing are errors with a hint."""
    with pytest.raises(GateError) as found:
        Gates(**wrong)
    assert found.value.hint


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=10, max_size=40), st.integers(0, 9))
def test_a_worse_candidate_is_never_judged_better(pairs, place):
    """Taking a pass away from the candidate never lowers the false-block side: the p-value of McNemar only falls."""
    gate = replace(NO_WORSE, test=Test.MCNEMAR)
    old = table("b", exact=rate([before for before, _ in pairs], n=2))
    after = [one for _, one in pairs]
    worse = [0 if at == place else one for at, one in enumerate(after)]
    one, other = (said(gate, table("c", exact=rate(side, n=2)), old).p_value for side in (after, worse))
    assert (other or 0.0) <= (one or 0.0) + 1e-12
